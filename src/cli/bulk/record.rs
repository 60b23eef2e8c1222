//! How far a run came, in a file of JSON lines: the run, then what was asked of each row and what came of it.
//!
//! Before a row is asked for, the file says so for certain, with what came of the rows before it. The `Idempotency-Key` of a
//! row follows from the run and the row, so that a request whose answer was lost is repeated and not made anew; and after
//! the daemon has forgotten the key, the row is not asked for again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::exit::{Exit, Failure};
use crate::cli::files::told;
use crate::clock::Timestamp;
use crate::hex;
use crate::random::Random;

/// For how long a request is repeated under its key: the daemon knows a key for a day.
const REPEATABLE: Duration = Duration::from_secs(23 * 3600);

/// What makes two runs the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    /// The SHA-256 of the CSV file.
    pub(super) file: String,
    /// The SHA-256 of the options that make the messages.
    pub(super) options: String,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// Drawn at the beginning.
    run: String,
    #[serde(flatten)]
    work: Work,
}

/// Every other line: what is known of the row at a line of the CSV file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    line: u64,
    #[serde(flatten)]
    state: State,
}

/// What is known of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// It is asked for since then, RFC 3339.
    Begun(String),
    /// The daemon has it.
    Accepted {
        /// `msg_…`.
        id: String,
        /// Short messages it takes.
        parts: u8,
    },
    /// The daemon refuses it.
    Refused {
        /// The code of the problem.
        code: String,
        /// Its sentence.
        detail: String,
    },
    /// It was asked for, and the daemon would not know any more that it was.
    Unknown {},
}

/// The file, which nobody else goes on from meanwhile.
pub(super) struct Record {
    path: PathBuf,
    file: File,
    run: String,
    rows: BTreeMap<u64, State>,
    /// Lines that are not written yet.
    pending: Vec<u8>,
}

impl Record {
    /// Takes up the run that the file tells of, or begins one.
    pub(super) fn open(path: &Path, work: &Work, now: Timestamp, random: &Random) -> Result<Self, Failure> {
        let failed = |e: io::Error| told(path, &e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => usage(path, "another smsotp goes on from it"),
            TryLockError::Error(e) => failed(e),
        })?;
        let mut octets = Vec::new();
        file.read_to_end(&mut octets).map_err(failed)?;
        // What was being written at a crash counts as not written.
        let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        let (head, rows) = read(&octets[..whole])
            .map_err(|line| usage(path, &format!("line {line} is none that smsotp wrote")))?;
        if head.is_none() && whole < octets.len() && !octets.starts_with(b"{\"run\"") {
            return Err(usage(path, "it is none that smsotp wrote"));
        }
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0)).map(drop)).map_err(failed)?;
        let path = path.to_owned();
        let Some(head) = head else {
            let mut octets = [0; 16];
            random.fill(&mut octets);
            let head = Head { run: hex::encode(&octets).to_lowercase(), work: work.clone() };
            let pending = line(&head);
            let mut record = Self { path, file, run: head.run, rows, pending };
            record.sync()?;
            record.keep_name().map_err(|e| told(&record.path, &e))?;
            return Ok(record);
        };
        if head.work != *work {
            let what =
                if head.work.file == work.file { "other options" } else { "another content of the file" };
            let begun = rows.len();
            let why = format!(
                "it is of a run with {what}, which came to {begun} rows. Run that again as it was, or remove this file to \
                 begin anew with all rows"
            );
            return Err(usage(&path, &why));
        }
        let mut record = Self { path, file, run: head.run, rows, pending: Vec::new() };
        record.give_up_forgotten(now)?;
        Ok(record)
    }

    /// What is known of a row.
    pub(super) fn of(&self, line: u64) -> Option<&State> {
        self.rows.get(&line)
    }

    /// Whether nothing has to be asked for this row any more.
    pub(super) fn is_settled(&self, line: u64) -> bool {
        self.of(line).is_some_and(|state| !matches!(state, State::Begun(_)))
    }

    /// The `Idempotency-Key` of a row.
    pub(super) fn key(&self, line: u64) -> String {
        format!("smsotp-csv-{}-{line}", self.run)
    }

    /// Writes for certain that a row is asked for, with what came of those before it.
    pub(super) fn begin(&mut self, line: u64, now: Timestamp) -> Result<(), Failure> {
        // A row that is asked for again is as old as the first time.
        if self.of(line).is_none() {
            self.note(line, State::Begun(now.to_string()));
        }
        self.sync()
    }

    /// Notes what came of a row. It is on disk with the next `begin` or `sync`; a process that is killed leaves it.
    pub(super) fn end(&mut self, line: u64, state: State) -> Result<(), Failure> {
        self.note(line, state);
        self.write()
    }

    /// Writes for certain what is known.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        self.write()?;
        self.file.sync_data().map_err(|e| told(&self.path, &e))
    }

    fn note(&mut self, row: u64, state: State) {
        self.pending.extend(line(&Entry { line: row, state: state.clone() }));
        self.rows.insert(row, state);
    }

    fn write(&mut self) -> Result<(), Failure> {
        self.file.write_all(&self.pending).map_err(|e| told(&self.path, &e))?;
        self.pending.clear();
        Ok(())
    }

    /// The name of a new file is on disk when its folder is.
    fn keep_name(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// A row whose answer is open since so long that the daemon may not know its key is not asked for again.
    fn give_up_forgotten(&mut self, now: Timestamp) -> Result<(), Failure> {
        let repeatable =
            |at: &str| at.parse::<Timestamp>().is_ok_and(|at| at <= now && now.since(at) < REPEATABLE);
        let open = self.rows.iter().filter(|(_, state)| matches!(state, State::Begun(at) if !repeatable(at)));
        for line in open.map(|(line, _)| *line).collect::<Vec<_>>() {
            self.note(line, State::Unknown {});
        }
        self.sync()
    }
}

type Known = (Option<Head>, BTreeMap<u64, State>);

/// What whole lines say; the error is the number of the line that says nothing known.
fn read(octets: &[u8]) -> Result<Known, usize> {
    let (mut head, mut rows) = (None, BTreeMap::new());
    for (n, line) in octets.split_inclusive(|octet| *octet == b'\n').enumerate() {
        if head.is_none() {
            head = Some(serde_json::from_slice::<Head>(line).map_err(|_| n + 1)?);
        } else {
            let entry: Entry = serde_json::from_slice(line).map_err(|_| n + 1)?;
            rows.insert(entry.line, entry.state);
        }
    }
    Ok((head, rows))
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and an enum of them are always JSON.
    let mut octets = serde_json::to_vec(value).expect("a record is JSON");
    octets.push(b'\n');
    octets
}

fn usage(path: &Path, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn work(file: &str) -> Work {
        Work { file: file.to_owned(), options: "o".to_owned() }
    }

    fn open(path: &Path, now: Timestamp) -> Result<Record, Failure> {
        Record::open(path, &work("f"), now, &Random::seeded(7))
    }

    fn accepted() -> State {
        State::Accepted { id: "msg_1".to_owned(), parts: 2 }
    }

    #[test]
    fn a_run_goes_on_under_its_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("progress");
        let mut record = open(&path, NOON).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(open(&path, NOON).err().unwrap().exit, Exit::Usage, "one at a time");
        record.begin(2, NOON).unwrap();
        record.end(2, accepted()).unwrap();
        record.begin(3, NOON).unwrap();
        let key = record.key(3);
        drop(record);
        // A line that was being written when the machine stopped.
        let mut octets = std::fs::read(&path).unwrap();
        octets.extend(b"{\"line\":3,\"accep");
        std::fs::write(&path, octets).unwrap();
        let record =
            Record::open(&path, &work("f"), NOON, &Random::seeded(8)).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((record.of(2), record.key(3)), (Some(&accepted()), key));
        assert!(record.is_settled(2) && !record.is_settled(3) && !record.is_settled(4));
        assert!(std::fs::read(&path).unwrap().ends_with(b"\n"));
    }

    #[test]
    fn another_file_and_other_options_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("progress");
        drop(open(&path, NOON).unwrap_or_else(|e| panic!("{e:?}")));
        let other = Work { options: "p".to_owned(), ..work("f") };
        for (work, why) in [(work("g"), "another content of the file"), (other, "other options")] {
            let failure = Record::open(&path, &work, NOON, &Random::seeded(7)).err().unwrap();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(why), "{}", failure.message);
        }
        for theirs in ["{}\nx", "to,text\n+41", "a letter"] {
            std::fs::write(&path, theirs).unwrap();
            assert!(open(&path, NOON).err().unwrap().message.contains("is none that smsotp wrote"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs, "it is left as it was");
        }
        // The beginning of a run, broken off at once.
        std::fs::write(&path, "{\"run\":\"0").unwrap();
        assert_eq!(open(&path, NOON).unwrap_or_else(|e| panic!("{e:?}")).of(2), None);
    }

    #[test]
    fn a_row_whose_key_is_forgotten_is_not_asked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let hour = |hours: u64| Timestamp::from_millis(NOON.as_millis() + hours * 3_600_000);
        for (now, unknown) in [(hour(22), false), (hour(23), true), (Timestamp::from_millis(1), true)] {
            let path = dir.path().join(now.to_string());
            open(&path, NOON).unwrap_or_else(|e| panic!("{e:?}")).begin(2, NOON).unwrap();
            for _ in 0..2 {
                let record = open(&path, now).unwrap_or_else(|e| panic!("{e:?}"));
                assert_eq!(record.is_settled(2), unknown, "{now}");
                assert_eq!(record.of(2) == Some(&State::Unknown {}), unknown);
            }
        }
    }

    #[test]
    fn a_repeated_request_is_as_old_as_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("progress");
        let mut record = open(&path, NOON).unwrap_or_else(|e| panic!("{e:?}"));
        record.begin(2, NOON).unwrap();
        record.begin(2, Timestamp::from_millis(NOON.as_millis() + 1000)).unwrap();
        assert_eq!(record.of(2), Some(&State::Begun(NOON.to_string())));
    }
}
