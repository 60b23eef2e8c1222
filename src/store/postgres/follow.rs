//! How far this host has followed the commits of all: each is taken up once and in order, in a turn or when the database
//! tells of it, whichever comes first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::{Client, Statement};

use super::super::engine::{Overlay, Told};
use super::super::journal;
use super::cache::Cache;
use super::fault::Fault;

/// Commits that are read at once.
const SOME: i64 = 256;

pub(super) struct Follower {
    /// The number of the last commit that was taken up. Held while this host commits as well, so that its own commit is
    /// never taken for another's.
    seen: tokio::sync::Mutex<u64>,
    told: Mutex<Option<Told>>,
    cache: Mutex<Cache>,
}

/// How a session asks for commits.
pub(super) struct Since {
    number: Statement,
    since: Statement,
}

impl Since {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Fault> {
        Ok(Self {
            number: client.prepare("SELECT number FROM smsotp_turn").await?,
            since: client
                .prepare(
                    "SELECT number, changes FROM smsotp_commits WHERE number > $1 ORDER BY number LIMIT $2",
                )
                .await?,
        })
    }
}

impl Since {
    /// The number of the last commit of all.
    pub(super) async fn last(&self, client: &Client) -> Result<u64, Fault> {
        Ok(number_in(client.query_one(&self.number, &[]).await?.get(0)))
    }
}

impl Follower {
    pub(super) fn from(number: u64) -> Self {
        Self {
            seen: tokio::sync::Mutex::new(number),
            told: Mutex::new(None),
            cache: Mutex::new(Cache::new(number)),
        }
    }

    pub(super) fn follow(&self, told: Told) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is taken up meanwhile.
    pub(super) async fn hold(&self) -> tokio::sync::MutexGuard<'_, u64> {
        self.seen.lock().await
    }

    /// Takes up what was committed before this turn, which comes behind the commit of that number.
    pub(super) async fn catch_up_to(&self, client: &Client, ask: &Since, number: u64) -> Result<(), Fault> {
        let mut seen = self.seen.lock().await;
        if number < *seen {
            // The server's answer is of before this host slept, and it took the turn away since; others committed then. A
            // database that was put back is found by whoever asks it anew, below.
            return Err(Fault::Away("the turn ended while this host slept".to_owned()));
        }
        if *seen != number {
            self.take_up(client, ask, &mut seen, number).await?;
        }
        Ok(())
    }

    /// Takes up what was committed until now.
    pub(super) async fn catch_up(&self, client: &Client, ask: &Since) -> Result<(), Fault> {
        let mut seen = self.seen.lock().await;
        let number = ask.last(client).await?;
        if *seen != number {
            self.take_up(client, ask, &mut seen, number).await?;
        }
        Ok(())
    }

    async fn take_up(&self, client: &Client, ask: &Since, seen: &mut u64, number: u64) -> Result<(), Fault> {
        if number < *seen {
            return Err(Fault::Broken(format!(
                "its last commit is number {number}, and {seen} were made: it was put back to an earlier state"
            )));
        }
        while *seen < number {
            let behind = i64::try_from(*seen).unwrap_or(i64::MAX);
            let rows = client.query(&ask.since, &[&behind, &SOME]).await?;
            if rows.is_empty() {
                return Err(missed(*seen + 1));
            }
            for row in rows {
                let next = number_in(row.get(0));
                if next != *seen + 1 {
                    return Err(missed(*seen + 1));
                }
                let changes = journal::single(row.get(1), next)
                    .ok_or_else(|| Fault::Broken(format!("commit {next} is garbled")))?;
                self.tell(next, changes);
                *seen = next;
            }
        }
        Ok(())
    }

    fn tell(&self, number: u64, changes: Overlay) {
        if let Some(told) = &*self.told.lock().unwrap_or_else(PoisonError::into_inner) {
            told(&changes);
        }
        self.cache().committed(number, changes);
    }
}

/// A number as the database has it.
pub(super) fn number_in(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn missed(number: u64) -> Fault {
    Fault::Behind(format!(
        "this host was away for so long that commit {number} of another one is not kept any more"
    ))
}
