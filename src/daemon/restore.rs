//! The state folder from a backup.

use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::key;
use crate::store;

/// Why the state was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store, or the backup itself.
    #[error(transparent)]
    Store(#[from] store::RestoreError),
    /// The folder or the key in it.
    #[error("{path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl RestoreError {
    /// Whether there is a state already, which is not changed.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Store(store::RestoreError::NotEmpty(_)))
    }
}

/// Whether the backup contained the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRestored {
    /// The key is in the state folder.
    WithIt,
    /// The key is kept elsewhere, as a credential or in `secret_key_file`, and has to be there unchanged.
    KeptApart,
}

/// Fills `state_dir`, which may not contain a store or a key yet, from a backup.
pub fn restore(state_dir: &Path, from: &mut dyn Read) -> Result<KeyRestored, RestoreError> {
    let key = key::path(state_dir);
    if key.exists() {
        return Err(store::RestoreError::NotEmpty(key).into());
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::Io { path, source }
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(io(state_dir))?;
    let attached = store::restore(&state_dir.join(super::STORE), from)?;
    let Some(octets) = attached else { return Ok(KeyRestored::KeptApart) };
    key::write(&key, octets.expose()).map_err(io(&key))?;
    Ok(KeyRestored::WithIt)
}
