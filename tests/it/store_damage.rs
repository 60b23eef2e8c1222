//! Damage to each file of the store, closed in order or killed: a flipped bit, a page of zeros, a lost end. The store
//! opens with every commit that was acknowledged, or says what is wrong.
//!
//! The long form, and that of `store_power`: `just store-trials`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use smsotpd::store::{OpenError, Options, Records as _, Store, StoreError, Tx, View};

pub(crate) const FOLDER: &str = "SMSOTPD_TEST_DAMAGE_FOLDER";
/// How many commits the writer makes before it closes its store; without it it waits to be killed.
pub(crate) const CLOSES: &str = "SMSOTPD_TEST_DAMAGE_CLOSES";
/// Commits before the damage: enough for several turns of the journal, and for sled to have old copies of everything.
const COMMITS: u32 = 700;
const KEYS: u32 = 400;

/// What commit `n` writes: two keys, one of which many commits change, and its number.
fn commit(n: u32) -> [(String, Vec<u8>); 3] {
    let length = |of: u32| 100 + of as usize * 61 % 3000;
    [
        (format!("a{}", n % KEYS), [n.to_le_bytes().to_vec(), vec![0x5a; length(n)]].concat()),
        (format!("b{}", n * 7 % 13), [n.to_le_bytes().to_vec(), vec![0x33; length(n + 1) / 8]].concat()),
        ("n".to_owned(), n.to_le_bytes().to_vec()),
    ]
}

fn put(tx: &mut Tx<'_>, n: u32) {
    for (key, value) in &commit(n) {
        tx.put_meta(key, value);
    }
}

/// Whether all of the first `commits` are there and nothing else is.
pub(crate) fn is_whole(view: &View, commits: u32) -> bool {
    let wanted: BTreeMap<_, _> = (1..=commits).flat_map(commit).collect();
    wanted.iter().all(|(key, value)| view.meta(key).is_ok_and(|found| found.as_ref() == Some(value)))
}

/// The process that writes, and then closes its store or waits to be killed.
#[test]
#[ignore = "run by the tests below in a process of its own"]
fn writer_of_what_is_damaged() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let closes = std::env::var(CLOSES).ok().map(|n| n.parse::<u32>().unwrap());
    let commits = closes.unwrap_or(COMMITS);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut out = std::io::stdout();
    runtime.block_on(async {
        for (from, to) in [(1, commits / 2), (commits / 2 + 1, commits)] {
            let store = Store::open(Path::new(&dir), &Options::default()).unwrap();
            for n in from..=to {
                store.transact(move |tx| put(tx, n)).await.unwrap();
                writeln!(out, "acknowledged {n}").unwrap();
            }
            if to == commits && closes.is_none() {
                println!("all acknowledged");
                std::thread::park();
            }
            store.close().await;
        }
    });
}

fn killed() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_damage::writer_of_what_is_damaged", "--ignored", "--nocapture"])
        .env(FOLDER, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.any(|line| line == "all acknowledged"), "the writer writes all of it");
    child.kill().unwrap();
    child.wait().unwrap();
    dir
}

/// The same, opened once more and closed in order.
fn closed() -> tempfile::TempDir {
    let dir = killed();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { Store::open(dir.path(), &Options::default()).unwrap().close().await });
    dir
}

/// Every file of a store, by its path in it.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in ["", "sled"] {
        for entry in fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.file_name().unwrap() != "LOCK" {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// What comes of opening damaged files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Whole,
    Told,
    Lost,
}

/// When the records are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Before the store opens.
    Before,
    /// While it serves, as those of a large store.
    Meanwhile,
}

fn opened(dir: &Path, look: Look) -> (Outcome, String) {
    let within = if look == Look::Before { Duration::MAX } else { Duration::ZERO };
    match Store::open(dir, &Options { look_within: within, ..Options::default() }) {
        Err(e @ (OpenError::Corrupt { .. } | OpenError::TooNew { .. })) => (Outcome::Told, e.to_string()),
        Err(e) => panic!("neither damage nor whole: {e}"),
        Ok(store) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let found = runtime.block_on(async {
                let whole = store.read(|view| is_whole(view, COMMITS)).await.unwrap();
                let told = store.looked().await;
                store.close().await;
                told.map(|()| whole)
            });
            match found {
                Ok(true) => (Outcome::Whole, String::new()),
                Ok(false) => (Outcome::Lost, String::new()),
                Err(why @ StoreError::Damaged(_)) => {
                    // The next start says so before it serves, or puts it right.
                    let (again, _) = opened(dir, look);
                    assert_ne!(again, Outcome::Lost, "{why}");
                    (again, why.to_string())
                }
                Err(why) => panic!("neither damage nor whole: {why}"),
            }
        }
    }
}

/// Numbers that look random and are the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Below `n`.
    pub(crate) fn roll(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap()
    }
}

/// Damages a file, and says how.
fn damage(file: &File, octets: &[u8], kind: &str, dice: &mut Dice) -> String {
    match kind {
        "flip" => {
            let (at, bit) = (dice.roll(octets.len()), dice.roll(8));
            file.write_all_at(&[octets[at] ^ (1 << bit)], at as u64).unwrap();
            format!("bit {bit} of octet {at}")
        }
        "zeros" => {
            let at = dice.roll(octets.len().div_ceil(4096)) * 4096;
            let zeros = vec![0; 4096.min(octets.len() - at)];
            file.write_all_at(&zeros, at as u64).unwrap();
            format!("zeros from {at}")
        }
        _ => {
            let left = dice.roll(octets.len());
            file.set_len(left as u64).unwrap();
            format!("{left} octets left of {}", octets.len())
        }
    }
}

fn trials(each: usize, seed: u64, look: Look) {
    let mut lost = Vec::new();
    let mut counts: BTreeMap<(&str, &str, PathBuf, Outcome), usize> = BTreeMap::new();
    for (state, made) in [("closed", closed()), ("killed", killed())] {
        let files = files(made.path());
        assert!(files.len() >= 5, "both files of the journal and three of sled");
        let names: Vec<_> = files.keys().cloned().collect();
        for kind in ["flip", "zeros", "cut"] {
            let mut dice = Dice(seed);
            for n in 0..each {
                let dir = tempfile::tempdir().unwrap();
                fs::create_dir(dir.path().join("sled")).unwrap();
                for (name, octets) in &files {
                    fs::write(dir.path().join(name), octets).unwrap();
                }
                let name = &names[dice.roll(names.len())];
                let file = File::options().write(true).open(dir.path().join(name)).unwrap();
                let done = damage(&file, &files[name], kind, &mut dice);
                let (outcome, why) = opened(dir.path(), look);
                if outcome == Outcome::Lost {
                    lost.push(format!("{state} {kind} {n}: {}, {done}", name.display()));
                }
                if std::env::var_os("VERBOSE").is_some() {
                    eprintln!("{state} {} {done}: {outcome:?} {why}", name.display());
                }
                let place = PathBuf::from(name.to_string_lossy().split("snap.").next().unwrap());
                *counts.entry((state, kind, place, outcome)).or_default() += 1;
            }
        }
    }
    let mut told: HashMap<Outcome, usize> = HashMap::new();
    for ((state, kind, name, outcome), n) in &counts {
        eprintln!("{state:6} {kind:5} {:12} {outcome:?}: {n}", name.display());
        *told.entry(*outcome).or_default() += n;
    }
    eprintln!("{told:?}");
    assert!(lost.is_empty(), "lost without a word: {lost:#?}");
}

#[test]
fn damage_is_told() {
    trials(12, 1, Look::Before);
}

#[test]
fn damage_is_told_by_a_look_while_the_store_serves() {
    trials(12, 1, Look::Meanwhile);
}

#[test]
#[ignore = "takes minutes: the long form"]
fn damage_is_told_in_the_long_form() {
    trials(220, 2, Look::Before);
    trials(220, 2, Look::Meanwhile);
}
