//! The `cli` room.

pub mod pdu;
