//! `smsotp top` on a pseudo-terminal, beside the real daemon with simulated modems: what a person sees, what the keys do,
//! and that the terminal is afterwards as it was.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use gsm_sim::Script;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use vt100::{Parser, Screen};

use crate::daemon_support::{PATIENCE, Rig, get, post};

/// A terminal of 80 columns and 24 lines, on which `smsotp top` runs.
struct Terminal {
    keys: File,
    slave: File,
    child: Child,
    seen: Arc<(Mutex<Parser>, Condvar)>,
}

impl Terminal {
    fn with_top(rig: &Rig) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(slave.as_fd().try_clone_to_owned().unwrap());
        // The terminal has to be that of the program's session, or the program would measure another one.
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_smsotp"), "top"])
            .env("SMSOTP_SOCKET", rig.socket())
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let [rows, columns] = [24, 80].map(|n| NonZero::new(n).unwrap());
        let seen = Arc::new((Mutex::new(Parser::new(rows, columns, 0)), Condvar::new()));
        let keys = File::from(master);
        let (mut screen, shared) = (keys.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            loop {
                let n = match screen.read(&mut octets) {
                    Ok(n) => n,
                    Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                    Err(_) => return,
                };
                shared.0.lock().unwrap().process(&octets[..n]);
                shared.1.notify_all();
            }
        });
        Self { keys, slave, child, seen }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen is so.
    fn shows(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let (parser, changed) = &*self.seen;
        let wait = changed.wait_timeout_while(parser.lock().unwrap(), PATIENCE, |p| !is_so(p.screen()));
        let (parser, waited) = wait.unwrap();
        assert!(!waited.timed_out(), "{what}:\n{}", parser.screen().contents());
    }

    /// Waits until a line has all of these.
    fn line_has(&self, parts: &[&str]) {
        let has = |screen: &Screen| {
            screen.contents().lines().any(|line| parts.iter().all(|part| line.contains(part)))
        };
        self.shows(&parts.join(" "), has);
    }

    /// Waits for the end. Returns the exit code, when the terminal was given back as it was.
    fn ended(&mut self) -> Option<i32> {
        let exit = self.child.wait().unwrap();
        self.shows("the screen is given back", |screen| !screen.alternate_screen() && !screen.hide_cursor());
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG), "{modes:?}");
        exit.code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_modem_is_chosen_paused_and_traced() {
    let rig = Rig::start(2, Script::default(), "");
    rig.modems_are("ready").await;
    let mut terminal = Terminal::with_top(&rig);
    terminal.line_has(&["> m0", "ready"]);
    terminal.line_has(&["m1", "ready"]);
    terminal.shows("the last line", |screen| {
        screen
            .rows(0, 80)
            .last()
            .is_some_and(|line| line.contains("p pause/resume") && line.contains("q quit"))
    });
    terminal.press("\x1b[B");
    terminal.line_has(&["> m1"]);
    terminal.press("p");
    terminal.line_has(&["Pause m1?", "y confirms"]);
    terminal.press("y");
    terminal.line_has(&["> m1", "paused"]);
    terminal.line_has(&["m1 is paused"]);
    let states = get(&rig.client(), "/v1/modems").await;
    let states = [0, 1].map(|n| states["modems"][n]["state"].as_str().unwrap().to_owned());
    assert_eq!(states, ["ready", "paused"]);
    terminal.press("t");
    terminal.line_has(&["TRACE OF m1"]);
    terminal.line_has(&[" > AT"]);
    terminal.press("\x1b");
    terminal.line_has(&["> m1", "paused"]);
    // What others do is seen as well, and no whole number.
    post(&rig.client(), "/v1/modems/m1/resume", serde_json::json!({}), 200).await;
    terminal.line_has(&["> m1", "ready"]);
    let id = rig.send(1_234_567, 1).await.remove(0);
    rig.over(&id).await;
    terminal.line_has(&["message.sent", &id, "+4179*****67"]);
    terminal.shows("no whole number", |screen| !screen.contents().contains("1234567"));
    terminal.press("q");
    assert_eq!(terminal.ended(), Some(0));
}

#[tokio::test]
async fn the_terminal_is_given_back_however_it_ends() {
    let mut rig = Rig::start(1, Script::default(), "");
    let begun = |rig: &Rig| {
        let terminal = Terminal::with_top(rig);
        terminal.line_has(&["> m0"]);
        terminal
    };
    let mut terminal = begun(&rig);
    terminal.press("\x03");
    assert_eq!(terminal.ended(), Some(0), "Ctrl-C");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = begun(&rig);
        let pid = Pid::from_raw(terminal.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert_eq!(terminal.ended(), Some(0), "{signal:?}");
    }
    // Beside a daemon that hangs, keys are heard all the same.
    let mut terminal = begun(&rig);
    rig.signal(Signal::STOP);
    terminal.line_has(&["the daemon has not answered for"]);
    terminal.press("q");
    assert_eq!(terminal.ended(), Some(0), "q");
    rig.signal(Signal::CONT);
    let mut terminal = begun(&rig);
    rig.signal(Signal::TERM);
    assert!(rig.ended().success());
    assert_eq!(terminal.ended(), Some(69));
    terminal.line_has(&["the daemon ended the stream"]);
}
