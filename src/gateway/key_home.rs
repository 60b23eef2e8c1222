//! Where the installation's key is kept, as the gateway needs it to put another one there.

use crate::secret::Master;

/// A place for the key. Its calls may wait for the disk.
pub trait KeyHome: Send + Sync {
    /// What the place is called: `state`, `file` or `credential`.
    fn kind(&self) -> &'static str;

    /// Whether the key is a part of the state, and so of its backups.
    fn is_in_state(&self) -> bool;

    /// Puts the key that comes beside the one that is: both are there when this returns, whatever ends the daemon. Where
    /// the daemon cannot do that, the error is a sentence for whoever can.
    fn put_beside(&self, next: &Master) -> Result<(), String>;

    /// The key that was put beside is the only one from now on.
    fn take_over(&self) -> Result<(), String>;
}
