//! Withdrawing what was withdrawn, and what cannot be withdrawn any more.

use super::*;

#[tokio::test]
async fn why_a_message_cannot_be_withdrawn_is_said_in_the_contracts_words() {
    let mut world = World::new(1).await;
    let (release, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let (m, _) = world.gateway.send(&Caller::default(), text("+41791234567", "x")).await.unwrap();
    world.aired().await;
    let conflict = |word: &str| GatewayError::Conflict(format!("the message is {word} already"));
    assert_eq!(world.gateway.cancel_message(m.id).await.unwrap_err(), conflict("sending"));
    release.send(()).unwrap();
    world.until(m.id, MessageStatus::Sent).await;
    assert_eq!(world.gateway.cancel_message(m.id).await.unwrap_err(), conflict("sent"));
}
