//! No more than one verification is pending for a number, a service and a client; and what a client asks once counts once.

use super::*;

const NUMBER: &str = "+41791234567";

async fn world(on_reissue: OnReissue) -> World {
    let mut settings = settings();
    settings.limits.per_number = Vec::new();
    let mut default = settings.services["default"].clone();
    default.policy.on_reissue = on_reissue;
    settings.services.insert("default".to_owned(), default.clone());
    settings.services.insert("pay".to_owned(), default);
    World::with(1, settings, Store::in_memory(), Clock::manual(START)).await
}

impl World {
    async fn ask(&self, request: IssueRequest) -> Result<(VerificationView, bool), GatewayError> {
        self.gateway.issue(&Caller::default(), request).await
    }

    async fn entered(&self, id: VerificationId, request: CheckRequest) -> CheckView {
        self.gateway.check(&Caller::default(), id, request).await.unwrap()
    }

    async fn how(&self, id: VerificationId) -> VerificationStatus {
        self.gateway.verification(&Caller::default(), id).await.unwrap().status
    }
}

fn keyed(code: &str, key: &str) -> CheckRequest {
    CheckRequest { idempotency_key: Some(key.to_owned()), ..CheckRequest::of(code) }
}

#[tokio::test]
async fn an_issue_in_the_cool_down_names_what_is_pending_and_sends_nothing() {
    for on_reissue in [OnReissue::Same, OnReissue::New] {
        let mut world = world(on_reissue).await;
        let view = world.issue(NUMBER).await.unwrap();
        world.aired().await;
        world.clock.advance(Duration::from_secs(29));
        let refused = world.issue(NUMBER).await.unwrap_err();
        let retry_after = Duration::from_secs(1);
        assert_eq!(refused, GatewayError::Cooldown { retry_after, verification: view.id });
        assert_eq!(world.how(view.id).await, VerificationStatus::Pending);
        // Another number and another service are not concerned.
        world.issue("+41791234568").await.unwrap();
        let (other, known) =
            world.ask(IssueRequest { service: Some("pay".to_owned()), ..request(NUMBER) }).await.unwrap();
        assert!(!known && other.id != view.id);
    }
}

#[tokio::test]
async fn after_the_cool_down_the_pending_code_goes_out_again() {
    let mut world = world(OnReissue::Same).await;
    let first = world.issue(NUMBER).await.unwrap();
    let code = code_of(&world.aired().await);
    world.check(first.id, &wrong(&code)).await;
    for sends in 2..=3 {
        world.clock.advance(Duration::from_secs(30));
        let (again, known) = world.ask(request(NUMBER)).await.unwrap();
        assert!(known);
        assert_eq!((again.id, again.expires_at, again.attempts_left), (first.id, first.expires_at, 4));
        assert_ne!(again.message.0, first.message.0, "send {sends} is a message of its own");
        assert_eq!(code_of(&world.aired().await), code);
    }
    world.clock.advance(Duration::from_secs(30));
    let refused = world.issue(NUMBER).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Conflict(_)), "max_sends are used up: {refused}");
    assert!(world.check(first.id, &code).await.approved);
    let next = world.issue(NUMBER).await.unwrap();
    assert_ne!(next.id, first.id, "one that has ended is in nobody's way");
}

#[tokio::test]
async fn a_new_code_ends_the_older_one_and_withdraws_its_message() {
    let mut world = world(OnReissue::New).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let first = world.issue(NUMBER).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    let (second, known) = world.ask(request(NUMBER)).await.unwrap();
    assert!(!known && second.id != first.id);
    assert_eq!(world.how(first.id).await, VerificationStatus::Cancelled);
    let withdrawn = world.gateway.message(&Caller::default(), first.message.0).await.unwrap();
    assert_eq!(withdrawn.status, MessageStatus::Cancelled);
    world.modems[0].readiness.send_replace(Readiness { ready: true, ..Readiness::default() });
    let code = code_of(&world.aired().await);
    assert!(!world.check(first.id, &code).await.approved && world.check(second.id, &code).await.approved);
}

#[tokio::test]
async fn one_that_is_about_to_end_or_is_for_something_else_is_replaced() {
    let binding = |text: &str| Some(Secret::new(text.to_owned()));
    for (life, binding) in [(281, None), (60, binding("pay 12"))] {
        let world = world(OnReissue::Same).await;
        let first = world.issue(NUMBER).await.unwrap();
        world.clock.advance(Duration::from_secs(life));
        let (second, known) = world.ask(IssueRequest { binding, ..request(NUMBER) }).await.unwrap();
        assert!(!known && second.id != first.id, "{life}");
        assert_eq!(world.how(first.id).await, VerificationStatus::Cancelled);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_at_once_one_is_made() {
    let world = world(OnReissue::Same).await;
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let gateway = world.gateway.clone();
            tokio::spawn(async move { gateway.issue(&Caller::default(), request(NUMBER)).await })
        })
        .collect();
    let mut made = Vec::new();
    for one in asked {
        match one.await.unwrap() {
            Ok((view, _)) => made.push(view.id),
            Err(GatewayError::Cooldown { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(made.len(), 1);
}

#[tokio::test]
async fn the_text_of_another_send_follows_the_newest_request() {
    let mut settings = settings();
    let template = crate::otp::Template::parse("{code} for {shop}").unwrap();
    settings.services.get_mut("default").unwrap().template = template;
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let of = |shop: &str| IssueRequest {
        values: BTreeMap::from([("shop".to_owned(), shop.to_owned())]),
        ..request(NUMBER)
    };
    let (view, _) = world.ask(of("one")).await.unwrap();
    let first = world.aired().await.text;
    world.clock.advance(Duration::from_secs(30));
    world.ask(of("other")).await.unwrap();
    assert_eq!(world.aired().await.text, first.replace("one", "other"));
    world.clock.advance(Duration::from_secs(30));
    world.gateway.resend(&Caller::default(), view.id, None).await.unwrap();
    assert_eq!(world.aired().await.text, first.replace("one", "other"));
}

#[tokio::test]
async fn a_check_with_a_key_counts_once_and_is_answered_again_word_for_word() {
    let mut world = world(OnReissue::Same).await;
    let view = world.issue(NUMBER).await.unwrap();
    let code = code_of(&world.aired().await);
    let bad = wrong(&code);
    let first = world.entered(view.id, keyed(&bad, "a")).await;
    assert_eq!((first.approved, first.verification.attempts_left), (false, 4));
    let approved = world.entered(view.id, keyed(&code, "b")).await;
    assert!(approved.approved);
    for _ in 0..3 {
        assert_eq!(world.entered(view.id, keyed(&bad, "a")).await, first);
        assert_eq!(world.entered(view.id, keyed(&code, "b")).await, approved);
    }
    assert!(!world.check(view.id, &code).await.approved, "without its key it is a replay");
    let other = world.gateway.check(&Caller::default(), view.id, keyed(&code, "a")).await;
    assert_eq!(other, Err(GatewayError::IdempotencyMismatch));
    // A key belongs to the path, and to the client.
    let newest = world.gateway.check_newest(&Caller::default(), NUMBER, None, keyed(&code, "a")).await;
    assert_eq!(newest.map(|answer| answer.approved), Ok(false));
    let client = Caller { client: Some("web".to_owned()), ..Caller::default() };
    let other = world.gateway.check(&client, view.id, keyed(&code, "a")).await;
    assert_ne!(other, Err(GatewayError::IdempotencyMismatch));
}

#[tokio::test]
async fn a_key_of_the_newest_stays_with_the_verification_that_it_was_used_for() {
    let mut world = world(OnReissue::Same).await;
    world.issue(NUMBER).await.unwrap();
    let code = code_of(&world.aired().await);
    let check =
        async || world.gateway.check_newest(&Caller::default(), NUMBER, None, keyed(&code, "k")).await;
    let first = check().await.unwrap();
    assert!(first.approved);
    world.issue(NUMBER).await.unwrap();
    assert_eq!(check().await.unwrap(), first);
}

#[tokio::test]
async fn a_resend_with_a_key_sends_once() {
    let mut world = world(OnReissue::Same).await;
    let view = world.issue(NUMBER).await.unwrap();
    world.aired().await;
    world.clock.advance(Duration::from_secs(30));
    let resend = async || world.gateway.resend(&Caller::default(), view.id, Some("k".to_owned())).await;
    let first = resend().await.unwrap();
    assert_ne!(first.message.0, view.message.0);
    assert_eq!(resend().await.unwrap(), first, "inside the cool-down");
    world.gateway.cancel(&Caller::default(), view.id).await.unwrap();
    assert_eq!(resend().await.unwrap(), first, "and after the end");
}

#[tokio::test]
async fn a_code_is_for_what_it_was_issued_for() {
    let said = |text: &str| Some(Secret::new(text.to_owned()));
    let mut world = world(OnReissue::Same).await;
    let (view, _) = world.ask(IssueRequest { binding: said("pay 12"), ..request(NUMBER) }).await.unwrap();
    let code = code_of(&world.aired().await);
    for binding in [None, said("pay 1200")] {
        let request = CheckRequest { binding, ..CheckRequest::of(&code) };
        assert!(!world.entered(view.id, request).await.approved);
    }
    let request = CheckRequest { binding: said("pay 12"), ..CheckRequest::of(&code) };
    let answer = world.entered(view.id, request).await;
    assert_eq!((answer.approved, answer.verification.attempts_left), (true, 2));
    let view = world.issue("+41791234568").await.unwrap();
    let code = code_of(&world.aired().await);
    let request = CheckRequest { binding: said("pay 12"), ..CheckRequest::of(&code) };
    assert!(!world.entered(view.id, request).await.approved, "it was issued for nothing in particular");
}

#[tokio::test]
async fn notes_are_given_back() {
    let notes = BTreeMap::from([("order".to_owned(), "7".to_owned())]);
    let world = world(OnReissue::Same).await;
    let (view, _) = world.ask(IssueRequest { metadata: notes.clone(), ..request(NUMBER) }).await.unwrap();
    assert_eq!(view.metadata, notes);
    let shown = world.gateway.verification(&Caller::default(), view.id).await.unwrap();
    assert_eq!(shown.metadata, notes);
    // Notes are those of the verification, which was there before. Other ones are no reason for another code.
    world.clock.advance(Duration::from_secs(30));
    let others = BTreeMap::from([("order".to_owned(), "8".to_owned())]);
    for metadata in [others, BTreeMap::new()] {
        let (again, known) = world.ask(IssueRequest { metadata, ..request(NUMBER) }).await.unwrap();
        assert_eq!((again.id, known, &again.metadata), (view.id, true, &notes));
        let shown = world.gateway.verification(&Caller::default(), view.id).await.unwrap();
        assert_eq!(shown.metadata, notes);
        world.clock.advance(Duration::from_secs(30));
    }
    let seventeen = (0..17).map(|n| (n.to_string(), String::new())).collect();
    let long = BTreeMap::from([("a".to_owned(), "b".repeat(1024))]);
    for metadata in [seventeen, long] {
        let refused = world.ask(IssueRequest { metadata, ..request("+41791234568") }).await;
        assert!(matches!(refused, Err(GatewayError::InvalidRequest(_))));
    }
}

#[tokio::test]
async fn an_end_by_time_that_was_told_stays_when_the_clock_is_set_back() {
    let mut world = world(OnReissue::Same).await;
    let view = world.issue(NUMBER).await.unwrap();
    let code = code_of(&world.aired().await);
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(world.how(view.id).await, VerificationStatus::Expired);
    world.clock.set(START.plus(Duration::from_secs(60)));
    assert_eq!(world.how(view.id).await, VerificationStatus::Expired);
    assert!(!world.check(view.id, &code).await.approved);
    assert_ne!(world.issue(NUMBER).await.unwrap().id, view.id);
}
