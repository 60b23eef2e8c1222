//! Parts in every order.

use super::super::compose::{Submission, compose};
use super::super::decode::{Framing, decode};
use super::super::parse::Strictness;
use super::super::text::language::ShiftTables;
use super::super::tpdu::Direction;
use super::*;

const START: Duration = Duration::from_secs(1_700_000_000);

fn parts_of(text: &str, reference: u8) -> Vec<UserData> {
    let submission = Submission { concatenation_reference: reference, ..Submission::new("1", text) };
    let parts = compose(&submission).unwrap().parts;
    parts
        .iter()
        .map(|part| {
            let read = decode(&part.pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict).unwrap();
            read.tpdu.user_data().unwrap().clone()
        })
        .collect()
}

fn text_of(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Complete(message) => message.to_text().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn units(text: &str) -> Fragment {
    Fragment::Units(text.encode_utf16().collect())
}

fn place(reference: u8, total: u8, sequence: u8) -> Concatenation {
    Concatenation { reference: Reference::Eight(reference), total, sequence }
}

#[test]
fn a_single_part_is_whole() {
    let mut parts = Reassembler::new(Limits::default());
    let (arrival, gave_way) = parts.accept(START, "+1", &parts_of("hello", 0)[0]);
    assert_eq!((text_of(&arrival).as_str(), gave_way.len()), ("hello", 0));
    assert!(parts.pending().is_empty());
}

#[test]
fn two_messages_interleaved_with_duplicates() {
    let (one, two) = ("first ".repeat(60), "второе ".repeat(30));
    let (a, b) = (parts_of(&one, 7), parts_of(&two, 7));
    let mut parts = Reassembler::new(Limits::default());
    let mut seen = Vec::new();
    let mut duplicates = 0;
    for i in (0..a.len().max(b.len())).rev() {
        for (from, list) in [("+1", &a), ("+2", &b)] {
            let Some(part) = list.get(i) else { continue };
            for _ in 0..2 {
                match parts.accept(START, from, part).0 {
                    Arrival::Complete(message) => {
                        seen.push(message.to_text().unwrap());
                        break;
                    }
                    Arrival::Duplicate => duplicates += 1,
                    Arrival::Waiting { .. } => {}
                }
            }
        }
    }
    assert_eq!(seen, [one, two]);
    assert_eq!(duplicates, a.len() + b.len() - 2);
    assert!(parts.pending().is_empty());
}

#[test]
fn a_missing_part_times_out() {
    let limits = Limits { timeout: Duration::from_secs(60), ..Limits::default() };
    let mut parts = Reassembler::new(limits);
    parts.accept_part(START, "+1", place(1, 3, 3), units("c"));
    parts.accept_part(START, "+1", place(1, 3, 1), units("a"));
    let expiry = parts.next_expiry().unwrap();
    let just_before = START + Duration::new(59, 999_999_999);
    assert_eq!(expiry, START + limits.timeout);
    assert!(parts.expire(just_before).is_empty());
    // A caller that sleeps until then finds something to do.
    let expired = parts.expire(expiry);
    assert_eq!(expired.len(), 1);
    assert_eq!((expired[0].missing(), expired[0].to_text().as_deref()), (vec![2], Some("ac")));
    assert_eq!(parts.next_expiry(), None);
}

#[test]
fn a_reference_that_went_round() {
    let mut parts = Reassembler::new(Limits::default());
    parts.accept_part(START, "+1", place(1, 2, 1), units("old"));
    let (arrival, gave_way) = parts.accept_part(START, "+1", place(1, 2, 1), units("new"));
    assert_eq!(arrival, Arrival::Waiting { have: 1, total: 2 });
    assert_eq!(gave_way[0].to_text().as_deref(), Some("old"));
    let (arrival, _) = parts.accept_part(START, "+1", place(1, 2, 2), units("er"));
    assert_eq!(text_of(&arrival), "newer");
    // Another total, or a reference of another width, makes another message.
    parts.accept_part(START, "+1", place(1, 2, 1), units("x"));
    parts.accept_part(START, "+1", place(1, 3, 1), units("y"));
    let wide = Concatenation { reference: Reference::Sixteen(1), total: 2, sequence: 2 };
    assert_eq!(parts.accept_part(START, "+1", wide, units("z")).0, Arrival::Waiting { have: 1, total: 2 });
    assert_eq!(parts.pending().len(), 3);
}

#[test]
fn memory_is_bounded() {
    let limits = Limits { messages: 3, parts: 5, ..Limits::default() };
    let mut parts = Reassembler::new(limits);
    let mut gone = Vec::new();
    for reference in 0..10 {
        for sequence in 1..=2 {
            let now = START + Duration::from_secs(reference.into());
            gone.extend(parts.accept_part(now, "+1", place(reference, 3, sequence), units("t")).1);
            assert!(parts.pending().len() <= 3);
            assert!(parts.pending().iter().map(|m| m.parts.len()).sum::<usize>() <= 5);
        }
    }
    assert_eq!(gone.len() + parts.pending().len(), 10);
    assert!(gone.is_sorted_by_key(|message| message.since));
}

#[test]
fn pairs_that_a_border_cut() {
    let mut parts = Reassembler::new(Limits::default());
    parts.accept_part(START, "+1", place(1, 2, 2), Fragment::Units(vec![0xde01, 0x21]));
    let (arrival, _) = parts.accept_part(START, "+1", place(1, 2, 1), Fragment::Units(vec![0xd83d]));
    assert_eq!(text_of(&arrival), "😁!");
    let septets = |s: &[u8]| Fragment::Septets(s.to_vec(), ShiftTables::NONE);
    parts.accept_part(START, "+1", place(2, 2, 1), septets(&[0x41, 0x1b]));
    let (arrival, _) = parts.accept_part(START, "+1", place(2, 2, 2), septets(&[0x65, 0x42]));
    assert_eq!(text_of(&arrival), "A€B");
}

#[test]
fn data_is_joined_as_data() {
    let mut parts = Reassembler::new(Limits::default());
    parts.accept_part(START, "+1", place(1, 2, 1), Fragment::Octets(vec![1, 2]));
    let (arrival, _) = parts.accept_part(START, "+1", place(1, 2, 2), Fragment::Octets(vec![3]));
    let Arrival::Complete(message) = arrival else { panic!() };
    assert_eq!((message.to_data(), message.to_text(), message.part_count()), (Some(vec![1, 2, 3]), None, 2));
}

#[test]
fn the_state_survives() {
    let text = "durable ".repeat(50);
    let list = parts_of(&text, 9);
    let mut parts = Reassembler::new(Limits::default());
    for part in &list[1..] {
        parts.accept(START, "+1", part);
    }
    let exported = parts.pending().to_vec();
    let mut again = Reassembler::with_pending(Limits::default(), exported.clone());
    assert_eq!(again, parts);
    assert_eq!(text_of(&again.accept(START, "+1", &list[0]).0), text);
    let mut impossible = exported[0].clone();
    impossible.parts[0].0 = 0;
    let mut whole = exported[0].clone();
    whole.total = 2;
    assert!(Reassembler::with_pending(Limits::default(), [impossible, whole]).pending().is_empty());
}

#[test]
fn debug_shows_no_text() {
    let mut parts = Reassembler::new(Limits::default());
    parts.accept_part(START, "+41791234567", place(1, 2, 1), units("123456"));
    let shown = format!("{parts:?}");
    assert!(!shown.contains("1234"), "{shown}");
}
