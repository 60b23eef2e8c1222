//! Limits: which of several refuses, and when to come back.

use proptest::prelude::*;

use super::*;
use crate::store::{Memory, WindowRecords as _};

fn limited(rates: &[&str]) -> Settings {
    let mut settings = renewing(settings());
    settings.limits.per_number = rates.iter().map(|rate| rate.parse().unwrap()).collect();
    settings
}

fn wait_of(refused: &GatewayError) -> (u64, &str) {
    match refused {
        GatewayError::RateLimited { retry_after, limit } => (retry_after.as_secs(), limit),
        GatewayError::Cooldown { retry_after, .. } => (retry_after.as_secs(), "cooldown"),
        other => panic!("{other}"),
    }
}

pub(super) fn judged(to: &str) -> LimitsRequest {
    LimitsRequest { to: to.to_owned(), service: None, keys: BTreeMap::new() }
}

fn keys(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl World {
    async fn explained(&self, request: LimitsRequest) -> LimitsView {
        self.gateway.limits(&Caller::default(), request).await.unwrap()
    }
}

#[tokio::test]
async fn the_longest_wait_of_all_full_windows_is_told() {
    let mut settings = limited(&["2/3s", "4/15s"]);
    settings.limits.total = vec!["4/1h".parse().unwrap()];
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let number = "+41791234567";
    for _ in 0..2 {
        world.issue(number).await.unwrap();
        world.issue(number).await.unwrap();
        let refused = world.issue(number).await.unwrap_err();
        world.clock.advance(Duration::from_secs(wait_of(&refused).0));
        if wait_of(&refused).0 > 3 {
            assert_eq!(wait_of(&refused), (3597, "limits.total = \"4/1h\""));
        }
    }
    world.issue(number).await.expect("who waited as long as told is let in");
}

#[tokio::test]
async fn a_resend_is_told_the_longer_of_cool_down_and_limit() {
    let mut settings = limited(&["2/10m"]);
    settings.services.get_mut("default").unwrap().policy.cooldown = Duration::from_secs(30);
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let view = world.issue("+41791234567").await.unwrap();
    let resend = async || world.gateway.resend(&Caller::default(), view.id, None).await;
    assert_eq!(wait_of(&resend().await.unwrap_err()), (30, "cooldown"), "the window has room");
    world.clock.advance(Duration::from_secs(30));
    resend().await.expect("the refused one was not counted");
    assert_eq!(wait_of(&resend().await.unwrap_err()), (570, "limits.per_number = \"2/10m\""));
}

#[tokio::test]
async fn rates_count_codes_alone_and_prefixes_bind_texts_too() {
    let mut settings = limited(&["1/1h"]);
    settings.limits.total = settings.limits.per_number.clone();
    settings.limits.deny_prefixes = vec!["+4190".to_owned()];
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    for _ in 0..3 {
        world.gateway.send(&Caller::default(), text("+41791234567", "x")).await.unwrap();
    }
    world.issue("+41791234567").await.expect("texts left the windows alone");
    world.issue("+41791234567").await.unwrap_err();
    let refused = world.gateway.send(&Caller::default(), text("+41901234567", "x")).await.unwrap_err();
    assert!(matches!(refused, GatewayError::DestinationBlocked(_)), "{refused}");
}

/// Whatever the wall clock is set to, and over a restart.
#[tokio::test(start_paused = true)]
async fn a_limit_lasts_as_long_as_it_says_whatever_the_clock_shows() {
    let (memory, clock) = (Arc::new(Memory::default()), Clock::simulated(START));
    let start = || {
        let store = Store::over(memory.clone(), Duration::ZERO);
        World::with(1, limited(&["1/1h"]), store, clock.clone())
    };
    let world = start().await;
    world.issue("+41791234567").await.unwrap();
    for clock_shows in [START.plus(Duration::from_hours(9_000)), START.minus(Duration::from_hours(9_000))] {
        tokio::time::sleep(Duration::from_mins(10)).await;
        clock.set(clock_shows);
        for world in [&world, &start().await] {
            let refused = world.issue("+41791234567").await.unwrap_err();
            assert!((2_300..=3_000).contains(&wait_of(&refused).0), "{refused}");
        }
    }
    tokio::time::sleep(Duration::from_mins(41)).await;
    world.issue("+41791234567").await.unwrap();
}

/// As an issue at the same moment would be refused, for each reason there is.
#[tokio::test]
async fn each_refusal_is_explained_as_the_issue_meets_it() {
    use GatewayError as E;
    let mut settings = limited(&["1/1h"]);
    settings.limits.deny_prefixes = vec!["+4190".to_owned()];
    settings.max_pending = 1;
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    world.gateway.add_opt_out(&Caller::default(), "+41791234569").await.unwrap();
    let windows = [("per_number 1/1h", 0, 1, START), ("guesses_per_number 15/1day", 0, 15, START)];
    let view = world.explained(judged("+41791234567")).await;
    let told = view.windows.iter().map(|w| (w.name.as_str(), w.used, w.limit, w.resets_at));
    assert_eq!((view.refused.clone(), told.collect::<Vec<_>>()), (None, windows.to_vec()));
    let mut met = Vec::new();
    let mut meets = async |to: &str, service: Option<&str>, caller: &Caller| {
        let service = service.map(str::to_owned);
        let asked = LimitsRequest { service: service.clone(), ..judged(to) };
        let view = world.gateway.limits(caller, asked).await.unwrap();
        let refused = world.gateway.issue(caller, IssueRequest { service, ..request(to) }).await.unwrap_err();
        assert_eq!(view.refused.as_ref(), Some(&refused), "{to}");
        met.push((refused, view.windows.len()));
    };
    let all = Caller::default();
    let bound = Caller { services: Some(vec!["pay".to_owned()]), ..Caller::default() };
    meets("+4", None, &all).await;
    meets("+41791234567", Some("gone"), &all).await;
    meets("+41791234567", None, &bound).await;
    meets("+41901234567", None, &all).await;
    meets("+41791234569", None, &all).await;
    world.issue("+41791234567").await.unwrap();
    meets("+41791234568", None, &all).await;
    world.gateway.reload(limited(&["1/1h"]));
    meets("+41791234567", None, &all).await;
    world.gateway.stop();
    meets("+41791234568", None, &all).await;
    assert!(
        matches!(
            &met[..],
            [
                (E::InvalidNumber(_), 0),
                (E::UnknownService, 0),
                (E::NotAllowed(_), 0),
                (E::DestinationBlocked(_), 2),
                (E::OptedOut, 2),
                (E::QueueFull, 2),
                (E::RateLimited { .. }, 2),
                (E::ShuttingDown, 2),
            ]
        ),
        "{met:?}"
    );
}

/// What the modems have no time for, and what a pending verification may not have any more, is foreseen as well.
#[tokio::test]
async fn what_cannot_be_carried_or_sent_again_is_explained() {
    let world = World::new(1).await;
    world.modems[0].readiness.send_modify(|readiness| readiness.ready = false);
    world.at_rest().await;
    let same = async |to: &str| {
        let view = world.explained(judged(to)).await;
        let met = world.issue(to).await;
        assert_eq!(view.refused, met.as_ref().err().cloned(), "{to}");
        met
    };
    let to = "+41791234567";
    for _ in 0..3 {
        same(to).await.unwrap();
        world.clock.advance(Duration::from_secs(31));
    }
    assert!(matches!(same(to).await, Err(GatewayError::Conflict(_))));
    let mut refused = None;
    for n in 0..80 {
        refused = same(&format!("+4179{:07}", n * 1000)).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(GatewayError::Overloaded { .. })), "{refused:?}");
}

#[derive(Debug, Clone)]
enum Did {
    Issue(u8, Option<u8>),
    Guess,
    Pass(u64),
    SetClock(u64),
}

fn did() -> impl Strategy<Value = Did> {
    prop_oneof![
        6 => (0_u8..3, prop::option::of(0_u8..2)).prop_map(|(to, ip)| Did::Issue(to, ip)),
        3 => Just(Did::Guess),
        2 => (0_u64..400).prop_map(Did::Pass),
        1 => (0_u64..100_000).prop_map(Did::SetClock),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Before each issue it is asked what the issue would meet; the issue meets that, and fills the windows that were told by
    /// one. Asking changes nothing: asked twice, the answer is the same.
    #[test]
    fn what_is_explained_is_what_is_decided(story in prop::collection::vec(did(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let mut settings = limited(&["2/1m", "4/10m"]);
            let rate = |text: &str| vec![text.parse().unwrap()];
            settings.limits.total = rate("70/1h");
            settings.limits.per_prefix = rate("6/5m");
            settings.limits.guesses_per_number = rate("3/10m");
            settings.limits.keys = BTreeMap::from([("ip".to_owned(), rate("3/5m"))]);
            let clock = Clock::simulated(START);
            let store = Store::over(Arc::new(Memory::default()), Duration::ZERO);
            let world = World::with(1, settings, store, clock.clone()).await;
            let mut newest = None;
            for did in story {
                let (to, ip) = match did {
                    Did::Issue(to, ip) => (format!("+4179123456{to}"), ip),
                    Did::Guess => {
                        if let Some(id) = newest {
                            // A clock that is set ahead has it forgotten.
                            let guess = CheckRequest::of("not a code");
                            let _ = world.gateway.check(&Caller::default(), id, guess).await;
                        }
                        continue;
                    }
                    Did::Pass(seconds) => {
                        tokio::time::sleep(Duration::from_secs(seconds)).await;
                        continue;
                    }
                    Did::SetClock(seconds) => {
                        clock.set(START.plus(Duration::from_secs(seconds)));
                        continue;
                    }
                };
                let keys = ip.map(|ip| keys(&[("ip", &ip.to_string())])).unwrap_or_default();
                let asked = || LimitsRequest { keys: keys.clone(), ..judged(&to) };
                let before = world.explained(asked()).await;
                assert_eq!(before, world.explained(asked()).await);
                let request = IssueRequest { keys: keys.clone(), ..request(&to) };
                let issued = world.gateway.issue(&Caller::default(), request).await;
                assert_eq!(before.refused.as_ref(), issued.as_ref().err());
                let full = before.windows.iter().filter(|w| w.used >= w.limit);
                assert_eq!(before.refused.is_some(), full.clone().next().is_some(), "{before:?}");
                if let Some(GatewayError::RateLimited { retry_after, .. }) = &before.refused {
                    let last = full.map(|w| w.resets_at).max().unwrap();
                    assert_eq!(last, clock.now().plus(*retry_after));
                }
                let after = world.explained(asked()).await;
                for (was, is) in before.windows.iter().zip(&after.windows) {
                    let counts = issued.is_ok() && !was.name.starts_with("guesses");
                    assert_eq!((&was.name, was.used + u32::from(counts)), (&is.name, is.used));
                }
                newest = issued.ok().map(|(view, _)| view.id).or(newest);
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_race_a_limit_and_get_exactly_that() {
    let mut settings = settings();
    settings.limits.total = vec!["100/1h".parse().unwrap()];
    settings.limits.keys = BTreeMap::from([("ip".to_owned(), vec!["37/1h".parse().unwrap()])]);
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    let race = async |ip: Option<&str>| {
        let keys = ip.map(|ip| keys(&[("ip", ip)])).unwrap_or_default();
        let clients = (0..1000).map(|n| {
            let request = IssueRequest { keys: keys.clone(), ..request(&format!("+4179123{n:04}")) };
            let gateway = world.gateway.clone();
            tokio::spawn(async move { gateway.issue(&Caller::default(), request).await })
        });
        let mut issued = 0;
        for client in clients.collect::<Vec<_>>() {
            match client.await.unwrap() {
                Ok(_) => issued += 1,
                Err(GatewayError::RateLimited { .. } | GatewayError::Cooldown { .. }) => {}
                Err(e) => panic!("{e}"),
            }
        }
        issued
    };
    assert_eq!(race(Some("::1")).await, 37);
    assert_eq!(race(None).await, 100 - 37);
}

#[tokio::test]
async fn the_callers_own_keys_are_counted_each_and_kept_as_hashes() {
    let mut settings = renewing(settings());
    let rates = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Rate>>();
    settings.limits.keys = BTreeMap::from([
        ("ip".to_owned(), rates(&["2/1h", "3/1d"])),
        ("device".to_owned(), rates(&["1/1h"])),
    ]);
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let issue = async |n: u32, pairs: &[(&str, &str)]| {
        let request = IssueRequest { keys: keys(pairs), ..request(&format!("+4179123456{n}")) };
        world.gateway.issue(&Caller::default(), request).await.map(drop)
    };
    issue(0, &[("ip", "203.0.113.7")]).await.unwrap();
    issue(1, &[("ip", "203.0.113.7"), ("device", "a")]).await.unwrap();
    let refused = issue(2, &[("ip", "203.0.113.7")]).await.unwrap_err();
    assert_eq!(wait_of(&refused), (3600, "limits.keys.ip = \"2/1h\""));
    issue(2, &[("ip", "203.0.113.8")]).await.expect("another value has a window of its own");
    issue(2, &[("ip", "a")]).await.expect("so has the same value of another key");
    issue(2, &[]).await.expect("what is left out counts nowhere");
    assert_eq!(wait_of(&issue(3, &[("device", "a")]).await.unwrap_err()).1, "limits.keys.device = \"1/1h\"");
    let refusal = async |pairs: &[(&str, &str)]| match issue(4, pairs).await.unwrap_err() {
        GatewayError::InvalidRequest(why) => why,
        e => panic!("{e}"),
    };
    let why = refusal(&[("adress", "203.0.113.7")]).await;
    assert_eq!(why, "keys has a name that is not in [limits.keys]; it takes device, ip");
    assert_eq!(refusal(&[("ip", &"x".repeat(201))]).await, "keys.ip has more than 200 octets");
    issue(4, &[("ip", &"x".repeat(200))]).await.unwrap();

    let explained = world
        .explained(LimitsRequest { keys: keys(&[("ip", "203.0.113.7")]), ..judged("+41791234560") })
        .await;
    let told: Vec<_> = explained.windows.iter().map(|w| (w.name.as_str(), w.used)).collect();
    assert_eq!(told[..2], [("keys.ip 2/1h", 2), ("keys.ip 3/1day", 2)]);
    let unhashed = world
        .store
        .read(|view| view.window("key ip 203.0.113.7", Duration::from_secs(3600)))
        .await
        .unwrap()
        .unwrap();
    assert!(unhashed.buckets.is_empty());
}

/// A code that goes out again costs as much as the first time, and for the same person.
#[tokio::test]
async fn a_resend_counts_for_the_keys_that_its_code_was_issued_with() {
    let mut settings = settings();
    settings.limits.keys = BTreeMap::from([("ip".to_owned(), vec!["3/1h".parse().unwrap()])]);
    settings.services.values_mut().for_each(|service| service.policy.max_sends = 9);
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let world = World::with(1, settings.clone(), store.clone(), clock.clone()).await;
    let by = |to: &str, ip: Option<&str>| IssueRequest {
        keys: ip.map(|ip| keys(&[("ip", ip)])).unwrap_or_default(),
        ..request(to)
    };
    let caller = Caller::default();
    let used = async |world: &World, ip: &str| {
        let asked = LimitsRequest { keys: keys(&[("ip", ip)]), ..judged("+41791234500") };
        world.explained(asked).await.windows.iter().find(|w| w.name == "keys.ip 3/1h").unwrap().used
    };
    let (view, _) = world.gateway.issue(&caller, by("+41791234567", Some("a"))).await.unwrap();
    clock.advance(Duration::from_secs(30));
    world.gateway.resend(&caller, view.id, None).await.unwrap();
    assert_eq!((used(&world, "a").await, used(&world, "b").await), (2, 0));
    // An issue while it is pending sends the same code: for whom it says, else for whom the first was.
    for (ip, a, b) in [(Some("b"), 2, 1), (None, 2, 2)] {
        clock.advance(Duration::from_secs(30));
        let (again, known) = world.gateway.issue(&caller, by("+41791234567", ip)).await.unwrap();
        assert_eq!((again.id, known), (view.id, true));
        if ip.is_none() {
            assert_eq!(used(&world, "b").await, 1, "what says no keys is counted in none");
            clock.advance(Duration::from_secs(30));
            world.gateway.resend(&caller, view.id, None).await.unwrap();
        }
        assert_eq!((used(&world, "a").await, used(&world, "b").await), (a, b));
    }
    world.gateway.stop();
    let world = World::with(1, settings.clone(), store, clock.clone()).await;
    clock.advance(Duration::from_secs(30));
    world.gateway.resend(&caller, view.id, None).await.unwrap();
    clock.advance(Duration::from_secs(30));
    let refused = world.gateway.resend(&caller, view.id, None).await.unwrap_err();
    assert_eq!(wait_of(&refused).1, "limits.keys.ip = \"3/1h\"", "over a restart as well");
    // A name that the configuration has no longer binds nobody.
    let mut without = settings;
    without.limits.keys.clear();
    world.gateway.reload(without);
    world.gateway.resend(&caller, view.id, None).await.unwrap();
}

/// The same `Idempotency-Key` with other keys of the caller's own is another request.
#[tokio::test]
async fn the_callers_own_keys_are_part_of_what_is_repeated() {
    let mut settings = settings();
    settings.limits.keys = BTreeMap::from([("ip".to_owned(), vec![])]);
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let issue = async |pairs: &[(&str, &str)]| {
        let idempotency_key = Some("k".to_owned());
        let request = IssueRequest { keys: keys(pairs), idempotency_key, ..request("+41791234567") };
        world.gateway.issue(&Caller::default(), request).await.map(|(_, replayed)| replayed)
    };
    assert_eq!(issue(&[("ip", "a")]).await, Ok(false));
    assert_eq!(issue(&[("ip", "a")]).await, Ok(true));
    assert_eq!(issue(&[("ip", "b")]).await, Err(GatewayError::IdempotencyMismatch));
    assert_eq!(issue(&[]).await, Err(GatewayError::IdempotencyMismatch));
}

/// Another count holds at once over what was counted; another span is another window, and the old one is found again.
#[tokio::test]
async fn a_reload_changes_rates_over_what_was_counted() {
    let world = World::with(1, limited(&["5/1h"]), Store::in_memory(), Clock::manual(START)).await;
    let number = "+41791234567";
    for _ in 0..3 {
        world.issue(number).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
    }
    world.gateway.reload(limited(&["2/1h"]));
    let refused = world.issue(number).await.unwrap_err();
    // The last but one of the three has to leave.
    assert_eq!(wait_of(&refused), (3600 - 120, "limits.per_number = \"2/1h\""));
    world.gateway.reload(limited(&["4/1h"]));
    world.issue(number).await.unwrap();
    world.issue(number).await.unwrap_err();
    world.gateway.reload(limited(&["4/2h"]));
    world.issue(number).await.unwrap();
    world.gateway.reload(limited(&["4/1h"]));
    world.issue(number).await.unwrap_err();
    world.gateway.reload(limited(&[]));
    world.issue(number).await.expect("no limit at all");
}
