//! What the API needs of the house behind it. The gateway implements it; tests implement what they like.

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::gateway::{
    Caller, CheckView, Control, Gateway, GatewayError, InboxFilter, InboxView, IssueRequest, MessageFilter,
    MessageView, ModemView, OptOutView, Page, Recorded, SendRequest, StatusView, Subscription, UssdAnswer,
    VerificationView,
};
use crate::id::{InboxId, MessageId, VerificationId};
use crate::inbox::Tag;
use crate::secret::Secret;

/// What a use case answers, later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// A new verification, or the one that an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The verification.
    pub view: VerificationView,
    /// The key was known: nothing was sent again.
    pub replayed: bool,
}

/// A new message, or the one that an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The message.
    pub view: MessageView,
    /// The key was known: nothing was queued again.
    pub replayed: bool,
}

/// The use cases that routes call. Every caller was authorised for the route; what it may see of one
/// verification or message is for the service to judge.
pub trait Service: Send + Sync + 'static {
    /// Makes a verification and queues its message.
    fn issue(&self, caller: Caller, request: IssueRequest) -> Answer<'_, Issued>;
    /// Compares a code with a verification.
    fn check(&self, caller: Caller, id: VerificationId, code: Secret<String>) -> Answer<'_, CheckView>;
    /// Compares a code with the newest verification of a number and service.
    fn check_newest(
        &self,
        caller: Caller,
        to: String,
        service: Option<String>,
        code: Secret<String>,
    ) -> Answer<'_, CheckView>;
    /// A verification.
    fn verification(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView>;
    /// Sends the same code again.
    fn resend(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView>;
    /// Withdraws a verification.
    fn cancel(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView>;
    /// Queues a plain message.
    fn send(&self, caller: Caller, request: SendRequest) -> Answer<'_, Accepted>;
    /// A message.
    fn message(&self, caller: Caller, id: MessageId) -> Answer<'_, MessageView>;
    /// Messages, newest first.
    fn messages(&self, caller: Caller, filter: MessageFilter) -> Answer<'_, Page<MessageView>>;
    /// Withdraws a message that is not yet on the air.
    fn cancel_message(&self, caller: Caller, id: MessageId) -> Answer<'_, MessageView>;
    /// Received messages, newest first.
    fn inbox(&self, filter: InboxFilter) -> Answer<'_, Page<InboxView>>;
    /// Forgets a received message.
    fn delete_inbox(&self, id: InboxId) -> Answer<'_, InboxView>;
    /// Numbers that opted out, behind the cursor `after`.
    fn opt_outs(&self, limit: usize, after: Option<Tag>) -> Answer<'_, Page<OptOutView>>;
    /// Sends nothing more to a number.
    fn add_opt_out(&self, phone: String) -> Answer<'_, OptOutView>;
    /// Sends to a number again.
    fn remove_opt_out(&self, phone: String) -> Answer<'_, OptOutView>;
    /// Every modem of the configuration.
    fn modems(&self) -> Vec<ModemView>;
    /// One modem.
    fn modem(&self, name: &str) -> Result<ModemView, GatewayError>;
    /// The last lines that went over a modem's port, masked.
    fn trace(&self, name: String) -> Answer<'_, Vec<Recorded>>;
    /// An operator's command; what comes back is the network's answer to a USSD request.
    fn control(&self, name: String, control: Control) -> Answer<'_, Option<UssdAnswer>>;
    /// The daemon at a glance.
    fn status(&self) -> StatusView;
    /// Whether at least one modem can send.
    fn ready(&self) -> bool;
    /// Events behind the one with the id `after`, or only those to come.
    fn subscribe(&self, after: Option<u64>) -> Subscription;
    /// A backup of everything, piece by piece; after an error nothing follows.
    fn back_up(&self) -> mpsc::Receiver<Result<Vec<u8>, GatewayError>>;
    /// Prometheus text exposition format 0.0.4.
    fn metrics(&self) -> String;
}

/// A use case that goes to its end once it has begun, though the client goes away meanwhile: what is on disk is also
/// queued, told and counted.
fn whole<T: Send + 'static>(
    use_case: impl Future<Output = Result<T, GatewayError>> + Send + 'static,
) -> Answer<'static, T> {
    let broken = || Err(GatewayError::Internal("the request broke off".to_owned()));
    Box::pin(async move { tokio::spawn(use_case).await.unwrap_or_else(|_| broken()) })
}

impl Service for Gateway {
    fn issue(&self, caller: Caller, request: IssueRequest) -> Answer<'_, Issued> {
        let gateway = self.clone();
        whole(async move {
            let (view, replayed) = Self::issue(&gateway, &caller, request).await?;
            Ok(Issued { view, replayed })
        })
    }

    fn check(&self, caller: Caller, id: VerificationId, code: Secret<String>) -> Answer<'_, CheckView> {
        let gateway = self.clone();
        whole(async move { Self::check(&gateway, &caller, id, &code).await })
    }

    fn check_newest(
        &self,
        caller: Caller,
        to: String,
        service: Option<String>,
        code: Secret<String>,
    ) -> Answer<'_, CheckView> {
        let gateway = self.clone();
        whole(async move { Self::check_newest(&gateway, &caller, &to, service.as_deref(), &code).await })
    }

    fn verification(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView> {
        Box::pin(async move { Self::verification(self, &caller, id).await })
    }

    fn resend(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView> {
        let gateway = self.clone();
        whole(async move { Self::resend(&gateway, &caller, id).await })
    }

    fn cancel(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView> {
        let gateway = self.clone();
        whole(async move { Self::cancel(&gateway, &caller, id).await })
    }

    fn send(&self, caller: Caller, request: SendRequest) -> Answer<'_, Accepted> {
        let gateway = self.clone();
        whole(async move {
            let (view, replayed) = Self::send(&gateway, &caller, request).await?;
            Ok(Accepted { view, replayed })
        })
    }

    fn message(&self, caller: Caller, id: MessageId) -> Answer<'_, MessageView> {
        Box::pin(async move { Self::message(self, &caller, id).await })
    }

    fn messages(&self, caller: Caller, filter: MessageFilter) -> Answer<'_, Page<MessageView>> {
        Box::pin(async move { Self::messages(self, &caller, filter).await })
    }

    fn cancel_message(&self, caller: Caller, id: MessageId) -> Answer<'_, MessageView> {
        let gateway = self.clone();
        whole(async move { Self::cancel_message(&gateway, &caller, id).await })
    }

    fn inbox(&self, filter: InboxFilter) -> Answer<'_, Page<InboxView>> {
        Box::pin(Self::inbox(self, filter))
    }

    fn delete_inbox(&self, id: InboxId) -> Answer<'_, InboxView> {
        let gateway = self.clone();
        whole(async move { Self::delete_inbox(&gateway, id).await })
    }

    fn opt_outs(&self, limit: usize, after: Option<Tag>) -> Answer<'_, Page<OptOutView>> {
        Box::pin(Self::opt_outs(self, limit, after))
    }

    fn add_opt_out(&self, phone: String) -> Answer<'_, OptOutView> {
        let gateway = self.clone();
        whole(async move { Self::add_opt_out(&gateway, &phone).await })
    }

    fn remove_opt_out(&self, phone: String) -> Answer<'_, OptOutView> {
        let gateway = self.clone();
        whole(async move { Self::remove_opt_out(&gateway, &phone).await })
    }

    fn modems(&self) -> Vec<ModemView> {
        Self::modems(self)
    }

    fn modem(&self, name: &str) -> Result<ModemView, GatewayError> {
        Self::modem(self, name)
    }

    fn trace(&self, name: String) -> Answer<'_, Vec<Recorded>> {
        Box::pin(async move { Self::trace(self, &name).await })
    }

    fn control(&self, name: String, control: Control) -> Answer<'_, Option<UssdAnswer>> {
        let gateway = self.clone();
        whole(async move { Self::control(&gateway, &name, control).await })
    }

    fn status(&self) -> StatusView {
        Self::status(self)
    }

    fn ready(&self) -> bool {
        Self::ready(self)
    }

    fn subscribe(&self, after: Option<u64>) -> Subscription {
        Self::subscribe(self, after)
    }

    fn back_up(&self) -> mpsc::Receiver<Result<Vec<u8>, GatewayError>> {
        Self::back_up(self)
    }

    fn metrics(&self) -> String {
        Self::metrics(self)
    }
}
