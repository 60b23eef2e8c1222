//! One connection to the database, set up as the engine needs it, and what is known of the database while there is none.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;
use super::url::DatabaseUrl;
use crate::clock::Clock;
use crate::hex;

/// How long any one answer may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// How often it is tried to reach a database that is away.
pub(super) const TRY: Duration = Duration::from_millis(500);

/// A session that waits for ever keeps a turn from all other hosts. A commit is on disk when it is acknowledged, whatever
/// the server's default is. No plan is worth compiling, and none reads a whole table, which a server that has not counted
/// the records yet takes for short: every question goes by keys.
const SETTINGS: &str = "
    SET client_min_messages = warning;
    SET jit = off;
    SET enable_seqscan = off;
    SET lock_timeout = '4s';
    SET statement_timeout = '4500ms';
    SET idle_in_transaction_session_timeout = '3s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// How to connect.
pub(super) struct Way {
    config: Config,
    tls: MakeRustlsConnect,
    patience: Duration,
    /// What this engine calls itself among the sessions of the server and in its notifications.
    pub(super) session: String,
    /// Another host committed, or a connection ended.
    pub(super) heard: Arc<Notify>,
    /// When it was last tried in vain, and why that was.
    outage: Mutex<Option<(Instant, String)>>,
}

impl Way {
    pub(super) fn to(url: &DatabaseUrl) -> Result<Self, Fault> {
        let mut octets = [0; 16];
        crate::random::Random::system().fill(&mut octets);
        let session = format!("smsotpd {}", hex::encode(&octets).to_lowercase());
        Ok(Self {
            config: url.config(&session),
            tls: url.tls().map_err(Fault::Refused)?,
            patience: url.patience(),
            session,
            heard: Arc::new(Notify::new()),
            outage: Mutex::new(None),
        })
    }

    /// Why the database is away, if that was seen a moment ago: then nobody waits for it again.
    pub(super) fn known_away(&self) -> Result<(), Fault> {
        match &*self.outage.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, why)) if Clock::system().monotonic().saturating_duration_since(*at) < TRY => {
                Err(Fault::Away(why.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the last attempt to reach it was in vain, and why.
    pub(super) fn last(&self) -> Result<(), Fault> {
        let outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.as_ref().map_or(Ok(()), |(_, why)| Err(Fault::Away(why.clone())))
    }

    /// A connection, for a store that is open: everybody knows of the outcome, and the log is told when it changes.
    pub(super) async fn connect(&self) -> Result<Link, Fault> {
        let outcome = within(self.patience, self.attempt()).await;
        let now = outcome.as_ref().err().and_then(|fault| match fault {
            Fault::Away(why) | Fault::Refused(why) => Some((Clock::system().monotonic(), why.clone())),
            _ => None,
        });
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*outage, &now) {
            (None, Some((_, why))) => {
                tracing::error!("the database cannot be reached: {why}; it is tried again until it is back");
            }
            (Some(_), None) => tracing::info!("the database is back"),
            _ => {}
        }
        *outage = now;
        outcome
    }

    /// A connection at a start, which tells of a failure itself.
    pub(super) async fn first(&self) -> Result<Link, Fault> {
        within(self.patience, self.attempt()).await
    }

    async fn attempt(&self) -> Result<Link, Fault> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        let (heard, own) = (Arc::clone(&self.heard), self.session.clone());
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(told) = message
                    && told.payload() != own
                {
                    heard.notify_one();
                }
            }
            heard.notify_one();
        });
        let link = Link { client, driver };
        link.client.batch_execute(SETTINGS).await?;
        Ok(link)
    }
}

/// A connection; it ends when it is dropped.
pub(super) struct Link {
    client: Client,
    driver: JoinHandle<()>,
}

impl Link {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl std::ops::Deref for Link {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Whether to ask again: a connection may have ended while nobody used it, which the next question finds out at once.
pub(super) struct Again(Option<Instant>);

impl Again {
    pub(super) fn once() -> Self {
        Self(Some(Clock::system().monotonic()))
    }

    pub(super) fn may(&mut self, fault: &Fault) -> bool {
        let asked = self.0.take().filter(|_| matches!(fault, Fault::Away(_)));
        asked.is_some_and(|at| Clock::system().monotonic().saturating_duration_since(at) < TRY)
    }
}

/// An answer, or that there was none in time.
pub(super) async fn within<T, E: Into<Fault>>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Fault::Away(format!("no answer within {} s", limit.as_secs()))),
    }
}
