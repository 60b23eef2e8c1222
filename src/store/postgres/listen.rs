//! The ear: a connection on which the database tells when another host commits, and by which its clock is read. A
//! notification may be lost with its connection, so it is looked every few seconds all the same.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::Statement;

use super::fault::Fault;
use super::follow::Since;
use super::link::{LIMIT, Link, TRY, within};
use super::{Base, Inner};
use crate::clock::Clock;

/// How often it is looked without being told.
const SWEEP: Duration = Duration::from_secs(3);
/// Readings of the clock, of which the quickest counts.
const READINGS: usize = 3;

/// Listens as long as the engine is there.
pub(super) async fn listen(engine: Weak<Inner>, heard: Arc<Notify>) {
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let ear = Ear::open(&inner.base).await;
        drop(inner);
        let fault = match ear {
            Ok(ear) => ear.hear(&engine, &heard).await,
            Err(fault) => Some(fault),
        };
        let Some(inner) = engine.upgrade() else { return };
        if let Some(error) = fault.map(Fault::while_open)
            && !error.passes()
        {
            inner.health.fail(error);
            return;
        }
        drop(inner);
        tokio::time::sleep(TRY).await;
    }
}

pub(super) struct Ear {
    link: Link,
    since: Since,
    time: Statement,
}

impl Ear {
    pub(super) async fn open(base: &Base) -> Result<Self, Fault> {
        let link = base.connect().await?;
        within(LIMIT, async {
            link.batch_execute("LISTEN smsotp").await?;
            let time =
                link.prepare("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").await?;
            Ok::<_, Fault>(Self { since: Since::prepare(&link).await?, time, link })
        })
        .await
    }

    /// The number of the last commit.
    pub(super) async fn last(&self) -> Result<u64, Fault> {
        within(LIMIT, self.since.last(&self.link)).await
    }

    /// Takes up what others commit until the connection ends or something is wrong.
    async fn hear(&self, engine: &Weak<Inner>, heard: &Notify) -> Option<Fault> {
        let clock = Clock::system();
        let mut swept = None;
        loop {
            let inner = engine.upgrade()?;
            if let Err(fault) = within(LIMIT, inner.follower.catch_up(&self.link, &self.since)).await {
                return Some(fault);
            }
            if swept.is_none_or(|at| clock.monotonic().saturating_duration_since(at) >= SWEEP) {
                if let Err(fault) = self.read_clock(&inner.base).await {
                    return Some(fault);
                }
                swept = Some(clock.monotonic());
            }
            drop(inner);
            // Whoever waits for longer is at the end of its time: that is the sweep.
            let _ = tokio::time::timeout(SWEEP, heard.notified()).await;
            if self.link.is_closed() {
                return None;
            }
        }
    }

    /// Measures how far the database's clock is ahead of this machine's time since boot. A difference that may come from the
    /// way there and back changes nothing.
    pub(super) async fn read_clock(&self, base: &Base) -> Result<(), Fault> {
        let clock = Clock::system();
        let mut best: Option<(Duration, i64)> = None;
        for _ in 0..READINGS {
            let before = clock.boot_time();
            let shown: i64 = within(LIMIT, self.link.query_one(&self.time, &[])).await?.get(0);
            let way = clock.boot_time().saturating_sub(before);
            let here = i64::try_from((before + way / 2).as_micros()).unwrap_or(i64::MAX);
            if best.is_none_or(|(least, _)| way < least) {
                best = Some((way, shown.saturating_sub(here)));
            }
        }
        if let Some((way, ahead)) = best {
            let known = base.ahead.load(Ordering::SeqCst).saturating_mul(1000);
            let doubt = i64::try_from(way.as_micros() / 2).unwrap_or(i64::MAX).max(1000);
            if ahead.saturating_sub(known).saturating_abs() > doubt {
                base.ahead.store(ahead.div_euclid(1000), Ordering::SeqCst);
            }
        }
        Ok(())
    }
}
