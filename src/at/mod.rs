//! The `at` room.
