//! What there is, beside its port, to bring a modem back: its USB device in sysfs, and a command of the operator's.
//! Neither holds up the task that asks for it.

use std::path::PathBuf;
use std::time::Duration;

use super::ladder::Rung;
use super::ports::Root;
use super::{power_cycle, reauthorise};

/// How a modem can be cured without its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Means {
    /// Where `sys`, `dev` and `proc` are.
    pub root: Root,
    /// A program, by its whole path, and its arguments; empty: none.
    pub power_cycle: Vec<String>,
}

impl Default for Means {
    fn default() -> Self {
        Self { root: Root::system(), power_cycle: Vec::new() }
    }
}

/// Which modem it is.
#[derive(Debug, Clone)]
pub(super) struct Patient {
    pub(super) name: String,
    pub(super) port: String,
    /// Its USB device in sysfs, once it was seen there.
    pub(super) device: Option<PathBuf>,
}

impl Means {
    /// Climbs a rung that needs no port. An error without a sentence: nothing is there to do it with, and that is
    /// no fault of anybody's. What was begun is finished even when nobody waits for it any more.
    pub(super) async fn climb(
        self,
        rung: Rung,
        patient: Patient,
        limit: Duration,
    ) -> Result<(), Option<String>> {
        let begun = match rung {
            Rung::Reauthorise => {
                let device = patient.device.ok_or(None)?;
                tokio::task::spawn_blocking(move || reauthorise::reauthorise(&device))
            }
            Rung::PowerCycle => tokio::spawn(power_cycle::run(self.power_cycle, patient, limit)),
            // The others are the session's own.
            Rung::Resync | Rung::Reopen | Rung::Radio | Rung::Restart => return Err(None),
        };
        begun.await.unwrap_or_else(|e| Err(Some(format!("{} broke off: {e}", rung.words()))))
    }
}
