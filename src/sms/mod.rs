//! The `sms` room.
