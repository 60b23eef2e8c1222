//! The use cases over a store in memory, modems of a few lines and a clock that the test moves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gsm_sms::{Direction, Framing, Strictness};
use tokio::sync::{mpsc, oneshot, watch};

use super::lock::locked;
use super::*;
use crate::clock::{Clock, Timestamp};
use crate::id::{MessageId, VerificationId};
use crate::otp::{Limits, OnReissue, Pumping, Rate, Service, Template, VerificationStatus};
use crate::outbox::{Fault, FaultClass, Message, MessageStatus, ModemRules};
use crate::secret::{Key, Secret};
use crate::store::{InboxRecords, ReportRecords, Store};

mod ahead;
mod apart;
mod audit;
mod backlog;
mod canary;
mod cancel;
mod clocks;
mod course;
mod destinations;
mod faults;
mod fleet;
mod growth;
mod guesses;
mod inbound;
mod limits;
mod log;
mod modems;
mod names;
mod once;
mod overload;
mod pending;
mod pool;
mod pumping;
mod reports;
mod retention;
mod reverse;
mod rotate;
mod scope;
mod testing;
mod texts;
mod trail;
mod twins;

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// A modem that does what its test planned, and shows what reached the network.
struct Fake {
    name: String,
    readiness: watch::Sender<Readiness>,
    facts: Mutex<Snapshot>,
    plan: Mutex<VecDeque<Plan>>,
    /// How everything ends that is not planned; none: accepted.
    always: Mutex<Option<Outcome>>,
    /// Why it was to be cured.
    cures: Mutex<Vec<String>>,
    /// How often it was told to expect a late answer.
    expects_late: Mutex<u32>,
    air: mpsc::UnboundedSender<Aired>,
}

enum Plan {
    End(Outcome),
    /// Waits for the test, then accepts.
    Hold(oneshot::Receiver<()>),
    /// Waits for the test, then ends so.
    HoldThen(oneshot::Receiver<()>, Outcome),
}

/// Ends what a modem has on the air.
struct Held(oneshot::Sender<()>);

impl Held {
    fn end(self) {
        self.0.send(()).unwrap();
    }
}

#[derive(Debug)]
struct Aired {
    modem: String,
    to: String,
    text: String,
    reference: u8,
    twin: bool,
}

impl Submit for Fake {
    fn name(&self) -> &str {
        &self.name
    }

    fn facts(&self) -> Snapshot {
        let state = if self.readiness.borrow().ready { ModemState::Ready } else { ModemState::Absent };
        Snapshot { state, ..locked(&self.facts).clone() }
    }

    fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.subscribe()
    }

    fn submit(&self, parts: Vec<Part>, gate: Gate) -> BoxFuture<'static, Outcome> {
        let plan = locked(&self.plan).pop_front().or_else(|| locked(&self.always).clone().map(Plan::End));
        let (air, modem) = (self.air.clone(), self.name.clone());
        Box::pin(async move {
            if gate.await.is_err() {
                return Outcome::NotStarted { references: vec![], reason: "withdrawn".to_owned() };
            }
            let mut references = Vec::new();
            for part in &parts {
                let pdu = part.pdu.expose();
                let read = gsm_sms::decode(pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict);
                let gsm_sms::Tpdu::Submit(submit) = read.unwrap().tpdu else { panic!("not a SUBMIT") };
                references.push(submit.message_reference);
                let _ = air.send(Aired {
                    modem: modem.clone(),
                    to: submit.destination.to_string(),
                    text: submit.user_data.to_text().unwrap_or_default(),
                    reference: submit.message_reference,
                    twin: submit.first_octet.rejects_duplicates(),
                });
            }
            match plan {
                Some(Plan::End(outcome)) => outcome,
                Some(Plan::Hold(until)) => {
                    let _ = until.await;
                    Outcome::Accepted { references }
                }
                Some(Plan::HoldThen(until, outcome)) => {
                    let _ = until.await;
                    outcome
                }
                None => Outcome::Accepted { references },
            }
        })
    }

    fn control(&self, control: Control) -> BoxFuture<'static, Result<Option<UssdAnswer>, ControlError>> {
        if let Control::Cure { why } = &control {
            locked(&self.cures).push(why.clone());
        }
        if matches!(control, Control::ExpectLate) {
            *locked(&self.expects_late) += 1;
        }
        Box::pin(async move {
            match control {
                Control::Resume | Control::Cure { .. } => Ok(None),
                _ => Err(ControlError::Conflict("a test".to_owned())),
            }
        })
    }
}

/// A SIM that told its card's number alone.
fn card(iccid: &str) -> SimNames {
    SimNames::new(Some(iccid.to_owned()), None)
}

struct World {
    gateway: Gateway,
    store: Store,
    clock: Clock,
    modems: Vec<Arc<Fake>>,
    air: mpsc::UnboundedReceiver<Aired>,
    events: tokio::sync::broadcast::Receiver<Event>,
}

/// The defaults without their rates, and a service more. The clock is moved while modems send: they have no pace.
fn settings() -> Settings {
    let template = Template::parse("Your code is {code}.").unwrap();
    let service = Service { template, ..Service::default() };
    let [per_number, per_client, per_prefix, total] = [const { Vec::new() }; 4];
    Settings {
        services: BTreeMap::from([("default".to_owned(), service.clone()), ("pay".to_owned(), service)]),
        limits: Limits { per_number, per_client, per_prefix, total, ..Limits::default() },
        pumping: Pumping::off(),
        max_pending: 1000,
        max_wait: Duration::from_secs(3600),
        ..Settings::default()
    }
}

/// Each code is a new one, at any time.
fn renewing(mut settings: Settings) -> Settings {
    for service in settings.services.values_mut() {
        (service.policy.cooldown, service.policy.on_reissue) = (Duration::ZERO, OnReissue::New);
    }
    settings
}

impl World {
    async fn new(modems: usize) -> Self {
        Self::with(modems, settings(), Store::in_memory(), Clock::manual(START)).await
    }

    async fn with(count: usize, settings: Settings, store: Store, clock: Clock) -> Self {
        let cards = (0..count).map(|i| card(&format!("sim{i}"))).collect();
        Self::of_sims(cards, settings, store, clock).await
    }

    /// A modem for each SIM, which told these names.
    async fn of_sims(sims: Vec<SimNames>, settings: Settings, store: Store, clock: Clock) -> Self {
        let (sender, air) = mpsc::unbounded_channel();
        let modems: Vec<Arc<Fake>> = sims
            .into_iter()
            .enumerate()
            .map(|(i, sim)| {
                let ready = Readiness { ready: true, sim, ..Readiness::default() };
                Arc::new(Fake {
                    name: format!("{}{i}", settings.host.as_deref().unwrap_or("m")),
                    readiness: watch::Sender::new(ready),
                    facts: Mutex::default(),
                    plan: Mutex::default(),
                    always: Mutex::default(),
                    cures: Mutex::default(),
                    expects_late: Mutex::default(),
                    air: sender.clone(),
                })
            })
            .collect();
        let dynamic = modems.iter().map(|m| Arc::clone(m) as Arc<dyn Submit>).collect();
        let key = Key::from_bytes([9; 32]);
        let gateway = Gateway::open(store.clone(), key, clock.clone(), settings, dynamic).await.unwrap();
        let events = gateway.live();
        let running = gateway.clone();
        tokio::spawn(async move { running.run().await });
        Self { gateway, store, clock, modems, air, events }
    }

    /// What this modem gets next stays on the air until the test ends it, so.
    fn hold(&self, modem: usize, outcome: Outcome) -> Held {
        let (release, until) = oneshot::channel();
        locked(&self.modems[modem].plan).push_back(Plan::HoldThen(until, outcome));
        Held(release)
    }

    async fn issue(&self, to: &str) -> Result<VerificationView, GatewayError> {
        self.gateway.issue(&Caller::default(), request(to)).await.map(|(view, _)| view)
    }

    async fn check(&self, id: VerificationId, code: &str) -> CheckView {
        self.gateway.check(&Caller::default(), id, CheckRequest::of(code)).await.unwrap()
    }

    async fn aired(&mut self) -> Aired {
        tokio::time::timeout(Duration::from_secs(10), self.air.recv())
            .await
            .expect("a message on the air")
            .unwrap()
    }

    async fn send(&self, to: &str) -> MessageId {
        self.gateway.send(&Caller::default(), text(to, "hello")).await.unwrap().0.id
    }

    /// The modem through which a message to this number goes, when all of them wait.
    async fn through(&mut self, to: &str) -> String {
        let id = self.send(to).await;
        let aired = self.aired().await;
        assert_eq!(aired.to, to);
        self.until(id, MessageStatus::Sent).await;
        self.at_rest().await;
        aired.modem
    }

    /// Lets every task run until it waits for something else than the store.
    async fn at_rest(&self) {
        for _ in 0..60 {
            self.store.transact(|_| ()).await.unwrap();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn condition(&self, modem: &str) -> Condition {
        self.gateway.modem(modem).unwrap().condition
    }

    /// The next event of this message with this status.
    async fn until(&mut self, id: MessageId, status: MessageStatus) -> MessageView {
        let wait = async {
            loop {
                if let EventKind::Message(m) = self.events.recv().await.unwrap().kind
                    && m.id == id
                    && m.status == status
                {
                    return m;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("an event")
    }
}

fn request(to: &str) -> IssueRequest {
    IssueRequest { to: to.to_owned(), ..IssueRequest::default() }
}

fn code_of(aired: &Aired) -> String {
    aired.text.chars().filter(char::is_ascii_digit).collect()
}

fn wrong(code: &str) -> String {
    let first = if code.starts_with('1') { '2' } else { '1' };
    format!("{first}{}", &code[1..])
}

#[tokio::test]
async fn one_code() {
    let mut world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let aired = world.aired().await;
    assert_eq!(aired.to, "+41791234567");
    let code = code_of(&aired);
    assert_eq!(code.len(), 6);
    let answer = world.check(view.id, &wrong(&code)).await;
    assert_eq!((answer.approved, answer.verification.attempts_left), (false, 4));
    assert!(world.check(view.id, &code).await.approved);
    let CheckView { approved, verification } = world.check(view.id, &code).await;
    assert_eq!((approved, verification.status), (false, VerificationStatus::Approved));
    world.until(view.message.0, MessageStatus::Sent).await;
}

#[tokio::test]
async fn guesses_exhaust_it_for_good() {
    let mut world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let code = code_of(&world.aired().await);
    for _ in 0..500 {
        assert!(!world.check(view.id, &wrong(&code)).await.approved);
    }
    let answer = world.check(view.id, &code).await;
    assert_eq!((answer.approved, answer.verification.status), (false, VerificationStatus::Exhausted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_right_answers_approve_once() {
    let mut world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let code = code_of(&world.aired().await);
    let checks: Vec<_> = (0..64)
        .map(|_| {
            let (gateway, code) = (world.gateway.clone(), CheckRequest::of(&code));
            tokio::spawn(async move { gateway.check(&Caller::default(), view.id, code).await.unwrap() })
        })
        .collect();
    let mut approved = 0;
    for check in checks {
        approved += usize::from(check.await.unwrap().approved);
    }
    assert_eq!(approved, 1);
}

#[tokio::test]
async fn a_resend_brings_the_same_code() {
    let mut world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let first = world.aired().await;
    world.until(view.message.0, MessageStatus::Sent).await;
    let early = world.gateway.resend(&Caller::default(), view.id, None).await.unwrap_err();
    assert_eq!(early, GatewayError::Cooldown { retry_after: Duration::from_secs(30), verification: view.id });
    world.clock.advance(Duration::from_secs(30));
    let again = world.gateway.resend(&Caller::default(), view.id, None).await.unwrap();
    assert_ne!(again.message.0, view.message.0);
    assert_eq!(code_of(&world.aired().await), code_of(&first));
}

#[tokio::test]
async fn a_cancelled_code_is_neither_sent_nor_accepted() {
    let mut world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let view = world.issue("+41791234567").await.unwrap();
    let cancelled = world.gateway.cancel(&Caller::default(), view.id).await.unwrap();
    assert_eq!(
        (cancelled.status, cancelled.message.1),
        (VerificationStatus::Cancelled, MessageStatus::Cancelled)
    );
    world.modems[0].readiness.send_replace(Readiness { ready: true, ..Readiness::default() });
    let next = world.issue("+41791234568").await.unwrap();
    assert_eq!(world.aired().await.to, "+41791234568", "the first was withdrawn");
    world.until(next.message.0, MessageStatus::Sent).await;
}

#[tokio::test]
async fn limits_hold_and_tell_when_to_come_back() {
    let mut settings = settings();
    settings.limits.per_number = vec!["2/10m".parse::<Rate>().unwrap()];
    settings.limits.deny_prefixes = vec!["+4190".to_owned()];
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    world.issue("+41791234567").await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    world.issue("+41791234567").await.unwrap();
    let refused = world.issue("+41791234567").await.unwrap_err();
    let GatewayError::RateLimited { retry_after, limit } = &refused else { panic!("{refused}") };
    assert_eq!(*retry_after, Duration::from_secs(540));
    assert!(!limit.contains("791234567"), "no number in an error");
    world.issue("+41791234568").await.unwrap();
    assert!(matches!(world.issue("+41901234567").await, Err(GatewayError::DestinationBlocked(_))));
    world.clock.advance(Duration::from_secs(540));
    world.issue("+41791234567").await.unwrap();
}

#[tokio::test]
async fn an_idempotency_key_sends_once() {
    let mut world = World::new(1).await;
    let caller = Caller::default();
    let keyed = IssueRequest { idempotency_key: Some("k1".to_owned()), ..request("+41791234567") };
    let (first, replayed) = world.gateway.issue(&caller, keyed.clone()).await.unwrap();
    assert!(!replayed);
    world.aired().await;
    world.until(first.message.0, MessageStatus::Sent).await;
    let (second, replayed) = world.gateway.issue(&caller, keyed.clone()).await.unwrap();
    assert_eq!((second.id, replayed), (first.id, true));
    let other = IssueRequest { to: "+41791234568".to_owned(), ..keyed.clone() };
    assert_eq!(world.gateway.issue(&caller, other).await.unwrap_err(), GatewayError::IdempotencyMismatch);
    assert!(world.air.try_recv().is_err());
    world.clock.advance(Duration::from_hours(25));
    let (third, replayed) = world.gateway.issue(&caller, keyed).await.unwrap();
    assert!(!replayed && third.id != first.id);
}

fn text(to: &str, text: &str) -> SendRequest {
    SendRequest {
        to: to.to_owned(),
        text: Secret::new(text.to_owned()),
        flash: false,
        priority: 0,
        valid_for: None,
        send_at: None,
        report: false,
        modem: None,
        idempotency_key: None,
    }
}

#[tokio::test]
async fn faults_of_a_modem_move_the_message_at_once_and_transient_ones_wait() {
    let mut world = World::new(2).await;
    let fault = |class| Outcome::Rejected {
        references: vec![],
        error: Fault { class, text: "+CMS ERROR".to_owned() },
    };
    for modem in &world.modems {
        locked(&modem.plan).push_back(Plan::End(fault(FaultClass::Modem)));
    }
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234567", "hello")).await.unwrap();
    let (first, second) = (world.aired().await, world.aired().await);
    assert_ne!(first.modem, second.modem, "the second modem has it without a wait");
    world.clock.advance(Duration::from_secs(10));
    world.until(m.id, MessageStatus::Sent).await;

    for modem in &world.modems {
        locked(&modem.plan).push_back(Plan::End(fault(FaultClass::Transient)));
    }
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234567", "hello")).await.unwrap();
    let queued = loop {
        let view = world.until(m.id, MessageStatus::Queued).await;
        if view.attempts > 0 {
            break view;
        }
    };
    assert_eq!(queued.error.as_deref(), Some("+CMS ERROR"));
    world.clock.advance(Duration::from_secs(2));
    let end = async {
        loop {
            let view = world.gateway.message(&Caller::default(), m.id).await.unwrap();
            if view.status == MessageStatus::Sent {
                return;
            }
            world.clock.advance(Duration::from_secs(4));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), end).await.unwrap();
}

#[tokio::test]
async fn an_unknown_outcome_goes_out_again_as_its_twin() {
    let mut world = World::new(1).await;
    let unknown = Outcome::Unknown { references: vec![], reason: "silence after Ctrl-Z".to_owned() };
    locked(&world.modems[0].plan).push_back(Plan::End(unknown));
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234567", "hello")).await.unwrap();
    let first = world.aired().await;
    loop {
        let view = world.until(m.id, MessageStatus::Queued).await;
        if view.attempts == 1 {
            break;
        }
    }
    world.clock.advance(Duration::from_secs(2));
    let twin = world.aired().await;
    assert_eq!((first.reference, first.twin), (twin.reference, false));
    assert!(twin.twin && twin.text == "hello");
}

#[tokio::test]
async fn a_late_answer_is_credited() {
    let mut world = World::new(1).await;
    let unknown = Outcome::Unknown { references: vec![], reason: "silence after Ctrl-Z".to_owned() };
    locked(&world.modems[0].plan).push_back(Plan::End(unknown));
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234567", "hello")).await.unwrap();
    world.aired().await;
    while world.until(m.id, MessageStatus::Queued).await.attempts == 0 {}
    world.gateway.late_accepted("m0", 77).await.unwrap();
    world.until(m.id, MessageStatus::Sent).await;
    world.clock.advance(Duration::from_secs(60));
    let (other, _) = world.gateway.send(&Caller::default(), text("+41791234568", "next")).await.unwrap();
    assert_eq!(world.aired().await.text, "next", "no twin went out");
    world.until(other.id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn what_was_on_the_air_at_a_stop_goes_out_as_a_twin_after_the_start() {
    let store = Store::in_memory();
    let clock = Clock::manual(START);
    let mut world = World::with(1, settings(), store.clone(), clock.clone()).await;
    let (_keep, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let view = world.issue("+41791234567").await.unwrap();
    let first = world.aired().await;
    // The first gateway is left as a crash leaves it; the store alone is taken over.
    let mut next = World::with(1, settings(), world.store.clone(), clock).await;
    let twin = next.aired().await;
    assert_eq!((twin.reference, twin.twin, &twin.text), (first.reference, true, &first.text));
    assert!(next.check(view.id, &code_of(&first)).await.approved);
}

#[tokio::test]
async fn a_sims_limit_makes_the_next_message_wait() {
    let mut settings = settings();
    let rules = ModemRules { max_per_minute: Some(2), ..ModemRules::default() };
    settings.modems.insert("m0".to_owned(), rules);
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    for number in ["+41791234561", "+41791234562", "+41791234563"] {
        world.gateway.send(&Caller::default(), text(number, "x")).await.unwrap();
        // Ids of one millisecond are in order in one daemon, not between tests.
        world.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(world.aired().await.to, "+41791234561");
    assert_eq!(world.aired().await.to, "+41791234562");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(world.air.try_recv().is_err());
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.aired().await.to, "+41791234563");
}

#[tokio::test]
async fn a_stop_waits_for_the_air_and_refuses_new_work() {
    let mut world = World::new(1).await;
    let (release, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234560", "x")).await.unwrap();
    world.aired().await;
    let (queued, _) = world.gateway.send(&Caller::default(), text("+41791234561", "y")).await.unwrap();
    world.gateway.stop();
    let refused = world.gateway.send(&Caller::default(), text("+41791234562", "z")).await.unwrap_err();
    assert_eq!(refused, GatewayError::ShuttingDown);
    release.send(()).unwrap();
    world.until(m.id, MessageStatus::Sent).await;
    assert_eq!(
        world.gateway.message(&Caller::default(), queued.id).await.unwrap().status,
        MessageStatus::Queued
    );
}
