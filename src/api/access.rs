//! Who may do what: clients are identified by what the kernel says about the peer of a Unix socket (`SO_PEERCRED`).
//!
//! The first client in the list that matches a peer decides. Without any client in the configuration, every peer that
//! may open the socket may do everything but [`Right::Admin`].

use std::fmt;

use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::gateway::Caller;

/// A right that is named in `may` of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Issue, resend and cancel verifications.
    Issue,
    /// Check codes.
    Check,
    /// Send and withdraw plain messages.
    Send,
    /// Listings, the inbox, modems, status, events.
    Read,
    /// Pause, resume, reset a modem; USSD; opt-outs.
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

/// The list of clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    clients: Vec<Client>,
}

impl Access {
    /// Access for these clients, in this order; for every peer when there are none.
    pub fn new(clients: Vec<Client>) -> Self {
        Self { clients }
    }

    /// Whether a peer's groups make a difference.
    pub fn needs_groups(&self) -> bool {
        self.clients.iter().any(|client| matches!(client.matcher, Matcher::Gid(_)))
    }

    /// What a peer may do.
    pub fn grant(&self, peer: &Peer) -> Grant {
        if self.clients.is_empty() {
            let all_but_admin = Right::ALL.into_iter().filter(|&right| right != Right::Admin).collect();
            return Grant { caller: Caller::default(), may: all_but_admin };
        }
        match self.clients.iter().find(|client| peer.is(client.matcher)) {
            Some(client) => Grant {
                caller: Caller { client: Some(client.name.clone()), services: client.services.clone() },
                may: client.may.clone(),
            },
            None => Grant { caller: Caller::default(), may: Vec::new() },
        }
    }
}

/// The process at the other end of a connection, as it was when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group, and the groups of its user once they were looked up.
    pub gids: Vec<u32>,
}

impl Peer {
    fn is(&self, matcher: Matcher) -> bool {
        match matcher {
            Matcher::Uid(uid) => self.uid == uid,
            Matcher::Gid(gid) => self.gids.contains(&gid),
        }
    }

    /// Adds the groups that the user database has for the peer's user. This asks the name service, which may block.
    pub(super) fn look_up_groups(&mut self) {
        let Ok(Some(user)) = User::from_uid(Uid::from_raw(self.uid)) else {
            return;
        };
        let Ok(name) = std::ffi::CString::new(user.name) else {
            return;
        };
        if let Ok(groups) = getgrouplist(&name, Gid::from_raw(user.gid.as_raw())) {
            self.gids.extend(groups.into_iter().map(Gid::as_raw));
        }
    }
}

/// What the peer of one connection may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
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

    #[test]
    fn without_clients_everybody_may_all_but_admin() {
        let grant = Access::default().grant(&Peer { uid: 0, gids: vec![0] });
        assert_eq!(grant.may, [Right::Issue, Right::Check, Right::Send, Right::Read]);
        assert_eq!(grant.caller, Caller::default());
    }

    #[test]
    fn the_first_client_that_matches_decides() {
        let access = Access::new(vec![
            client("web", Matcher::Uid(33), &[Right::Issue]),
            client("staff", Matcher::Gid(50), &[Right::Read, Right::Admin]),
        ]);
        assert!(access.needs_groups());
        let web = access.grant(&Peer { uid: 33, gids: vec![33, 50] });
        assert_eq!((web.caller.client.as_deref(), web.may), (Some("web"), vec![Right::Issue]));
        let staff = access.grant(&Peer { uid: 1000, gids: vec![1000, 50] });
        assert_eq!(staff.caller.client.as_deref(), Some("staff"));
        let stranger = access.grant(&Peer { uid: 1000, gids: vec![1000] });
        assert!(stranger.may.is_empty());
        assert!(!stranger.meets(&[Right::Read]) && stranger.meets(&[]));
    }

    #[test]
    fn needs_are_named() {
        let three = [Right::Issue, Right::Check, Right::Read];
        assert_eq!(named(&three), "the right `issue`, `check` or `read`");
        assert_eq!(named(&[Right::Admin]), "the right `admin`");
    }
}
