//! The one task of a port: it owns reader and writer, passes octets, orders and time to the session, and
//! carries out what the session wants.

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Sleep, sleep_until, timeout};

use super::dialogue::{Recorded, Write};
use super::host::{Host, LastSeen, Line, NoPort, Opened, RecoveryTarget};
use super::ladder::Rung;
use super::notice_backlog::NoticeBacklog;
use super::session::{Closing, Input, Output, Session, UssdAnswer};
use super::settings::Settings;
use super::snapshot::{Notice, Outcome, Part, Place, Snapshot, State};
use crate::Secret;
use crate::clock::monotonic;

/// An order with its gate, and the channel for its outcome.
pub(super) struct Order {
    pub(super) parts: Vec<Part>,
    pub(super) gate: oneshot::Receiver<()>,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// An operator's command. The sender is answered when the command was taken, for `Stop` when it is done.
pub(super) enum Control {
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
    Reset(oneshot::Sender<()>),
    Cure(String, oneshot::Sender<()>),
    ExpectLate(oneshot::Sender<()>),
    Discard(Place, oneshot::Sender<()>),
    Stop(Duration, oneshot::Sender<()>),
    Trace(oneshot::Sender<Vec<Recorded>>),
    Ussd { code: Option<String>, timeout: Duration, reply: oneshot::Sender<Result<UssdAnswer, String>> },
}

pub(super) struct Driver {
    pub(super) settings: Settings,
    pub(super) host: Arc<dyn Host>,
    /// The modem's USB device in sysfs, as it was last seen.
    pub(super) device: Option<PathBuf>,
    pub(super) session: Session,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) controls: mpsc::Receiver<Control>,
    pub(super) notices: mpsc::Sender<Notice>,
    /// Notices for which the subscriber has had no room so far.
    pub(super) backlog: NoticeBacklog,
    pub(super) snapshot: watch::Sender<Snapshot>,
    pub(super) gate: Option<oneshot::Receiver<()>>,
    pub(super) outcome: Option<oneshot::Sender<Outcome>>,
    pub(super) ussd: Option<oneshot::Sender<Result<UssdAnswer, String>>>,
    pub(super) stopped: Vec<oneshot::Sender<()>>,
}

/// An event of the task.
enum Event {
    Read(io::Result<usize>),
    Gate(bool),
    Order(Option<Order>),
    Control(Option<Control>),
    /// The subscriber can take another notice, or (`false`) will take none any more.
    Room(bool),
    Time,
}

enum Flow {
    Continue,
    Reopen,
    Cure(Rung),
    Stop,
}

/// Waits until it is time to look for the port again: `wait` is over, or a device appeared or vanished.
/// Returns which of the two.
async fn pause(change: Option<BoxFuture<'static, ()>>, wait: Duration) -> bool {
    let change = change.unwrap_or_else(|| Box::pin(pending()));
    tokio::select! {
        biased;
        () = change => true,
        () = sleep_until((monotonic() + wait).into()) => false,
    }
}

impl Driver {
    pub(super) async fn run(mut self) {
        let timing = self.settings.timing;
        let mut wait = timing.reopen.first;
        let mut flow = Flow::Continue;
        while !matches!(flow, Flow::Stop) {
            // The watch begins before the ports are looked at, so that no change in between is missed.
            let change = self.host.change(&self.settings.find);
            let last = self
                .device
                .clone()
                .map(|device| LastSeen { port: self.session.snapshot().port.clone().into(), device });
            let opening = self.host.open(&self.settings, last);
            let Some(opened) = self.without_port(opening).await else { break };
            // A modem that was here a moment ago is not awaited as if it had to be plugged in.
            let change = change.filter(|_| opened.is_err());
            // An absent modem appears with a device, and after this time a recovery step is possible. Silent
            // ports, which may not be modems, are asked as rarely.
            let rarely = timing.ladder.away;
            let longest = match &opened {
                Err(NoPort::Away(_)) if change.is_some() => {
                    wait = rarely;
                    rarely
                }
                Err(NoPort::Unclear { .. }) => rarely,
                _ => timing.reopen.max,
            };
            match opened {
                Ok(Opened { path, mut line, device, usb }) => {
                    if device.is_some() {
                        self.device = device;
                    }
                    self.session.handle(Input::Opened { port: path, usb }, monotonic());
                    flow = self.converse(&mut *line, &mut wait).await;
                    line.discard();
                }
                Err(unfound) => {
                    tracing::debug!(modem = %self.settings.name, "{}", unfound.sentence());
                    self.session.handle(Input::Lost(unfound.sentence().to_owned()), monotonic());
                    if matches!(unfound, NoPort::Away(_)) {
                        self.session.handle(Input::Missing, monotonic());
                    }
                    flow = match self.perform_without_port() {
                        Flow::Continue => Flow::Reopen,
                        other => other,
                    };
                }
            }
            if let Flow::Cure(rung) = flow {
                let Some(()) = self.cure(rung).await else { break };
            }
            if !matches!(flow, Flow::Stop) {
                let Some(told) = self.without_port(pause(change, wait.min(longest))).await else { break };
                wait = if told { timing.reopen.first } else { wait.saturating_mul(2).min(longest) };
            }
        }
        self.publish();
        for stopped in self.stopped {
            let _ = stopped.send(());
        }
    }

    /// Climbs one or several rungs that need no port. `None` means that the task has to stop.
    async fn cure(&mut self, mut rung: Rung) -> Option<()> {
        loop {
            let target = RecoveryTarget {
                name: self.settings.name.clone(),
                port: self.session.snapshot().port.clone(),
                device: self.device.clone(),
            };
            let limit = self.settings.timing.ladder.power_cycle;
            let done = self.without_port(self.host.climb(rung, target, limit)).await?;
            self.session.handle(Input::Climbed { rung, done }, monotonic());
            match self.perform_without_port() {
                Flow::Cure(next) => rung = next,
                Flow::Stop => return None,
                Flow::Continue | Flow::Reopen => return Some(()),
            }
        }
    }

    /// Runs the session while the port is open, until it is lost or closed.
    async fn converse(&mut self, port: &mut dyn Line, wait: &mut Duration) -> Flow {
        let mut buffer = [0; 1024];
        let mut sleep = Box::pin(sleep_until(monotonic().into()));
        let mut armed: Option<Instant> = None;
        loop {
            match self.perform(port).await {
                Flow::Continue => {}
                flow => return flow,
            }
            if self.session.is_closed() {
                return Flow::Reopen;
            }
            self.publish();
            if matches!(self.session.snapshot().state, State::Ready | State::Paused) {
                *wait = self.settings.timing.reopen.first;
            }
            rearm(&mut sleep, &mut armed, self.session.deadline());
            let gated = self.session.awaits_gate();
            let event = tokio::select! {
                biased;
                read = port.read(&mut buffer) => Event::Read(read),
                open = opened(&mut self.gate), if gated => Event::Gate(open),
                order = self.orders.recv(), if self.session.takes_orders() => Event::Order(order),
                control = self.controls.recv() => Event::Control(control),
                room = self.notices.reserve(), if !self.backlog.is_empty() => Event::Room(room.is_ok()),
                () = sleep.as_mut(), if armed.is_some() => Event::Time,
            };
            let now = monotonic();
            match event {
                Event::Read(Ok(0)) => {
                    self.lost("the modem hung up: its port reached its end".to_owned(), now);
                }
                Event::Read(Ok(count)) => {
                    self.session.handle(Input::Received(buffer[..count].to_vec()), now);
                }
                Event::Read(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Event::Read(Err(error)) => self.lost(format!("the modem's port is gone: {error}"), now),
                Event::Gate(open) => self.session.handle(Input::Gate(open), now),
                Event::Order(order) => self.order(order, now),
                Event::Control(control) => self.control(control, now),
                Event::Room(room) => self.hand_on(room),
                Event::Time => armed = None,
            }
            self.session.handle(Input::Tick, now);
        }
    }

    /// There is no port: orders are refused until `until` completes. `None` means that the task has to stop.
    async fn without_port<T>(&mut self, until: impl Future<Output = T>) -> Option<T> {
        let mut until = pin!(until);
        loop {
            if matches!(self.perform_without_port(), Flow::Stop) {
                return None;
            }
            self.publish();
            let now = monotonic();
            tokio::select! {
                biased;
                done = &mut until => return Some(done),
                order = self.orders.recv() => self.order(order, now),
                control = self.controls.recv() => match control {
                    // The port is being looked for already.
                    Some(Control::Reset(done)) => {
                        let _ = done.send(());
                    }
                    control => self.control(control, now),
                },
            }
        }
    }

    fn order(&mut self, order: Option<Order>, now: Instant) {
        let Some(Order { parts, gate, reply }) = order else {
            self.session.handle(Input::Stop(Duration::ZERO), now);
            return;
        };
        self.gate = Some(gate);
        self.outcome = Some(reply);
        self.session.handle(Input::Submit(parts), now);
    }

    fn control(&mut self, control: Option<Control>, now: Instant) {
        let (input, done) = match control {
            Some(Control::Pause(done)) => (Input::Pause, done),
            Some(Control::Resume(done)) => (Input::Resume, done),
            Some(Control::Reset(done)) => (Input::Reset, done),
            Some(Control::Cure(why, done)) => (Input::Cure(why), done),
            Some(Control::ExpectLate(done)) => (Input::ExpectLate, done),
            Some(Control::Discard(place, done)) => (Input::Discard(place), done),
            Some(Control::Trace(reply)) => {
                let _ = reply.send(self.session.trace(now));
                return;
            }
            Some(Control::Ussd { code, timeout, reply }) => {
                if self.ussd.is_some() {
                    let _ = reply.send(Err(String::from("another USSD request is under way")));
                } else {
                    self.ussd = Some(reply);
                    self.session.handle(Input::Ussd { code: code.map(Secret::new), timeout }, now);
                }
                return;
            }
            Some(Control::Stop(grace, done)) => {
                self.stopped.push(done);
                self.session.handle(Input::Stop(grace), now);
                return;
            }
            // No handle of the modem is left.
            None => {
                self.session.handle(Input::Stop(Duration::ZERO), now);
                return;
            }
        };
        self.session.handle(input, now);
        // Whoever gave the command looks at its effect.
        self.publish();
        let _ = done.send(());
    }

    async fn perform(&mut self, port: &mut dyn Line) -> Flow {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Write(write) => {
                    self.write(port, &write).await;
                }
                Output::Close(Closing::Reopen) => return Flow::Reopen,
                Output::Close(Closing::Cure(rung)) => return Flow::Cure(rung),
                Output::Close(Closing::Stop) => return Flow::Stop,
                Output::TryPin { owners, pin } => {
                    // No octet of the PIN leaves before its try is noted.
                    let noted = match &self.settings.pins {
                        Some(pins) => pins.tries(owners, pin).await,
                        None => Ok(true),
                    };
                    self.session.handle(Input::PinNoted(noted), monotonic());
                }
                Output::PinAccepted { owners, pin } => {
                    if let Some(pins) = &self.settings.pins {
                        pins.accepted(owners, pin).await;
                    }
                }
                other => self.deliver(other),
            }
        }
        Flow::Continue
    }

    fn perform_without_port(&mut self) -> Flow {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Close(Closing::Stop) => return Flow::Stop,
                Output::Close(Closing::Cure(rung)) => return Flow::Cure(rung),
                other => self.deliver(other),
            }
        }
        Flow::Continue
    }

    /// The port is gone while it was open: a person may have unplugged it, or something is wrong.
    fn lost(&mut self, why: String, now: Instant) {
        self.session.handle(Input::Lost(why), now);
    }

    /// Writes in one piece, as far as the port allows. A port that accepts nothing is lost; the session
    /// settles whatever was in progress.
    async fn write(&mut self, port: &mut dyn Line, write: &Write) {
        let octets = write.octets();
        let mut rest = octets.expose().as_slice();
        while !rest.is_empty() {
            let (reason, stuck) = match timeout(self.settings.timing.command, port.write(rest)).await {
                Ok(Ok(count)) if count > 0 => {
                    rest = &rest[count..];
                    continue;
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Ok(_)) => (String::from("the modem's port is closed"), false),
                Ok(Err(error)) => (format!("the modem's port is gone: {error}"), false),
                Err(_) => (String::from("the modem's port takes no octets: unplug it if it stays so"), true),
            };
            let now = monotonic();
            if matches!(write, Write::Body(_)) && rest.len() == octets.expose().len() {
                self.session.handle(Input::BodyUnsent, now);
            }
            let input = if stuck { Input::Stuck(reason) } else { Input::Lost(reason) };
            self.session.handle(input, now);
            return;
        }
    }

    fn deliver(&mut self, output: Output) {
        match output {
            Output::Settle(outcome) => {
                // Whoever waits for the outcome has the next order ready, and must know whether the modem takes it.
                self.publish();
                self.gate = None;
                if let Some(reply) = self.outcome.take() {
                    let _ = reply.send(outcome);
                }
            }
            Output::Ussd(answer) => {
                if let Some(reply) = self.ussd.take() {
                    let _ = reply.send(answer);
                }
            }
            Output::Notice(notice) => {
                let lost = self.backlog.push(notice);
                self.count_lost(lost);
                self.hand_on(true);
            }
            Output::Write(_) | Output::Close(_) | Output::TryPin { .. } | Output::PinAccepted { .. } => {}
        }
    }

    /// Gives the subscriber as many notices as it takes, in order.
    fn hand_on(&mut self, listens: bool) {
        while let Some(notice) = self.backlog.pop() {
            match self.notices.try_send(notice) {
                Ok(()) => {}
                Err(TrySendError::Full(notice)) if listens => {
                    self.backlog.put_back(notice);
                    return;
                }
                Err(_) => {
                    let lost = 1 + self.backlog.forget();
                    self.count_lost(lost);
                }
            }
        }
    }

    fn count_lost(&mut self, lost: u64) {
        if lost > 0 {
            self.session.handle(Input::NoticesLost(lost), monotonic());
        }
    }

    fn publish(&mut self) {
        if self.session.take_dirty() {
            let session = &self.session;
            self.snapshot.send_modify(|snapshot| snapshot.clone_from(session.snapshot()));
        }
    }
}

/// Moves the timer forward only: a timer that fires early checks and is armed again, which costs less than
/// changing it with every message.
fn rearm(sleep: &mut std::pin::Pin<Box<Sleep>>, armed: &mut Option<Instant>, deadline: Option<Instant>) {
    let Some(deadline) = deadline else { return };
    if armed.is_none_or(|armed| deadline < armed) {
        sleep.as_mut().reset(deadline.into());
        *armed = Some(deadline);
    }
}

/// Whether the gate opened; never completes without a gate.
async fn opened(gate: &mut Option<oneshot::Receiver<()>>) -> bool {
    match gate {
        Some(receiver) => {
            let open = receiver.await.is_ok();
            *gate = None;
            open
        }
        None => pending().await,
    }
}
