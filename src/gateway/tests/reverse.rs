//! Inbound verifications: a token that comes from the number approves once, and nothing else does.

use gsm_sms::{Address, Alphabet, ShiftTables, UserData};

use super::inbound::{deliver, parts};
use super::*;
use crate::otp::{Action, Pumping};

const PHONE: &str = "+41791234567";
const MODEM: &str = "+41791112233";

fn allowed() -> Settings {
    let mut settings = settings();
    settings.services.values_mut().for_each(|service| service.inbound = true);
    settings.numbers = [("m0".to_owned(), MODEM.parse().unwrap())].into();
    settings
}

fn inbound(to: &str) -> IssueRequest {
    IssueRequest { mode: Mode::Inbound, ..request(to) }
}

fn named(client: &str) -> Caller {
    Caller { client: Some(client.to_owned()), ..Caller::default() }
}

impl World {
    async fn allowing() -> Self {
        Self::with(1, allowed(), Store::in_memory(), Clock::manual(START)).await
    }

    /// A verification, and its token.
    async fn invited(&self, caller: &Caller, request: IssueRequest) -> (VerificationId, String) {
        let (view, known) = self.gateway.issue(caller, request).await.unwrap();
        assert!(!known);
        (view.id, view.invitation.unwrap().token.expose().clone())
    }

    /// A text comes in from a number.
    async fn hears(&self, from: &str, text: &str) {
        self.clock.advance(Duration::from_secs(1));
        let seconds = self.clock.now().since(START).as_secs();
        self.receive(&parts(from, text, 1, seconds.try_into().unwrap())[0]).await;
    }

    /// Where a verification stands, and how many attempts it has left.
    async fn has(&self, caller: &Caller, id: VerificationId) -> (VerificationStatus, u32) {
        let v = self.gateway.verification(caller, id).await.unwrap();
        assert_eq!(v.invitation, None, "a token is in the answer to its issue alone");
        (v.status, v.attempts_left)
    }
}

/// Another token than this one.
fn other(token: &str) -> String {
    let first = if token.starts_with('3') { '4' } else { '3' };
    format!("{first}{}", &token[1..])
}

#[tokio::test]
async fn a_token_from_the_number_approves_once_and_nothing_is_sent() {
    let mut world = World::allowing().await;
    let caller = Caller::default();
    let (view, _) = world.gateway.issue(&caller, inbound(PHONE)).await.unwrap();
    assert_eq!((view.inbound, view.status), (true, VerificationStatus::Pending));
    let invitation = view.invitation.clone().unwrap();
    assert_eq!((invitation.number.as_str(), invitation.token.expose().len()), (MODEM, 8));
    let token = invitation.token.expose();
    assert!(!format!("{view:?}").contains(token));
    let message = world.gateway.message(&caller, view.message.0).await.unwrap();
    assert_eq!(message.status, MessageStatus::Cancelled);
    assert!(message.error.unwrap().contains("nothing is sent"));

    world.hears(PHONE, &format!("Hello, {}!", token.to_lowercase())).await;
    assert_eq!(world.has(&caller, view.id).await, (VerificationStatus::Approved, 4));
    world.hears(PHONE, token).await;
    assert_eq!(world.has(&caller, view.id).await, (VerificationStatus::Approved, 4));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "no modem sent anything");
    let mut told = Vec::new();
    while let Ok(event) = world.events.try_recv() {
        assert!(!format!("{event:?}").contains(token));
        if let EventKind::Verification(what, v) = event.kind {
            assert_eq!(v.invitation, None);
            told.push(what);
        }
    }
    assert_eq!(told, ["pending", "approved"]);
}

#[tokio::test]
async fn one_uses_up_no_budget_of_codes_that_nobody_entered_and_speaks_for_no_number() {
    let pumping =
        Pumping { home: Action::Enforce, unverified: "1/1d".parse().unwrap(), ..Pumping::default() };
    let settings = Settings { pumping, ..allowed() };
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let caller = Caller::default();
    for of in 1..=3 {
        let (id, token) = world.invited(&caller, inbound(&format!("+4179123456{of}"))).await;
        world.hears(&format!("+4179123456{of}"), &token).await;
        assert_eq!(world.has(&caller, id).await.0, VerificationStatus::Approved);
        world.invited(&caller, inbound(&format!("+4179123457{of}"))).await;
    }
    world.issue(PHONE).await.expect("the first code that costs anything");
    world.issue("+41791234581").await.expect_err("the second");
}

#[tokio::test]
async fn no_other_sender_approves() {
    let mut settings = allowed();
    settings.destinations.default_region = Some("CH".parse().unwrap());
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let caller = Caller::default();
    let (id, token) = world.invited(&caller, inbound(PHONE)).await;
    for from in ["+41791234568", "+4179123456", "1234"] {
        world.hears(from, &token).await;
    }
    // A name that reads like the number, which anybody may have.
    let text = UserData::text(&token, Alphabet::Gsm7, ShiftTables::NONE, &[]).unwrap();
    let name = Address::alphanumeric("0791234567").unwrap();
    world.receive(&deliver(name, 0, 0, text, 60)).await;
    assert_eq!(world.inbox().await[0].from.as_str(), "0791234567");
    assert_eq!(world.has(&caller, id).await, (VerificationStatus::Pending, 5));
    world.hears("0791234567", &token).await;
    assert_eq!(world.has(&caller, id).await.0, VerificationStatus::Approved, "the national form");
}

#[tokio::test]
async fn wrong_tokens_are_attempts_and_other_texts_are_none() {
    let world = World::allowing().await;
    let caller = Caller::default();
    let (id, token) = world.invited(&caller, inbound(PHONE)).await;
    for text in ["Hello", "What am I to send?", &token[..7]] {
        world.hears(PHONE, text).await;
    }
    assert_eq!(world.has(&caller, id).await, (VerificationStatus::Pending, 5));
    for left in (0..5).rev() {
        world.hears(PHONE, &other(&token)).await;
        assert_eq!(world.has(&caller, id).await.1, left);
    }
    world.hears(PHONE, &token).await;
    assert_eq!(world.has(&caller, id).await, (VerificationStatus::Exhausted, 0));
    // Whoever forges the sender uses up this verification, and keeps the number from nothing else.
    world.clock.advance(Duration::from_secs(30));
    let (again, token) = world.invited(&caller, inbound(PHONE)).await;
    world.hears(PHONE, &token).await;
    assert_eq!(world.has(&caller, again).await.0, VerificationStatus::Approved);
}

#[tokio::test]
async fn a_token_that_comes_too_late_approves_nothing() {
    let world = World::allowing().await;
    let caller = Caller::default();
    let (id, token) = world.invited(&caller, inbound(PHONE)).await;
    world.clock.advance(Duration::from_secs(299));
    world.hears(PHONE, &token).await;
    assert_eq!(world.has(&caller, id).await, (VerificationStatus::Expired, 5));
}

#[tokio::test]
async fn a_token_is_that_of_one_service_and_client() {
    let world = World::allowing().await;
    let (web, shop) = (named("web"), named("shop"));
    let (of_web, token) = world.invited(&web, inbound(PHONE)).await;
    let pay = IssueRequest { service: Some("pay".to_owned()), ..inbound(PHONE) };
    let (to_pay, token_to_pay) = world.invited(&web, pay).await;
    let (of_shop, token_of_shop) = world.invited(&shop, inbound(PHONE)).await;
    let (of_another, _) = world.invited(&shop, inbound("+41791234568")).await;
    world.hears(PHONE, &token_to_pay).await;
    assert_eq!(world.has(&web, of_web).await, (VerificationStatus::Pending, 5));
    assert_eq!(world.has(&web, to_pay).await.0, VerificationStatus::Approved);
    world.hears(PHONE, &other(&token)).await;
    assert_eq!(world.has(&web, of_web).await, (VerificationStatus::Pending, 4));
    assert_eq!(world.has(&shop, of_shop).await, (VerificationStatus::Pending, 4));
    assert_eq!(world.has(&shop, of_another).await, (VerificationStatus::Pending, 5));
    world.hears(PHONE, &format!("{token_of_shop} {}", other(&token))).await;
    assert_eq!(world.has(&shop, of_shop).await.0, VerificationStatus::Approved);
    assert_eq!(world.has(&web, of_web).await, (VerificationStatus::Pending, 4));
}

#[tokio::test]
async fn no_check_approves_one_and_no_resend_sends_for_it() {
    let world = World::allowing().await;
    let caller = Caller::default();
    let (id, token) = world.invited(&caller, inbound(PHONE)).await;
    world.clock.advance(Duration::from_secs(31));
    let typed = || CheckRequest::of(&token);
    for answer in [
        world.gateway.check(&caller, id, typed()).await.unwrap(),
        world.gateway.check_newest(&caller, PHONE, None, typed()).await.unwrap(),
    ] {
        assert!(!answer.approved && answer.verification.attempts_left == 5);
    }
    let refused = world.gateway.resend(&caller, id, None).await.unwrap_err();
    assert!(matches!(&refused, GatewayError::Conflict(why) if why.contains("inbound")), "{refused:?}");
    assert_eq!(world.has(&caller, id).await, (VerificationStatus::Pending, 5));
}

#[tokio::test]
async fn one_is_pending_at_most_and_its_token_is_its_own() {
    let mut world = World::allowing().await;
    let caller = Caller::default();
    let keyed = || IssueRequest { idempotency_key: Some("k".to_owned()), ..inbound(PHONE) };
    let (first, token) = world.invited(&caller, keyed()).await;
    let as_sms = IssueRequest { mode: Mode::Sms, ..keyed() };
    assert_eq!(world.gateway.issue(&caller, as_sms).await.unwrap_err(), GatewayError::IdempotencyMismatch);
    let cooling = world.gateway.issue(&caller, inbound(PHONE)).await.unwrap_err();
    assert!(matches!(cooling, GatewayError::Cooldown { verification, .. } if verification == first));
    world.clock.advance(Duration::from_secs(30));
    let (second, newer) = world.invited(&caller, inbound(PHONE)).await;
    assert_eq!(world.has(&caller, first).await.0, VerificationStatus::Cancelled);
    world.hears(PHONE, &token).await;
    assert_eq!(world.has(&caller, second).await, (VerificationStatus::Pending, 4));
    // A code takes the place of a token, and a token that of a code.
    world.clock.advance(Duration::from_secs(30));
    let by_code = world.issue(PHONE).await.unwrap();
    assert_eq!(world.has(&caller, second).await.0, VerificationStatus::Cancelled);
    let code = code_of(&world.aired().await);
    world.hears(PHONE, &newer).await;
    world.clock.advance(Duration::from_secs(30));
    let (third, token) = world.invited(&caller, inbound(PHONE)).await;
    assert!(!world.check(by_code.id, &code).await.approved);
    world.hears(PHONE, &token).await;
    assert_eq!(world.has(&caller, third).await.0, VerificationStatus::Approved);
}

/// A client whose answer was lost asks again under the same key, and has the token: as long as it is of use, whatever
/// the daemon and its configuration did meanwhile. Nobody else has it.
#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_with_its_token() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let world = World::with(1, allowed(), store.clone(), clock.clone()).await;
    let (web, shop) = (named("web"), named("shop"));
    let keyed = || IssueRequest { idempotency_key: Some("k".to_owned()), ..inbound(PHONE) };
    let (first, token) = world.invited(&web, keyed()).await;
    let (others, others_token) = world.invited(&shop, keyed()).await;
    assert_ne!((others, &others_token), (first, &token), "another client's key is another key");
    world.gateway.stop();
    let numbers = [("m0".to_owned(), "+41791112244".parse().unwrap())].into();
    let world = World::with(1, Settings { numbers, ..allowed() }, store, clock).await;
    let again = async |caller: &Caller| {
        let (view, known) = world.gateway.issue(caller, keyed()).await.unwrap();
        assert!(known && !format!("{view:?}").contains(&token));
        let given = view.invitation.map(|i| (i.token.expose().clone(), i.number.as_str().to_owned()));
        (view.id, given)
    };
    assert_eq!(again(&web).await, (first, Some((token.clone(), MODEM.to_owned()))), "as it was");
    assert_eq!(again(&shop).await, (others, Some((others_token, MODEM.to_owned()))));
    let all = Caller { reach: Reach::Changes, ..Caller::default() };
    assert_eq!(world.gateway.verification(&all, first).await.unwrap().invitation, None);
    let listed = world.gateway.verifications(&web, VerificationFilter { limit: 9, ..Default::default() });
    assert!(listed.await.unwrap().items.iter().all(|v| v.invitation.is_none()));
    world.hears(PHONE, &token).await;
    assert_eq!(again(&web).await, (first, None), "a token that was used is of no use");
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(again(&shop).await, (others, None), "nor is one that ran out");
    let v = world
        .store
        .read(move |view| crate::store::Records::verification(view, first))
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(v.sealed, None, "nor is it kept");
}

#[tokio::test]
async fn it_is_off_until_a_service_allows_it_and_a_modem_has_a_number() {
    let world = World::with(2, settings(), Store::in_memory(), Clock::manual(START)).await;
    let caller = Caller::default();
    let off = world.gateway.issue(&caller, inbound(PHONE)).await.unwrap_err();
    assert!(matches!(&off, GatewayError::SwitchedOff(why) if why.contains("service.default.inbound")));
    world.gateway.reload(Settings { numbers: BTreeMap::new(), ..allowed() });
    let none = world.gateway.issue(&caller, inbound(PHONE)).await.unwrap_err();
    assert!(matches!(&none, GatewayError::Conflict(why) if why.contains("[[modem]]")));
    let more = [("m0", MODEM), ("m1", "+41791112244")].map(|(m, n)| (m.to_owned(), n.parse().unwrap()));
    world.gateway.reload(Settings { numbers: more.into(), ..allowed() });
    let binding = Some(Secret::new("pay 12".to_owned()));
    let refused = world.gateway.issue(&caller, IssueRequest { binding, ..inbound(PHONE) }).await.unwrap_err();
    assert!(matches!(refused, GatewayError::InvalidRequest(_)));
    world.modems[0].readiness.send_replace(Readiness::default());
    let (view, _) = world.gateway.issue(&caller, inbound(PHONE)).await.unwrap();
    assert_eq!(view.invitation.unwrap().number.as_str(), "+41791112244", "of a modem that is there");
}

#[tokio::test]
async fn a_token_is_known_after_a_restart() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let world = World::with(1, allowed(), store.clone(), clock.clone()).await;
    let (id, token) = world.invited(&Caller::default(), inbound(PHONE)).await;
    world.gateway.stop();
    let world = World::with(1, allowed(), store, clock).await;
    world.hears(PHONE, &token).await;
    assert_eq!(world.has(&Caller::default(), id).await.0, VerificationStatus::Approved);
}
