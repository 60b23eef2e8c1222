//! The memory of the real daemon, which has codes, texts and the key in it: a crash leaves no core file, and no other
//! process may look into it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::json;

use crate::daemon_support::{NO_LIMITS, Rig, post};

/// A user that needs no entry in the user database.
const DAEMON: u32 = 61_004;

/// A shell in `folder` that allows core dumps of any size and becomes another program, as this user if it may.
fn with_cores(folder: &Path, program: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("ulimit -c unlimited || exit 77; exec \"$@\"").arg("sh").args(program);
    shell.current_dir(folder);
    shell
}

/// What lies in a folder, whatever `core_pattern` calls a core file.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Whether this system writes a core file into the working folder of a process that allows it.
fn writes_cores() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let ended = with_cores(folder.path(), &["sh", "-c", "kill -ABRT $$"]).stderr(Stdio::null()).status();
    assert!(!ended.unwrap().success());
    !names(folder.path()).is_empty()
}

#[tokio::test]
async fn a_crash_leaves_no_core_file() {
    if !writes_cores() {
        eprintln!("this system writes no core files into the working folder: only the limit is looked at");
    }
    let mut rig = Rig::prepare(1, Script::default(), NO_LIMITS);
    let config = rig.config();
    let folder = tempfile::tempdir().unwrap();
    let program = [env!("CARGO_BIN_EXE_smsotpd"), "--config", config.to_str().unwrap()];
    rig.launch_by(with_cores(folder.path(), &program));
    post(&rig.client(), "/v1/verifications", json!({"to": "+41791234567"}), 201).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", rig.pid())).unwrap();
    let of_cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(of_cores.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{of_cores}");
    rig.signal(Signal::ABORT);
    let ended = rig.ended();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(6), "{ended:?}");
    assert_eq!(names(folder.path()), [""; 0]);
}

/// The kernel gives the files of a process that may not be dumped to root, so that only root may read its memory.
#[tokio::test]
async fn a_daemon_without_root_works_and_its_memory_belongs_to_root() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can run the daemon as another user");
        return;
    }
    let mut rig = Rig::prepare(1, Script::default(), NO_LIMITS);
    let folder = rig.dir.path().to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["state", "run"] {
        std::fs::create_dir(folder.join(name)).unwrap();
        chown(folder.join(name), Some(DAEMON), Some(DAEMON)).unwrap();
    }
    // The programs of a build may lie where other users cannot look.
    let program = folder.join("smsotpd");
    std::fs::copy(env!("CARGO_BIN_EXE_smsotpd"), &program).unwrap();
    let config = std::fs::read_to_string(rig.config()).unwrap();
    let config = config.replace("/s.sock", "/run/s.sock");
    let path = folder.join("own.toml");
    std::fs::write(&path, config).unwrap();
    for open in [&program, &path] {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(folder.join("notify"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new(&program);
    std::os::unix::process::CommandExt::uid(&mut command, DAEMON);
    std::os::unix::process::CommandExt::gid(&mut command, DAEMON);
    command.arg("--config").arg(&path);
    rig.launch_by(command);
    let client = smsotpd::api::client::Client::new(folder.join("run/s.sock"));
    post(&client, "/v1/verifications", json!({"to": "+41791234567"}), 201).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.pid())).unwrap();
    assert!(status.contains(&format!("Uid:\t{DAEMON}\t{DAEMON}")), "{status}");
    let memory = std::fs::metadata(format!("/proc/{}/mem", rig.pid())).unwrap();
    assert_eq!(memory.uid(), 0, "its own user cannot open it");
}
