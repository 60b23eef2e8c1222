//! How long a probe waits for a port, and the speeds that it tries.

use std::path::Path;
use std::time::Duration;

use super::{Candidate, obstacle};

/// How long a probe waits for a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTiming {
    /// The time limit for the answer to `AT`, at each speed.
    pub attention: Duration,
    /// The time limit for the answer to a question.
    pub command: Duration,
    /// The wait before a busy SIM is asked again.
    pub again: Duration,
    /// The speeds to try, in this order.
    pub bauds: Vec<u32>,
}

/// The speed that USB modems ignore and that most others use.
const BAUD: u32 = 115_200;

impl ProbeTiming {
    /// For a port whose speed does not matter.
    pub fn usb() -> Self {
        Self {
            attention: Duration::from_secs(2),
            command: Duration::from_secs(5),
            again: Duration::from_secs(1),
            bauds: vec![BAUD],
        }
    }

    /// For a real serial line.
    pub fn uart() -> Self {
        Self { bauds: vec![BAUD, 9600, 19_200, 57_600, 460_800], ..Self::usb() }
    }

    /// For `port`, which may be one of `known`.
    pub fn of(port: &Path, known: &[Candidate]) -> Self {
        let same = |other: &&Candidate| {
            port.canonicalize().is_ok_and(|real| other.path.canonicalize().is_ok_and(|path| path == real))
        };
        let usb = match known.iter().find(same) {
            Some(candidate) => !candidate.is_uart(),
            None => port.metadata().is_ok_and(|metadata| obstacle::is_pty(&metadata)),
        };
        if usb { Self::usb() } else { Self::uart() }
    }

    /// The speed to open the port with.
    pub(super) fn first_baud(&self) -> u32 {
        self.bauds.first().copied().unwrap_or(BAUD)
    }
}
