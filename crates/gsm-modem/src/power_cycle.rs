//! The operator's way to cut a modem's power: a program, run without a shell, without the daemon's
//! environment and within a time limit. Its output is not read.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::time::timeout;

use super::host::RecoveryTarget;

/// Where the program finds other programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a program may take to end after SIGKILL.
const END: Duration = Duration::from_secs(5);

/// Runs the command to its end. The error is `None` when there is no command, else a sentence on how it failed.
pub(super) async fn run(
    command: Vec<String>,
    target: RecoveryTarget,
    limit: Duration,
) -> Result<(), Option<String>> {
    let Some((program, arguments)) = command.split_first() else { return Err(None) };
    let failed = |how: String| Err(Some(format!("the power_cycle command {program} {how}")));
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("SMSOTP_MODEM", &target.name)
        .env("SMSOTP_PORT", &target.port)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // The group makes it possible to end the program's children with it.
        .process_group(0)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => return failed(format!("cannot be run: {e}")),
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    match timeout(limit, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => failed(format!("failed: {status}")),
        Ok(Err(e)) => failed(format!("was lost: {e}")),
        Err(_) => {
            // The program was not waited for to its end, so its process number is still its own.
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = timeout(END, child.wait()).await;
            failed(format!("took more than {} s and was ended", limit.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn target() -> RecoveryTarget {
        RecoveryTarget { name: "stick 1; true".into(), port: "/dev/ttyUSB0".into(), device: None }
    }

    fn script(dir: &Path, text: &str) -> String {
        let path = dir.join("hub");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path.display().to_string()
    }

    #[tokio::test]
    async fn it_knows_its_arguments_and_the_modem_and_nothing_of_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let hub = script(dir.path(), "{ printf '%s|' \"$@\"; env; } > \"$1\"; echo noise; echo noise >&2");
        let told = vec![hub, out.display().to_string(), "off on; false".to_owned(), "3".to_owned()];
        assert_eq!(run(told, target(), LIMIT).await, Ok(()));
        let seen = fs::read_to_string(out).unwrap();
        assert!(seen.contains("|off on; false|3|"), "{seen}");
        assert!(seen.contains("SMSOTP_MODEM=stick 1; true\n") && seen.contains("SMSOTP_PORT=/dev/ttyUSB0\n"));
        assert!(!seen.contains("CARGO"), "{seen}");
    }

    #[tokio::test]
    async fn failures_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run(Vec::new(), target(), LIMIT).await, Err(None));
        let missing = run(vec!["/nowhere/hub".into()], target(), LIMIT).await.unwrap_err().unwrap();
        assert!(missing.contains("/nowhere/hub cannot be run"), "{missing}");
        let failing = run(vec![script(dir.path(), "exit 3")], target(), LIMIT).await.unwrap_err().unwrap();
        assert!(failing.contains("exit status: 3"), "{failing}");
    }

    #[tokio::test]
    async fn one_without_an_end_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        // Whoever holds the pipe open is alive.
        let hub = script(dir.path(), &format!("cat < {f} & cat < {f}", f = fifo.display()));
        let opened = tokio::task::spawn_blocking(move || fs::OpenOptions::new().write(true).open(fifo));
        let why = run(vec![hub], target(), Duration::from_millis(300)).await.unwrap_err().unwrap();
        assert!(why.contains("was ended"), "{why}");
        let mut pipe = opened.await.unwrap().unwrap();
        let deadline = crate::clock::monotonic() + LIMIT;
        // A process that was killed is gone a moment later.
        while std::io::Write::write(&mut pipe, b"x").is_ok() {
            assert!(crate::clock::monotonic() < deadline, "a process still holds the pipe open");
        }
    }
}
