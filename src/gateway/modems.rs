//! What an operator asks: how things stand, the modems and what may be done with them, metrics, the log, backups.

use std::sync::Arc;

use gsm_modem::{Recorded, State as ModemState, UssdAnswer};
use tokio::sync::mpsc;

use super::effects::to_its_end;
use super::error::{GatewayError, Result};
use super::inner::Gateway;
use super::lock::locked;
use super::log_filter::LogFilter;
use super::request::Caller;
use super::submit::{Control, ControlError};
use super::view::{ModemView, QueueView, StatusView};
use crate::outbox::Circuit;
use crate::store::StoreError;
use crate::trail::Audit;

/// Pieces of a backup that wait for whoever takes it.
const BACKUP_PIECES: usize = 4;

impl Gateway {
    /// The version, what waits, and the modems by state.
    pub fn status(&self) -> StatusView {
        let mut modems: Vec<(ModemState, usize)> = Vec::new();
        for state in self.0.slots.iter().map(|s| s.modem.facts().state) {
            match modems.iter_mut().find(|(known, _)| *known == state) {
                Some((_, n)) => *n += 1,
                None => modems.push((state, 1)),
            }
        }
        let now = self.0.now().steady();
        let ((otp, text, delayed), longest) = {
            let pool = locked(&self.0.queue);
            (pool.depths(), pool.longest(now))
        };
        let [oldest_otp, oldest_text] = longest.map(Option::unwrap_or_default);
        let sending = self.0.sending();
        StatusView {
            uptime: now.since(self.0.started_at),
            queue: QueueView { otp, text, delayed, sending, oldest_otp, oldest_text },
            modems,
            disk_full: self.0.store.room() == Err(StoreError::NoRoom),
            clock: self.0.clocks.doubt(),
            test_numbers: self.0.settings().testing.masked().collect(),
        }
    }

    /// Whether new work is taken and at least one modem can send: it works, and its breaker is not open.
    pub fn ready(&self) -> bool {
        let now = self.0.now().steady();
        let others_are_ready = self.0.fleet.as_ref().is_some_and(|fleet| fleet.ready_elsewhere(now) > 0);
        self.0.store.room().is_ok()
            && (others_are_ready
                || self.0.slots.iter().enumerate().any(|(i, slot)| {
                    matches!(slot.modem.facts().state, ModemState::Ready | ModemState::Busy)
                        && !matches!(locked(&self.0.queue).condition(i, now).circuit, Circuit::Open { .. })
                }))
    }

    /// The modems, in the order of the configuration.
    pub fn modems(&self) -> Vec<ModemView> {
        (0..self.0.slots.len()).map(|i| self.0.modem_view(i)).collect()
    }

    /// One modem.
    pub fn modem(&self, name: &str) -> Result<ModemView> {
        self.0.index(name).map(|i| self.0.modem_view(i))
    }

    /// The last lines that went over a modem's port, masked, the oldest first.
    pub async fn trace(&self, name: &str) -> Result<Vec<Recorded>> {
        let host = self.0.fleet.as_ref().and_then(|fleet| fleet.host_of(name));
        if let Some(host) = host {
            let why =
                format!("{name} is a modem of the host {host}, whose daemon alone has its trace: ask there");
            return Err(GatewayError::Conflict(why));
        }
        Ok(self.0.slot(name)?.modem.trace().await)
    }

    /// An operator's command to a modem; the network's answer to a USSD request comes back.
    pub async fn control(&self, name: &str, control: Control) -> Result<Option<UssdAnswer>> {
        let inner = Arc::clone(&self.0);
        let host = inner.fleet.as_ref().and_then(|fleet| fleet.host_of(name));
        if let Some(host) = host {
            let name = name.to_owned();
            return to_its_end(async move { inner.order(host, &name, control).await }).await;
        }
        let index = inner.index(name)?;
        let seen_to = matches!(control, Control::Resume | Control::Reset);
        to_its_end(async move {
            let answer = inner.slots[index].modem.control(control);
            let answer = answer.await.map_err(|e| match e {
                ControlError::Conflict(why) | ControlError::Failed(why) => GatewayError::Conflict(why),
            })?;
            if seen_to {
                locked(&inner.queue).try_now(index, inner.now().steady());
                inner.keeper.notify_one();
            }
            Ok(answer)
        })
        .await
    }

    /// A backup of everything, as it is when the last piece was given, while the work goes on.
    pub fn back_up(&self) -> mpsc::Receiver<Result<Vec<u8>>> {
        let (sink, pieces) = mpsc::channel(BACKUP_PIECES);
        let (inner, (to_us, mut from_store)) = (Arc::clone(&self.0), mpsc::channel(BACKUP_PIECES));
        tokio::spawn(async move {
            // The key stays the same meanwhile.
            let _same = Arc::clone(&inner.turning).read_owned().await;
            inner.store.back_up(inner.key_for_backups(), to_us).await;
        });
        tokio::spawn(async move {
            while let Some(piece) = from_store.recv().await {
                if sink.send(piece.map_err(GatewayError::from)).await.is_err() {
                    return;
                }
            }
        });
        pieces
    }

    /// The metrics as Prometheus text.
    pub fn metrics(&self) -> String {
        let mut text = self.0.metrics.render(&self.status(), &self.modems(), self.0.store.commits());
        self.0.canaries.render(&mut text);
        text
    }

    /// Tells which log it is.
    pub fn keep_log(&self, log: Arc<dyn LogFilter>) {
        // The first one stays.
        let _ = self.0.log.set(log);
    }

    /// The filter in force.
    pub fn log_filter(&self) -> Result<String> {
        Ok(self.log()?.shown())
    }

    /// Another filter, until the next one, a reload or a restart; that is an event. Answers the filter in force.
    pub fn set_log_filter(&self, caller: &Caller, filter: &str) -> Result<String> {
        let log = self.log()?;
        log.set(filter).map_err(|why| GatewayError::InvalidRequest(format!("`filter` {why}")))?;
        let shown = log.shown();
        let detail = format!("the log's filter is {shown}");
        tracing::info!("{detail}");
        let audit = Audit { action: "log".to_owned(), to: None, detail, count: 1 };
        self.audit(caller.client.as_deref(), audit);
        Ok(shown)
    }

    fn log(&self) -> Result<&dyn LogFilter> {
        let none = || GatewayError::Conflict("the log is not this daemon's own".to_owned());
        self.0.log.get().map(|log| &**log).ok_or_else(none)
    }
}
