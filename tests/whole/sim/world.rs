//! The world of a run: modems, a machine, clients, and a daemon that ends and starts again. When all that goes wrong is
//! over, everything has to be in order within an hour.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm_modem::Host;
use gsm_sim::script::Script;
use gsm_sim::{Rack, Submitted};
use smsotpd::clock::{Clock, Timestamp};
use smsotpd::daemon::Core;
use smsotpd::gateway::{Caller, Gateway, GatewayError, MessageView, SendRequest, Settings};
use smsotpd::otp::{Limits, OnReissue, Policy, Pumping, Service, Template};
use smsotpd::outbox::{Circuit, MessageStatus, ModemRules};
use smsotpd::random::Random;
use smsotpd::secret::{Key, Secret};
use smsotpd::store::{Engine, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Run;
use super::dice::Dice;
use super::ear::{Ear, LETTERS, MARK};
use super::machine::{Disk, Life, Ports};
use super::model::{self, Model};
use super::plan::{Kind, Plan};
use super::trouble::port;

/// How long it may take until everything is in order.
const CALM: u64 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// 2026-06-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_780_272_000_000);

#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    plan: Plan,
    began: Instant,
    rack: Arc<Rack>,
    machine: Machine,
    clock: Clock,
    now: Mutex<Option<(Gateway, Arc<Life>)>>,
    model: Mutex<Model>,
    steps: Mutex<Vec<String>>,
    ear: Ear,
    /// The newest code that each number got.
    codes: Mutex<BTreeMap<String, String>>,
    delivered: Notify,
    flooded: AtomicBool,
    /// Nothing goes wrong any more.
    calm: AtomicBool,
    /// Which settings the daemon was given last.
    settings: AtomicU64,
    /// The last event that was read, over all lives.
    read: AtomicU64,
}

/// What is there before the daemon starts and after it has ended.
pub(super) struct Machine {
    kept: Arc<dyn Engine>,
    /// The disk has no room.
    pub(super) full: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
}

impl World {
    /// Lives through a plan, on this engine's records.
    pub(super) async fn live(plan: Plan, kept: Arc<dyn Engine>) -> Run {
        let mut script = Script::default();
        if plan.torn {
            (script.line.pieces, script.line.piece_gap_us) = (Some([1, 9]), 500);
        }
        let rack = Arc::new(Rack::new(vec![script; plan.modems], plan.seed));
        let model = Model::new(plan.replaces(), plan.stop_codes);
        let world = Self(Arc::new(Inner {
            began: Instant::now(),
            rack,
            machine: Machine { kept, full: Arc::default(), opened: Arc::default() },
            clock: Clock::simulated(START),
            now: Mutex::default(),
            model: Mutex::new(model),
            steps: Mutex::default(),
            ear: Ear::new(),
            codes: Mutex::default(),
            delivered: Notify::new(),
            flooded: AtomicBool::new(false),
            calm: AtomicBool::new(false),
            settings: AtomicU64::new(0),
            read: AtomicU64::new(0),
            plan,
        }));
        let listener = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(world.0.ear.clone())
            .finish();
        // All of a run is in this thread.
        let listening = tracing::subscriber::set_default(listener);
        let mut actors = JoinSet::new();
        actors.spawn(world.clone().phones());
        let daemon = tokio::spawn(world.clone().daemon());
        for client in 0..world.plan().clients {
            actors.spawn(world.clone().client(client));
        }
        let faults = world.plan().faults.clone().into_iter();
        for (kind, mean) in faults.filter(|(kind, _)| *kind != Kind::Crash) {
            actors.spawn(world.clone().trouble(kind, mean));
        }
        let ends = world.0.began + world.plan().unrest;
        while Instant::now() < ends && !world.is_broken() {
            sleep(MINUTE.min(ends - Instant::now())).await;
        }
        actors.shutdown().await;
        if !world.is_broken() {
            world.calm().await;
        }
        daemon.abort();
        drop(listening);
        world.is_broken();
        let broken = world.model(|model| model.broken.take());
        Run { steps: std::mem::take(&mut *world.0.steps.lock().unwrap()), broken }
    }

    /// Whether something did not hold, or a secret was heard.
    fn is_broken(&self) -> bool {
        let heard = self.0.ear.heard();
        self.model(|model| {
            if let Some(what) = heard {
                model.must(false, || what);
            }
            model.broken.is_some()
        })
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    pub(super) fn rack(&self) -> &Rack {
        &self.0.rack
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.0.machine
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// What the wall clock would show if nobody had set it.
    pub(super) fn right_time(&self) -> Timestamp {
        START.plus(self.0.began.elapsed())
    }

    /// Whether records may be forgotten: the run is as long as they are kept for.
    pub(super) fn forgets(&self) -> bool {
        self.plan().unrest > Duration::from_secs(20 * 3600)
    }

    /// Sets the wall clock.
    pub(super) fn set_clock(&self, to: Timestamp) {
        self.step(&format!("the clock shows {to}"));
        if to > self.0.clock.now() {
            self.model(Model::clock_ahead);
        }
        self.0.clock.set(to);
    }

    pub(super) fn step(&self, what: &str) {
        let at = self.0.began.elapsed().as_millis();
        self.0.steps.lock().unwrap().push(format!("{at:>9} {what}"));
        if self.0.ear.aloud {
            tracing::info!(target: "step", "{what}");
        }
    }

    pub(super) fn model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.0.model.lock().unwrap())
    }

    /// What the daemon answers is heard.
    pub(super) fn hear(&self, answer: &impl Debug) {
        self.0.ear.listen(&format!("{answer:?}"));
    }

    pub(super) fn flood(&self, begins: bool) {
        self.0.flooded.store(begins, Ordering::SeqCst);
    }

    pub(super) fn flooded(&self) -> bool {
        self.0.flooded.load(Ordering::SeqCst)
    }

    pub(super) fn delivered(&self) -> &Notify {
        &self.0.delivered
    }

    pub(super) fn newest_code(&self, to: &str) -> Option<String> {
        self.0.codes.lock().unwrap().get(to).cloned()
    }

    fn settings(&self) -> Settings {
        let which = self.0.settings.load(Ordering::SeqCst);
        let policy = Policy {
            digits: LETTERS,
            alphabet: "BCDEFGHJKLMNPQRSTUVWXYZ".to_owned(),
            ttl: model::TTL,
            allow_long_ttl: false,
            max_attempts: model::ATTEMPTS,
            cooldown: model::COOLDOWN,
            max_sends: model::SENDS,
            on_reissue: if self.plan().replaces() { OnReissue::New } else { OnReissue::Same },
        };
        let template = Template::parse(&format!("{MARK} {{code}}")).unwrap();
        let service = Service { policy, template, report: true, ..Service::default() };
        let limits = Limits {
            per_number: vec![model::PER_NUMBER],
            total: vec![model::TOTAL],
            guesses_per_number: vec![model::GUESSES],
            per_client: Vec::new(),
            per_prefix: Vec::new(),
            ..Limits::default()
        };
        let limited = ModemRules { max_per_day: self.plan().max_per_day, ..ModemRules::default() };
        Settings {
            services: BTreeMap::from([(Service::DEFAULT.to_owned(), service)]),
            limits,
            // The clients' numbers stand side by side, and few of their codes are entered.
            pumping: Pumping::off(),
            max_pending: 500 - 50 * usize::try_from(which).unwrap(),
            min_life: model::MIN_LIFE[usize::try_from(which).unwrap()],
            modems: BTreeMap::from([("m0".to_owned(), limited)]),
            stop_codes: self.plan().stop_codes,
            ..Settings::default()
        }
    }

    /// The operator loads the configuration again.
    pub(super) fn reload(&self, which: u64) {
        self.0.settings.store(which, Ordering::SeqCst);
        if let Some((gateway, _)) = &*self.0.now.lock().unwrap() {
            gateway.reload(self.settings());
        }
    }

    /// Starts a daemon on what is on the disk.
    async fn start(&self, number: u64, life: &Arc<Life>) -> Result<Core, GatewayError> {
        let Inner { machine, rack, plan, clock, .. } = &*self.0;
        let mut dice = Dice::new(plan.seed, 1000 + number);
        let (kept, full) = (Arc::clone(&machine.kept), Arc::clone(&machine.full));
        let disk = Disk { kept, full, life: Arc::clone(life) };
        let store = Store::over(Arc::new(disk), dice.millis(15));
        let key = Key::from_bytes([7; 32]).with_random(Random::seeded(dice.roll()));
        // Without the families' files nobody asks a modem for reports.
        let profiles = smsotpd::config::profiles();
        let plugged = (0..plan.modems).map(|place| {
            let (opened, life) = (Arc::clone(&machine.opened), Arc::clone(life));
            let ports = Ports { rack: Arc::clone(rack), place, life, opened };
            let settings = gsm_modem::Settings {
                profiles: profiles.clone(),
                ..gsm_modem::Settings::new(format!("m{place}"), port(place))
            };
            (settings, Arc::new(ports) as Arc<dyn Host>)
        });
        Core::start(store, key, clock.clone(), self.settings(), plugged.collect()).await
    }

    /// A daemon that ends and is started again.
    async fn daemon(self) {
        let mut dice = Dice::new(self.plan().seed, 1);
        let mean = self.plan().faults.get(&Kind::Crash).map(Duration::as_secs);
        for number in 0.. {
            let life = Arc::new(Life::default());
            if let Some(mean) = mean.filter(|_| !self.0.calm.load(Ordering::SeqCst)) {
                // Some four steps in a second.
                life.end_after(i64::try_from(20 + dice.below(8 * mean)).unwrap(), dice.one_in(2));
            }
            self.step(&format!("life {number} begins"));
            match self.start(number, &life).await {
                Ok(core) => self.live_on(core, &life, number).await,
                Err(e) => {
                    self.step(&format!("life {number} did not begin: {e}"));
                    let full = self.machine().full.load(Ordering::SeqCst);
                    self.model(|m| m.must(life.is_over() || full, || format!("a start failed: {e}")));
                    life.end();
                }
            }
            let trouble = self.model(|model| {
                model.crashes += 1;
                model.trouble()
            });
            sleep(Duration::from_millis(200) + dice.millis(5000)).await;
            self.model(|model| model.over(trouble));
        }
    }

    /// One life, to its end.
    async fn live_on(&self, core: Core, life: &Arc<Life>, number: u64) {
        let gateway = core.gateway().clone();
        *self.0.now.lock().unwrap() = Some((gateway.clone(), Arc::clone(life)));
        tokio::select! {
            biased;
            () = life.ended() => {}
            () = self.follow(&gateway) => {}
        }
        life.end();
        *self.0.now.lock().unwrap() = None;
        self.step(&format!("life {number} is over"));
        // What is left of it reaches neither the disk nor a modem any more.
        tokio::spawn(core.stop());
    }

    /// Reads every event, behind those that were read in earlier lives: none is missing, and none comes twice.
    async fn follow(&self, gateway: &Gateway) {
        let mut newest = gateway.newest_event();
        loop {
            let (known, told) = (self.0.read.load(Ordering::SeqCst), *newest.borrow_and_update());
            if told <= known {
                if newest.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Ok(page) = gateway.events(known, 50).await else { return };
            self.model(|m| {
                m.must(page.gap.is_none(), || format!("events behind {known} are lost: {:?}", page.gap));
                m.must(page.upto > known, || {
                    format!("event {told} is told, and is not on disk behind {known}")
                });
            });
            if page.upto <= known {
                return;
            }
            for ((id, event), wanted) in page.events.iter().zip(known + 1..) {
                self.0.ear.listen_closely(&format!("{event:?}"));
                self.model(|m| {
                    m.must(*id == wanted, || format!("event {id} came in the place of {wanted}"));
                    m.told(event);
                });
            }
            self.0.read.store(page.upto, Ordering::SeqCst);
        }
    }

    /// Asks the daemon something; nothing when it ended before it could tell.
    pub(super) async fn ask<T, F: Future<Output = Result<T, GatewayError>>>(
        &self,
        call: impl FnOnce(Gateway) -> F,
    ) -> Option<Result<T, GatewayError>> {
        self.ask_for(Duration::MAX, call).await
    }

    /// The same, for so long; then the client leaves.
    pub(super) async fn ask_for<T, F: Future<Output = Result<T, GatewayError>>>(
        &self,
        most: Duration,
        call: impl FnOnce(Gateway) -> F,
    ) -> Option<Result<T, GatewayError>> {
        let (gateway, life) = self.0.now.lock().unwrap().clone()?;
        tokio::select! {
            biased;
            answer = timeout(most, call(gateway)) => answer.ok().filter(|_| !life.is_over()),
            () = life.ended() => None,
        }
    }

    /// Reads every text that reaches its phone.
    async fn phones(self) {
        let mut texts = self.0.rack.listen();
        while let Some(received) = texts.recv().await {
            if let Some((_, code)) = received.text.split_once(' ').filter(|(_, code)| code.len() == LETTERS) {
                self.0.ear.learn(code);
                self.0.codes.lock().unwrap().insert(received.to, code.to_owned());
                self.0.delivered.notify_waiters();
            }
        }
    }

    /// Nothing goes wrong from now on: everything has to be in order within an hour.
    async fn calm(&self) {
        self.step("calm");
        self.0.calm.store(true, Ordering::SeqCst);
        self.end_all();
        let life = self.0.now.lock().unwrap().as_ref().map(|(_, life)| Arc::clone(life));
        if let Some(life) = life {
            // What a start puts right again has to be right without one, too.
            if self.plan().seed.is_multiple_of(2) { life.end() } else { life.end_never() }
        }
        sleep(MINUTE).await;
        let Some((gateway, _)) = self.0.now.lock().unwrap().clone() else {
            return self.model(|m| m.must(false, || "the daemon does not start".to_owned()));
        };
        let gateway = &gateway;
        for minute in 0..=CALM {
            match disorder(gateway) {
                None => break,
                Some(what) if minute == CALM => {
                    self.model(|m| m.must(false, || format!("after an hour of calm {what}")));
                }
                Some(_) => sleep(MINUTE).await,
            }
        }
        self.try_each(gateway).await;
        let taken: Vec<Submitted> = self.0.rack.submitted();
        self.look_at_messages(gateway, &taken).await;
        self.look_at_ledgers(gateway, &taken);
        let trail = gateway.verify_events(None).await;
        let whole = trail.as_ref().is_ok_and(|trail| trail.fault.is_none());
        self.model(|m| m.must(whole, || format!("the trail is not whole: {trail:?}")));
        for id in self.model(|model| model.issued_ones()) {
            if let Ok(v) = gateway.verification(&Caller::default(), id).await {
                self.model(|model| model.verification_stands(&v));
            }
        }
    }

    /// Each modem can send.
    async fn try_each(&self, gateway: &Gateway) {
        for modem in gateway.modems() {
            if modem.name == "m0" && self.plan().max_per_day.is_some() {
                continue;
            }
            let request = SendRequest {
                to: "+41797770000".to_owned(),
                text: Secret::new("Are you there?".to_owned()),
                flash: false,
                priority: 9,
                valid_for: None,
                send_at: None,
                report: false,
                modem: Some(modem.name.clone()),
                idempotency_key: None,
            };
            let sent = gateway.send(&Caller::default(), request).await.map(|(m, _)| m.id);
            let mut sends = false;
            // A breaker rests for half an hour at most.
            for _ in 0..32 {
                sleep(MINUTE).await;
                let Ok(id) = sent else { break };
                let now = gateway.message(&Caller::default(), id).await.map(|m| m.status);
                sends = now == Ok(MessageStatus::Sent);
                if sends {
                    break;
                }
            }
            let view = gateway.modem(&modem.name).map(|m| m.condition.circuit);
            self.model(|m| {
                m.must(sends, || format!("{} does not send", modem.name));
                m.must(view == Ok(Circuit::Closed), || format!("the breaker of {}: {view:?}", modem.name));
            });
        }
        let what = disorder(gateway);
        self.model(|m| m.must(what.is_none(), || format!("after the calm {what:?}")));
    }

    async fn look_at_messages(&self, gateway: &Gateway, taken: &[Submitted]) {
        let mut by_number: BTreeMap<String, Vec<MessageView>> = BTreeMap::new();
        for promise in self.model(|model| model.promises()) {
            match gateway.message(&Caller::default(), promise.id).await {
                Ok(m) => {
                    self.step(&format!("{} to {} is {}", promise.id, promise.to, m.status.as_str()));
                    self.model(|model| model.message_stands(&m));
                    by_number.entry(promise.to).or_default().push(m);
                }
                Err(e) if !self.forgets() => {
                    self.model(|m| m.must(false, || format!("{} was promised and is lost: {e}", promise.id)));
                }
                Err(_) => {}
            }
        }
        if self.forgets() {
            return;
        }
        let mut to_number: BTreeMap<&str, Vec<&Submitted>> = BTreeMap::new();
        for one in taken {
            to_number.entry(&one.to).or_default().push(one);
        }
        for (to, messages) in by_number {
            let taken = to_number.remove(to.as_str()).unwrap_or_default();
            self.model(|model| model.ended(&to, &messages, &taken));
        }
    }

    fn look_at_ledgers(&self, gateway: &Gateway, taken: &[Submitted]) {
        // A day of the ledger is one of the wall clock.
        if self.forgets() || self.plan().has(Kind::Swapped) || self.plan().has(Kind::ClockSet) {
            return;
        }
        for (place, modem) in gateway.modems().into_iter().enumerate() {
            let iccid = self.0.rack.identity(place).iccid;
            let taken = taken.iter().filter(|t| t.iccid == iccid && !t.dropped).count();
            let most = self.plan().max_per_day.filter(|_| place == 0);
            let counts = modem.condition.parts_today as usize;
            self.model(|model| model.ledger(&modem.name, counts, taken, most));
        }
    }
}

/// What is not in order yet: messages that wait, or a modem that is not ready.
fn disorder(gateway: &Gateway) -> Option<String> {
    let queue = gateway.status().queue;
    let waiting = queue.otp + queue.text + queue.sending;
    if waiting > 0 {
        return Some(format!("{waiting} messages wait"));
    }
    let modems = gateway.modems().into_iter();
    let mut modems = modems.filter(|m| m.facts.state.as_str() != "ready");
    let modem = modems.next()?;
    let why = modem.facts.last_error.unwrap_or_default();
    Some(format!("{} is {}: {why}", modem.name, modem.facts.state.as_str()))
}
