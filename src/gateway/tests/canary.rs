//! Canaries: who sends one to whom and when, and what happens to one that comes.

use super::inbound::parts;
use super::*;

const NUMBERS: [&str; 2] = ["+41791110000", "+41791110001"];
const HOUR: Duration = Duration::from_hours(1);

/// Modems with these numbers, each of which sends a canary an hour.
async fn world(numbers: &[&str]) -> World {
    let named = |(i, number): (usize, &&str)| (format!("m{i}"), number.parse().unwrap());
    let numbered = numbers.iter().enumerate().map(named).collect();
    let settings = Settings { canary: Some(HOUR), numbers: numbered, ..settings() };
    let world = World::with(numbers.len(), settings, Store::in_memory(), Clock::manual(START)).await;
    world.at_rest().await;
    world
}

impl World {
    async fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.at_rest().await;
    }

    fn canary(&self, modem: &str) -> Option<CanaryView> {
        self.gateway.modem(modem).unwrap().canary
    }

    /// This text comes to a modem.
    async fn comes(&self, modem: usize, from: &str, text: &str) {
        let pdu = &parts(from, text, 1, 0)[0];
        self.gateway.received(&format!("m{modem}"), &card(&format!("sim{modem}")), pdu).await.unwrap();
        self.at_rest().await;
    }
}

#[tokio::test]
async fn modems_send_each_other_one_in_turn_which_no_inbox_has() {
    let mut world = world(&NUMBERS).await;
    world.later(Duration::from_secs(1799)).await;
    assert!(world.air.try_recv().is_err() && world.canary("m0").is_none());
    world.later(Duration::from_secs(1)).await;
    let first = world.aired().await;
    assert_eq!((first.modem.as_str(), first.to.as_str()), ("m0", NUMBERS[1]));
    assert_eq!(world.canary("m0").unwrap().end, CanaryEnd::Underway);
    assert!(world.air.try_recv().is_err(), "the other one is free for codes");
    world.later(Duration::from_secs(3)).await;
    world.report(first.reference, NUMBERS[1], 0, 1800).await;
    world.comes(1, NUMBERS[0], &first.text).await;
    let seen = world.canary("m0").unwrap();
    assert_eq!((seen.to.as_str(), seen.end, seen.delivered), ("m1", CanaryEnd::Arrived, Some(true)));
    assert_eq!(seen.took, Some(Duration::from_secs(3)));
    assert!(world.inbox().await.is_empty());
    let metrics = world.gateway.metrics();
    assert!(metrics.contains("smsotp_canary_seconds{modem=\"m0\",operator=\"\"} 3\n"), "{metrics}");
    assert_eq!(world.condition("m0").parts_today, 1, "its SIM counts it");

    world.later(HOUR / 2).await;
    let second = world.aired().await;
    assert_eq!((second.modem.as_str(), second.to.as_str()), ("m1", NUMBERS[0]));
    world.later(Duration::from_secs(600)).await;
    assert_eq!(world.canary("m1").unwrap().end, CanaryEnd::Lost);

    // Whoever forges one is kept like anybody else; one that comes late is not.
    let forged = second.text.replace(|c: char| c.is_ascii_uppercase(), "A");
    world.comes(0, NUMBERS[1], &forged).await;
    assert_eq!(world.texts().await, [forged]);
    world.comes(0, NUMBERS[1], &second.text).await;
    assert_eq!(world.inbox().await.len(), 1);
}

#[tokio::test]
async fn a_modem_alone_sends_itself_one_and_none_while_anything_waits() {
    let mut world = world(&NUMBERS[..1]).await;
    world.later(HOUR).await;
    let own = world.aired().await;
    assert_eq!(own.to, NUMBERS[0]);
    let later = SendRequest { send_at: Some(START.plus(10 * HOUR)), ..text("+41791234567", "later") };
    world.gateway.send(&Caller::default(), later).await.unwrap();
    world.later(HOUR).await;
    assert!(world.air.try_recv().is_err(), "something waits");
    let listed = MessageFilter { limit: 9, ..MessageFilter::default() };
    for m in world.gateway.messages(&Caller::default(), listed).await.unwrap().items {
        if m.status == MessageStatus::Queued {
            world.gateway.cancel_message(&Caller::default(), m.id).await.unwrap();
        }
    }
    world.later(HOUR).await;
    assert_eq!(world.aired().await.to, NUMBERS[0]);
    world.modems[0].readiness.send_replace(Readiness::default());
    world.later(HOUR).await;
    assert!(world.air.try_recv().is_err(), "it is away");
}

#[tokio::test]
async fn one_that_cannot_be_sent_ends_within_a_minute() {
    let mut world = world(&NUMBERS).await;
    let error = Fault { class: FaultClass::Sim, text: "+CMS ERROR".to_owned() };
    *locked(&world.modems[0].always) = Some(Outcome::Rejected { references: vec![], error });
    world.later(HOUR / 2).await;
    assert_eq!(world.aired().await.modem, "m0");
    world.later(Duration::from_secs(61)).await;
    assert_eq!(world.canary("m0").unwrap().end, CanaryEnd::Unsent);
    let waits = world.gateway.status().queue;
    assert_eq!((waits.text, waits.otp), (0, 0));
}
