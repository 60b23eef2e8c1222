//! Several hosts that share one store, pure: what each tells the others of itself, which of them is lost, and whether one
//! may join.
//!
//! A host lives by its beats, which the others see in the store. Who is not heard of for a [`LEASE`] is lost: what it had on
//! the air is of unknown outcome and goes out through another host. Each life of a host has a number, its fence; the host
//! that takes over from a lost one ends that number, so that the lost one changes nothing any more before it joined anew.
//!
//! ```
//! use std::time::Duration;
//! use smsotpd::clock::Steady;
//! use smsotpd::fleet::{Host, HostState, LEASE};
//! let now = Steady::from_millis(1_000_000);
//! let attic = Host { seen: now, ..Host::new("attic", "0.1.0") };
//! assert_eq!(attic.state(now.plus(Duration::from_secs(3))), HostState::Up);
//! assert_eq!(attic.state(now.plus(LEASE)), HostState::Lost);
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Steady;
use crate::outbox::{Fit, Home, route};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// How long a host is waited for that is not heard of.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a host tells that it is there.
pub const BEAT: Duration = Duration::from_secs(3);

/// A host, as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name, which no other one has.
    pub name: String,
    /// The version of its daemon.
    pub version: String,
    /// The number of its life: what it does under an earlier one is refused.
    pub fence: u64,
    /// Its last beat.
    pub seen: Steady,
    /// Whether an operator lets it take no more messages.
    pub draining: bool,
    /// Whether others wait for it.
    pub lease: Lease,
    /// How many messages it has on the air.
    pub sending: u32,
    /// The names of its modems.
    pub modems: Vec<String>,
}

/// Whether others wait for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lease {
    /// They do, as long as its beats come.
    #[default]
    Held,
    /// They do not any more: what it had on the air is taken over.
    Lost,
    /// That was done.
    Settled,
}

/// A modem of a host, as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostModem {
    /// Its name, which no other one of the fleet has.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Whether it can send.
    pub ready: bool,
    /// Whether its SIM is in a foreign network.
    pub roaming: bool,
    /// Only numbers with these prefixes, if there are any.
    pub routes: Option<Vec<String>>,
    /// Where its SIM is at home.
    pub home: Home,
    /// What is told of it, as its host tells it.
    pub facts: Sealed,
}

impl HostModem {
    /// How well it fits a number; nothing when it may not serve the number.
    pub fn fit(&self, to: &PhoneNumber) -> Option<Fit> {
        Some(Fit::new(route(self.routes.as_deref(), to)?, self.roaming, self.home, to.range()))
    }
}

/// Names an order.
pub type OrderId = [u8; 16];

/// What one host asks another one to do with a modem, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModemOrder {
    /// Its name.
    pub id: OrderId,
    /// The host that is to do it.
    pub host: String,
    /// The modem.
    pub modem: String,
    /// Until when somebody waits for the answer.
    pub until: Steady,
    /// What is to be done.
    pub asked: Sealed,
    /// What came of it, once it was done.
    pub answer: Option<Sealed>,
}

/// How a host stands, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// It works.
    Up,
    /// It answers and takes no more messages.
    Draining,
    /// It was not heard of for a lease.
    Lost,
}

impl HostState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Lost => "lost",
        }
    }
}

/// A modem of another host has the name of one of this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host {host} has a modem {modem} too, and names are unique over all hosts: name it differently in [[modem]] here; \
     or, if {host} is gone for good, take its place with `smsotp host forget {host}` on another host"
)]
pub struct NameTaken {
    /// The modem.
    pub modem: String,
    /// The host that has it.
    pub host: String,
}

impl Host {
    /// A host that was never heard of.
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            fence: 0,
            seen: Steady::default(),
            draining: false,
            lease: Lease::Held,
            sending: 0,
            modems: Vec::new(),
        }
    }

    /// How it stands.
    pub fn state(&self, now: Steady) -> HostState {
        if self.lease != Lease::Held || now.since(self.seen) >= LEASE {
            HostState::Lost
        } else if self.draining {
            HostState::Draining
        } else {
            HostState::Up
        }
    }

    /// Whether this modem is its own.
    pub fn has(&self, modem: &str) -> bool {
        self.modems.iter().any(|own| own == modem)
    }
}

/// Whether a host of this name may join with these modems.
pub fn may_join(hosts: &[Host], name: &str, modems: &[String]) -> Result<(), NameTaken> {
    let others = hosts.iter().filter(|host| host.name != name);
    let taken = others.flat_map(|host| modems.iter().filter(|modem| host.has(modem)).map(move |m| (m, host)));
    match taken.into_iter().next() {
        Some((modem, host)) => Err(NameTaken { modem: modem.clone(), host: host.name.clone() }),
        None => Ok(()),
    }
}

/// What one host sees of the beats of the others.
#[derive(Debug, Default)]
pub struct Watch {
    /// The last beat of each, and when it was seen here.
    beats: BTreeMap<String, (Steady, Steady)>,
}

impl Watch {
    /// Looks at all hosts as the store has them. Answers those that are lost: for a lease this host saw the store, and in it
    /// no beat of theirs.
    pub fn look(&mut self, hosts: &[Host], own: &str, now: Steady) -> Vec<String> {
        self.beats.retain(|name, _| hosts.iter().any(|host| host.name == *name));
        let mut lost = Vec::new();
        for host in hosts.iter().filter(|host| host.name != own) {
            let (beat, since) = self.beats.entry(host.name.clone()).or_insert((host.seen, now));
            if *beat != host.seen {
                (*beat, *since) = (host.seen, now);
            }
            let silent = now.since(*since) >= LEASE && now.since(host.seen) >= LEASE;
            if host.lease == Lease::Lost || host.lease == Lease::Held && silent {
                lost.push(host.name.clone());
            }
        }
        lost
    }

    /// The store was away: the others could not beat either, and each has another lease.
    pub fn forget(&mut self) {
        self.beats.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Steady {
        Steady::from_millis(1_000_000 + seconds * 1000)
    }

    fn host(name: &str, seen: u64) -> Host {
        Host { seen: at(seen), ..Host::new(name, "1") }
    }

    #[test]
    fn who_is_not_heard_of_for_a_lease_is_lost() {
        let mut watch = Watch::default();
        let hosts = |attic, cellar| [host("attic", attic), host("cellar", cellar)];
        assert_eq!(watch.look(&hosts(0, 0), "attic", at(0)), [] as [&str; 0]);
        assert_eq!(watch.look(&hosts(12, 3), "attic", at(12)), [] as [&str; 0]);
        assert_eq!(watch.look(&hosts(18, 3), "attic", at(18)), [] as [&str; 0], "it was seen to beat at 12");
        assert_eq!(watch.look(&hosts(27, 3), "attic", at(27)), ["cellar"]);
        assert_eq!(watch.look(&hosts(27, 27), "attic", at(30)), [] as [&str; 0], "it came back");
    }

    #[test]
    fn who_was_not_watched_has_a_whole_lease() {
        let mut watch = Watch::default();
        let hosts = [host("attic", 100), host("cellar", 0)];
        assert_eq!(
            watch.look(&hosts, "attic", at(100)),
            [] as [&str; 0],
            "this host may have been away itself"
        );
        watch.forget();
        assert_eq!(watch.look(&hosts, "attic", at(114)), [] as [&str; 0]);
        assert_eq!(watch.look(&hosts, "attic", at(129)), ["cellar"]);
    }

    #[test]
    fn what_a_lost_host_had_is_taken_over_until_that_is_done() {
        let mut watch = Watch::default();
        let with = |lease| [Host { lease, ..host("cellar", 0) }];
        assert_eq!(
            watch.look(&with(Lease::Lost), "attic", at(0)),
            ["cellar"],
            "whoever began it may be gone"
        );
        assert_eq!(watch.look(&with(Lease::Settled), "attic", at(60)), [] as [&str; 0]);
    }

    #[test]
    fn a_modem_has_one_host() {
        let hosts = [Host { modems: vec!["stick1".to_owned()], ..host("attic", 0) }];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(may_join(&hosts, "cellar", &names(&["stick2"])), Ok(()));
        assert_eq!(may_join(&hosts, "attic", &names(&["stick1"])), Ok(()), "its own, after a restart");
        let taken = may_join(&hosts, "cellar", &names(&["stick2", "stick1"])).unwrap_err();
        assert_eq!(taken, NameTaken { modem: "stick1".to_owned(), host: "attic".to_owned() });
    }

    #[test]
    fn a_host_that_drains_and_is_gone_is_lost() {
        let draining = Host { draining: true, ..host("attic", 0) };
        assert_eq!(draining.state(at(14)), HostState::Draining);
        assert_eq!(draining.state(at(15)), HostState::Lost);
        assert_eq!(Host { lease: Lease::Settled, ..draining }.state(at(1)), HostState::Lost);
    }
}
