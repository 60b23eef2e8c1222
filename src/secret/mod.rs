//! Secrets: values that never reach a log, an error or a `Debug`, and the keys that seal them at rest. The
//! installation's key, which an operator keeps, opens a ring of keys, which the store keeps; those seal and hash.
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

mod key;
mod master;
mod ring;
mod subkey;

pub use gsm_modem::Secret;
pub use key::{Key, Sealed, UnsealError};
pub use master::{CheckValue, Master};
pub use ring::Ring;
