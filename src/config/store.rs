//! `[store]`: where the records are kept.

use super::reader::Table;
use crate::store::DatabaseUrl;

/// Where the records are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Store {
    /// In the state folder, by this host alone.
    #[default]
    Sled,
    /// In a database that several hosts share.
    Postgres {
        /// The database.
        url: Box<DatabaseUrl>,
        /// The name of this host among them.
        host: String,
    },
}

impl Store {
    /// The name of this host, when others may share the records.
    pub(super) fn host(&self) -> Option<String> {
        match self {
            Self::Sled => None,
            Self::Postgres { host, .. } => Some(host.clone()),
        }
    }
}

/// The machine's name.
pub(super) fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

pub(super) fn store(root: &Table<'_>) -> Store {
    let table = root.table("store", &["engine", "url", "host"]);
    let is_shared = table.item("engine").and_then(|i| i.one_of(&[("sled", false), ("postgres", true)]));
    let url = table.item("url").and_then(|item| {
        // A fault shows no part of what may be a password.
        let url = DatabaseUrl::parse(item.word()?);
        url.map_err(|why| item.fault(why)).ok()
    });
    let host = table.item("host").and_then(|i| i.name()).unwrap_or_else(machine);
    if is_shared != Some(true) {
        return Store::Sled;
    }
    if !table.has("url") {
        table.fault_at(
            "engine",
            "is postgres, which needs a url, such as \"postgres:///smsotp?host=/run/postgresql\"",
        );
    }
    url.map_or(Store::Sled, |url| Store::Postgres { url: Box::new(url), host })
}
