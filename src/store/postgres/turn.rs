//! The turn: a group of moves runs while its host holds the lock on the one row of `smsotp_turn`, from its first read to
//! its commit, so nobody else commits meanwhile.
//!
//! A turn costs two questions, whatever the number of moves: one takes it and says what the last commit was, one writes
//! and commits. The server takes a turn from a session that is idle for three seconds.

use std::time::Duration;

use tokio_postgres::{Client, Statement};

use super::super::ahead::Rehearsed;
use super::super::engine::Overlay;
use super::super::{StoreError, journal};
use super::Base;
use super::fault::Fault;
use super::follow::{Follower, Since, number_in};
use super::link::{Again, LIMIT, Link, within};
use super::name;
use super::reading::{Columns, Questions};
use crate::clock::Clock;
use crate::random::Random;

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
/// How long it is tried to find out what became of a commit.
const RESOLVE: Duration = Duration::from_secs(2);
/// How long another daemon may have this host's name when the connection was lost.
const NAME: Duration = Duration::from_secs(1);
/// After so many commits old ones are forgotten.
const TRIM: u64 = 128;

/// All of a commit in one statement: the parts of `WITH` are done whether something reads them or not.
const WRITE: &str = "
    WITH put AS (
        INSERT INTO smsotp_records (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[])
        ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value
    ), gone AS (
        DELETE FROM smsotp_records WHERE key = ANY($3::bytea[])
    ), step AS (
        UPDATE smsotp_turn SET number = $4::bigint, host = $5::text
    ), kept AS (
        INSERT INTO smsotp_commits (number, host, mark, changes) VALUES ($4::bigint, $5::text, $6::bytea, $7::bytea)
    )
    SELECT pg_notify('smsotp', $8::text)";
/// The oldest come first in the index: few are looked at.
const FORGET: &str = "
    DELETE FROM smsotp_commits
    WHERE number IN (SELECT number FROM smsotp_commits ORDER BY number LIMIT 512)
    AND at < clock_timestamp() - interval '5 minutes'";

/// The connection that takes turns and has the host's name.
pub(super) struct Writing {
    link: Link,
    turn: Statement,
    found: Statement,
    write: Statement,
    forget: Statement,
    since: Since,
    questions: Questions,
}

impl Writing {
    pub(super) async fn prepare(link: Link) -> Result<Self, Fault> {
        Ok(Self {
            turn: link.prepare("SELECT number FROM smsotp_turn FOR UPDATE").await?,
            found: link.prepare("SELECT mark FROM smsotp_commits WHERE number = $1").await?,
            write: link.prepare(WRITE).await?,
            forget: link.prepare(FORGET).await?,
            since: Since::prepare(&link).await?,
            questions: Questions::prepare(&link).await?,
            link,
        })
    }

    /// Waits for the turn; answers the number of the last commit.
    async fn take(&self) -> Result<u64, Fault> {
        let begun = self.link.batch_execute(BEGIN);
        let locked = self.link.query_one(&self.turn, &[]);
        let (begun, locked) =
            within(LIMIT, async { Ok::<_, Fault>(futures_util::future::join(begun, locked).await) }).await?;
        begun?;
        Ok(number_in(locked?.get(0)))
    }
}

/// Whose turn it is.
enum Turn {
    /// Nobody's here.
    Free,
    /// This host's, behind the commit of this number.
    Held(u64),
    /// It was this host's, and ended before its commit: what ran in it may not be written.
    Lost(String),
}

pub(super) struct Writer {
    writing: Option<Writing>,
    turn: Turn,
}

/// A commit as it is sent.
struct Batch {
    number: i64,
    mark: Vec<u8>,
    columns: Columns,
    changes: Vec<u8>,
}

/// How sending it went.
enum Sent {
    Committed,
    /// The server said no, and kept nothing of it.
    Refused(Fault),
    /// The connection ended before there was an answer.
    Unknown(String),
}

impl Writer {
    pub(super) fn new(writing: Writing) -> Self {
        Self { writing: Some(writing), turn: Turn::Free }
    }

    /// Takes the turn, and up what others committed before it.
    pub(super) async fn prepare(&mut self, base: &Base, follower: &Follower) -> Result<(), Fault> {
        if matches!(self.turn, Turn::Held(_)) {
            self.release().await;
        }
        self.turn = Turn::Free;
        let mut again = Again::once();
        let number = loop {
            let is_connected = self.writing.is_some();
            if !is_connected {
                base.way.known_away()?;
            }
            match self.begin(base, follower).await {
                Ok(number) => break number,
                Err(fault) => {
                    self.writing = None;
                    if !is_connected || !again.may(&fault) {
                        return Err(fault);
                    }
                }
            }
        };
        self.turn = Turn::Held(number);
        Ok(())
    }

    async fn begin(&mut self, base: &Base, follower: &Follower) -> Result<u64, Fault> {
        let writing = self.writing(base).await?;
        let number = writing.take().await?;
        within(LIMIT, follower.catch_up_to(&writing.link, &writing.since, number)).await?;
        Ok(number)
    }

    /// The connection, with the host's name.
    async fn writing(&mut self, base: &Base) -> Result<&Writing, Fault> {
        if self.writing.as_ref().is_none_or(|writing| writing.link.is_closed()) {
            self.writing = None;
            let link = base.connect().await?;
            name::take(&link, &base.host, &base.way.session, NAME).await?;
            self.writing = Some(within(LIMIT, Writing::prepare(link)).await?);
        }
        self.writing.as_ref().ok_or_else(|| Fault::Away("the connection ended".to_owned()))
    }

    /// A record as of the turn; nothing when there is no turn.
    pub(super) async fn load(
        &mut self,
        follower: &Follower,
        key: &[u8],
    ) -> Option<Result<Option<Vec<u8>>, Fault>> {
        let number = match &self.turn {
            Turn::Free => return None,
            Turn::Lost(why) => return Some(Err(Fault::Away(why.clone()))),
            Turn::Held(number) => *number,
        };
        if let Some(known) = follower.cache().get(number, key) {
            return Some(Ok(known));
        }
        let writing = self.writing.as_ref()?;
        let outcome = within(LIMIT, writing.questions.load(&writing.link, key)).await;
        match &outcome {
            Ok(value) => follower.cache().read(number, key, value.as_ref()),
            Err(Fault::Garbled(_)) => {}
            Err(_) => self.lose("the turn ended before its commit"),
        }
        Some(outcome)
    }

    /// Reads at once which of these the cache does not know. When that fails, whoever asks for them one by one is told.
    pub(super) async fn read_ahead(&mut self, follower: &Follower, keys: &Rehearsed) {
        let (Turn::Held(number), Some(writing)) = (&self.turn, &self.writing) else { return };
        let unknown: Vec<&[u8]> = {
            let mut cache = follower.cache();
            keys.iter().filter(|key| cache.get(*number, key).is_none()).collect()
        };
        if unknown.is_empty() {
            return;
        }
        let Ok(found) = within(LIMIT, writing.questions.load_all(&writing.link, &unknown)).await else {
            return self.lose("the turn ended before its commit");
        };
        let mut cache = follower.cache();
        for key in unknown {
            match found.get(key) {
                Some(Ok(value)) => cache.read(*number, key, Some(value)),
                None => cache.read(*number, key, None),
                Some(Err(_)) => {}
            }
        }
    }

    /// Ends the turn without a commit.
    pub(super) async fn release(&mut self) {
        if matches!(std::mem::replace(&mut self.turn, Turn::Free), Turn::Held(_))
            && let Some(writing) = &self.writing
            && within(LIMIT, writing.link.batch_execute("ROLLBACK")).await.is_err()
        {
            self.writing = None;
        }
    }

    fn lose(&mut self, why: &str) {
        self.turn = Turn::Lost(why.to_owned());
        self.writing = None;
    }

    /// Lets go of the turn and the name.
    pub(super) async fn end(&mut self) {
        self.release().await;
        if let Some(writing) = self.writing.take() {
            // The server lets go of it by itself when the connection ends.
            let _ = within(LIMIT, writing.link.batch_execute("SELECT pg_advisory_unlock_all()")).await;
        }
    }

    /// Commits in the turn that `prepare` took, or in one of its own.
    pub(super) async fn commit(
        &mut self,
        base: &Base,
        follower: &Follower,
        changes: Overlay,
    ) -> Result<(), StoreError> {
        if matches!(self.turn, Turn::Free) {
            self.prepare(base, follower).await.map_err(Fault::while_open)?;
        }
        let before = match std::mem::replace(&mut self.turn, Turn::Free) {
            Turn::Held(number) => number,
            Turn::Lost(why) => return Err(StoreError::Away(why)),
            Turn::Free => return Err(StoreError::Away("there was no turn".to_owned())),
        };
        let batch = Batch::of(before + 1, &changes)?;
        // Until it is known what became of it, nobody takes it for a commit of another host.
        let mut seen = follower.hold().await;
        let outcome = match &self.writing {
            Some(writing) => writing.send(base, &batch).await,
            None => Sent::Unknown("the connection ended".to_owned()),
        };
        match outcome {
            Sent::Committed => {}
            Sent::Refused(fault) => {
                self.writing = None;
                return Err(fault.while_open());
            }
            Sent::Unknown(why) => {
                self.writing = None;
                tracing::warn!("whether a commit was made is not known: {why}; the database is asked");
                self.resolve(base, &batch).await.map_err(Fault::while_open)?;
            }
        }
        *seen = before + 1;
        follower.cache().committed(before + 1, changes);
        Ok(())
    }

    /// Finds out what became of a commit. When it was not made, and nobody committed meanwhile, it is made again: the
    /// moves saw what is still there.
    async fn resolve(&mut self, base: &Base, batch: &Batch) -> Result<(), Fault> {
        let clock = Clock::system();
        let began = clock.monotonic();
        loop {
            let outcome = self.try_again(base, batch).await;
            let is_over = clock.monotonic().saturating_duration_since(began) >= RESOLVE;
            match outcome {
                Err(Unresolved::Final(fault)) => return Err(fault),
                Err(Unresolved::Yet(fault)) if is_over => return Err(fault),
                Err(Unresolved::Yet(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn try_again(&mut self, base: &Base, batch: &Batch) -> Result<(), Unresolved> {
        let writing = self.writing(base).await?;
        // The lost session has the turn until what it was told to do is done, or given up.
        let taken = within(LIMIT, async {
            let last = writing.take().await?;
            let row = writing.link.query_opt(&writing.found, &[&batch.number]).await?;
            Ok::<_, Fault>((last, row.map(|row| row.get::<_, Vec<u8>>(0))))
        });
        let (last, mark) = match taken.await {
            Ok(taken) => taken,
            Err(fault) => {
                self.writing = None;
                return Err(fault.into());
            }
        };
        if mark.as_ref() != Some(&batch.mark) && last + 1 == number_in(batch.number) {
            let sent = writing.send(base, batch).await;
            return match sent {
                Sent::Committed => Ok(()),
                Sent::Refused(fault) => {
                    self.writing = None;
                    Err(Unresolved::Final(fault))
                }
                Sent::Unknown(why) => {
                    self.writing = None;
                    Err(Unresolved::Yet(Fault::Away(why)))
                }
            };
        }
        if within(LIMIT, writing.link.batch_execute("ROLLBACK")).await.is_err() {
            self.writing = None;
        }
        if mark.as_ref() == Some(&batch.mark) {
            return Ok(());
        }
        let why = "the turn ended before its commit, and another host committed meanwhile";
        Err(Unresolved::Final(Fault::Away(why.to_owned())))
    }
}

/// Why it is not known what became of a commit, or that it was not made.
enum Unresolved {
    /// It may be asked again.
    Yet(Fault),
    Final(Fault),
}

impl From<Fault> for Unresolved {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away(_) | Fault::Refused(_) => Self::Yet(fault),
            fault => Self::Final(fault),
        }
    }
}

impl Writing {
    async fn send(&self, base: &Base, batch: &Batch) -> Sent {
        let client: &Client = &self.link;
        let own = &base.way.session;
        let Batch { number, mark, columns: Columns { keys, values, gone }, changes } = batch;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
            [keys, values, gone, number, &base.host, mark, changes, own];
        let written = client.execute(&self.write, &values);
        let forgotten = async {
            match number_in(*number) % TRIM {
                0 => client.execute(&self.forget, &[]).await.map(drop),
                _ => Ok(()),
            }
        };
        let committed = client.batch_execute("COMMIT");
        let all = futures_util::future::join3(written, forgotten, committed);
        let Ok((written, forgotten, committed)) = tokio::time::timeout(LIMIT, all).await else {
            return Sent::Unknown(format!("no answer within {} s", LIMIT.as_secs()));
        };
        // After an error in it, a transaction ends with COMMIT as well, and keeps nothing.
        match (written.and(forgotten), committed) {
            (Ok(()), Ok(())) => Sent::Committed,
            (Err(e), Ok(())) if e.as_db_error().is_some() => Sent::Refused(e.into()),
            (Err(e), _) | (Ok(()), Err(e)) => match Fault::from(e) {
                Fault::Away(why) | Fault::Refused(why) | Fault::Broken(why) => Sent::Unknown(why),
                fault => Sent::Refused(fault),
            },
        }
    }
}

impl Batch {
    fn of(number: u64, changes: &Overlay) -> Result<Self, StoreError> {
        let mut mark = vec![0; 16];
        Random::system().fill(&mut mark);
        let mut octets = Vec::new();
        journal::push_record(&mut octets, number, changes)?;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        Ok(Self { number, mark, columns: Columns::of(changes), changes: octets })
    }
}
