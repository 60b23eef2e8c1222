//! The driver of a modem: a session that is a pure state machine with time as a parameter, and one thin task
//! that joins the session to a serial port. The driver moves PDUs and reports outcomes; it does not know what
//! they carry. Below it lies [`at`], the AT codec, which is pure.
//!
//! ```no_run
//! use std::path::PathBuf;
//! use gsm_modem::{Modem, Outcome, Part, Secret, Settings};
//! # async fn example() {
//! let (notices, _listen) = tokio::sync::mpsc::channel(64);
//! let settings = Settings::new("stick1", PathBuf::from("/dev/ttyUSB0"));
//! let modem = Modem::start(settings, notices);
//! let part = Part { pdu: Secret::new(vec![0, 1, 0, 4, 0x91, 0x44, 0x33, 0, 0, 0]), length: 9 };
//! let (open, gate) = tokio::sync::oneshot::channel();
//! let sending = modem.submit(vec![part], gate);
//! // The claim is on disk: let the PDU leave.
//! let _ = open.send(());
//! assert!(matches!(sending.await, Outcome::NotStarted { .. }), "it was not brought up yet");
//! # }
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

pub mod at;
mod clock;
pub mod dialogue;
mod find;
mod host;
pub mod ladder;
mod notice_backlog;
mod pins;
mod port;
pub mod ports;
mod power_cycle;
pub mod profiles;
mod reauthorise;
mod secret;
pub mod session;
mod settings;
mod snapshot;
mod system_host;
mod task;

pub use at::Registration;
pub use find::Find;
pub use host::{Host, LastSeen, Line, NoPort, Opened, RecoveryTarget};
pub use pins::{Owners, Pins};
pub use secret::Secret;
pub use settings::{Reopen, Roaming, Sending, Settings, Timing};
pub use snapshot::{Counters, Equipment, Notice, Outcome, Part, Place, SimNames, Snapshot, State};
pub use system_host::SystemHost;

pub use dialogue::Recorded;
use session::Session;
pub use session::UssdAnswer;
use task::{Control, Driver, Order};

/// How many orders may wait for a modem; the gateway gives one at a time.
const ORDERS: usize = 8;
const CONTROLS: usize = 8;

/// A handle to a modem's task. The task ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Modem {
    name: String,
    orders: mpsc::Sender<Order>,
    controls: mpsc::Sender<Control>,
    snapshot: watch::Receiver<Snapshot>,
}

impl Modem {
    /// Starts the task of a modem. Must be called inside a tokio runtime.
    pub fn start(settings: Settings, notices: mpsc::Sender<Notice>) -> Self {
        Self::start_with(settings, Arc::new(SystemHost::default()), notices)
    }

    /// Starts the task of a modem on a given machine.
    pub fn start_with(settings: Settings, host: Arc<dyn Host>, notices: mpsc::Sender<Notice>) -> Self {
        let session = Session::new(settings.clone());
        let (orders_in, orders) = mpsc::channel(ORDERS);
        let (controls_in, controls) = mpsc::channel(CONTROLS);
        let (snapshot_in, snapshot) = watch::channel(session.snapshot().clone());
        let name = settings.name.clone();
        let driver = Driver {
            settings,
            host,
            device: None,
            session,
            orders,
            controls,
            notices,
            backlog: notice_backlog::NoticeBacklog::default(),
            snapshot: snapshot_in,
            gate: None,
            outcome: None,
            ussd: None,
            stopped: Vec::new(),
        };
        tokio::spawn(driver.run());
        Self { name, orders: orders_in, controls: controls_in, snapshot }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known of the modem, and a way to wait for changes.
    pub fn snapshot(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// Sends the parts in order. `AT+CMGS` is written at once. No octet of a PDU leaves before the gate
    /// opens, and a gate that is dropped withdraws the order. The order is given when this function is
    /// called, not when the future is first polled.
    pub fn submit(
        &self,
        parts: Vec<Part>,
        gate: oneshot::Receiver<()>,
    ) -> impl Future<Output = Outcome> + Send + 'static + use<> {
        let (reply, mut outcome) = oneshot::channel();
        let orders = self.orders.clone();
        let refused = match self.orders.try_send(Order { parts, gate, reply }) {
            Ok(()) => None,
            Err(TrySendError::Full(_)) => Some(Outcome::not_started("the modem has orders enough")),
            Err(TrySendError::Closed(_)) => Some(Outcome::not_started("the modem was stopped")),
        };
        async move {
            if let Some(outcome) = refused {
                return outcome;
            }
            // The task answers every order that it reads. One that was sent while the task ended may lie in the channel
            // as long as there are senders.
            let answered = tokio::select! {
                biased;
                answered = &mut outcome => answered.ok(),
                () = orders.closed() => outcome.try_recv().ok(),
            };
            answered.unwrap_or_else(|| Outcome::not_started("the modem was stopped"))
        }
    }

    /// Stops taking orders; the order in progress is finished.
    pub async fn pause(&self) {
        self.control(Control::Pause).await;
    }

    /// Takes orders again.
    pub async fn resume(&self) {
        self.control(Control::Resume).await;
    }

    /// Restarts the device with `AT+CFUN=1,1`, and opens the port again. A message in progress is finished
    /// first.
    pub async fn reset(&self) {
        self.control(Control::Reset).await;
    }

    /// Messages through this modem fail, and `why` says how: the ladder decides whether it is time for a
    /// recovery step.
    pub async fn cure(&self, why: String) {
        self.control(|done| Control::Cure(why, done)).await;
    }

    /// The program stopped while this modem had a message on the air, whose result may still come: the next result may
    /// be that one, and is not believed at once.
    pub async fn expect_late(&self) {
        self.control(Control::ExpectLate).await;
    }

    /// Finishes the message on the air, within `grace`, closes the port and ends the task.
    pub async fn stop(&self, grace: Duration) {
        self.control(|done| Control::Stop(grace, done)).await;
    }

    /// Sends the network a USSD request such as `*100#`, or answers the network while it waits for an answer;
    /// `None` ends the dialogue.
    pub async fn ussd(&self, code: Option<String>, timeout: Duration) -> Result<UssdAnswer, String> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Err(String::from("the modem was stopped"));
        if self.controls.send(Control::Ussd { code, timeout, reply }).await.is_err() {
            return stopped();
        }
        answer.await.unwrap_or_else(|_| stopped())
    }

    /// Deletes a message or report from the place in the modem that its notice named, once the subscriber has
    /// stored it for certain. What is not discarded is announced again some minutes later.
    pub async fn discard(&self, storage: Place) {
        self.control(|done| Control::Discard(storage, done)).await;
    }

    /// The last lines that went over the modem's port, masked.
    pub async fn trace(&self) -> Vec<Recorded> {
        let (reply, lines) = oneshot::channel();
        if self.controls.send(Control::Trace(reply)).await.is_err() {
            return Vec::new();
        }
        lines.await.unwrap_or_default()
    }

    async fn control(&self, control: impl FnOnce(oneshot::Sender<()>) -> Control) {
        let (done, taken) = oneshot::channel();
        if self.controls.send(control(done)).await.is_ok() {
            let _ = taken.await;
        }
    }
}
