//! What a client that is bound to services sees of messages: codes of its services, and plain texts.

use super::*;
use crate::id::VerificationId;

fn bound_to(service: &str) -> Caller {
    Caller { services: Some(vec![service.to_owned()]), ..Caller::default() }
}

impl World {
    async fn issue_for(&self, service: &str) -> (VerificationId, MessageId) {
        let request = IssueRequest { service: Some(service.to_owned()), ..request("+41791234567") };
        let view = self.gateway.issue(&Caller::default(), request).await.unwrap().0;
        (view.id, view.message.0)
    }

    async fn listed(&self, caller: &Caller, limit: usize) -> Vec<MessageId> {
        let filter = MessageFilter { limit, ..MessageFilter::default() };
        let page = self.gateway.messages(caller, filter).await.unwrap();
        page.items.iter().map(|m| m.id).collect()
    }
}

#[tokio::test]
async fn a_client_bound_to_services_sees_and_withdraws_no_codes_of_others() {
    let world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let (pay, other) = (world.issue_for("pay").await.1, world.issue_for("default").await.1);
    let (text, _) = world.gateway.send(&Caller::default(), text("+41791234567", "x")).await.unwrap();
    let caller = bound_to("pay");
    let none = GatewayError::Hidden("message");
    assert_eq!(world.gateway.message(&caller, other).await.unwrap_err(), none);
    assert_eq!(world.gateway.cancel_message(&caller, other).await.unwrap_err(), none);
    assert_eq!(world.listed(&Caller::default(), 10).await, [text.id, other, pay]);
    assert_eq!(world.listed(&caller, 10).await, [text.id, pay]);
    assert_eq!(world.listed(&caller, 2).await, [text.id, pay], "a page is full of what may be seen");
    let kept = world.gateway.message(&Caller::default(), other).await.unwrap();
    assert_eq!(kept.status, MessageStatus::Queued);
    for id in [pay, text.id] {
        assert_eq!(world.gateway.message(&caller, id).await.unwrap().id, id);
        assert_eq!(world.gateway.cancel_message(&caller, id).await.unwrap().status, MessageStatus::Cancelled);
    }
}

#[tokio::test]
async fn a_message_knows_its_service_when_its_verification_is_forgotten() {
    let settings = Settings { keep_verifications: Duration::from_secs(60), ..settings() };
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let (verification, message) = world.issue_for("pay").await;
    world.until(message, MessageStatus::Sent).await;
    world.clock.advance(Duration::from_hours(1));
    let forgotten = async {
        while world.gateway.verification(&Caller::default(), verification).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), forgotten).await.unwrap();
    assert_eq!(world.listed(&bound_to("pay"), 10).await, [message]);
    assert_eq!(world.listed(&bound_to("default"), 10).await, []);
}
