//! `[api]` and `[[client]]`: the socket, and who may do what on it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::reader::{Item, Table};
use crate::api::Limits;
use crate::api::access::{Client, Matcher, Right};
use crate::otp::Service;

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// The group that owns it; `None` is the daemon's own.
    pub group: Option<String>,
    /// What keeps one client from harming the others.
    pub limits: Limits,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            socket: "/run/smsotpd/smsotpd.sock".into(),
            mode: 0o660,
            group: None,
            limits: Limits::default(),
        }
    }
}

/// Which peers a client is, identified by what the kernel says about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The processes of the user with this name.
    User(String),
    /// The processes of the group with this name, or of a user who belongs to it.
    Group(String),
    /// The processes with an id.
    Id(Matcher),
}

/// The room for a path in `sockaddr_un` is 108 octets, one of which ends it (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

const API: &[&str] = &["socket", "mode", "group", "max_connections", "max_connections_per_uid"];

/// More than the descriptors of a process allow on any system.
const MOST_CONNECTIONS: u32 = 1_000_000;

pub(super) fn api(root: &Table<'_>) -> Api {
    let table = root.table("api", API);
    let default = Api::default();
    let connections = |name| usize::try_from(table.item(name)?.number(1, MOST_CONNECTIONS)?).ok();
    Api {
        socket: table.item("socket").and_then(|i| socket(&i)).unwrap_or(default.socket),
        mode: table.item("mode").and_then(|i| mode(&i)).unwrap_or(default.mode),
        group: table.item("group").and_then(|i| Some(i.word()?.to_owned())),
        limits: Limits {
            connections: connections("max_connections").unwrap_or(default.limits.connections),
            connections_per_uid: connections("max_connections_per_uid")
                .unwrap_or(default.limits.connections_per_uid),
            ..default.limits
        },
    }
}

fn socket(item: &Item<'_>) -> Option<PathBuf> {
    let path = item.word()?;
    if path.len() > LONGEST_SOCKET_PATH {
        item.fault(format!(
            "has {} octets; the path of a Unix socket has at most {LONGEST_SOCKET_PATH}",
            path.len()
        ));
        return None;
    }
    Some(path.into())
}

fn mode(item: &Item<'_>) -> Option<u32> {
    let text = item.text()?;
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o777 => Some(mode),
        _ => {
            item.fault("is not a file mode; write three octal digits in quotes, such as \"0660\"");
            None
        }
    }
}

const CLIENT: &[&str] = &["name", "user", "group", "uid", "gid", "may", "services"];

pub(super) fn clients(root: &Table<'_>, services: &BTreeMap<String, Service>) -> Vec<Client<Who>> {
    let mut clients: Vec<Client<Who>> = Vec::new();
    for (i, table) in root.tables("client", CLIENT).iter().enumerate() {
        let client = client(table, format!("client{}", i + 1), services);
        if clients.iter().any(|c| c.name == client.name) {
            table.fault_at("name", format!("{} is the name of a client above", client.name));
        }
        clients.push(client);
    }
    clients
}

fn client(table: &Table<'_>, name: String, services: &BTreeMap<String, Service>) -> Client<Who> {
    let service = |item: &Item<'_>| {
        let wanted = item.text()?;
        if services.contains_key(wanted) {
            return Some(wanted.to_owned());
        }
        item.fault(format!("is not a service of this file; add a section [service.{wanted}]"));
        None
    };
    Client {
        name: table.item("name").and_then(|i| i.name()).unwrap_or(name),
        matcher: who(table),
        may: table
            .item("may")
            .and_then(|i| i.list(|word| word.one_of(&Right::ALL.map(|right| (right.as_str(), right)))))
            .unwrap_or_else(|| vec![Right::Issue, Right::Check]),
        services: table.item("services").and_then(|i| i.some(service)),
    }
}

fn who(table: &Table<'_>) -> Who {
    let mut given =
        ["user", "group", "uid", "gid"].into_iter().filter_map(|key| Some((key, table.item(key)?)));
    let Some((key, item)) = given.next() else {
        table.fault("a client needs a user, group, uid or gid by which the kernel knows it");
        return Who::Id(Matcher::Uid(0));
    };
    for (_, other) in given {
        other.fault(format!("stands beside {key}; keep one of them, or write a [[client]] for each"));
    }
    let name = || item.word().unwrap_or_default().to_owned();
    // The highest number is the kernel's "no such id".
    let number = || item.number(0, u32::MAX - 1).unwrap_or_default();
    match key {
        "user" => Who::User(name()),
        "group" => Who::Group(name()),
        "uid" => Who::Id(Matcher::Uid(number())),
        _ => Who::Id(Matcher::Gid(number())),
    }
}
