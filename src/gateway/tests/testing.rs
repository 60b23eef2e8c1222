//! Test numbers: nothing goes to them, and their codes are checked like any other.

use super::*;
use crate::otp::TestNumbers;

const NOBODY: &str = "+447700900123";

fn with_test_number() -> Settings {
    let mut testing = TestNumbers::default();
    testing.insert(NOBODY.parse().unwrap(), "000000").unwrap();
    Settings { testing, ..settings() }
}

#[tokio::test]
async fn nothing_goes_to_a_test_number_and_its_code_is_checked_like_any_other() {
    let mut settings = with_test_number();
    settings.limits.per_number = vec!["3/10m".parse::<Rate>().unwrap()];
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let caller = Caller::default();
    let view = world.issue(NOBODY).await.unwrap();
    assert_eq!((view.status, view.message.1), (VerificationStatus::Pending, MessageStatus::Cancelled));
    let told = world.gateway.message(&caller, view.message.0).await.unwrap();
    assert!(told.error.unwrap().starts_with("a test number"));
    assert_eq!((told.attempts, told.sent_at), (0, None));
    assert_eq!(world.check(view.id, "000001").await.verification.attempts_left, 4);
    world.clock.advance(Duration::from_secs(30));
    let again = world.gateway.resend(&caller, view.id, None).await.unwrap();
    assert_eq!(again.message.1, MessageStatus::Cancelled);
    assert!(world.check(view.id, "000000").await.approved);
    assert!(!world.check(view.id, "000000").await.approved, "once");

    let second = world.issue(NOBODY).await.unwrap();
    for _ in 0..5 {
        world.check(second.id, "1").await;
    }
    let spent = world.check(second.id, "000000").await;
    assert_eq!((spent.approved, spent.verification.status), (false, VerificationStatus::Exhausted));
    assert!(matches!(world.issue(NOBODY).await, Err(GatewayError::RateLimited { .. })), "it counts");
    world.clock.advance(Duration::from_secs(600));
    let third = world.issue(NOBODY).await.unwrap();
    world.clock.advance(Duration::from_secs(301));
    assert!(!world.check(third.id, "000000").await.approved, "too late");

    let (message, _) = world.gateway.send(&caller, text(NOBODY, "hello")).await.unwrap();
    assert_eq!(message.status, MessageStatus::Cancelled);
    assert_eq!(world.gateway.status().queue, QueueView::default());
    // The code of any other number is drawn.
    let other = world.issue("+447911123456").await.unwrap();
    assert_eq!(world.aired().await.to, "+447911123456");
    world.until(other.message.0, MessageStatus::Sent).await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "no modem had any of these");
    assert_eq!(world.gateway.status().test_numbers, ["+4477******23"]);
}

#[tokio::test]
async fn what_waited_for_a_number_that_became_one_for_tests_is_not_sent() {
    let mut world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let (waiting, _) = world.gateway.send(&Caller::default(), text(NOBODY, "hello")).await.unwrap();
    world.gateway.reload(with_test_number());
    world.modems[0].readiness.send_replace(Readiness { ready: true, ..Readiness::default() });
    let withdrawn = world.until(waiting.id, MessageStatus::Cancelled).await;
    assert!(withdrawn.error.unwrap().starts_with("a test number"));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    assert_eq!(world.gateway.status().queue, QueueView::default());
}
