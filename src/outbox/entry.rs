//! What the queue knows of one message that waits: who may send it, and when.

use std::time::Duration;

use super::load::{Item, Lane};
use super::{Kind, Message};
use crate::clock::{Ahead, Life, Steady, Timestamp};
use crate::id::MessageId;
use crate::phone::{PhoneNumber, Range};

/// Modems that failed with a message, and until when each does not get it.
pub type Avoid = Vec<(String, Steady)>;

/// How long a message of which a part went out waits for the modem that sent it.
const GOES_ON: Duration = Duration::from_secs(5);

/// What the queue knows of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The message.
    pub id: MessageId,
    /// The recipient, for routes.
    pub to: PhoneNumber,
    /// How many short messages are left to send.
    pub parts: u8,
    /// The only modem that may send it.
    pub pinned: Option<String>,
    /// The modems that do not get it for a while.
    pub avoid: Avoid,
    /// The modem that had it last.
    pub last: Option<String>,
    /// A part of it went out: until this instant only the modem that had it last goes on with it. Another one sends all
    /// parts again, since a phone joins only those of one sender.
    pub(super) goes_on_until: Option<Steady>,
    /// A modem through which the network refused it.
    pub refused_by: Option<String>,
    /// The modem that has it on the air, when another one is to send it as well.
    pub twin_of: Option<String>,
    /// The recipient as a keyed hash, for the SIMs' ledgers.
    pub recipient: u64,
    /// Whether it carries a code.
    pub otp: bool,
    /// The modems that may carry it, by its number.
    pub(super) lane: Lane,
    pub(super) rank: Rank,
    /// The date before which its sender does not want it sent.
    pub(super) send_at: Option<Timestamp>,
    /// How long it may be sent, when a date ends that.
    pub(super) dated: Option<Life>,
    /// Since when it waits: since it was made, or since the date before which it is not sent.
    pub(super) since: Steady,
    /// Until when it waits whatever its date is, as for another try.
    pub(super) waits_until: Steady,
    /// When it may be sent: when neither its date nor its wait is in the way.
    pub(super) due_at: Steady,
    /// The first instant at which it can no longer be sent in time.
    pub(super) overdue_at: Option<Steady>,
}

/// The order in which messages go.
pub(super) type Rank = (u8, u8, Steady, MessageId);

impl Entry {
    pub(super) fn of(m: &Message, recipient: u64, min_life: Duration, ahead: Ahead) -> Self {
        let otp = matches!(m.kind, Kind::Otp(_));
        let life = if otp { min_life } else { Duration::ZERO };
        let ends_at = m.deadline.map(|deadline| deadline.instant(ahead));
        let deadline = ends_at.unwrap_or(Steady::from_millis(u64::MAX));
        let refused = m.refused.as_ref();
        let due_at = due_at(m.send_at, m.due_at, ahead);
        Self {
            id: m.id,
            to: m.to.clone(),
            parts: m.parts.saturating_sub(m.parts_done),
            pinned: m.wanted_modem.clone(),
            avoid: Avoid::new(),
            last: m.modem.clone().filter(|_| m.attempts > 0 || m.held > 0 || m.parts_done > 0),
            goes_on_until: (m.parts_done > 0).then(|| due_at.plus(GOES_ON)),
            refused_by: refused.map(|refused| refused.modem.clone()),
            twin_of: None,
            recipient,
            otp,
            lane: Lane::MAX,
            rank: (u8::from(!otp), u8::MAX - m.priority, deadline, m.id),
            send_at: m.send_at,
            dated: m.deadline.filter(|life| life.is_dated() && !otp),
            since: m.send_at.map_or(m.id.made_at(), |date| ahead.instant(date)),
            waits_until: m.due_at,
            due_at,
            overdue_at: ends_at.map(|d| d.minus(life)).into_iter().chain(refused.map(|r| r.until)).min(),
        }
    }

    /// The same after the wall clock was set: dates are so far ahead now.
    pub(super) fn dated_anew(self, ahead: Ahead) -> Self {
        let due_at = due_at(self.send_at, self.waits_until, ahead);
        let since = self.send_at.map_or(self.since, |date| ahead.instant(date));
        let ends = self.dated.filter(|_| self.refused_by.is_none());
        let overdue_at = ends.map_or(self.overdue_at, |life| Some(life.instant(ahead)));
        Self { since, due_at, overdue_at, ..self }
    }

    /// The range of the numbering plan that the recipient lies in.
    pub fn range(&self) -> Range {
        self.to.range()
    }

    /// Whether `modem` may have it now, as far as the message is concerned.
    pub fn fits(&self, modem: &str, now: Steady) -> bool {
        self.pinned.as_deref().is_none_or(|name| name == modem)
            && (self.goes_on_until.is_none_or(|until| now >= until) || self.last.as_deref() == Some(modem))
            && self.avoid.iter().all(|(name, until)| name != modem || now >= *until)
            && self.refused_by.as_deref() != Some(modem)
            && self.twin_of.as_deref() != Some(modem)
            && self.overdue_at.is_none_or(|at| now < at)
    }

    /// The code as work; a text is none.
    pub(super) fn item(&self) -> Item {
        Item {
            lane: self.lane,
            parts: u64::from(self.parts),
            overdue_at: self.overdue_at.unwrap_or(Steady::from_millis(u64::MAX)),
        }
    }

    pub(super) fn wakes(&self) -> impl Iterator<Item = Steady> + '_ {
        let avoid = self.avoid.iter().map(|&(_, until)| until);
        avoid.chain([Some(self.due_at), self.goes_on_until, self.overdue_at].into_iter().flatten())
    }
}

fn due_at(send_at: Option<Timestamp>, waits_until: Steady, ahead: Ahead) -> Steady {
    send_at.map_or(waits_until, |date| ahead.instant(date).max(waits_until))
}
