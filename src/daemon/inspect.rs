//! What can be told of a configuration and its files without starting the daemon: for `--check-config` and
//! `smsotp doctor`, which may run as another user.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::key::{self, KeyError};
use super::{STORE, wiring};
use crate::config::{self, Config};
use crate::gateway::lint;
use crate::store;

/// Free octets below which the daemon refuses new work.
pub fn disk_floor() -> u64 {
    store::Options::default().floor
}

/// Something that the configuration names and that is not as it has to be: a start here would fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What it is, and what to do about it.
    pub what: String,
    /// Whether this user may not look; the daemon's user may.
    pub unseen: bool,
}

/// How the secret key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFile {
    /// It is a key that nobody else may read or replace.
    Sound(PathBuf),
    /// There is none, and none is needed: the daemon makes one at its first start.
    ToBeMade(PathBuf),
    /// There is none beside a store with records, unless the service manager gives it as a credential.
    Missing(Lack),
    /// Another fault.
    Fault(Lack),
}

/// Settings that are allowed but probably not intended, a sentence each: from the configuration itself, and
/// from what its texts cost.
pub fn warnings(config: &Config) -> Vec<String> {
    let services = &config.gateway.services;
    config.warnings().into_iter().chain(services.iter().flat_map(|(name, s)| lint(name, s))).collect()
}

/// What the configuration names and this system does not have, or does not let this user use. A check may be made on
/// another machine, or by another user.
pub fn missing(config: &Config) -> Vec<Lack> {
    let seen = |what: String| Lack { what, unseen: false };
    let clients = config
        .clients
        .iter()
        .filter_map(|c| Some(seen(format!("client {}: {}", c.name, wiring::matcher(&c.matcher).err()?))));
    let group = config.api.group.as_deref();
    let group = group.and_then(|name| Some(seen(format!("api.group: {}", wiring::gid(name).err()?))));
    let key = config.secret_key_file.as_deref().and_then(|path| Some(lack(path, key::check(path).err()?)));
    let pins = config.modems.iter().filter_map(|m| Some(lack(m.pin_file.as_deref()?, wiring::pin(m).err()?)));
    clients.chain(group).chain(key).chain(pins).collect()
}

/// The database that several hosts share, as a log shows it, and how it stands or what is wrong; nothing where the records are
/// in files.
pub async fn database(config: &Config) -> Option<(String, Result<store::Survey, String>)> {
    match &config.store {
        config::Store::Sled => None,
        config::Store::Postgres { url, .. } => Some((url.to_string(), url.survey().await)),
    }
}

/// How the key stands that no service manager gives.
pub fn key_file(config: &Config) -> KeyFile {
    let made = key::path(&config.state_dir);
    let path = config.secret_key_file.clone().unwrap_or_else(|| made.clone());
    match key::check(&path) {
        Ok(()) => KeyFile::Sound(path),
        Err(KeyError::Read { source, .. }) if source.kind() == ErrorKind::NotFound && path == made => {
            let records =
                config.state_dir.join(STORE).read_dir().is_ok_and(|mut files| files.next().is_some());
            if records {
                KeyFile::Missing(lack(&path, KeyError::Missing { path: made }))
            } else {
                KeyFile::ToBeMade(path)
            }
        }
        Err(e) => KeyFile::Fault(lack(&path, e)),
    }
}

fn lack(path: &Path, e: impl std::error::Error) -> Lack {
    let unseen = File::open(path).is_err_and(|e| e.kind() == ErrorKind::PermissionDenied);
    Lack { what: e.to_string(), unseen }
}
