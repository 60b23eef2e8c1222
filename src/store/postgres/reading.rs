//! What is committed, read on a connection of its own, which all readers share: their questions go out one behind the other
//! without waiting for the answers in between.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use tokio_postgres::{Client, Row, Statement};

use super::super::engine::{Order, Overlay, Pair};
use super::Base;
use super::fault::Fault;
use super::link::{Again, LIMIT, Link, within};

/// How a session reads.
pub(super) struct Questions {
    load: Statement,
    load_all: Statement,
    up: Statement,
    down: Statement,
}

impl Questions {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Fault> {
        Ok(Self {
            load: client.prepare("SELECT value FROM smsotp_records WHERE key = $1").await?,
            load_all: client
                .prepare("SELECT key, value FROM smsotp_records WHERE key = ANY($1::bytea[])")
                .await?,
            up: client
                .prepare("SELECT key, value FROM smsotp_records WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3")
                .await?,
            down: client
                .prepare(
                    "SELECT key, value FROM smsotp_records WHERE key >= $1 AND key < $2 ORDER BY key DESC LIMIT $3",
                )
                .await?,
        })
    }

    pub(super) async fn load(&self, client: &Client, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let row = client.query_opt(&self.load, &[&key]).await?;
        row.map(|row| opened(key, row.get(0))).transpose()
    }

    /// The values of those keys that have one.
    pub(super) async fn load_all(
        &self,
        client: &Client,
        keys: &[&[u8]],
    ) -> Result<HashMap<Vec<u8>, Result<Vec<u8>, Fault>>, Fault> {
        let rows = client.query(&self.load_all, &[&keys]).await?;
        let value = |row: Row| {
            let key: Vec<u8> = row.get(0);
            let value = opened(&key, row.get(1));
            (key, value)
        };
        Ok(rows.into_iter().map(value).collect())
    }

    /// One statement, so that it sees whole commits.
    pub(super) async fn chunk(
        &self,
        client: &Client,
        range: Range<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Pair>, Fault> {
        if range.start >= range.end || limit == 0 {
            return Ok(Vec::new());
        }
        let statement = match order {
            Order::Ascending => &self.up,
            Order::Descending => &self.down,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = client.query(statement, &[&range.start, &range.end, &limit]).await?;
        let pair = |row: Row| {
            let key: Vec<u8> = row.get(0);
            let value = opened(&key, row.get(1))?;
            Ok((key, value))
        };
        rows.into_iter().map(pair).collect()
    }
}

/// Changes as the table takes them: the keys to put, their values, and the keys to delete.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) values: Vec<Vec<u8>>,
    pub(super) gone: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn of(changes: &Overlay) -> Self {
        let mut columns = Self::default();
        for (key, value) in changes {
            match value {
                Some(value) => {
                    columns.keys.push(key.clone());
                    columns.values.push(closed(key, value));
                }
                None => columns.gone.push(key.clone()),
            }
        }
        columns
    }
}

/// A value as the table has it: a checksum of the key and the value behind it.
fn closed(key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &checksum(key, value)].concat()
}

fn opened(key: &[u8], mut kept: Vec<u8>) -> Result<Vec<u8>, Fault> {
    let fits = kept.split_last_chunk::<4>().is_some_and(|(value, sum)| *sum == checksum(key, value));
    if !fits {
        return Err(Fault::Garbled(crate::hex::encode(key)));
    }
    kept.truncate(kept.len() - 4);
    Ok(kept)
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(value);
    sum.finalize().to_le_bytes()
}

/// The readers' connection, made anew when it is gone.
#[derive(Default)]
pub(super) struct Reader(tokio::sync::Mutex<Option<Arc<Reading>>>);

struct Reading {
    link: Link,
    questions: Questions,
}

impl Reader {
    pub(super) async fn load(&self, base: &Base, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.ask(base, async |reading: &Reading| reading.questions.load(&reading.link, key).await).await
    }

    pub(super) async fn chunk(
        &self,
        base: &Base,
        range: Range<&[u8]>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Pair>, Fault> {
        let ask = async |reading: &Reading| {
            reading.questions.chunk(&reading.link, range.clone(), order, limit).await
        };
        self.ask(base, ask).await
    }

    /// Asks; once more when the connection turns out to have ended while nobody used it.
    async fn ask<T>(
        &self,
        base: &Base,
        question: impl AsyncFn(&Reading) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut again = Again::once();
        loop {
            let reading = self.reading(base).await?;
            let fault = match within(LIMIT, question(&reading)).await {
                Err(fault @ Fault::Away(_)) => fault,
                outcome => return outcome,
            };
            let mut held = self.0.lock().await;
            if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, &reading)) {
                *held = None;
            }
            if !again.may(&fault) {
                return Err(fault);
            }
        }
    }

    async fn reading(&self, base: &Base) -> Result<Arc<Reading>, Fault> {
        let mut held = self.0.lock().await;
        if let Some(reading) = &*held
            && !reading.link.is_closed()
        {
            return Ok(Arc::clone(reading));
        }
        *held = None;
        base.way.known_away()?;
        let link = base.connect().await?;
        let questions = within(LIMIT, Questions::prepare(&link)).await?;
        let reading = Arc::new(Reading { link, questions });
        *held = Some(Arc::clone(&reading));
        Ok(reading)
    }
}
