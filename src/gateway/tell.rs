//! What happens to no verification and no message: a modem is in another state, somebody was refused, the configuration
//! is another. Each is an event in a transaction of its own.

use std::sync::Arc;

use super::effects::Effect;
use super::error::GatewayError;
use super::inner::{Gateway, Inner};
use super::lock::locked;
use super::request::Caller;
use super::told::{self, Reason};
use super::view::RecoveryView;
use crate::phone::PhoneNumber;
use crate::trail::Audit;

impl Gateway {
    /// A modem's state or facts changed: tells those who follow.
    pub fn modem_changed(&self, name: &str) {
        if let Ok(index) = self.0.index(name) {
            self.0.publish_modem(index);
        }
    }

    /// A modem is well again: counts it and tells those who follow.
    pub fn modem_recovered(&self, name: &str, recovery: RecoveryView) {
        if let Ok(index) = self.0.index(name) {
            self.0.metrics.recoveries.count(name, recovery);
            let view = self.0.modem_view(index);
            self.0.tell_of_modem(index, Effect::Recovered(view, recovery));
        }
    }

    /// Writes down that a client was refused, or a peer denied: the first of a kind at once, those that follow within a
    /// minute together. `by` is the client, where there is one.
    pub fn audit_refusal(&self, by: Option<&str>, audit: Audit) {
        let reason = audit.detail.clone();
        self.0.note_refusal(by, &reason, audit);
    }

    /// Writes down what an operator did, each time.
    pub fn audit(&self, by: Option<&str>, audit: Audit) {
        self.0.tell_alone(by.map(str::to_owned), Effect::Audit(audit));
    }
}

impl Inner {
    pub(super) fn publish_modem(self: &Arc<Self>, index: usize) {
        let view = self.modem_view(index);
        self.tell_of_modem(index, Effect::Modem(view));
    }

    fn tell_of_modem(self: &Arc<Self>, index: usize, effect: Effect) {
        let now = self.now().steady();
        let may = locked(&self.slots[index].pace).may(now);
        if may {
            self.tell_alone(None, effect);
        } else {
            self.keep_refusals();
        }
    }

    /// Writes down a refusal that came before its move began.
    pub(super) fn tell_refusal(self: &Arc<Self>, caller: &Caller, to: &PhoneNumber, error: &GatewayError) {
        if let Some(Reason { kind, detail }) = told::refusal(error) {
            let audit = Audit { action: "refused".to_owned(), to: Some(to.masked()), detail, count: 1 };
            self.note_refusal(caller.client.as_deref(), &kind, audit);
        }
    }

    fn note_refusal(self: &Arc<Self>, by: Option<&str>, reason: &str, audit: Audit) {
        let noted = locked(&self.refusals).note(by, reason, audit, self.now().steady());
        self.keep_refusals();
        if let Some(audit) = noted {
            self.tell_alone(by.map(str::to_owned), Effect::Audit(audit));
        }
    }

    /// An event in a transaction of its own, behind those that were told before.
    fn tell_alone(self: &Arc<Self>, by: Option<String>, effect: Effect) {
        let inner = Arc::clone(self);
        tokio::spawn(async move { inner.tell_now(by, effect).await });
    }

    async fn tell_now(self: &Arc<Self>, by: Option<String>, effect: Effect) {
        let told = self.make_in_turn(move |mv| {
            mv.by = by;
            mv.then(effect);
            Ok(())
        });
        if let Err(e) = told.await {
            tracing::debug!(error = %e, "an event was not written");
        }
    }

    /// Writes what was only counted so far; answers when it is on disk.
    pub(super) async fn tell_rest(self: &Arc<Self>) {
        let rest = locked(&self.refusals).end();
        for (by, audit) in rest {
            self.tell_now(by, Effect::Audit(audit)).await;
        }
    }

    /// Writes what was held back long enough.
    pub(super) fn tell_held(self: &Arc<Self>) {
        let now = self.now().steady();
        let due = locked(&self.refusals).due(now);
        for (by, audit) in due {
            self.tell_alone(by, Effect::Audit(audit));
        }
        for index in 0..self.slots.len() {
            let due = locked(&self.slots[index].pace).is_due(now);
            if due {
                self.publish_modem(index);
            }
        }
    }
}
