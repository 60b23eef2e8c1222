//! A restore and the key: the key goes there first, and a backup is restored under its own key alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use gsm_sim::Script;

use crate::daemon_support::{NO_LIMITS, Rig, get};

fn smsotp(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smsotp")).args(arguments).output().unwrap()
}

async fn backup(rig: &Rig) -> PathBuf {
    let (socket, to) = (rig.socket(), rig.dir.path().join("backup"));
    let file = to.clone();
    let done =
        tokio::task::spawn_blocking(move || smsotp(&["--socket".as_ref(), &socket, "backup".as_ref(), &to]));
    let done = done.await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    file
}

fn private(path: &Path, octets: &[u8]) {
    std::fs::write(path, octets).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_no_store_without_its_key() {
    let mut rig = Rig::start(1, Script::default(), NO_LIMITS);
    rig.modems_are("ready").await;
    let code = rig.issued("+41791234567").await;
    let file = backup(&rig).await;
    let key = std::fs::read(rig.key_file()).unwrap();
    rig.kill();
    let (state, store) = (rig.state(), rig.state().join("store"));
    for ms in (0..200).step_by(10) {
        let _ = std::fs::remove_dir_all(&state);
        let mut restore = Command::new(env!("CARGO_BIN_EXE_smsotp"))
            .args(["restore".as_ref(), file.as_path(), "--state-dir".as_ref(), state.as_path()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(ms));
        restore.kill().unwrap();
        restore.wait().unwrap();
        assert!(!store.exists() || std::fs::read(rig.key_file()).unwrap() == key, "after {ms} ms");
        // Once more, over what is left.
        let again = smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), &state]);
        let wanted = if again.status.success() { Some(0) } else { Some(73) };
        assert_eq!(again.status.code(), wanted, "{ms} ms: {}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(std::fs::read(rig.key_file()).unwrap(), key);
    }
    // Between the key and the store.
    std::fs::rename(&store, state.join("store.restoring")).unwrap();
    let again = smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), &state]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(String::from_utf8_lossy(&again.stdout).contains("was there already"));
    rig.launch();
    assert!(rig.is_approved(&code).await);
    // Beside another key nothing is restored.
    rig.kill();
    std::fs::remove_dir_all(&store).unwrap();
    private(&rig.key_file(), &[1, 2].repeat(16));
    let other = smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), &state]);
    assert_eq!(other.status.code(), Some(73));
    assert!(!store.exists() && std::fs::read(rig.key_file()).unwrap() == [1, 2].repeat(16));
}

#[tokio::test]
async fn a_backup_without_a_key_wants_the_one_it_was_made_with() {
    let mut rig = Rig::prepare(0, Script::default(), NO_LIMITS);
    let given = rig.dir.path().join("given");
    private(&given, &[5, 6].repeat(16));
    rig.head = format!("secret_key_file = \"{}\"\n", given.display());
    rig.launch();
    let file = backup(&rig).await;
    rig.kill();
    let (state, config) = (rig.state(), rig.config());
    let restore = || smsotp(&["restore".as_ref(), &file, "--config".as_ref(), &config]);
    std::fs::remove_dir_all(&state).unwrap();
    private(&given, &[7, 6].repeat(16));
    let done = restore();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(78) && said.contains("made with another secret key"), "{said}");
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0, "nothing was restored");
    private(&given, &[5, 6].repeat(16));
    let done = restore();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    rig.launch();
    assert_eq!(get(&rig.client(), "/v1/key").await["kept"], "file");
    rig.kill();
    // Restored by hand without a key: the start wants it.
    std::fs::remove_dir_all(&state).unwrap();
    let done = smsotp(&["restore".as_ref(), &file, "--state-dir".as_ref(), &state]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("give the daemon the same one"), "{said}");
    rig.head.clear();
    rig.config();
    let (exit, said) = rig.refused(&[]);
    assert!(exit == Some(78) && said.contains("is missing"), "{said}");
    assert!(!rig.key_file().exists());
}

#[tokio::test]
async fn a_backup_with_its_key_is_not_put_beside_another_one() {
    let mut rig = Rig::start(0, Script::default(), NO_LIMITS);
    let file = backup(&rig).await;
    let own = std::fs::read(rig.key_file()).unwrap();
    rig.kill();
    std::fs::remove_dir_all(rig.state()).unwrap();
    let given = rig.dir.path().join("given");
    rig.head = format!("secret_key_file = \"{}\"\n", given.display());
    let config = rig.config();
    private(&given, &[5, 6].repeat(16));
    let restore = || smsotp(&["restore".as_ref(), &file, "--config".as_ref(), &config]);
    let done = restore();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(78) && said.contains("take secret_key_file out"), "{said}");
    private(&given, &own);
    assert!(restore().status.success());
    assert!(!rig.key_file().exists(), "it is kept apart here");
    rig.launch();
}
