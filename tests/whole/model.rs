//! What must hold: a small account of what clients were told and of what the network took, kept apart from the daemon.

use std::collections::BTreeMap;

use gsm_sim::Submitted;
use smsotpd::gateway::{CheckView, MessageView, VerificationView};
use smsotpd::id::{MessageId, VerificationId};
use smsotpd::otp::VerificationStatus;
use smsotpd::outbox::MessageStatus;

/// A verification, as its client knows it.
#[derive(Debug)]
struct Known {
    to: String,
    message: MessageId,
    approvals: u32,
    /// Wrong codes that were told to be wrong.
    wrong: u32,
    ended: bool,
}

/// Checks of one verification that may be wrong before it is over.
const ATTEMPTS: u32 = 5;

#[derive(Debug, Default)]
pub(crate) struct Model {
    verifications: BTreeMap<VerificationId, Known>,
    texts: BTreeMap<MessageId, String>,
    pub(crate) broken: Option<String>,
}

impl Model {
    pub(crate) fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(what());
        }
    }

    pub(crate) fn issued(&mut self, v: &VerificationView) {
        let (to, message) = (v.to.as_str().to_owned(), v.message.0);
        let known = Known { to, message, approvals: 0, wrong: 0, ended: false };
        let twice = self.verifications.insert(v.id, known).is_some();
        self.must(!twice, || format!("{} was issued twice", v.id));
    }

    pub(crate) fn accepted(&mut self, m: &MessageView) {
        let twice = self.texts.insert(m.id, m.to.as_str().to_owned()).is_some();
        self.must(!twice, || format!("{} was accepted twice", m.id));
    }

    /// A check was answered: `right` is whether the code was that of the text.
    pub(crate) fn checked(&mut self, id: VerificationId, right: bool, answer: &CheckView) {
        let Some(known) = self.verifications.get_mut(&id) else { return };
        let was_over = known.ended;
        known.approvals += u32::from(answer.approved);
        known.wrong += u32::from(!right);
        known.ended |= answer.verification.status != VerificationStatus::Pending;
        let (approvals, wrong) = (known.approvals, known.wrong);
        self.must(!answer.approved || right, || format!("{id}: a wrong code was approved"));
        self.must(approvals <= 1, || format!("{id} was approved twice"));
        self.must(!answer.approved || !was_over, || format!("{id} was approved after its end"));
        self.must(!answer.approved || wrong < ATTEMPTS, || {
            format!("{id} was approved after {wrong} wrong codes")
        });
    }

    pub(crate) fn cancelled(&mut self, v: &VerificationView) {
        if let Some(known) = self.verifications.get_mut(&v.id) {
            known.ended = true;
        }
    }

    /// Everybody who was promised a message: which, and to whom.
    pub(crate) fn promised(&self) -> Vec<(MessageId, String)> {
        let codes = self.verifications.values().map(|v| (v.message, v.to.clone()));
        codes.chain(self.texts.iter().map(|(id, to)| (*id, to.clone()))).collect()
    }

    /// After a calm hour: where the message stands, and what the network took for its number, which no other has.
    pub(crate) fn ended(&mut self, m: &MessageView, to: &str, taken: &[Submitted]) {
        let copies = taken.iter().filter(|t| t.to == to && !t.dropped && t.whole.is_some()).count();
        let over = !matches!(m.status, MessageStatus::Queued | MessageStatus::Sending);
        self.must(over, || format!("{} has not ended: {}", m.id, m.status.as_str()));
        let sent = matches!(m.status, MessageStatus::Sent | MessageStatus::Delivered);
        self.must(!sent || copies > 0, || format!("{} is {} and nobody got it", m.id, m.status.as_str()));
        let attempts = m.attempts as usize;
        self.must(copies <= attempts, || format!("{}: {copies} copies of {attempts} sends", m.id));
    }
}
