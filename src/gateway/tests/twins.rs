//! A code whose modem is silent also goes out through another one: whichever is accepted first makes it sent, the
//! other is credited or withdrawn, and a crash in between is one as ever.

use super::*;
use crate::outbox::Kind;
use crate::store::Records as _;

impl World {
    async fn overdue(&self, modem: usize) {
        self.gateway.overdue(&format!("m{modem}")).await.unwrap();
        self.at_rest().await;
    }

    /// The record, which tells more than a client sees.
    async fn record(&self, id: MessageId) -> Message {
        self.store.transact(move |tx| tx.message(id)).await.unwrap().unwrap().unwrap()
    }

    fn service(&self, modem: usize, ready: bool) {
        self.modems[modem].readiness.send_modify(|known| known.ready = ready);
    }

    /// Every event of this message until now.
    fn told(&mut self, id: MessageId) -> Vec<MessageStatus> {
        let event = |event: Event| match event.kind {
            EventKind::Message(m) if m.id == id => Some(m.status),
            _ => None,
        };
        std::iter::from_fn(|| self.events.try_recv().ok()).filter_map(event).collect()
    }
}

const PHONE: &str = "+41791234567";

fn accepted(reference: u8) -> Outcome {
    Outcome::Accepted { references: vec![reference] }
}

fn unknown() -> Outcome {
    Outcome::Unknown { references: vec![], reason: "silence after Ctrl-Z".to_owned() }
}

fn refusal(class: FaultClass) -> Outcome {
    let fault = Fault { class, text: "+CMS ERROR".to_owned() };
    Outcome::Rejected { references: vec![], error: fault }
}

/// A code on the air through m0, which does not answer until it is told so.
async fn silent(modems: usize, then: Outcome) -> (World, Held, MessageId, Aired) {
    let mut settings = settings();
    settings.services.get_mut("default").unwrap().report = true;
    let mut world = World::with(modems, settings, Store::in_memory(), Clock::manual(START)).await;
    world.at_rest().await;
    let held = world.hold(0, then);
    let id = world.issue(PHONE).await.unwrap().message.0;
    let first = world.aired().await;
    world.at_rest().await;
    assert_eq!((first.modem.as_str(), first.twin), ("m0", false));
    (world, held, id, first)
}

#[tokio::test]
async fn a_code_whose_modem_is_silent_goes_out_through_another_one_too() {
    for first_is_faster in [false, true] {
        let (mut world, first, id, aired) = silent(2, accepted(40)).await;
        let second = world.hold(1, accepted(70));
        world.overdue(0).await;
        let twin = world.aired().await;
        assert_eq!((twin.modem.as_str(), twin.twin), ("m1", true), "the service centre may drop it");
        assert_eq!((twin.reference, &twin.text), (aired.reference, &aired.text));
        assert_eq!(world.gateway.message(&Caller::default(), id).await.unwrap().attempts, 2);
        let (fast, slow) = if first_is_faster { (first, second) } else { (second, first) };
        fast.end();
        let sent = world.until(id, MessageStatus::Sent).await;
        assert_eq!(sent.modem.as_deref(), Some(if first_is_faster { "m0" } else { "m1" }));
        slow.end();
        world.at_rest().await;
        assert_eq!(world.told(id), [], "sent once");
        let after = world.record(id).await;
        assert_eq!((after.status, after.twins.len(), after.modem), (MessageStatus::Sent, 0, sent.modem));
        for modem in ["m0", "m1"] {
            assert_eq!(world.condition(modem).parts_today, 1, "each SIM sent a part");
            assert_eq!(world.gateway.modem(modem).unwrap().sent_total, 1);
        }
        assert_eq!(world.gateway.status().queue, QueueView::default());
        assert!(world.gateway.metrics().contains("smsotp_twins_total 1\n"));
        world.clock.advance(Duration::from_secs(250));
        world.at_rest().await;
        assert!(world.air.try_recv().is_err(), "and nothing more goes out");
    }
}

#[tokio::test]
async fn a_report_for_either_of_two_finds_the_message() {
    for (modem, sim, reference) in [("m0", "sim0", 40), ("m1", "sim1", 70)] {
        let (mut world, first, id, _) = silent(2, accepted(40)).await;
        world.overdue(0).await;
        world.aired().await;
        // m1 numbers by the message: its own report is asked for under that.
        let own = world.record(id).await.reference;
        world.until(id, MessageStatus::Sent).await;
        let reference = if modem == "m1" { own } else { reference };
        let pdu = reports::report(reference, PHONE, 0, 0);
        // One of m0 comes before its answer, and waits for it.
        world.gateway.received(modem, &card(sim), &pdu).await.unwrap();
        if modem == "m0" {
            assert_eq!(world.record(id).await.status, MessageStatus::Sent);
        }
        first.end();
        world.until(id, MessageStatus::Delivered).await;
    }
}

#[tokio::test]
async fn an_answer_in_time_withdraws_a_twin_that_waits() {
    let (mut world, first, id, _) = silent(2, accepted(40)).await;
    let busy = world.hold(1, accepted(50));
    let other = world.send("+41791234568").await;
    world.aired().await;
    world.overdue(0).await;
    assert!(world.air.try_recv().is_err(), "no modem is free");
    let queue = QueueView { sending: 2, ..QueueView::default() };
    assert_eq!(world.gateway.status().queue, queue, "it is on the air, and does not wait");
    first.end();
    world.until(id, MessageStatus::Sent).await;
    assert_eq!(locked(&world.gateway.0.queue).next_wake(), None, "nothing waits for a modem any more");
    busy.end();
    world.until(other, MessageStatus::Sent).await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
}

#[tokio::test]
async fn a_twin_waits_for_the_first_modem_that_becomes_free() {
    let (mut world, first, id, _) = silent(3, unknown()).await;
    world.service(1, false);
    let busy = world.hold(2, accepted(50));
    world.at_rest().await;
    let other = world.send("+41791234568").await;
    assert_eq!(world.aired().await.modem, "m2");
    world.overdue(0).await;
    world.service(1, true);
    assert_eq!(world.aired().await.modem, "m1");
    world.until(id, MessageStatus::Sent).await;
    first.end();
    busy.end();
    world.until(other, MessageStatus::Sent).await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err());
    assert_eq!(world.condition("m0").parts_today, 1, "what may have gone out counts");
}

#[tokio::test]
async fn one_modem_alone_is_waited_for() {
    let (mut world, first, id, _) = silent(1, unknown()).await;
    world.overdue(0).await;
    world.overdue(0).await;
    assert_eq!(world.record(id).await.status, MessageStatus::Sending);
    first.end();
    world.at_rest().await;
    world.clock.advance(Duration::from_secs(2));
    assert!(world.aired().await.twin);
    world.until(id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn a_text_waits_for_its_modem() {
    let mut world = World::new(2).await;
    world.at_rest().await;
    let first = world.hold(0, accepted(40));
    let id = world.send(PHONE).await;
    world.aired().await;
    world.overdue(0).await;
    assert!(world.air.try_recv().is_err());
    first.end();
    world.until(id, MessageStatus::Sent).await;
    world.gateway.overdue("m0").await.unwrap();
    assert!(world.gateway.overdue("nobody").await.is_err());
}

#[tokio::test]
async fn when_both_are_silent_it_waits_again_and_is_in_doubt() {
    let (mut world, first, id, aired) = silent(2, unknown()).await;
    let second = world.hold(1, unknown());
    world.overdue(0).await;
    world.aired().await;
    first.end();
    world.at_rest().await;
    let m = world.record(id).await;
    assert_eq!((m.status, m.modem.as_deref(), m.uncertain), (MessageStatus::Sending, Some("m1"), true));
    second.end();
    world.at_rest().await;
    let m = world.record(id).await;
    assert_eq!((m.status, m.attempts, m.uncertain), (MessageStatus::Queued, 2, true));
    world.clock.advance(Duration::from_secs(4));
    let again = world.aired().await;
    assert_eq!((again.reference, again.twin, &again.text), (aired.reference, true, &aired.text));
    world.until(id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn while_one_is_on_the_air_the_end_of_the_other_is_none_of_the_message() {
    for class in [FaultClass::Recipient, FaultClass::Refused, FaultClass::Sim, FaultClass::Transient] {
        for first_ends in [true, false] {
            let [m0, m1] =
                if first_ends { [refusal(class), accepted(70)] } else { [accepted(70), refusal(class)] };
            let (mut world, first, id, _) = silent(2, m0).await;
            let second = world.hold(1, m1);
            world.overdue(0).await;
            world.aired().await;
            let (refused, other) = if first_ends { (first, second) } else { (second, first) };
            refused.end();
            world.at_rest().await;
            let m = world.record(id).await;
            assert_eq!((m.status, m.twins.len()), (MessageStatus::Sending, 0), "{class:?}");
            other.end();
            world.until(id, MessageStatus::Sent).await;
        }
    }
}

#[tokio::test]
async fn at_most_one_twin_at_a_time_and_another_when_one_is_gone() {
    let (mut world, first, id, _) = silent(4, unknown()).await;
    let second = world.hold(1, refusal(FaultClass::Sim));
    let third = world.hold(2, accepted(70));
    for modem in [0, 0] {
        world.overdue(modem).await;
    }
    assert_eq!(world.aired().await.modem, "m1");
    world.overdue(1).await;
    world.overdue(0).await;
    assert!(world.air.try_recv().is_err());
    second.end();
    assert_eq!(world.aired().await.modem, "m2", "m0 is silent still");
    world.at_rest().await;
    assert_eq!(world.record(id).await.twins.len(), 1);
    world.overdue(2).await;
    assert!(world.air.try_recv().is_err());
    first.end();
    assert_eq!(world.aired().await.modem, "m3", "now only m2 has it, and is silent");
    world.until(id, MessageStatus::Sent).await;
    third.end();
    world.at_rest().await;
    assert_eq!(world.record(id).await.twins.len(), 0);
}

#[tokio::test]
async fn a_code_that_is_of_no_more_use_has_no_twin_and_does_not_go_out_again() {
    for approve in [true, false] {
        let (mut world, first, id, aired) = silent(2, unknown()).await;
        let busy = world.hold(1, accepted(50));
        world.send("+41791234568").await;
        world.aired().await;
        world.overdue(0).await;
        let Kind::Otp(verification) = world.record(id).await.kind else { panic!("a code") };
        if approve {
            assert!(world.check(verification, &code_of(&aired)).await.approved);
        } else {
            world.gateway.cancel(&Caller::default(), verification).await.unwrap();
        }
        busy.end();
        world.at_rest().await;
        assert!(world.air.try_recv().is_err(), "the twin was withdrawn");
        first.end();
        world.until(id, MessageStatus::Cancelled).await;
        world.clock.advance(Duration::from_secs(60));
        world.at_rest().await;
        assert!(world.air.try_recv().is_err(), "nobody waits for it");
    }
}

#[tokio::test]
async fn nobody_who_opted_out_gets_a_twin() {
    let (mut world, first, id, _) = silent(2, unknown()).await;
    world.gateway.add_opt_out(&Caller::default(), PHONE).await.unwrap();
    world.overdue(0).await;
    assert!(world.air.try_recv().is_err());
    first.end();
    world.until(id, MessageStatus::Cancelled).await;
}

/// The committer stands still: what is begun meanwhile is executed, in its order, when the answer is dropped.
fn standstill(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (go_on, wait) = std::sync::mpsc::channel();
    let _ = store.begin(move |_| {
        let _ = wait.recv();
    });
    go_on
}

async fn tasks_rest() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_twin_that_has_not_left_its_gate_is_dropped() {
    for answered in [true, false] {
        let (mut world, first, id, _) = silent(2, accepted(40)).await;
        let Kind::Otp(verification) = world.record(id).await.kind else { panic!("a code") };
        world.service(1, false);
        world.at_rest().await;
        world.overdue(0).await;
        let standstill = standstill(&world.store);
        world.service(1, true);
        tasks_rest().await;
        // m1 has claimed it, and the claim is not on disk.
        let gateway = world.gateway.clone();
        let cancel = tokio::spawn(async move {
            if answered {
                first.end();
                return None;
            }
            gateway.cancel(&Caller::default(), verification).await.unwrap();
            Some(first)
        });
        tasks_rest().await;
        drop(standstill);
        let first = cancel.await.unwrap();
        world.at_rest().await;
        if let Some(first) = first {
            let m = world.record(id).await;
            assert_eq!((m.status, m.twins.len(), m.attempts), (MessageStatus::Sending, 0, 1));
            first.end();
        }
        world.until(id, MessageStatus::Sent).await;
        world.at_rest().await;
        assert!(world.air.try_recv().is_err(), "only m0 sent it");
        assert_eq!(world.record(id).await.twins.len(), 0);
    }
}

#[tokio::test]
async fn a_crash_with_a_twin_on_the_air_is_one_as_ever() {
    let (mut world, _first, id, aired) = silent(2, accepted(40)).await;
    let _second = world.hold(1, accepted(70));
    world.overdue(0).await;
    world.aired().await;
    world.at_rest().await;
    assert_eq!(world.record(id).await.twins.len(), 1, "the claim is on disk before its PDU leaves");
    let mut next = World::with(2, settings(), world.store.clone(), world.clock.clone()).await;
    let again = next.aired().await;
    assert_eq!((again.reference, again.twin, &again.text), (aired.reference, true, &aired.text));
    next.until(id, MessageStatus::Sent).await;
    next.at_rest().await;
    assert!(next.air.try_recv().is_err());
    // A report of what the second modem sent before the crash.
    let pdu = reports::report(200, PHONE, 0, 0);
    next.gateway.received("m1", &card("sim1"), &pdu).await.unwrap();
    assert_eq!(next.record(id).await.status, MessageStatus::Delivered);
}

/// The message is over then, and what the other one owes is known all the same.
#[tokio::test]
async fn a_crash_behind_the_faster_of_two_leaves_an_answer_to_come() {
    for slower in [0, 1] {
        let (mut world, first, id, _) = silent(2, accepted(40)).await;
        let second = world.hold(1, accepted(70));
        world.overdue(0).await;
        world.aired().await;
        let (fast, _slow) = if slower == 0 { (second, first) } else { (first, second) };
        fast.end();
        world.until(id, MessageStatus::Sent).await;
        let next = World::with(2, settings(), world.store.clone(), world.clock.clone()).await;
        assert_eq!(*locked(&next.modems[slower].expects_late), 1, "m{slower}");
    }
}

#[tokio::test]
async fn a_late_answer_is_credited_when_it_was_sent_through_another_meanwhile() {
    let (mut world, first, id, _) = silent(2, unknown()).await;
    world.overdue(0).await;
    world.aired().await;
    world.until(id, MessageStatus::Sent).await;
    first.end();
    world.at_rest().await;
    world.gateway.late_accepted("m0", 40).await.unwrap();
    world.at_rest().await;
    assert_eq!(world.told(id), [], "it was sent before");
    assert_eq!((world.condition("m0").parts_today, world.condition("m1").parts_today), (1, 1));
    assert_eq!(world.gateway.modem("m0").unwrap().sent_total, 1);
    let pdu = reports::report(40, PHONE, 0, 0);
    world.gateway.received("m0", &card("sim0"), &pdu).await.unwrap();
    assert_eq!(world.record(id).await.status, MessageStatus::Delivered);
}

#[tokio::test]
async fn a_late_answer_ends_a_send_that_another_modem_began_meanwhile() {
    let (mut world, first, id, _) = silent(2, unknown()).await;
    first.end();
    world.at_rest().await;
    let second = world.hold(1, accepted(70));
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.aired().await.modem, "m1");
    world.gateway.late_accepted("m0", 40).await.unwrap();
    let sent = world.until(id, MessageStatus::Sent).await;
    assert_eq!(sent.modem.as_deref(), Some("m0"));
    second.end();
    world.at_rest().await;
    assert_eq!(world.told(id), []);
    let m = world.record(id).await;
    assert_eq!((m.status, m.twins.len(), m.modem_references), (MessageStatus::Sent, 0, vec![40, 70]));
}

#[tokio::test]
async fn a_late_answer_is_never_credited_to_another_message() {
    let mut world = World::new(1).await;
    let in_doubt = |n: u8| {
        locked(&world.modems[0].plan).push_back(Plan::End(unknown()));
        let gateway = world.gateway.clone();
        async move {
            let wanted = text(&format!("+4179123456{n}"), "hello");
            gateway.send(&Caller::default(), wanted).await.unwrap().0.id
        }
    };
    let (first, second) = (in_doubt(1).await, in_doubt(2).await);
    world.at_rest().await;
    world.gateway.late_accepted("m0", 40).await.unwrap();
    world.at_rest().await;
    for id in [first, second] {
        assert_eq!(world.record(id).await.status, MessageStatus::Queued, "of which of the two?");
    }
    world.clock.advance(Duration::from_secs(2));
    for id in [first, second] {
        world.until(id, MessageStatus::Sent).await;
    }
}

/// The modem answers after the daemon was started again.
#[tokio::test]
async fn a_late_answer_is_credited_over_a_restart() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::with(1, settings(), store.clone(), clock.clone()).await;
    let _held = world.hold(0, unknown());
    let id = world.issue(PHONE).await.unwrap().message.0;
    world.aired().await;
    // The first gateway is left as a crash leaves it; the store alone is taken over.
    let mut world = World::with(1, settings(), store, clock).await;
    world.gateway.late_accepted("m0", 40).await.unwrap();
    world.until(id, MessageStatus::Sent).await;
    world.at_rest().await;
    assert!(world.air.try_recv().is_err(), "no twin goes out");
}

/// One message went out another way, and one was on the air: nobody can tell for which of the two the modem answers.
#[tokio::test]
async fn after_a_restart_an_answer_that_may_be_that_of_two_is_credited_to_none() {
    let (mut world, first, owed, _) = silent(2, unknown()).await;
    world.overdue(0).await;
    world.aired().await;
    world.until(owed, MessageStatus::Sent).await;
    first.end();
    world.modems[1].readiness.send_replace(Readiness::default());
    let _held = world.hold(0, unknown());
    let id = world.issue("+41791234568").await.unwrap().message.0;
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.aired().await.modem, "m0");
    let mut settings = settings();
    let sends_nothing = ModemRules { max_per_day: Some(0), ..ModemRules::default() };
    settings.modems.insert("m0".to_owned(), sends_nothing);
    let next = World::with(1, settings, world.store.clone(), world.clock.clone()).await;
    next.gateway.late_accepted("m0", 40).await.unwrap();
    next.at_rest().await;
    assert_eq!(next.record(id).await.status, MessageStatus::Queued);
}

/// Also when the message went out another way meanwhile: what it answers is not taken for the next one's.
#[tokio::test]
async fn a_modem_that_was_given_up_is_expected_to_answer_over_a_restart() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::with(2, settings(), store.clone(), clock.clone()).await;
    locked(&world.modems[0].plan).push_back(Plan::End(unknown()));
    let id = world.issue(PHONE).await.unwrap().message.0;
    assert_eq!(world.aired().await.modem, "m0");
    world.at_rest().await;
    clock.advance(Duration::from_secs(2));
    world.until(id, MessageStatus::Sent).await;
    for (after, expected) in [(Duration::from_secs(297), [1, 0]), (Duration::from_secs(1), [0, 0])] {
        clock.advance(after);
        let next = World::with(2, settings(), store.clone(), clock.clone()).await;
        let told = [0, 1].map(|modem| *locked(&next.modems[modem].expects_late));
        assert_eq!(told, expected, "{after:?} later");
    }
}
