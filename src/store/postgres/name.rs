//! A host's name: one live session has it, by an advisory lock that the server lets go of when that session ends.

use std::time::Duration;

use tokio_postgres::Client;

use super::fault::Fault;
use super::link::{LIMIT, within};
use crate::clock::Clock;

/// The first number of the locks of names.
const NAMES: u32 = 0x736d_736f;
/// How often a name is asked for.
const LOOK: Duration = Duration::from_millis(50);
/// Ends the session that has a name when it is one of this engine's own.
const ENDED: &str = "
    SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 2
    AND a.datname = current_database() AND a.application_name = $3 AND a.usename = current_user";

/// Takes the name for this session. An earlier session of the same engine is ended for it: the server may not have seen yet
/// that its connection is gone. Another daemon may take so long to let go.
pub(super) async fn take(
    client: &Client,
    host: &str,
    session: &str,
    patience: Duration,
) -> Result<(), Fault> {
    let clock = Clock::system();
    let began = clock.monotonic();
    let name = crc32fast::hash(host.as_bytes());
    let (class, object) = (NAMES.cast_signed(), name.cast_signed());
    loop {
        let locked =
            async { client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&class, &object]).await };
        if within(LIMIT, locked).await?.get(0) {
            return Ok(());
        }
        let ended = async { client.execute(ENDED, &[&NAMES, &name, &session]).await };
        within(LIMIT, ended).await?;
        if clock.monotonic().saturating_duration_since(began) >= patience {
            return Err(Fault::Taken(format!(
                "host {host} is up already: another smsotpd with this name works on the database; stop it, or give this \
                 one another name with host in [store]"
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}
