//! What this host knows of itself among others that share the store, and what it saw of them. The gateway stands on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use gsm_modem::UssdAnswer;
use tokio::sync::{Notify, oneshot};

use super::error::Result;
use super::view::ModemView;
use crate::clock::Steady;
use crate::fleet::{Host, HostModem, HostState, OrderId, Watch};
use crate::id::MessageId;
use crate::phone::Country;

/// Those who wait here for another host.
pub(super) type Waiting = Mutex<BTreeMap<OrderId, oneshot::Sender<Result<Option<UssdAnswer>>>>>;

/// The version that hosts tell.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Writes what is told of a modem, as the API shows it.
pub(super) type Describe = fn(&ModemView) -> Vec<u8>;

/// This host.
pub(super) struct Fleet {
    pub(super) name: String,
    /// The number of its life.
    pub(super) fence: AtomicU64,
    pub(super) draining: AtomicBool,
    /// It is to beat at once.
    pub(super) wake: Notify,
    /// Another host told something.
    pub(super) changed: Notify,
    /// All that waits is to be looked at at the next beat.
    pub(super) doubts: AtomicBool,
    /// What this host had on the air at the last look by the store alone.
    pub(super) suspects: Mutex<BTreeSet<MessageId>>,
    pub(super) watch: Mutex<Watch>,
    pub(super) seen: RwLock<Seen>,
    /// What was told last of each modem of this host.
    pub(super) told: Mutex<BTreeMap<String, (bool, Vec<u8>)>>,
    pub(super) describe: OnceLock<Describe>,
    pub(super) waiting: Waiting,
}

/// What this host saw of all at its last look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) hosts: Vec<Host>,
    pub(super) modems: Vec<HostModem>,
}

impl Fleet {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            fence: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            wake: Notify::new(),
            changed: Notify::new(),
            doubts: AtomicBool::new(false),
            suspects: Mutex::default(),
            watch: Mutex::default(),
            seen: RwLock::default(),
            told: Mutex::default(),
            describe: OnceLock::new(),
            waiting: Waiting::default(),
        }
    }

    pub(super) fn seen<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&self.seen.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The countries in which the SIMs of other hosts are at home.
    pub(super) fn countries(&self) -> Vec<Country> {
        let of = |seen: &Seen| seen.modems.iter().flat_map(|modem| modem.home.countries()).collect();
        self.seen(of)
    }

    /// The other host that has a modem of this name.
    pub(super) fn host_of(&self, modem: &str) -> Option<String> {
        let is_it = |known: &&HostModem| known.name == modem && known.host != self.name;
        self.seen(|seen| seen.modems.iter().find(is_it).map(|known| known.host.clone()))
    }

    /// What is read of the modems of other hosts that are up.
    pub(super) fn others<T>(
        &self,
        now: Steady,
        read: impl FnOnce(&mut dyn Iterator<Item = &HostModem>) -> T,
    ) -> T {
        self.seen(|seen| {
            let is_up = |modem: &&HostModem| seen.state_of(&modem.host, now) == HostState::Up;
            read(&mut seen.modems.iter().filter(|modem| modem.host != self.name).filter(is_up))
        })
    }

    /// How many modems of other hosts can send.
    pub(super) fn ready_elsewhere(&self, now: Steady) -> usize {
        self.others(now, |others| others.filter(|modem| modem.ready).count())
    }
}

impl Seen {
    /// How a host stands; one that nobody knows is lost.
    pub(super) fn state_of(&self, host: &str, now: Steady) -> HostState {
        let known = self.hosts.iter().find(|known| known.name == host);
        known.map_or(HostState::Lost, |known| known.state(now))
    }
}

/// For whom the facts of a modem are sealed.
pub(super) fn owner(modem: &str) -> Vec<u8> {
    [b"modem of a host ", modem.as_bytes()].concat()
}
