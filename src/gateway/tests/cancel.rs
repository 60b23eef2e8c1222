//! Withdrawing what was withdrawn, and what cannot be withdrawn any more; clients that go away before their answer.

use super::*;

impl World {
    /// The events so far that `wanted` takes.
    pub(super) fn count(&mut self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        std::iter::from_fn(|| self.events.try_recv().ok()).filter(|event| wanted(&event.kind)).count()
    }
}

#[tokio::test]
async fn cancelling_twice_is_answered_alike_and_told_once() {
    let mut world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let caller = Caller::default();
    let view = world.issue("+41791234567").await.unwrap();
    let first = world.gateway.cancel(&caller, view.id).await.unwrap();
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.gateway.cancel(&caller, view.id).await.unwrap(), first, "long after its end as well");
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Verification("cancelled", _))), 1);

    let (m, _) = world.gateway.send(&caller, text("+41791234567", "x")).await.unwrap();
    let first = world.gateway.cancel_message(&Caller::default(), m.id).await.unwrap();
    assert_eq!(world.gateway.cancel_message(&Caller::default(), m.id).await.unwrap(), first);
    assert_eq!(
        world.count(|kind| matches!(kind, EventKind::Message(m) if m.status == MessageStatus::Cancelled)),
        1
    );
}

#[tokio::test]
async fn a_message_that_goes_with_its_verification_is_told_too() {
    let cancelled =
        |kind: &EventKind| matches!(kind, EventKind::Message(m) if m.status == MessageStatus::Cancelled);
    let mut world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let view = world.issue("+41791234567").await.unwrap();
    world.gateway.cancel(&Caller::default(), view.id).await.unwrap();
    assert_eq!(world.count(cancelled), 1);
    // A resend takes the place of what still waits.
    let view = world.issue("+41791234568").await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    world.gateway.resend(&Caller::default(), view.id, None).await.unwrap();
    assert_eq!(world.count(cancelled), 1);
}

#[tokio::test]
async fn a_code_that_was_guessed_at_too_often_before_it_left_does_not_leave() {
    let mut world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let view = world.issue("+41791234567").await.unwrap();
    for _ in 0..4 {
        world.check(view.id, "").await;
    }
    let last = world.check(view.id, "").await.verification;
    assert_eq!((last.status, last.message.1), (VerificationStatus::Exhausted, MessageStatus::Cancelled));
    let message = world.gateway.message(&Caller::default(), view.message.0).await.unwrap();
    assert_eq!(
        (message.status, world.gateway.status().queue),
        (MessageStatus::Cancelled, QueueView::default())
    );
    assert_eq!(world.count(|kind| matches!(kind, EventKind::Message(m) if *m == message)), 1);
}

#[tokio::test]
async fn why_a_message_cannot_be_withdrawn_is_said_in_the_contracts_words() {
    let mut world = World::new(1).await;
    let (release, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234567", "x")).await.unwrap();
    world.aired().await;
    let conflict = |word: &str| GatewayError::Conflict(format!("the message is {word} already"));
    assert_eq!(
        world.gateway.cancel_message(&Caller::default(), m.id).await.unwrap_err(),
        conflict("sending")
    );
    release.send(()).unwrap();
    world.until(m.id, MessageStatus::Sent).await;
    assert_eq!(world.gateway.cancel_message(&Caller::default(), m.id).await.unwrap_err(), conflict("sent"));
}

/// What was begun is taken to its end: the attempt is on disk.
#[tokio::test]
async fn a_right_code_counts_though_whoever_asked_has_gone() {
    let mut world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let code = code_of(&world.aired().await);
    tokio::select! {
        biased;
        _ = world.check(view.id, &code) => panic!("the store answers later"),
        () = std::future::ready(()) => {}
    }
    world.at_rest().await;
    let now = world.gateway.verification(&Caller::default(), view.id).await.unwrap();
    assert_eq!(now.status, VerificationStatus::Approved);
}

#[tokio::test]
async fn a_code_goes_out_though_whoever_asked_for_it_has_gone() {
    let mut world = World::new(1).await;
    tokio::select! {
        biased;
        _ = world.issue("+41791234567") => panic!("the store answers later"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(world.aired().await.to, "+41791234567");
}
