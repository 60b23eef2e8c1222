//! The state from a backup, into the engine that the configuration names.

use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::key::{self, KeyError, Place};
use crate::config;
use crate::secret::Master;
use crate::store;

/// Why the state was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store, or the backup itself.
    #[error(transparent)]
    Store(#[from] store::RestoreError),
    /// The key that is there.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The backup was made with another key than the one that is there.
    #[error(
        "the backup was made with another secret key than {0}; put the key of the backup there first. Nothing was \
         restored"
    )]
    OtherKey(PathBuf),
    /// The backup has its key, and the configuration names another one.
    #[error(
        "the backup has a secret key of its own, which is not {0}: take secret_key_file out of the configuration to \
         use that one. Nothing was restored"
    )]
    KeyOfItsOwn(PathBuf),
    /// The folder.
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
        matches!(self, Self::Store(store::RestoreError::NotEmpty(_) | store::RestoreError::HasRecords(_)))
    }

    /// Whether a key has to be changed first.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Key(e) => e.is_configuration(),
            Self::OtherKey(_)
            | Self::KeyOfItsOwn(_)
            | Self::Store(store::RestoreError::Open(store::OpenError::Refused { .. })) => true,
            _ => false,
        }
    }
}

/// Where the key of the backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRestored {
    /// It was in the backup, and is in the state folder.
    WithIt,
    /// It was there already.
    There,
    /// It is kept elsewhere, as a credential or in `secret_key_file`, and has to be there unchanged.
    KeptApart,
}

/// Fills `state_dir`, which may not contain a store yet, or the database, which may not have records, from a backup. `configured` is the `secret_key_file` of the
/// configuration. The key goes there first: a store without its key is never there.
pub fn restore(
    state_dir: &Path,
    configured: Option<&Path>,
    kept: &config::Store,
    from: &mut dyn Read,
) -> Result<KeyRestored, RestoreError> {
    let io = |source| RestoreError::Io { path: state_dir.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(io)?;
    let place = Place::of(configured, state_dir);
    let there = match place.read() {
        Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        there => there?,
    };
    let restored = match kept {
        config::Store::Sled => store::restore(&state_dir.join(super::STORE), from)?,
        config::Store::Postgres { url, .. } => store::restore_postgres(url, from)?,
    };
    let attached = match restored.attached().map(|octets| <[u8; 32]>::try_from(octets.expose().as_slice())) {
        None => None,
        Some(Ok(octets)) => Some(Master::from_bytes(octets)),
        Some(Err(_)) => return Err(store::RestoreError::Damaged("its key is none").into()),
    };
    if let Some(own) = &attached
        && !restored.is_of(own)?
    {
        return Err(store::RestoreError::Damaged("its key is another one than it was made with").into());
    }
    let where_it_is = match (&there, &attached) {
        (Some(there), _) if restored.is_of(there)? => KeyRestored::There,
        (Some(_), Some(_)) if matches!(place, Place::State(_)) => {
            return Err(store::RestoreError::NotEmpty(place.path().to_owned()).into());
        }
        (Some(_), None) => return Err(RestoreError::OtherKey(place.path().to_owned())),
        (None, Some(own)) if matches!(place, Place::State(_)) => {
            key::make(place.path(), own)?;
            KeyRestored::WithIt
        }
        (_, Some(_)) => return Err(RestoreError::KeyOfItsOwn(place.path().to_owned())),
        (None, None) => KeyRestored::KeptApart,
    };
    restored.put_in_place()?;
    Ok(where_it_is)
}
