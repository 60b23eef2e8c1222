//! What every route has: the service behind the API, time limits and sizes, and the signal that the daemon
//! stops. The other files of this room use this file, and it uses none of them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, watch};

use crate::gateway::{
    Caller, CheckRequest, CheckView, Control, Event, EventPage, Gateway, GatewayError, HostView, InboxFilter,
    InboxView, IssueRequest, KeyView, LimitsRequest, LimitsView, MessageFilter, MessageView, ModemView,
    OptOutView, OtherModem, Page, Recorded, SendRequest, StatusView, TrailView, UssdAnswer,
    VerificationFilter, VerificationView,
};
use crate::id::{InboxId, MessageId, VerificationId};
use crate::inbox::Tag;
use crate::prometheus::Counters;
use crate::trail::{Audit, Hash};

/// Time limits and sizes that keep one client from harming the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time for a request's head, from its first octet.
    pub head: Duration,
    /// The time for a request's whole body.
    pub body: Duration,
    /// The largest body.
    pub body_octets: usize,
    /// The time for a connection without a request.
    pub idle: Duration,
    /// The time for a client that reads no more of its answer.
    pub blocked: Duration,
    /// The time between two comments of an event stream without events.
    pub heartbeat: Duration,
    /// The time for running requests when the daemon stops.
    pub drain: Duration,
    /// How many connections may be open at once; further ones are refused.
    pub connections: usize,
    /// How many of them one user may have, at most three quarters.
    pub connections_per_uid: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            body_octets: 64 * 1024,
            idle: Duration::from_secs(75),
            blocked: Duration::from_secs(30),
            heartbeat: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            connections: 4096,
            connections_per_uid: 1024,
        }
    }
}

/// The state that all requests share.
pub(super) struct App {
    pub(super) service: Arc<dyn Service>,
    pub(super) limits: Limits,
    /// What was answered, by method, route and status.
    pub(super) requests: Counters<3>,
    /// Turns true when the daemon stops; then waits and streams end.
    pub(super) stopping: watch::Receiver<bool>,
}

impl App {
    /// A request of this line of the table was answered.
    pub(super) fn answered(&self, method: &str, route: &str, status: StatusCode) {
        self.requests.count([method, route, status.as_str()]);
    }

    /// Completes when the daemon stops.
    pub(super) async fn stopped(&self) {
        // An error means that the server itself is gone.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

/// The future answer of a use case.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// Declares the trait [`Service`] and implements it for [`Gateway`]; behind each `=` are the arguments of the
/// gateway's own method.
macro_rules! service {
    (
        later { $($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $answer:ty = $call:tt;)* }
        at once { $($(#[$doc_now:meta])* $now:ident($($arg_now:ident: $type_now:ty),*) -> $answer_now:ty;)* }
    ) => {
        /// The use cases that routes call. The gateway implements them; tests have implementations of their
        /// own. Every caller was authorised for the route; the service decides what the caller may see of a
        /// verification or message.
        pub trait Service: Send + Sync + 'static {
            $($(#[$doc])* fn $name(&self, $($arg: $type),*) -> Answer<'_, $answer>;)*
            $($(#[$doc_now])* fn $now(&self, $($arg_now: $type_now),*) -> $answer_now;)*
        }

        impl Service for Gateway {
            $(fn $name(&self, $($arg: $type),*) -> Answer<'_, $answer> {
                let gateway = self.clone();
                // A type's own method takes precedence over that of a trait, so this is not a recursion.
                Box::pin(async move { gateway.$name $call.await })
            })*
            $(fn $now(&self, $($arg_now: $type_now),*) -> $answer_now {
                Self::$now(self, $($arg_now),*)
            })*
        }
    };
}

service! {
    later {
        /// Makes a verification and queues its message. True means that the verification is not new: it was pending and
        /// its code is sent again, or the idempotency key stands for it and nothing is sent.
        issue(caller: Caller, request: IssueRequest) -> (VerificationView, bool) = (&caller, request);
        /// What an issue would meet; it is counted nowhere.
        limits(caller: Caller, request: LimitsRequest) -> LimitsView = (&caller, request);
        /// Compares a code with a verification.
        check(caller: Caller, id: VerificationId, request: CheckRequest) -> CheckView = (&caller, id, request);
        /// Compares a code with the newest verification of a number and service.
        check_newest(caller: Caller, to: String, service: Option<String>, request: CheckRequest) -> CheckView
            = (&caller, &to, service.as_deref(), request);
        /// A verification.
        verification(caller: Caller, id: VerificationId) -> VerificationView = (&caller, id);
        /// Verifications, newest first.
        verifications(caller: Caller, filter: VerificationFilter) -> Page<VerificationView> = (&caller, filter);
        /// Sends the same code again.
        resend(caller: Caller, id: VerificationId, idempotency_key: Option<String>) -> VerificationView
            = (&caller, id, idempotency_key);
        /// Withdraws a verification.
        cancel(caller: Caller, id: VerificationId) -> VerificationView = (&caller, id);
        /// Queues a plain message. True means that the idempotency key was known, the message is the one that
        /// the key stands for, and nothing was queued again.
        send(caller: Caller, request: SendRequest) -> (MessageView, bool) = (&caller, request);
        /// A message.
        message(caller: Caller, id: MessageId) -> MessageView = (&caller, id);
        /// Messages, newest first.
        messages(caller: Caller, filter: MessageFilter) -> Page<MessageView> = (&caller, filter);
        /// Withdraws a message that is not yet on the air.
        cancel_message(caller: Caller, id: MessageId) -> MessageView = (&caller, id);
        /// Received messages, newest first.
        inbox(filter: InboxFilter) -> Page<InboxView> = (filter);
        /// Deletes a received message.
        delete_inbox(id: InboxId) -> InboxView = (id);
        /// Numbers that opted out, after the cursor `after`.
        opt_outs(limit: usize, after: Option<Tag>) -> Page<OptOutView> = (limit, after);
        /// Adds a number to the opt-out list.
        add_opt_out(caller: Caller, phone: String) -> OptOutView = (&caller, &phone);
        /// Removes a number from the opt-out list.
        remove_opt_out(caller: Caller, phone: String) -> OptOutView = (&caller, &phone);
        /// The last lines that went over a modem's port, masked.
        trace(name: String) -> Vec<Recorded> = (&name);
        /// At most `limit` events behind `after`.
        events(after: u64, limit: usize) -> EventPage = (after, limit);
        /// Looks at every event that is kept, and whether an event has the hash that somebody wrote down.
        verify_events(anchor: Option<(u64, Hash)>) -> TrailView = (anchor);
        /// Puts a new secret key in the old one's place.
        rotate_key(caller: Caller) -> KeyView = (&caller);
        /// Lets a host take no more messages, or take them again.
        drain_host(caller: Caller, name: String, draining: bool) -> HostView = (&caller, &name, draining);
        /// Forgets a host that is gone.
        forget_host(caller: Caller, name: String) -> HostView = (&caller, &name);
        /// Carries out an operator's command. The answer to a USSD request is the network's.
        control(name: String, control: Control) -> Option<UssdAnswer> = (&name, control);
    }
    at once {
        /// The hosts that share the store, by name.
        hosts() -> Vec<HostView>;
        /// The name of this host, when others share its store.
        host() -> Option<String>;
        /// The modems of other hosts, by name.
        other_modems() -> Vec<OtherModem>;
        /// Every modem of the configuration.
        modems() -> Vec<ModemView>;
        /// One modem.
        modem(name: &str) -> Result<ModemView, GatewayError>;
        /// The daemon's status.
        status() -> StatusView;
        /// Whether new work is taken and at least one modem can send.
        ready() -> bool;
        /// The number of the newest event; changes wake.
        newest_event() -> watch::Receiver<u64>;
        /// What happens from now on, for who waits for one thing.
        live() -> broadcast::Receiver<Event>;
        /// Writes down that a client was refused or a peer denied; a flood of them is counted.
        audit_refusal(by: Option<&str>, audit: Audit) -> ();
        /// How things stand with the secret key.
        key() -> KeyView;
        /// The filter of the log.
        log_filter() -> Result<String, GatewayError>;
        /// Another filter of the log.
        set_log_filter(caller: &Caller, filter: &str) -> Result<String, GatewayError>;
        /// A backup of the whole state, piece by piece; nothing follows an error.
        back_up() -> mpsc::Receiver<Result<Vec<u8>, GatewayError>>;
        /// Prometheus text exposition format 0.0.4.
        metrics() -> String;
    }
}
