//! A full disk: real file systems that are small and that a test fills. Only root may mount them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use smsotpd::store::{OpenError, Options, Records as _, Store, StoreError, Tx, View};
use tempfile::TempDir;

/// How soon after there is room the work goes on.
const SOON: Duration = Duration::from_secs(5);

/// A mounted file system of its own.
pub(crate) struct Small {
    at: PathBuf,
    ballast: PathBuf,
    _image: Option<TempDir>,
}

impl Small {
    /// Mounts a file system on a folder; nothing where this may not be done.
    pub(crate) fn mount(at: &Path, kind: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root may mount a small {kind}");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let done = Command::new(program).args(arguments).arg(at).status();
            done.is_ok_and(|status| status.success())
        };
        let image = (kind == "ext4").then(|| tempfile::tempdir().unwrap());
        let mounted = if let Some(folder) = &image {
            let path = folder.path().join("image");
            File::create(&path).unwrap().set_len(96 << 20).unwrap();
            let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&path).status();
            made.is_ok_and(|status| status.success())
                && run("mount", &["-t", "ext4", "-o", "loop", path.to_str().unwrap()])
        } else {
            run("mount", &["-t", kind, "-o", "size=96m", kind])
        };
        if !mounted {
            eprintln!("SKIPPED: a small {kind} cannot be mounted here");
            return None;
        }
        Some(Self { at: at.to_owned(), ballast: at.join("ballast"), _image: image })
    }

    /// Leaves no room.
    pub(crate) fn fill(&self) {
        let ballast = File::options().create(true).append(true).open(&self.ballast).unwrap();
        // The last octets, too.
        for size in [1 << 20, 4096] {
            let more = || {
                let end = ballast.metadata().unwrap().len();
                rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), end, size)
            };
            while more().is_ok() {}
        }
        while (&ballast).write_all(&[0x5a; 512]).is_ok() {}
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        fs::remove_file(&self.ballast).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a store that a failed test left open must not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Puts values until there is no room for one. Answers how many there are then.
async fn fill_journal(store: &Store, from: u32) -> u32 {
    for n in from.. {
        match store.transact(move |tx| tx.put_meta(&format!("{n}"), &[0x5a; 4000])).await {
            Ok(()) => {}
            Err(StoreError::NoRoom) => return n,
            Err(e) => panic!("{e}"),
        }
    }
    unreachable!("the journal is not endless")
}

/// A store whose disk is full, and so is what its journal has.
struct Filled {
    small: Small,
    dir: PathBuf,
    store: Store,
    /// The commits that it took.
    kept: u32,
}

impl Filled {
    async fn on(mount: &Path, kind: &str) -> Option<Self> {
        let small = Small::mount(mount, kind)?;
        let dir = mount.join("store");
        let store = Store::open(&dir, &Options::default()).unwrap();
        store.transact(|tx| tx.put_meta("0", &[0x5a; 4000])).await.unwrap();
        store.room().unwrap();
        small.fill();
        let kept = fill_journal(&store, 1).await;
        Some(Self { small, dir, store, kept })
    }
}

async fn has(store: &Store, count: u32) {
    let whole = move |n| move |value: Option<Vec<u8>>| assert_eq!(value, Some(vec![0x5a; 4000]), "{n}");
    store
        .read(move |view| (0..count).for_each(|n| whole(n)(view.meta(&format!("{n}")).unwrap())))
        .await
        .unwrap();
}

fn refusal(dir: &Path) -> String {
    match Store::open(dir, &Options::default()).err() {
        Some(e @ OpenError::Full { .. }) => e.to_string(),
        Some(e) => panic!("another refusal: {e}"),
        None => panic!("it opened"),
    }
}

#[tokio::test]
async fn what_a_full_disk_stops_goes_on_by_itself() {
    for kind in ["tmpfs", "ext4"] {
        let mount = tempfile::tempdir().unwrap();
        let Some(Filled { small, dir, store, kept }) = Filled::on(mount.path(), kind).await else { continue };
        assert!(
            kept > 150,
            "{kind}: the room of both files of the journal was used, not only {kept} commits"
        );
        assert_eq!(store.room(), Err(StoreError::NoRoom));
        has(&store, kept).await;
        let read = store.transact(|tx| tx.meta("0").unwrap().is_some()).await;
        assert_eq!(read, Ok(true), "what writes nothing needs no room");
        assert_eq!(store.transact(|tx| tx.put_meta("refused", b"1")).await, Err(StoreError::NoRoom));

        let patient = store.begin_in_turn(move |tx| tx.put_meta(&format!("{kept}"), &[0x5a; 4000])).await;
        let freed = Instant::now();
        small.free();
        patient.done().await.unwrap();
        while store.room().is_err() || store.transact(|tx| tx.put_meta("again", b"1")).await.is_err() {
            assert!(freed.elapsed() < SOON, "{kind}");
            tokio::task::yield_now().await;
        }
        assert!(freed.elapsed() < SOON, "{kind}: {:?}", freed.elapsed());
        let refused = store.transact(|tx| tx.meta("refused").unwrap()).await;
        assert_eq!(refused, Ok(None));
        store.close().await;
        let store = Store::open(&dir, &Options::default()).unwrap();
        has(&store, kept + 1).await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_that_stopped_on_a_full_disk_says_so_and_opens_whole_when_there_is_room() {
    for kind in ["tmpfs", "ext4"] {
        let mount = tempfile::tempdir().unwrap();
        let Some(Filled { small, dir, store, kept }) = Filled::on(mount.path(), kind).await else { continue };
        store.close().await;
        drop(store);
        for _ in 0..2 {
            let why = refusal(&dir);
            assert!(why.contains("is full") && why.contains("free 16384 KiB"), "{why}");
        }
        small.free();
        let store = Store::open(&dir, &Options::default()).unwrap();
        has(&store, kept).await;
        store.close().await;
    }
}

/// The first start ever.
#[tokio::test]
async fn a_new_store_on_a_full_disk_is_made_when_there_is_room() {
    let mount = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(mount.path(), "ext4") else { return };
    small.fill();
    refusal(&mount.path().join("store"));
    small.free();
    let store = Store::open(&mount.path().join("store"), &Options::default()).unwrap();
    store.transact(|tx| tx.put_meta("a", b"1")).await.unwrap();
    store.close().await;
}

/// Somebody else takes the last octet again and again, and no floor is in the way: room that sled needs is reserved
/// before it writes, so sled never meets the end.
#[tokio::test]
async fn sled_never_meets_the_end_of_the_disk() {
    const COMMITS: u32 = 300;
    for kind in ["tmpfs", "ext4"] {
        let mount = tempfile::tempdir().unwrap();
        let Some(small) = Small::mount(mount.path(), kind) else { continue };
        let dir = mount.path().join("store");
        let options = Options { floor: 0, ..Options::default() };
        let store = Store::open(&dir, &options).unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&done);
        let greedy = std::thread::spawn(move || {
            for n in (0..4).cycle() {
                small.fill();
                std::thread::sleep(Duration::from_millis(20));
                small.free();
                if stop.load(Ordering::Relaxed) {
                    return small;
                }
                // Long enough for a part of the work, and for nobody to count on it.
                std::thread::sleep(Duration::from_millis(n * 70));
            }
            small
        });
        // Each commit changes 40 values of 700, of many lengths.
        let keys = |n: u32| (n * 40..n * 40 + 40).map(|k| format!("{}", k % 700));
        let value = |n: u32| vec![0x5a; 10 + n as usize * 997 % 4000];
        let (mut count, mut refused) = (0_u32, 0);
        let begun = Instant::now();
        while count < COMMITS {
            assert!(begun.elapsed() < Duration::from_secs(60), "{kind}: sled got stuck at commit {count}");
            let n = count;
            let put = move |tx: &mut Tx<'_>| keys(n).for_each(|key| tx.put_meta(&key, &value(n)));
            match store.transact(put).await {
                Ok(()) => count += 1,
                Err(StoreError::NoRoom) => {
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(e) => panic!("{kind}: {e}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        let _small = greedy.join().unwrap();
        assert!(refused > 0, "{kind}: the disk was full in between");
        store.close().await;
        let store = Store::open(&dir, &options).unwrap();
        let last = (0..COMMITS).flat_map(|n| keys(n).map(move |key| (key, n))).collect::<HashMap<_, _>>();
        let whole = move |view: &View| last.iter().all(|(key, n)| view.meta(key).unwrap() == Some(value(*n)));
        assert!(store.read(whole).await.unwrap());
        store.close().await;
    }
}
