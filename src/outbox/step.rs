//! The one function that changes the state of a message.
//!
//! A code whose modem is silent is on the air twice for a while: through the modem that has it, and as a twin.
//! Whichever is accepted first makes the message sent; the later end of the other is noted and changes nothing.

use std::time::Duration;

use super::message::{Kind, Message, MessageStatus, Refused, SECOND_SIM, Twin};
use super::{Attempt, Fault, FaultClass, Others, Retry};
use crate::clock::{Now, Steady};

#[cfg(test)]
pub(super) mod tests;

/// An event of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A modem takes it.
    Claimed {
        /// The modem's name.
        modem: String,
    },
    /// The SIM that took a part of it is in that modem no more.
    SenderGone,
    /// Another modem takes it as well, since the one that has it is silent.
    TwinClaimed {
        /// The other modem's name.
        modem: String,
        /// The silent modem's name.
        of: String,
    },
    /// A send of it ended.
    Ended {
        /// Through this modem.
        modem: String,
        /// In this way.
        end: End,
    },
    /// The answer to a send of unknown outcome came late, or a report shows the outcome.
    LateAccepted {
        /// The modem that sent it.
        modem: String,
        /// The part that was in doubt, from 0; those before it were accepted for certain.
        part: u8,
        /// TP-MR of the part.
        reference: u8,
    },
    /// It was found in `Sending` at start-up.
    FoundSending,
    /// The application withdraws it.
    Cancel,
    /// Time passed.
    Tick {
        /// A code with less life left is not sent.
        min_life: Duration,
    },
    /// More codes wait than the modems can send in time, and this one is not among those that go out.
    GivenUp,
    /// A delivery report.
    Reported {
        /// Whether the recipient received it.
        delivered: bool,
        /// The report's meaning, for a person, when it was not delivered.
        reason: Option<String>,
    },
}

/// How a send ended. `references` has the TP-MR of each part that was accepted for certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The service centre accepted all parts.
    Accepted {
        /// One for each part.
        references: Vec<u8>,
    },
    /// The modem or the network refused a part.
    Rejected {
        /// One for each part before it.
        references: Vec<u8>,
        /// Why.
        fault: Fault,
        /// Whether the send counts.
        attempt: Attempt,
        /// Which other modem could send the message.
        others: Others,
    },
    /// It is unknown whether the last part was sent.
    Unknown {
        /// One for each part before it.
        references: Vec<u8>,
        /// What was seen.
        reason: String,
    },
    /// The modem did not begin: nothing was sent and no attempt is counted.
    NotStarted {
        /// One for each part that was accepted before the modem stopped.
        references: Vec<u8>,
        /// What was seen.
        reason: String,
    },
}

impl End {
    /// The TP-MR of each part that was accepted for certain.
    pub fn references(&self) -> &[u8] {
        match self {
            Self::Accepted { references }
            | Self::Rejected { references, .. }
            | Self::Unknown { references, .. }
            | Self::NotStarted { references, .. } => references,
        }
    }
}

/// An event that is not possible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message that is {} does not take this", .0.as_str())]
pub struct Refusal(pub MessageStatus);

/// The message after `event` at `now`.
pub fn step(mut m: Message, event: Event, now: Now, retry: &Retry) -> Result<Message, Refusal> {
    use MessageStatus::{Cancelled, Delivered, Expired, Failed, Queued, Sending, Sent, Undelivered};
    let refused = Err(Refusal(m.status));
    match (m.status, event) {
        (Queued, Event::SenderGone) => m.parts_done = 0,
        (Queued, Event::Claimed { modem }) => {
            m.status = Sending;
            m.attempts += 1;
            m.modem = Some(modem);
        }
        (Sending, Event::TwinClaimed { modem, of }) if may_have_twin(&m, &modem, &of, retry) => {
            m.attempts += 1;
            // Another SIM has to send all parts: a phone joins only parts of one sender.
            m.twins.push(Twin { modem, first: 0 });
        }
        (Sending, Event::Ended { modem, end }) => {
            if !ended(&mut m, &modem, end, now, retry) {
                return refused;
            }
        }
        // The slower of two twins ended.
        (Sent | Delivered | Undelivered, Event::Ended { modem, end }) if m.twin(&modem).is_some() => {
            m.twins.retain(|twin| twin.modem != modem);
            m.modem_references.extend_from_slice(end.references());
        }
        (Sending, Event::FoundSending) => {
            m.uncertain = true;
            m.error = Some("the daemon stopped while it was on the air".to_owned());
            m.twins.clear();
            // This allows one try beyond the limit: the attempt may never have begun.
            queue(&mut m, now.steady());
        }
        (Queued | Sending | Failed | Expired, Event::LateAccepted { modem, part, reference })
            if m.uncertain =>
        {
            accepted_late(&mut m, modem, part, reference, now);
        }
        // The message had been sent through another modem by then: only the reference is new.
        (Sent | Delivered | Undelivered, Event::LateAccepted { reference, .. }) => {
            m.modem_references.push(reference);
        }
        (Queued, Event::Cancel) => end(&mut m, Cancelled),
        (Queued, Event::Tick { min_life }) => ran_out(&mut m, min_life, now),
        (Queued, Event::GivenUp) => {
            m.error = Some("more codes waited than the modems could send in time".to_owned());
            end(&mut m, Expired);
        }
        // This includes a message that a service centre gave up too early.
        (Sent | Undelivered, Event::Reported { delivered: true, .. }) => delivered(&mut m, now),
        // It was unknown whether the message had been sent; now it is known.
        (Failed | Expired, Event::Reported { delivered: true, .. })
            if m.uncertain && m.parts_done.saturating_add(1) >= m.parts =>
        {
            m.sent_at.get_or_insert(now.wall());
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

/// Whether a message may have a twin: only a code that is on the air may, since a second copy of a code does
/// no harm, only one at a time, and no more often than any message is sent.
pub fn wants_twin(m: &Message, retry: &Retry) -> bool {
    m.status == MessageStatus::Sending
        && matches!(m.kind, Kind::Otp(_))
        && m.twins.is_empty()
        && m.attempts < retry.attempts
}

/// Whether `modem` may also send a message that `of` has.
fn may_have_twin(m: &Message, modem: &str, of: &str, retry: &Retry) -> bool {
    wants_twin(m, retry)
        && m.modem.as_deref() == Some(of)
        && modem != of
        && m.refused.as_ref().is_none_or(|refused| refused.modem != modem)
}

/// A send ended of a message that is on the air. Returns whether that modem had the message.
fn ended(m: &mut Message, modem: &str, end: End, now: Now, retry: &Retry) -> bool {
    let first = m.modem.as_deref() == Some(modem);
    if !first && m.twin(modem).is_none() {
        return false;
    }
    m.modem_references.extend_from_slice(end.references());
    let taken = u8::try_from(end.references().len()).unwrap_or(u8::MAX);
    if matches!(end, End::Accepted { .. }) {
        let others = on_the_air(m).into_iter().filter(|twin| twin.modem != modem).collect();
        m.parts_done = m.first_part(modem).saturating_add(taken);
        sent_through(m, Some(modem.to_owned()), others, now);
        return true;
    }
    // If there were two sends, the remaining one is the message's send from here on.
    let alone = m.twins.is_empty();
    if alone {
        m.parts_done = m.parts_done.saturating_add(taken);
    } else if first {
        let twin = m.twins.remove(0);
        (m.modem, m.parts_done) = (Some(twin.modem), twin.first);
    } else {
        m.twins.clear();
    }
    match end {
        End::Rejected { fault, attempt, others, .. } => {
            if attempt == Attempt::Free {
                m.attempts = m.attempts.saturating_sub(1);
                m.held = m.held.saturating_add(1);
            }
            rejected(m, modem, (fault, attempt, others), alone, now, retry);
        }
        End::Unknown { reason, .. } => {
            m.uncertain = true;
            m.error = Some(reason);
            if alone {
                again(m, now, retry);
            }
        }
        End::NotStarted { reason, .. } => {
            m.attempts = m.attempts.saturating_sub(1);
            m.error = Some(reason);
            if alone {
                queue(m, now.steady());
            }
        }
        End::Accepted { .. } => {}
    }
    true
}

/// Applies a refusal; `alone` means that no other send of the message is on the air.
fn rejected(
    m: &mut Message,
    modem: &str,
    (fault, attempt, others): (Fault, Attempt, Others),
    alone: bool,
    now: Now,
    retry: &Retry,
) {
    m.error = Some(fault.text);
    match fault.class {
        // The other one of two sends was accepted, or an earlier one of unknown outcome.
        FaultClass::Duplicate if !alone => {
            let others = on_the_air(m);
            m.parts_done = m.parts;
            sent_through(m, m.modem.clone(), others, now);
        }
        FaultClass::Duplicate if m.uncertain => sent_through(m, m.modem.clone(), Vec::new(), now),
        FaultClass::Refused => {
            let second = m.refused.as_ref().is_some_and(|first| first.modem != modem);
            if !second && others != Others::Nobody {
                m.refused = Some(Refused { modem: modem.to_owned(), until: now.steady().plus(SECOND_SIM) });
            }
            if alone && (second || others == Others::Nobody) {
                end(m, MessageStatus::Failed);
            } else if alone {
                go_elsewhere(m, now);
            }
        }
        _ if !alone => {}
        FaultClass::Recipient | FaultClass::Duplicate => end(m, MessageStatus::Failed),
        FaultClass::Transient => again(m, now, retry),
        FaultClass::Modem | FaultClass::Sim => {
            if attempt == Attempt::Counted && m.attempts >= retry.attempts {
                end(m, MessageStatus::Failed);
            } else if others == Others::Here {
                go_elsewhere(m, now);
            } else {
                // The pool keeps the message from this modem for a while.
                queue(m, now.steady());
            }
        }
    }
}

/// A part in doubt was accepted after all.
fn accepted_late(m: &mut Message, modem: String, part: u8, reference: u8, now: Now) {
    m.modem_references.push(reference);
    if part.saturating_add(1) >= m.parts {
        let others = if m.status == MessageStatus::Sending { on_the_air(m) } else { Vec::new() };
        m.parts_done = m.parts;
        m.uncertain = false;
        sent_through(m, Some(modem), others, now);
    } else if m.status == MessageStatus::Queued && part == m.parts_done {
        m.parts_done += 1;
        m.uncertain = false;
        m.modem = Some(modem);
    }
}

/// Every send of a message that is on the air, as sends beside another.
fn on_the_air(m: &Message) -> Vec<Twin> {
    let first = m.modem.iter().map(|modem| Twin { modem: modem.clone(), first: m.parts_done });
    first.chain(m.twins.iter().cloned()).collect()
}

/// The message was sent through `modem`, and has `others` still on the air.
fn sent_through(m: &mut Message, modem: Option<String>, others: Vec<Twin>, now: Now) {
    m.modem = modem;
    m.twins = others;
    m.sent_at = Some(now.wall());
    m.error = None;
    end(m, MessageStatus::Sent);
}

/// Another modem may send the message at once: all of it, since a phone joins only parts of one sender.
fn go_elsewhere(m: &mut Message, now: Now) {
    m.parts_done = 0;
    queue(m, now.steady());
}

fn queue(m: &mut Message, due_at: Steady) {
    m.status = MessageStatus::Queued;
    m.due_at = due_at;
}

fn again(m: &mut Message, now: Now, retry: &Retry) {
    match retry.after(m.attempts) {
        Some(wait) if m.deadline.is_none_or(|deadline| wait < deadline.left(now)) => {
            queue(m, now.steady().plus(wait));
        }
        _ => end(m, MessageStatus::Failed),
    }
}

/// Time passed for a waiting message.
fn ran_out(m: &mut Message, min_life: Duration, now: Now) {
    let needed = if matches!(m.kind, Kind::Otp(_)) { min_life } else { Duration::ZERO };
    if m.refused.as_ref().is_some_and(|refused| refused.waits(now.steady()).is_zero()) {
        end(m, MessageStatus::Failed);
    } else if m.deadline.is_some_and(|deadline| deadline.left(now) <= needed) {
        m.error.get_or_insert_with(|| "its time ran out before a modem could send it".to_owned());
        end(m, MessageStatus::Expired);
    }
}

fn delivered(m: &mut Message, now: Now) {
    m.status = MessageStatus::Delivered;
    m.delivered_at = Some(now.wall());
    m.error = None;
}

fn end(m: &mut Message, status: MessageStatus) {
    m.status = status;
    m.body = None;
}
