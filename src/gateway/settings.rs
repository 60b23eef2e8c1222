//! What the gateway is told by its operator, as checked values; replaced whole by a reload.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::inbox::Words;
use crate::otp::{Destinations, Limits, Pumping, Service, TestNumbers};
use crate::outbox::{BreakerRules, MAX_WAIT, ModemRules, Retry};
use crate::phone::PhoneNumber;

/// Why a message to a test number is withdrawn.
pub(super) const TEST_NUMBER: &str = "a test number of the configuration: nothing is sent to it";

/// Everything a reload may change.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The names of the clients, which may act each for itself.
    pub clients: Vec<String>,
    /// By name; `default` is always there.
    pub services: BTreeMap<String, Service>,
    /// Who may be sent to, and how often.
    pub limits: Limits,
    /// Who may get codes.
    pub destinations: Destinations,
    /// The guard against SMS pumping.
    pub pumping: Pumping,
    /// Messages that may wait.
    pub max_pending: usize,
    /// How long a code may wait for modems that are in service; one that would wait longer is refused.
    pub max_wait: Duration,
    /// A code with less life left is not sent.
    pub min_life: Duration,
    /// When a message is tried again.
    pub retry: Retry,
    /// When a modem gets no more messages because they fail.
    pub breaker: BreakerRules,
    /// How often modems send each other a short message to see whether it arrives; never without it.
    pub canary: Option<Duration>,
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
    /// Whether a stop word stops codes as well as texts.
    pub stop_codes: bool,
    /// Numbers that nothing is sent to and whose codes are fixed.
    pub testing: TestNumbers,
    /// The name of this host among others that share the store; a reload leaves it as it is.
    pub host: Option<String>,
    /// The machine's name.
    pub machine: String,
    /// By modem name.
    pub modems: BTreeMap<String, ModemRules>,
    /// The numbers of the modems' SIMs, by modem name, as far as the operator gave them.
    pub numbers: BTreeMap<String, PhoneNumber>,
}

impl Default for Settings {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            clients: Vec::new(),
            services: BTreeMap::from([(Service::DEFAULT.to_owned(), Service::default())]),
            limits: Limits::default(),
            destinations: Destinations::default(),
            pumping: Pumping::default(),
            max_pending: 100_000,
            max_wait: MAX_WAIT,
            min_life: Duration::from_secs(20),
            retry: Retry::default(),
            breaker: BreakerRules::default(),
            canary: None,
            keep_verifications: days(1),
            keep_messages: days(7),
            keep_inbox: days(30),
            keep_events: days(7),
            opt_out: Words::default(),
            stop_codes: false,
            testing: TestNumbers::default(),
            host: None,
            machine: "localhost".to_owned(),
            modems: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The rules of a modem.
    pub(super) fn rules(&self, modem: &str) -> ModemRules {
        self.modems.get(modem).cloned().unwrap_or_default()
    }
}
