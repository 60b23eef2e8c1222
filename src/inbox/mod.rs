//! An incoming message, pure: what is kept of it, one that still lacks parts, and the words by which a person
//! asks for no more messages.
//!
//! This room knows neither what a PDU is nor where a message is kept.
//!
//! ```
//! use smsotpd::inbox::{Keyword, Words};
//!
//! let words = Words::default();
//! assert_eq!(words.keyword("  Stop\n"), Some(Keyword::Stop));
//! assert_eq!(words.keyword("please stop"), None, "only a message that is the word and nothing else");
//! assert_eq!(words.keyword("start"), Some(Keyword::Start));
//! ```

mod entry;
mod words;

pub use entry::{Assembly, Content, Entry, OptOut, Sender, Tag, part_owner};
pub use words::{Keyword, Words};
