//! A look at the database from outside, for `smsotp doctor`: it changes nothing and takes no turn.

use std::time::Duration;

use tokio_postgres::types::Oid;

use super::fault::Fault;
use super::link::{LIMIT, Link, Way, within};
use super::schema;
use super::url::DatabaseUrl;
use crate::clock::Clock;

/// How the database stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The server's version, such as `15.18`.
    pub version: String,
    /// How far its clock is from this machine's.
    pub clocks_apart: Duration,
    /// Whether the server syncs what it acknowledges.
    pub syncs: bool,
    /// Whether the records are there; made at the first start of a daemon.
    pub has_tables: bool,
    /// The servers that follow it, as far as this role may see: the name of each, whether a commit waits for it, and how far
    /// it is behind.
    pub followers: Vec<(String, bool, Duration)>,
}

impl DatabaseUrl {
    /// Looks at the database; else what is wrong with it, in a sentence without a secret.
    pub async fn survey(&self) -> Result<Survey, String> {
        let sentence = |fault: Fault| fault.at_start(self).to_string();
        let way = Way::to(self).map_err(sentence)?;
        let link = way.first().await.map_err(sentence)?;
        within(LIMIT, look(&link)).await.map_err(sentence)
    }
}

async fn look(link: &Link) -> Result<Survey, Fault> {
    let before = Clock::system().now();
    let row = link
        .query_one(
            "SELECT current_setting('server_version'), current_setting('fsync') = 'on', to_regclass('smsotp_turn')::oid, \
             (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            &[],
        )
        .await?;
    let after = Clock::system().now();
    let shown = u64::try_from(row.get::<_, i64>(3)).unwrap_or_default();
    let shown = crate::clock::Timestamp::from_millis(shown);
    // It was shown between the two.
    let clocks_apart = before.since(shown).max(shown.since(after));
    let has_tables = row.get::<_, Option<Oid>>(2).is_some();
    if has_tables {
        schema::look(link).await?;
    }
    let followers = link
        .query(
            "SELECT COALESCE(application_name, ''), COALESCE(sync_state IN ('sync', 'quorum'), false), \
             COALESCE(extract(epoch FROM replay_lag) * 1000, 0)::bigint FROM pg_stat_replication",
            &[],
        )
        .await?;
    let follower = |row: &tokio_postgres::Row| {
        let behind = Duration::from_millis(u64::try_from(row.get::<_, i64>(2)).unwrap_or_default());
        (row.get(0), row.get(1), behind)
    };
    Ok(Survey {
        version: row.get(0),
        clocks_apart,
        syncs: row.get(1),
        has_tables,
        followers: followers.iter().map(follower).collect(),
    })
}
