//! The state folder from a backup.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::key;
use crate::secret::Secret;
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
    // The key comes with the store's folder, in the one step that gives that its name.
    let keep = |folder: &Path, octets: &Secret<Vec<u8>>| key::write(&key::path(folder), octets.expose());
    let attached = store::restore_with(&state_dir.join(super::STORE), from, &keep)?;
    finish(state_dir).map_err(io(&key))?;
    Ok(if attached.is_some() { KeyRestored::WithIt } else { KeyRestored::KeptApart })
}

/// Gives a restored key its place, if a stop came before that.
pub(super) fn finish(state_dir: &Path) -> io::Result<()> {
    let (restored, key) = (key::path(&state_dir.join(super::STORE)), key::path(state_dir));
    if restored.exists() && !key.exists() {
        std::fs::rename(restored, key)?;
        File::open(state_dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Options, Store};

    async fn backup() -> Vec<u8> {
        let store = Store::in_memory();
        let (sink, mut pieces) = tokio::sync::mpsc::channel(4);
        let attached = Some(Secret::new(vec![7; 32]));
        let from = store.clone();
        tokio::spawn(async move { from.back_up(attached, sink).await });
        let mut octets = Vec::new();
        while let Some(piece) = pieces.recv().await {
            octets.extend(piece.unwrap());
        }
        octets
    }

    #[tokio::test]
    async fn a_restore_that_a_stop_interrupts_leaves_nothing_or_all() {
        let backup = backup().await;
        let state = tempfile::tempdir().unwrap();
        let (store, key) = (state.path().join("store"), key::path(state.path()));
        // A stop before the folder has its name: nothing that a start would take up, or another restore would refuse.
        let stopped = |_: &Path, _: &Secret<Vec<u8>>| Err(io::Error::other("stopped"));
        store::restore_with(&store, &mut backup.as_slice(), &stopped).unwrap_err();
        assert!(!store.exists() && !key.exists());
        // One right after that: the key is in the folder, from which a start takes it.
        let keep = |folder: &Path, octets: &Secret<Vec<u8>>| key::write(&key::path(folder), octets.expose());
        store::restore_with(&store, &mut backup.as_slice(), &keep).unwrap();
        assert!(store.exists() && !key.exists());
        finish(state.path()).unwrap();
        assert_eq!(std::fs::read(&key).unwrap(), [7; 32]);
        finish(state.path()).unwrap();
        Store::open(&store, &Options::default()).unwrap().close().await;
    }
}
