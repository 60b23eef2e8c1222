//! What has to outlive the daemon about PINs: a wrong one, tried at every start, locks the SIM.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::Secret;

/// Remembers the PINs that were tried and not accepted.
pub trait Pins: fmt::Debug + Send + Sync {
    /// Notes that the PIN is about to be tried with its owner's SIM. `true`: that is noted for certain, and the try
    /// may be made; `false`: it was noted before. The error is a sentence for a person; then no try is made.
    fn tries(&self, owner: String, pin: Secret<String>) -> BoxFuture<'static, Result<bool, String>>;

    /// The SIM took the PIN: its note goes.
    fn accepted(&self, owner: String, pin: Secret<String>) -> BoxFuture<'static, ()>;
}
