//! `smsotpd --check-config`: `ok` and warnings, or every fault with its place; it changes nothing.

use std::path::Path;
use std::process::{Command, Output};

fn check(path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotpd"));
    command.arg("--config").arg(path).arg("--check-config").output().unwrap()
}

fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("smsotpd.toml");
    std::fs::write(&path, text.replace("STATE", dir.path().join("state").to_str().unwrap())).unwrap();
    (dir, path)
}

#[test]
fn a_sound_one_is_ok_and_nothing_is_touched() {
    let (dir, path) = written("state_dir = \"STATE\"\n[[modem]]\nname = \"a\"\nport = \"/dev/nowhere\"\n");
    let said = check(&path);
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(0), &b"ok\n"[..]));
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the file itself");
}

#[test]
fn what_this_system_lacks_is_told() {
    let (dir, path) = written(
        "state_dir = \"STATE\"\nsecret_key_file = \"/nowhere/key\"\n[api]\ngroup = \"nobody-has-this\"\n\
         [[client]]\nname = \"web\"\nuser = \"nor-this\"\nmay = [\"issue\"]\n\
         [[modem]]\nname = \"a\"\nport = \"/dev/nowhere\"\npin_file = \"/nowhere/pin\"\n",
    );
    let said = check(&path);
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(0), &b"ok\n"[..]), "{told}");
    for warning in [
        "client web: this system has no user nor-this; make it with: useradd --system nor-this",
        "api.group: this system has no group nobody-has-this",
        "the secret key /nowhere/key: No such file",
        "modem a: pin_file /nowhere/pin: No such file",
    ] {
        assert!(told.contains(&format!("warning: {warning}")), "{warning}: {told}");
    }
    assert!(!dir.path().join("state").exists());
    // These make a start fail as well, as bad configuration.
    let keyless = std::fs::read_to_string(&path).unwrap().replace("user = \"nor-this\"", "uid = 0");
    std::fs::write(&path, keyless).unwrap();
    let started = Command::new(env!("CARGO_BIN_EXE_smsotpd")).arg("--config").arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&started.stderr);
    assert!(started.status.code() == Some(78) && told.contains("/nowhere/key"), "{told}");
}

#[test]
fn what_a_text_costs_is_told() {
    let (_dir, path) = written(
        "[[modem]]\nname = \"a\"\nport = \"/dev/nowhere\"\n[service.login]\nwebotp_domain = \"example.com\"\n\
         template = \"\u{201e}{code}\u{201c} is the code, and it is nobody's but yours, however they ask\"\n",
    );
    let said = check(&path);
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(0), &b"ok\n"[..]), "{told}");
    assert!(told.contains("warning: service.login.template: '„' (U+201E, character 1) makes"), "{told}");
    assert!(told.contains("warning: service.login.template: the message takes 2 parts: "), "{told}");
    assert!(!told.contains("service.default"), "{told}");
}

#[test]
fn what_misleads_and_what_tests_need_is_told() {
    let modem = "[[modem]]\nname = \"a\"\nport = \"/dev/nowhere\"\n";
    let (_dir, path) = written(&format!(
        "{modem}[service.login]\ntemplate = \"Hi {{name}}:\\u202e{{code}}\"\nttl = \"1h\"\n\
         [testing.numbers]\n\"+41791234567\" = \"135790\"\n"
    ));
    let said = check(&path);
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(78), &b""[..]), "{told}");
    let want =
        "smsotpd.toml:5:12: service.login.template: character 11 is U+202E, which changes the direction";
    assert!(told.contains(want), "{told}");
    assert!(told.contains("smsotpd.toml:6:7: service.login.ttl: ttl is more than 10m"), "{told}");
    assert!(told.contains("smsotpd.toml:8:18: testing.numbers.+4179*****67: may be somebody's"), "{told}");
    let (_dir, path) = written(&format!("{modem}[testing.numbers]\n\"+447700900123\" = \"135790\"\n"));
    let said = check(&path);
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(0), &b"ok\n"[..]), "{told}");
    assert!(told.contains("warning: testing.numbers has +4477******23: nothing is sent"), "{told}");
    assert!(!told.contains("135790") && !told.contains("7700900123"), "{told}");
}

#[test]
fn every_fault_has_its_place_and_the_nearest_key() {
    let (_dir, path) = written("[service.default]\ndigit = 6\n[queue]\nmin_life = 20\n");
    let said = check(&path);
    let told = String::from_utf8_lossy(&said.stderr);
    assert_eq!((said.status.code(), said.stdout.as_slice()), (Some(78), &b""[..]));
    assert!(
        told.contains(
            "smsotpd.toml:2:1: service.default.digit: unknown key; the nearest known key is digits"
        )
    );
    assert!(told.contains("smsotpd.toml:4:12: queue.min_life: "), "{told}");
}
