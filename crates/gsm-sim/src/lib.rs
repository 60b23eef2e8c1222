//! Simulated GSM modems on pseudo-terminals, for the demo, for tests and for benches: real ports that any
//! program may open, scripted dialogues, seeded faults, and one inbox for everything the network receives.
//!
//! This crate does not know the daemon's codecs: it reads commands and TPDUs by itself, because a simulator that
//! shared them would share their faults.
//!
//! ```
//! use std::time::Duration;
//! use gsm_sim::{Options, Sim};
//!
//! let sim = Sim::start(Options { modems: 2, ..Options::default() })?;
//! println!("ports {} and {}", sim.port(0).display(), sim.port(1).display());
//! sim.set_air_time(0, Duration::from_millis(800));
//! sim.fail_next(1, 3, 38);
//! assert!(sim.inbox().is_empty());
//! # std::io::Result::Ok(())
//! ```

mod answers;
mod clock;
mod command;
mod dialogue;
mod faults;
mod hang;
mod log;
mod messages;
mod modem;
mod phone;
mod port;
mod pty;
mod rack;
pub mod script;
mod settings;
mod submit;
mod text_mode;
mod tpdu;

pub use faults::{Fault, FaultKind, Point};
pub use hang::{Cure, Cut};
pub use log::Seen;
pub use phone::{Part, Received};
pub use rack::{Options, Sim};
pub use script::{Script, ScriptError};
