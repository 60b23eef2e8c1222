//! What has to outlive the daemon about PINs: a wrong one, tried at every start, locks the SIM.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::Secret;

/// Every name by which the owner of a PIN may be known: which of them a modem tells differs from one start to the next.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// The number of the SIM card.
    pub iccid: Option<String>,
    /// The number of the subscription.
    pub imsi: Option<String>,
    /// The number of the modem.
    pub imei: Option<String>,
    /// The modem's name in the configuration.
    pub modem: String,
    /// The path of its port.
    pub port: String,
}

/// The numbers are a person's; they are not shown.
impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owners").field("modem", &self.modem).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Remembers the PINs that were tried and not accepted.
pub trait Pins: fmt::Debug + Send + Sync {
    /// Notes under every name that the PIN is about to be tried. `true`: that is noted for certain, and the try
    /// may be made; `false`: it was noted before under one of the names. The error is a sentence for a person; then no
    /// try is made.
    fn tries(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, Result<bool, String>>;

    /// The SIM took the PIN: its notes go.
    fn accepted(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, ()>;
}
