//! Clients apart: each has what it made, and of what others made only what its reach says.

use super::*;
use crate::id::VerificationId;

const PHONE: &str = "+41791234567";
const UNKNOWN: &str = "+41791234568";

fn client(name: &str, reach: Reach) -> Caller {
    Caller { client: Some(name.to_owned()), reach, ..Caller::default() }
}

impl World {
    async fn issued_by(&self, caller: &Caller) -> VerificationView {
        self.gateway.issue(caller, request(PHONE)).await.unwrap().0
    }

    async fn check_by(&self, caller: &Caller, id: VerificationId) -> Result<CheckView, GatewayError> {
        self.gateway.check(caller, id, CheckRequest::of("000000")).await
    }

    /// The verification that a check by number finds.
    async fn newest_of(&self, caller: &Caller) -> Result<VerificationId, GatewayError> {
        let found = self.gateway.check_newest(caller, PHONE, None, CheckRequest::of("000000")).await;
        found.map(|check| check.verification.id)
    }
}

#[tokio::test]
async fn what_another_client_made_does_not_exist() {
    let clients = ["web", "shop"].map(str::to_owned).to_vec();
    let settings = Settings { clients, ..settings() };
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let (web, shop) = (client("web", Reach::Own), client("shop", Reach::Own));
    let v = world.issued_by(&web).await;
    let (m, _) = world.gateway.send(&web, text(PHONE, "hello")).await.unwrap();
    // No peer acts so beside configured clients, and what it would make is no client's.
    for stranger in [shop, Caller::default()] {
        let none = GatewayError::Hidden("verification");
        assert_eq!(world.gateway.verification(&stranger, v.id).await.unwrap_err(), none);
        assert_eq!(world.check_by(&stranger, v.id).await.unwrap_err(), none);
        assert_eq!(world.gateway.resend(&stranger, v.id, None).await.unwrap_err(), none);
        assert_eq!(world.gateway.cancel(&stranger, v.id).await.unwrap_err(), none);
        let none = GatewayError::Hidden("message");
        for id in [m.id, v.message.0] {
            assert_eq!(world.gateway.message(&stranger, id).await.unwrap_err(), none);
            assert_eq!(world.gateway.cancel_message(&stranger, id).await.unwrap_err(), none);
        }
        let listed = world.gateway.messages(&stranger, MessageFilter { limit: 10, ..Default::default() });
        assert_eq!(listed.await.unwrap().items, []);
        let what = "verification of this number and service";
        assert_eq!(world.newest_of(&stranger).await.unwrap_err(), GatewayError::Hidden(what));
        let of_nobody = world.gateway.check_newest(&stranger, UNKNOWN, None, CheckRequest::of("000000"));
        assert_eq!(of_nobody.await.unwrap_err(), GatewayError::NotFound(what));
    }
    // Nothing is hidden from who may change it by its id.
    let root = Caller { reach: Reach::Changes, ..Caller::default() };
    assert!(matches!(world.newest_of(&root).await, Err(GatewayError::NotFound(_))));
    assert_eq!(world.gateway.verification(&web, v.id).await.unwrap(), v, "nothing was counted or changed");
    assert_eq!(world.gateway.message(&web, m.id).await.unwrap(), m);
    assert_eq!(world.newest_of(&web).await, Ok(v.id));
}

#[tokio::test]
async fn who_may_read_sees_what_others_made_and_changes_none_of_it() {
    let world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let (web, monitor) = (client("web", Reach::Own), client("monitor", Reach::Sees));
    let v = world.issued_by(&web).await;
    let id = v.message.0;
    assert_eq!(world.gateway.verification(&monitor, v.id).await.unwrap(), v);
    assert_eq!(world.gateway.message(&monitor, id).await.unwrap().id, id);
    let not_own = GatewayError::NotOwn("verification");
    assert_eq!(world.check_by(&monitor, v.id).await.unwrap_err(), not_own);
    assert_eq!(world.gateway.resend(&monitor, v.id, None).await.unwrap_err(), not_own);
    assert_eq!(world.gateway.cancel(&monitor, v.id).await.unwrap_err(), not_own);
    let not_own = GatewayError::NotOwn("message");
    assert_eq!(world.gateway.cancel_message(&monitor, id).await.unwrap_err(), not_own);
    assert!(world.newest_of(&monitor).await.is_err());
    assert_eq!(world.gateway.verification(&web, v.id).await.unwrap(), v);
    // A reader that is bound to services sees the others' codes of those services alone.
    let bound = Caller { services: Some(vec!["pay".to_owned()]), ..monitor };
    let none = GatewayError::Hidden("verification");
    assert_eq!(world.gateway.verification(&bound, v.id).await.unwrap_err(), none);
    assert_eq!(world.gateway.cancel(&bound, v.id).await.unwrap_err(), none);
}

#[tokio::test]
async fn who_may_change_everything_leaves_it_to_the_client_that_made_it() {
    let world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let (web, root) = (client("web", Reach::Own), Caller { reach: Reach::Changes, ..Caller::default() });
    let v = world.issued_by(&web).await;
    assert_eq!(world.check_by(&root, v.id).await.unwrap().verification.attempts_left, 4);
    world.clock.advance(Duration::from_secs(31));
    let resent = world.gateway.resend(&root, v.id, None).await.unwrap();
    let message = world.gateway.message(&web, resent.message.0).await.unwrap();
    assert_eq!(message.client.as_deref(), Some("web"));
    assert_eq!(
        world.gateway.cancel_message(&root, message.id).await.unwrap().status,
        MessageStatus::Cancelled
    );
    assert_eq!(world.gateway.cancel(&root, v.id).await.unwrap().client.as_deref(), Some("web"));
}

#[tokio::test]
async fn a_check_by_number_finds_the_newest_of_the_client_that_asks() {
    let world = World::with(1, renewing(settings()), Store::in_memory(), Clock::manual(START)).await;
    let (web, shop, root) = (client("web", Reach::Own), client("shop", Reach::Own), Caller::default());
    let mut made = Vec::new();
    for caller in [&web, &shop, &root] {
        made.push(world.issued_by(caller).await.id);
    }
    for (caller, id) in [&web, &shop, &root].into_iter().zip(&made) {
        assert_eq!(world.newest_of(caller).await, Ok(*id));
    }
    let again = world.issued_by(&web).await.id;
    assert_eq!(world.newest_of(&web).await, Ok(again));
    assert_eq!(world.newest_of(&shop).await, Ok(made[1]));
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_client() {
    let world = World::new(1).await;
    let (web, shop) = (client("web", Reach::Own), client("shop", Reach::Own));
    let keyed = || IssueRequest { idempotency_key: Some("key".to_owned()), ..request(PHONE) };
    let (of_web, _) = world.gateway.issue(&web, keyed()).await.unwrap();
    let (of_shop, replayed) = world.gateway.issue(&shop, keyed()).await.unwrap();
    assert!(!replayed && of_shop.id != of_web.id);
    let (again, replayed) = world.gateway.issue(&web, keyed()).await.unwrap();
    assert!(replayed && again.id == of_web.id);
}
