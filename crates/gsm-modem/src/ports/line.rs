//! One open port and the dialogue over it: passes octets and time between the two.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{timeout, timeout_at};
use tokio_serial::{SerialPort as _, SerialStream};

use super::ProbeTiming;
use crate::at::Command;
use crate::clock::monotonic;
use crate::dialogue::{Dialogue, DialogueSettings, Ended, Heard, Open, Write};

/// How many `AT` are written before the modem counts as silent.
const CALLS: u8 = 4;

/// A port on which one command at a time is asked.
pub(super) struct Line {
    port: SerialStream,
    dialogue: Dialogue,
    /// The time limit for the answer to a command, and for writing.
    limit: Duration,
    /// Whether octets were read.
    noise: bool,
}

/// The port failed.
pub(super) struct Lost(pub(super) String);

impl Line {
    pub(super) fn new(port: SerialStream, timing: &ProbeTiming) -> Self {
        let settings = DialogueSettings {
            attention: timing.attention / u32::from(CALLS),
            attention_tries: CALLS,
            ..DialogueSettings::default()
        };
        Self { port, dialogue: Dialogue::new(settings), limit: timing.command, noise: false }
    }

    /// Whether a modem answers at this speed.
    pub(super) async fn find_at(&mut self, baud: u32) -> Result<bool, Lost> {
        if self.port.baud_rate().is_ok_and(|now| now != baud)
            && let Err(e) = self.port.set_baud_rate(baud)
        {
            return Err(Lost(e.to_string()));
        }
        self.dialogue.clear();
        self.dialogue.find(Open::Perhaps, monotonic());
        self.found().await
    }

    /// Whether the modem still answers.
    pub(super) async fn find_again(&mut self) -> Result<bool, Lost> {
        self.dialogue.find_again(Open::Perhaps, monotonic());
        self.found().await
    }

    /// Asks a command, and waits for its end.
    pub(super) async fn ask(&mut self, command: Command) -> Result<Ended, Lost> {
        let asked = self.dialogue.ask(command, self.limit, monotonic());
        debug_assert!(asked, "the end of the one before was waited for");
        loop {
            if let Heard::Ended(ended) = self.heard().await? {
                return Ok(ended);
            }
        }
    }

    /// From now on there is at least this pause before a command.
    pub(super) fn set_pause(&mut self, pause: Duration) {
        self.dialogue.settings_mut().pause = pause;
    }

    /// Whether results came as numbers.
    pub(super) fn says_numbers(&mut self) -> bool {
        self.dialogue.take_says_numbers()
    }

    /// Whether anything was read at all.
    pub(super) fn has_noise(&self) -> bool {
        self.noise
    }

    async fn found(&mut self) -> Result<bool, Lost> {
        loop {
            match self.heard().await? {
                Heard::Found => return Ok(true),
                Heard::Silent => return Ok(false),
                _ => {}
            }
        }
    }

    /// The next event of the dialogue. Something must be awaited.
    async fn heard(&mut self) -> Result<Heard, Lost> {
        loop {
            let now = monotonic();
            let heard = match self.dialogue.next(now, |_, _| false, |_| None) {
                Some(heard) => Some(heard),
                None => self.dialogue.tick(now),
            };
            while let Some(write) = self.dialogue.poll() {
                self.write(&write).await?;
            }
            if let Some(heard) = heard {
                return Ok(heard);
            }
            let until = self.dialogue.deadline().unwrap_or(now + self.limit);
            let mut octets = [0; 1024];
            match timeout_at(until.into(), self.port.read(&mut octets)).await {
                Ok(Ok(0)) => return Err(Lost("it hung up".to_owned())),
                Ok(Ok(count)) => {
                    self.noise = true;
                    self.dialogue.received(&octets[..count], monotonic());
                }
                Ok(Err(e)) => return Err(Lost(e.to_string())),
                Err(_) => {}
            }
        }
    }

    async fn write(&mut self, write: &Write) -> Result<(), Lost> {
        match timeout(self.limit, self.port.write_all(write.octets().expose())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(Lost(e.to_string())),
            Err(_) => Err(Lost("it takes no octets".to_owned())),
        }
    }
}
