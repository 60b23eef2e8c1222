//! Follows the events from an id on, 0 for all that are kept: `cargo run --example events -- [ID]`. Prints a line of JSON for
//! each.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Reads one connection to its end (HTML standard, section 9.2: server-sent events).
fn follow(since: &mut String) -> io::Result<()> {
    let socket = std::env::var("SMSOTP_SOCKET").unwrap_or_else(|_| "/run/smsotpd/smsotpd.sock".into());
    let mut stream = UnixStream::connect(socket)?;
    // The stream has a comment at least each 30 s.
    stream.set_read_timeout(Some(Duration::from_secs(75)))?;
    let query = if since.is_empty() { String::new() } else { format!("?since={since}") };
    // HTTP/1.0 has no chunks in the body.
    write!(stream, "GET /v1/events{query} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")?;
    let mut lines = BufReader::new(stream).lines();
    if !lines.next().transpose()?.unwrap_or_default().contains(" 200 ") {
        eprintln!("the daemon refused: has this user's client the right `read`?");
        std::process::exit(1);
    }
    for line in lines {
        let line = line?;
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match (name, value.trim()) {
            ("id", id) => id.clone_into(since),
            ("data", data) if !data.is_empty() => writeln!(io::stdout(), "{data}")?,
            _ => {}
        }
    }
    Ok(())
}

fn main() {
    let mut since = std::env::args().nth(1).unwrap_or_default();
    loop {
        match follow(&mut since) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return,
            Err(e) => eprintln!("{e}; tries again"),
            Ok(()) => {}
        }
        // The daemon restarts.
        std::thread::sleep(Duration::from_secs(1));
    }
}
