//! A flood: for minutes codes are asked for at three times the pace of the SIMs and more, with the limits that are shipped.
//! Ten customers come in that time, and ask again when they are told to. Whoever is let in has the code within seconds or
//! is told, all others are refused at once, and afterwards everything is calm again within a minute.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm_modem::Host;
use gsm_sim::Rack;
use gsm_sim::script::Script;
use smsotpd::clock::{Clock, Timestamp};
use smsotpd::daemon::Core;
use smsotpd::gateway::{Caller, EventKind, Gateway, GatewayError, IssueRequest, Settings, VerificationView};
use smsotpd::id::MessageId;
use smsotpd::outbox::MessageStatus;
use smsotpd::random::Random;
use smsotpd::secret::Key;
use smsotpd::store::{Memory, Store};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::sim::dice::Dice;
use super::sim::machine::{Disk, Life, Ports};

/// 2026-06-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_780_272_000_000);
/// From Ctrl-Z to the network's answer, on average.
const AIR_MS: u64 = 3000;
const MINUTE: Duration = Duration::from_secs(60);
const CUSTOMERS: u64 = 10;
/// Within this time a code is in a customer's hand.
const IN_HAND: Duration = Duration::from_secs(12);
/// Within this time a customer is told that there will be no code.
const TOLD: Duration = Duration::from_secs(5);

/// What kind of flood it is.
#[derive(Debug, Clone, Copy)]
struct Flood {
    seed: u64,
    modems: usize,
    /// How many times as many codes are asked for as the SIMs can send.
    pace: u64,
    /// Through how many clients the flood comes; none: through that of the customers.
    clients: u64,
    /// How many numbers it has; none: each of its codes is for another one.
    numbers: Option<u64>,
    /// Of so many that are refused one comes back when it is told to.
    one_back_in: u64,
    trouble: Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The first modem is pulled out in the middle.
    Dies,
    /// The first modem falls silent for a minute.
    Hangs,
}

/// One who asked for a code.
#[derive(Debug, Clone)]
struct Asked {
    customer: bool,
    to: String,
    first: Instant,
    let_in: Option<(Instant, MessageId)>,
}

struct World {
    flood: Flood,
    gateway: Gateway,
    rack: Arc<Rack>,
    asked: Mutex<Vec<Asked>>,
    /// When each message ended otherwise than sent.
    ended: Mutex<BTreeMap<MessageId, Instant>>,
    refused: Mutex<u32>,
}

impl World {
    async fn new(flood: Flood) -> Arc<Self> {
        let rack = Arc::new(Rack::new(vec![Script::default(); flood.modems], flood.seed));
        let millis = Duration::from_millis;
        for modem in 0..flood.modems {
            rack.set_air_time(modem, millis(AIR_MS - 500)..=millis(AIR_MS + 500));
        }
        let life = Arc::new(Life::default());
        let disk = Disk { kept: Arc::new(Memory::default()), full: Arc::default(), life: Arc::clone(&life) };
        let store = Store::over(Arc::new(disk), millis(3));
        let key = Key::from_bytes([7; 32]).with_random(Random::seeded(flood.seed));
        let opened = Arc::default();
        let plugged = (0..flood.modems).map(|place| {
            let ports = Ports {
                rack: Arc::clone(&rack),
                place,
                life: Arc::clone(&life),
                opened: Arc::clone(&opened),
            };
            let settings =
                gsm_modem::Settings::new(format!("m{place}"), PathBuf::from(format!("/dev/modem{place}")));
            (settings, Arc::new(ports) as Arc<dyn Host>)
        });
        let clock = Clock::simulated(START);
        let core = Core::start(store, key, clock, Settings::default(), plugged.collect()).await.unwrap();
        let gateway = core.gateway().clone();
        let world = Arc::new(Self {
            flood,
            gateway,
            rack,
            asked: Mutex::default(),
            ended: Mutex::default(),
            refused: Mutex::default(),
        });
        tokio::spawn(Arc::clone(&world).follow());
        // The core lives as long as the runtime.
        std::mem::forget(core);
        world
    }

    /// Notes when messages end.
    async fn follow(self: Arc<Self>) {
        let mut events = self.gateway.live();
        while let Ok(event) = events.recv().await {
            if let EventKind::Message(m) = event.kind
                && matches!(m.status, MessageStatus::Expired | MessageStatus::Failed)
            {
                self.ended.lock().unwrap().entry(m.id).or_insert_with(Instant::now);
            }
        }
    }

    async fn issue(&self, to: &str, client: &str) -> Result<VerificationView, Duration> {
        let request = IssueRequest { to: to.to_owned(), ..IssueRequest::default() };
        let caller = Caller { client: Some(client.to_owned()), ..Caller::default() };
        match self.gateway.issue(&caller, request).await {
            Ok((v, _)) => Ok(v),
            Err(GatewayError::Overloaded { retry_after }) => {
                *self.refused.lock().unwrap() += 1;
                // As the header says it.
                Err(Duration::from_secs(retry_after.as_millis().div_ceil(1000).try_into().unwrap()))
            }
            // A number of the flood that had its code.
            Err(
                GatewayError::Cooldown { retry_after, .. } | GatewayError::RateLimited { retry_after, .. },
            ) if self.flood.numbers.is_some() => Err(retry_after),
            Err(GatewayError::Conflict(_)) if self.flood.numbers.is_some() => Err(MINUTE),
            Err(other) => panic!("{to}: {other}"),
        }
    }

    /// Asks for a code, and again when told to come back, so many times at most.
    async fn ask(self: Arc<Self>, to: String, client: String, customer: bool, most: u32) {
        let mut asked = Asked { customer, to: to.clone(), first: Instant::now(), let_in: None };
        for _ in 0..most {
            match self.issue(&to, &client).await {
                Ok(v) => {
                    asked.let_in = Some((Instant::now(), v.message.0));
                    break;
                }
                Err(retry_after) => sleep(retry_after).await,
            }
        }
        self.asked.lock().unwrap().push(asked);
    }

    async fn flood(self: &Arc<Self>, lasts: Duration) {
        let mut dice = Dice::new(self.flood.seed, 1);
        let ends = Instant::now() + lasts;
        let between = AIR_MS / self.flood.pace / self.flood.modems as u64;
        let mut all = JoinSet::new();
        while Instant::now() < ends {
            sleep(dice.millis(2 * between)).await;
            let to = match self.flood.numbers {
                None => format!("+4177{:07}", dice.below(10_000_000)),
                // Far apart, as numbers of people are.
                Some(numbers) => format!("+4177{:07}", 100_003 * dice.below(numbers)),
            };
            let client = match self.flood.clients {
                0 => "web".to_owned(),
                1 => "form".to_owned(),
                clients => format!("form{}", dice.below(clients)),
            };
            let most = if dice.one_in(self.flood.one_back_in) { 3 } else { 1 };
            all.spawn(Arc::clone(self).ask(to, client, false, most));
        }
        all.join_all().await;
    }

    async fn customers(self: &Arc<Self>, lasts: Duration) {
        let mut dice = Dice::new(self.flood.seed, 2);
        let mut all = JoinSet::new();
        for customer in 0..CUSTOMERS {
            let world = Arc::clone(self);
            let comes = dice.millis(u64::try_from((lasts * 3 / 4).as_millis()).unwrap());
            all.spawn(async move {
                sleep(comes).await;
                world.ask(format!("+4179000000{customer}"), "web".to_owned(), true, 30).await;
            });
        }
        all.join_all().await;
    }

    async fn trouble(&self, lasts: Duration) {
        sleep(lasts / 2).await;
        match self.flood.trouble {
            Trouble::None => {}
            Trouble::Dies => self.rack.unplug(0),
            Trouble::Hangs => {
                self.rack.hang(0);
                sleep(MINUTE).await;
                self.rack.unhang(0);
            }
        }
    }
}

/// What became of a flood.
#[derive(Debug)]
struct Told {
    /// Customers with a code in hand soon after they first asked.
    served: usize,
    /// Those who were let in and had neither a code in hand nor an answer in time.
    left_waiting: Vec<Asked>,
    let_in: usize,
    /// Let in, and never sent.
    unsent: usize,
    refused: u32,
}

fn live(flood: Flood) -> Told {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new(flood).await;
        let mut texts = world.rack.listen();
        while !world.gateway.modems().iter().all(|m| m.facts.state.as_str() == "ready") {
            sleep(Duration::from_secs(1)).await;
        }
        // The pace of the modems is known: each has sent something.
        for modem in 0..flood.modems {
            world.issue(&format!("+4178000000{modem}"), "form").await.unwrap();
        }
        sleep(MINUTE).await;
        let lasts = 4 * MINUTE;
        tokio::join!(world.flood(lasts), world.customers(lasts), world.trouble(lasts));

        sleep(MINUTE).await;
        let queue = world.gateway.status().queue;
        assert_eq!((queue.otp, queue.sending), (0, 0), "{flood:?}: calm again");
        let began = Instant::now();
        world.issue("+41790000099", "web").await.expect("it is calm");
        let mut arrived = BTreeMap::new();
        while !arrived.contains_key("+41790000099") {
            let text =
                timeout_at(began + IN_HAND, texts.recv()).await.expect("the code arrives soon").unwrap();
            arrived.entry(text.to).or_insert(Instant::from_std(text.at));
        }

        let asked = world.asked.lock().unwrap().clone();
        let ended = world.ended.lock().unwrap().clone();
        let had = |a: &Asked, since: Instant, within: Duration| {
            arrived.get(&a.to).is_some_and(|at| *at <= since + within)
        };
        let let_in: Vec<_> = asked.iter().filter_map(|a| Some((a, a.let_in?))).collect();
        let in_time = |a: &Asked, (at, id): (Instant, MessageId)| {
            had(a, at, IN_HAND) || ended.get(&id).is_some_and(|told| *told <= at + TOLD)
        };
        Told {
            served: asked.iter().filter(|a| a.customer && had(a, a.first, IN_HAND)).count(),
            left_waiting: let_in
                .iter()
                .filter(|(a, at)| !in_time(a, *at))
                .map(|(a, _)| (*a).clone())
                .collect(),
            let_in: let_in.len(),
            unsent: let_in.iter().filter(|(a, _)| !arrived.contains_key(&a.to)).count(),
            refused: *world.refused.lock().unwrap(),
        }
    })
}

const FLOOD: Flood = Flood {
    seed: 1,
    modems: 1,
    pace: 3,
    clients: 0,
    numbers: None,
    one_back_in: 1000,
    trouble: Trouble::None,
};

/// Floods under several seeds, in which so many customers are served, and at most so many of those who were let in are
/// left waiting.
fn holds(flood: Flood, served: usize, left_waiting: usize) {
    for seed in 1..=3 {
        let flood = Flood { seed, ..flood };
        let told = live(flood);
        assert!(told.served >= served, "{flood:?}: {told:?}");
        assert!(told.unsent * 20 <= told.let_in, "{flood:?}: {told:?}");
        assert!(told.left_waiting.len() <= left_waiting, "{flood:?}: {told:?}");
        // What the modems could carry was carried, and more came.
        let could = 4 * 60 * 1000 / usize::try_from(AIR_MS).unwrap() * flood.modems;
        let carried = if flood.trouble == Trouble::None { could * 9 / 10 } else { could * 2 / 3 };
        assert!(told.let_in >= carried && told.refused as usize > told.let_in, "{flood:?}: {told:?}");
    }
}

#[test]
fn one_modem_serves_some_in_seconds_and_tells_the_others() {
    holds(FLOOD, 6, 0);
}

#[test]
fn four_modems_do_so_too() {
    holds(Flood { modems: 4, ..FLOOD }, 8, 0);
}

#[test]
fn nobody_else_has_to_wait_for_a_client_that_floods() {
    holds(Flood { clients: 1, ..FLOOD }, 7, 0);
}

/// Floods of every pace, in each of which so many customers at least have their codes, and at most so many of those who
/// were let in are left waiting.
fn serves(flood: Flood, served: usize, left_waiting: usize) {
    let mut all = Vec::new();
    for (pace, modems, seed) in [(3, 1, 1), (3, 1, 2), (10, 1, 1), (10, 4, 1), (30, 1, 3)] {
        let flood = Flood { seed, modems, pace, ..flood };
        let told = live(flood);
        let could = 4 * 60 * 1000 / usize::try_from(AIR_MS).unwrap() * modems;
        // A few numbers have only a few codes.
        let carried = flood.numbers.is_some() || told.let_in >= could * 9 / 10;
        all.push((pace, modems, told.served, told.left_waiting.len(), told.unsent, carried));
    }
    let holds = |&(_, _, told, left, unsent, carried): &(u64, usize, usize, usize, usize, bool)| {
        told >= served && left <= left_waiting && unsent == 0 && carried
    };
    println!("{flood:?}: {all:?}");
    assert!(all.iter().all(holds), "{flood:?}: {all:?}");
}

#[test]
fn whoever_asks_most_often_does_not_starve_the_others() {
    serves(FLOOD, 3, 0);
}

#[test]
fn nor_does_another_client() {
    serves(Flood { clients: 1, ..FLOOD }, 3, 0);
}

#[test]
fn nor_do_twenty_clients() {
    serves(Flood { clients: 20, ..FLOOD }, 3, 0);
}

#[test]
fn nor_does_another_client_that_comes_back_as_it_is_told() {
    serves(Flood { clients: 1, one_back_in: 1, ..FLOOD }, 3, 0);
}

#[test]
fn nor_do_the_same_numbers_again_and_again() {
    // A code that goes out again ends earlier than a new one, and so goes before it.
    serves(Flood { numbers: Some(30), ..FLOOD }, 3, 1);
}

/// A third of the flood does what it is told, as customers do.
#[test]
fn a_flood_that_comes_back_is_served_as_customers_are() {
    let mut served = 0;
    for seed in 1..=4 {
        served += live(Flood { seed, one_back_in: 3, ..FLOOD }).served;
    }
    assert!(served >= 12, "{served} of 40");
}

/// What the dying modem had on the air waits until another modem has the time to send it again.
#[test]
fn a_modem_that_dies_takes_nobody_with_it() {
    holds(Flood { modems: 4, trouble: Trouble::Dies, ..FLOOD }, 8, 2);
    holds(Flood { modems: 4, trouble: Trouble::Hangs, ..FLOOD }, 8, 4);
}

/// What waits for the only modem goes out when it answers again.
#[test]
fn the_only_modem_falls_silent_for_a_minute() {
    holds(Flood { trouble: Trouble::Hangs, ..FLOOD }, 3, 4);
}
