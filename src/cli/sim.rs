//! `smsotp sim`: simulated modems on ptys until a signal ends them, with a JSON line for each SMS that reaches a
//! phone. One to the number of a modem arrives there.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gsm_sim::{Received, Script, ScriptError, Sim};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{Exit, Failure};

/// Runs until SIGINT or SIGTERM. Modem `i` follows script `i` modulo their number; without a script all
/// modems have the default one. A script is a file, or the name of a built-in one.
///
/// Every run has the same seed, so that a fault occurs again.
pub async fn run(dir: PathBuf, modems: usize, scripts: Vec<PathBuf>) -> Result<(), Failure> {
    let scripts = read_scripts(&scripts)?;
    let scripts = scripts.iter().cycle().take(modems).cloned().collect();
    // Signals are caught before links exist, so that no link stays behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let sim = Sim::start_each(Some(dir), scripts, 1)?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    Ok(show(&sim, &mut io::stdout(), stop).await?)
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Self {
        let exit = match error {
            ScriptError::Unreadable { .. } => Exit::NotFound,
            ScriptError::Invalid { .. } => Exit::Config,
        };
        Self::new(exit, error.to_string())
    }
}

/// The scripts, never empty: without one it is the default script.
fn read_scripts(paths: &[PathBuf]) -> Result<Vec<Script>, ScriptError> {
    if paths.is_empty() {
        return Ok(vec![Script::default()]);
    }
    paths.iter().map(|path| read_script(path)).collect()
}

fn read_script(path: &Path) -> Result<Script, ScriptError> {
    let built_in = path.to_str().filter(|_| !path.exists()).and_then(Script::built_in);
    built_in.map_or_else(|| Script::read(path), Ok)
}

/// The phone's screen: `ready`, then each message, until `stop` completes.
async fn show(sim: &Sim, screen: &mut impl Write, stop: impl Future<Output = ()>) -> io::Result<()> {
    tokio::pin!(stop);
    let mut messages = sim.listen();
    writeln!(screen, "ready")?;
    screen.flush()?;
    loop {
        let message = tokio::select! {
            () = &mut stop => return Ok(()),
            message = messages.recv() => message,
        };
        let Some(message) = message else { return Ok(()) };
        // A message that was shown is not kept, since this may run for days.
        drop(sim.take_inbox());
        sim.pass_on(&message);
        serde_json::to_writer(&mut *screen, &Line::from(&message))?;
        writeln!(screen)?;
        screen.flush()?;
    }
}

#[derive(Serialize)]
struct Line<'a> {
    modem: usize,
    to: &'a str,
    text: &'a str,
    parts: usize,
    reference: u8,
}

impl<'a> From<&'a Received> for Line<'a> {
    fn from(message: &'a Received) -> Self {
        Self {
            modem: message.modem,
            to: &message.to,
            text: &message.text,
            parts: message.parts.len(),
            reference: message.reference,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use gsm_sim::Options;

    const LONG: Duration = Duration::from_secs(20);

    /// Passes each line on as soon as it is complete.
    struct Screen {
        line: Vec<u8>,
        lines: mpsc::Sender<String>,
    }

    impl Write for Screen {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.line.extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
            self.lines.send(line).map_err(io::Error::other)
        }
    }

    #[test]
    fn the_screen_shows_ready_and_each_message() {
        let sim = Sim::start(Options::default()).unwrap();
        let port = sim.port(0);
        let (lines, shown) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let screen = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut screen = Screen { line: Vec::new(), lines };
            runtime.block_on(show(&sim, &mut screen, async move {
                let _ = stopped.await;
            }))
        });
        assert_eq!(shown.recv_timeout(LONG).unwrap(), "ready\n");
        let mut port = OpenOptions::new().write(true).open(port).unwrap();
        port.write_all(b"AT+CMGS=18\r0001070B911497214365F7000005C8329BFD06\x1a").unwrap();
        assert_eq!(
            shown.recv_timeout(LONG).unwrap(),
            "{\"modem\":0,\"to\":\"+41791234567\",\"text\":\"Hello\",\"parts\":1,\"reference\":7}\n"
        );
        stop.send(()).unwrap();
        screen.join().unwrap().unwrap();
    }

    #[test]
    fn scripts_are_files_or_names() {
        assert_eq!(read_scripts(&[]).unwrap(), [Script::default()]);
        assert_eq!(read_scripts(&["zte".into()]).unwrap()[0].name, "zte");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "name = \"own\"\nnmae = 1").unwrap();
        let error = read_scripts(&["huawei".into(), file.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains(":2:1: unknown field `nmae`"), "{error}");
        assert!(read_scripts(&["/nonexistent".into()]).is_err());
    }
}
