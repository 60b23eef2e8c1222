//! What a session is told, and its time limits.

use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// One modem of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How logs call it.
    pub name: String,
    /// The serial port.
    pub port: PathBuf,
    /// Bits a second.
    pub baud: u32,
    /// The SIM's PIN.
    pub pin: Option<Secret<String>>,
    /// The service centre; none: the SIM's own.
    pub smsc: Option<String>,
    /// The time limits.
    pub timing: Timing,
}

/// Time limits. The defaults are those of real modems; tests shrink them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// An answer to `AT` while nobody knows whether anybody is there.
    pub attention: Duration,
    /// How many times `AT` is tried before the port is opened anew.
    pub attentions: u32,
    /// Silence that counts as quiet.
    pub quiet: Duration,
    /// An ordinary command.
    pub command: Duration,
    /// The prompt of `AT+CMGS`.
    pub prompt: Duration,
    /// The result behind a PDU: u-blox documents up to 3 minutes.
    pub body: Duration,
    /// For how long a late result is still credited.
    pub late: Duration,
    /// A pause before a command that the SIM was not ready for is tried again.
    pub again: Duration,
    /// Between two looks at the registration.
    pub registration: Duration,
    /// Between two looks at a modem that needs a person.
    pub blocked: Duration,
    /// Between two signs of life of an idle modem.
    pub keep_alive: Duration,
    /// The first wait before a port is opened again; it doubles.
    pub reopen: Duration,
    /// The longest wait before a port is opened again.
    pub reopen_max: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            attention: Duration::from_secs(1),
            attentions: 10,
            quiet: Duration::from_millis(100),
            command: Duration::from_secs(5),
            prompt: Duration::from_secs(10),
            body: Duration::from_secs(180),
            late: Duration::from_secs(300),
            again: Duration::from_secs(1),
            registration: Duration::from_secs(3),
            blocked: Duration::from_secs(60),
            keep_alive: Duration::from_secs(60),
            reopen: Duration::from_millis(250),
            reopen_max: Duration::from_secs(2),
        }
    }
}
