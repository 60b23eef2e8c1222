//! Delivery reports: each finds its message, early, late, twice, in another form, after a restart.

use gsm_sms::{Address, FirstOctet, Parameters, Status, StatusReport, Timestamp, Tpdu};

use super::*;

const PHONE: &str = "+41791234567";

/// A STATUS-REPORT for what the service centre took `seconds` after the start.
pub(super) fn report(reference: u8, recipient: &str, status: u8, seconds: u64) -> Secret<Vec<u8>> {
    let taken = i64::try_from(START.as_millis() / 1000 + seconds).unwrap();
    let stamp = |seconds| Timestamp::from_unix(taken + seconds, 4).unwrap();
    let tpdu = Tpdu::StatusReport(StatusReport {
        first_octet: FirstOctet(0x04),
        message_reference: reference,
        recipient: Address::number(recipient).unwrap(),
        timestamp: stamp(0),
        discharge_time: stamp(2),
        status: Status(status),
        parameters: Parameters::default(),
    });
    Secret::new(tpdu.encode_with_smsc(None).unwrap())
}

impl World {
    pub(super) async fn report(&self, reference: u8, recipient: &str, status: u8, seconds: u64) {
        let pdu = report(reference, recipient, status, seconds);
        self.gateway.received("m0", &card("sim0"), &pdu).await.unwrap();
    }

    pub(super) async fn send_reported(&self, words: &str) -> MessageView {
        let wanted = SendRequest { report: true, ..text(PHONE, words) };
        self.gateway.send(&Caller::default(), wanted).await.unwrap().0
    }

    /// Queues it, and ends its send so.
    pub(super) async fn sent(&mut self, words: &str, references: Vec<u8>) -> MessageView {
        locked(&self.modems[0].plan).push_back(Plan::End(Outcome::Accepted { references }));
        let m = self.send_reported(words).await;
        self.until(m.id, MessageStatus::Sent).await
    }

    async fn in_doubt(&mut self, references: Vec<u8>) -> MessageView {
        let unknown = Outcome::Unknown { references, reason: "silence after Ctrl-Z".to_owned() };
        locked(&self.modems[0].plan).push_back(Plan::End(unknown));
        let m = self.send_reported("hello").await;
        loop {
            let view = self.until(m.id, MessageStatus::Queued).await;
            if view.attempts == 1 {
                return view;
            }
        }
    }

    pub(super) async fn status(&self, m: &MessageView) -> (MessageStatus, Option<String>) {
        let m = self.gateway.message(&Caller::default(), m.id).await.unwrap();
        (m.status, m.error)
    }
}

/// A message that wants no report leaves the reports of others alone, though its reference is the same.
#[tokio::test]
async fn an_early_report_waits_for_the_message_that_asked_for_it() {
    let mut world = World::new(1).await;
    let parts = Outcome::Accepted { references: vec![40, 41] };
    locked(&world.modems[0].plan).push_back(Plan::End(parts));
    let (m, _) = world.gateway.send(&Caller::default(), text(PHONE, &"x".repeat(200))).await.unwrap();
    world.until(m.id, MessageStatus::Sent).await;
    world.clock.advance(Duration::from_secs(10));
    let accepted = Outcome::Accepted { references: vec![41] };
    let held = world.hold(0, accepted);
    let m = world.send_reported("b").await;
    world.until(m.id, MessageStatus::Sending).await;
    world.report(41, PHONE, 0, 10).await;
    held.end();
    world.until(m.id, MessageStatus::Delivered).await;
}

#[tokio::test]
async fn delivered_failed_and_still_tried() {
    let mut world = World::new(1).await;
    let m = world.sent("a", vec![40]).await;
    world.clock.advance(Duration::from_secs(10));
    world.report(41, PHONE, 0, 0).await;
    world.report(40, "+41791234568", 0, 0).await;
    world.report(40, PHONE, 0x21, 0).await;
    assert_eq!(world.status(&m).await, (MessageStatus::Sent, None), "another's, another's, busy");
    world.report(40, PHONE, 0, 0).await;
    let delivered = world.until(m.id, MessageStatus::Delivered).await;
    assert_eq!(delivered.delivered_at, Some(START.plus(Duration::from_secs(2))), "TP-DT");
    world.report(40, PHONE, 0, 0).await;
    world.report(40, PHONE, 0x46, 0).await;
    assert_eq!(world.status(&m).await.0, MessageStatus::Delivered, "it stays delivered");

    world.clock.advance(Duration::from_secs(10));
    let m = world.sent("b", vec![41]).await;
    assert_eq!(world.status(&m).await.0, MessageStatus::Sent, "a report that came before it is not its own");
    world.report(41, PHONE, 0x46, 10).await;
    world.until(m.id, MessageStatus::Undelivered).await;
    let error = world.status(&m).await.1;
    assert_eq!(error.as_deref(), Some("failed: validity period expired"));
    assert!(world.gateway.metrics().contains("smsotp_reports_received_total{matched=\"true\"} 5\n"));
}

#[tokio::test]
async fn every_part_has_to_arrive_and_a_national_recipient_is_the_same() {
    let mut world = World::new(1).await;
    let m = world.sent(&"long ".repeat(90), vec![254, 255, 0]).await;
    world.report(255, "0791234567", 0, 0).await;
    world.report(254, "41791234567", 0, 0).await;
    assert_eq!(world.status(&m).await.0, MessageStatus::Sent);
    // A restart in between.
    let mut next = World::with(1, settings(), world.store.clone(), world.clock.clone()).await;
    next.report(0, PHONE, 0, 0).await;
    next.until(m.id, MessageStatus::Delivered).await;
    let m = next.sent(&"long ".repeat(90), vec![1, 2, 3]).await;
    next.report(2, PHONE, 0x45, 0).await;
    next.until(m.id, MessageStatus::Undelivered).await;
}

#[tokio::test]
async fn a_report_before_the_answer_waits_for_it() {
    let mut world = World::new(1).await;
    let accepted = Outcome::Accepted { references: vec![77] };
    let held = world.hold(0, accepted);
    let m = world.send_reported("hello").await;
    world.aired().await;
    world.report(77, PHONE, 0, 0).await;
    world.report(78, PHONE, 0, 0).await;
    assert_eq!(world.status(&m).await.0, MessageStatus::Sending);
    held.end();
    world.until(m.id, MessageStatus::Sent).await;
    world.until(m.id, MessageStatus::Delivered).await;
    let held = world.store.read(ReportRecords::held).await.unwrap().unwrap();
    assert_eq!(held.len(), 1, "the other waits on");
    world.clock.advance(Duration::from_hours(27));
    let forgotten = async {
        while !world.store.read(ReportRecords::held).await.unwrap().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), forgotten).await.unwrap();
}

#[tokio::test]
async fn a_report_credits_a_send_of_unknown_outcome() {
    let mut world = World::new(1).await;
    // The modem numbered it by itself.
    let m = world.in_doubt(vec![]).await;
    world.aired().await;
    world.report(200, PHONE, 0x20, 0).await;
    world.until(m.id, MessageStatus::Sent).await;
    world.report(200, PHONE, 0, 0).await;
    world.until(m.id, MessageStatus::Delivered).await;
    world.clock.advance(Duration::from_secs(60));
    let (other, _) = world.gateway.send(&Caller::default(), text("+41791234568", "next")).await.unwrap();
    assert_eq!(world.aired().await.text, "next", "no twin went out");
    world.until(other.id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn a_failure_credits_it_too_and_somebody_elses_report_does_not() {
    let mut world = World::new(1).await;
    let m = world.in_doubt(vec![]).await;
    world.report(200, "+41791234568", 0, 0).await;
    assert_eq!(world.status(&m).await.0, MessageStatus::Queued);
    world.report(200, PHONE, 0x41, 0).await;
    world.until(m.id, MessageStatus::Undelivered).await;
    assert_eq!(world.gateway.status().queue, QueueView::default(), "it does not go out again");
}

#[tokio::test]
async fn what_was_on_the_air_at_a_crash_is_credited_by_a_report_before_or_after_the_start() {
    for early in [true, false] {
        let mut world = World::new(1).await;
        let (_keep, until) = oneshot::channel();
        locked(&world.modems[0].plan).push_back(Plan::Hold(until));
        let m = world.send_reported("hello").await;
        let reference = world.aired().await.reference;
        if early {
            world.report(reference, PHONE, 0, 0).await;
            assert_eq!(world.status(&m).await.0, MessageStatus::Sending);
        }
        // A crash: the store alone is taken over. The modem comes up without its readiness at first.
        let next = World::with(0, settings(), world.store.clone(), world.clock.clone()).await;
        if !early {
            assert_eq!(next.status(&m).await.0, MessageStatus::Queued);
            next.report(reference, PHONE, 0, 0).await;
        }
        assert_eq!(next.status(&m).await, (MessageStatus::Delivered, None), "early: {early}");
        assert_eq!(next.gateway.status().queue, QueueView::default());
    }
}

#[tokio::test]
async fn the_first_of_two_twins_is_the_message_too() {
    let mut world = World::new(1).await;
    let m = world.in_doubt(vec![]).await;
    world.aired().await;
    locked(&world.modems[0].plan).push_back(Plan::End(Outcome::Accepted { references: vec![9] }));
    world.clock.advance(Duration::from_secs(2));
    world.until(m.id, MessageStatus::Sent).await;
    world.report(9, PHONE, 0x48, 2).await;
    world.until(m.id, MessageStatus::Undelivered).await;
    world.report(200, PHONE, 0, 0).await;
    world.until(m.id, MessageStatus::Delivered).await;
}

#[tokio::test]
async fn references_come_round_and_old_ones_are_forgotten() {
    let mut world = World::new(1).await;
    let old = world.sent("old", vec![5]).await;
    world.clock.advance(Duration::from_secs(3600));
    let new = world.sent("new", vec![5]).await;
    world.report(5, PHONE, 0, 1).await;
    assert_eq!(world.status(&old).await.0, MessageStatus::Delivered, "by the time of sending");
    assert_eq!(world.status(&new).await.0, MessageStatus::Sent);
    world.report(5, PHONE, 0, 3601).await;
    assert_eq!(world.status(&new).await.0, MessageStatus::Delivered);
    let last = world.sent("last", vec![6]).await;
    world.clock.advance(Duration::from_hours(24 * 7 + 2));
    let swept = async {
        while world.store.read(move |view| view.awaited(last.id)).await.unwrap().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), swept).await.unwrap();
}

#[tokio::test]
async fn codes_ask_for_a_report_when_their_service_does() {
    let mut settings = settings();
    settings.services.get_mut("default").unwrap().report = true;
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let view = world.issue(PHONE).await.unwrap();
    let reference = world.aired().await.reference;
    world.until(view.message.0, MessageStatus::Sent).await;
    world.report(reference, PHONE, 0, 0).await;
    world.until(view.message.0, MessageStatus::Delivered).await;
}
