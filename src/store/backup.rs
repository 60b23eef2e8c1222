//! A copy of the whole store while it goes on, and the way back into an empty folder.
//!
//! A backup is a header (magic, layout, CRC-32) and the journal's records in order, numbered from 1: first every
//! key and value as a scan found them, then each commit that was made while the scan ran, last an empty record.
//! The scan may see any of those commits or not; made again over what it saw, they give the state at the end. Where
//! several hosts commit, the scan sees one state instead, and no commit follows.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::committer::Job;
use super::disk::Disk;
use super::engine::{Engine, Order, Overlay, walk};
use super::health::Health;
use super::open::{self, OpenError, Options, SCHEMA};
use super::postgres::{DatabaseUrl, Filling};
use super::records::Records as _;
use super::{KeyRecords as _, Store, StoreError, View, journal, keys};
use crate::secret::{Key, Master, Secret};

const MAGIC: &[u8; 8] = b"smsotp-b";
/// Key of what is not the store's own; the octet stands for no kind of record.
const ATTACHED: &[u8] = b"\0";
/// Pairs of a scan in one record.
const BATCH: usize = 64;
/// No record is longer: a commit has at most 256 moves of a few small records.
const LONGEST: usize = 256 * 1024 * 1024;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is something already.
    #[error("{0} is there already: a backup is restored into an empty state folder only")]
    NotEmpty(PathBuf),
    /// The database has records.
    #[error("the database {0} has records already: a backup is restored into an empty database only")]
    HasRecords(String),
    /// It is none, or not a whole one.
    #[error("the backup cannot be used: {0}")]
    Damaged(&'static str),
    /// A later version made it.
    #[error("the backup has layout {0}; this version knows {SCHEMA}: install the newer smsotpd")]
    TooNew(u32),
    /// It cannot be read.
    #[error("the backup cannot be read: {0}")]
    Read(io::Error),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] StoreError),
    /// The folder.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Store {
    /// Gives the octets of a backup to `sink`, piece by piece, as fast as they are taken; an error is the last
    /// piece. Ends early when nobody takes them. `attached` goes with them and comes back from [`restore`].
    pub async fn back_up(
        &self,
        attached: Option<Secret<Vec<u8>>>,
        sink: mpsc::Sender<Result<Vec<u8>, StoreError>>,
    ) {
        if let Err(error) = self.back_up_to(attached, sink.clone()).await {
            // Nobody may be left to hear it.
            let _ = sink.send(Err(error)).await;
        }
    }

    async fn back_up_to(
        &self,
        attached: Option<Secret<Vec<u8>>>,
        sink: mpsc::Sender<Result<Vec<u8>, StoreError>>,
    ) -> Result<(), StoreError> {
        let (record, recorded) = std_mpsc::channel();
        let (begun, beginning) = oneshot::channel();
        self.0.jobs.send(Job::Record { to: record, begun }).await.map_err(|_| StoreError::Closed)?;
        beginning.await.map_err(|_| StoreError::Closed)?;

        let mut writer = Writer { sink, next: 1 };
        let attached =
            attached.map(|octets| Overlay::from([(ATTACHED.to_vec(), Some(octets.expose().clone()))]));
        let scanned = self.read(move |view| {
            let mut fault = writer.header().and_then(|()| attached.map_or(Ok(()), |a| writer.record(&a)));
            let mut batch = Overlay::new();
            let everything = vec![1]..vec![u8::MAX];
            let mut visit = |key: &[u8], value: &[u8]| {
                if !keys::is_own(key) {
                    batch.insert(key.to_vec(), Some(value.to_vec()));
                }
                if batch.len() == BATCH {
                    fault = fault.clone().and_then(|()| writer.record(&std::mem::take(&mut batch)));
                }
                fault.is_ok()
            };
            let snapshot = view.snapshot()?;
            walk(everything, Order::Ascending, &mut visit, |range, limit| match &snapshot {
                Some(snapshot) => snapshot.chunk(range, Order::Ascending, limit),
                None => view.chunk(range, Order::Ascending, limit),
            })?;
            fault?;
            if !batch.is_empty() {
                writer.record(&batch)?;
            }
            Ok::<_, StoreError>((writer, snapshot.is_some()))
        });
        let (mut writer, is_whole) = match scanned.await? {
            Err(StoreError::Aborted(_)) => return Ok(()),
            scanned => scanned?,
        };
        // Whatever the scan saw was committed before this move, and is recorded when it answers.
        self.transact(|_| ()).await?;
        // What one state has, no commit before or behind it adds to.
        let commits: Vec<Overlay> = recorded.try_iter().filter(|_| !is_whole).collect();
        drop(recorded);
        tokio::task::spawn_blocking(move || {
            for changes in commits {
                writer.record(&changes)?;
            }
            writer.record(&Overlay::new())
        })
        .await
        .map_err(|e| StoreError::Failed(format!("a backup ended early: {e}")))
        .flatten()
        .or_else(|e| if matches!(e, StoreError::Aborted(_)) { Ok(()) } else { Err(e) })
    }
}

struct Writer {
    sink: mpsc::Sender<Result<Vec<u8>, StoreError>>,
    next: u64,
}

impl Writer {
    fn header(&self) -> Result<(), StoreError> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&SCHEMA.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        self.give(out)
    }

    fn record(&mut self, changes: &Overlay) -> Result<(), StoreError> {
        let mut out = Vec::new();
        journal::push_record(&mut out, self.next, changes)?;
        self.next += 1;
        self.give(out)
    }

    fn give(&self, octets: Vec<u8>) -> Result<(), StoreError> {
        self.sink.blocking_send(Ok(octets)).map_err(|_| StoreError::Aborted("nobody takes the backup"))
    }
}

/// A store from a backup, whole, that is not in its place yet. It is gone when it is dropped.
pub struct Restored {
    place: Place,
    attached: Option<Secret<Vec<u8>>>,
}

enum Place {
    Folder { dir: PathBuf, unfinished: PathBuf, disk: Option<Arc<Disk>> },
    Database(Arc<Filling>),
}

/// Makes the store for `dir`, which must not be there, from a backup: whole or not at all.
pub fn restore(dir: &Path, from: &mut dyn Read) -> Result<Restored, RestoreError> {
    if dir.exists() {
        return Err(RestoreError::NotEmpty(dir.to_owned()));
    }
    let unfinished = dir.with_extension("restoring");
    if unfinished.exists() {
        let io = |source| OpenError::Io { path: dir.to_owned(), source };
        std::fs::remove_dir_all(&unfinished).map_err(io)?;
    }
    let place = Place::Folder { dir: dir.to_owned(), unfinished: unfinished.clone(), disk: None };
    let mut restored = Restored { place, attached: None };
    let options = Options { look_within: Duration::MAX, ..Options::default() };
    let health = Arc::new(Health::new());
    let filled = open::disk(&unfinished, &options, &health)?;
    restored.fill(&filled, from)?;
    filled.finish()?;
    drop(filled);
    // Once more from the files, with the look at every record.
    let looked = open::disk(&unfinished, &options, &health)?;
    if let Place::Folder { disk, .. } = &mut restored.place {
        *disk = Some(Arc::new(looked));
    }
    Ok(restored)
}

/// Fills a database, which must not have records, from a backup: whole or not at all.
pub fn restore_postgres(url: &DatabaseUrl, from: &mut dyn Read) -> Result<Restored, RestoreError> {
    let filling = Filling::begin(url)?.ok_or_else(|| RestoreError::HasRecords(url.to_string()))?;
    let filling = Arc::new(filling);
    let mut restored = Restored { place: Place::Database(Arc::clone(&filling)), attached: None };
    restored.fill(&*filling, from)?;
    Ok(restored)
}

impl Restored {
    /// What was attached.
    pub const fn attached(&self) -> Option<&Secret<Vec<u8>>> {
        self.attached.as_ref()
    }

    /// Whether this is the key of what is in it.
    pub fn is_of(&self, master: &Master) -> Result<bool, RestoreError> {
        let engine: Arc<dyn Engine> = match &self.place {
            Place::Folder { disk: Some(disk), .. } => Arc::<Disk>::clone(disk),
            Place::Folder { disk: None, .. } => return Ok(false),
            Place::Database(filling) => Arc::<Filling>::clone(filling),
        };
        let view = View::new(engine, Arc::default(), None);
        Ok(match view.keyring()? {
            Some(keyring) => keyring.is_of(master),
            None => view.is_of(&Key::from_bytes(*master.expose()))?,
        })
    }

    /// Puts it in its place.
    pub fn put_in_place(mut self) -> Result<(), RestoreError> {
        let (dir, unfinished, disk) = match &mut self.place {
            Place::Folder { dir, unfinished, disk } => (&*dir, &*unfinished, disk.take()),
            Place::Database(filling) => return Ok(filling.end()?),
        };
        if let Some(disk) = disk {
            disk.finish()?;
        }
        let io = |source| OpenError::Io { path: dir.clone(), source };
        std::fs::rename(unfinished, dir).map_err(io)?;
        let above = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(File::open(above).and_then(|above| above.sync_all()).map_err(io)?)
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        // The database forgets by itself what was not ended.
        if let Place::Folder { unfinished, disk, .. } = &mut self.place {
            drop(disk.take());
            // After it was put in its place there is none. What is left is removed by the next attempt, at the latest.
            let _ = std::fs::remove_dir_all(unfinished);
        }
    }
}

impl Restored {
    fn fill(&mut self, engine: &dyn Engine, from: &mut dyn Read) -> Result<(), RestoreError> {
        read_header(from)?;
        for number in 1.. {
            let mut changes = read_record(from, number)?;
            if changes.is_empty() {
                break;
            }
            if let Some(octets) = changes.remove(ATTACHED) {
                self.attached = octets.map(Secret::new);
            }
            // In pieces that the journal takes: the store is used only when it has all of them.
            let changes: Vec<_> = changes.into_iter().collect();
            for some in changes.chunks(BATCH) {
                engine.commit(some.iter().cloned().collect())?;
            }
        }
        if from.read(&mut [0]).map_err(RestoreError::Read)? > 0 {
            return Err(RestoreError::Damaged("something stands behind its end"));
        }
        Ok(())
    }
}

fn read_header(from: &mut dyn Read) -> Result<(), RestoreError> {
    let mut header = [0; 16];
    read_exact(from, &mut header)?;
    let [.., a, b, c, d] = header;
    if header[..8] != MAGIC[..] || u32::from_le_bytes([a, b, c, d]) != crc32fast::hash(&header[..12]) {
        return Err(RestoreError::Damaged("it is no backup of smsotpd"));
    }
    match u32::from_le_bytes([header[8], header[9], header[10], header[11]]) {
        schema if schema > SCHEMA => Err(RestoreError::TooNew(schema)),
        _ => Ok(()),
    }
}

fn read_record(from: &mut dyn Read, number: u64) -> Result<Overlay, RestoreError> {
    let mut record = vec![0; journal::FRAME];
    read_exact(from, &mut record)?;
    let length = journal::payload_length(&record).filter(|&length| length <= LONGEST);
    let length = length.ok_or(RestoreError::Damaged("a record of it is garbled"))?;
    from.take(length as u64).read_to_end(&mut record).map_err(RestoreError::Read)?;
    journal::single(&record, number).ok_or(RestoreError::Damaged("it is cut off or garbled"))
}

fn read_exact(from: &mut dyn Read, octets: &mut [u8]) -> Result<(), RestoreError> {
    from.read_exact(octets).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => RestoreError::Damaged("it is cut off"),
        _ => RestoreError::Read(e),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn octets_of(store: &Store, attached: Option<Secret<Vec<u8>>>) -> Vec<u8> {
        let (sink, mut source) = mpsc::channel(1);
        let copy = store.clone();
        let backup = tokio::spawn(async move { copy.back_up(attached, sink).await });
        let mut octets = Vec::new();
        while let Some(piece) = source.recv().await {
            octets.extend(piece.unwrap());
        }
        backup.await.unwrap();
        octets
    }

    async fn note(store: &Store, n: u32) {
        // Two records that are always equal, far apart in the order of keys.
        let value = n.to_be_bytes();
        let both = move |tx: &mut super::super::Tx<'_>| {
            tx.put_meta("a", &value);
            tx.put_meta(&format!("n{n:06}"), &value);
            tx.put_meta("z", &value);
        };
        store.transact(both).await.unwrap();
    }

    async fn noted(store: &Store, name: &'static str) -> Option<Vec<u8>> {
        store.read(move |view| view.meta(name)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_was_there_comes_back_with_what_was_attached() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("one"), &Options::default()).unwrap();
        for n in 0..200 {
            note(&store, n).await;
        }
        let octets = octets_of(&store, Some(Secret::new(vec![7; 32]))).await;
        store.close().await;
        let two = dir.path().join("two");
        let restored = restore(&two, &mut octets.as_slice()).unwrap();
        assert_eq!(restored.attached().unwrap().expose(), &[7; 32]);
        drop(restored);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "what is not wanted is gone");
        restore(&two, &mut octets.as_slice()).unwrap().put_in_place().unwrap();
        assert!(matches!(restore(&two, &mut octets.as_slice()), Err(RestoreError::NotEmpty(_))));
        let store = Store::open(&two, &Options::default()).unwrap();
        assert_eq!(noted(&store, "n000123").await.unwrap(), 123_u32.to_be_bytes());
        note(&store, 1000).await;
        assert_eq!(noted(&store, "n001000").await.unwrap(), 1000_u32.to_be_bytes(), "it goes on");
        store.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn commits_during_the_scan_are_in_it_whole() {
        let store = Store::in_memory();
        for n in 0..500 {
            note(&store, n).await;
        }
        let (sink, mut source) = mpsc::channel(1);
        let copy = store.clone();
        let backup = tokio::spawn(async move { copy.back_up(None, sink).await });
        let mut octets = source.recv().await.unwrap().unwrap();
        let mut n = 500;
        while let Some(piece) = source.recv().await {
            octets.extend(piece.unwrap());
            note(&store, n).await;
            n += 1;
        }
        backup.await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        restore(&dir.path().join("store"), &mut octets.as_slice()).unwrap().put_in_place().unwrap();
        let restored = Store::open(&dir.path().join("store"), &Options::default()).unwrap();
        let (a, z) = (noted(&restored, "a").await.unwrap(), noted(&restored, "z").await.unwrap());
        assert_eq!(a, z);
        let last = u32::from_be_bytes(a.try_into().unwrap());
        assert!(last > 500, "{last}");
        let all = restored.read(|view| {
            let mut names = 0;
            walk(
                vec![1]..vec![255],
                Order::Ascending,
                &mut |key, _| {
                    names += u32::from(key.starts_with(b"Zn"));
                    true
                },
                |r, l| view.chunk(r, Order::Ascending, l),
            )
            .map(|()| names)
        });
        assert_eq!(all.await.unwrap().unwrap(), last + 1);
    }

    #[tokio::test]
    async fn a_taker_who_leaves_ends_it() {
        let store = Store::in_memory();
        for n in 0..200 {
            note(&store, n).await;
        }
        let (sink, source) = mpsc::channel(1);
        drop(source);
        let ended = tokio::time::timeout(Duration::from_secs(10), store.back_up(None, sink)).await;
        ended.unwrap();
        note(&store, 999).await;
    }

    #[tokio::test]
    async fn whatever_is_cut_off_or_turned_is_refused_and_leaves_nothing() {
        let store = Store::in_memory();
        for n in 0..3 {
            note(&store, n).await;
        }
        let octets = octets_of(&store, None).await;
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("store");
        for at in [0, 5, 16, 20, octets.len() / 2, octets.len() - 16, octets.len() - 1] {
            assert!(restore(&to, &mut &octets[..at]).is_err(), "cut at {at}");
            let mut turned = octets.clone();
            turned[at] ^= 1;
            assert!(restore(&to, &mut turned.as_slice()).is_err(), "turned at {at}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        let mut newer = octets.clone();
        newer[8] = 9;
        let crc = crc32fast::hash(&newer[..12]);
        newer[12..16].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(restore(&to, &mut newer.as_slice()), Err(RestoreError::TooNew(9))));
    }
}
