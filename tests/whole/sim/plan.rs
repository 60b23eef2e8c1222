//! What a run is made of: its length, modems, clients, and how often each kind of fault happens. All of it follows from a
//! seed, and each part can be left out, so that a failing seed can be made smaller.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;

/// A kind of fault, with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The daemon ends at a commit, before it or after it, or at an octet to a modem.
    Crash,
    /// The network takes a message, and the modem does not say so.
    ResultLost,
    /// The modem says so up to 50 s later.
    ResultLate,
    /// Commands are not answered.
    Silence,
    /// Messages end with `+CMS ERROR: 38`.
    Refused,
    /// Octets that mean nothing come between answers.
    Garbage,
    /// The modem restarts without a word, in text mode or not.
    SilentRestart,
    /// The same, and it says so.
    Restart,
    /// The modem reads and answers nothing for a while.
    Hang,
    /// Delivery reports come late, twice, never, or before the acceptance.
    Reports,
    /// The network takes its time.
    Slow,
    /// The SIM is not in the modem.
    CardAway,
    /// The SIM is busy.
    CardBusy,
    /// The modem fails every message.
    FailsAll,
    /// The modem fails the messages to some numbers.
    FailsSome,
    /// The modem has no network.
    NetworkLost,
    /// The SIM's storage is full.
    StorageFull,
    /// The modem is pulled out and comes back under another name.
    Unplugged,
    /// Two modems change places, with their SIMs.
    Swapped,
    /// The disk has no room, and the daemon ends.
    DiskFull,
    /// The wall clock is set, forward or back, by seconds, hours or years, or to 1970.
    ClockSet,
    /// The configuration is loaded again, with other values.
    Reloaded,
    /// Clients ask at ten times their pace.
    Flood,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 23] = [
        Self::Crash,
        Self::ResultLost,
        Self::ResultLate,
        Self::Silence,
        Self::Refused,
        Self::Garbage,
        Self::SilentRestart,
        Self::Restart,
        Self::Hang,
        Self::Reports,
        Self::Slow,
        Self::CardAway,
        Self::CardBusy,
        Self::FailsAll,
        Self::FailsSome,
        Self::NetworkLost,
        Self::StorageFull,
        Self::Unplugged,
        Self::Swapped,
        Self::DiskFull,
        Self::ClockSet,
        Self::Reloaded,
        Self::Flood,
    ];
}

/// What a run is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// How long things go wrong.
    pub(crate) unrest: Duration,
    pub(crate) modems: usize,
    pub(crate) clients: u64,
    /// The mean time between two faults of a kind; one that is missing never happens.
    pub(crate) faults: BTreeMap<Kind, Duration>,
    /// Parts in a day through the SIM of modem 0.
    pub(crate) max_per_day: Option<u32>,
    /// Whether modems write their answers in pieces of a few octets.
    pub(crate) torn: bool,
    /// Whether a stop word stops codes as well as texts.
    pub(crate) stop_codes: bool,
}

/// Modems of a run.
pub(crate) const MODEMS: usize = 4;

impl Plan {
    /// Whether a code that is asked for while one is pending is a new one.
    pub(crate) const fn replaces(&self) -> bool {
        self.seed.is_multiple_of(4)
    }

    /// An hour with all that may go wrong, as the seed has it: some kinds often, some rarely, some never.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let mut faults = BTreeMap::new();
        for kind in Kind::ALL {
            let minutes = [0, 0, 1, 3, 10, 30][usize::try_from(dice.below(6)).unwrap_or_default()];
            if minutes > 0 {
                faults.insert(kind, Duration::from_secs(60 * minutes));
            }
        }
        Self {
            seed,
            unrest: Duration::from_secs(3600),
            modems: MODEMS,
            clients: 6,
            faults,
            max_per_day: dice.one_in(4).then_some(30),
            torn: dice.one_in(4),
            stop_codes: dice.one_in(2),
        }
    }

    /// Whether faults of this kind happen.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.faults.contains_key(&kind)
    }

    /// Every plan that is a little smaller: without one kind of fault, with fewer clients, with fewer modems.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for kind in self.faults.keys() {
            let mut plan = self.clone();
            plan.faults.remove(kind);
            smaller.push(plan);
        }
        if self.clients > 1 {
            smaller.push(Self { clients: self.clients / 2, ..self.clone() });
        }
        if self.modems > 1 {
            smaller.push(Self { modems: self.modems / 2, ..self.clone() });
        }
        if self.unrest > Duration::from_secs(600) {
            smaller.push(Self { unrest: self.unrest / 2, ..self.clone() });
        }
        smaller
    }
}
