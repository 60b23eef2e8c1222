//! What the gateway is told by its operator, as checked values; replaced whole by a reload.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::inbox::Words;
use crate::otp::{Limits, Service};
use crate::outbox::{BreakerRules, ModemRules, Retry};

/// Everything a reload may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// By name; `default` is always there.
    pub services: BTreeMap<String, Service>,
    /// Who may be sent to, and how often.
    pub limits: Limits,
    /// Messages that may wait.
    pub max_pending: usize,
    /// A code with less life left is not sent.
    pub min_life: Duration,
    /// When a message is tried again.
    pub retry: Retry,
    /// When a modem gets no more messages because they fail.
    pub breaker: BreakerRules,
    /// How long ended verifications are kept.
    pub keep_verifications: Duration,
    /// How long messages that are over are kept.
    pub keep_messages: Duration,
    /// How long received messages are kept.
    pub keep_inbox: Duration,
    /// How long events are kept.
    pub keep_events: Duration,
    /// By which words a recipient opts out.
    pub opt_out: Words,
    /// By modem name.
    pub modems: BTreeMap<String, ModemRules>,
}

impl Default for Settings {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            services: BTreeMap::from([(Service::DEFAULT.to_owned(), Service::default())]),
            limits: Limits::default(),
            max_pending: 100_000,
            min_life: Duration::from_secs(20),
            retry: Retry::default(),
            breaker: BreakerRules::default(),
            keep_verifications: days(1),
            keep_messages: days(7),
            keep_inbox: days(30),
            keep_events: days(7),
            opt_out: Words::default(),
            modems: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The rules of a modem.
    pub(super) fn rules(&self, modem: &str) -> ModemRules {
        self.modems.get(modem).cloned().unwrap_or_default()
    }
}
