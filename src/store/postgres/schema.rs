//! The tables, all of whose names begin with `smsotp_`: made when there are none, refused when a later version made them.
//!
//! `smsotp_records` has the keys and values of every engine, each value with a checksum behind it, since the server's own
//! may be off. `smsotp_turn` is the one row that a host locks for its turn. `smsotp_commits` has what the last minutes'
//! commits changed, from which the other hosts catch up.

use tokio_postgres::Client;
use tokio_postgres::types::Oid;

use super::super::open::SCHEMA;
use super::fault::Fault;

/// The first number of the advisory lock under which the tables are made. Any other may not be one of a name.
const MAKING: i32 = 0x736d_7300;
/// The oldest server whose statements these are.
const OLDEST: i32 = 15;

const TABLES: &str = "
    CREATE TABLE smsotp_records (key bytea PRIMARY KEY, value bytea NOT NULL) WITH (fillfactor = 80);
    CREATE TABLE smsotp_commits (
        number bigint PRIMARY KEY,
        host text NOT NULL,
        mark bytea NOT NULL,
        changes bytea NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE smsotp_turn (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        layout integer NOT NULL,
        fleet bytea NOT NULL,
        number bigint NOT NULL,
        host text NOT NULL
    ) WITH (fillfactor = 10);";

/// What tells one database from another.
pub(super) type Fleet = Vec<u8>;

/// Makes the tables unless they are there.
pub(super) async fn make(client: &Client) -> Result<(), Fault> {
    let version: i32 =
        client.query_one("SELECT current_setting('server_version_num')::integer / 10000", &[]).await?.get(0);
    if version < OLDEST {
        return Err(Fault::Refused(format!(
            "the server is PostgreSQL {version}, and smsotpd needs {OLDEST} or later"
        )));
    }
    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await?;
    client.query_one("SELECT pg_advisory_xact_lock($1, 0)::text", &[&MAKING]).await?;
    let there: Option<Oid> = client.query_one("SELECT to_regclass('smsotp_turn')::oid", &[]).await?.get(0);
    if there.is_none() {
        client.batch_execute(TABLES).await?;
        client
            .execute(
                "INSERT INTO smsotp_turn (layout, fleet, number, host) \
                 VALUES ($1, uuid_send(gen_random_uuid()), 0, '')",
                &[&i32::try_from(SCHEMA).unwrap_or(i32::MAX)],
            )
            .await?;
        tracing::info!("the tables were made in the database");
    }
    client.batch_execute("COMMIT").await?;
    let unsafe_server = client.query_one("SELECT current_setting('fsync') = 'off'", &[]).await?;
    if unsafe_server.get(0) {
        tracing::warn!("the database server has fsync off: a power cut can cost it everything; set it on");
    }
    Ok(())
}

/// Which database it is. One of another layout is refused.
pub(super) async fn look(client: &Client) -> Result<Fleet, Fault> {
    let row = client.query_opt("SELECT layout, fleet FROM smsotp_turn", &[]).await?;
    let row = row.ok_or_else(|| Fault::Broken("the one row of smsotp_turn is gone".to_owned()))?;
    match u32::try_from(row.get::<_, i32>(0)) {
        Ok(SCHEMA) => Ok(row.get(1)),
        Ok(found) if found > SCHEMA => Err(Fault::TooNew(found)),
        _ => Err(Fault::Broken("its layout is none".to_owned())),
    }
}
