//! An incoming message, pure: what is kept of it, one that still lacks parts, and the words by which a person
//! asks for no more messages.
//!
//! This room does not know what a PDU is, nor where a message is kept.
//!
//! ```
//! use smsotpd::inbox::{Wish, Words};
//!
//! let words = Words::default();
//! assert_eq!(words.wish("  Stop\n"), Some(Wish::Stop));
//! assert_eq!(words.wish("please stop"), None, "only a message that is the word and nothing else");
//! assert_eq!(words.wish("start"), Some(Wish::Start));
//! ```

mod entry;
mod words;

pub use entry::{Assembly, Content, Entry, OptOut, Sender, Tag};
pub use words::{Wish, Words};
