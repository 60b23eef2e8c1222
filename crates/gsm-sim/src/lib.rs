//! Simulated GSM modems, for the demo, for tests and for benches: scripted dialogues, seeded faults, and one inbox for
//! everything that the network receives. A [`Sim`] has its modems on pseudo-terminals, which any program may open as
//! real ports; a [`Rack`] has them in memory, on the clock of the tokio runtime, so that its seed decides a whole run.
//!
//! This crate does not know the daemon's codecs: it parses commands and TPDUs with code of its own, because a
//! simulator that shared the codecs would share their faults.
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
mod controls;
mod dialogue;
mod faults;
mod hang;
mod log;
mod messages;
mod modem;
mod orders;
mod phone;
mod port;
mod pty;
mod rack;
pub mod script;
mod settings;
mod sim;
mod slot;
mod submit;
mod text_mode;
mod tpdu;

pub use controls::Controls;
pub use faults::{Fault, FaultKind, Point};
pub use hang::{Cure, Cut};
pub use log::LoggedCommand;
pub use orders::{Reports, Restart};
pub use phone::{Part, Received, Submitted};
pub use rack::{Rack, RackPort};
pub use script::{Script, ScriptError};
pub use sim::{Options, Sim};
