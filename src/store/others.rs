//! What other hosts committed, by what it is about: who has some of it in memory reads it anew.

use super::engine::Overlay;
use super::table::Table;
use super::tables::{EVENT_ENDS, HOSTS, KEYRING, MESSAGES, ORDERS, OVERDUE, VERIFICATIONS};
use crate::fleet::OrderId;
use crate::id::{MessageId, VerificationId};

/// What others changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// These verifications were made, changed or forgotten.
    pub verifications: Vec<VerificationId>,
    /// These messages were.
    pub messages: Vec<MessageId>,
    /// The trail has new events, or lost old ones.
    pub events: bool,
    /// A host told something of itself, or something was told of one.
    pub hosts: bool,
    /// These orders were given, answered or forgotten.
    pub orders: Vec<OrderId>,
    /// The modem is silent that has these codes, or is not any more.
    pub overdue: Vec<MessageId>,
    /// The keys that seal and hash are others.
    pub keys: bool,
}

impl Others {
    pub(super) fn of(changes: &Overlay) -> Self {
        Self {
            verifications: keys(&VERIFICATIONS, changes),
            messages: keys(&MESSAGES, changes),
            events: !keys(&EVENT_ENDS, changes).is_empty(),
            hosts: !keys(&HOSTS, changes).is_empty(),
            orders: keys(&ORDERS, changes),
            overdue: keys(&OVERDUE, changes),
            keys: !keys(&KEYRING, changes).is_empty(),
        }
    }

    /// Adds what they changed after that.
    pub fn join(&mut self, later: Self) {
        self.verifications.extend(later.verifications);
        self.messages.extend(later.messages);
        self.events |= later.events;
        self.hosts |= later.hosts;
        self.orders.extend(later.orders);
        self.overdue.extend(later.overdue);
        self.keys |= later.keys;
    }
}

fn keys<K: super::keys::Key, V>(table: &Table<K, V>, changes: &Overlay) -> Vec<K> {
    changes.range(table.all()).filter_map(|(key, _)| table.key_in(key)).collect()
}
