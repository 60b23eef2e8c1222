//! `smsotp doctor` on a running daemon and on planted faults.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use gsm_sim::Script;

use crate::daemon_support::Rig;

/// The exit code and the lines.
fn doctor(config: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
    let done = command.args(["doctor", "--config"]).arg(config).env_remove("SMSOTP_SOCKET").output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    for line in said.lines() {
        let level = ["ok    ", "warn  ", "fail  ", "      "].iter().any(|begin| line.starts_with(begin));
        assert!(level, "{line}");
    }
    (done.status.code().unwrap(), said)
}

fn has(said: &str, level: &str, topic: &str, part: &str) -> bool {
    said.lines().any(|line| line.starts_with(&format!("{level:<6}{topic:<9}")) && line.contains(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_works_is_in_order_and_a_stopped_one_is_not() {
    let mut rig = Rig::start(1, Script::default(), "");
    rig.modems_are("ready").await;
    let config = rig.dir.path().join("smsotpd.toml");
    let (exit, said) = doctor(&config);
    assert_eq!(exit, 0, "{said}");
    assert!(has(&said, "ok", "config", "is sound"), "{said}");
    assert!(has(&said, "ok", "socket", "answers at"), "{said}");
    assert!(has(&said, "ok", "modem", "m0 is ready"), "{said}");
    assert!(has(&said, "ok", "key", "secret.key"), "{said}");
    assert!(!said.contains("fail"), "{said}");

    // A key that others may read, and a folder that they may look into.
    let key = rig.dir.path().join("state/secret.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(key.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(rig.socket(), PermissionsExt::from_mode(0o666)).unwrap();
    let (exit, said) = doctor(&config);
    assert_eq!(exit, 1, "{said}");
    assert!(has(&said, "fail", "key", "chmod 600"), "{said}");
    assert!(has(&said, "warn", "disk", "chmod 700"), "{said}");
    assert!(has(&said, "warn", "socket", "its mode is 0666, and api.mode is 0600"), "{said}");

    rig.kill();
    let (exit, said) = doctor(&config);
    assert_eq!(exit, 1, "{said}");
    assert!(has(&said, "fail", "socket", "no daemon listens at"), "{said}");
    assert!(has(&said, "ok", "modem", "m0: ") && said.contains("is there and free"), "{said}");
    // The store has records, so no new key may be made.
    std::fs::remove_file(&key).unwrap();
    let (_, said) = doctor(&config);
    assert!(has(&said, "fail", "key", "is missing; put that key back"), "{said}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("smsotpd.toml");
    let (exit, said) = doctor(&path);
    assert_eq!(exit, 1);
    assert!(has(&said, "fail", "config", "cannot be read"), "{said}");
    std::fs::write(&path, "[queue]\nmin_lief = \"1s\"\nmax_wiat = \"1s\"\n").unwrap();
    let (exit, said) = doctor(&path);
    assert_eq!(exit, 1);
    assert!(
        said.contains(":2:1: queue.min_lief: unknown key") && said.contains(":3:1: queue.max_wiat"),
        "{said}"
    );
    let pin = dir.path().join("pin");
    std::fs::write(&pin, "not a pin").unwrap();
    std::fs::set_permissions(&pin, PermissionsExt::from_mode(0o644)).unwrap();
    let (state, socket) = (dir.path().join("state"), dir.path().join("s"));
    std::fs::write(
        &path,
        format!(
            "state_dir = {state:?}\n[api]\nsocket = {socket:?}\ngroup = \"nobody-has-this\"\n\
             [[modem]]\nname = \"a\"\nport = \"/dev/nowhere\"\npin_file = {pin:?}\n"
        ),
    )
    .unwrap();
    let (exit, said) = doctor(&path);
    assert_eq!(exit, 1);
    assert!(has(&said, "fail", "config", "this system has no group nobody-has-this"), "{said}");
    assert!(has(&said, "fail", "config", "has to hold the PIN alone"), "{said}");
    assert!(has(&said, "warn", "pin", "sudo chmod 600"), "{said}");
    assert!(has(&said, "fail", "modem", "a: /dev/nowhere is not there"), "{said}");
    assert!(has(&said, "ok", "key", "is made at the first start"), "{said}");
    assert!(!said.contains("not a pin") && !state.exists(), "{said}");
}
