//! Each way in which a send ends, alone and beside its twin, and what holds in any order of events.

use proptest::prelude::*;

use super::*;
use crate::clock::{Life, Timestamp};
use crate::id::{MessageId, VerificationId};
use crate::secret::Sealed;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn after(seconds: u64) -> Now {
    Now::agreed(START.plus(Duration::from_secs(seconds)))
}

/// A code of `parts` short messages with five minutes to live.
pub(crate) fn message(parts: u8) -> Message {
    Message {
        service: Some("default".to_owned()),
        parts,
        deadline: Some(Life::of(Duration::from_secs(300), after(0))),
        body: Some(Sealed::from_bytes(vec![1])),
        reference: 7,
        ..Message::queued(
            MessageId::first_at(START.steady()),
            "+41791234567".parse().unwrap(),
            Kind::Otp(VerificationId::first_at(START.steady())),
            after(0),
        )
    }
}

fn run(m: Message, events: impl IntoIterator<Item = Event>, now: Now) -> Message {
    events.into_iter().fold(m, |m, event| step(m, event, now, &Retry::default()).unwrap())
}

fn claim() -> Event {
    claim_by("a")
}

fn claim_by(modem: &str) -> Event {
    Event::Claimed { modem: modem.to_owned() }
}

/// `b` sends the message that `a` has.
fn twin() -> Event {
    Event::TwinClaimed { modem: "b".to_owned(), of: "a".to_owned() }
}

fn ended(modem: &str, end: End) -> Event {
    Event::Ended { modem: modem.to_owned(), end }
}

fn accepted(modem: &str, references: &[u8]) -> Event {
    ended(modem, End::Accepted { references: references.to_vec() })
}

fn rejection(class: FaultClass, references: &[u8], attempt: Attempt, others: Others) -> End {
    let fault = Fault { class, text: "+CMS ERROR: 42".to_owned() };
    End::Rejected { references: references.to_vec(), fault, attempt, others }
}

/// The refusal comes from the only modem, which works.
fn rejected(class: FaultClass, references: &[u8]) -> Event {
    ended("a", rejection(class, references, Attempt::Counted, Others::Nobody))
}

fn rejected_by(modem: &str, class: FaultClass, others: Others) -> Event {
    ended(modem, rejection(class, &[], Attempt::Counted, others))
}

fn unknown(modem: &str) -> Event {
    ended(modem, End::Unknown { references: vec![], reason: "silence".to_owned() })
}

fn not_started(modem: &str) -> Event {
    ended(modem, End::NotStarted { references: vec![], reason: "unplugged".to_owned() })
}

fn late(modem: &str, part: u8, reference: u8) -> Event {
    Event::LateAccepted { modem: modem.to_owned(), part, reference }
}

fn reported(delivered: bool) -> Event {
    Event::Reported { delivered, reason: (!delivered).then(|| "recipient unknown".to_owned()) }
}

fn held_by(m: &Message) -> (MessageStatus, Option<&str>, Vec<&str>) {
    (m.status, m.modem.as_deref(), m.twins.iter().map(|t| t.modem.as_str()).collect())
}

#[test]
fn sent_and_reported() {
    let m = run(message(2), [claim(), accepted("a", &[1, 2])], after(3));
    assert_eq!(
        (m.status, m.sent_at, m.parts_done, &m.body),
        (MessageStatus::Sent, Some(after(3).wall()), 2, &None)
    );
    let done = run(m.clone(), [reported(true)], after(5));
    assert_eq!((done.status, done.delivered_at), (MessageStatus::Delivered, Some(after(5).wall())));
    let m = run(m, [reported(false)], after(5));
    assert_eq!((m.status, m.error.as_deref()), (MessageStatus::Undelivered, Some("recipient unknown")));
    let found = run(m, [reported(true)], after(9));
    assert_eq!((found.status, found.error), (MessageStatus::Delivered, None), "the last report counts");
}

#[test]
fn a_report_tells_of_a_message_that_was_given_up_in_doubt() {
    let m = run(message(1), [claim(), unknown("a")], after(299));
    assert_eq!(m.status, MessageStatus::Failed);
    let m = run(m, [reported(true)], after(301));
    assert_eq!(
        (m.status, m.delivered_at, m.error),
        (MessageStatus::Delivered, Some(after(301).wall()), None)
    );
    let half = run(message(3), [claim(), unknown("a")], after(299));
    let refused = step(half, reported(true), after(301), &Retry::default());
    assert_eq!(refused, Err(Refusal(MessageStatus::Failed)), "the other parts were never sent");
    let sure = run(message(1), [claim(), rejected(FaultClass::Recipient, &[])], after(1));
    assert!(step(sure, reported(true), after(2), &Retry::default()).is_err());
}

#[test]
fn only_an_error_about_the_recipient_ends_a_message_at_once() {
    let m = run(message(1), [claim(), rejected(FaultClass::Transient, &[])], after(0));
    assert_eq!((m.status, m.due_at, m.attempts), (MessageStatus::Queued, after(2).steady(), 1));
    let m = run(message(1), [claim(), rejected(FaultClass::Recipient, &[])], after(0));
    assert_eq!((m.status, m.body, m.error.as_deref()), (MessageStatus::Failed, None, Some("+CMS ERROR: 42")));
    for class in [FaultClass::Modem, FaultClass::Sim] {
        let m = run(message(1), [claim(), rejected(class, &[])], after(9));
        assert_eq!((m.status, m.due_at), (MessageStatus::Queued, after(9).steady()));
    }
}

#[test]
fn attempts_end_where_they_count() {
    for class in [FaultClass::Transient, FaultClass::Modem] {
        let mut m = Message { deadline: None, ..message(1) };
        for _ in 0..5 {
            assert_eq!(m.status, MessageStatus::Queued);
            m = run(m, [claim(), rejected(class, &[])], after(0));
        }
        assert_eq!((m.status, m.attempts), (MessageStatus::Failed, 5));
    }
    for class in [FaultClass::Modem, FaultClass::Sim] {
        let mut m = Message { deadline: None, ..message(1) };
        let free = || ended("a", rejection(class, &[], Attempt::Free, Others::Nobody));
        for held in 1..50 {
            m = run(m, [claim(), free()], after(290));
            assert_eq!((m.status, m.attempts, m.held), (MessageStatus::Queued, 0, held), "{class:?}");
        }
        let late = run(
            Message { deadline: Some(Life::until(after(300).steady())), ..m },
            [claim(), free()],
            after(299),
        );
        assert_eq!(late.status, MessageStatus::Queued, "it waits until its time ends");
    }
}

#[test]
fn a_retry_goes_on_behind_the_parts_that_were_taken_and_another_modem_sends_all() {
    let m = run(message(3), [claim(), rejected(FaultClass::Transient, &[50])], after(0));
    assert_eq!((m.parts_done, m.reference), (1, 7));
    let m = run(m, [claim(), accepted("a", &[51, 52])], after(2));
    assert_eq!((m.status, m.modem_references), (MessageStatus::Sent, vec![50, 51, 52]));
    for (others, parts_done) in [(Others::Nobody, 1), (Others::Away, 1), (Others::Here, 0)] {
        let end = rejection(FaultClass::Sim, &[50], Attempt::Free, others);
        let m = run(message(3), [claim(), ended("a", end)], after(0));
        assert_eq!((m.status, m.parts_done), (MessageStatus::Queued, parts_done), "{others:?}");
    }
}

#[test]
fn another_sim_tries_once_what_the_network_refused() {
    let refused =
        |others| run(message(1), [claim(), rejected_by("a", FaultClass::Refused, others)], after(9));
    assert_eq!(refused(Others::Nobody).status, MessageStatus::Failed, "there is no other modem");
    for others in [Others::Away, Others::Here] {
        let m = refused(others);
        assert_eq!((m.status, m.due_at, m.attempts), (MessageStatus::Queued, after(9).steady(), 1));
        assert_eq!(m.refused, Some(Refused { modem: "a".to_owned(), until: after(309).steady() }));
        let sent = run(m.clone(), [claim_by("b"), accepted("b", &[1])], after(10));
        assert_eq!(sent.status, MessageStatus::Sent);
        // A third modem is not asked.
        let second = rejected_by("b", FaultClass::Refused, Others::Here);
        let m = run(m, [claim_by("b"), second], after(10));
        assert_eq!((m.status, m.error.as_deref()), (MessageStatus::Failed, Some("+CMS ERROR: 42")));
    }
    let text = Message { kind: Kind::Text, deadline: None, ..refused(Others::Away) };
    let tick = || Event::Tick { min_life: Duration::from_secs(20) };
    assert_eq!(run(text.clone(), [tick()], after(308)).status, MessageStatus::Queued);
    assert_eq!(run(text, [tick()], after(309)).status, MessageStatus::Failed, "not for ever");
}

#[test]
fn an_unknown_outcome_is_tried_again_as_a_twin_or_credited_late() {
    let m = run(message(1), [claim(), unknown("a")], after(0));
    assert_eq!((m.status, m.uncertain, m.reference), (MessageStatus::Queued, true, 7));
    let found = run(m.clone(), [late("a", 0, 9)], after(1));
    assert_eq!((found.status, found.modem_references), (MessageStatus::Sent, vec![9]));
    let refused = step(message(1), late("a", 0, 9), after(1), &Retry::default());
    assert_eq!(refused, Err(Refusal(MessageStatus::Queued)), "no part of it is in doubt");

    // The answer comes while another modem has it, when that has sent it, and when it was given up.
    let elsewhere = run(m.clone(), [claim_by("b")], after(2));
    let found = run(elsewhere.clone(), [late("a", 0, 9)], after(3));
    assert_eq!(held_by(&found), (MessageStatus::Sent, Some("a"), vec!["b"]));
    let found = run(found, [accepted("b", &[20])], after(4));
    assert_eq!(held_by(&found), (MessageStatus::Sent, Some("a"), vec![]));
    assert_eq!((found.modem_references, found.sent_at), (vec![9, 20], Some(after(3).wall())));
    let sent = run(elsewhere, [accepted("b", &[20]), late("a", 0, 9)], after(3));
    assert_eq!(held_by(&sent), (MessageStatus::Sent, Some("b"), vec![]));
    assert_eq!(sent.modem_references, [20, 9]);
    let given_up = run(message(1), [claim(), unknown("a")], after(299));
    assert_eq!(given_up.status, MessageStatus::Failed);
    assert_eq!(run(given_up, [late("a", 0, 9)], after(300)).status, MessageStatus::Sent);
}

#[test]
fn a_late_part_is_one_part() {
    let end = |references: &[u8]| End::Unknown { references: references.to_vec(), reason: String::new() };
    let m = run(message(3), [claim(), ended("a", end(&[50]))], after(0));
    assert_eq!((m.status, m.parts_done), (MessageStatus::Queued, 1));
    let m = run(m, [late("a", 1, 51)], after(1));
    assert_eq!((m.status, m.parts_done, m.uncertain), (MessageStatus::Queued, 2, false));
    // The part in doubt is on the air again: it counts when that send ends.
    let again = run(message(3), [claim(), ended("a", end(&[])), claim(), late("a", 0, 9)], after(3));
    assert_eq!((again.status, again.parts_done), (MessageStatus::Sending, 0));
    assert_eq!(run(again, [accepted("a", &[1, 2, 3])], after(4)).status, MessageStatus::Sent);
}

#[test]
fn a_twin_that_is_refused_as_one_tells_that_the_first_went_out() {
    let duplicate = || rejected(FaultClass::Duplicate, &[]);
    let m = run(message(1), [claim(), unknown("a"), claim(), duplicate()], after(0));
    assert_eq!((m.status, m.sent_at, m.error), (MessageStatus::Sent, Some(after(0).wall()), None));
    let m = run(message(1), [claim(), duplicate()], after(0));
    assert_eq!(m.status, MessageStatus::Failed, "no part of it was in doubt");
    // The first send has no answer yet.
    let duplicate = rejected_by("b", FaultClass::Duplicate, Others::Here);
    let m = run(message(1), [claim(), twin(), duplicate], after(0));
    assert_eq!(held_by(&m), (MessageStatus::Sent, Some("a"), vec!["a"]));
    let m = run(m, [accepted("a", &[9])], after(1));
    assert_eq!((held_by(&m).2.len(), m.modem_references), (0, vec![9]));
}

#[test]
fn not_started_counts_no_attempt_and_found_sending_is_in_doubt() {
    let m = run(message(1), [claim(), not_started("a")], after(4));
    assert_eq!((m.status, m.attempts, m.due_at), (MessageStatus::Queued, 0, after(4).steady()));
    let m = run(message(1), [claim(), Event::FoundSending], after(4));
    assert_eq!((m.status, m.attempts, m.uncertain), (MessageStatus::Queued, 1, true));
    let m = run(message(1), [claim(), twin(), Event::FoundSending], after(4));
    assert_eq!((held_by(&m).0, m.twins.len(), m.uncertain), (MessageStatus::Queued, 0, true));
}

#[test]
fn a_code_with_too_little_life_is_not_sent() {
    let tick = || Event::Tick { min_life: Duration::from_secs(20) };
    assert_eq!(run(message(1), [tick()], after(279)).status, MessageStatus::Queued);
    let m = run(message(1), [tick()], after(280));
    assert_eq!((m.status, m.body.is_some()), (MessageStatus::Expired, false));
    let text = Message { kind: Kind::Text, ..message(1) };
    assert_eq!(run(text, [tick()], after(299)).status, MessageStatus::Queued);
    let late = run(message(1), [claim(), rejected(FaultClass::Transient, &[])], after(299));
    assert_eq!(late.status, MessageStatus::Failed, "there is no time for another try");
}

#[test]
fn a_code_that_waits_may_be_given_up_and_one_on_the_air_may_not() {
    let m = run(message(1), [Event::GivenUp], after(1));
    assert_eq!((m.status, m.body.is_some()), (MessageStatus::Expired, false));
    assert_eq!(m.error.as_deref(), Some("more codes waited than the modems could send in time"));
    let on_air = run(message(1), [claim()], after(1));
    assert!(step(on_air, Event::GivenUp, after(2), &Retry::default()).is_err());
}

#[test]
fn a_code_alone_has_a_twin_and_one_at_a_time() {
    let refused = |m: Message, event| step(m, event, after(0), &Retry::default()).is_err();
    let text = Message { kind: Kind::Text, ..message(1) };
    assert!(refused(run(text, [claim()], after(0)), twin()));
    assert!(refused(message(1), twin()), "no modem has it");
    let m = run(message(1), [claim()], after(0));
    assert!(refused(m.clone(), Event::TwinClaimed { modem: "a".to_owned(), of: "a".to_owned() }));
    assert!(refused(m.clone(), Event::TwinClaimed { modem: "b".to_owned(), of: "c".to_owned() }));
    let other = Refused { modem: "b".to_owned(), until: after(60).steady() };
    assert!(refused(Message { refused: Some(other), ..m.clone() }, twin()), "it was refused there");
    assert!(refused(Message { attempts: 5, ..m.clone() }, twin()), "it was sent as often as is allowed");
    let m = run(m, [twin()], after(0));
    assert_eq!((held_by(&m), m.attempts), ((MessageStatus::Sending, Some("a"), vec!["b"]), 2));
    assert!(refused(m.clone(), Event::TwinClaimed { modem: "c".to_owned(), of: "a".to_owned() }));
    assert!(refused(m, accepted("c", &[1])), "this modem never had it");
}

#[test]
fn the_faster_of_two_makes_it_sent_and_the_other_is_credited() {
    for (first, second) in [("a", "b"), ("b", "a")] {
        for slower in [
            accepted(second, &[9]),
            unknown(second),
            not_started(second),
            rejected_by(second, FaultClass::Recipient, Others::Here),
            rejected_by(second, FaultClass::Refused, Others::Here),
        ] {
            let m = run(message(1), [claim(), twin(), accepted(first, &[8])], after(1));
            assert_eq!(held_by(&m), (MessageStatus::Sent, Some(first), vec![second]));
            let m = run(m, [slower.clone()], after(2));
            assert_eq!(held_by(&m), (MessageStatus::Sent, Some(first), vec![]), "{slower:?}");
            assert_eq!((m.sent_at, m.error.clone()), (Some(after(1).wall()), None));
            assert!(step(m, slower, after(3), &Retry::default()).is_err(), "once");
        }
    }
    let m = run(message(1), [claim(), twin(), accepted("b", &[8]), reported(true)], after(1));
    let m = run(m, [accepted("a", &[9])], after(2));
    assert_eq!((m.status, m.modem_references), (MessageStatus::Delivered, vec![8, 9]));
}

#[test]
fn while_one_of_two_is_on_the_air_it_is_sending() {
    for (first, second) in [("a", "b"), ("b", "a")] {
        for slower in [
            unknown(first),
            not_started(first),
            rejected_by(first, FaultClass::Recipient, Others::Here),
            rejected_by(first, FaultClass::Refused, Others::Here),
            rejected_by(first, FaultClass::Transient, Others::Here),
            rejected_by(first, FaultClass::Modem, Others::Here),
        ] {
            let m = run(message(1), [claim(), twin(), slower.clone()], after(1));
            assert_eq!(held_by(&m), (MessageStatus::Sending, Some(second), vec![]), "{slower:?}");
            let m = run(m, [accepted(second, &[8])], after(2));
            assert_eq!(held_by(&m), (MessageStatus::Sent, Some(second), vec![]), "{slower:?}");
        }
        let m = run(message(1), [claim(), twin(), unknown(first), unknown(second)], after(1));
        assert_eq!((m.status, m.uncertain, m.due_at), (MessageStatus::Queued, true, after(5).steady()));
        let refuse = |modem| rejected_by(modem, FaultClass::Refused, Others::Here);
        let m = run(message(1), [claim(), twin(), refuse(first), refuse(second)], after(1));
        assert_eq!(m.status, MessageStatus::Failed, "two SIMs");
        let m = run(message(1), [claim(), twin(), unknown(first), refuse(second)], after(1));
        assert_eq!((m.status, m.refused.unwrap().modem), (MessageStatus::Queued, second.to_owned()));
    }
}

#[test]
fn a_twin_sends_all_parts_and_what_the_first_had_sent_is_no_part_of_that() {
    let m = run(message(3), [claim(), rejected(FaultClass::Transient, &[50]), claim(), twin()], after(9));
    assert_eq!((m.first_part("a"), m.first_part("b")), (1, 0));
    let first = run(m.clone(), [accepted("b", &[1, 2, 3])], after(10));
    assert_eq!((first.parts_done, first.first_part("a")), (3, 1));
    let end = rejection(FaultClass::Modem, &[51], Attempt::Counted, Others::Here);
    let m = run(m, [ended("a", end)], after(10));
    assert_eq!((m.parts_done, m.first_part("b")), (0, 0));
    let half = rejection(FaultClass::Transient, &[1, 2], Attempt::Counted, Others::Here);
    let m = run(m, [ended("b", half)], after(11));
    assert_eq!((m.status, m.parts_done, m.modem.as_deref()), (MessageStatus::Queued, 2, Some("b")));
}

const MODEMS: [&str; 3] = ["a", "b", "c"];

fn any_event() -> impl Strategy<Value = Event> {
    let modem = || prop::sample::select(&MODEMS[..]);
    let class = prop::sample::select(vec![
        FaultClass::Recipient,
        FaultClass::Refused,
        FaultClass::Transient,
        FaultClass::Modem,
        FaultClass::Sim,
        FaultClass::Duplicate,
    ]);
    let others = prop::sample::select(vec![Others::Nobody, Others::Away, Others::Here]);
    let attempt = prop::sample::select(vec![Attempt::Counted, Attempt::Free]);
    let references = prop::sample::select(vec![vec![], vec![1]]);
    let rejected = (modem(), class, references.clone(), attempt, others).prop_map(
        |(modem, class, taken, attempt, others)| ended(modem, rejection(class, &taken, attempt, others)),
    );
    let unknown = (modem(), references)
        .prop_map(|(modem, references)| ended(modem, End::Unknown { references, reason: String::new() }));
    prop_oneof![
        6 => modem().prop_map(claim_by),
        6 => (modem(), modem()).prop_map(|(modem, of)| {
            Event::TwinClaimed { modem: modem.to_owned(), of: of.to_owned() }
        }),
        2 => modem().prop_map(|modem| accepted(modem, &[1, 2])),
        6 => rejected,
        4 => unknown,
        2 => modem().prop_map(not_started),
        2 => (modem(), 0_u8..2).prop_map(|(modem, part)| late(modem, part, 3)),
        1 => Just(Event::FoundSending),
        1 => Just(Event::GivenUp),
        1 => Just(Event::Tick { min_life: Duration::from_secs(20) }),
        1 => any::<bool>().prop_map(reported),
        1 => Just(Event::Cancel),
    ]
}

proptest! {
    /// In any order of events, a message that is not over waits or is on the air, through the modems that
    /// took it and did not end; its text exists exactly while it may still be sent; it becomes sent once; it
    /// has at most one twin, and only a code has one; a message that is over is not sent again.
    #[test]
    fn nothing_is_lost_and_sent_is_once(
        code: bool,
        events in prop::collection::vec((any_event(), 0_u64..10), 0..80),
    ) {
        let mut m = message(2);
        if !code {
            (m.kind, m.deadline) = (Kind::Text, None);
        }
        let mut passed = 0;
        let mut has_it: Vec<&str> = Vec::new();
        let (mut sent, mut crashes) = (0, 0);
        for (event, seconds) in events {
            passed += seconds;
            let now = after(passed);
            let before = m.clone();
            let Ok(next) = step(m.clone(), event.clone(), now, &Retry::default()) else { continue };
            m = next;
            let name = |modem: &str| *MODEMS.iter().find(|known| **known == modem).unwrap();
            match &event {
                Event::Claimed { modem } => {
                    prop_assert!(has_it.is_empty());
                    has_it.push(name(modem));
                }
                Event::TwinClaimed { modem, .. } => {
                    prop_assert!(has_it.len() == 1 && !has_it.contains(&modem.as_str()) && code);
                    has_it.push(name(modem));
                }
                Event::Ended { modem, end } => {
                    let place = has_it.iter().position(|known| known == modem);
                    prop_assert!(place.is_some(), "this modem did not have it");
                    has_it.remove(place.unwrap());
                    let taken = matches!(end, End::Accepted { .. });
                    prop_assert!(!taken || m.sent_at.is_some());
                }
                Event::FoundSending => {
                    has_it.clear();
                    crashes += 1;
                }
                _ => {}
            }
            let mut holders: Vec<_> = m.twins.iter().map(|twin| twin.modem.as_str()).collect();
            if m.status == MessageStatus::Sending {
                holders.extend(m.modem.as_deref());
            }
            holders.sort_unstable();
            let mut known = has_it.clone();
            known.sort_unstable();
            prop_assert_eq!(holders, known, "{:?}", event);
            match m.status {
                MessageStatus::Queued => prop_assert!(has_it.is_empty()),
                MessageStatus::Sending => prop_assert!((1..=2).contains(&has_it.len())),
                _ => {}
            }
            prop_assert!(!before.status.is_over() || m.status.is_over());
            prop_assert_eq!(m.body.is_some(), !m.status.is_over());
            sent += u32::from(m.status == MessageStatus::Sent && before.status != MessageStatus::Sent);
            prop_assert!(sent <= 1 && m.attempts <= 5 + crashes);
            prop_assert!(m.sent_at.is_none() || before.sent_at.is_none() || m.sent_at == before.sent_at);
        }
    }
}
