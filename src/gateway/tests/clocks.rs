//! The wall clock is set, ahead, back and to 1970, while the daemon runs and over a restart of it or of the machine.

use super::*;
use crate::outbox::Circuit;

const YEAR: Duration = Duration::from_secs(365 * 86_400);
const HOUR: Duration = Duration::from_secs(3600);
const LIFE: Duration = Duration::from_secs(300);

/// An hour, a day and two years ahead and back, and 1970.
fn sets(from: Timestamp) -> [Timestamp; 7] {
    let spans = [HOUR, 24 * HOUR, 2 * YEAR];
    let [ahead, back] = [spans.map(|span| from.plus(span)), spans.map(|span| from.minus(span))];
    [ahead[0], ahead[1], ahead[2], back[0], back[1], back[2], Timestamp::default()]
}

impl World {
    /// The daemon dies, and another begins with its store; the modems are away, or not.
    async fn after_a_restart(self, there: bool) -> Self {
        let next = Self::with(1, settings(), self.store.clone(), self.clock.clone()).await;
        if !there {
            next.modems[0].readiness.send_replace(Readiness::default());
        }
        next
    }
}

async fn away() -> World {
    let world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    world
}

#[tokio::test]
async fn time_ends_a_code_and_its_waiting_message() {
    let mut world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let view = world.issue("+41791234567").await.unwrap();
    world.clock.advance(Duration::from_secs(281));
    let message = world.until(view.message.0, MessageStatus::Expired).await;
    assert!(message.error.unwrap().contains("ran out"));
    world.clock.advance(Duration::from_secs(20));
    let answer = world.check(view.id, "000000").await;
    assert_eq!((answer.approved, answer.verification.status), (false, VerificationStatus::Expired));
    let refused = world.gateway.resend(&Caller::default(), view.id, None).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Conflict(_)));
}

#[tokio::test]
async fn no_code_lives_longer_whatever_the_clock_shows_and_over_a_restart() {
    for to in sets(START) {
        for restarts in [false, true] {
            let mut world = World::new(1).await;
            let view = world.issue("+41791234567").await.unwrap();
            let code = code_of(&world.aired().await);
            world.clock.advance(Duration::from_secs(10));
            world.clock.set(to);
            if restarts {
                world = world.after_a_restart(true).await;
            }
            world.clock.advance(LIFE.saturating_sub(Duration::from_secs(10)));
            assert!(!world.check(view.id, &code).await.approved, "the clock shows {to}");
            // Not even when the clock shows the time of its life again.
            world.clock.set(START);
            let answer = world.check(view.id, &code).await;
            assert_eq!((answer.approved, answer.verification.status), (false, VerificationStatus::Expired));
        }
    }
}

#[tokio::test]
async fn a_code_outlives_a_clock_that_is_set_back_or_cannot_be_right() {
    for to in sets(START).into_iter().filter(|to| *to < START) {
        for restarts in [false, true] {
            let mut world = World::new(1).await;
            let view = world.issue("+41791234567").await.unwrap();
            let code = code_of(&world.aired().await);
            world.clock.set(to);
            if restarts {
                world = world.after_a_restart(true).await;
            }
            world.clock.advance(LIFE.saturating_sub(Duration::from_millis(1)));
            assert!(world.check(view.id, &code).await.approved, "the clock shows {to}");
        }
    }
}

/// D1: a board without a clock is booted with messages queued; they go out at once, and so do new ones.
#[tokio::test]
async fn what_waits_over_a_start_in_1970_goes_out_at_once_and_in_its_life() {
    for behind in [Some(Duration::from_secs(600)), Some(24 * HOUR), None] {
        let world = away().await;
        let (text, _) = world.gateway.send(&Caller::default(), text("+41791234561", "x")).await.unwrap();
        let code = world.issue("+41791234562").await.unwrap();
        world.clock.advance(Duration::from_secs(30));
        // No process outlives a boot.
        world.gateway.stop();
        world.at_rest().await;
        world.clock.reboot(Duration::ZERO);
        let right = world.clock.now();
        world.clock.set(behind.map_or(Timestamp::default(), |behind| right.minus(behind)));
        let mut world = world.after_a_restart(true).await;
        assert!(world.gateway.status().clock.is_some(), "the clock is told to be wrong");
        let (first, second) = (world.aired().await, world.aired().await);
        assert_eq!([first.to.as_str(), second.to.as_str()], ["+41791234562", "+41791234561"]);
        world.until(text.id, MessageStatus::Sent).await;
        // One that is issued before the clock is right does not die of it, and one from before does neither.
        let new = world.issue("+41791234563").await.unwrap();
        let new_code = code_of(&world.aired().await);
        world.clock.advance(Duration::from_secs(5));
        world.clock.set(right.plus(Duration::from_secs(5)));
        world.at_rest().await;
        assert_eq!(world.gateway.status().clock, None);
        assert!(world.check(code.id, &code_of(&first)).await.approved, "{behind:?}");
        let answer = world.check(new.id, &new_code).await;
        assert!(answer.approved && answer.verification.expires_at > right, "{behind:?}");
        let last = world.issue("+41791234564").await.unwrap();
        assert_eq!(code_of(&world.aired().await).len(), 6);
        world.clock.advance(LIFE);
        let last = world.gateway.verification(&Caller::default(), last.id).await.unwrap();
        assert_eq!(last.status, VerificationStatus::Expired);
    }
}

/// D2: no wait is longer than its own length when the clock is set back, and none when it was ahead and is set right.
#[tokio::test]
async fn no_wait_is_longer_than_its_length_whatever_the_clock_did() {
    for to in sets(START) {
        let mut settings = settings();
        settings.limits.per_number = vec!["2/10m".parse::<Rate>().unwrap()];
        let mut world = World::with(1, settings.clone(), Store::in_memory(), Clock::manual(START)).await;
        let view = world.issue("+41791234567").await.unwrap();
        world.aired().await;
        world.until(view.message.0, MessageStatus::Sent).await;
        world.clock.set(to);
        world.at_rest().await;
        // The cool-down, unless the wall clock ended the code.
        let again = world.issue("+41791234567").await;
        if to < START {
            assert_eq!(
                again.unwrap_err(),
                GatewayError::Cooldown { retry_after: Duration::from_secs(30), verification: view.id }
            );
            world.clock.advance(Duration::from_secs(30));
            world.issue("+41791234567").await.unwrap();
        } else {
            again.unwrap();
        }
        // The limit.
        world.clock.advance(Duration::from_secs(30));
        let GatewayError::RateLimited { retry_after, .. } = world.issue("+41791234567").await.unwrap_err()
        else {
            panic!("it is full");
        };
        assert!(retry_after <= Duration::from_secs(570), "{retry_after:?}");
        world.clock.set(START);
        let GatewayError::RateLimited { retry_after: later, .. } =
            world.issue("+41791234567").await.unwrap_err()
        else {
            panic!("it is full");
        };
        assert_eq!(later, retry_after, "no setting makes it shorter either");
        let world = World::with(1, settings, world.store.clone(), world.clock.clone()).await;
        world.clock.advance(retry_after);
        world.issue("+41791234567").await.unwrap();
    }
}

#[tokio::test]
async fn a_retry_and_a_breaker_wait_as_long_as_they_did() {
    for to in sets(START) {
        let mut world = World::new(1).await;
        let fault = Outcome::Rejected {
            references: vec![],
            error: Fault { class: FaultClass::Transient, text: "+CMS ERROR: 38".to_owned() },
        };
        locked(&world.modems[0].plan).push_back(Plan::End(fault.clone()));
        let id = world.send("+41791234567").await;
        world.aired().await;
        while world.until(id, MessageStatus::Queued).await.attempts == 0 {}
        world.at_rest().await;
        world.clock.set(to);
        world.at_rest().await;
        assert!(world.air.try_recv().is_err(), "the retry waits");
        world.clock.advance(Duration::from_secs(2));
        world.aired().await;
        world.until(id, MessageStatus::Sent).await;

        *locked(&world.modems[0].always) = Some(fault);
        for number in 0..5 {
            world.send(&format!("+4179123457{number}")).await;
            world.aired().await;
            world.at_rest().await;
        }
        assert!(matches!(world.condition("m0").circuit, Circuit::Open { .. }));
        *locked(&world.modems[0].always) = None;
        world.clock.set(START);
        world.clock.advance(Duration::from_secs(59));
        world.at_rest().await;
        assert!(world.air.try_recv().is_err(), "the breaker is open");
        world.clock.advance(Duration::from_secs(1));
        world.aired().await;
    }
}

#[tokio::test]
async fn what_is_to_be_sent_at_a_date_goes_by_the_wall_clock() {
    let mut world = World::new(1).await;
    let at = |hours| SendRequest { send_at: Some(START.plus(hours * HOUR)), ..text("+41791234567", "later") };
    world.gateway.send(&Caller::default(), at(1)).await.unwrap();
    world.clock.set(START.plus(HOUR));
    assert_eq!(world.aired().await.text, "later", "the clock is set ahead, and that wakes it");
    world.gateway.send(&Caller::default(), at(2)).await.unwrap();
    world.clock.set(START);
    world.at_rest().await;
    world.clock.advance(HOUR);
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "the clock was set back");
    world.clock.advance(HOUR);
    assert_eq!(world.aired().await.text, "later");
    // How long it is worth sending begins with its date.
    let short = SendRequest { valid_for: Some(HOUR), ..at(4) };
    world.modems[0].readiness.send_replace(Readiness::default());
    let (m, _) = world.gateway.send(&Caller::default(), short).await.unwrap();
    world.clock.set(START);
    world.at_rest().await;
    world.clock.advance(4 * HOUR);
    world.at_rest().await;
    assert_eq!(world.gateway.message(&Caller::default(), m.id).await.unwrap().status, MessageStatus::Queued);
    world.clock.set(START.plus(5 * HOUR));
    world.until(m.id, MessageStatus::Expired).await;
}

#[tokio::test]
async fn nothing_is_forgotten_because_a_clock_was_set() {
    let mut world = World::new(1).await;
    let keyed = IssueRequest { idempotency_key: Some("k".to_owned()), ..request("+41791234567") };
    let (v, _) = world.gateway.issue(&Caller::default(), keyed.clone()).await.unwrap();
    let code = code_of(&world.aired().await);
    assert!(world.check(v.id, &code).await.approved);
    for to in sets(START) {
        world.clock.set(to);
        for _ in 0..2 {
            world.clock.advance(HOUR);
            world.at_rest().await;
        }
        let known = world.gateway.verification(&Caller::default(), v.id).await.unwrap();
        assert_eq!(known.status, VerificationStatus::Approved);
        let (again, replayed) = world.gateway.issue(&Caller::default(), keyed.clone()).await.unwrap();
        assert_eq!((again.id, replayed), (v.id, true), "the clock shows {to}");
    }
}

/// Whoever asked first and is overtaken on the way does not see what was counted before as of the future.
#[tokio::test]
async fn a_move_has_the_time_at_which_it_runs() {
    let world = World::new(0).await;
    let inner = &world.gateway.0;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let before = world.store.begin(move |_| wait.recv());
    let asked = world.store.begin(inner.noting(|mv| Ok(mv.now.steady())));
    world.clock.advance(LIFE);
    go.send(()).unwrap();
    before.done().await.unwrap().unwrap();
    let (ran, _) = asked.done().await.unwrap().both().unwrap();
    assert_eq!(ran, inner.now().steady());
}

/// A clock that is set while a code waits for its turn does not end it before it began.
#[tokio::test]
async fn a_code_begins_when_it_is_issued() {
    let world = World::new(1).await;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let before = world.store.begin(move |_| wait.recv());
    let issue = tokio::spawn({
        let gateway = world.gateway.clone();
        async move { gateway.issue(&Caller::default(), request("+41791234567")).await }
    });
    tokio::task::yield_now().await;
    world.clock.set(world.clock.now().plus(Duration::from_hours(24)));
    go.send(()).unwrap();
    before.done().await.unwrap().unwrap();
    let (v, _) = issue.await.unwrap().unwrap();
    let left = v.expires_at.since(world.clock.now());
    assert_eq!((v.status, left), (VerificationStatus::Pending, LIFE));
}

/// Whoever lists is told of an end that stays, as who looks at one verification is.
#[tokio::test]
async fn an_end_that_a_listing_tells_is_not_taken_back_by_a_clock() {
    let world = World::new(1).await;
    let (root, v) = (Caller::default(), world.issue("+41791234567").await.unwrap());
    let listed = || world.gateway.verifications(&root, VerificationFilter { limit: 9, ..Default::default() });
    world.clock.set(START.plus(HOUR));
    assert_eq!(listed().await.unwrap().items[0].status, VerificationStatus::Expired);
    world.clock.set(START);
    assert_eq!(listed().await.unwrap().items[0].status, VerificationStatus::Expired);
    let now = world.gateway.verification(&Caller::default(), v.id).await.unwrap();
    assert_eq!(now.status, VerificationStatus::Expired);
}
