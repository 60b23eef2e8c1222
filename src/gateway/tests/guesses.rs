//! Wrong codes of a number, over all of its verifications: counted exactly, whatever happens, and no more than allowed.

use super::*;
use crate::store::Memory;

const TO: &str = "+41791234567";

fn guessable(rate: &str) -> Settings {
    let mut settings = renewing(settings());
    settings.limits.guesses_per_number = vec![rate.parse().unwrap()];
    settings
}

async fn with(settings: Settings) -> World {
    World::with(1, settings, Store::in_memory(), Clock::manual(START)).await
}

impl World {
    /// A new verification of the number, by this service, and its code.
    async fn issued(&mut self, service: &str) -> (VerificationView, String) {
        let request = IssueRequest { service: Some(service.to_owned()), ..request(TO) };
        let (view, _) = self.gateway.issue(&Caller::default(), request).await.unwrap();
        (view, code_of(&self.aired().await))
    }

    /// How many codes were compared with that of a verification, as the store has it.
    async fn compared(&self, id: VerificationId) -> u32 {
        let look = move |view: &crate::store::View| crate::store::Records::verification(view, id);
        self.store.read(look).await.unwrap().unwrap().unwrap().attempts_used
    }

    async fn guesses_used(&self) -> u32 {
        let request = LimitsRequest { to: TO.to_owned(), service: None, keys: BTreeMap::new() };
        let view = self.gateway.limits(&Caller::default(), request).await.unwrap();
        let guesses = view.windows.iter().find(|w| w.name.starts_with("guesses_per_number"));
        guesses.expect("its window").used
    }
}

fn refused_by(e: &GatewayError) -> (&str, u64) {
    let GatewayError::RateLimited { limit, retry_after } = e else { panic!("{e}") };
    (limit, retry_after.as_secs())
}

#[tokio::test]
async fn wrong_codes_count_over_verifications_and_services_and_right_ones_do_not() {
    let mut world = with(guessable("7/1d")).await;
    let (login, code) = world.issued("default").await;
    for left in [4, 3] {
        assert_eq!(world.check(login.id, &wrong(&code)).await.verification.attempts_left, left);
    }
    assert_eq!(world.guesses_used().await, 2);
    assert!(world.check(login.id, &code).await.approved);
    assert_eq!(world.guesses_used().await, 2, "a right code is no guess");
    assert!(!world.check(login.id, &code).await.approved);
    assert_eq!(world.guesses_used().await, 2, "an ended verification compares nothing");

    let (pay, pays) = world.issued("pay").await;
    let (other, others) = world.issued("default").await;
    world.clock.advance(Duration::from_secs(60));
    for _ in 0..5 {
        world.check(pay.id, &wrong(&pays)).await;
    }
    let answer = world.check(other.id, &others).await;
    let told = (answer.approved, answer.verification.status, answer.verification.attempts_left);
    assert_eq!(told, (false, VerificationStatus::Pending, 0), "the right one is not compared either");
    assert_eq!(world.guesses_used().await, 7);

    let full = ("limits.guesses_per_number = \"7/1day\"", 86_400 - 60);
    assert_eq!(refused_by(&world.issue(TO).await.unwrap_err()), full);
    let again = world.gateway.resend(&Caller::default(), other.id, None).await.unwrap_err();
    assert_eq!(refused_by(&again), full, "nobody could enter that code");
    world.issue("+41791234568").await.expect("another number goes on");
    world.clock.advance(Duration::from_secs(86_400 - 60));
    world.issue(TO).await.expect("the first two have left");
}

/// What a check says is what is shown: of no verification of the number are more codes compared.
#[tokio::test]
async fn what_a_check_says_is_left_and_what_is_shown_are_the_same() {
    let mut world = with(guessable("6/1d")).await;
    let caller = Caller::default();
    let (login, code) = world.issued("default").await;
    let (pay, pays) = world.issued("pay").await;
    let keyed = || IssueRequest { idempotency_key: Some("k".to_owned()), ..request("+41791234568") };
    let (other, _) = world.gateway.issue(&caller, keyed()).await.unwrap();
    let shown = async |world: &World, id: VerificationId| {
        let view = world.gateway.verification(&caller, id).await.unwrap();
        let filter = VerificationFilter { limit: 9, ..Default::default() };
        let listed = world.gateway.verifications(&caller, filter).await.unwrap().items;
        assert_eq!(listed.iter().find(|v| v.id == id), Some(&view));
        view.attempts_left
    };
    for left in [4, 3, 2] {
        let said = world.check(login.id, &wrong(&code)).await.verification.attempts_left;
        assert_eq!((said, shown(&world, login.id).await), (left, left));
    }
    assert_eq!(shown(&world, pay.id).await, 3, "its number may have three more");
    for (login_left, pay_left) in [(2, 2), (1, 1), (0, 0), (0, 0)] {
        let said = world.check(pay.id, &wrong(&pays)).await.verification.attempts_left;
        assert_eq!((said, shown(&world, pay.id).await), (pay_left, pay_left));
        assert_eq!(shown(&world, login.id).await, login_left);
    }
    let said = world.check(login.id, &code).await;
    let told = (said.approved, said.verification.status, said.verification.attempts_left);
    assert_eq!(told, (false, VerificationStatus::Pending, 0));
    assert_eq!(shown(&world, other.id).await, 5, "another number");
    let (again, _) = world.gateway.issue(&caller, keyed()).await.unwrap();
    assert_eq!(again.attempts_left, 5);
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(shown(&world, login.id).await, 2, "one that has ended is as it ended");
}

#[tokio::test]
async fn a_verification_has_no_more_attempts_than_its_number_has_guesses() {
    let mut world = with(guessable("7/1d")).await;
    let (first, code) = world.issued("default").await;
    for _ in 0..5 {
        world.check(first.id, &wrong(&code)).await;
    }
    let (second, code) = world.issued("default").await;
    assert_eq!(second.attempts_left, 2);
    world.check(second.id, &wrong(&code)).await;
    let last = world.check(second.id, &wrong(&code)).await.verification;
    assert_eq!((last.status, last.attempts_left), (VerificationStatus::Exhausted, 0));
}

/// Whoever double-clicks the right code at the very last guess is let in.
#[tokio::test]
async fn the_right_code_twice_at_the_last_guess_approves() {
    let mut world = with(guessable("3/1d")).await;
    let (first, code) = world.issued("default").await;
    let (pay, pays) = world.issued("pay").await;
    for _ in 0..2 {
        world.check(first.id, &wrong(&code)).await;
    }
    let twice = futures_util::future::join_all([0, 1].map(|_| world.check(pay.id, &pays))).await;
    assert_eq!(twice.iter().filter(|answer| answer.approved).count(), 1);
    assert_eq!(world.guesses_used().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_guesses_at_once_count_exactly() {
    let mut world = with(guessable("15/1d")).await;
    let mut verifications = Vec::new();
    for n in 0..50 {
        let caller = Caller { client: Some(n.to_string()), ..Caller::default() };
        let (view, _) = world.gateway.issue(&caller, request(TO)).await.unwrap();
        verifications.push((caller, view, code_of(&world.aired().await)));
    }
    let guesses = (0..1000).map(|n: usize| {
        let (caller, view, code) = verifications[n % 50].clone();
        let (gateway, code) = (world.gateway.clone(), CheckRequest::of(&wrong(&code)));
        tokio::spawn(async move { gateway.check(&caller, view.id, code).await.unwrap() })
    });
    for guess in guesses.collect::<Vec<_>>() {
        assert!(!guess.await.unwrap().approved);
    }
    let mut compared = 0;
    for (caller, view, _) in &verifications {
        compared += world.compared(view.id).await;
        let view = world.gateway.verification(caller, view.id).await.unwrap();
        assert_eq!(view.attempts_left, 0);
    }
    assert_eq!((compared, world.guesses_used().await), (15, 15));
}

#[tokio::test(start_paused = true)]
async fn a_guess_stays_counted_over_a_crash() {
    let (memory, clock) = (Arc::new(Memory::default()), Clock::simulated(START));
    let start = || {
        let store = Store::over(memory.clone(), Duration::ZERO);
        World::with(1, guessable("4/1d"), store, clock.clone())
    };
    let mut world = start().await;
    let (view, code) = world.issued("default").await;
    for used in 1..=4 {
        assert!(!world.check(view.id, &wrong(&code)).await.approved);
        world = start().await;
        assert_eq!(world.guesses_used().await, used);
    }
    assert!(!world.check(view.id, &code).await.approved);
    assert_eq!(refused_by(&world.issue(TO).await.unwrap_err()).0, "limits.guesses_per_number = \"4/1day\"");
}

/// An attacker without scruples: as many verifications as it gets, of two services, issued again, cancelled, guessed at
/// over many connections at once, for weeks. Of a number no more codes are compared than allowed, in any day.
#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_guesses_stay_under_the_odds() {
    let clock = Clock::simulated(START);
    let store = Store::over(Arc::new(Memory::default()), Duration::ZERO);
    // An ended verification can be guessed at as long as it is kept.
    let settings = Settings { keep_verifications: Duration::from_hours(1_000), ..guessable("15/1d") };
    let mut world = World::with(1, settings, store, clock.clone()).await;
    let (mut tries, mut known): (u32, VecDeque<(VerificationView, String, u32)>) = (0, VecDeque::new());
    // When each guess was compared: an attempt that the daemon let through.
    let mut compared: Vec<Timestamp> = Vec::new();
    for round in 0_u64.. {
        if tries >= 100_000 {
            break;
        }
        for service in ["default", "pay"] {
            let request = IssueRequest { service: Some(service.to_owned()), ..request(TO) };
            if let Ok((view, _)) = world.gateway.issue(&Caller::default(), request).await {
                let code = code_of(&world.aired().await);
                known.push_front((view, code, 0));
            }
        }
        known.truncate(4);
        for (view, code, before) in &mut known {
            let guess = wrong(code);
            let answers = futures_util::future::join_all((0..25).map(|_| world.check(view.id, &guess))).await;
            tries += 25;
            assert!(answers.iter().all(|answer| !answer.approved));
            let now = world.compared(view.id).await;
            compared.extend((*before..now).map(|_| clock.now()));
            *before = now;
        }
        if let Some((view, ..)) = known.front().filter(|_| round % 3 == 0) {
            let _ = world.gateway.cancel(&Caller::default(), view.id).await;
        }
        tokio::time::sleep(Duration::from_secs(if round % 2 == 0 { 7 } else { 1_100 })).await;
    }
    let day = Duration::from_secs(86_400);
    let within = |from: Timestamp| compared.iter().filter(|&&at| at >= from && at < from.plus(day)).count();
    let most = compared.iter().map(|&from| within(from)).max();
    assert_eq!(most, Some(15), "it gets all that it may have, and no more");
    let days = clock.now().since(START).as_secs() / 86_400;
    assert!(days >= 3 && compared.len() as u64 <= 15 * (days + 1), "{} in {days} days", compared.len());
}
