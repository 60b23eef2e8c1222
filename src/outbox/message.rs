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
    /// Every status, in the order of a message's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The contract's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

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
    /// The service centre has the same message already.
    Duplicate,
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
    /// The service of its verification; none for plain text, and for a code of a version that did not note it.
    pub service: Option<String>,
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
    /// The answer to an unknown send came late, with its TP-MR.
    LateAccepted {
        /// TP-MR of the part.
        reference: u8,
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
#[error("a message that is {} does not take this", .0.as_str())]
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
                // The twin of a doubtful send: the first one went out after all.
                FaultClass::Duplicate if m.uncertain => {
                    m.sent_at = Some(now);
                    m.error = None;
                    end(&mut m, Sent);
                }
                FaultClass::Permanent | FaultClass::Duplicate => end(&mut m, Failed),
                FaultClass::Transient => again(&mut m, now, retry),
                FaultClass::Modem => {
                    again(&mut m, now, retry);
                    // Another modem may have it at once; the queue keeps it from this one.
                    m.due_at = now;
                }
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
        (Queued, Event::LateAccepted { reference }) if m.uncertain => {
            taken(&mut m, &[reference]);
            m.uncertain = false;
            if m.parts_done >= m.parts {
                m.sent_at = Some(now);
                m.error = None;
                end(&mut m, Sent);
            }
        }
        (Queued, Event::Cancel) => end(&mut m, Cancelled),
        (Queued, Event::Tick { min_life }) => {
            let needed = if matches!(m.kind, Kind::Otp(_)) { min_life } else { Duration::ZERO };
            if m.deadline.is_some_and(|deadline| now.plus(needed) >= deadline) {
                m.error.get_or_insert_with(|| "its time ran out before a modem could send it".to_owned());
                end(&mut m, Expired);
            }
        }
        // Also what a service centre gave up too early.
        (Sent | Undelivered, Event::Reported { delivered: true, .. }) => delivered(&mut m, now),
        // Nobody knew whether it had gone out; now it is known.
        (Failed | Expired, Event::Reported { delivered: true, .. })
            if m.uncertain && m.parts_done.saturating_add(1) >= m.parts =>
        {
            m.sent_at.get_or_insert(now);
            delivered(&mut m, now);
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

fn delivered(m: &mut Message, now: Timestamp) {
    m.status = MessageStatus::Delivered;
    m.delivered_at = Some(now);
    m.error = None;
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

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    /// A code of `parts` short messages with five minutes to live.
    pub(crate) fn message(parts: u8) -> Message {
        Message {
            id: MessageId::new(START),
            to: "+41791234567".parse().unwrap(),
            client: None,
            kind: Kind::Otp(VerificationId::new(START)),
            service: Some("default".to_owned()),
            status: MessageStatus::Queued,
            priority: 0,
            parts,
            encoding: Encoding::Gsm7,
            flash: false,
            report: false,
            wanted_modem: None,
            modem: None,
            attempts: 0,
            created_at: START,
            due_at: START,
            deadline: Some(after(300)),
            sent_at: None,
            delivered_at: None,
            error: None,
            body: Some(Sealed::from_bytes(vec![1])),
            reference: 7,
            parts_done: 0,
            uncertain: false,
            modem_references: Vec::new(),
        }
    }

    fn run(m: Message, events: impl IntoIterator<Item = Event>, now: Timestamp) -> Message {
        events.into_iter().fold(m, |m, event| step(m, event, now, &Retry::default()).unwrap())
    }

    fn claim() -> Event {
        Event::Claimed { modem: "a".to_owned() }
    }

    fn rejected(class: FaultClass, references: Vec<u8>) -> Event {
        Event::Rejected { references, fault: Fault { class, text: "+CMS ERROR: 42".to_owned() } }
    }

    #[test]
    fn sent_and_reported() {
        let m = run(message(2), [claim(), Event::Accepted { references: vec![1, 2] }], after(3));
        assert_eq!(
            (m.status, m.sent_at, m.parts_done, &m.body),
            (MessageStatus::Sent, Some(after(3)), 2, &None)
        );
        let done = run(m.clone(), [Event::Reported { delivered: true, reason: None }], after(5));
        assert_eq!((done.status, done.delivered_at), (MessageStatus::Delivered, Some(after(5))));
        let lost = Event::Reported { delivered: false, reason: Some("recipient unknown".to_owned()) };
        let m = run(m, [lost], after(5));
        assert_eq!((m.status, m.error.as_deref()), (MessageStatus::Undelivered, Some("recipient unknown")));
        let found = run(m, [Event::Reported { delivered: true, reason: None }], after(9));
        assert_eq!((found.status, found.error), (MessageStatus::Delivered, None), "the last word counts");
    }

    #[test]
    fn a_report_tells_of_a_message_that_was_given_up_in_doubt() {
        let reported = || Event::Reported { delivered: true, reason: None };
        let unknown = Event::Unknown { references: vec![], reason: "silence".to_owned() };
        let m = run(message(1), [claim(), unknown.clone()], after(299));
        assert_eq!(m.status, MessageStatus::Failed);
        let m = run(m, [reported()], after(301));
        assert_eq!((m.status, m.delivered_at, m.error), (MessageStatus::Delivered, Some(after(301)), None));
        let half = run(message(3), [claim(), unknown], after(299));
        let refused = step(half, reported(), after(301), &Retry::default());
        assert_eq!(refused, Err(Refusal(MessageStatus::Failed)), "the other parts never went out");
        let sure = run(message(1), [claim(), rejected(FaultClass::Permanent, vec![])], after(1));
        assert!(step(sure, reported(), after(2), &Retry::default()).is_err());
    }

    #[test]
    fn a_transient_fault_waits_a_permanent_one_ends_a_modems_goes_elsewhere_at_once() {
        let m = run(message(1), [claim(), rejected(FaultClass::Transient, vec![])], after(0));
        assert_eq!((m.status, m.due_at, m.attempts), (MessageStatus::Queued, after(2), 1));
        let m = run(message(1), [claim(), rejected(FaultClass::Permanent, vec![])], after(0));
        assert_eq!(
            (m.status, m.body, m.error.as_deref()),
            (MessageStatus::Failed, None, Some("+CMS ERROR: 42"))
        );
        let m = run(message(1), [claim(), rejected(FaultClass::Modem, vec![])], after(9));
        assert_eq!((m.status, m.due_at), (MessageStatus::Queued, after(9)));
    }

    #[test]
    fn attempts_end() {
        let mut m = message(1);
        m.deadline = None;
        for _ in 0..5 {
            assert_eq!(m.status, MessageStatus::Queued);
            m = run(m, [claim(), rejected(FaultClass::Transient, vec![])], after(0));
        }
        assert_eq!((m.status, m.attempts), (MessageStatus::Failed, 5));
    }

    #[test]
    fn a_retry_goes_on_behind_the_parts_that_were_taken() {
        let m = run(message(3), [claim(), rejected(FaultClass::Transient, vec![50])], after(0));
        assert_eq!((m.parts_done, m.reference), (1, 7));
        let m = run(m, [claim(), Event::Accepted { references: vec![51, 52] }], after(2));
        assert_eq!((m.status, m.modem_references), (MessageStatus::Sent, vec![50, 51, 52]));
    }

    #[test]
    fn an_unknown_outcome_is_tried_again_as_a_twin_or_credited_late() {
        let unknown = Event::Unknown { references: vec![], reason: "silence".to_owned() };
        let m = run(message(1), [claim(), unknown], after(0));
        assert_eq!((m.status, m.uncertain, m.reference), (MessageStatus::Queued, true, 7));
        let late = run(m.clone(), [Event::LateAccepted { reference: 9 }], after(1));
        assert_eq!((late.status, late.modem_references), (MessageStatus::Sent, vec![9]));
        let refused = step(message(1), Event::LateAccepted { reference: 9 }, after(1), &Retry::default());
        assert_eq!(refused, Err(Refusal(MessageStatus::Queued)), "nothing of it is in doubt");
    }

    #[test]
    fn a_twin_that_is_refused_as_one_tells_that_the_first_went_out() {
        let unknown = Event::Unknown { references: vec![], reason: "silence".to_owned() };
        let duplicate = || rejected(FaultClass::Duplicate, vec![]);
        let m = run(message(1), [claim(), unknown, claim(), duplicate()], after(0));
        assert_eq!((m.status, m.sent_at, m.error), (MessageStatus::Sent, Some(after(0)), None));
        let m = run(message(1), [claim(), duplicate()], after(0));
        assert_eq!(m.status, MessageStatus::Failed, "nothing of it was in doubt");
    }

    #[test]
    fn not_started_counts_no_attempt_and_found_sending_is_in_doubt() {
        let held = Event::NotStarted { references: vec![], reason: "unplugged".to_owned() };
        let m = run(message(1), [claim(), held], after(4));
        assert_eq!((m.status, m.attempts, m.due_at), (MessageStatus::Queued, 0, after(4)));
        let m = run(message(1), [claim(), Event::FoundSending], after(4));
        assert_eq!((m.status, m.attempts, m.uncertain), (MessageStatus::Queued, 1, true));
    }

    #[test]
    fn a_code_with_too_little_life_is_not_sent() {
        let tick = || Event::Tick { min_life: Duration::from_secs(20) };
        assert_eq!(run(message(1), [tick()], after(279)).status, MessageStatus::Queued);
        let m = run(message(1), [tick()], after(280));
        assert_eq!((m.status, m.body.is_some()), (MessageStatus::Expired, false));
        let text = Message { kind: Kind::Text, ..message(1) };
        assert_eq!(run(text, [tick()], after(299)).status, MessageStatus::Queued);
        let late = run(message(1), [claim(), rejected(FaultClass::Transient, vec![])], after(299));
        assert_eq!(late.status, MessageStatus::Failed, "no time for another try");
    }

    proptest! {
        /// In any order of events the text is there exactly while it may still be sent, and what is over stays
        /// over.
        #[test]
        fn the_text_goes_when_it_is_over(events in prop::collection::vec((0_u8..10, 0_u64..30), 0..60)) {
            let mut m = message(2);
            let mut now = START;
            for (event, seconds) in events {
                now = now.plus(Duration::from_secs(seconds));
                let event = match event {
                    0 | 1 => claim(),
                    2 => Event::Accepted { references: vec![1, 2] },
                    3 => rejected(FaultClass::Transient, vec![]),
                    4 => rejected(FaultClass::Permanent, vec![]),
                    5 => Event::Unknown { references: vec![1], reason: String::new() },
                    6 => Event::NotStarted { references: vec![], reason: String::new() },
                    7 => Event::Tick { min_life: Duration::from_secs(20) },
                    8 => Event::LateAccepted { reference: 3 },
                    _ => Event::Cancel,
                };
                let before = m.status;
                if let Ok(next) = step(m.clone(), event, now, &Retry::default()) {
                    prop_assert!(!before.is_over());
                    m = next;
                }
                prop_assert_eq!(m.body.is_some(), !m.status.is_over());
                prop_assert!(m.attempts <= 5);
            }
        }
    }
}
