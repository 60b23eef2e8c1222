//! The bodies of the fuzz targets: a file each, with one function that takes the octets of an input and panics when
//! something does not hold. `fuzz_targets/` gives them to libFuzzer, `src/bin/random.rs` to a generator that needs no C++.

pub mod decode;
pub mod framer;
pub mod line;
pub mod reassembly;
pub mod round_trip;
pub mod session;
pub mod udh;

/// A body.
pub type Body = fn(&[u8]);

/// The bodies by the names of their targets.
pub const TARGETS: &[(&str, Body)] = &[
    ("decode", decode::run),
    ("framer", framer::run),
    ("line", line::run),
    ("reassembly", reassembly::run),
    ("round_trip", round_trip::run),
    ("session", session::run),
    ("udh", udh::run),
];
