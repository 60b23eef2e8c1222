//! A transaction apart from the turns: one state of everything, for a backup, or an empty database that a backup fills,
//! whole or not at all.

use std::ops::Range;
use std::sync::Arc;

use tokio_postgres::Statement;

use super::super::StoreError;
use super::super::engine::{Engine, Order, Overlay, Pair};
use super::super::open::OpenError;
use super::fault::Fault;
use super::link::{LIMIT, Link, Way, within};
use super::reading::{Columns, Questions};
use super::{Base, DatabaseUrl, Own, schema};

/// Whoever takes a backup may be slow.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = '10min'";
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const FILL: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// What a transaction of its own sees.
pub(super) struct Apart {
    link: Link,
    questions: Questions,
    runtime: Arc<Own>,
}

impl Apart {
    /// What is committed now, for as long as this lives.
    pub(super) fn snapshot(base: &Base, runtime: &Arc<Own>) -> Result<Self, Fault> {
        let begun = runtime.block(async { Self::begin(base.connect().await?, SNAPSHOT).await });
        begun.map(|(link, questions)| Self { link, questions, runtime: Arc::clone(runtime) })
    }

    async fn begin(link: Link, how: &str) -> Result<(Link, Questions), Fault> {
        within(LIMIT, async {
            link.batch_execute(PATIENT).await?;
            let questions = Questions::prepare(&link).await?;
            link.batch_execute(how).await?;
            Ok::<_, Fault>((link, questions))
        })
        .await
    }
}

impl Engine for Apart {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = within(LIMIT, self.questions.load(&self.link, key));
        self.runtime.block(answer).map_err(Fault::while_open)
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        let answer = within(LIMIT, self.questions.chunk(&self.link, range, order, limit));
        self.runtime.block(answer).map_err(Fault::while_open)
    }

    fn commit(&self, _changes: Overlay) -> Result<(), StoreError> {
        Err(StoreError::Aborted("what is only read is not written"))
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A database without records that is being filled. Without [`Filling::end`] nothing of it stays.
pub(in super::super) struct Filling {
    apart: Apart,
    put: Statement,
    gone: Statement,
}

impl Filling {
    /// Begins to fill a database; nothing when it has records.
    pub(in super::super) fn begin(url: &DatabaseUrl) -> Result<Option<Self>, OpenError> {
        let runtime = Own::new().map_err(|source| OpenError::Io { path: url.to_string().into(), source })?;
        let begun = runtime.block(async {
            let link = Way::to(url)?.first().await?;
            within(LIMIT, schema::make(&link)).await?;
            within(LIMIT, schema::look(&link)).await?;
            let (link, questions) = Apart::begin(link, FILL).await?;
            within(LIMIT, async {
                link.query_one("SELECT number FROM smsotp_turn FOR UPDATE", &[]).await?;
                let has_records = "SELECT EXISTS (SELECT FROM smsotp_records)";
                if link.query_one(has_records, &[]).await?.get(0) {
                    return Ok(None);
                }
                let put = "INSERT INTO smsotp_records (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[]) \
                           ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";
                let put = link.prepare(put).await?;
                let gone = link.prepare("DELETE FROM smsotp_records WHERE key = ANY($1::bytea[])").await?;
                Ok::<_, Fault>(Some((link, questions, put, gone)))
            })
            .await
        });
        let Some((link, questions, put, gone)) = begun.map_err(|fault: Fault| fault.at_start(url))? else {
            return Ok(None);
        };
        Ok(Some(Self { apart: Apart { link, questions, runtime: Arc::new(runtime) }, put, gone }))
    }

    /// Keeps it all.
    pub(in super::super) fn end(&self) -> Result<(), StoreError> {
        // There are no commits that lead here: a daemon that is up starts anew when it finds the gap.
        let step = "UPDATE smsotp_turn SET number = number + 2; COMMIT";
        self.apart
            .runtime
            .block(within(LIMIT, self.apart.link.batch_execute(step)))
            .map_err(Fault::while_open)
    }
}

impl Engine for Filling {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.apart.load(key)
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.apart.chunk(range, order, limit)
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        let Columns { keys, values, gone } = Columns::of(&changes);
        let link = &self.apart.link;
        self.apart
            .runtime
            .block(within(LIMIT, async {
                link.execute(&self.put, &[&keys, &values]).await?;
                link.execute(&self.gone, &[&gone]).await.map(drop)
            }))
            .map_err(Fault::while_open)
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
