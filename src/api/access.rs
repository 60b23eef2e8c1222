//! Who may do what: clients are identified by what the kernel says about the peer of a Unix socket (`SO_PEERCRED`).
//!
//! - An operator (root, and the daemon's own user) may do everything, whatever the configuration says.
//! - For every other peer the first client in the list that matches it decides. A client sees and changes what it made;
//!   with [`Right::Read`] it sees what others made as well, of the services that it may use. [`Right::Admin`] is about
//!   modems, opt-outs and the daemon, and adds nothing here.
//! - Without any client in the configuration, every peer that may open the socket may do everything but what needs
//!   [`Right::Admin`], and nothing is hidden from it.
//!
//! Limits, idempotency keys and checks by number go by a client's name. An operator acts under the name of the first
//! client that matches it, and under none when no client does; a peer without configured clients acts under none. What
//! was made under no name belongs to no client: beside configured clients only `read` sees it, and only an operator
//! changes it.

use std::fmt;

pub use super::peer::{Peer, Program};
use crate::gateway::{Caller, Reach};

/// A right that is named in `may` of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Issue, resend and cancel verifications, and list one's own.
    Issue,
    /// Check codes, and list one's own verifications.
    Check,
    /// Send and withdraw plain messages, and list one's own.
    Send,
    /// What others made as well, the inbox, modems, status, events.
    Read,
    /// Pause, resume, reset a modem; USSD; opt-outs; the secret key, the log, backups.
    Admin,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 5] = [Self::Issue, Self::Check, Self::Send, Self::Read, Self::Admin];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Check => "check",
            Self::Send => "send",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which peers a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matcher {
    /// The processes of this user.
    Uid(u32),
    /// The processes of this group, which may be the process's own group or another group of its user.
    Gid(u32),
}

/// A `[[client]]` of the configuration: a peer of the socket and its rights. `M` says which peers it is, as
/// ids or as names that are still to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client<M = Matcher> {
    /// Its name in logs, metrics and limits.
    pub name: String,
    /// Which peers it is.
    pub matcher: M,
    /// What it may do.
    pub may: Vec<Right>,
    /// The services it may use; all when there is no list.
    pub services: Option<Vec<String>>,
}

/// The list of clients, and the operators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    clients: Vec<Client>,
    operators: Vec<u32>,
}

impl Access {
    /// Access for these clients, in this order; for every peer when there are none.
    pub fn new(clients: Vec<Client>) -> Self {
        Self { clients, operators: Vec::new() }
    }

    /// The same, with users who may do everything.
    #[must_use]
    pub fn with_operators(self, operators: Vec<u32>) -> Self {
        Self { operators, ..self }
    }

    /// Whether a peer's groups make a difference.
    pub fn needs_groups(&self) -> bool {
        self.clients.iter().any(|client| matches!(client.matcher, Matcher::Gid(_)))
    }

    /// What a peer may do.
    pub fn grant(&self, peer: Peer) -> Grant {
        let client = self.clients.iter().find(|client| peer.is(client.matcher));
        let name = client.map(|client| client.name.clone());
        if self.operators.contains(&peer.uid) {
            let caller = Caller { client: name, user: Some(peer.uid), services: None, reach: Reach::Changes };
            return Grant { peer, caller, may: Right::ALL.to_vec() };
        }
        if self.clients.is_empty() {
            let may = Right::ALL.into_iter().filter(|&right| right != Right::Admin).collect();
            let caller = Caller { user: Some(peer.uid), reach: Reach::Changes, ..Caller::default() };
            return Grant { peer, caller, may };
        }
        let may = client.map(|client| client.may.clone()).unwrap_or_default();
        let reach = if may.contains(&Right::Read) { Reach::Sees } else { Reach::Own };
        let services = client.and_then(|client| client.services.clone());
        let caller = Caller { client: name, user: Some(peer.uid), services, reach };
        Grant { peer, caller, may }
    }
}

impl Peer {
    fn is(&self, matcher: Matcher) -> bool {
        match matcher {
            Matcher::Uid(uid) => self.uid == uid,
            Matcher::Gid(gid) => self.gids.contains(&gid),
        }
    }
}

/// What the peer of one connection may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The peer.
    pub peer: Peer,
    /// The caller in whose name the peer asks.
    pub caller: Caller,
    /// Its rights.
    pub may: Vec<Right>,
}

impl Grant {
    /// Whether one of these rights was granted, or none is needed.
    pub fn meets(&self, any_of: &[Right]) -> bool {
        any_of.is_empty() || any_of.iter().any(|right| self.may.contains(right))
    }
}

/// Names the rights of which one is needed: ``the right `issue`, `check` or `read` ``.
pub(super) fn named(any_of: &[Right]) -> String {
    let names: Vec<_> = any_of.iter().map(|right| format!("`{right}`")).collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("the right {} or {last}", before.join(", ")),
        _ => format!("the right {}", names.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, matcher: Matcher, may: &[Right]) -> Client {
        Client { name: name.to_owned(), matcher, may: may.to_vec(), services: None }
    }

    fn peer(uid: u32, gids: &[u32]) -> Peer {
        Peer { uid, gids: gids.to_vec(), pid: None, program: Program::Unseen }
    }

    #[test]
    fn without_clients_everybody_may_all_but_admin() {
        let grant = Access::default().grant(peer(0, &[0]));
        assert_eq!(grant.may, [Right::Issue, Right::Check, Right::Send, Right::Read]);
        assert_eq!(grant.caller, Caller { user: Some(0), reach: Reach::Changes, ..Caller::default() });
    }

    #[test]
    fn the_first_client_that_matches_decides() {
        let access = Access::new(vec![
            client("web", Matcher::Uid(33), &[Right::Issue]),
            client("staff", Matcher::Gid(50), &[Right::Read, Right::Admin]),
        ]);
        assert!(access.needs_groups());
        let web = access.grant(peer(33, &[33, 50]));
        assert_eq!((web.caller.client.as_deref(), web.may), (Some("web"), vec![Right::Issue]));
        assert_eq!(web.caller.reach, Reach::Own);
        let staff = access.grant(peer(1000, &[1000, 50]));
        assert_eq!(staff.caller.client.as_deref(), Some("staff"));
        assert_eq!(staff.caller.reach, Reach::Sees, "an admin changes no more than it made");
        let stranger = access.grant(peer(1000, &[1000]));
        assert!(stranger.may.is_empty());
        assert!(!stranger.meets(&[Right::Read]) && stranger.meets(&[]));
    }

    #[test]
    fn an_operator_may_everything_under_the_name_of_its_client() {
        let operators = vec![0, 991];
        let root = Client {
            services: Some(vec!["login".to_owned()]),
            ..client("cron", Matcher::Uid(0), &[Right::Issue])
        };
        let everything = |name: Option<&str>, uid: u32| Grant {
            peer: peer(uid, &[0]),
            caller: Caller {
                client: name.map(str::to_owned),
                user: Some(uid),
                services: None,
                reach: Reach::Changes,
            },
            may: Right::ALL.to_vec(),
        };
        for (clients, name) in [(vec![], None), (vec![root], Some("cron"))] {
            let access = Access::new(clients).with_operators(operators.clone());
            assert_eq!(access.grant(peer(0, &[0])), everything(name, 0));
            assert_eq!(access.grant(peer(991, &[0])), everything(None, 991));
            assert!(!access.grant(peer(1000, &[0, 991])).meets(&[Right::Admin]));
        }
    }

    #[test]
    fn needs_are_named() {
        let three = [Right::Issue, Right::Check, Right::Read];
        assert_eq!(named(&three), "the right `issue`, `check` or `read`");
        assert_eq!(named(&[Right::Admin]), "the right `admin`");
    }
}
