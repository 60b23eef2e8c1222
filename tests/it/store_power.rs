//! Power cuts: the writes and syncs of a real store, as strace saw them, and a disk that loses what was not synced.
//!
//! The disk of this test keeps what was synced before the cut, and of the rest what its mode says: nothing, all, blocks of
//! 4096 or 512 octets by chance, or all but a part of the last write. Names and lengths change in order, as ext4 keeps them;
//! `fsync` makes all changes of names before it durable, `fdatasync` none. A sector of 512 octets is written whole or not.
//!
//! The long form, and that of `store_damage`: `just store-trials`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use smsotpd::store::{Options, Records as _, Store};

use crate::store_damage::{CLOSES, Dice, FOLDER, is_whole};

const CALLS: &str = "trace=openat,close,pwrite64,write,fsync,fdatasync,ftruncate,rename,unlink,mkdir,rmdir";

/// What the process did, in order.
enum Op {
    Create(String, usize),
    Folder(String),
    Rename(String, String),
    Unlink(String),
    Truncate(usize, usize),
    Write(usize, usize, Rc<Vec<u8>>),
    /// Everything of a file before this operation is durable; with `names`, so are all names.
    Sync {
        file: Option<usize>,
        before: usize,
        names: bool,
    },
    Acknowledged(u32),
}

/// Follows a trace: which descriptor is which file.
#[derive(Default)]
struct Trace {
    ops: Vec<Op>,
    names: HashMap<String, usize>,
    files: usize,
    /// Ids of files; folders have none.
    open: HashMap<i32, Option<usize>>,
}

/// The string in a line of `strace -xx`, and what stands behind it.
fn string(text: &str) -> Option<(Vec<u8>, &str)> {
    let from = text.find('"')? + 1;
    let to = from + text[from..].find('"')?;
    let digits = text[from..to].split("\\x").skip(1);
    Some((digits.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect(), &text[to + 1..]))
}

fn path(text: &str) -> Option<(String, &str)> {
    string(text).map(|(octets, rest)| (String::from_utf8(octets).unwrap(), rest))
}

fn number(text: &str) -> Option<i64> {
    let text = text.trim_start_matches([',', ' ']);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
    text[..end].parse().ok()
}

impl Trace {
    /// One whole call below `root`. `began` is the count of operations when it began.
    fn call(&mut self, root: &str, text: &str, began: usize) -> Option<()> {
        let (name, arguments) = text.split_once('(')?;
        let result = number(text.rsplit_once(" = ")?.1).filter(|&n| n >= 0)?;
        let descriptor = i32::try_from(number(arguments).unwrap_or(-1)).unwrap();
        let inside = |path: String| path.starts_with(root).then(|| path[root.len()..].to_owned());
        match name {
            "openat" => {
                let (path, flags) = path(arguments)?;
                let opened = i32::try_from(result).unwrap();
                self.open.remove(&opened);
                let path = inside(path)?;
                let known = self.names.get(&path).copied();
                let file = known.or_else(|| {
                    flags.contains("O_CREAT").then(|| {
                        self.files += 1;
                        self.names.insert(path.clone(), self.files);
                        self.ops.push(Op::Create(path, self.files));
                        self.files
                    })
                });
                if let Some(file) = file.filter(|_| flags.contains("O_TRUNC") && known.is_some()) {
                    self.ops.push(Op::Truncate(file, 0));
                }
                self.open.insert(opened, file);
            }
            "close" => {
                self.open.remove(&descriptor);
            }
            "write" if descriptor == 1 => {
                let told = String::from_utf8(string(arguments)?.0).unwrap();
                let n = told.trim().strip_prefix("acknowledged ")?.parse().unwrap();
                self.ops.push(Op::Acknowledged(n));
            }
            "write" | "pwrite64" => {
                let file = (*self.open.get(&descriptor)?)?;
                let (octets, rest) = string(arguments)?;
                let mut numbers =
                    rest.split(", ").skip(1).map(|n| usize::try_from(number(n).unwrap()).unwrap());
                assert_eq!(numbers.next(), Some(octets.len()), "strace shows all of it");
                let end = self.ops.iter().rev().find_map(|op| match op {
                    Op::Write(f, at, octets) if *f == file => Some(at + octets.len()),
                    Op::Truncate(f, length) if *f == file => Some(*length),
                    _ => None,
                });
                let at = if name == "write" { end.unwrap_or(0) } else { numbers.next().unwrap() };
                let mut octets = octets;
                octets.truncate(usize::try_from(result).unwrap());
                self.ops.push(Op::Write(file, at, Rc::new(octets)));
            }
            "fsync" | "fdatasync" => {
                let file = *self.open.get(&descriptor)?;
                self.ops.push(Op::Sync { file, before: began, names: name == "fsync" });
            }
            "ftruncate" => {
                let file = (*self.open.get(&descriptor)?)?;
                let length = number(arguments.split_once(", ")?.1)?;
                self.ops.push(Op::Truncate(file, usize::try_from(length).unwrap()));
            }
            "rename" => {
                let (from, rest) = path(arguments)?;
                let (from, to) = (inside(from)?, inside(path(rest)?.0)?);
                if let Some(file) = self.names.remove(&from) {
                    self.names.insert(to.clone(), file);
                }
                self.ops.push(Op::Rename(from, to));
            }
            "unlink" => {
                let path = inside(path(arguments)?.0)?;
                self.names.remove(&path);
                self.ops.push(Op::Unlink(path));
            }
            "mkdir" => self.ops.push(Op::Folder(inside(path(arguments)?.0)?)),
            _ => {}
        }
        Some(())
    }
}

/// Runs the writer under strace; nothing where that cannot be done.
fn traced(commits: u32) -> Option<Vec<Op>> {
    let dir = tempfile::tempdir().unwrap();
    let (log, store) = (dir.path().join("trace"), dir.path().join("store"));
    let traced = Command::new("strace")
        .args(["-f", "-xx", "-s", "4194304", "-e", CALLS, "-e", "signal=none", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store_damage::writer_of_what_is_damaged", "--ignored", "--nocapture"])
        .env(FOLDER, &store)
        .env(CLOSES, commits.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !traced.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: strace is not here, or may not trace");
        return None;
    }
    let (text, root) = (std::fs::read_to_string(&log).unwrap(), format!("{}/", store.display()));
    let mut trace = Trace::default();
    let mut begun: HashMap<&str, (String, usize)> = HashMap::new();
    for line in text.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if let Some(first) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (first.to_owned(), trace.ops.len()));
        } else if let Some((first, began)) = call.starts_with("<...").then(|| begun.remove(thread)).flatten()
        {
            let whole = first + call.split_once("resumed>").unwrap().1;
            trace.call(&root, &whole, began);
        } else {
            let now = trace.ops.len();
            trace.call(&root, call, now);
        }
    }
    let written = trace.ops.iter().filter(|op| matches!(op, Op::Acknowledged(_))).count();
    assert_eq!(written, commits as usize, "the whole run was seen");
    Some(trace.ops)
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Nothing,
    All,
    Blocks(usize),
    Torn,
}

/// The disk after a cut before operation `cut`.
fn image(ops: &[Op], cut: usize, mode: Mode, dice: &mut Dice, into: &Path) {
    let ops = &ops[..cut];
    let synced = |of: Option<usize>| {
        let syncs = ops.iter().filter_map(move |op| match op {
            Op::Sync { file, before, .. } if of.is_some() && *file == of => Some(*before),
            Op::Sync { before, names: true, .. } if of.is_none() => Some(*before),
            _ => None,
        });
        syncs.max().unwrap_or(0)
    };
    let names_kept = match mode {
        Mode::Nothing => synced(None),
        Mode::All | Mode::Torn => cut,
        Mode::Blocks(_) => synced(None) + dice.roll(cut - synced(None) + 1),
    };
    let mut durable: HashMap<usize, usize> = HashMap::new();
    let mut content: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    let last = ops.iter().rposition(|op| matches!(op, Op::Write(..)));
    for (index, op) in ops.iter().enumerate() {
        match op {
            Op::Create(name, file) if index < names_kept => {
                names.insert(name, *file);
            }
            Op::Folder(name) if index < names_kept => {
                folders.insert(name);
            }
            Op::Rename(from, to) if index < names_kept => {
                if let Some(file) = names.remove(from.as_str()) {
                    names.insert(to, file);
                }
            }
            Op::Unlink(name) if index < names_kept => {
                names.remove(name.as_str());
            }
            Op::Truncate(file, length) => {
                let is_durable = index < *durable.entry(*file).or_insert_with(|| synced(Some(*file)));
                if is_durable || index < names_kept {
                    content.entry(*file).or_default().resize(*length, 0);
                }
            }
            Op::Write(file, at, octets) => {
                let is_durable = index < *durable.entry(*file).or_insert_with(|| synced(Some(*file)));
                let to = content.entry(*file).or_default();
                let mut keep = |from: usize, end: usize| {
                    to.resize(to.len().max(at + end), 0);
                    to[at + from..at + end].copy_from_slice(&octets[from..end]);
                };
                match mode {
                    _ if is_durable => keep(0, octets.len()),
                    Mode::Nothing => {}
                    Mode::All => keep(0, octets.len()),
                    Mode::Torn if Some(index) != last => keep(0, octets.len()),
                    // Sectors lie at multiples of their size in the file.
                    Mode::Torn => {
                        let end = (at + dice.roll(octets.len() + 1)) / 512 * 512;
                        keep(0, end.saturating_sub(*at));
                    }
                    Mode::Blocks(size) => {
                        let mut from = 0;
                        while from < octets.len() {
                            let end = ((at + from) / size * size + size - at).min(octets.len());
                            if dice.roll(2) == 0 {
                                keep(from, end);
                            }
                            from = end;
                        }
                    }
                }
            }
            _ => {}
        }
    }
    std::fs::create_dir_all(into).unwrap();
    for name in folders {
        std::fs::create_dir_all(into.join(name)).unwrap();
    }
    for (name, file) in names {
        std::fs::create_dir_all(into.join(name).parent().unwrap()).unwrap();
        std::fs::write(into.join(name), content.get(&file).map_or(&[][..], Vec::as_slice)).unwrap();
    }
}

fn cuts(commits: u32, points: usize, seed: u64) {
    let Some(ops) = traced(commits) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let acknowledged: Vec<_> = (0..ops.len()).filter(|&i| matches!(ops[i], Op::Acknowledged(_))).collect();
    let (mut dice, mut faults, mut images) = (Dice(seed), Vec::new(), 0);
    for point in 0..points {
        // Half of them right behind an acknowledgement.
        let cut = match point % 2 {
            0 => acknowledged[dice.roll(acknowledged.len())] + 1,
            _ => dice.roll(ops.len() + 1),
        };
        let told = ops[..cut].iter().rev().find_map(|op| match op {
            Op::Acknowledged(n) => Some(*n),
            _ => None,
        });
        for mode in [Mode::Nothing, Mode::All, Mode::Blocks(4096), Mode::Blocks(512), Mode::Torn] {
            let dir = tempfile::tempdir().unwrap();
            let store = dir.path().join("store");
            image(&ops, cut, mode, &mut dice, &store);
            images += 1;
            let found = match Store::open(&store, &Options::default()) {
                Err(e) => Err(e.to_string()),
                Ok(store) => runtime.block_on(async {
                    let read = store.read(|view| {
                        let n =
                            view.meta("n").unwrap().map_or(0, |n| u32::from_le_bytes(n.try_into().unwrap()));
                        is_whole(view, n).then_some(n)
                    });
                    let n = read.await.unwrap();
                    store.close().await;
                    n.filter(|&n| n >= told.unwrap_or(0)).ok_or_else(|| format!("{n:?} of {told:?}"))
                }),
            };
            if let Err(why) = found {
                faults.push(format!("cut at {cut} of {}, {mode:?}: {why}", ops.len()));
            }
        }
    }
    eprintln!("{images} images of {} operations, {} faults", ops.len(), faults.len());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    cuts(240, 12, 1);
}

#[test]
#[ignore = "takes minutes: the long form"]
fn power_cuts_in_the_long_form() {
    cuts(700, 400, 2);
}

/// What a commit wrote into the journal was synced before it is told.
#[test]
fn each_acknowledgement_follows_its_sync() {
    let Some(ops) = traced(40) else { return };
    let mut journals = BTreeSet::new();
    let (mut unsynced, mut synced) = (BTreeMap::new(), 0);
    for (index, op) in ops.iter().enumerate() {
        match op {
            Op::Create(name, file) if ["journal.0.new", "journal.1.new"].contains(&name.as_str()) => {
                journals.insert(*file);
            }
            Op::Write(file, ..) if journals.contains(file) => {
                unsynced.insert(index, *file);
            }
            Op::Sync { file: Some(file), before, .. } => {
                let count = unsynced.len();
                unsynced.retain(|index, of| of != file || index >= before);
                synced += count - unsynced.len();
            }
            Op::Acknowledged(n) => assert!(unsynced.is_empty(), "{n} was told before it was durable"),
            _ => {}
        }
    }
    assert!(
        synced >= 42,
        "both files were made, and each commit was a write and a sync of its own: {synced}"
    );
}
