//! Ties a modem session to what the gateway asks of a modem.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use gsm_modem::dialogue::Recorded;
use gsm_modem::{Modem, Notice, Place, Snapshot, State};
use tokio::sync::{mpsc, watch};

use crate::gateway::{
    Control, ControlError, Gate, Gateway, ModemCounters, ModemFacts, ModemState, Order, Outcome, Readiness,
    RecoveryView, SimNames, Submit, TraceLine, UssdAnswer,
};
use crate::outbox::{Fault, FaultClass};
use crate::secret::Secret;

/// A modem of the configuration and its session.
pub(super) struct Port {
    name: String,
    modem: Modem,
    snapshot: watch::Receiver<Snapshot>,
    readiness: watch::Sender<Readiness>,
}

/// Notices that may wait before the session counts a lost one.
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

    /// Gives what the modem received to the gateway; when that has it on disk, the modem may forget it. What is not
    /// taken stays where it lies and comes again.
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
                tracing::error!(modem = self.name, error = %e, stored = storage.is_some(),
                    "what the modem received could not be written down");
            }
        }
    }

    /// Ends the session; the message on the air first.
    pub(super) async fn stop(&self, grace: Duration) {
        self.modem.stop(grace).await;
    }
}

/// Passes on what the session has to say, in order, until it ends.
pub(super) async fn listen(port: Arc<Port>, mut notices: mpsc::Receiver<Notice>, gateway: Gateway) {
    let mut snapshot = port.snapshot.clone();
    let mut told = ModemState::Absent;
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
                    (state(now.state), now.last_error.clone())
                };
                // Ready and busy alternate with every message; the message's own events tell that.
                let working = |s| matches!(s, ModemState::Ready | ModemState::Busy);
                if state != told && !(working(state) && working(told)) {
                    tell(&port.name, state, why.as_deref());
                    gateway.modem_changed(&port.name);
                }
                told = state;
            }
            notice = notices.recv() => match notice {
                Some(Notice::LateAccepted { reference }) => {
                    if let Err(e) = gateway.late_accepted(&port.name, reference).await {
                        tracing::error!(modem = port.name, error = %e, "a late result could not be credited");
                    }
                }
                Some(Notice::Recovered { rung, took }) => {
                    gateway.modem_recovered(&port.name, RecoveryView { rung: rung.as_str(), took });
                }
                Some(Notice::Delivered { pdu, storage, sim } | Notice::Report { pdu, storage, sim }) => {
                    port.hand_over(&gateway, &pdu, &names(&sim), storage).await;
                }
                Some(Notice::Overdue) => {
                    if let Err(e) = gateway.overdue(&port.name).await {
                        tracing::error!(modem = port.name, error = %e, "nothing could be done about its silence");
                    }
                }
                None => return,
            },
        }
    }
}

fn tell(name: &str, state: ModemState, why: Option<&str>) {
    let (state, why) = (state.as_str(), why.unwrap_or_default());
    match state {
        "blocked" => tracing::error!(modem = name, why, "the modem needs a person"),
        "absent" | "recovering" => tracing::warn!(modem = name, why, "the modem is {state}"),
        _ => tracing::info!(modem = name, "the modem is {state}"),
    }
}

fn readiness(snapshot: &Snapshot) -> Readiness {
    let roaming = snapshot.registration == gsm_modem::at::Registration::Roaming;
    Readiness { ready: snapshot.ready, sim: names(&snapshot.sim), roaming }
}

/// What the SIM told of itself.
fn names(sim: &gsm_modem::SimNames) -> SimNames {
    SimNames::new(sim.iccid.clone(), sim.imsi.clone())
}

fn state(state: State) -> ModemState {
    match state {
        State::Absent => ModemState::Absent,
        State::Starting => ModemState::Starting,
        State::Ready => ModemState::Ready,
        State::Busy => ModemState::Busy,
        State::Recovering => ModemState::Recovering,
        State::Paused => ModemState::Paused,
        State::Blocked => ModemState::Blocked,
    }
}

impl Submit for Port {
    fn name(&self) -> &str {
        &self.name
    }

    fn facts(&self) -> ModemFacts {
        let s = self.snapshot.borrow();
        ModemFacts {
            state: state(s.state),
            paused: s.paused,
            port: s.port.clone(),
            manufacturer: s.equipment.manufacturer.clone(),
            model: s.equipment.model.clone(),
            firmware: s.equipment.firmware.clone(),
            imei: s.equipment.imei.clone(),
            imsi: s.sim.imsi.clone(),
            operator: s.operator.clone(),
            registration: registration(s.registration).to_owned(),
            signal_dbm: s.signal_dbm,
            pin_tries: s.pin_tries,
            last_error: s.last_error.clone(),
            last_error_at: s.last_error_at,
            counters: counters(&s.counters),
        }
    }

    fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    fn submit(&self, order: Order, gate: Gate) -> BoxFuture<'static, Outcome> {
        let parts =
            order.parts.into_iter().map(|p| gsm_modem::Part { pdu: p.pdu, length: p.length }).collect();
        let submitted = self.modem.submit(parts, gate);
        Box::pin(async move {
            match submitted.await {
                gsm_modem::Outcome::Accepted { references } => Outcome::Accepted { references },
                gsm_modem::Outcome::Rejected { references, error } => {
                    Outcome::Rejected { references, fault: fault(&error) }
                }
                gsm_modem::Outcome::Unknown { references, reason } => Outcome::Unknown { references, reason },
                gsm_modem::Outcome::NotStarted { references, reason } => {
                    Outcome::NotStarted { references, reason }
                }
            }
        })
    }

    fn trace(&self) -> BoxFuture<'static, Vec<TraceLine>> {
        let modem = self.modem.clone();
        Box::pin(async move {
            let line = |line: Recorded| TraceLine {
                ago: line.ago,
                direction: line.direction.as_str(),
                text: line.text,
            };
            modem.trace().await.into_iter().map(line).collect()
        })
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<Option<UssdAnswer>, ControlError>> {
        let modem = self.modem.clone();
        Box::pin(async move {
            match control {
                Control::Pause => modem.pause().await,
                Control::Resume => modem.resume().await,
                Control::Reset => modem.reset().await,
                Control::Cure { why } => modem.cure(why).await,
                Control::Ussd { code, timeout } => {
                    let answer = modem.ussd(code, timeout).await.map_err(ControlError::Failed)?;
                    return Ok(Some(UssdAnswer { text: answer.text, open: answer.open }));
                }
            }
            Ok(None)
        })
    }
}

/// What an error is about.
fn fault(error: &gsm_modem::at::Failure) -> Fault {
    use Subject::{Centre, Message, Modem, Network, Recipient, Sim, Storage};
    use gsm_modem::at::{Subject, Verdict};
    let class = match (error.subject, error.verdict) {
        // TP-FCS C5, SM rejected - duplicate SM (3GPP TS 23.040 clause 9.2.3.22).
        _ if error.code == Some(197) => FaultClass::Duplicate,
        (Recipient, Verdict::Refused) => FaultClass::Recipient,
        (Message, Verdict::Refused) => FaultClass::Refused,
        (Sim, _) => FaultClass::Sim,
        // Which service centre is asked for is a setting of the modem.
        (Modem | Storage, _) | (Centre, Verdict::Refused) => FaultClass::Modem,
        (Recipient | Message | Network | Centre, _) => FaultClass::Transient,
    };
    Fault { class, text: error.sentence.clone() }
}

fn counters(seen: &gsm_modem::Counters) -> ModemCounters {
    ModemCounters {
        dropped_lines: seen.dropped_lines,
        late_lines: seen.late_lines,
        resyncs: seen.resyncs,
        reopens: seen.reopens,
        restarts: seen.restarts,
        lost_notices: seen.lost_notices,
    }
}

fn registration(registration: gsm_modem::at::Registration) -> &'static str {
    match registration {
        gsm_modem::at::Registration::Home => "home",
        gsm_modem::at::Registration::Roaming => "roaming",
        gsm_modem::at::Registration::Searching => "searching",
        gsm_modem::at::Registration::Denied => "denied",
        gsm_modem::at::Registration::NotRegistered => "not registered",
        gsm_modem::at::Registration::Unknown => "unknown",
    }
}
