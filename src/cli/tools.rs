//! The commands that need no daemon.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;

use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::print;
use super::{backup, demo, doctor, import, pdu, probe, sim};
use crate::config::DEFAULT_PATH;

/// The commands that need no daemon.
#[derive(Debug, Subcommand)]
pub(super) enum Tool {
    /// The whole way of a code, without hardware, root or configuration.
    Demo,
    /// Ask serial ports what they are, and print a configuration for them.
    Probe {
        /// Such as /dev/ttyUSB0; none: all that may be modems.
        #[arg(value_name = "PORT")]
        ports: Vec<PathBuf>,
    },
    /// Look at this machine and its daemon: a line for each thing, with what to do about it. Exit 0, or 1 when
    /// something fails.
    Doctor {
        /// The daemon's configuration.
        #[arg(long, value_name = "PATH", default_value = DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Simulated modems on pseudo-terminals.
    Sim {
        /// Where modem0 and so on appear.
        #[arg(long)]
        dir: PathBuf,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        modems: usize,
        /// What they do, a file each.
        #[arg(long, value_name = "FILE")]
        script: Vec<PathBuf>,
    },
    /// Fill an empty state folder from a backup, while the daemon is stopped.
    Restore {
        /// What `smsotp backup` wrote.
        file: PathBuf,
        /// The state folder; left out: the one that the configuration names.
        #[arg(long, value_name = "DIR")]
        state_dir: Option<PathBuf>,
        /// The daemon's configuration.
        #[arg(long, value_name = "PATH", default_value = DEFAULT_PATH)]
        config: PathBuf,
    },
    /// Print a configuration that is made from another gateway's; what has no counterpart stands as a comment.
    Import {
        /// Whose it is.
        peer: import::Peer,
        /// Such as /etc/gammu-smsdrc or /etc/smsd.conf.
        file: PathBuf,
    },
    /// PDUs of short messages, JSON lines on stdin to JSON lines on stdout.
    Pdu {
        #[command(subcommand)]
        direction: Direction,
    },
}

/// The direction of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Direction {
    /// A message to its PDUs.
    Encode,
    /// A PDU to what it says.
    Decode,
}

/// Runs a command. `socket` is the daemon's, if another one than usual was named.
pub(super) fn run(tool: Tool, socket: Option<&Path>, json: bool) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match tool {
        Tool::Demo => {
            // With JSON, only the answer goes to stdout. A reader that closes the output stops nothing.
            let mut say = |line: &str| {
                let told =
                    if json { writeln!(io::stderr(), "{line}") } else { writeln!(io::stdout(), "{line}") };
                told.or_else(|e| if e.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })
            };
            runtime.block_on(demo::run(&mut say)).map_err(|e| Failure::new(Exit::No, e.to_string()))?;
            if json {
                print(&format!("{}\n", json!({"ok": true})))?;
            }
        }
        Tool::Sim { dir, modems, script } => runtime.block_on(sim::run(dir, modems, script))?,
        Tool::Pdu { direction } => {
            let work = match direction {
                Direction::Encode => pdu::Work::Encode,
                Direction::Decode => pdu::Work::Decode,
            };
            pdu::run(work, io::stdin().lock(), io::stdout().lock())?;
        }
        Tool::Restore { file, state_dir, config } => return backup::restore(&file, state_dir, &config, json),
        Tool::Doctor { config } => return runtime.block_on(doctor::run(&config, socket, json)),
        Tool::Import { peer, file } => return import::run(peer, &file),
        Tool::Probe { ports } => return runtime.block_on(probe::run(&ports, json)),
    }
    Ok(Exit::Done)
}
