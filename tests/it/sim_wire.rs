//! A port as a test uses it: plain reads and writes, every wait limited by a condition and a deadline.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gsm_modem::at::ResultCode;
use gsm_sim::{Options, Script, Sim};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Far longer than anything here takes; only a fault reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A SUBMIT to +41791234567: "Hello".
pub(crate) const HELLO: &str = "0001000B911497214365F7000005C8329BFD06";
/// The octets of its TPDU.
pub(crate) const HELLO_LENGTH: usize = 18;

/// The master of a new pty, and the path of its slave.
pub(crate) fn pty() -> (OwnedFd, PathBuf) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap().into();
    (master, path)
}

/// An open port and what was read from it.
pub(crate) struct Wire {
    file: File,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn open(path: &Path) -> Self {
        let noctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let file = OpenOptions::new().read(true).write(true).custom_flags(noctty).open(path).unwrap();
        Self { file, read: Vec::new() }
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// Reads up to and including `end`. Returns everything.
    pub(crate) fn until(&mut self, end: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(read) = self.take(end) {
                return read;
            }
            assert!(self.more(deadline), "no {end:?} in {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Reads up to and including `end`. Fails when the modem refuses this command.
    fn unless_refused(&mut self, command: &str, end: &str) -> String {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(read) = self.take(end) {
                return read;
            }
            let read = String::from_utf8_lossy(&self.read);
            let lines = read.rsplit_once("\r\n").map_or("", |(complete, _)| complete).split("\r\n");
            let refused = lines.filter_map(ResultCode::parse).any(|result| !result.is_ok());
            assert!(!refused, "{command} is refused: {read:?}");
            assert!(
                self.more(deadline),
                "{command}: no {end:?} in {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// What was read up to and including `end`, once that was read.
    fn take(&mut self, end: &str) -> Option<String> {
        let at = self.read.windows(end.len()).position(|w| w == end.as_bytes())?;
        let rest = self.read.split_off(at + end.len());
        Some(String::from_utf8_lossy(&std::mem::replace(&mut self.read, rest)).into_owned())
    }

    /// Does one read. Returns false at the deadline and when the port has hung up.
    fn more(&mut self, deadline: Instant) -> bool {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        if poll(&mut fds, Some(&left)).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        match self.file.read(&mut buffer) {
            Ok(count @ 1..) => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            _ => false,
        }
    }

    /// Waits for the other end to hang up. Returns what was read until then.
    pub(crate) fn until_hang_up(&mut self) -> String {
        let deadline = Instant::now() + LONG;
        while self.more(deadline) {}
        assert!(Instant::now() < deadline, "the port stayed open");
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Writes a command and returns its answer up to `OK`.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r"));
        self.unless_refused(command, "OK\r\n")
    }

    /// Reads up to the prompt.
    pub(crate) fn prompt(&mut self) -> String {
        self.prompt_of(&format!("AT+CMGS={HELLO_LENGTH}"))
    }

    /// Writes a command and reads up to its prompt.
    pub(crate) fn prompt_of(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r"));
        self.unless_refused(command, "> ")
    }

    /// Sends "Hello" and returns what comes after the prompt, up to `end`.
    pub(crate) fn hello(&mut self, end: &str) -> String {
        self.prompt();
        self.body(HELLO, end)
    }

    /// Writes a body after the prompt, and returns what comes up to `end`.
    pub(crate) fn body(&mut self, body: &str, end: &str) -> String {
        self.write(&format!("{body}\u{1a}"));
        self.unless_refused("the message", end)
    }
}

/// Tells which script it is about when a test fails: hold this while a test of several scripts is at one of them.
pub(crate) struct Named(pub(crate) &'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this is the script {} (Script::BUILT_IN)", self.0);
        }
    }
}

/// One modem of this script, and its port with the echo off.
pub(crate) fn one(script: &str) -> (Sim, Wire) {
    let script = Script::parse("test", script).unwrap();
    let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.ask("ATE0");
    (sim, wire)
}

#[test]
#[should_panic(expected = "AT+NONSENSE is refused: \"\\r\\nERROR\\r\\n\"")]
fn a_refusal_ends_the_wait_and_names_its_command() {
    one("").1.ask("AT+NONSENSE");
}
