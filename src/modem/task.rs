//! The thin task that joins a session to a serial port, and the handle to it.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};

use super::port::Port;
use super::session::{Action, Outcome, Session};
use super::{Part, Settings, Snapshot};
use crate::at::Kind;
use crate::clock::monotonic;
use crate::secret::Secret;

/// What a session says by itself.
#[derive(Debug)]
pub enum Notice {
    /// The result of a send that had been given up as unknown: it was taken.
    LateAccepted {
        /// TP-MR.
        reference: u8,
    },
    /// A message or a report was handed over: SMSC field and TPDU.
    Arrived {
        /// Which of them.
        kind: Kind,
        /// The octets.
        pdu: Secret<Vec<u8>>,
    },
    /// A message or a report was stored.
    Stored {
        /// Which of them.
        kind: Kind,
        /// Memory and index, as in `"SM",3`.
        place: String,
    },
}

enum Request {
    Submit { parts: Vec<Part>, gate: oneshot::Receiver<()>, reply: oneshot::Sender<Outcome> },
    Pause(bool, oneshot::Sender<()>),
    Reset(oneshot::Sender<()>),
    Ussd { code: Secret<String>, within: Duration, reply: oneshot::Sender<Result<String, String>> },
    Stop { grace: Duration, done: oneshot::Sender<()> },
}

/// The handle of a modem's task: cheap to clone.
#[derive(Clone)]
pub struct Modem {
    requests: mpsc::Sender<Request>,
    snapshot: watch::Receiver<Snapshot>,
}

impl Modem {
    /// Starts the task; what the session says by itself goes to `notices`.
    pub fn start(settings: Settings, notices: mpsc::Sender<Notice>) -> Self {
        let (requests, receiver) = mpsc::channel(16);
        let now = monotonic();
        let session = Session::new(settings.clone(), now);
        let (publish, snapshot) = watch::channel(session.snapshot());
        let task = Task {
            settings,
            session,
            requests: receiver,
            notices,
            publish,
            port: None,
            order: None,
            gate: None,
            ussd: None,
            wait: Duration::ZERO,
            open_at: now,
            lost_notices: 0,
        };
        tokio::spawn(task.run());
        Self { requests, snapshot }
    }

    /// What is known of the modem, and each change of it.
    pub fn snapshot(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// Sends the parts in order. The dialogue begins at once; the first PDU leaves when the gate opens, and
    /// none when its sender is dropped.
    pub fn submit(
        &self,
        parts: Vec<Part>,
        gate: oneshot::Receiver<()>,
    ) -> impl Future<Output = Outcome> + Send + 'static {
        let (reply, outcome) = oneshot::channel();
        let requests = self.requests.clone();
        async move {
            let gone = || Outcome::NotStarted {
                references: Vec::new(),
                reason: "the modem's task has ended".to_owned(),
            };
            if requests.send(Request::Submit { parts, gate, reply }).await.is_err() {
                return gone();
            }
            outcome.await.unwrap_or_else(|_| gone())
        }
    }

    /// Takes no messages until [`Modem::resume`]; the one on the air ends.
    pub async fn pause(&self) {
        self.ask(|done| Request::Pause(true, done)).await;
    }

    /// Takes messages again.
    pub async fn resume(&self) {
        self.ask(|done| Request::Pause(false, done)).await;
    }

    /// Begins anew with the device.
    pub async fn reset(&self) {
        self.ask(Request::Reset).await;
    }

    /// Asks the network something; the answer's text.
    pub async fn ussd(&self, code: &str, within: Duration) -> Result<String, String> {
        let (reply, answer) = oneshot::channel();
        let gone = || "the modem's task has ended".to_owned();
        let request = Request::Ussd { code: Secret::new(code.to_owned()), within, reply };
        self.requests.send(request).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Lets the message on the air end, at most `grace`, then closes the port.
    pub async fn stop(&self, grace: Duration) {
        self.ask(|done| Request::Stop { grace, done }).await;
    }

    async fn ask(&self, request: impl FnOnce(oneshot::Sender<()>) -> Request) {
        let (done, answered) = oneshot::channel();
        if self.requests.send(request(done)).await.is_ok() {
            // A task that ended has done it.
            let _ = answered.await;
        }
    }
}

struct Task {
    settings: Settings,
    session: Session,
    requests: mpsc::Receiver<Request>,
    notices: mpsc::Sender<Notice>,
    publish: watch::Sender<Snapshot>,
    port: Option<Port>,
    order: Option<oneshot::Sender<Outcome>>,
    gate: Option<oneshot::Receiver<()>>,
    ussd: Option<oneshot::Sender<Result<String, String>>>,
    /// The next wait before the port is opened again.
    wait: Duration,
    open_at: Instant,
    lost_notices: u64,
}

/// What woke the task.
enum Event {
    Read(io::Result<usize>),
    Asked(Option<Request>),
    Gate(bool),
    Time,
}

/// A device that takes no octets for this long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

impl Task {
    async fn run(mut self) {
        let mut octets = [0; 2048];
        let mut stop: Option<(oneshot::Sender<()>, Instant)> = None;
        loop {
            let now = monotonic();
            if self.port.is_none() && now >= self.open_at {
                self.open(now);
            }
            self.act().await;
            if let Some((_, until)) = &stop
                && (self.order.is_none() || now >= *until)
            {
                break;
            }
            let mut wake = if self.port.is_some() { self.session.deadline() } else { Some(self.open_at) };
            if let Some((_, until)) = &stop {
                wake = Some(wake.map_or(*until, |at| at.min(*until)));
            }
            let event = tokio::select! {
                biased;
                opened = gate(&mut self.gate) => Event::Gate(opened),
                read = read(&mut self.port, &mut octets) => Event::Read(read),
                request = self.requests.recv(), if stop.is_none() => Event::Asked(request),
                () = sleep_until(wake) => Event::Time,
            };
            let now = monotonic();
            match event {
                Event::Read(Ok(n)) if n > 0 => self.session.received(&octets[..n], now),
                Event::Read(Ok(_)) => self.lost("the port hung up", now),
                Event::Read(Err(e)) => self.lost(&format!("the port failed: {e}"), now),
                Event::Gate(true) => self.session.release(now),
                Event::Gate(false) => self.session.withdraw(now),
                Event::Time if self.port.is_some() => self.session.tick(now),
                Event::Time => {}
                Event::Asked(Some(Request::Stop { grace, done })) => stop = Some((done, now + grace)),
                Event::Asked(Some(request)) => self.asked(request, now),
                Event::Asked(None) => break,
            }
        }
        self.port = None;
        self.session.closed("the daemon stops");
        self.act().await;
        if let Some((done, _)) = stop {
            let _ = done.send(());
        }
    }

    fn open(&mut self, now: Instant) {
        match Port::open(&self.settings.port, self.settings.baud) {
            Ok(port) => {
                self.port = Some(port);
                self.wait = Duration::ZERO;
                self.session.opened(now);
            }
            Err(why) => self.lost(&why, now),
        }
    }

    fn lost(&mut self, why: &str, now: Instant) {
        self.port = None;
        self.session.closed(why);
        self.later(now);
    }

    fn later(&mut self, now: Instant) {
        let timing = &self.settings.timing;
        self.wait = (self.wait * 2).clamp(timing.reopen, timing.reopen_max);
        self.open_at = now + self.wait;
    }

    fn asked(&mut self, request: Request, now: Instant) {
        match request {
            Request::Submit { parts, gate, reply } if self.order.is_none() => {
                self.order = Some(reply);
                self.gate = Some(gate);
                self.session.submit(parts, now);
            }
            Request::Submit { reply, .. } => {
                let reason = "another message is on the air".to_owned();
                let _ = reply.send(Outcome::NotStarted { references: Vec::new(), reason });
            }
            Request::Pause(paused, done) => {
                self.session.pause(paused);
                let _ = done.send(());
            }
            Request::Reset(done) => {
                self.session.reset(now);
                let _ = done.send(());
            }
            Request::Ussd { code, within, reply } => {
                if self.ussd.is_none() && self.session.ussd(&code, within, now) {
                    self.ussd = Some(reply);
                } else {
                    let _ = reply.send(Err("the modem is busy or not ready; try again".to_owned()));
                }
            }
            // Taken by the loop.
            Request::Stop { .. } => {}
        }
    }

    /// Does what the session wants, then tells what is known.
    async fn act(&mut self) {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Write(octets, shown) => self.write(&octets, &shown).await,
                Action::Reopen => {
                    self.port = None;
                    self.later(monotonic());
                }
                Action::Ended(outcome) => {
                    self.gate = None;
                    if let Some(reply) = self.order.take() {
                        // The state first: who hears of the end may submit at once.
                        self.tell();
                        let _ = reply.send(outcome);
                    }
                }
                Action::Answered(answer) => {
                    if let Some(reply) = self.ussd.take() {
                        let _ = reply.send(answer);
                    }
                }
                Action::LateAccepted(reference) => self.notice(Notice::LateAccepted { reference }),
                Action::Arrived(kind, pdu) => self.notice(Notice::Arrived { kind, pdu }),
                Action::Stored(kind, place) => self.notice(Notice::Stored { kind, place }),
            }
        }
        self.tell();
    }

    async fn write(&mut self, octets: &[u8], shown: &str) {
        let Some(port) = &mut self.port else { return };
        tracing::trace!(target: "smsotpd::port", modem = self.settings.name, "> {shown}");
        let written = tokio::time::timeout(WRITE_LIMIT, port.stream.write_all(octets)).await;
        let why = match written {
            Ok(Ok(())) => return,
            Ok(Err(e)) => format!("the port failed: {e}"),
            Err(_) => "the port takes no octets".to_owned(),
        };
        self.lost(&why, monotonic());
    }

    fn notice(&mut self, notice: Notice) {
        if self.notices.try_send(notice).is_err() {
            self.lost_notices += 1;
        }
    }

    fn tell(&mut self) {
        let mut now = self.session.snapshot();
        now.counters.lost_notices = self.lost_notices;
        self.publish.send_if_modified(|known| {
            let changed = *known != now;
            if changed {
                *known = now;
            }
            changed
        });
    }
}

async fn gate(gate: &mut Option<oneshot::Receiver<()>>) -> bool {
    match gate {
        Some(receiver) => {
            let opened = receiver.await.is_ok();
            *gate = None;
            opened
        }
        None => std::future::pending().await,
    }
}

async fn read(port: &mut Option<Port>, octets: &mut [u8]) -> io::Result<usize> {
    match port {
        Some(port) => port.stream.read(octets).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
