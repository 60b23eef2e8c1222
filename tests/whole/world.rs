//! A world under a seed: modems, their faults, clients, and a daemon that crashes and starts again. Then an hour of calm,
//! after which everything has to be in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm_modem::Host;
use gsm_sim::script::{CardState, Script};
use gsm_sim::{Fault, FaultKind, Point, Rack, Reports, Restart, Submitted};
use smsotpd::clock::{Clock, Timestamp};
use smsotpd::daemon::Core;
use smsotpd::gateway::{Caller, Gateway, GatewayError, IssueRequest, SendRequest, Settings};
use smsotpd::id::{MessageId, VerificationId};
use smsotpd::random::Random;
use smsotpd::secret::{Key, Secret};
use smsotpd::store::{Memory, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::machine::{Disk, Life, Ports, until};
use crate::model::Model;

const MODEMS: usize = 4;
const CLIENTS: u64 = 6;
/// How long things go wrong.
const UNREST: Duration = Duration::from_secs(20 * 60);
/// How long all is well afterwards.
const CALM: Duration = Duration::from_secs(3600);
/// 2026-06-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_780_272_000_000);

#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    seed: u64,
    began: Instant,
    rack: Arc<Rack>,
    memory: Arc<Memory>,
    clock: Clock,
    now: Mutex<Option<(Gateway, Arc<Life>)>>,
    model: Mutex<Model>,
    steps: Mutex<Vec<String>>,
    /// The newest code that each number got.
    codes: Mutex<BTreeMap<String, String>>,
    delivered: Notify,
}

impl World {
    /// Lives through a seed; its steps, and what was wrong.
    pub(crate) async fn live(seed: u64) -> (Vec<String>, Result<(), String>) {
        let rack = Arc::new(Rack::new(vec![Script::default(); MODEMS], seed));
        let world = Self(Arc::new(Inner {
            seed,
            began: Instant::now(),
            rack,
            memory: Arc::default(),
            clock: Clock::simulated(START),
            now: Mutex::default(),
            model: Mutex::default(),
            steps: Mutex::default(),
            codes: Mutex::default(),
            delivered: Notify::new(),
        }));
        let mut actors = JoinSet::new();
        actors.spawn(world.clone().phones());
        actors.spawn(world.clone().daemon());
        for client in 0..CLIENTS {
            actors.spawn(world.clone().client(client));
        }
        for place in 0..MODEMS {
            actors.spawn(world.clone().trouble(place));
        }
        sleep(UNREST).await;
        actors.shutdown().await;
        world.calm().await;
        let outcome = world.model(|model| model.broken.take()).map_or(Ok(()), Err);
        let steps = std::mem::take(&mut *world.0.steps.lock().unwrap());
        (steps, outcome)
    }

    fn step(&self, what: &str) {
        let at = self.0.began.elapsed().as_millis();
        self.0.steps.lock().unwrap().push(format!("{at:>9} {what}"));
    }

    fn model<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        look(&mut self.0.model.lock().unwrap())
    }

    fn settings() -> Settings {
        Settings { max_pending: 500, ..Settings::default() }
    }

    /// Starts a daemon on what is on the disk.
    async fn start(&self, number: u64, life: &Arc<Life>) -> Result<Core, GatewayError> {
        let world = &self.0;
        let mut dice = Dice::new(world.seed, 1000 + number);
        let disk = Disk { memory: Arc::clone(&world.memory), life: Arc::clone(life) };
        let store = Store::over(Arc::new(disk), dice.millis(15));
        let key = Key::from_bytes([7; 32]).with_random(Random::seeded(dice.roll()));
        let plugged = (0..MODEMS).map(|place| {
            let port = std::path::PathBuf::from(format!("/sim/modem{place}"));
            let ports = Ports { rack: Arc::clone(&world.rack), place, life: Arc::clone(life) };
            (gsm_modem::Settings::new(format!("m{place}"), port), Arc::new(ports) as Arc<dyn Host>)
        });
        Core::start(store, key, world.clock.clone(), Self::settings(), plugged.collect()).await
    }

    /// A daemon that crashes and is started again.
    async fn daemon(self) {
        let mut dice = Dice::new(self.0.seed, 1);
        for number in 0.. {
            let life = Arc::new(Life::default());
            life.end_after(i64::try_from(20 + dice.below(4000)).unwrap(), dice.one_in(2));
            self.step(&format!("life {number} begins"));
            match self.start(number, &life).await {
                Ok(core) => {
                    *self.0.now.lock().unwrap() = Some((core.gateway().clone(), Arc::clone(&life)));
                    life.ended().await;
                    *self.0.now.lock().unwrap() = None;
                    self.step(&format!("life {number} is over"));
                    // What is left of it reaches neither the disk nor a modem any more.
                    tokio::spawn(core.stop());
                }
                Err(e) => {
                    self.step(&format!("life {number} did not begin: {e}"));
                    self.model(|m| m.must(life.is_over(), || format!("a start failed: {e}")));
                }
            }
            sleep(Duration::from_millis(200) + dice.millis(5000)).await;
        }
    }

    /// Asks the daemon something; nothing when it died before it could tell.
    async fn ask<T, F: Future<Output = Result<T, GatewayError>>>(
        &self,
        call: impl FnOnce(Gateway) -> F,
    ) -> Option<Result<T, GatewayError>> {
        let (gateway, life) = self.0.now.lock().unwrap().clone()?;
        tokio::select! {
            biased;
            answer = call(gateway) => (!life.is_over()).then_some(answer),
            () = life.ended() => None,
        }
    }

    /// Reads every text that reaches its phone.
    async fn phones(self) {
        let mut texts = self.0.rack.listen();
        while let Some(received) = texts.recv().await {
            let code: String = received.text.chars().skip_while(|c| !c.is_ascii_digit()).take(6).collect();
            self.0.codes.lock().unwrap().insert(received.to, code);
            self.0.delivered.notify_waiters();
        }
    }

    /// Issues codes and checks them, right and wrong, once and again; sends texts.
    async fn client(self, number: u64) {
        let mut dice = Dice::new(self.0.seed, 100 + number);
        for story in 0.. {
            sleep(dice.millis(20_000)).await;
            let to = format!("+4179{number:03}{story:04}");
            if dice.one_in(4) {
                self.text(&to, &mut dice).await;
                continue;
            }
            let key = dice.one_in(2).then(|| to.clone());
            let request = || IssueRequest {
                to: to.clone(),
                service: None,
                locale: None,
                values: BTreeMap::new(),
                idempotency_key: key.clone(),
            };
            let caller = Caller::default();
            let mut issued = self.ask(|g| async move { g.issue(&Caller::default(), request()).await }).await;
            if issued.is_none() && key.is_some() {
                sleep(Duration::from_secs(12)).await;
                issued = self.ask(|g| async move { g.issue(&Caller::default(), request()).await }).await;
            }
            let Some(Ok((v, _))) = issued else { continue };
            self.step(&format!("{} was issued to {to}", v.id));
            self.model(|m| m.issued(&v));
            let id = v.id;
            if dice.one_in(10)
                && let Some(Ok(v)) = self.ask(|g| async move { g.cancel(&caller, id).await }).await
            {
                self.step(&format!("{id} was cancelled"));
                self.model(|m| m.cancelled(&v));
            }
            self.person(v.id, &to, &mut dice).await;
        }
    }

    async fn text(&self, to: &str, dice: &mut Dice) {
        let request = SendRequest {
            to: to.to_owned(),
            text: Secret::new("Your parcel is here.".repeat(1 + usize::from(dice.one_in(3)) * 9)),
            flash: false,
            priority: 0,
            valid_for: None,
            send_at: None,
            report: dice.one_in(2),
            modem: None,
            idempotency_key: None,
        };
        let sent = self.ask(|g| async move { g.send(&Caller::default(), request).await }).await;
        if let Some(Ok((m, _))) = sent {
            self.step(&format!("{} was accepted for {to}", m.id));
            self.model(|model| model.accepted(&m));
        }
    }

    /// Types wrong, then right, then the same once more.
    async fn person(&self, id: VerificationId, to: &str, dice: &mut Dice) {
        for _ in 0..dice.below(8) {
            self.check(id, "000000", false).await;
        }
        let look = || self.0.codes.lock().unwrap().get(to).cloned();
        let code = timeout(Duration::from_secs(120), until(&self.0.delivered, look));
        let Ok(code) = code.await else { return };
        let most = if dice.one_in(5) { 400_000 } else { 9_000 };
        sleep(dice.millis(most)).await;
        for _ in 0..=dice.below(3) {
            self.check(id, &code, true).await;
        }
    }

    async fn check(&self, id: VerificationId, code: &str, right: bool) {
        // One code in a million is the wrong one.
        let code = Secret::new(code.to_owned());
        let asked = self.ask(|g| async move { g.check(&Caller::default(), id, &code).await }).await;
        match asked {
            Some(Ok(answer)) => {
                self.step(&format!("{id}: a {right} code is {}", answer.approved));
                self.model(|m| m.checked(id, right, &answer));
            }
            Some(Err(e)) => {
                self.model(|m| m.must(false, || format!("{id} was promised and its check says: {e}")));
            }
            None => {}
        }
    }

    /// What happens to one modem.
    async fn trouble(self, place: usize) {
        let mut dice = Dice::new(self.0.seed, 10 + place as u64);
        let rack = &self.0.rack;
        loop {
            sleep(dice.millis(60_000)).await;
            let kind = dice.below(16);
            self.step(&format!("trouble {kind} at modem {place}"));
            match kind {
                0 => rack.fault(place, Fault::new(FaultKind::LoseResult).at(Point::Accepted).times(1)),
                1 => rack.fault(place, Fault::new(FaultKind::LateResult(dice.millis(50_000))).times(1)),
                2 => rack.fault(place, Fault::new(FaultKind::LoseResult).at(Point::Command).times(2)),
                3 => rack.fault(place, Fault::new(FaultKind::CmsError(38)).times(3)),
                4 => rack.fault(place, Fault::new(FaultKind::Garbage(b"\xff\x00+CM".to_vec())).times(2)),
                5 => rack.restart(place, Restart { announce: None, text_mode: dice.one_in(2) }),
                6 => rack.fault(place, Fault::new(FaultKind::Hang(Some(dice.millis(90_000)))).times(1)),
                7 => {
                    let times = u32::try_from(dice.below(3)).unwrap();
                    let before_answer = dice.one_in(3);
                    rack.set_reports(
                        place,
                        Reports { delay: dice.millis(30_000).into(), times, before_answer },
                    );
                }
                8 => rack.set_air_time(place, dice.millis(8_000)),
                9 => {
                    let announce = Some(vec!["^SYSSTART".to_owned()]);
                    rack.restart(place, Restart { announce, text_mode: dice.one_in(2) });
                }
                10 => {
                    rack.set_card(place, CardState::Absent);
                    sleep(dice.millis(60_000)).await;
                    rack.set_card(place, CardState::Ready);
                }
                11 => rack.set_card_busy(place, dice.millis(20_000)),
                12 => {
                    rack.refuse_all(place, 50);
                    sleep(dice.millis(60_000)).await;
                    rack.refuse_none(place);
                }
                13 => {
                    rack.set_registration(place, 2);
                    sleep(dice.millis(60_000)).await;
                    rack.set_registration(place, 1);
                }
                14 => rack.fill(place, "SM"),
                _ => {
                    rack.unplug(place);
                    sleep(dice.millis(40_000)).await;
                    rack.plug(place).unwrap();
                }
            }
        }
    }

    /// Everything is well from now on; after an hour all must be in order.
    async fn calm(&self) {
        self.step("calm");
        let rack = &self.0.rack;
        for place in 0..MODEMS {
            rack.clear_faults(place);
            rack.unhang(place);
            rack.plug(place).unwrap();
            rack.set_card(place, CardState::Ready);
            rack.set_registration(place, 1);
            rack.refuse_none(place);
            rack.set_air_time(place, Duration::from_secs(2));
        }
        if let Some((_, life)) = self.0.now.lock().unwrap().take() {
            life.end_after(1, true);
        }
        sleep(Duration::from_secs(30)).await;
        let core = match self.start(999_999, &Arc::new(Life::default())).await {
            Ok(core) => core,
            Err(e) => return self.model(|m| m.must(false, || format!("the last start failed: {e}"))),
        };
        sleep(CALM).await;
        let gateway = core.gateway();
        let queue = gateway.status().queue;
        let waiting = queue.otp + queue.text + queue.delayed + queue.sending;
        self.model(|m| m.must(waiting == 0, || format!("after an hour of calm {waiting} messages wait")));
        for modem in gateway.modems() {
            let state = modem.facts.state.as_str();
            let why = modem.facts.last_error.clone().unwrap_or_default();
            self.model(|m| {
                m.must(state == "ready", || format!("{} is {state} after the calm: {why}", modem.name));
            });
        }
        let taken: Vec<Submitted> = rack.submitted();
        for (id, to) in self.model(|m| m.promised()) {
            self.ended(gateway, id, &to, &taken).await;
        }
        core.stop().await.close().await;
    }

    async fn ended(&self, gateway: &Gateway, id: MessageId, to: &str, taken: &[Submitted]) {
        match gateway.message(&Caller::default(), id).await {
            Ok(m) => {
                self.step(&format!("{id} is {}", m.status.as_str()));
                self.model(|model| model.ended(&m, to, taken));
            }
            Err(e) => self.model(|m| m.must(false, || format!("{id} was promised and is lost: {e}"))),
        }
    }
}
