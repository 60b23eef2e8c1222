//! The commands that need no daemon.

use std::path::PathBuf;

use clap::Subcommand;

use super::exit::{Exit, Failure};

/// The workshop.
#[derive(Debug, Subcommand)]
pub(super) enum Tool {
    /// The whole way of a code, without hardware, root or configuration.
    Demo,
    /// Ask serial ports what they are, and print a configuration for them.
    Probe {
        /// Such as /dev/ttyUSB0.
        #[arg(required = true, value_name = "PORT")]
        ports: Vec<PathBuf>,
    },
    /// Simulated modems on pseudo-terminals.
    Sim {
        /// Where modem0 and so on appear.
        #[arg(long)]
        dir: PathBuf,
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1)]
        modems: usize,
        /// What they do, a file each.
        #[arg(long, value_name = "FILE")]
        script: Vec<PathBuf>,
    },
    /// PDUs of short messages, JSON lines on stdin to JSON lines on stdout.
    Pdu {
        #[command(subcommand)]
        direction: Direction,
    },
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Direction {
    /// A message to its PDUs.
    Encode,
    /// A PDU to what it says.
    Decode,
}

/// Runs one.
pub(super) fn run(tool: &Tool) -> Result<Exit, Failure> {
    match tool {
        Tool::Demo => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut say = |line: &str| output::print(&format!("{line}\n"));
            runtime.block_on(demo::run(&mut say)).map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
        }
        Tool::Sim { dir, modems, script } => sim::run(dir, *modems, script)?,
        Tool::Pdu { direction } => pdu::run(*direction)?,
    }
    Ok(Exit::Done)
}
