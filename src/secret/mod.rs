//! Secrets: values that never reach a log, an error or a `Debug`, and the key that seals them at rest.
//!
//! This room knows nothing of codes, messages or files.
//!
//! ```
//! use smsotpd::secret::{Key, Secret};
//! let code = Secret::new(String::from("123456"));
//! assert_eq!(format!("{code:?}"), "[secret]");
//! let key = Key::from_bytes([7; 32]);
//! let sealed = key.seal(b"msg_1", code.expose().as_bytes());
//! assert_eq!(key.unseal(b"msg_1", &sealed).unwrap().expose(), b"123456");
//! assert!(key.unseal(b"msg_2", &sealed).is_err());
//! ```

use std::fmt;

use zeroize::Zeroize;

mod key;

pub use key::{Key, Sealed, UnsealError};

/// A value that no `Debug` shows, in any build, and that is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value: name the reason where you call this.
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
