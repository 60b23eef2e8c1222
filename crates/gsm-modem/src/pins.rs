//! What has to outlive the daemon about PINs: a wrong one, tried at every start, locks the SIM.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::Secret;

/// Whose PIN it is: every name that the SIM and its device may have. What is not known now may be known at the next
/// start, and the other way about, so that a try has to be found again under any of them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// The SIM's number, where it gives that before its PIN. Told by this SIM, not by one that was here before.
    pub iccid: Option<String>,
    /// The subscription's number, under the same condition.
    pub imsi: Option<String>,
    /// The device's number.
    pub imei: Option<String>,
    /// The modem's name in the configuration.
    pub modem: String,
    /// The path of its port.
    pub port: String,
}

/// The numbers of the SIM and the device are not shown.
impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owners").field("modem", &self.modem).field("port", &self.port).finish_non_exhaustive()
    }
}

/// A memory is equal to itself alone.
impl PartialEq for dyn Pins {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

/// Remembers the PINs that were tried and not accepted.
pub trait Pins: fmt::Debug + Send + Sync {
    /// Notes that the PIN is about to be tried with the SIM of these names. `true`: that is noted for certain, and the
    /// try may be made; `false`: it may have been tried before with this SIM, under whichever of the names. The error
    /// is a sentence for a person; then no try is made.
    fn tries(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, Result<bool, String>>;

    /// The SIM took the PIN: its note goes. The names are those of the try.
    fn accepted(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, ()>;
}
