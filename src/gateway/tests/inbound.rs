//! Received messages: kept once, joined over restarts and time, and what STOP and START do.

use gsm_sms::{
    Address, DataCodingScheme, Deliver, Direction, Element, FirstOctet, Framing, ProtocolIdentifier,
    Strictness, Submission, Timestamp, Tpdu, UserData,
};

use super::*;
use crate::id::InboxId;
use crate::inbox::Content;

const PHONE: &str = "+41791234567";

/// A DELIVER that the service centre took `seconds` after the start.
pub(super) fn deliver(from: Address, pid: u8, dcs: u8, user_data: UserData, seconds: i64) -> Secret<Vec<u8>> {
    let taken = i64::try_from(START.as_millis() / 1000).unwrap() + seconds;
    let tpdu = Tpdu::Deliver(Deliver {
        first_octet: FirstOctet(0x04),
        originator: from,
        protocol: ProtocolIdentifier(pid),
        coding: DataCodingScheme(dcs),
        timestamp: Timestamp::from_unix(taken, 8).unwrap(),
        user_data,
    });
    Secret::new(tpdu.encode_with_smsc(Some(&Address::number("+41794999000").unwrap())).unwrap())
}

/// The parts of a text, as the network would bring them.
pub(super) fn parts(from: &str, text: &str, reference: u8, seconds: i64) -> Vec<Secret<Vec<u8>>> {
    let submission = Submission::new("+41790000000", text).with_concatenation_reference(reference);
    let composed = gsm_sms::compose(&submission).unwrap();
    let part = |pdu: &[u8]| {
        let Tpdu::Submit(submit) =
            gsm_sms::decode(pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict).unwrap().tpdu
        else {
            panic!("not a SUBMIT")
        };
        deliver(Address::number(from).unwrap(), 0, submit.coding.0, submit.user_data, seconds)
    };
    composed.parts.iter().map(|p| part(&p.pdu)).collect()
}

impl World {
    pub(super) async fn receive(&self, pdu: &Secret<Vec<u8>>) {
        self.gateway.received("m0", &card("sim0"), pdu).await.unwrap();
    }

    pub(super) async fn inbox(&self) -> Vec<InboxView> {
        self.gateway.inbox(InboxFilter { limit: 1000, before: None }).await.unwrap().items
    }

    pub(super) async fn texts(&self) -> Vec<String> {
        self.inbox().await.iter().map(|v| v.text.as_ref().unwrap().expose().clone()).collect()
    }

    async fn blocked(&self, to: &str) -> bool {
        match self.gateway.send(&Caller::default(), text(to, "hello")).await {
            Ok(_) => false,
            Err(GatewayError::OptedOut) => true,
            Err(e) => panic!("{e}"),
        }
    }

    /// Lets a day of sweeps pass.
    async fn until_inbox(&self, count: usize) {
        let held = async {
            while self.inbox().await.len() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), held).await.expect("so many messages");
    }
}

pub(super) fn long() -> String {
    (0..60).fold(String::new(), |text, n| text + &format!("word {n}, "))
}

#[tokio::test]
async fn a_text_is_kept_sealed_once_and_told_without_its_words() {
    let mut world = World::new(1).await;
    let pdu = parts(PHONE, "Grüezi", 1, 0).remove(0);
    world.receive(&pdu).await;
    world.receive(&pdu).await;
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), 1, "the modem kept it and showed it again");
    let v = &inbox[0];
    assert_eq!((v.from.as_str(), v.modem.as_str(), v.parts, v.sent_at), (PHONE, "m0", 1, Some(START)));
    assert_eq!(world.texts().await, ["Grüezi"]);
    let event = world.events.recv().await.unwrap();
    let EventKind::Inbox(told) = &event.kind else { panic!("{event:?}") };
    assert_eq!((told.id, &told.text, &told.data), (v.id, &None, &None));
    let shown = format!("{v:?} {event:?}");
    assert!(!shown.contains("Grüezi") && !shown.contains("791234567"), "{shown}");
    assert!(world.gateway.metrics().contains("smsotp_inbox_received_total 1\n"));

    world.clock.advance(Duration::from_secs(5));
    world.receive(&parts(PHONE, "Grüezi", 1, 5)[0]).await;
    assert_eq!(world.texts().await, ["Grüezi", "Grüezi"], "the same words later are another message");
    let gone = world.gateway.delete_inbox(v.id).await.unwrap();
    assert_eq!(gone.text.unwrap().expose(), "Grüezi");
    world.receive(&pdu).await;
    assert_eq!(world.inbox().await.len(), 1, "what was deleted does not come back from the modem");
    assert_eq!(
        world.gateway.delete_inbox(v.id).await.unwrap_err(),
        GatewayError::NotFound("received message")
    );
}

#[tokio::test]
async fn parts_join_in_any_order_over_restarts_and_twice() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let pdus = parts(PHONE, &long(), 7, 0);
    assert!(pdus.len() >= 3);
    for (n, pdu) in pdus.iter().rev().enumerate() {
        // Each time a new gateway over the same store: nothing is held in memory.
        let world = World::with(1, settings(), store.clone(), clock.clone()).await;
        assert!(world.inbox().await.is_empty(), "after {n} parts");
        world.receive(pdu).await;
        world.receive(pdu).await;
        // The same reference of somebody else, or on another SIM, is another message.
        world.gateway.received("m1", &card("sim1"), &pdus[0]).await.unwrap();
        world.gateway.received("m0", &card("sim0"), &parts("+41790000001", &long(), 7, 0)[0]).await.unwrap();
    }
    let world = World::with(1, settings(), store.clone(), clock).await;
    assert_eq!(world.texts().await, [long()]);
    assert_eq!(world.inbox().await[0].parts, u8::try_from(pdus.len()).unwrap());
    world.receive(&pdus[1]).await;
    let waiting = world.store.read(InboxRecords::assemblies).await.unwrap().unwrap();
    assert_eq!(waiting.len(), 2, "a part that comes once more begins nothing");
}

#[tokio::test]
async fn a_day_later_what_came_is_kept_with_its_gap() {
    let world = World::new(1).await;
    let pdus = parts(PHONE, &long(), 7, 0);
    let last = u8::try_from(pdus.len()).unwrap();
    for (n, pdu) in pdus.iter().enumerate() {
        if n != 1 {
            world.receive(pdu).await;
        }
    }
    world.clock.advance(Duration::from_hours(23));
    assert!(world.inbox().await.is_empty());
    world.clock.advance(Duration::from_hours(3));
    world.until_inbox(1).await;
    let v = world.inbox().await.remove(0);
    assert_eq!((v.parts, v.missing, v.content), (last, vec![2], Content::Text));
    let text = v.text.unwrap();
    let (before, after) = text.expose().split_once("[…]").unwrap();
    assert!(long().starts_with(before) && long().ends_with(after) && after.len() > 50);
    assert!(world.store.read(InboxRecords::assemblies).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_reference_that_comes_round_ends_the_older_message() {
    let world = World::new(1).await;
    let (old, new) = (parts(PHONE, &long(), 7, 0), parts(PHONE, &long().to_uppercase(), 7, 600));
    world.receive(&old[0]).await;
    for pdu in &new {
        world.receive(pdu).await;
    }
    let inbox = world.inbox().await;
    assert_eq!(inbox.len(), 2);
    assert_eq!(inbox[0].text.as_ref().unwrap().expose(), &long().to_uppercase());
    assert_eq!(inbox[1].missing.first(), Some(&2));
}

#[tokio::test]
async fn incomplete_messages_are_bounded() {
    let world = World::new(1).await;
    for n in 0..300_u32 {
        world.clock.advance(Duration::from_millis(1));
        world.receive(&parts(&format!("+4179{n:07}"), &long(), 7, 0)[0]).await;
    }
    let waiting = world.store.read(InboxRecords::assemblies).await.unwrap().unwrap();
    assert_eq!((waiting.len(), world.inbox().await.len()), (256, 44), "the oldest gave way");
}

#[tokio::test]
async fn odd_messages_are_kept_or_dropped_as_the_standard_has_it() {
    let world = World::new(1).await;
    let plain =
        |text: &str| UserData::text(text, gsm_sms::Alphabet::Gsm7, gsm_sms::ShiftTables::NONE, &[]).unwrap();
    let name = || Address::alphanumeric("ACME Bank").unwrap();
    world.receive(&deliver(name(), 0, 0x10, plain("flash"), 0)).await;
    let ports = [Element::Ports16 { destination: 5000, source: 80 }];
    let data = UserData::data(&[1, 2, 0xff], &ports).unwrap();
    world.receive(&deliver(name(), 0, 0x04, data, 1)).await;
    // Type 0 is not kept.
    world.receive(&deliver(name(), 0x40, 0, plain("silent"), 2)).await;
    // Replace type 3 takes the place of the older one of the same sender and type.
    world.receive(&deliver(name(), 0x43, 0, plain("first"), 3)).await;
    world.receive(&deliver(name(), 0x44, 0, plain("other type"), 4)).await;
    world.receive(&deliver(name(), 0x43, 0, plain("second"), 5)).await;
    // Cut in the middle of the time stamp; a reserved TP-MTI; longer than it should be.
    world.receive(&Secret::new(b"\0\x04\x04\x81\x21\x43\0\0\x62\x21".to_vec())).await;
    let mut reserved = deliver(name(), 0, 0, plain("reserved"), 6).expose().clone();
    let first = usize::from(reserved[0]) + 1;
    reserved[first] |= 3;
    reserved.extend([0xff; 40]);
    world.receive(&Secret::new(reserved)).await;
    world.receive(&Secret::new(vec![])).await;

    let inbox = world.inbox().await;
    let said: Vec<_> = inbox
        .iter()
        .map(|v| match (&v.text, &v.data) {
            (Some(text), None) => text.expose().clone(),
            (None, Some(data)) => format!("{:?}", data.expose()),
            _ => panic!("{v:?}"),
        })
        .collect();
    assert_eq!(
        said,
        [
            "[]",
            "reserved",
            "[0, 4, 4, 129, 33, 67, 0, 0, 98, 33]",
            "second",
            "other type",
            "[1, 2, 255]",
            "flash"
        ]
    );
    assert!(
        matches!(&inbox[2].content, Content::Unreadable(why) if why.contains("TP-SCTS")),
        "{:?}",
        inbox[2]
    );
    assert_eq!((inbox[6].from.as_str(), inbox[6].class), ("ACME Bank", Some(0)));
    assert_eq!((inbox[5].ports, &inbox[5].content), (Some((5000, 80)), &Content::Data));
    let first = world.gateway.inbox(InboxFilter { limit: 3, before: None }).await.unwrap();
    let next: InboxId = first.next.unwrap().parse().unwrap();
    let rest = world.gateway.inbox(InboxFilter { limit: 4, before: Some(next) }).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (3, 4, None));
}

#[tokio::test]
async fn the_longest_text_fits_and_old_messages_are_forgotten() {
    let world = World::new(1).await;
    // 255 parts of 66 units, three octets each in UTF-8.
    let text = "\u{4f60}".repeat(255 * 66);
    let units: Vec<char> = text.chars().collect();
    for (n, chunk) in units.chunks(66).enumerate() {
        let place = gsm_sms::Concatenation {
            reference: gsm_sms::Reference::Sixteen(300),
            total: 255,
            sequence: u8::try_from(n + 1).unwrap(),
        };
        let part: String = chunk.iter().collect();
        let header = [Element::Concatenation(place)];
        let part =
            UserData::text(&part, gsm_sms::Alphabet::Ucs2, gsm_sms::ShiftTables::NONE, &header).unwrap();
        world.receive(&deliver(Address::number(PHONE).unwrap(), 0, 8, part, 0)).await;
    }
    assert!(world.texts().await == [text], "50 kB come back as they were");
    world.clock.advance(Duration::from_hours(24 * 30 + 2));
    world.until_inbox(0).await;
}

/// An SMS proves no sender: a forged stop word must lock nobody out.
#[tokio::test]
async fn a_stop_word_stops_texts_and_no_codes() {
    let mut world = World::new(1).await;
    let caller = Caller::default();
    world.modems[0].readiness.send_replace(Readiness::default());
    let waiting = world.issue(PHONE).await.unwrap();
    let (later, _) = world.gateway.send(&caller, text(PHONE, "later")).await.unwrap();
    world.receive(&parts(PHONE, "end", 1, 0)[0]).await;
    world.until(later.id, MessageStatus::Cancelled).await;
    assert!(world.blocked(PHONE).await, "a text is refused");
    assert_eq!(world.gateway.opt_outs(10, None).await.unwrap().items.len(), 1);
    let ready = Readiness { ready: true, sim: card("sim0"), ..Readiness::default() };
    world.modems[0].readiness.send_replace(ready);
    let code = code_of(&world.aired().await);
    world.until(waiting.message.0, MessageStatus::Sent).await;
    world.clock.advance(Duration::from_secs(60));
    world.gateway.resend(&caller, waiting.id, None).await.unwrap();
    assert_eq!(code_of(&world.aired().await), code);
    assert!(world.check(waiting.id, &code).await.approved);
    world.clock.advance(Duration::from_secs(60));
    world.issue(PHONE).await.unwrap();
    world.receive(&parts(PHONE, "START", 1, 9)[0]).await;
    assert!(!world.blocked(PHONE).await);
}

#[tokio::test]
async fn what_an_operator_stops_is_stopped_for_codes_too_whatever_a_stop_word_did_before() {
    let world = World::new(1).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let waiting = world.issue(PHONE).await.unwrap();
    world.receive(&parts(PHONE, "STOP", 1, 0)[0]).await;
    let since = world.gateway.opt_outs(10, None).await.unwrap().items[0].since;
    world.clock.advance(Duration::from_secs(60));
    let entry = world.gateway.add_opt_out(&Caller::default(), PHONE).await.unwrap();
    assert_eq!((entry.since, entry.message), (since, None));
    let withdrawn = world.gateway.message(&Caller::default(), waiting.message.0).await.unwrap();
    assert_eq!(withdrawn.status, MessageStatus::Cancelled);
    // Another stop word takes nothing back.
    world.receive(&parts(PHONE, "STOP", 1, 1)[0]).await;
    assert!(matches!(world.issue(PHONE).await, Err(GatewayError::OptedOut)));
}

/// The sender of an SMS can be forged, an operator cannot.
#[tokio::test]
async fn a_start_word_lifts_what_a_stop_word_did_and_nothing_that_an_operator_did() {
    let world = World::new(1).await;
    world.gateway.add_opt_out(&Caller::default(), PHONE).await.unwrap();
    for (n, word) in (0..).zip(["START", "STOP", "START"]) {
        world.receive(&parts(PHONE, word, 1, n)[0]).await;
        assert!(world.blocked(PHONE).await, "after {word}");
        assert!(matches!(world.issue(PHONE).await, Err(GatewayError::OptedOut)), "{word}");
    }
    world.gateway.remove_opt_out(&Caller::default(), PHONE).await.unwrap();
    assert!(!world.blocked(PHONE).await);
    world.receive(&parts(PHONE, "STOP.", 1, 8)[0]).await;
    assert!(world.blocked(PHONE).await, "with a mark behind it");
    world.receive(&parts(PHONE, "Start!", 1, 9)[0]).await;
    assert!(!world.blocked(PHONE).await);
}

#[tokio::test]
async fn where_stop_words_stop_codes_too_stop_ends_everything_and_start_begins_again() {
    let settings = Settings { stop_codes: true, ..settings() };
    let mut world = World::with(1, settings.clone(), Store::in_memory(), Clock::manual(START)).await;
    let caller = Caller::default();
    let verification = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    world.until(verification.message.0, MessageStatus::Sent).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let (queued, _) = world.gateway.send(&caller, text(PHONE, "later")).await.unwrap();
    let (other, _) = world.gateway.send(&caller, text("+41791234568", "somebody else's")).await.unwrap();
    world.receive(&parts(PHONE, " Stop\n", 1, 0)[0]).await;
    let withdrawn = world.until(queued.id, MessageStatus::Cancelled).await;
    assert_eq!(withdrawn.error.as_deref(), Some("the recipient opted out"));
    assert_eq!(
        world.gateway.message(&Caller::default(), other.id).await.unwrap().status,
        MessageStatus::Queued
    );

    assert!(world.blocked(PHONE).await && !world.blocked("+41791234569").await);
    assert!(matches!(world.issue(PHONE).await, Err(GatewayError::OptedOut)));
    world.clock.advance(Duration::from_secs(60));
    let resent = world.gateway.resend(&caller, verification.id, None).await;
    assert!(matches!(resent, Err(GatewayError::OptedOut)));
    assert!(world.check(verification.id, &code).await.approved, "the code had arrived before");

    // On disk, under a hash, with the number sealed.
    let again = World::with(1, settings, world.store.clone(), world.clock.clone()).await;
    assert!(again.blocked(PHONE).await);
    let list = again.gateway.opt_outs(10, None).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!((list.items[0].phone.as_str(), list.items[0].message.is_some()), (PHONE, true));
    again.receive(&parts(PHONE, "START", 1, 9)[0]).await;
    assert!(!again.blocked(PHONE).await);
}

#[tokio::test]
async fn only_the_word_alone_counts_and_a_national_number_is_told_by_what_was_sent() {
    let mut world = World::new(1).await;
    world.receive(&parts(PHONE, "please do not stop", 1, 0)[0]).await;
    assert!(!world.blocked(PHONE).await);
    world.aired().await;
    world.receive(&parts("0791234567", "STOPP", 1, 1)[0]).await;
    assert!(world.blocked(PHONE).await);
    world.receive(&parts("0799999999", "STOP", 1, 2)[0]).await;
    assert!(!world.blocked("+41799999999").await, "nothing was sent there: whose it is cannot be told");
}

#[tokio::test]
async fn a_message_on_the_air_does_not_go_out_again_after_a_stop() {
    let mut world = World::new(1).await;
    let unknown = Outcome::Unknown { references: vec![], reason: "silence".to_owned() };
    let held = world.hold(0, unknown);
    let (m, _) = world.gateway.send(&Caller::default(), text(PHONE, "hello")).await.unwrap();
    world.aired().await;
    world.gateway.add_opt_out(&Caller::default(), PHONE).await.unwrap();
    assert_eq!(world.gateway.message(&Caller::default(), m.id).await.unwrap().status, MessageStatus::Sending);
    held.end();
    world.until(m.id, MessageStatus::Cancelled).await;
    assert_eq!(world.gateway.status().queue, QueueView::default());
    world.gateway.remove_opt_out(&Caller::default(), PHONE).await.unwrap();
    assert!(world.gateway.remove_opt_out(&Caller::default(), PHONE).await.is_err());
    assert!(!world.blocked(PHONE).await);
}
