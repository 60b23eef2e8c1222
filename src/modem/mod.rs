//! The `modem` room.
