//! The journal: each commit is appended to one file of fixed size and made durable with one `fdatasync`; sled
//! gets many commits at once, when the journal is full.
//!
//! A commit straight into sled waits for the disk twice (its own `sync_file_range`, then the `fdatasync` that
//! makes it durable) and rewrites pages of several KiB. The journal's octets exist before they are written, so
//! that a commit changes no metadata of the file system.
//!
//! ```text
//! file   = header, records, whatever was there before
//! header = magic (8), generation (8), CRC-32 of both (4), padding to 4096
//! record = length of body (4), CRC-32 of generation, sequence and body (4), sequence (8), body
//! body   = { length of key (2), length of value + 1 or 0 for "removed" (4), key, value }
//! ```
//! Numbers are little-endian. The first record that is not whole, or of another generation, ends the journal: a
//! commit that was torn was never answered.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::engine::Op;

const MAGIC: &[u8; 8] = b"smsotpj1";
const HEADER: u64 = 4096;
const SIZE: u64 = 1024 * 1024;
const FRAME: usize = 16;

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    generation: u64,
    at: u64,
}

/// A commit that sled may not have yet.
pub(super) type Replay = (u64, Vec<Op>);

impl Journal {
    /// Opens or makes the journal; gives back its commits, oldest first.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Replay>)> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() < SIZE {
            // New, or its making was interrupted: nothing was ever answered from it.
            file.write_all_at(&vec![0; usize::try_from(SIZE).unwrap_or(0)], 0)?;
            file.sync_all()?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let mut octets = vec![0; usize::try_from(SIZE).unwrap_or(0)];
        file.read_exact_at(&mut octets, 0)?;
        let generation = match parse_header(&octets) {
            Some(generation) => generation,
            None if octets[..20].iter().all(|&b| b == 0) => {
                let mut fresh = Self { file, generation: 0, at: HEADER };
                fresh.clear()?;
                return Ok((fresh, Vec::new()));
            }
            None => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "its header is damaged"));
            }
        };
        let mut replay = Vec::new();
        let mut rest = octets.get(usize::try_from(HEADER).unwrap_or(usize::MAX)..).unwrap_or_default();
        while let Some((record, behind)) = parse_record(rest, generation) {
            replay.push(record);
            rest = behind;
        }
        let at = SIZE - rest.len() as u64;
        Ok((Self { file, generation, at }, replay))
    }

    /// Appends a commit and makes it durable; false when it does not fit.
    pub(super) fn append(&mut self, sequence: u64, ops: &[Op]) -> io::Result<bool> {
        let record = frame(self.generation, sequence, ops);
        if self.at + record.len() as u64 > SIZE {
            return Ok(false);
        }
        self.file.write_all_at(&record, self.at)?;
        self.file.sync_data()?;
        self.at += record.len() as u64;
        Ok(true)
    }

    /// Forgets everything: sled has it.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let generation = self.generation + 1;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&generation.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        self.file.write_all_at(&header, 0)?;
        self.file.sync_data()?;
        (self.generation, self.at) = (generation, HEADER);
        Ok(())
    }
}

fn parse_header(octets: &[u8]) -> Option<u64> {
    let (signed, rest) = octets.split_at_checked(16)?;
    let crc = u32::from_le_bytes(*rest.first_chunk()?);
    let generation = signed.strip_prefix(MAGIC)?;
    (crc == crc32fast::hash(signed)).then_some(u64::from_le_bytes(*generation.first_chunk()?))
}

fn frame(generation: u64, sequence: u64, ops: &[Op]) -> Vec<u8> {
    let mut record = vec![0; FRAME];
    record[8..].copy_from_slice(&sequence.to_le_bytes());
    for (key, value) in ops {
        // Keys are of this room's making and short; a value is at most a few KiB.
        record.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
        let length = value.as_ref().map_or(0, |v| u32::try_from(v.len() + 1).unwrap_or(u32::MAX));
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(key);
        record.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let length = u32::try_from(record.len() - FRAME).unwrap_or(u32::MAX);
    record[..4].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(generation, &record[8..]);
    record[4..8].copy_from_slice(&crc.to_le_bytes());
    record
}

fn checksum(generation: u64, sequence_and_body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&generation.to_le_bytes());
    crc.update(sequence_and_body);
    crc.finalize()
}

fn parse_record(octets: &[u8], generation: u64) -> Option<(Replay, &[u8])> {
    let (head, rest) = octets.split_at_checked(8)?;
    let length = usize::try_from(u32::from_le_bytes(*head.first_chunk()?)).ok()?;
    let crc = u32::from_le_bytes(*head.last_chunk()?);
    let (signed, behind) = rest.split_at_checked(length.checked_add(8)?)?;
    if length == 0 || checksum(generation, signed) != crc {
        return None;
    }
    let (sequence, mut body) = signed.split_first_chunk()?;
    let mut ops = Vec::new();
    while !body.is_empty() {
        let (key_length, rest) = body.split_first_chunk()?;
        let (value_length, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_length)))?;
        let (value, rest) = match u32::from_le_bytes(*value_length).checked_sub(1) {
            Some(length) => {
                let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(value.to_vec()), rest)
            }
            None => (None, rest),
        };
        ops.push((key.to_vec(), value));
        body = rest;
    }
    Some(((u64::from_le_bytes(*sequence), ops), behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(n: u8) -> Vec<Op> {
        vec![(vec![n], Some(vec![n; 10])), (vec![n, n], None)]
    }

    #[test]
    fn commits_come_back_until_they_are_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, replay) = Journal::open(&path).unwrap();
        assert!(replay.is_empty());
        assert!(journal.append(1, &put(1)).unwrap() && journal.append(2, &put(2)).unwrap());
        let (mut journal, replay) = Journal::open(&path).unwrap();
        assert_eq!(replay, [(1, put(1)), (2, put(2))]);
        assert!(journal.append(3, &put(3)).unwrap());
        journal.clear().unwrap();
        assert!(journal.append(4, &put(4)).unwrap());
        let (_, replay) = Journal::open(&path).unwrap();
        assert_eq!(replay, [(4, put(4))], "what an earlier generation left behind is not read");
    }

    #[test]
    fn a_full_journal_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(&dir.path().join("journal")).unwrap();
        let large = vec![(vec![1], Some(vec![0; 300 * 1024]))];
        assert!((0..3).all(|i| journal.append(i, &large).unwrap()));
        assert!(!journal.append(3, &large).unwrap());
        journal.clear().unwrap();
        assert!(journal.append(3, &large).unwrap());
    }

    proptest! {
        /// Whatever octet of the last commit is damaged or missing, the commits before it are read and it is
        /// not.
        #[test]
        fn a_torn_commit_never_happened(at in 0_usize..200, flip in 1_u8..=255, cut in any::<bool>()) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("journal");
            let (mut journal, _) = Journal::open(&path).unwrap();
            journal.append(1, &put(1)).unwrap();
            let start = journal.at;
            journal.append(2, &put(2)).unwrap();
            let at = start + at as u64 % (journal.at - start);
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let mut octet = [0];
            file.read_exact_at(&mut octet, at).unwrap();
            if cut {
                let end = usize::try_from(journal.at - at).unwrap();
                prop_assume!(octet[0] != 0);
                file.write_all_at(&vec![0; end], at).unwrap();
            } else {
                file.write_all_at(&[octet[0] ^ flip], at).unwrap();
            }
            let (mut journal, replay) = Journal::open(&path).unwrap();
            prop_assert_eq!(replay, vec![(1, put(1))]);
            journal.append(2, &put(9)).unwrap();
            prop_assert_eq!(Journal::open(&path).unwrap().1, vec![(1, put(1)), (2, put(9))]);
        }

        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_record(&octets, 1);
            let _ = parse_header(&octets);
        }
    }
}
