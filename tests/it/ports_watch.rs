//! Waiting for ports that appear and vanish.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use gsm_modem::ports::Watch;

/// Far longer than anything here takes; only a fault reaches it.
const LONG: Duration = Duration::from_secs(20);

async fn changed(watch: &mut Watch) -> std::io::Result<()> {
    tokio::time::timeout(LONG, watch.changed()).await.expect("a change is told")
}

/// Whether no change waits to be reported.
async fn is_quiet(watch: &mut Watch) -> bool {
    tokio::time::timeout(Duration::from_millis(400), watch.changed()).await.is_err()
}

#[tokio::test]
async fn nodes_and_links_that_come_and_go_are_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let dev = dir.path();
    let mut watch = Watch::new(dev).unwrap();
    assert!(is_quiet(&mut watch).await);

    for n in 0..4 {
        fs::write(dev.join(format!("ttyUSB{n}")), "").unwrap();
    }
    changed(&mut watch).await.unwrap();
    assert!(is_quiet(&mut watch).await, "a stick is one change");

    // udev gives the node its group a moment later.
    let node = dev.join("ttyUSB0");
    let mut permissions = node.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&node, permissions).unwrap();
    changed(&mut watch).await.unwrap();

    fs::create_dir_all(dev.join("serial/by-id")).unwrap();
    changed(&mut watch).await.unwrap();
    symlink("../../ttyUSB0", dev.join("serial/by-id/usb-A-if00-port0")).unwrap();
    changed(&mut watch).await.unwrap();
    fs::rename(dev.join("serial/by-id/usb-A-if00-port0"), dev.join("serial/by-id/usb-B-if00-port0")).unwrap();
    changed(&mut watch).await.unwrap();

    // The folder of links vanishes with the last stick, and appears with the next.
    fs::remove_dir_all(dev.join("serial")).unwrap();
    changed(&mut watch).await.unwrap();
    fs::create_dir_all(dev.join("serial/by-id")).unwrap();
    changed(&mut watch).await.unwrap();
    symlink("../../ttyUSB0", dev.join("serial/by-id/usb-A-if00-port0")).unwrap();
    changed(&mut watch).await.unwrap();
    fs::remove_file(&node).unwrap();
    changed(&mut watch).await.unwrap();
    assert!(is_quiet(&mut watch).await);
}

#[tokio::test]
async fn a_change_outlives_a_wait_that_was_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut watch = Watch::new(dir.path()).unwrap();
    fs::write(dir.path().join("ttyACM0"), "").unwrap();
    // The wait is given up while it waits for quiet.
    let early = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
    assert!(early.is_err());
    changed(&mut watch).await.unwrap();
    assert!(is_quiet(&mut watch).await);
}

#[tokio::test]
async fn a_restless_folder_is_told_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut watch = Watch::new(dir.path()).unwrap();
    let restless = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            fs::write(dir.path().join("ttyUSB0"), "").unwrap();
            fs::remove_file(dir.path().join("ttyUSB0")).unwrap();
        }
    };
    tokio::select! {
        told = changed(&mut watch) => told.unwrap(),
        () = restless => {}
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Watch::new(dir.path().join("absent")).is_err());
    let dev = dir.path().join("dev");
    fs::create_dir(&dev).unwrap();
    let mut watch = Watch::new(&dev).unwrap();
    fs::remove_dir(&dev).unwrap();
    assert!(changed(&mut watch).await.is_err());
    fs::create_dir(&dev).unwrap();
    changed(&mut watch).await.unwrap();
    assert!(is_quiet(&mut watch).await);
}
