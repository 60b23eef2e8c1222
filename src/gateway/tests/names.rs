//! A SIM whose ICCID answers at one start and whose IMSI at another is one SIM: to its limits, to delivery reports, and
//! to what comes in.

use proptest::prelude::*;

use super::inbound::{deliver, long, parts};
use super::pool::rules;
use super::reports::report;
use super::*;
use gsm_sms::{Address, UserData};

const PHONE: &str = "+41791234567";
const CARD: &str = "8941030000000000001";
const NUMBER: &str = "228011234567890";

fn told(iccid: bool, imsi: bool) -> SimNames {
    SimNames::new(iccid.then(|| CARD.to_owned()), imsi.then(|| NUMBER.to_owned()))
}

/// The ways in which a SIM may be known.
fn ways() -> [SimNames; 3] {
    [told(false, true), told(true, false), told(true, true)]
}

fn three_a_day() -> Settings {
    rules(&[("m0", ModemRules { max_per_day: Some(3), ..ModemRules::default() })])
}

impl World {
    /// A start of the daemon with one modem, whose SIM told these names.
    async fn start(names: SimNames, settings: Settings, store: &Store, clock: &Clock) -> Self {
        let world = Self::of_sims(vec![names], settings, store.clone(), clock.clone()).await;
        world.at_rest().await;
        world
    }

    async fn stop(self) {
        self.gateway.stop();
        self.at_rest().await;
    }

    async fn tells(&self, modem: usize, names: SimNames) {
        let ready = Readiness { ready: true, sim: names, ..Readiness::default() };
        self.modems[modem].readiness.send_replace(ready);
        self.at_rest().await;
    }

    async fn takes(&self, names: &SimNames, pdu: &Secret<Vec<u8>>) {
        self.gateway.received("m0", names, pdu).await.unwrap();
    }

    async fn sent_through_it(&mut self, count: usize) {
        for n in 0..count {
            self.through(&format!("+4179123456{n}")).await;
        }
    }

    /// Whether a message goes out now.
    async fn may_send(&mut self) -> bool {
        let id = self.send(PHONE).await;
        self.at_rest().await;
        let aired = self.air.try_recv().is_ok();
        let _ = self.gateway.cancel_message(&Caller::default(), id).await;
        aired
    }
}

/// The names that answer at one start and at the next, and then both.
fn orders() -> Vec<[SimNames; 3]> {
    let mut orders = Vec::new();
    for first in ways() {
        for second in ways() {
            if first != second {
                orders.push([first.clone(), second, told(true, true)]);
            }
        }
    }
    orders
}

#[tokio::test]
async fn no_order_of_names_sends_more_than_the_limit() {
    for names in orders() {
        let (store, clock) = (Store::in_memory(), Clock::manual(START));
        let mut world = World::start(names[0].clone(), three_a_day(), &store, &clock).await;
        world.sent_through_it(2).await;
        world.stop().await;
        let mut world = World::start(names[2].clone(), three_a_day(), &store, &clock).await;
        assert_eq!(world.condition("m0").parts_today, 2, "{names:?}");
        world.sent_through_it(1).await;
        assert!(!world.may_send().await, "{names:?}");
        world.stop().await;
        // Joined for good: one name is enough from now on.
        let mut world = World::start(names[1].clone(), three_a_day(), &store, &clock).await;
        let condition = world.condition("m0");
        assert_eq!((condition.parts_today, condition.recipients_this_month), (3, 2), "{names:?}");
        assert!(!world.may_send().await, "{names:?}");
        clock.advance(Duration::from_hours(24));
        world.at_rest().await;
        assert!(world.may_send().await, "{names:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_told_later_changes_neither_counts_nor_breaker() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let settings = || {
        let mut settings = three_a_day();
        settings.breaker.failures = 2;
        settings
    };
    let mut world = World::start(told(false, true), settings(), &store, &clock).await;
    world.sent_through_it(2).await;
    let fault = Fault { class: FaultClass::Transient, text: "+CMS ERROR: 41".to_owned() };
    for n in 0..2 {
        let plan = Plan::End(Outcome::Rejected { references: vec![], error: fault.clone() });
        locked(&world.modems[0].plan).push_back(plan);
        world.send(&format!("+4179123457{n}")).await;
        world.aired().await;
        world.at_rest().await;
    }
    let before = world.condition("m0");
    assert!(matches!(before.circuit, crate::outbox::Circuit::Open { .. }) && before.health < 100);
    world.tells(0, told(true, true)).await;
    assert_eq!(world.condition("m0"), before);
    let ledger = store.read(|view| crate::store::Records::ledger(view, CARD)).await.unwrap().unwrap();
    assert_eq!(ledger.day.1, 2, "it has moved to the card");
}

#[tokio::test]
async fn a_message_that_was_given_to_a_sim_with_room_goes_back_when_its_other_name_has_none() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::start(told(true, false), three_a_day(), &store, &clock).await;
    world.sent_through_it(3).await;
    world.stop().await;
    let mut world = World::start(told(false, true), three_a_day(), &store, &clock).await;
    world.send(PHONE).await;
    world.modems[0].readiness.send_modify(|ready| ready.sim = told(true, true));
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "it was given to the modem before the card answered");
    assert_eq!(world.condition("m0").parts_today, 3);
}

#[tokio::test]
async fn the_end_of_a_send_under_the_first_name_is_counted_under_the_second() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::start(told(false, true), three_a_day(), &store, &clock).await;
    let (release, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let id = world.send(PHONE).await;
    world.aired().await;
    // While it is on the air the card answers at last.
    world.tells(0, told(true, true)).await;
    release.send(()).unwrap();
    world.until(id, MessageStatus::Sent).await;
    world.at_rest().await;
    assert_eq!(world.condition("m0").parts_today, 1);
    world.stop().await;
    for names in ways() {
        let world = World::start(names, three_a_day(), &store, &clock).await;
        assert_eq!(world.condition("m0").parts_today, 1);
        world.stop().await;
    }
}

#[tokio::test]
async fn a_sim_that_worked_in_another_modem_meanwhile_comes_back_with_its_counts() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world =
        World::of_sims(vec![told(true, true), SimNames::default()], three_a_day(), store, clock).await;
    let away = || Readiness { ready: false, ..Readiness::default() };
    world.modems[1].readiness.send_replace(away());
    world.at_rest().await;
    world.sent_through_it(1).await;
    world.modems[0].readiness.send_replace(away());
    world.tells(1, told(false, true)).await;
    world.sent_through_it(2).await;
    assert_eq!(world.condition("m1").parts_today, 3);
    world.modems[1].readiness.send_replace(away());
    world.tells(0, told(true, true)).await;
    assert_eq!(world.condition("m0").parts_today, 3);
    assert!(!world.may_send().await);
}

#[tokio::test]
async fn a_report_finds_its_message_whatever_the_sim_was_called() {
    for names in orders() {
        let (store, clock) = (Store::in_memory(), Clock::manual(START));
        let mut world = World::start(names[0].clone(), settings(), &store, &clock).await;
        let m = world.sent("hello", vec![40]).await;
        world.stop().await;
        // It is told through another modem, so that the modem's name does not help.
        let world = World::start(names[2].clone(), settings(), &store, &clock).await;
        let delivered = report(40, PHONE, 0, 0);
        world.gateway.received("other", &names[1], &delivered).await.unwrap();
        assert_eq!(world.status(&m).await.0, MessageStatus::Delivered, "{names:?}");
        // The modem kept it, and shows it again.
        world.gateway.received("m0", &names[0], &delivered).await.unwrap();
        assert!(world.gateway.metrics().contains("smsotp_reports_received_total{matched=\"true\"} 2\n"));
        assert!(store.read(ReportRecords::held).await.unwrap().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_report_that_came_before_the_answer_and_the_other_name_waits_for_both() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::start(told(false, true), settings(), &store, &clock).await;
    let accepted = Outcome::Accepted { references: vec![77] };
    let held = world.hold(0, accepted);
    let m = world.send_reported("hello").await;
    world.aired().await;
    world.gateway.received("other", &told(false, true), &report(77, PHONE, 0, 0)).await.unwrap();
    world.gateway.received("m0", &told(true, true), &parts(PHONE, "joins the names", 1, 0)[0]).await.unwrap();
    held.end();
    world.until(m.id, MessageStatus::Delivered).await;
}

#[tokio::test]
async fn a_message_that_the_modem_kept_comes_once() {
    for names in orders() {
        let (store, clock) = (Store::in_memory(), Clock::manual(START));
        let (pdu, octets) = (parts(PHONE, "Grüezi", 1, 0).remove(0), Secret::new(b"no PDU".to_vec()));
        for (n, told) in [&names[0], &names[2], &names[1], &names[0]].into_iter().enumerate() {
            let world = World::start(told.clone(), settings(), &store, &clock).await;
            world.takes(told, &pdu).await;
            world.takes(told, &octets).await;
            assert_eq!(world.inbox().await.len(), 2, "start {n} of {names:?}");
            world.stop().await;
        }
    }
}

#[tokio::test]
async fn parts_under_different_names_are_one_message() {
    let pdus = parts(PHONE, &long(), 7, 0);
    assert!(pdus.len() >= 3);
    for names in orders() {
        let (store, clock) = (Store::in_memory(), Clock::manual(START));
        let world = World::start(SimNames::default(), settings(), &store, &clock).await;
        world.takes(&names[0], &pdus[0]).await;
        clock.advance(Duration::from_hours(20));
        world.takes(&names[1], &pdus[1]).await;
        let rest = if names[1] == told(true, true) { &names[0] } else { &names[2] };
        world.takes(rest, &pdus[2]).await;
        for pdu in &pdus {
            world.takes(&names[2], pdu).await;
        }
        assert!(world.texts().await == [long()], "{names:?}");
        assert!(store.read(InboxRecords::assemblies).await.unwrap().unwrap().is_empty());
    }
}

#[tokio::test]
async fn parts_that_are_all_there_join_when_their_names_do() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let pdus = parts(PHONE, &long(), 7, 0);
    let world = World::start(SimNames::default(), settings(), &store, &clock).await;
    for (n, pdu) in pdus.iter().enumerate() {
        world.takes(&ways()[n % 2], pdu).await;
        // Another one by the same reference waits on.
        world.takes(&told(false, true), &parts("+41790000001", &long(), 7, 0)[n % 2]).await;
    }
    assert!(world.texts().await == [long()], "one that holds back a name is the one that was there last");
    world.tells(0, told(true, true)).await;
    assert!(world.texts().await == [long()]);
    let waiting = store.read(InboxRecords::assemblies).await.unwrap().unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].1.since, &waiting[0].1.have[..]), (START.steady(), &[1, 2][..]));
    for pdu in &parts("+41790000001", &long(), 7, 0)[2..] {
        world.takes(&told(true, false), pdu).await;
    }
    assert_eq!(world.texts().await.len(), 2);
}

#[tokio::test]
async fn a_reference_that_came_round_under_another_name_ends_the_older_message() {
    for iccid in [true, false] {
        let (store, clock) = (Store::in_memory(), Clock::manual(START));
        let world = World::start(SimNames::default(), settings(), &store, &clock).await;
        let (old, new) = (parts(PHONE, &long(), 7, 0), parts(PHONE, &long().to_uppercase(), 7, 600));
        world.takes(&told(iccid, !iccid), &old[0]).await;
        clock.advance(Duration::from_secs(600));
        world.takes(&told(!iccid, iccid), &new[0]).await;
        for pdu in &new[1..] {
            world.takes(&told(true, true), pdu).await;
        }
        let inbox = world.inbox().await;
        assert_eq!(inbox.len(), 2);
        assert_eq!(inbox[0].text.as_ref().unwrap().expose(), &long().to_uppercase());
        assert_eq!(inbox[1].missing.first(), Some(&2));
    }
}

#[tokio::test]
async fn a_message_takes_the_place_of_one_that_came_under_another_name() {
    let plain =
        |text: &str| UserData::text(text, gsm_sms::Alphabet::Gsm7, gsm_sms::ShiftTables::NONE, &[]).unwrap();
    let voicemail = |text: &str, seconds| {
        deliver(Address::alphanumeric("Combox").unwrap(), 0x41, 0, plain(text), seconds)
    };
    for names in orders() {
        let (store, clock) = (Store::in_memory(), Clock::manual(START));
        let world = World::start(SimNames::default(), settings(), &store, &clock).await;
        world.takes(&names[0], &voicemail("one message", 0)).await;
        world.takes(&names[2], &voicemail("two messages", 5)).await;
        assert_eq!(world.texts().await, ["two messages"], "{names:?}");
        world.takes(&names[1], &voicemail("none", 9)).await;
        assert_eq!(world.texts().await, ["none"], "{names:?}");
    }
}

#[tokio::test]
async fn another_card_has_messages_of_its_own() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let world = World::start(told(true, true), settings(), &store, &clock).await;
    let (pdu, split) = (parts(PHONE, "Grüezi", 1, 0).remove(0), parts(PHONE, &long(), 7, 0));
    world.takes(&told(true, true), &pdu).await;
    world.takes(&told(true, true), &split[0]).await;
    let moved = SimNames { iccid: Some("8941030000000000002".to_owned()), ..told(false, true) };
    world.takes(&moved, &pdu).await;
    for pdu in &split[1..] {
        world.takes(&moved, pdu).await;
    }
    assert_eq!(world.texts().await, ["Grüezi", "Grüezi"]);
    assert_eq!(store.read(InboxRecords::assemblies).await.unwrap().unwrap().len(), 2);
}

#[tokio::test]
async fn a_sim_that_tells_no_name_for_a_while_is_the_one_that_was_there() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::start(told(true, true), three_a_day(), &store, &clock).await;
    world.sent_through_it(1).await;
    let pdu = parts(PHONE, "Grüezi", 1, 0).remove(0);
    world.takes(&told(true, true), &pdu).await;
    world.tells(0, SimNames::default()).await;
    world.takes(&SimNames::default(), &pdu).await;
    assert_eq!(world.texts().await, ["Grüezi"]);
    world.sent_through_it(2).await;
    assert!(!world.may_send().await);
    world.stop().await;
    // One that never told any is known by its modem, and counted all the same.
    let mut world = World::start(SimNames::default(), three_a_day(), &Store::in_memory(), &clock).await;
    world.sent_through_it(3).await;
    let store = world.store.clone();
    world.stop().await;
    let mut world = World::start(SimNames::default(), three_a_day(), &store, &clock).await;
    assert_eq!(world.condition("m0").parts_today, 3);
    assert!(!world.may_send().await);
    world.tells(0, told(false, true)).await;
    assert!(!world.may_send().await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Parts, a text and a report, each handed over under whatever name, again and again and in any order: when both
    /// names are known, everything is there, once.
    #[test]
    fn any_order_of_discovery_gives_the_same_inbox_and_the_same_reports(
        handed in prop::collection::vec(0_usize..6, 1..16),
        way_of in prop::array::uniform6(0_usize..3),
        sent_as in 0_usize..3,
        last in prop::sample::select(vec![true, false]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, clock) = (Store::in_memory(), Clock::manual(START));
            let mut world = World::start(ways()[sent_as].clone(), settings(), &store, &clock).await;
            let m = world.sent("hello", vec![40]).await;
            world.stop().await;
            let world = World::start(SimNames::default(), settings(), &store, &clock).await;
            let mut pdus = parts(PHONE, &long(), 7, 0);
            prop_assert!(pdus.len() <= 4);
            pdus.push(parts(PHONE, "Grüezi", 1, 0).remove(0));
            pdus.push(report(40, PHONE, 0, 0));
            for pdu in handed.into_iter().chain(0..pdus.len()) {
                if let Some(octets) = pdus.get(pdu) {
                    world.gateway.received("other", &ways()[way_of[pdu]], octets).await.unwrap();
                }
            }
            // Both are told, with something that comes in or when the modem is ready.
            if last {
                world.takes(&told(true, true), &pdus[0]).await;
            } else {
                world.tells(0, told(true, true)).await;
            }
            let mut texts = world.texts().await;
            texts.sort();
            let mut wanted = vec![long(), "Grüezi".to_owned()];
            wanted.sort();
            prop_assert_eq!(texts, wanted);
            prop_assert_eq!(world.status(&m).await.0, MessageStatus::Delivered);
            prop_assert!(store.read(InboxRecords::assemblies).await.unwrap().unwrap().is_empty());
            Ok(())
        })?;
    }
}

/// A phone joins the parts of one sender alone (3GPP TS 23.040 clause 9.2.3.24.1).
#[tokio::test]
async fn the_rest_of_a_message_goes_through_the_sim_that_began_it_or_all_of_it_goes_again() {
    for report in [false, true] {
        for (names, parts) in [(card("sim0"), 1), (card("another"), 2)] {
            let mut world = World::new(1).await;
            let first = Outcome::Unknown { references: vec![7], reason: "the modem hung up".to_owned() };
            locked(&world.modems[0].plan).push_back(Plan::End(first));
            let request = SendRequest { report, ..text("+41791234567", &"x".repeat(200)) };
            world.gateway.send(&Caller::default(), request).await.unwrap();
            assert_eq!([world.aired().await.text.len(), world.aired().await.text.len()], [153, 47]);
            world.at_rest().await;
            world.modems[0].readiness.send_modify(|known| known.sim = names);
            world.clock.advance(Duration::from_secs(60));
            for part in 3 - parts..=2 {
                assert_eq!(world.aired().await.text.len(), [0, 153, 47][part]);
            }
        }
    }
}
