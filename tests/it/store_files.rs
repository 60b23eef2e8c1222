//! The files of the store: what a stop or damage leaves behind, and what nobody may read in them.

use std::fs;
use std::path::{Path, PathBuf};

use smsotpd::secret::Key;
use smsotpd::store::{OpenError, Options, Records as _, Store};

/// A store that was closed in order after `commits` commits of about 4 KiB.
async fn closed_store(commits: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    for n in 0..commits {
        store.transact(move |tx| tx.put_meta(&format!("{n}"), &[0x5a; 4000])).await.unwrap();
    }
    store.close().await;
    dir
}

async fn holds(dir: &Path, commits: u32) {
    let store = Store::open(dir, &Options::default()).unwrap();
    let read = store
        .read(move |view| (0..commits).all(|n| view.meta(&format!("{n}")).unwrap() == Some(vec![0x5a; 4000])))
        .await
        .unwrap();
    assert!(read);
    store.close().await;
}

fn refusal(dir: &Path) -> String {
    match Store::open(dir, &Options::default()) {
        Err(e @ OpenError::Corrupt { .. }) => e.to_string(),
        Err(e) => panic!("another refusal: {e}"),
        Ok(_) => panic!("it opened"),
    }
}

fn snapshot(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("sled")).unwrap().map(|e| e.unwrap().path());
    files.filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with("snap.")).max().unwrap()
}

#[tokio::test]
async fn a_snapshot_that_a_stop_interrupted_is_finished_or_removed() {
    let dir = closed_store(50).await;
    // The store is opened once more, so that the snapshot holds something.
    holds(dir.path(), 50).await;
    let whole = snapshot(dir.path());
    let unfinished =
        whole.with_extension(format!("{}.generating", whole.extension().unwrap().to_str().unwrap()));
    fs::rename(&whole, &unfinished).unwrap();
    holds(dir.path(), 50).await;
    assert!(!unfinished.exists());

    let octets = fs::read(snapshot(dir.path())).unwrap();
    fs::write(&unfinished, &octets[..octets.len() - 1]).unwrap();
    holds(dir.path(), 50).await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn what_sled_lost_comes_back_from_the_journal() {
    let dir = closed_store(50).await;
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    holds(dir.path(), 50).await;
}

#[tokio::test]
async fn what_neither_has_any_more_keeps_the_store_from_opening() {
    // More than both files of the journal hold.
    let dir = closed_store(400).await;
    let sled = dir.path().join("sled");
    let aside = dir.path().join("aside");
    fs::rename(&sled, &aside).unwrap();
    assert!(refusal(dir.path()).contains("commit 1 is missing"));
    fs::remove_dir_all(&sled).unwrap();
    fs::rename(&aside, &sled).unwrap();
    holds(dir.path(), 400).await;

    let journal = dir.path().join("journal.0");
    let octets = fs::read(&journal).unwrap();
    fs::remove_file(&journal).unwrap();
    assert!(refusal(dir.path()).contains("a file of the journal is missing"));
    fs::write(&journal, octets).unwrap();
    holds(dir.path(), 400).await;
}

/// sled itself may not notice that its log is cut: then the numbers of the commits show it, or the journal
/// has everything that is missing.
#[tokio::test]
async fn a_cut_log_of_sled_never_passes_for_a_whole_one() {
    let dir = closed_store(400).await;
    let octets = fs::read(dir.path().join("sled/db")).unwrap();
    let mut refused = 0;
    for left in [0, octets.len() / 4, octets.len() / 2, octets.len() / 4 * 3, octets.len() - 100] {
        let damaged = tempfile::tempdir().unwrap();
        fs::create_dir(damaged.path().join("sled")).unwrap();
        for name in ["journal.0", "journal.1", "sled/conf", "sled/db"] {
            fs::copy(dir.path().join(name), damaged.path().join(name)).unwrap();
        }
        fs::write(damaged.path().join("sled/db"), &octets[..left]).unwrap();
        match Store::open(damaged.path(), &Options::default()) {
            Err(OpenError::Corrupt { .. }) => refused += 1,
            Err(e) => panic!("another refusal: {e}"),
            Ok(store) => {
                store.close().await;
                holds(damaged.path(), 400).await;
            }
        }
    }
    assert!(refused > 0);
}

/// sled's settings and its snapshot are made from its log again, whatever became of them.
#[tokio::test]
async fn what_sled_makes_from_its_log_is_made_anew() {
    type Damage = fn(&[u8]) -> Vec<u8>;
    let dir = closed_store(400).await;
    holds(dir.path(), 400).await;
    let flipped = |octets: &[u8]| octets.iter().map(|b| b ^ 1).collect();
    let damages: [Damage; 3] =
        [flipped, |octets| vec![0; octets.len()], |octets| octets[..octets.len() / 2].to_vec()];
    for damage in damages {
        for settings in [true, false] {
            let path = if settings { dir.path().join("sled/conf") } else { snapshot(dir.path()) };
            fs::write(&path, damage(&fs::read(&path).unwrap())).unwrap();
            holds(dir.path(), 400).await;
        }
    }
    // A stop in the middle of the exchange: the copy was whole.
    fs::rename(dir.path().join("sled"), dir.path().join("sled.anew")).unwrap();
    fs::create_dir(dir.path().join("sled.damaged")).unwrap();
    holds(dir.path(), 400).await;
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
    // Damage to the log itself is told, and the log is left.
    let log = dir.path().join("sled/db");
    let octets = fs::read(&log).unwrap();
    fs::write(&log, vec![0; octets.len()]).unwrap();
    refusal(dir.path());
    assert!(log.exists() && !dir.path().join("sled.anew").exists());
}

#[tokio::test]
async fn no_file_shows_a_text() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    let sealed = Key::from_bytes([7; 32]).seal(b"owner", b"a text that only its recipient may read");
    store.transact(move |tx| tx.put_meta("open marker", sealed.as_bytes())).await.unwrap();
    store.close().await;
    let mut seen = 0;
    for folder in [dir.path().to_owned(), dir.path().join("sled")] {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
            let octets = fs::read(&path).unwrap();
            let shows = |text: &str| octets.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(!shows("only its recipient"), "{}", path.display());
            seen += u32::from(shows("open marker"));
        }
    }
    assert!(seen >= 2, "the journal and sled were looked at");
}
