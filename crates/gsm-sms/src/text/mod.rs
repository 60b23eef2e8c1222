//! Characters: the GSM 7 bit alphabets, UCS-2, and how a text is measured and split.
//!
//! 3GPP TS 23.038 clause 6.2 and annex A.

pub(crate) mod alphabet;
pub(crate) mod cluster;
pub(crate) mod language;
mod locking;
pub(crate) mod septets;
mod single;
pub(crate) mod split;
pub(crate) mod survey;
pub(crate) mod transliterate;
pub(crate) mod utf16;
