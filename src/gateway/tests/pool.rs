//! Which modem a message goes to, and what a SIM's limits, faults and unused codes do to it.

use super::*;
use crate::outbox::Circuit;

pub(super) fn rules(of: &[(&str, ModemRules)]) -> Settings {
    let modems = of.iter().map(|(name, rules)| ((*name).to_owned(), rules.clone())).collect();
    Settings { modems, ..settings() }
}

fn routes(prefixes: &[&str]) -> ModemRules {
    ModemRules { routes: Some(prefixes.iter().map(ToString::to_string).collect()), ..ModemRules::default() }
}

fn failure(class: FaultClass) -> Plan {
    let fault = Fault { class, text: "network out of order (+CMS ERROR 38)".to_owned() };
    Plan::End(Outcome::Rejected { references: vec![], error: fault })
}

#[tokio::test]
async fn routes_and_home_choose_the_modem() {
    let settings = rules(&[("m1", routes(&["+49"])), ("m2", routes(&["+4917"]))]);
    let mut world = World::with(4, settings, Store::in_memory(), Clock::manual(START)).await;
    let ready = Readiness { ready: true, sim: card("sim3"), ..Readiness::default() };
    let names = SimNames { imsi: Some("262011234567890".to_owned()), ..ready.sim.clone() };
    let german = Readiness { sim: names, ..ready.clone() };
    world.modems[3].readiness.send_replace(german.clone());
    world.at_rest().await;
    assert_eq!(world.through("+491791234567").await, "m2");
    assert_eq!(world.through("+493012345678").await, "m1");
    assert_eq!(world.through("+33712345678").await, "m0");
    world.modems[1].readiness.send_replace(Readiness::default());
    world.modems[2].readiness.send_replace(Readiness::default());
    world.at_rest().await;
    assert_eq!(world.through("+493012345678").await, "m3", "its SIM is from there");
    world.modems[3].readiness.send_replace(Readiness { roaming: true, ..german });
    world.at_rest().await;
    assert_eq!(world.through("+493012345678").await, "m0");
    world.modems[0].readiness.send_replace(Readiness::default());
    world.at_rest().await;
    assert_eq!(world.through("+493012345678").await, "m3", "roaming, yet the only one");
}

#[tokio::test]
async fn a_message_in_parts_goes_out_whole_elsewhere_when_its_modem_went_away() {
    let mut world = World::new(2).await;
    let reason = "the modem hung up".to_owned();
    let end = Plan::End(Outcome::NotStarted { references: vec![7], reason });
    locked(&world.modems[0].plan).push_back(end);
    let id =
        world.gateway.send(&Caller::default(), text("+41791234567", &"x".repeat(200))).await.unwrap().0.id;
    for _ in 0..2 {
        assert_eq!(world.aired().await.modem, "m0");
    }
    world.modems[0].readiness.send_replace(Readiness::default());
    world.at_rest().await;
    world.clock.advance(Duration::from_millis(4_999));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "its modem may go on yet");
    world.clock.advance(Duration::from_millis(1));
    for _ in 0..2 {
        assert_eq!(world.aired().await.modem, "m1");
    }
    world.until(id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn a_modem_that_fails_with_different_numbers_is_left_alone() {
    let mut world =
        World::with(2, rules(&[("m0", routes(&["+41"]))]), Store::in_memory(), Clock::manual(START)).await;
    locked(&world.modems[0].plan).extend((0..3).map(|_| failure(FaultClass::Modem)));
    for n in 0..2 {
        let id = world.send(&format!("+4179123456{n}")).await;
        assert_eq!(world.aired().await.modem, "m0");
        assert_eq!(world.aired().await.modem, "m1", "a fault of the modem: at once elsewhere");
        world.until(id, MessageStatus::Sent).await;
        world.at_rest().await;
    }
    let until = START.plus(Duration::from_secs(60));
    let view = world.gateway.modem("m0").unwrap();
    assert_eq!(view.condition.circuit, Circuit::Open { until: until.steady() });
    assert_eq!(view.last_error_at, Some(START), "the failure that opened it");
    let why = view.facts.last_error.unwrap();
    assert!(why.contains(&until.to_string()) && why.contains("+CMS ERROR 38"), "{why}");
    let metrics = world.gateway.metrics();
    assert!(metrics.contains("smsotp_modem_breaker_open{modem=\"m0\"} 1\n"), "{metrics}");
    assert!(metrics.contains("smsotp_breakers_opened_total 1\n"), "{metrics}");
    assert!(world.condition("m0").health < 86 && world.condition("m1").health == 100);
    assert_eq!(world.through("+41791234567").await, "m1", "the route yields to the breaker");

    // The trial fails, and the next wait is twice as long.
    world.clock.advance(Duration::from_secs(60));
    world.at_rest().await;
    let id = world.send("+41791234568").await;
    assert_eq!((world.aired().await.modem, world.aired().await.modem), ("m0".to_owned(), "m1".to_owned()));
    world.until(id, MessageStatus::Sent).await;
    let until = world.clock.now().plus(Duration::from_secs(120));
    assert_eq!(world.condition("m0").circuit, Circuit::Open { until: until.steady() });
    world.clock.advance(Duration::from_secs(120));
    world.at_rest().await;
    assert_eq!(world.through("+41791234569").await, "m0");
    assert_eq!(world.condition("m0").circuit, Circuit::Closed);
    assert!(world.gateway.modem("m0").unwrap().facts.last_error.is_none());
}

#[tokio::test]
async fn one_bad_number_opens_nothing() {
    let mut world = World::new(1).await;
    for class in [FaultClass::Transient; 20].into_iter().chain([FaultClass::Recipient; 20]) {
        locked(&world.modems[0].plan).push_back(failure(class));
        let to = if class == FaultClass::Transient {
            "+41791234567".to_owned()
        } else {
            format!("+4179{:07}", world.clock.now().as_millis() % 10_000_000)
        };
        let id = world.send(&to).await;
        world.aired().await;
        world
            .until(
                id,
                if class == FaultClass::Recipient { MessageStatus::Failed } else { MessageStatus::Queued },
            )
            .await;
        world.at_rest().await;
        world.gateway.cancel_message(&Caller::default(), id).await.ok();
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.condition("m0").circuit, Circuit::Closed);
    assert_eq!(world.through("+41791234568").await, "m0");
}

#[tokio::test]
async fn with_every_breaker_open_messages_wait_and_run_out_in_time() {
    let mut world = World::new(2).await;
    for modem in &world.modems {
        locked(&modem.plan).extend((0..6).map(|_| failure(FaultClass::Transient)));
    }
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(world.send(&format!("+4179123456{n}")).await);
        world.aired().await;
        world.at_rest().await;
    }
    let open = |world: &World, modem| matches!(world.condition(modem).circuit, Circuit::Open { .. });
    assert!(open(&world, "m0") && open(&world, "m1"));
    assert!(!world.gateway.ready(), "no modem can send now");
    let code = world.issue("+41791234567").await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "nothing is burnt");
    assert_eq!(world.gateway.status().queue.otp, 1);

    // Both trials fail; the code has no time left when the next are due.
    for wait in [30, 120] {
        world.clock.advance(Duration::from_secs(wait));
        world.at_rest().await;
    }
    while world.air.try_recv().is_ok() {}
    world.clock.advance(Duration::from_secs(130));
    world.at_rest().await;
    let m = world.gateway.message(&Caller::default(), code.message.0).await.unwrap();
    assert!(matches!(m.status, MessageStatus::Sent | MessageStatus::Expired), "{m:?}");
    world.clock.advance(Duration::from_secs(1800));
    for id in ids {
        let m = world.gateway.message(&Caller::default(), id).await.unwrap();
        if m.status == MessageStatus::Queued {
            world.until(id, MessageStatus::Sent).await;
        }
    }
}

#[tokio::test]
async fn an_operator_who_saw_to_the_modem_need_not_wait() {
    let mut world = World::new(1).await;
    locked(&world.modems[0].plan).extend((0..5).map(|_| failure(FaultClass::Transient)));
    for n in 0..5 {
        world.send(&format!("+4179123456{n}")).await;
        world.aired().await;
        world.at_rest().await;
    }
    world.clock.advance(Duration::from_secs(10));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    world.gateway.control("m0", Control::Resume).await.unwrap();
    for _ in 0..5 {
        world.aired().await;
    }
    world.at_rest().await;
    assert_eq!(world.condition("m0").circuit, Circuit::Closed);
}

#[tokio::test]
async fn months_and_recipients_are_counted_over_restarts() {
    let month =
        ModemRules { max_per_month: Some(4), max_recipients_per_month: Some(2), ..ModemRules::default() };
    let settings = || rules(&[("m0", month.clone())]);
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::with(1, settings(), store.clone(), clock.clone()).await;
    for to in ["+41791234561", "+41791234562", "+41791234561"] {
        assert_eq!(world.through(to).await, "m0");
    }
    let third = world.send("+41791234563").await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "a third number in this month");
    world.clock.advance(Duration::from_millis(1));
    world.gateway.stop();
    world.at_rest().await;

    let mut world = World::with(1, settings(), store, clock).await;
    world.at_rest().await;
    let condition = world.condition("m0");
    assert_eq!(
        (condition.parts_today, condition.parts_this_month, condition.recipients_this_month),
        (3, 3, 2)
    );
    assert!(world.air.try_recv().is_err());
    assert_eq!(world.through("+41791234562").await, "m0");
    let fifth = world.send("+41791234562").await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "the month's parts are used up");
    let june: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    world.clock.advance(june.since(world.clock.now()).saturating_sub(Duration::from_millis(1)));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    world.clock.advance(Duration::from_millis(1));
    let sent = [world.aired().await.to, world.aired().await.to];
    assert_eq!(sent, ["+41791234563", "+41791234562"]);
    world.at_rest().await;
    for id in [third, fifth] {
        assert_eq!(world.gateway.message(&Caller::default(), id).await.unwrap().status, MessageStatus::Sent);
    }
    let condition = world.condition("m0");
    assert_eq!(
        (condition.parts_today, condition.parts_this_month, condition.recipients_this_month),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn a_reserve_is_left_to_codes() {
    let limited = ModemRules { max_per_day: Some(10), reserve: 30, ..ModemRules::default() };
    let mut world = World::with(1, rules(&[("m0", limited)]), Store::in_memory(), Clock::manual(START)).await;
    for n in 0..7 {
        world.through(&format!("+4179123456{n}")).await;
    }
    let text = world.send("+41791234568").await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    for n in 0..3 {
        let code = world.issue(&format!("+4179123457{n}")).await.unwrap();
        assert_eq!(world.aired().await.to, format!("+4179123457{n}"));
        world.until(code.message.0, MessageStatus::Sent).await;
    }
    let refused = world.issue("+41791234580").await.unwrap_err();
    let GatewayError::Overloaded { retry_after } = refused else { panic!("{refused}") };
    let tomorrow = START.plus(retry_after).as_millis() / 86_400_000;
    assert_eq!(tomorrow, START.as_millis() / 86_400_000 + 1, "the allowance itself is used up");
    assert!(retry_after <= Duration::from_secs(4 * 3600), "{retry_after:?}");
    world.clock.advance(Duration::from_hours(4));
    world.until(text, MessageStatus::Sent).await;
    let code = world.issue("+41791234580").await.unwrap();
    world.until(code.message.0, MessageStatus::Sent).await;
}

#[tokio::test]
async fn codes_that_nobody_enters_count_against_their_sim() {
    let mut world = World::new(1).await;
    for n in 0..8 {
        let view = world.issue(&format!("+4179123456{n}")).await.unwrap();
        world.aired().await;
        world.until(view.message.0, MessageStatus::Sent).await;
    }
    world.clock.advance(Duration::from_secs(301));
    world.at_rest().await;
    let low = world.condition("m0").health;
    assert!((60..75).contains(&low), "{low}");
    for n in 0..4 {
        let view = world.issue(&format!("+4179123457{n}")).await.unwrap();
        let code = code_of(&world.aired().await);
        world.until(view.message.0, MessageStatus::Sent).await;
        assert!(world.check(view.id, &code).await.approved);
    }
    assert!(world.condition("m0").health > 85);
    // It is kept with the SIM's ledger.
    let ledger = world.store.read(|view| crate::store::Records::ledger(view, "sim0").unwrap()).await.unwrap();
    assert!(ledger.health.codes > 0);
}

#[tokio::test]
async fn a_fault_of_the_number_is_not_carried_to_another_modem() {
    let mut world = World::new(2).await;
    for modem in &world.modems {
        locked(&modem.plan).push_back(failure(FaultClass::Recipient));
    }
    let id = world.send("+41791234567").await;
    let view = world.until(id, MessageStatus::Failed).await;
    assert_eq!(view.attempts, 1);
    world.aired().await;
    world.clock.advance(Duration::from_secs(600));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    assert_eq!(world.condition("m0").health, 100);
}

#[tokio::test]
async fn a_passing_fault_is_tried_elsewhere_next() {
    let mut world =
        World::with(2, rules(&[("m0", routes(&["+41"]))]), Store::in_memory(), Clock::manual(START)).await;
    locked(&world.modems[0].plan).push_back(failure(FaultClass::Transient));
    let id = world.send("+41791234567").await;
    assert_eq!(world.aired().await.modem, "m0");
    while world.until(id, MessageStatus::Queued).await.attempts == 0 {}
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.aired().await.modem, "m1");
}

#[tokio::test]
async fn another_sim_has_its_own_counts() {
    let mut world = World::new(1).await;
    world.through("+41791234567").await;
    assert_eq!(world.condition("m0").parts_this_month, 1);
    let other = Readiness { ready: true, sim: card("other"), ..Readiness::default() };
    world.modems[0].readiness.send_replace(other.clone());
    world.at_rest().await;
    assert_eq!((world.condition("m0").parts_this_month, world.condition("m0").recipients_this_month), (0, 0));
    world.through("+41791234568").await;
    world.modems[0].readiness.send_replace(Readiness { sim: card("sim0"), ..other });
    world.at_rest().await;
    assert_eq!((world.condition("m0").parts_this_month, world.condition("m0").recipients_this_month), (1, 1));
}

#[tokio::test]
async fn a_reload_changes_the_rules_of_what_waits() {
    let mut world =
        World::with(1, rules(&[("m0", routes(&["+49"]))]), Store::in_memory(), Clock::manual(START)).await;
    world.send("+41791234567").await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    world.gateway.reload(settings());
    assert_eq!(world.aired().await.to, "+41791234567");
}

#[tokio::test]
async fn codes_overtake_texts_and_a_scheduled_text_waits() {
    let mut world = World::new(1).await;
    let (release, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let caller = Caller::default();
    world.gateway.send(&caller, text("+41791234560", "on the air")).await.unwrap();
    world.aired().await;
    let later =
        SendRequest { send_at: Some(START.plus(Duration::from_secs(600))), ..text("+41791234561", "later") };
    world.gateway.send(&caller, later).await.unwrap();
    world.gateway.send(&caller, text("+41791234562", "low")).await.unwrap();
    let high = SendRequest { priority: 9, ..text("+41791234563", "high") };
    world.gateway.send(&caller, high).await.unwrap();
    world.issue("+41791234564").await.unwrap();
    assert_eq!(
        world.gateway.status().queue,
        QueueView { otp: 1, text: 3, delayed: 1, sending: 1, ..QueueView::default() }
    );
    release.send(()).unwrap();
    let order = [world.aired().await.to, world.aired().await.to, world.aired().await.to];
    assert_eq!(order, ["+41791234564", "+41791234563", "+41791234562"]);
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(world.aired().await.text, "later");
}
