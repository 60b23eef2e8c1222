//! Parts to messages: by originator, reference and total, in any order, in bounded memory.
//!
//! 3GPP TS 23.040 clauses 9.2.3.24.1 and 9.2.3.24.8. Time is a parameter, counted from any instant that stays the
//! same: from the Unix epoch, when the state outlives the program.

use std::fmt;
use std::time::Duration;

use super::field::ud::{Fragment, UserData};
use super::field::udh::{Concatenation, Reference};
use super::text::septets;

/// What a [`Reassembler`] may hold, and for how long. The default is a day, 256 messages and 4096 parts, which take less than
/// a mebibyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// How long a message waits for its last part, counted from its first one.
    pub timeout: Duration,
    /// How many incomplete messages are kept at most; the oldest one is dropped for a new one.
    pub messages: usize,
    /// How many parts all incomplete messages may have; the oldest message is dropped.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(86_400), messages: 256, parts: 4096 }
    }
}

/// An incomplete message, as plain values that a program can store and give back to [`Reassembler::with_pending`]. `Debug`
/// shows how many parts it has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pending {
    /// Who sent it, in the words of whoever called [`Reassembler::accept`].
    pub originator: String,
    /// The reference that the parts have in common.
    pub reference: Reference,
    /// How many parts the whole message has, 2 to 255.
    pub total: u8,
    /// When the first of its parts came, counted as [`Reassembler::accept`] counts.
    pub since: Duration,
    /// The parts that came, each after its sequence number from 1 on, in the order of these.
    pub parts: Vec<(u8, Fragment)>,
}

impl Pending {
    /// The sequence numbers of the parts that are missing, in their order.
    pub fn missing(&self) -> Vec<u8> {
        (1..=self.total).filter(|s| self.place(*s).is_err()).collect()
    }

    /// The text of the parts that came, one after the other whatever is missing between them; `None` when one
    /// of them is data.
    pub fn to_text(&self) -> Option<String> {
        join_text(self.parts.iter().map(|(_, fragment)| fragment))
    }

    fn place(&self, sequence: u8) -> Result<usize, usize> {
        self.parts.binary_search_by_key(&sequence, |part| part.0)
    }

    fn is_of(&self, originator: &str, concatenation: Concatenation) -> bool {
        self.reference == concatenation.reference
            && self.total == concatenation.total
            && self.originator == originator
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({} of {} parts)", self.parts.len(), self.total)
    }
}

/// A whole message: what [`Arrival::Complete`] holds. `Debug` shows how many parts it has, and no text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message {
    fragments: Vec<Fragment>,
}

impl Message {
    /// How many parts the message came in.
    pub const fn part_count(&self) -> usize {
        self.fragments.len()
    }

    /// The text; `None` when a part is data.
    pub fn to_text(&self) -> Option<String> {
        join_text(self.fragments.iter())
    }

    /// The octets of the data; `None` when a part is text.
    pub fn to_data(&self) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        for fragment in &self.fragments {
            let Fragment::Octets(octets) = fragment else { return None };
            data.extend(octets);
        }
        Some(data)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} parts)", self.fragments.len())
    }
}

/// What a part did to the message that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The part was the whole message, or the last one that was missing.
    Complete(Message),
    /// Other parts are missing.
    Waiting {
        /// How many parts came, this one included.
        have: usize,
        /// How many parts the message has.
        total: u8,
    },
    /// The same part with the same content had come before, and nothing changed.
    Duplicate,
}

/// Joins the parts of messages (TS 23.040 clauses 9.2.3.24.1 and 9.2.3.24.8) in whatever order they come, and holds what is
/// incomplete within its [`Limits`].
///
/// Parts belong together when originator, reference and total are the same. The time of a call is a parameter: a span since
/// any instant that stays the same, such as the start of the program, or the Unix epoch for a state that outlives it.
///
/// ```
/// use std::time::Duration;
/// use gsm_sms::{Arrival, Direction, Framing, Limits, Reassembler, Strictness, Submission};
///
/// let text = "more than a single part can hold, ".repeat(6);
/// let composed = gsm_sms::compose(&Submission::new("+41791234567", &text))?;
/// let mut parts = Reassembler::new(Limits::default());
/// let mut joined = None;
/// // The last part comes first.
/// for part in composed.parts.iter().rev() {
///     let read = gsm_sms::decode(&part.pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict)?;
///     let user_data = read.tpdu.user_data().expect("a SUBMIT has user data");
///     let (arrival, gave_way) = parts.accept(Duration::ZERO, "+41790000000", user_data);
///     assert!(gave_way.is_empty());
///     if let Arrival::Complete(message) = arrival {
///         joined = message.to_text();
///     }
/// }
/// assert_eq!(joined, Some(text));
/// # Ok::<(), gsm_sms::SmsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassembler {
    limits: Limits,
    /// The oldest first.
    pending: Vec<Pending>,
}

impl Reassembler {
    /// A reassembler that holds nothing.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, pending: Vec::new() }
    }

    /// A reassembler that goes on from what [`Self::pending`] gave earlier. A message that no parts can have
    /// left is ignored: one that is complete, or has a part out of order or beyond its total. The oldest are
    /// dropped where the limits ask for that.
    pub fn with_pending(limits: Limits, pending: impl IntoIterator<Item = Pending>) -> Self {
        let mut pending: Vec<_> = pending.into_iter().filter(is_possible).collect();
        pending.sort_by_key(|message| message.since);
        let mut this = Self { limits, pending };
        this.make_room();
        this
    }

    /// The incomplete messages, the oldest first.
    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// Takes the user data of a message that `originator` sent and that came `now`; one without a concatenation element is
    /// a whole message.
    ///
    /// Returns what the part did, and the messages that were dropped: those that waited too long, those that
    /// are too many, and one that has the same reference and another text in the same place.
    pub fn accept(
        &mut self,
        now: Duration,
        originator: &str,
        user_data: &UserData,
    ) -> (Arrival, Vec<Pending>) {
        let fragment = user_data.to_fragment();
        let Some(concatenation) = user_data.header().concatenation() else {
            return (Arrival::Complete(Message { fragments: vec![fragment] }), Vec::new());
        };
        self.accept_part(now, originator, concatenation, fragment)
    }

    /// Takes a part whose place is known already, as [`Self::accept`] does. A part whose place is in no
    /// message (0, or beyond the total, or of a total of 1) is a message of its own.
    pub fn accept_part(
        &mut self,
        now: Duration,
        originator: &str,
        concatenation: Concatenation,
        fragment: Fragment,
    ) -> (Arrival, Vec<Pending>) {
        let mut gave_way = self.expire(now);
        let Concatenation { reference, total, sequence } = concatenation;
        if total <= 1 || sequence == 0 || sequence > total {
            return (Arrival::Complete(Message { fragments: vec![fragment] }), gave_way);
        }
        let mut at = self.pending.iter().position(|message| message.is_of(originator, concatenation));
        if let Some(index) = at
            && let Ok(place) = self.pending[index].place(sequence)
        {
            if self.pending[index].parts[place].1 == fragment {
                return (Arrival::Duplicate, gave_way);
            }
            // The reference was used again, and the older message never became complete.
            gave_way.push(self.pending.remove(index));
            at = None;
        }
        let index = at.unwrap_or_else(|| {
            let originator = originator.to_owned();
            self.pending.push(Pending { originator, reference, total, since: now, parts: Vec::new() });
            self.pending.len() - 1
        });
        let message = &mut self.pending[index];
        if let Err(place) = message.place(sequence) {
            message.parts.insert(place, (sequence, fragment));
        }
        let have = message.parts.len();
        if have == usize::from(total) {
            let message = self.pending.remove(index);
            let fragments = message.parts.into_iter().map(|part| part.1).collect();
            return (Arrival::Complete(Message { fragments }), gave_way);
        }
        gave_way.extend(self.make_room());
        (Arrival::Waiting { have, total }, gave_way)
    }

    /// Gives up, and gives back, the messages that have waited as long as the limit allows at `now`.
    pub fn expire(&mut self, now: Duration) -> Vec<Pending> {
        let timeout = self.limits.timeout;
        self.pending.extract_if(.., |message| now.saturating_sub(message.since) >= timeout).collect()
    }

    /// When [`Self::expire`] gives up the next message; `None` when nothing waits.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.pending.iter().map(|message| message.since.saturating_add(self.limits.timeout)).min()
    }

    fn make_room(&mut self) -> Vec<Pending> {
        let mut parts: usize = self.pending.iter().map(|message| message.parts.len()).sum();
        let mut gone = 0;
        while gone < self.pending.len()
            && (self.pending.len() - gone > self.limits.messages || parts > self.limits.parts)
        {
            parts -= self.pending[gone].parts.len();
            gone += 1;
        }
        self.pending.drain(..gone).collect()
    }
}

/// Whether parts can have left such a message.
fn is_possible(message: &Pending) -> bool {
    message.parts.len() < usize::from(message.total)
        && message.parts.iter().all(|(sequence, _)| (1..=message.total).contains(sequence))
        && message.parts.is_sorted_by(|a, b| a.0 < b.0)
}

/// The text of parts in order. Neighbours in the same coding are joined before they are read, so that an escape or
/// a surrogate pair that a border cut is whole again.
fn join_text<'a>(fragments: impl Iterator<Item = &'a Fragment>) -> Option<String> {
    let mut fragments = fragments.peekable();
    let mut text = String::new();
    while let Some(first) = fragments.next() {
        match first {
            Fragment::Septets(septets, tables) => {
                let mut run = septets.clone();
                while let Some(Fragment::Septets(more, _)) =
                    fragments.next_if(|next| matches!(next, Fragment::Septets(_, t) if t == tables))
                {
                    run.extend(more);
                }
                let count = run.len();
                text.push_str(&septets::text_of(run.into_iter(), count, *tables));
            }
            Fragment::Units(units) => {
                let mut run = units.clone();
                while let Some(Fragment::Units(more)) =
                    fragments.next_if(|next| matches!(next, Fragment::Units(_)))
                {
                    run.extend(more);
                }
                text.push_str(&String::from_utf16_lossy(&run));
            }
            Fragment::Octets(_) => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests;
