//! The trap of sled 0.34's start-up: a stop while `snap.N.generating` is written keeps it from opening ever
//! again, and deleting that file blindly can lose everything, since the old snapshot may be gone already.
//!
//! The cure is to finish what sled began: a file whose own checksum fits becomes the snapshot, a torn one goes.

use std::fs::File;
use std::io;
use std::path::Path;

const UNFINISHED: &str = ".generating";

/// A snapshot ends with two numbers of its own and a CRC-32 of everything before these twelve octets.
const TRAILER: usize = 12;

/// Finishes or removes every unfinished snapshot.
pub(super) fn snapshots(dir: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(finished) = name.strip_suffix(UNFINISHED).filter(|n| n.starts_with("snap.")) else {
            continue;
        };
        if is_whole(&std::fs::read(&path)?) {
            File::open(&path)?.sync_all()?;
            std::fs::rename(&path, path.with_file_name(finished))?;
            tracing::warn!("finished a snapshot that a stop had interrupted: {name}");
        } else {
            std::fs::remove_file(&path)?;
            tracing::warn!("removed a torn snapshot that a stop had left: {name}");
        }
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some((body, trailer)) = bytes.len().checked_sub(TRAILER).map(|at| bytes.split_at(at)) else {
        return false;
    };
    let crc = trailer.last_chunk::<4>().map(|crc| u32::from_le_bytes(*crc));
    !body.is_empty() && crc == Some(crc32fast::hash(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_snapshot_is_kept_and_a_torn_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut whole = b"body and more".to_vec();
        let crc = crc32fast::hash(&whole);
        whole.extend_from_slice(&[0; 8]);
        whole.extend_from_slice(&crc.to_le_bytes());
        std::fs::write(dir.path().join("snap.00A1.generating"), &whole).unwrap();
        std::fs::write(dir.path().join("snap.00A2.generating"), &whole[..whole.len() - 1]).unwrap();
        std::fs::write(dir.path().join("db"), b"log").unwrap();
        snapshots(dir.path()).unwrap();
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["db", "snap.00A1"]);
        snapshots(&dir.path().join("none yet")).unwrap();
    }
}
