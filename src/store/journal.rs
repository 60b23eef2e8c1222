//! The journal: two files of fixed size that take turns. A commit is one record, one write and one `fdatasync`
//! into space that was filled with zeros before, so that no sync carries a change of the file's size, and a file of
//! another size is damaged.
//!
//! A file begins with a header of one sector: magic, version, the sequence number of its first record, CRC-32.
//! Records follow from octet 512: length, sequence number, CRC-32 over both and the payload, payload. Sequence
//! numbers rise by one from record to record and from file to file. A file is used again only when sled has all
//! of it, synced; so everything that sled lacks is in the records, without a gap, and a header proves that all
//! before it was acknowledged.
//!
//! What stands at the end of a file and is not whole was torn by a stop, or damaged since. The mark tells: a third
//! file with the number of the last commit that was durable, written after each sync and not synced itself, in two
//! sectors by turns. It outlives the process, but after a power cut it may be older than the last commits.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::engine::Overlay;
use super::{StoreError, room};

/// Octets of one file.
const SIZE: usize = 2 * 1024 * 1024;
/// The same in version 1, where a single larger commit overran it.
const OLD_SIZE: usize = 512 * 1024;
/// From here on the other file is next: what is carried over at once stays small, and the largest commit fits behind.
const TURN: usize = 448 * 1024;
/// The most octets of one commit's changes.
pub(super) const LARGEST: usize = SIZE - TURN - 64 * 1024;
/// The header has a sector for itself: no record's write can tear it.
const FIRST: usize = 512;
const MAGIC: [u8; 8] = *b"smsotp-j";
const VERSION: u32 = 2;
const HEADER: usize = 24;
const MARK_MAGIC: [u8; 8] = *b"smsotp-m";
/// Two sectors: a stop can tear only one of them.
const MARK_SIZE: usize = 1024;
const SLOT: usize = 512;
/// Octets of a record before its payload.
pub(super) const FRAME: usize = 16;
const DELETED: u32 = u32::MAX;
const NAMES: [&str; 2] = ["journal.0", "journal.1"];
const MARK: &str = "journal.mark";

/// The open journal.
pub(super) struct Journal {
    files: [File; 2],
    mark: File,
    active: usize,
    position: usize,
    next: u64,
    buffer: Vec<u8>,
}

/// What a journal's folder holds.
pub(super) struct Found {
    dir: PathBuf,
    /// A file has an older version.
    old: bool,
    /// Every record, in order of its sequence number.
    pub(super) records: Vec<(u64, Overlay)>,
    /// All up to this number was acknowledged.
    pub(super) acknowledged: u64,
    /// The highest number of a record that stands behind a damaged one.
    pub(super) stray: u64,
}

/// Why a journal cannot be read.
pub(super) enum JournalError {
    Io(io::Error),
    Damaged(String),
    TooNew(u32),
}

/// Makes the files anew, each whole or not at all; the first commit will be `first`.
pub(super) fn create(dir: &Path, first: u64) -> io::Result<()> {
    let mut mark = vec![0; MARK_SIZE];
    for slot in mark.chunks_mut(SLOT) {
        slot[..HEADER].copy_from_slice(&header_of(MARK_MAGIC, first - 1));
    }
    let mut file = vec![0; SIZE];
    file[..HEADER].copy_from_slice(&header_of(MAGIC, first));
    // The mark goes first: where both others are, it is too.
    for (name, octets) in [(MARK, &mark), (NAMES[0], &file), (NAMES[1], &file)] {
        let new = dir.join(format!("{name}.new"));
        let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        file.write_all_at(octets, 0)?;
        file.sync_all()?;
        std::fs::rename(&new, dir.join(name))?;
    }
    File::open(dir)?.sync_all()
}

/// Whether both files are there.
pub(super) fn is_whole(dir: &Path) -> bool {
    NAMES.iter().all(|name| dir.join(name).exists())
}

/// Reads what a folder holds.
pub(super) fn load(dir: &Path) -> Result<Found, JournalError> {
    if !is_whole(dir) {
        return Err(damaged("a file of the journal is missing"));
    }
    let mut records = Vec::new();
    let (mut acknowledged, mut stray, mut versions) = (None, 0, Vec::new());
    for name in NAMES {
        let octets = std::fs::read(dir.join(name)).map_err(JournalError::Io)?;
        if let Some((version, first)) = header(name, &octets)? {
            acknowledged = acknowledged.max(Some(first.saturating_sub(1)));
            versions.push(version);
        }
        stray = stray.max(read_records(&octets, &mut records)?);
    }
    records.sort_by_key(|&(number, _)| number);
    let mut acknowledged = acknowledged.ok_or_else(|| damaged("no header of the journal is readable"))?;
    if versions.contains(&VERSION) {
        acknowledged = acknowledged.max(read_mark(dir)?);
    }
    let old = versions != [VERSION; 2];
    Ok(Found { dir: dir.to_owned(), old, records, acknowledged, stray })
}

/// A file's version and the number of its first record; nothing for one that version 1 never used.
fn header(name: &str, octets: &[u8]) -> Result<Option<(u32, u64)>, JournalError> {
    let found = read_header(MAGIC, octets);
    let size = octets.len();
    match found {
        Some((version, _)) if version > VERSION => Err(JournalError::TooNew(version)),
        Some((VERSION, _)) if size != SIZE => {
            Err(damaged(&format!("{name} has {size} octets and not {SIZE}")))
        }
        Some((1, _)) if size < OLD_SIZE => {
            Err(damaged(&format!("{name} has {size} octets and not {OLD_SIZE}")))
        }
        Some(found) => Ok(Some(found)),
        None if size == OLD_SIZE && octets[..FIRST].iter().all(|&b| b == 0) => Ok(None),
        None => Err(damaged(&format!("the header of {name} is not readable"))),
    }
}

/// The last commit that was durable when the mark was written.
fn read_mark(dir: &Path) -> Result<u64, JournalError> {
    let octets = match std::fs::read(dir.join(MARK)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(damaged("the mark of the journal is missing"));
        }
        octets => octets.map_err(JournalError::Io)?,
    };
    let slots = octets.chunks(SLOT).filter_map(|slot| read_header(MARK_MAGIC, slot));
    match slots.map(|(_, number)| number).max() {
        Some(number) if octets.len() == MARK_SIZE => Ok(number),
        _ => Err(damaged("the mark of the journal is not readable")),
    }
}

fn damaged(why: &str) -> JournalError {
    JournalError::Damaged(why.to_owned())
}

impl Found {
    /// Begins anew behind `last`: sled has everything up to it, synced. Older files are replaced.
    pub(super) fn begin(self, last: u64) -> io::Result<Journal> {
        if self.old {
            create(&self.dir, last + 1)?;
        }
        let file = |name: &str| File::options().write(true).open(self.dir.join(name));
        let files = [file(NAMES[0])?, file(NAMES[1])?];
        Ok(Journal { files, mark: file(MARK)?, active: 0, position: 0, next: last + 1, buffer: Vec::new() })
    }
}

impl Journal {
    /// Whether the other file should be next.
    pub(super) fn is_full(&self) -> bool {
        self.position >= TURN
    }

    /// The number of the last record.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    /// Goes on in the other file. Sled has everything in that one, synced.
    pub(super) fn turn(&mut self) {
        self.active ^= 1;
        self.position = 0;
    }

    /// Writes one commit and waits until it is durable.
    pub(super) fn append(&mut self, changes: &Overlay) -> Result<(), StoreError> {
        self.buffer.clear();
        let at = self.position;
        if at == 0 {
            self.buffer.extend_from_slice(&header_of(MAGIC, self.next));
            self.buffer.resize(FIRST, 0);
        }
        push_record(&mut self.buffer, self.next, changes)?;
        if at + self.buffer.len() > SIZE {
            return Err(StoreError::Failed("a commit is too large for the journal".to_owned()));
        }
        self.write(at)?;
        self.position = at + self.buffer.len();
        self.next += 1;
        // Without it the commit is durable all the same.
        let _ = self.set_mark();
        Ok(())
    }

    fn set_mark(&self) -> io::Result<()> {
        let slot = (self.last() % 2) * SLOT as u64;
        self.mark.write_all_at(&header_of(MARK_MAGIC, self.last()), slot)
    }

    /// Notes that everything so far was acknowledged and is in sled.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        self.turn();
        self.buffer.clear();
        self.buffer.extend_from_slice(&header_of(MAGIC, self.next));
        self.write(0)?;
        self.mark.sync_data().map_err(|e| failed("cannot sync the mark of the journal", e))
    }

    fn write(&self, at: usize) -> Result<(), StoreError> {
        let file = &self.files[self.active];
        file.write_all_at(&self.buffer, at as u64).map_err(|e| match e {
            e if room::is_full(&e) => StoreError::NoRoom,
            e => failed("cannot write the journal", e),
        })?;
        // After a failed sync nobody knows what the disk holds, even when it was for want of room.
        file.sync_data().map_err(|e| failed("cannot sync the journal", e))
    }
}

fn failed(doing: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Failed(format!("{doing}: {why}"))
}

fn header_of(magic: [u8; 8], number: u64) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..8].copy_from_slice(&magic);
    out[8..12].copy_from_slice(&VERSION.to_le_bytes());
    out[12..20].copy_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&out[..20]);
    out[20..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Version and number; nothing when it is not whole.
fn read_header(magic: [u8; 8], octets: &[u8]) -> Option<(u32, u64)> {
    let header = octets.first_chunk::<HEADER>()?;
    let whole = header[..8] == magic[..] && u32_at(header, 20)? == crc32fast::hash(&header[..20]);
    whole.then_some((u32_at(header, 8)?, u64_at(header, 12)?))
}

/// Octets that changes take in a record.
pub(super) fn octets(changes: &Overlay) -> usize {
    changes.iter().map(|(key, value)| 6 + key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// Appends a record.
pub(super) fn push_record(out: &mut Vec<u8>, seq: u64, changes: &Overlay) -> Result<(), StoreError> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME]);
    for (key, value) in changes {
        let key_len = u16::try_from(key.len());
        let value_len = u32::try_from(value.as_ref().map_or(0, Vec::len));
        let (Ok(key_len), Ok(value_len)) = (key_len, value_len) else {
            return Err(StoreError::Failed("a key or value is too large for the journal".to_owned()));
        };
        out.extend_from_slice(&key_len.to_le_bytes());
        out.extend_from_slice(&value.as_ref().map_or(DELETED, |_| value_len).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let len = u32::try_from(out.len() - start - FRAME)
        .map_err(|_| StoreError::Failed("a commit is too large for the journal".to_owned()))?;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..start + 12].copy_from_slice(&seq.to_le_bytes());
    let crc = checksum(&out[start..start + 12], &out[start + FRAME..]);
    out[start + 12..start + 16].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

/// Collects the records up to the first that is not whole, and looks behind it: the highest number found there.
fn read_records(octets: &[u8], records: &mut Vec<(u64, Overlay)>) -> Result<u64, JournalError> {
    let mut at = FIRST;
    let mut last = None;
    while let Some((seq, payload)) = record_at(octets, at, |seq| last.is_none_or(|last| seq == last + 1)) {
        records.push((seq, changes_of(payload).ok_or_else(|| damaged("a journal record is garbled"))?));
        last = Some(seq);
        at += FRAME + payload.len();
    }
    let known = last.unwrap_or(0);
    let plausible = |seq| seq > known && seq - known < u64::from(u32::MAX);
    // Most of a file is zeros, in which no frame begins.
    let blocks = (at..octets.len())
        .step_by(FRAME)
        .filter(|&at| octets.get(at..at + 2 * FRAME) != Some(&[0; 2 * FRAME]));
    let behind = blocks.flat_map(|at| at..at + FRAME).filter_map(|at| record_at(octets, at, plausible));
    Ok(behind.map(|(seq, _)| seq).max().unwrap_or(0))
}

fn record_at(octets: &[u8], at: usize, plausible: impl Fn(u64) -> bool) -> Option<(u64, &[u8])> {
    let record = octets.get(at..)?;
    let seq = u64_at(record, 4)?;
    if seq == 0 || !plausible(seq) {
        return None;
    }
    let payload = record.get(FRAME..FRAME + u32_at(record, 0)? as usize)?;
    (checksum(&record[..12], payload) == u32_at(record, 12)?).then_some((seq, payload))
}

/// The length of the payload behind a record's frame.
pub(super) fn payload_length(frame: &[u8]) -> Option<usize> {
    Some(u32_at(frame, 0)? as usize)
}

/// What the record `number` changes, when it is that one and whole.
pub(super) fn single(record: &[u8], number: u64) -> Option<Overlay> {
    changes_of(record_at(record, 0, |found| found == number)?.1)
}

fn changes_of(mut payload: &[u8]) -> Option<Overlay> {
    let mut out = Overlay::new();
    while !payload.is_empty() {
        let (key_len, rest) = payload.split_first_chunk::<2>()?;
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key_len).into())?;
        let value_len = u32::from_le_bytes(*value_len);
        let (value, rest) =
            rest.split_at_checked(if value_len == DELETED { 0 } else { value_len as usize })?;
        out.insert(key.to_vec(), (value_len != DELETED).then(|| value.to_vec()));
        payload = rest;
    }
    Some(out)
}

fn checksum(frame: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(frame);
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(octets: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(octets.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changes(n: u8) -> Overlay {
        [(vec![n], Some(vec![n; 10])), (vec![n, n], None), (vec![n, n, n], Some(Vec::new()))].into()
    }

    fn found(dir: &Path) -> Found {
        load(dir).unwrap_or_else(|_| panic!("a readable journal"))
    }

    fn fresh() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), 1).unwrap();
        let journal = found(dir.path()).begin(0).unwrap();
        (dir, journal)
    }

    #[test]
    fn commits_come_back_in_order_from_both_files() {
        let (dir, mut journal) = fresh();
        journal.append(&changes(1)).unwrap();
        journal.append(&changes(2)).unwrap();
        journal.turn();
        journal.append(&changes(3)).unwrap();
        let read = found(dir.path());
        assert_eq!(read.records, [(1, changes(1)), (2, changes(2)), (3, changes(3))]);
        assert_eq!((read.acknowledged, read.stray), (3, 0));
        journal.turn();
        journal.append(&changes(4)).unwrap();
        let read = found(dir.path());
        assert_eq!(read.records, [(3, changes(3)), (4, changes(4))], "what a turn left behind is not read");
        // The second record of the first file stands behind a record of another turn.
        assert_eq!((read.acknowledged, read.stray), (4, 0));
        journal.finish().unwrap();
        assert_eq!(found(dir.path()).acknowledged, 4);
    }

    #[test]
    fn the_largest_commit_fits_behind_all_others_and_a_larger_one_nowhere() {
        let (dir, mut journal) = fresh();
        journal.append(&[(vec![0], Some(vec![5; TURN - FIRST - FRAME - 8]))].into()).unwrap();
        assert!(!journal.is_full());
        let large: Overlay = [(vec![1], Some(vec![5; LARGEST]))].into();
        journal.append(&large).unwrap();
        assert!(journal.is_full());
        assert_eq!(found(dir.path()).records[1], (2, large));
        let refused = journal.append(&[(vec![1], Some(vec![5; 128 * 1024]))].into());
        assert_eq!(refused, Err(StoreError::Failed("a commit is too large for the journal".to_owned())));
    }

    fn damage(dir: &Path) -> String {
        match load(dir) {
            Err(JournalError::Damaged(why)) => why,
            _ => panic!("no damage"),
        }
    }

    #[test]
    fn a_file_of_another_size_is_damaged() {
        let (dir, mut journal) = fresh();
        journal.append(&changes(1)).unwrap();
        for name in NAMES {
            for size in [SIZE as u64 - 1, SIZE as u64 + 1, 5] {
                let path = dir.path().join(name);
                let octets = std::fs::read(&path).unwrap();
                File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
                assert!(damage(dir.path()).contains(name), "{name} {size}");
                std::fs::write(&path, octets).unwrap();
            }
        }
        assert_eq!(found(dir.path()).records.len(), 1);
        std::fs::write(dir.path().join(MARK), [0; MARK_SIZE]).unwrap();
        assert_eq!(damage(dir.path()), "the mark of the journal is not readable");
    }

    #[test]
    fn the_mark_tells_a_last_commit_that_is_damaged_from_one_that_was_torn() {
        let (dir, mut journal) = fresh();
        for n in 1..4 {
            journal.append(&changes(n)).unwrap();
        }
        let end = journal.position;
        let file = File::options().write(true).open(dir.path().join(NAMES[0])).unwrap();
        file.write_all_at(&[0; 4], end as u64 - 4).unwrap();
        let read = found(dir.path());
        assert_eq!((read.records.len(), read.acknowledged, read.stray), (2, 3, 0));
        // A power cut may leave an older mark, or one that it tore.
        let mark = File::options().write(true).open(dir.path().join(MARK)).unwrap();
        mark.write_all_at(&[7; 30], SLOT as u64).unwrap();
        assert_eq!(found(dir.path()).acknowledged, 2);
    }

    /// Two files of 512 KiB, the second without a header until it is used, and no mark.
    #[test]
    fn version_one_is_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = vec![0; FIRST];
        let mut header = header_of(MAGIC, 1);
        header[8] = 1;
        let crc = crc32fast::hash(&header[..20]);
        header[20..].copy_from_slice(&crc.to_le_bytes());
        first[..HEADER].copy_from_slice(&header);
        push_record(&mut first, 1, &changes(1)).unwrap();
        first.resize(OLD_SIZE, 0);
        std::fs::write(dir.path().join(NAMES[0]), &first).unwrap();
        std::fs::write(dir.path().join(NAMES[1]), vec![0; OLD_SIZE]).unwrap();
        let read = found(dir.path());
        assert_eq!((read.records.as_slice(), read.acknowledged), ([(1, changes(1))].as_slice(), 0));
        let mut journal = read.begin(1).unwrap();
        journal.append(&changes(2)).unwrap();
        let read = found(dir.path());
        assert_eq!((read.records.as_slice(), read.acknowledged), ([(2, changes(2))].as_slice(), 2));

        std::fs::write(dir.path().join(NAMES[0]), &first[..OLD_SIZE - 1]).unwrap();
        assert_eq!(damage(dir.path()), "journal.0 has 524287 octets and not 524288");
    }

    #[test]
    fn an_acknowledged_commit_that_is_damaged_is_missed() {
        let (dir, mut journal) = fresh();
        for n in 1..4 {
            journal.append(&changes(n)).unwrap();
        }
        let path = dir.path().join(NAMES[0]);
        let mut octets = std::fs::read(&path).unwrap();
        octets[FIRST + FRAME + 3] ^= 1;
        std::fs::write(&path, octets).unwrap();
        let read = found(dir.path());
        assert_eq!((read.records.len(), read.stray), (0, 3));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(load(dir.path()), Err(JournalError::Damaged(_))));
    }

    #[test]
    fn a_newer_journal_is_refused() {
        let (dir, _journal) = fresh();
        let mut header = header_of(MAGIC, 1);
        header[8] = 3;
        let crc = crc32fast::hash(&header[..20]);
        header[20..].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(dir.path().join(NAMES[1]), header).unwrap();
        assert!(matches!(load(dir.path()), Err(JournalError::TooNew(3))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever octet of the last commit is damaged, or from whichever on it is missing, the commits before
        /// it are read and it is not; the next one takes its place.
        #[test]
        fn a_torn_commit_never_happened(at in 0_usize..1000, flip in 1_u8..=255, cut: bool) {
            let (dir, mut journal) = fresh();
            journal.append(&changes(1)).unwrap();
            let start = journal.position;
            journal.append(&changes(2)).unwrap();
            let at = start + at % (journal.position - start);
            // The commit was never durable, so the mark was not written.
            let mark = header_of(MARK_MAGIC, 1);
            let slot = File::options().write(true).open(dir.path().join(MARK)).unwrap();
            slot.write_all_at(&mark, 0).unwrap();
            let path = dir.path().join(NAMES[0]);
            let mut octets = std::fs::read(&path).unwrap();
            if cut {
                prop_assume!(octets[at..journal.position].iter().any(|&b| b != 0));
                octets[at..].fill(0);
            } else {
                octets[at] ^= flip;
            }
            std::fs::write(&path, octets).unwrap();
            let read = found(dir.path());
            prop_assert_eq!(&read.records, &vec![(1, changes(1))]);
            prop_assert_eq!((read.acknowledged, read.stray), (1, 0));
            let mut journal = read.begin(1).unwrap();
            journal.append(&changes(9)).unwrap();
            prop_assert_eq!(found(dir.path()).records, vec![(2, changes(9))]);
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = (header("x", &octets), read_header(MAGIC, &octets));
            let _ = changes_of(&octets);
            let _ = read_records(&octets, &mut Vec::new());
        }
    }
}
