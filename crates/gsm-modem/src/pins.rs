//! What has to outlive the daemon about PINs: a wrong PIN that is tried at every start locks the SIM.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::Secret;

/// Whose PIN it is: every name that the SIM and its device may have. A name that is unknown now may be known
/// at the next start, and the other way round, so a try has to be found again under any of them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// The SIM's number, if the SIM gives it before its PIN. It was given by this SIM, not by one that was in
    /// the modem before.
    pub iccid: Option<String>,
    /// The IMSI, under the same condition.
    pub imsi: Option<String>,
    /// The IMEI.
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

/// A memory of PINs is equal only to itself.
impl PartialEq for dyn Pins {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

/// Remembers the PINs that were tried and not accepted.
pub trait Pins: fmt::Debug + Send + Sync {
    /// Notes that the PIN is about to be tried with the SIM of these names. `true`: the note is on disk, and
    /// the try may be made; `false`: the PIN may have been tried before with this SIM, under any of the
    /// names. The error is a sentence for a person; then no try is made.
    fn tries(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, Result<bool, String>>;

    /// The SIM accepted the PIN: the note is removed. The names are those of the try.
    fn accepted(&self, owners: Owners, pin: Secret<String>) -> BoxFuture<'static, ()>;
}
