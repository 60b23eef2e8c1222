//! Errors by whom they are about: what ends a message, what sends it elsewhere, what it waits for; and the one account
//! of a modem's failures.

use super::*;
use crate::outbox::Circuit;

fn refusal(class: FaultClass, text: &str) -> Outcome {
    Outcome::Rejected { references: vec![], error: Fault { class, text: text.to_owned() } }
}

impl World {
    /// From now on a modem answers so to everything.
    fn always(&self, modem: usize, outcome: Option<Outcome>) {
        *locked(&self.modems[modem].always) = outcome;
    }

    async fn stands(&self, id: MessageId) -> MessageStatus {
        self.gateway.message(&Caller::default(), id).await.unwrap().status
    }

    /// Lets so many seconds pass, one by one.
    async fn wait(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.at_rest().await;
        }
    }

    /// The modems of all that went out since this was asked last.
    fn on_the_air(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.air.try_recv().ok()).map(|aired| aired.modem).collect()
    }

    fn ready(&self, modem: usize, ready: bool) {
        self.modems[modem].readiness.send_modify(|known| known.ready = ready);
    }
}

/// Whatever one of two modems answers to everything, all messages leave by the other.
#[tokio::test]
async fn forty_of_forty_leave_by_the_modem_that_works() {
    // What passes says nothing when another modem sends it: only five in a row do.
    for (class, burnt, why) in [
        (FaultClass::Refused, 2, "short message transfer rejected (+CMS ERROR 21)"),
        (FaultClass::Sim, 2, "unidentified subscriber (+CMS ERROR 28)"),
        (FaultClass::Modem, 2, "invalid PDU mode parameter (+CMS ERROR 304)"),
        (FaultClass::Transient, 5, "the modem answered +CMS ERROR 515"),
    ] {
        let world = World::new(2).await;
        world.always(0, Some(refusal(class, why)));
        world.at_rest().await;
        let mut ids = Vec::new();
        for n in 0..40 {
            ids.push(world.send(&format!("+417912345{n:02}")).await);
            world.at_rest().await;
        }
        world.wait(59).await;
        for id in ids {
            let m = world.gateway.message(&Caller::default(), id).await.unwrap();
            assert_eq!((m.status, m.modem.as_deref()), (MessageStatus::Sent, Some("m1")), "{why}: {m:?}");
        }
        let bad = world.gateway.modem("m0").unwrap();
        assert!(matches!(bad.condition.circuit, Circuit::Open { .. }), "{why}: {bad:?}");
        assert_eq!(bad.failed_total, burnt, "few messages are burnt");
        assert!(bad.facts.last_error.unwrap().contains(why));
        assert_eq!(*locked(&world.modems[0].cures), [why]);
        assert!(locked(&world.modems[1].cures).is_empty());
        assert!(
            u64::from(world.condition("m0").health) < 100 - 7 * burnt && world.condition("m1").health == 100
        );

        // Its trial fails, and harms nobody.
        world.wait(2).await;
        let id = world.send("+41791234599").await;
        world.wait(5).await;
        assert_eq!(world.stands(id).await, MessageStatus::Sent, "{why}");
    }
}

#[tokio::test]
async fn what_is_the_sims_waits_for_it_however_often() {
    let mut world = World::new(1).await;
    world.always(0, Some(refusal(FaultClass::Sim, "SIM PIN required (+CMS ERROR 311)")));
    let lasting = world.send("+41791234561").await;
    let valid_for = Some(Duration::from_secs(1200));
    let limited = SendRequest { valid_for, ..text("+41791234562", "hello") };
    let limited = world.gateway.send(&Caller::default(), limited).await.unwrap().0.id;
    let code = world.issue("+41791234563").await.unwrap().message.0;
    world.wait(1199).await;
    assert_eq!(world.stands(code).await, MessageStatus::Expired);
    assert_eq!(world.stands(limited).await, MessageStatus::Queued);
    world.wait(1).await;
    assert_eq!(world.stands(limited).await, MessageStatus::Expired, "its time ran out, and it did not fail");
    let tries = world.on_the_air().len();
    assert!((5..20).contains(&tries), "the waits grow: {tries}");
    assert!(locked(&world.modems[0].cures).len() >= 2, "a trial that fails is a reason as well");
    world.always(0, None);
    world.clock.advance(Duration::from_secs(1800));
    world.until(lasting, MessageStatus::Sent).await;
    let m = world.gateway.message(&Caller::default(), lasting).await.unwrap();
    assert_eq!((m.attempts, m.error), (1, None), "none of the others counts");
}

#[tokio::test]
async fn a_modem_that_fails_everything_ends_nothing() {
    let world = World::new(1).await;
    world.always(0, Some(refusal(FaultClass::Modem, "unknown error (+CMS ERROR 500)")));
    let id = world.send("+41791234561").await;
    world.wait(1200).await;
    assert_eq!(world.stands(id).await, MessageStatus::Queued);
    world.always(0, None);
    world.wait(1800).await;
    assert_eq!(world.stands(id).await, MessageStatus::Sent);
}

#[tokio::test]
async fn a_message_that_alone_fails_through_a_modem_that_works_ends() {
    let mut world = World::new(1).await;
    let fails = || refusal(FaultClass::Modem, "unknown error (+CMS ERROR 500)");
    world.always(0, Some(fails()));
    let id = world.send("+41791234561").await;
    world.aired().await;
    for n in 0..20 {
        world.at_rest().await;
        if world.stands(id).await == MessageStatus::Failed {
            assert!(n >= 5, "five of them count");
            assert_eq!(world.condition("m0").circuit, Circuit::Closed);
            return;
        }
        world.always(0, None);
        world.clock.advance(Duration::from_millis(10));
        world.through(&format!("+417912346{n:02}")).await;
        world.always(0, Some(fails()));
        while world.on_the_air().is_empty() {
            world.wait(1).await;
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn what_the_network_refuses_another_sim_tries_once() {
    let mut world = World::new(3).await;
    world.at_rest().await;
    let refused =
        || Plan::End(refusal(FaultClass::Refused, "short message transfer rejected (+CMS ERROR 21)"));
    locked(&world.modems[0].plan).push_back(refused());
    let id = world.send("+41791234561").await;
    assert_eq!((world.aired().await.modem, world.aired().await.modem), ("m0".to_owned(), "m1".to_owned()));
    let m = world.until(id, MessageStatus::Sent).await;
    assert_eq!(m.error, None);

    world.at_rest().await;
    (0..3).for_each(|modem| locked(&world.modems[modem].plan).push_back(refused()));
    let id = world.send("+41791234562").await;
    let m = world.until(id, MessageStatus::Failed).await;
    assert_eq!((m.attempts, m.error.unwrap().contains("21")), (2, true));
    world.wait(600).await;
    assert_eq!(world.on_the_air().len(), 2, "the third is not asked");
}

#[tokio::test]
async fn a_refused_message_waits_for_another_sim_for_five_minutes() {
    let mut world = World::new(2).await;
    let refused =
        || Plan::End(refusal(FaultClass::Refused, "short message transfer rejected (+CMS ERROR 21)"));
    world.ready(1, false);
    world.at_rest().await;
    for seconds in [299, 301] {
        locked(&world.modems[0].plan).push_back(refused());
        let id = world.send("+41791234561").await;
        assert_eq!(world.aired().await.modem, "m0");
        world.wait(seconds).await;
        assert_eq!(world.on_the_air(), [""; 0], "not through the same");
        world.ready(1, true);
        world.at_rest().await;
        let (status, through) = if seconds < 300 {
            (MessageStatus::Sent, vec!["m1".to_owned()])
        } else {
            (MessageStatus::Failed, vec![])
        };
        assert_eq!((world.stands(id).await, world.on_the_air()), (status, through));
        world.ready(1, false);
        world.at_rest().await;
    }
    // Nobody else may: there is nothing to wait for.
    let routes = ModemRules { routes: Some(vec!["+49".to_owned()]), ..ModemRules::default() };
    world.gateway.reload(Settings { modems: BTreeMap::from([("m1".to_owned(), routes)]), ..settings() });
    locked(&world.modems[0].plan).push_back(refused());
    let id = world.send("+41791234561").await;
    world.until(id, MessageStatus::Failed).await;
}

#[tokio::test]
async fn a_sim_that_refuses_everything_is_at_fault_itself() {
    let mut world = World::new(1).await;
    world.always(0, Some(refusal(FaultClass::Refused, "short message transfer rejected (+CMS ERROR 21)")));
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(world.send(&format!("+4179123456{n}")).await);
        world.at_rest().await;
    }
    for id in &ids[..4] {
        assert_eq!(world.stands(*id).await, MessageStatus::Failed);
    }
    world.wait(200).await;
    for id in &ids[4..] {
        assert_eq!(world.stands(*id).await, MessageStatus::Queued, "the others wait for the SIM");
    }
    world.always(0, None);
    world.clock.advance(Duration::from_secs(1800));
    for id in &ids[4..] {
        world.until(*id, MessageStatus::Sent).await;
    }
}

#[tokio::test]
async fn silence_counts_twice_whatever_the_number() {
    let world = World::new(1).await;
    world.always(0, Some(Outcome::Unknown { references: vec![], reason: "silence after Ctrl-Z".to_owned() }));
    world.send("+41791234561").await;
    world.at_rest().await;
    world.wait(3).await;
    assert_eq!(world.condition("m0").circuit, Circuit::Closed);
    world.wait(4).await;
    assert!(matches!(world.condition("m0").circuit, Circuit::Open { .. }));
    assert_eq!(*locked(&world.modems[0].cures), ["silence after Ctrl-Z"]);
}

#[tokio::test]
async fn a_message_that_was_sent_in_part_goes_elsewhere_whole() {
    let mut world = World::new(2).await;
    world.at_rest().await;
    let fault = Fault { class: FaultClass::Sim, text: "call barred (+CMS ERROR 10)".to_owned() };
    locked(&world.modems[0].plan)
        .push_back(Plan::End(Outcome::Rejected { references: vec![40], error: fault }));
    let wanted = text("+41791234561", &"long ".repeat(90));
    let id = world.gateway.send(&Caller::default(), wanted).await.unwrap().0.id;
    world.until(id, MessageStatus::Sent).await;
    assert_eq!(world.on_the_air(), ["m0", "m0", "m0", "m1", "m1", "m1"]);
    assert_eq!((world.condition("m0").parts_today, world.condition("m1").parts_today), (1, 3));
}

#[tokio::test]
async fn what_no_sim_may_send_is_tried_after_waits_that_grow() {
    let mut world = World::new(2).await;
    world.at_rest().await;
    let id = world.send("+41791234561").await;
    world.until(id, MessageStatus::Sent).await;
    let barred = refusal(FaultClass::Sim, "call barred (+CMS ERROR 10)");
    for modem in 0..2 {
        world.always(modem, Some(barred.clone()));
    }
    world.on_the_air();
    let id = world.send("+41791234562").await;
    world.at_rest().await;
    assert_eq!(world.on_the_air().len(), 2, "each of them at once, and then neither");
    let mut tries = Vec::new();
    for second in 1..600 {
        // Other numbers are served: nobody is at fault but this pair of number and SIM.
        (0..2)
            .for_each(|modem| locked(&world.gateway.0.queue).try_now(modem, world.gateway.0.now().steady()));
        world.wait(1).await;
        tries.extend(world.on_the_air().iter().map(|_| second));
    }
    assert_eq!(tries[..4], [2, 4, 10, 20], "the waits of each");
    assert!(tries.len() < 20, "{tries:?}");
    assert_eq!(world.stands(id).await, MessageStatus::Queued);
}
