//! What this machine can do, besides the port, to bring a modem back: its USB device in sysfs, and a command
//! of the operator. Neither blocks the task that asks for it.

use std::time::Duration;

use super::host::RecoveryTarget;
use super::ladder::Rung;
use super::ports::Root;
use super::{power_cycle, reauthorise};

/// This machine as a [`Host`](super::Host).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemHost {
    /// Where `sys`, `dev` and `proc` are.
    pub root: Root,
    /// A program, by its absolute path, and its arguments. Empty means none.
    pub power_cycle: Vec<String>,
}

impl Default for SystemHost {
    fn default() -> Self {
        Self { root: Root::system(), power_cycle: Vec::new() }
    }
}

impl SystemHost {
    /// See [`Host::climb`](super::Host::climb).
    pub(super) async fn climb(
        self,
        rung: Rung,
        target: RecoveryTarget,
        limit: Duration,
    ) -> Result<(), Option<String>> {
        let begun = match rung {
            Rung::Reauthorise => {
                let device = target.device.ok_or(None)?;
                tokio::task::spawn_blocking(move || reauthorise::reauthorise(&device))
            }
            Rung::PowerCycle => tokio::spawn(power_cycle::run(self.power_cycle, target, limit)),
            // The session carries out the others itself.
            Rung::Resync | Rung::Reopen | Rung::Radio | Rung::Restart => return Err(None),
        };
        begun.await.unwrap_or_else(|e| Err(Some(format!("{} broke off: {e}", rung.words()))))
    }
}
