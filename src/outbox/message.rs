//! The state of one outgoing message and the one function that changes it.

use std::time::Duration;

use super::Retry;
use crate::clock::Timestamp;
use crate::id::{MessageId, VerificationId};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It carries a code of this verification. Its text is never given back.
    Otp(VerificationId),
    /// Plain text.
    Text,
}

/// How the text goes over the air (3GPP TS 23.038).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// GSM 7-bit default alphabet.
    Gsm7,
    /// UCS-2.
    Ucs2,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    /// Waits for a modem or for its time.
    Queued,
    /// A modem has it. Found so at start-up, its outcome is unknown.
    Sending,
    /// The service centre took every part.
    Sent,
    /// A delivery report says that it arrived.
    Delivered,
    /// A delivery report says that it never will.
    Undelivered,
    /// Given up; `error` says why.
    Failed,
    /// Its time ran out before it could be sent.
    Expired,
    /// Withdrawn before it was sent.
    Cancelled,
}

impl MessageStatus {
    /// Whether nothing is sent any more: the text is gone.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }
}

/// How long a fault lasts, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// Of the message or its recipient; trying again does not help.
    Permanent,
    /// Passes; try again later, anywhere.
    Transient,
    /// Of the modem or its SIM; try at once elsewhere, later here.
    Modem,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What to do about it.
    pub class: FaultClass,
    /// For a person: the cause and its number.
    pub text: String,
}

/// An outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// The recipient.
    pub to: PhoneNumber,
    /// The API client that asked, when clients are configured.
    pub client: Option<String>,
    /// What it is for.
    pub kind: Kind,
    /// Where it stands.
    pub status: MessageStatus,
    /// Higher goes first among plain texts, 0 to 9. Codes go before all of them.
    pub priority: u8,
    /// Short messages it takes.
    pub parts: u8,
    /// How its text is coded.
    pub encoding: Encoding,
    /// Class 0: shown at once, not kept.
    pub flash: bool,
    /// Whether a delivery report is asked for (TP-SRR).
    pub report: bool,
    /// Only this modem may send it.
    pub wanted_modem: Option<String>,
    /// The modem that has it, had it last, or that took its first parts.
    pub modem: Option<String>,
    /// Sends begun so far.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
    /// Not after this: a code's expiry, or the sender's own limit.
    pub deadline: Option<Timestamp>,
    /// When the service centre took the last part.
    pub sent_at: Option<Timestamp>,
    /// When the recipient had it.
    pub delivered_at: Option<Timestamp>,
    /// The last fault, for a person.
    pub error: Option<String>,
    /// The text, sealed; gone when the message is over.
    pub body: Option<Sealed>,
    /// TP-MR of the first part; the others follow. The same in every attempt, so that the network can drop a
    /// twin.
    pub reference: u8,
    /// Parts that the service centre took for certain: a later attempt goes on behind them.
    pub parts_done: u8,
    /// A send of it ended unknown: it goes out again with TP-RD set.
    pub uncertain: bool,
    /// TP-MR that the modem reported for each part taken.
    pub modem_references: Vec<u8>,
}

/// What happens to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A modem takes it.
    Claimed {
        /// The modem's name.
        modem: String,
    },
    /// The service centre took all parts.
    Accepted {
        /// TP-MR of each part taken in this attempt.
        references: Vec<u8>,
    },
    /// The modem or the network refused a part.
    Rejected {
        /// TP-MR of the parts taken before it.
        references: Vec<u8>,
        /// Why.
        fault: Fault,
    },
    /// Nobody knows whether the last part went out.
    Unknown {
        /// TP-MR of the parts taken for certain.
        references: Vec<u8>,
        /// What was seen.
        reason: String,
    },
    /// The modem did not begin: nothing went out and no attempt is counted.
    NotStarted {
        /// Parts taken before the modem stopped.
        references: Vec<u8>,
        /// What was seen.
        reason: String,
    },
    /// Found in `Sending` at start-up.
    FoundSending,
    /// The application withdraws it.
    Cancel,
    /// Time passed, with this much life needed for a send to make sense.
    Tick {
        /// A code with less life left is not sent.
        min_life: Duration,
    },
    /// A delivery report.
    Reported {
        /// Whether the recipient has it.
        delivered: bool,
        /// The report's meaning, for a person, when it was not delivered.
        reason: Option<String>,
    },
}

/// An event that this state does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message that is {0:?} does not take this")]
pub struct Refusal(pub MessageStatus);

/// The message after `event` at `now`.
pub fn step(mut m: Message, event: Event, now: Timestamp, retry: &Retry) -> Result<Message, Refusal> {
    use MessageStatus::{Cancelled, Delivered, Expired, Failed, Queued, Sending, Sent, Undelivered};
    let refused = Err(Refusal(m.status));
    match (m.status, event) {
        (Queued, Event::Claimed { modem }) => {
            m.status = Sending;
            m.attempts += 1;
            m.modem = Some(modem);
        }
        (Sending, Event::Accepted { references }) => {
            taken(&mut m, &references);
            m.sent_at = Some(now);
            m.error = None;
            end(&mut m, Sent);
        }
        (Sending, Event::Rejected { references, fault }) => {
            taken(&mut m, &references);
            m.error = Some(fault.text);
            match fault.class {
                FaultClass::Permanent => end(&mut m, Failed),
                FaultClass::Transient | FaultClass::Modem => again(&mut m, now, retry),
            }
        }
        (Sending, Event::Unknown { references, reason }) => {
            taken(&mut m, &references);
            m.uncertain = true;
            m.error = Some(reason);
            again(&mut m, now, retry);
        }
        (Sending, Event::NotStarted { references, reason }) => {
            taken(&mut m, &references);
            m.attempts = m.attempts.saturating_sub(1);
            m.error = Some(reason);
            m.status = Queued;
            m.due_at = now;
        }
        (Sending, Event::FoundSending) => {
            m.uncertain = true;
            m.error = Some("the daemon stopped while it was on the air".to_owned());
            // One try beyond the limit: the attempt may never have begun.
            m.status = Queued;
            m.due_at = now;
        }
        (Queued, Event::Cancel) => end(&mut m, Cancelled),
        (Queued, Event::Tick { min_life }) => {
            let needed = if matches!(m.kind, Kind::Otp(_)) { min_life } else { Duration::ZERO };
            if m.deadline.is_some_and(|deadline| now.plus(needed) >= deadline) {
                m.error.get_or_insert_with(|| "its time ran out before a modem could send it".to_owned());
                end(&mut m, Expired);
            }
        }
        (Sent, Event::Reported { delivered: true, .. }) => {
            m.status = Delivered;
            m.delivered_at = Some(now);
        }
        (Sent, Event::Reported { delivered: false, reason }) => {
            m.status = Undelivered;
            m.error = reason;
        }
        (Queued | Sending | Sent | Delivered | Undelivered | Failed | Expired | Cancelled, _) => {
            return refused;
        }
    }
    Ok(m)
}

fn taken(m: &mut Message, references: &[u8]) {
    m.modem_references.extend_from_slice(references);
    m.parts_done = m.parts_done.saturating_add(u8::try_from(references.len()).unwrap_or(u8::MAX));
}

fn again(m: &mut Message, now: Timestamp, retry: &Retry) {
    match retry.after(m.attempts) {
        Some(wait) if m.deadline.is_none_or(|deadline| now.plus(wait) < deadline) => {
            m.status = MessageStatus::Queued;
            m.due_at = now.plus(wait);
        }
        _ => end(m, MessageStatus::Failed),
    }
}

fn end(m: &mut Message, status: MessageStatus) {
    m.status = status;
    m.body = None;
}
