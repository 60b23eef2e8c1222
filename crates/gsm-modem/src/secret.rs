//! Values that never reach a log, an error or a `Debug`, and that are wiped when dropped: codes, texts, PINs, PDUs.
//!
//! ```
//! use gsm_modem::Secret;
//! let pin = Secret::new(String::from("1234"));
//! assert_eq!(format!("{pin:?}"), "[secret]");
//! assert_eq!(pin.expose(), "1234");
//! ```

use std::fmt;

use zeroize::Zeroize;

/// A value that no `Debug` shows, in any build, and that is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value: each caller states its reason.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
