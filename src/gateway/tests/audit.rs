//! What the trail has of what was not done: of each client, of each kind, and never so much that it fills the trail.

use super::*;
use crate::trail::{About, Audit};

const TO: &str = "+41791234567";
const MASKED: &str = "+4179*****67";

fn client(name: &str) -> Caller {
    Caller { client: Some(name.to_owned()), ..Caller::default() }
}

/// What was written for a client.
type Written = (Option<String>, Audit);

fn written(by: Option<&str>, action: &str, to: Option<&str>, detail: &str, count: u32) -> Written {
    let (action, detail) = (action.to_owned(), detail.to_owned());
    (by.map(str::to_owned), Audit { action, to: to.map(str::to_owned), detail, count })
}

fn of_web(action: &str, detail: &str, count: u32) -> Written {
    written(Some("web"), action, Some(MASKED), detail, count)
}

impl World {
    async fn audits(&self) -> Vec<Written> {
        self.at_rest().await;
        let page = self.gateway.events(0, 1000).await.unwrap();
        let audit = |event: &crate::trail::Event| match &event.about {
            About::Audit(audit) => Some((event.by.clone(), audit.clone())),
            _ => None,
        };
        page.events.iter().filter_map(|(_, event)| audit(event)).collect()
    }

    /// The same when a minute more is over.
    async fn a_minute_later(&self) -> Vec<Written> {
        self.clock.advance(Duration::from_secs(61));
        self.audits().await
    }

    async fn issued_to(&mut self, caller: &Caller, to: &str) -> (VerificationView, String) {
        let (view, _) = self.gateway.issue(caller, request(to)).await.unwrap();
        (view, code_of(&self.aired().await))
    }

    async fn check_as(&self, caller: &Caller, id: VerificationId, code: &str) -> CheckView {
        self.gateway.check(caller, id, CheckRequest::of(code)).await.unwrap()
    }
}

/// Each of many numbers is refused for a reason of its own, and each is one more number.
#[tokio::test]
async fn a_client_that_is_refused_without_end_hides_no_other() {
    let mut settings = settings();
    settings.limits.deny_prefixes = (0..200).map(|n| format!("+41790{n:03}")).collect();
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    for n in 0..200 {
        world
            .gateway
            .issue(&client("web"), request(&format!("+41790{n:03}1{:02}", n % 100)))
            .await
            .unwrap_err();
    }
    world.gateway.issue(&client("shop"), request("+41790000567")).await.unwrap_err();
    let at_once = world.audits().await;
    let detail = "destination_blocked: numbers that begin with +41790000 are in limits.deny_prefixes";
    assert_eq!(at_once.last(), Some(&written(Some("shop"), "refused", Some("+4179*****67"), detail, 1)));
    let all = world.a_minute_later().await;
    let of_web: Vec<_> = all.iter().filter(|(by, _)| by.as_deref() == Some("web")).collect();
    assert!(of_web.len() <= 2 * 33 && of_web.len() == all.len() - 1, "{}", of_web.len());
    assert_eq!(of_web.iter().map(|(_, audit)| audit.count).sum::<u32>(), 200, "none is lost");
    let (_, last) = all.last().unwrap();
    assert_eq!(last.to.as_deref(), Some("+4179*****99"), "the last number that was refused");
    assert!(last.detail.ends_with("+41790199 are in limits.deny_prefixes, the last of several"), "{last:?}");
}

#[tokio::test]
async fn each_number_that_meets_a_limit_is_told() {
    let mut settings = settings();
    settings.limits.per_number = vec!["1/1h".parse().unwrap()];
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    for to in [TO, "+41791234568"] {
        world.gateway.issue(&client("web"), request(to)).await.unwrap();
        for _ in 0..3 {
            world.gateway.issue(&client("web"), request(to)).await.unwrap_err();
        }
    }
    let refused = |to: &str, count| {
        written(Some("web"), "refused", Some(to), "rate_limited: limits.per_number = \"1/1h\"", count)
    };
    let at_once = [refused(MASKED, 1), refused("+4179*****68", 1)];
    assert_eq!(world.audits().await, at_once);
    let later = [refused(MASKED, 2), refused("+4179*****68", 2)];
    assert_eq!(world.a_minute_later().await, [at_once, later].concat());
}

#[tokio::test]
async fn what_is_counted_is_written_when_the_daemon_ends() {
    let mut settings = settings();
    settings.limits.per_number = vec!["1/1h".parse().unwrap()];
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    world.gateway.issue(&client("web"), request(TO)).await.unwrap();
    for _ in 0..5 {
        world.gateway.issue(&client("web"), request(TO)).await.unwrap_err();
    }
    assert_eq!(world.audits().await.len(), 1);
    world.gateway.stop();
    let counts: Vec<_> = world.audits().await.iter().map(|(_, audit)| audit.count).collect();
    assert_eq!(counts, [1, 4]);
}

#[tokio::test]
async fn a_code_that_is_not_compared_is_in_the_trail() {
    let settings = renewing(settings());
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let web = client("web");
    let (approved, code) = world.issued_to(&web, TO).await;
    assert!(world.check_as(&web, approved.id, &code).await.approved);
    for _ in 0..40 {
        assert!(!world.check_as(&web, approved.id, &code).await.approved, "a replay");
    }
    let (exhausted, code) = world.issued_to(&web, TO).await;
    for _ in 0..6 {
        world.check_as(&web, exhausted.id, &wrong(&code)).await;
    }
    let (cancelled, code) = world.issued_to(&web, TO).await;
    world.gateway.cancel(&web, cancelled.id).await.unwrap();
    world.check_as(&web, cancelled.id, &code).await;
    let ended = |status: &str, count| of_web("not_compared", &format!("the verification is {status}"), count);
    let mut wanted = vec![ended("approved", 1), ended("exhausted", 1), ended("cancelled", 1)];
    assert_eq!(world.audits().await, wanted);
    wanted.push(ended("approved", 39));
    assert_eq!(world.a_minute_later().await, wanted);
    let (expired, code) = world.issued_to(&web, TO).await;
    world.clock.advance(Duration::from_secs(301));
    world.check_as(&web, expired.id, &code).await;
    wanted.push(ended("expired", 1));
    assert_eq!(world.audits().await, wanted);
}

#[tokio::test]
async fn a_guess_beyond_those_of_its_number_is_in_the_trail() {
    let mut settings = settings();
    settings.limits.guesses_per_number = vec!["2/1d".parse().unwrap()];
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let web = client("web");
    let (login, code) = world.issued_to(&web, TO).await;
    let pay = IssueRequest { service: Some("pay".to_owned()), ..request(TO) };
    let (pay, _) = world.gateway.issue(&web, pay).await.unwrap();
    for _ in 0..2 {
        world.check_as(&web, login.id, &wrong(&code)).await;
    }
    let pays = code_of(&world.aired().await);
    for _ in 0..3 {
        assert!(!world.check_as(&web, pay.id, &pays).await.approved);
    }
    let full = |count| of_web("not_compared", "limits.guesses_per_number is used up", count);
    assert_eq!(world.audits().await, [full(1)]);
    assert_eq!(world.a_minute_later().await, [full(1), full(2)]);
}

#[tokio::test]
async fn what_the_queue_and_the_state_refuse_is_in_the_trail() {
    let mut world = World::with(1, renewing(settings()), Store::in_memory(), Clock::manual(START)).await;
    let web = client("web");
    let (v, code) = world.issued_to(&web, TO).await;
    assert!(world.check_as(&web, v.id, &code).await.approved);
    for _ in 0..3 {
        world.gateway.resend(&web, v.id, None).await.unwrap_err();
    }
    let inbound = IssueRequest { mode: Mode::Inbound, ..request(TO) };
    let mut open = renewing(settings());
    open.services.get_mut("default").unwrap().inbound = true;
    world.gateway.reload(Settings { max_pending: 0, ..open });
    assert!(matches!(world.gateway.issue(&web, inbound).await, Err(GatewayError::Conflict(_))));
    for _ in 0..3 {
        assert_eq!(world.gateway.issue(&web, request(TO)).await.unwrap_err(), GatewayError::QueueFull);
    }
    let ended = |count| of_web("refused", "conflict: the verification has ended", count);
    let full = |count| {
        of_web("refused", "queue_full: too many messages wait; the limit is queue.max_pending", count)
    };
    let told = world.audits().await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&ended(1)) && told.contains(&full(1)), "{told:?}");
    let no_number =
        told.iter().find(|(_, audit)| audit.detail.starts_with("conflict: no modem has a number"));
    assert_eq!(
        no_number.map(|(by, audit)| (by.as_deref(), audit.to.as_deref())),
        Some((Some("web"), Some(MASKED)))
    );
    let later = world.a_minute_later().await;
    assert!(later.len() == 5 && later.contains(&ended(2)) && later.contains(&full(2)), "{later:?}");
}

#[tokio::test]
async fn a_text_to_a_forbidden_number_is_in_the_trail() {
    let mut settings = settings();
    settings.limits.deny_prefixes = vec!["+41791".to_owned()];
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    world.gateway.send(&client("web"), text(TO, "hello")).await.unwrap_err();
    let detail = "destination_blocked: numbers that begin with +41791 are in limits.deny_prefixes";
    assert_eq!(world.audits().await, [of_web("refused", detail, 1)]);
}

#[tokio::test]
async fn what_an_operator_does_to_the_opt_out_list_is_in_the_trail() {
    let world = World::new(0).await;
    let ops = client("ops");
    world.gateway.remove_opt_out(&ops, TO).await.expect_err("it is not there");
    world.gateway.add_opt_out(&ops, TO).await.unwrap();
    world.gateway.add_opt_out(&ops, TO).await.unwrap();
    world.gateway.remove_opt_out(&ops, TO).await.unwrap();
    let of_ops = |action: &str, detail: &str| written(Some("ops"), action, Some(MASKED), detail, 1);
    let by_operator = "an operator had put it on the list";
    let wanted = [
        of_ops("opt_out_added", "it was not on the list"),
        of_ops("opt_out_added", by_operator),
        of_ops("opt_out_removed", by_operator),
    ];
    assert_eq!(world.audits().await, wanted);
}

/// Nobody looked at it before, and what meets it first is refused.
#[tokio::test]
async fn an_end_by_time_that_a_refusal_found_is_in_the_trail() {
    let clock = Clock::manual(START);
    let key = Key::from_bytes([9; 32]);
    let gateway = Gateway::open(Store::in_memory(), key, clock.clone(), settings(), vec![]).await.unwrap();
    let (view, _) = gateway.issue(&client("web"), request(TO)).await.unwrap();
    clock.advance(Duration::from_secs(301));
    assert!(matches!(gateway.cancel(&client("shop"), view.id).await, Err(GatewayError::Hidden(_))));
    assert!(matches!(gateway.resend(&client("web"), view.id, None).await, Err(GatewayError::Conflict(_))));
    let page = gateway.events(0, 100).await.unwrap();
    let names: Vec<_> = page.events.iter().map(|(_, event)| event.name()).collect();
    assert_eq!(names, ["verification.pending", "message.queued", "verification.expired", "audit.refused"]);
}
