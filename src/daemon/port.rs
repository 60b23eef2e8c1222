//! Connects a modem session to what the gateway needs of a modem.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gsm_modem::at::Failure;
use gsm_modem::{Modem, Notice, Part, Place, Recorded, Registration, SimNames, Snapshot, State, UssdAnswer};
use tokio::sync::{mpsc, watch};

use crate::gateway::{Control, ControlError, Gate, Gateway, Outcome, Readiness, RecoveryView, Submit};
use crate::outbox::{Fault, FaultClass};
use crate::secret::Secret;

/// A modem of the configuration and its session.
pub(super) struct Port {
    name: String,
    modem: Modem,
    snapshot: watch::Receiver<Snapshot>,
    readiness: watch::Sender<Readiness>,
}

/// How many notices may wait before the session counts a lost one.
const NOTICES: usize = 256;

impl Port {
    /// Starts the session.
    pub(super) fn open(
        settings: gsm_modem::Settings,
        host: Arc<dyn gsm_modem::Host>,
    ) -> (Self, mpsc::Receiver<Notice>) {
        let (sender, notices) = mpsc::channel(NOTICES);
        let name = settings.name.clone();
        let modem = Modem::start_with(settings, host, sender);
        let snapshot = modem.snapshot();
        let readiness = watch::Sender::new(readiness(&snapshot.borrow()));
        (Self { name, modem, snapshot, readiness }, notices)
    }

    /// Gives what the modem received to the gateway. Once the gateway has it on disk, the modem may delete
    /// it. What is not stored stays in the modem and comes again.
    async fn hand_over(
        &self,
        gateway: &Gateway,
        pdu: &Secret<Vec<u8>>,
        sim: &SimNames,
        storage: Option<Place>,
    ) {
        match gateway.received(&self.name, sim, pdu).await {
            Ok(()) => {
                if let Some(storage) = storage {
                    self.modem.discard(storage).await;
                }
            }
            Err(e) => {
                tracing::error!(
                    modem = self.name,
                    stored = storage.is_some(),
                    "what {} received could not be written down: {e}",
                    self.name
                );
            }
        }
    }

    /// Ends the session, after the message on the air.
    pub(super) async fn stop(&self, grace: Duration) {
        self.modem.stop(grace).await;
    }
}

/// Passes on the notices of the session, in order, until it ends.
pub(super) async fn listen(port: Arc<Port>, mut notices: mpsc::Receiver<Notice>, gateway: Gateway) {
    let mut snapshot = port.snapshot.clone();
    let mut told = State::Absent;
    loop {
        tokio::select! {
            biased;
            changed = snapshot.changed() => {
                if changed.is_err() {
                    return;
                }
                let (state, why) = {
                    let now = snapshot.borrow_and_update();
                    let next = readiness(&now);
                    port.readiness.send_if_modified(|known| {
                        let changed = *known != next;
                        *known = next;
                        changed
                    });
                    (now.state, now.last_error.clone())
                };
                // Ready and busy alternate with every message; the message's own events report that.
                let working = |s| matches!(s, State::Ready | State::Busy);
                if state != told && !(working(state) && working(told)) {
                    tell(&port.name, state, why.as_deref());
                    gateway.modem_changed(&port.name);
                }
                told = state;
            }
            notice = notices.recv() => match notice {
                Some(Notice::LateAccepted { reference }) => {
                    if let Err(e) = gateway.late_accepted(&port.name, reference).await {
                        tracing::error!(modem = port.name, "a late result of {} could not be credited: {e}", port.name);
                    }
                }
                Some(Notice::Recovered { rung, took }) => {
                    gateway.modem_recovered(&port.name, RecoveryView { rung: rung.as_str(), took });
                }
                Some(Notice::Delivered { pdu, storage, sim } | Notice::Report { pdu, storage, sim }) => {
                    port.hand_over(&gateway, &pdu, &sim, storage).await;
                }
                Some(Notice::Overdue) => {
                    if let Err(e) = gateway.overdue(&port.name).await {
                        tracing::error!(modem = port.name, "nothing could be done about the silence of {}: {e}", port.name);
                    }
                }
                None => return,
            },
        }
    }
}

fn tell(name: &str, state: State, why: Option<&str>) {
    let (word, why) = (state.as_str(), why.map(|why| format!(": {why}")).unwrap_or_default());
    match state {
        State::Blocked => tracing::error!(modem = name, "the modem {name} needs a person{why}"),
        State::Absent | State::Recovering => tracing::warn!(modem = name, "the modem {name} is {word}{why}"),
        _ => tracing::info!(modem = name, "the modem {name} is {word}"),
    }
}

fn readiness(snapshot: &Snapshot) -> Readiness {
    let roaming = snapshot.registration == Registration::Roaming;
    Readiness { ready: snapshot.ready, sim: snapshot.sim.clone(), roaming }
}

impl Submit for Port {
    fn name(&self) -> &str {
        &self.name
    }

    fn facts(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    fn submit(&self, parts: Vec<Part>, gate: Gate) -> BoxFuture<'static, Outcome> {
        let submitted = self.modem.submit(parts, gate);
        Box::pin(async move { submitted.await.map_error(fault) })
    }

    fn trace(&self) -> BoxFuture<'static, Vec<Recorded>> {
        let modem = self.modem.clone();
        Box::pin(async move { modem.trace().await })
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<Option<UssdAnswer>, ControlError>> {
        let modem = self.modem.clone();
        Box::pin(async move {
            match control {
                Control::Pause => modem.pause().await,
                Control::Resume => modem.resume().await,
                Control::Reset => modem.reset().await,
                Control::Cure { why } => modem.cure(why).await,
                Control::ExpectLate => modem.expect_late().await,
                Control::Ussd { code, timeout } => {
                    return modem.ussd(code, timeout).await.map(Some).map_err(ControlError::Failed);
                }
            }
            Ok(None)
        })
    }
}

/// What an error is about.
fn fault(error: Failure) -> Fault {
    use Subject::{Centre, Message, Modem, Network, Recipient, Sim, Storage};
    use gsm_modem::at::{Subject, Verdict};
    let class = match (error.subject, error.verdict) {
        // TP-FCS C5, SM rejected - duplicate SM (3GPP TS 23.040 clause 9.2.3.22).
        _ if error.code == Some(197) => FaultClass::Duplicate,
        (Recipient, Verdict::Refused) => FaultClass::Recipient,
        (Message, Verdict::Refused) => FaultClass::Refused,
        (Sim, _) => FaultClass::Sim,
        // The service centre's number is a setting of the modem.
        (Modem | Storage, _) | (Centre, Verdict::Refused) => FaultClass::Modem,
        (Recipient | Message | Network | Centre, _) => FaultClass::Transient,
    };
    Fault { class, text: error.sentence }
}
