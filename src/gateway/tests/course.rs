//! What Prometheus is told of codes: how long they take, how many are entered, what is refused, what waits.

use super::*;
use crate::outbox::MessageStatus::{Delivered, Sent};

const PHONE: &str = "+41791234567";
const YEAR: Duration = Duration::from_hours(24 * 365);

impl World {
    /// The value of a sample; nothing when there is none.
    fn sample(&self, name: &str) -> Option<f64> {
        let metrics = self.gateway.metrics();
        metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    fn samples<const N: usize>(&self, names: [&str; N]) -> [Option<f64>; N] {
        names.map(|name| self.sample(name))
    }
}

#[tokio::test]
async fn a_code_is_timed_from_its_issue_to_its_entry() {
    let mut settings = settings();
    settings.services.get_mut("default").unwrap().report = true;
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let accepted = Outcome::Accepted { references: vec![40] };
    let held = world.hold(0, accepted);
    let v = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    world.clock.advance(Duration::from_secs(4));
    held.end();
    world.until(v.message.0, Sent).await;
    world.clock.advance(Duration::from_secs(25));
    // TP-DT is two seconds after the start; what came back before it was sent came at once.
    world.report(40, PHONE, 0, 9).await;
    world.until(v.message.0, Delivered).await;
    assert!(!world.check(v.id, &wrong(&code)).await.approved);
    assert!(world.check(v.id, &code).await.approved);
    for (name, seconds, within, without) in [
        ("issue_to_sent_seconds", 4.0, "5", "3"),
        ("sent_to_delivered_seconds", 7.0, "10", "5"),
        ("sent_to_check_seconds", 25.0, "30", "20"),
    ] {
        let bucket = |le: &str| world.sample(&format!("smsotp_{name}_bucket{{le=\"{le}\"}}"));
        let sum = world.sample(&format!("smsotp_{name}_sum"));
        assert_eq!((sum, bucket(within), bucket(without)), (Some(seconds), Some(1.0), Some(0.0)), "{name}");
    }
    let labels = "{service=\"default\",modem=\"m0\",country=\"CH\"}";
    let counted = world.samples([
        "smsotp_codes_issued_total{service=\"default\",country=\"CH\"}",
        &format!("smsotp_codes_sent_total{labels}"),
        &format!("smsotp_codes_approved_total{labels}"),
    ]);
    assert_eq!(counted, [Some(1.0); 3]);
}

/// Somebody set the wall clock: no person takes a year.
#[tokio::test]
async fn a_wall_clock_that_is_set_spoils_no_histogram() {
    let mut world = World::new(1).await;
    let v = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    world.until(v.message.0, Sent).await;
    world.clock.set(START.minus(Duration::from_hours(1)));
    assert!(world.check(v.id, &code).await.approved);
    let m = world.sent("a", vec![41]).await;
    world.clock.set(START.plus(2 * YEAR));
    world.report(41, PHONE, 0, YEAR.as_secs()).await;
    world.until(m.id, Delivered).await;
    for name in ["issue_to_sent_seconds", "sent_to_delivered_seconds", "sent_to_check_seconds"] {
        assert_eq!(world.sample(&format!("smsotp_{name}_sum")), Some(0.0), "{name}");
    }
}

#[tokio::test]
async fn what_is_refused_is_counted_by_its_rule() {
    let mut settings = settings();
    settings.limits.per_number = vec!["1/1h".parse().unwrap()];
    settings.limits.deny_prefixes = vec!["+4190".to_owned()];
    let world = World::with(1, settings.clone(), Store::in_memory(), Clock::manual(START)).await;
    let v = world.issue(PHONE).await.unwrap();
    world.issue(PHONE).await.unwrap_err();
    world.clock.advance(Duration::from_secs(60));
    world.gateway.resend(&Caller::default(), v.id, None).await.unwrap_err();
    world.issue("+41901234567").await.unwrap_err();
    world.gateway.send(&Caller::default(), text("+41901234567", "x")).await.unwrap_err();
    world.issue("+4").await.unwrap_err();
    world.gateway.add_opt_out(&Caller::default(), "+41791234568").await.unwrap();
    world.issue("+41791234568").await.unwrap_err();
    // Neither a mistake nor what an issue would meet is a refusal.
    world.gateway.limits(&Caller::default(), limits::judged("+41901234567")).await.unwrap();
    let nowhere = IssueRequest { service: Some("gone".to_owned()), ..request(PHONE) };
    world.gateway.issue(&Caller::default(), nowhere).await.unwrap_err();
    let metrics = world.gateway.metrics();
    let refused: Vec<_> =
        metrics.lines().filter_map(|line| line.strip_prefix("smsotp_refused_total{rule=")).collect();
    let expected = ["\"destinations\"} 2", "\"limits.per_number\"} 2", "\"number\"} 1", "\"opt_out\"} 1"];
    assert_eq!(refused, expected, "{metrics}");
}

#[tokio::test]
async fn the_oldest_message_that_waits_tells_its_age() {
    let world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let ages = ["smsotp_queue_oldest_seconds{kind=\"otp\"}", "smsotp_queue_oldest_seconds{kind=\"text\"}"];
    assert_eq!(world.samples(ages), [Some(0.0); 2], "nothing waits");
    world.issue(PHONE).await.unwrap();
    let dated = SendRequest { send_at: Some(START.plus(Duration::from_secs(50))), ..text(PHONE, "later") };
    world.gateway.send(&Caller::default(), dated).await.unwrap();
    world.clock.advance(Duration::from_secs(40));
    world.issue("+41791234568").await.unwrap();
    assert_eq!(world.samples(ages), [Some(40.0), Some(0.0)], "the text waits for its date alone");
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(world.samples(ages), [Some(60.0), Some(10.0)]);
    let commits = world.sample("smsotp_commit_seconds_count").unwrap();
    assert!(commits >= 3.0, "{commits}");
    let registered = "smsotp_modem_registration{modem=\"m0\",registration=\"unknown\"}";
    assert_eq!(world.sample(registered), Some(1.0));
}
