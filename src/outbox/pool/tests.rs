//! Known choices, and what holds in any order of events: no message is lost or doubled, no modem waits beside
//! a message that it may send, and nothing waits for an instant that nobody is told.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::clock::{Ahead, Life};
use crate::outbox::step::tests::message;
use crate::outbox::{FaultClass, Kind, MessageStatus, Recipients, Refused, SendEnd};

const START: Steady = Steady::from_millis(1_780_000_000_000);

fn after(seconds: u64) -> Steady {
    START.plus(Duration::from_secs(seconds))
}

fn code(n: u64, to: &str) -> Message {
    let id = MessageId::first_at(START.plus(Duration::from_millis(n)));
    Message { id, to: to.parse().unwrap(), deadline: Some(Life::until(after(300))), ..message(1) }
}

fn text(n: u64, to: &str) -> Message {
    Message { kind: Kind::Text, deadline: None, ..code(n, to) }
}

fn routes(prefixes: &[&str]) -> ModemRules {
    ModemRules { routes: Some(prefixes.iter().map(ToString::to_string).collect()), ..ModemRules::default() }
}

/// Modems m0, m1, … that wait.
fn pool(rules: Vec<ModemRules>) -> Pool {
    let named = rules.into_iter().enumerate().map(|(i, rules)| (format!("m{i}"), rules));
    let mut pool = Pool::new(Duration::from_secs(20), BreakerRules::default(), named);
    for modem in 0..pool.members.len() {
        assert_eq!(pool.next(modem, START), None);
    }
    pool
}

/// The modem that gets a message, and ends it at once.
fn sent_by(pool: &mut Pool, m: &Message, now: Steady) -> Option<usize> {
    let modem = pool.push(m, hash(m.to.as_str()), vec![], now)?;
    let entry = pool.next(modem, now).unwrap();
    assert_eq!(entry.id, m.id);
    finish(pool, modem, &entry, SendEnd::Sent, now);
    assert_eq!(pool.next(modem, now), None);
    Some(modem)
}

fn finish(pool: &mut Pool, modem: usize, entry: &Entry, end: SendEnd, now: Steady) -> Accounting {
    let parts = if end == SendEnd::Sent { entry.parts.into() } else { 0 };
    let (recipient, due_at) = (entry.recipient, START);
    pool.settle(modem, &EndedSend { recipient, parts, end, due_at, why: "network out of order" }, now)
}

const FAILED: SendEnd = SendEnd::Failed(FaultClass::Transient);

fn hash(number: &str) -> u64 {
    number.bytes().fold(7_u64, |hash, b| hash.wrapping_mul(31).wrapping_add(b.into()))
}

const SWISS: &str = "+41791234567";
const GERMAN: &str = "+491791234567";

#[test]
fn each_reason_yields_to_the_one_before() {
    let fit = Fit { route: 0, at_home: true, nearness: 0 };
    let plain = Fitness { fresh: true, fit, used: Reverse(500), turn: Reverse(9) };
    let best = Fitness { used: Reverse(0), turn: Reverse(0), ..plain };
    let worst = Fitness { used: Reverse(1000), turn: Reverse(99), ..plain };
    let ladder = [
        Fitness { fresh: false, fit: Fit { route: 5, nearness: 4, ..fit }, ..best },
        Fitness { fit: Fit { at_home: false, nearness: 4, ..fit }, ..best },
        Fitness { used: Reverse(600), turn: Reverse(0), ..plain },
        plain,
        Fitness { turn: Reverse(8), ..plain },
        Fitness { used: Reverse(499), turn: Reverse(99), ..plain },
        Fitness { fit: Fit { nearness: 1, ..fit }, ..worst },
        Fitness { fit: Fit { nearness: 2, ..fit }, ..worst },
        Fitness { fit: Fit { route: 3, at_home: false, ..fit }, ..worst },
        Fitness { fit: Fit { route: 4, at_home: false, ..fit }, ..worst },
    ];
    assert!(ladder.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(choose([(3, ladder[4]), (5, ladder[9]), (7, ladder[0])]), Some(5));
    assert_eq!(choose([(3, plain), (5, plain)]), Some(3), "of equal ones the first");
    assert_eq!(choose([]), None);
}

#[test]
fn the_longest_route_goes_first_and_others_help_out() {
    let mut pool =
        pool(vec![ModemRules::default(), routes(&["+41"]), routes(&["+4179", "+49"]), routes(&["+1"])]);
    assert_eq!(sent_by(&mut pool, &code(1, SWISS), START), Some(2));
    assert_eq!(sent_by(&mut pool, &code(2, "+41761234567"), START), Some(1));
    assert_eq!(sent_by(&mut pool, &code(3, "+33712345678"), START), Some(0));
    let rush: Vec<_> = (4..8).map(|n| code(n, SWISS)).collect();
    let to: Vec<_> = rush.iter().map(|m| pool.push(m, 0, vec![], START)).collect();
    assert_eq!(to, [Some(2), Some(1), Some(0), None], "m3 may not send it, and the fourth message waits");
    assert_eq!((pool.depths(), pool.len()), ((1, 0, 0), 4));
    assert_eq!(pool.next(1, START).unwrap().id, rush[1].id);
    assert_eq!(pool.next(1, START).unwrap().id, rush[3].id, "the modem that is free first");
}

#[test]
fn home_goes_before_abroad_and_one_country_before_another() {
    let mut pool = pool(vec![ModemRules::default(), ModemRules::default(), ModemRules::default()]);
    for (modem, imsi, roaming) in
        [(0, "262011234567890", false), (1, "228011234567890", true), (2, "228019876543210", false)]
    {
        pool.set_home(modem, Home::of(imsi));
        pool.set_roaming(modem, roaming);
    }
    for n in 0..6 {
        assert_eq!(sent_by(&mut pool, &code(n, SWISS), START), Some(2));
        assert_eq!(sent_by(&mut pool, &code(n, GERMAN), START), Some(0));
    }
    assert_eq!(pool.push(&code(7, GERMAN), 0, vec![], START), Some(0));
    assert_eq!(pool.push(&code(8, GERMAN), 0, vec![], START), Some(2));
    assert_eq!(pool.push(&code(9, GERMAN), 0, vec![], START), Some(1), "roaming, but free");
}

#[test]
fn shares_are_fair_by_allowance_and_by_health() {
    let monthly = |limit| ModemRules { max_per_month: Some(limit), ..ModemRules::default() };
    let mut limited = pool(vec![monthly(300), monthly(100)]);
    let mut sent = [0; 2];
    for n in 0..100 {
        sent[sent_by(&mut limited, &text(n, SWISS), START).unwrap()] += 1;
    }
    assert_eq!(sent, [75, 25]);

    let mut free = pool(vec![ModemRules::default(), ModemRules::default(), ModemRules::default()]);
    for _ in 0..7 {
        free.observe(2, Observation::Failed, START);
    }
    let mut sent = [0; 3];
    for n in 0..248 {
        let modem = free.push(&text(n, SWISS), 1, vec![], START).unwrap();
        let entry = free.next(modem, START).unwrap();
        finish(&mut free, modem, &entry, SendEnd::NotBegun, START);
        free.next(modem, START);
        sent[modem] += 1;
    }
    assert_eq!(sent, [100, 100, 48], "0.9^7 = 48 %");
}

#[test]
fn who_comes_late_does_not_catch_up() {
    let mut pool = pool(vec![ModemRules::default(), ModemRules::default()]);
    pool.leave(1, START);
    for n in 0..100 {
        assert_eq!(sent_by(&mut pool, &text(n, SWISS), START), Some(0));
    }
    pool.next(1, START);
    let row: Vec<_> = (0..6).filter_map(|n| sent_by(&mut pool, &text(n, SWISS), START)).collect();
    assert_eq!(row.iter().filter(|&&modem| modem == 0).count(), 3, "{row:?}");
}

#[test]
fn the_modem_that_failed_comes_last() {
    let mut pool = pool(vec![routes(&["+41"]), ModemRules::default()]);
    let m = Message { attempts: 1, modem: Some("m0".to_owned()), ..code(1, SWISS) };
    assert_eq!(sent_by(&mut pool, &m, START), Some(1));
    pool.leave(1, START);
    assert_eq!(sent_by(&mut pool, &m, START), Some(0), "better than no modem");
}

#[test]
fn a_reserve_keeps_texts_waiting_and_lets_codes_through() {
    let rules = ModemRules { max_per_day: Some(10), reserve: 20, ..ModemRules::default() };
    let mut pool = pool(vec![rules]);
    for n in 0..8 {
        assert_eq!(sent_by(&mut pool, &text(n, SWISS), START), Some(0));
    }
    assert_eq!(sent_by(&mut pool, &text(8, SWISS), START), None);
    let tomorrow = pool.next_wake().unwrap();
    assert!(tomorrow.as_millis().is_multiple_of(86_400_000) && tomorrow > START);
    assert_eq!(sent_by(&mut pool, &code(9, SWISS), START), Some(0));
    assert_eq!(sent_by(&mut pool, &code(10, SWISS), START), Some(0));
    let late = Message { deadline: None, ..code(11, SWISS) };
    assert_eq!(sent_by(&mut pool, &late, START), None, "the day is over");
    assert_eq!(pool.advance(tomorrow).1, [0]);
    assert_eq!(pool.next(0, tomorrow).unwrap().id, late.id);
}

#[test]
fn only_known_recipients_when_the_month_is_full() {
    let rules = ModemRules { max_recipients_per_month: Some(2), ..ModemRules::default() };
    let mut pool = pool(vec![rules]);
    let t = Periods::at(START, Ahead::default());
    pool.set_sim(0, Sim { recipients: Recipients::new(t.month, [hash(GERMAN)]), ..Sim::default() });
    pool.next(0, START);
    assert_eq!(sent_by(&mut pool, &code(1, SWISS), START), Some(0));
    assert_eq!(pool.condition(0, START).recipients_this_month, 2);
    let third = Message { deadline: None, ..code(2, "+33712345678") };
    assert_eq!(sent_by(&mut pool, &third, START), None);
    assert_eq!(sent_by(&mut pool, &code(3, GERMAN), START), Some(0));
    let next_month = pool.next_wake().filter(|&at| at > after(300)).unwrap();
    assert_eq!(Periods::at(next_month, Ahead::default()).month, t.month + 1);
    assert_eq!(pool.advance(next_month).1, [0]);
}

#[test]
fn a_breaker_turns_traffic_away_and_tries_again() {
    let mut pool = pool(vec![routes(&["+41"]), ModemRules::default()]);
    for n in 0..5 {
        let m = code(n, &format!("+4179123456{n}"));
        assert_eq!(pool.push(&m, n, vec![], START), Some(0));
        let entry = pool.next(0, START).unwrap();
        let accounting = finish(&mut pool, 0, &entry, FAILED, START);
        let opened = (n == 4).then_some(Circuit::Open { until: after(60) });
        assert_eq!(accounting.circuit, opened);
        assert_eq!(pool.next(0, START), None);
    }
    assert_eq!(pool.condition(0, START).why, "network out of order");
    assert_eq!(sent_by(&mut pool, &code(6, SWISS), START), Some(1));
    let taken = code(7, SWISS);
    let waits = code(8, SWISS);
    assert_eq!(pool.push(&taken, 0, vec![], START), Some(1));
    assert_eq!(pool.push(&waits, 0, vec![], START), None, "the message waits for the other modem");
    assert_eq!(pool.next_wake(), Some(after(60)));
    assert_eq!(pool.advance(after(60)).1, [0]);
    assert_eq!(pool.condition(0, after(60)).circuit, Circuit::HalfOpen);
    let entry = pool.next(0, after(60)).unwrap();
    let accounting = finish(&mut pool, 0, &entry, SendEnd::Sent, after(60));
    assert_eq!((entry.id, accounting.circuit), (waits.id, Some(Circuit::Closed)));
}

#[test]
fn a_modem_that_leaves_gives_back_what_it_was_given() {
    let mut pool = pool(vec![routes(&["+41"]), ModemRules::default()]);
    let m = code(1, SWISS);
    assert_eq!(pool.push(&m, 0, vec![], START), Some(0));
    assert_eq!(pool.leave(0, START), Some(1));
    assert_eq!(pool.leave(1, START), None);
    assert_eq!((pool.len(), pool.depths()), (1, (1, 0, 0)));
    assert_eq!(pool.next(0, START).unwrap().id, m.id);

    let withdrawn = code(2, SWISS);
    pool.next(1, START);
    assert_eq!(pool.push(&withdrawn, 0, vec![], START), Some(1));
    pool.remove(withdrawn.id);
    assert_eq!(pool.next(1, START), None, "there is no message, and the modem waits again");
    assert_eq!(pool.push(&code(3, SWISS), 0, vec![], START), Some(1));
}

#[test]
fn a_refused_message_is_offered_to_another_modem_and_the_pool_knows_whether_there_is_one() {
    let mut pool = pool(vec![routes(&["+41"]), ModemRules::default(), routes(&["+49"])]);
    let refused = |modem: &str| Some(Refused { modem: modem.to_owned(), until: after(300) });
    let m = Message { refused: refused("m0"), modem: Some("m0".to_owned()), attempts: 1, ..text(1, SWISS) };
    assert_eq!(sent_by(&mut pool, &m, START), Some(1));
    pool.leave(1, START);
    assert_eq!(pool.push(&m, 0, vec![], START), None, "m0 may not send it again, and m2 has no route");
    assert_eq!(pool.next(0, START), None);
    assert_eq!(pool.next_wake(), Some(after(300)));
    assert_eq!(pool.next(1, START).unwrap().id, m.id, "the first that comes back");

    let m = text(2, SWISS);
    assert_eq!(pool.others(&m, 0, START), Others::Here, "a busy modem is in service");
    assert_eq!(pool.others(&m, 1, START), Others::Here);
    pool.leave(1, START);
    assert_eq!(pool.others(&m, 0, START), Others::Away);
    assert_eq!(pool.others(&Message { refused: refused("m1"), ..m.clone() }, 0, START), Others::Nobody);
    assert_eq!(
        pool.others(&Message { wanted_modem: refused("m0").map(|r| r.modem), ..m.clone() }, 0, START),
        Others::Nobody
    );
    assert_eq!(pool.others(&text(3, "+33712345678"), 1, START), Others::Nobody, "no route");
    pool.next(1, START);
    for n in 0..5 {
        let done = EndedSend { recipient: n, parts: 0, end: FAILED, due_at: START, why: "x" };
        pool.settle(1, &done, START);
    }
    assert_eq!(pool.others(&m, 0, START), Others::Away, "its breaker is open");
}

#[test]
fn a_twin_waits_for_the_first_modem_that_becomes_free_but_the_silent_one() {
    let mut pool = pool(vec![ModemRules::default(), ModemRules::default()]);
    let on_air = |m: &Message| Message {
        status: MessageStatus::Sending,
        modem: Some("m0".to_owned()),
        attempts: 1,
        ..m.clone()
    };
    let (silent, other) = (code(1, SWISS), code(2, GERMAN));
    assert_eq!(
        (pool.push(&silent, 0, vec![], START), pool.push(&other, 1, vec![], START)),
        (Some(0), Some(1))
    );
    pool.next(0, START);
    pool.next(1, START);
    assert_eq!(pool.push_twin(&on_air(&silent), 0, vec![], after(8)), None, "nobody is free");
    assert_eq!((pool.len(), pool.depths()), (0, (0, 0, 0)), "the message itself does not wait");
    let entry = pool.next(1, after(9)).unwrap();
    assert_eq!((entry.id, entry.twin_of.as_deref()), (silent.id, Some("m0")));
    assert_eq!(pool.next(1, after(10)), None);
    // A free modem gets it at once, and gives it back when the message is withdrawn.
    assert_eq!(pool.push_twin(&on_air(&silent), 0, vec![], after(11)), Some(1));
    pool.remove(silent.id);
    assert_eq!(pool.next(1, after(11)), None);
    let failed = vec![("m1".to_owned(), after(20))];
    assert_eq!(pool.push_twin(&on_air(&silent), 0, failed, after(11)), None, "the modem just failed with it");
    assert_eq!(pool.next_wake(), Some(after(20)));
    assert_eq!(pool.advance(after(20)), (vec![], vec![1]));
    assert_eq!(pool.leave(1, after(21)), None);
    assert_eq!(pool.next(0, after(22)), None, "not the silent modem");
}

/// No modem waits beside a message that it may send, and every change by time has its instant.
fn assert_at_rest(pool: &Pool, now: Steady) {
    let t = Periods::at(now, Ahead::default());
    for member in pool.members.iter().filter(|m| m.waits()) {
        for entry in pool.queue.ready() {
            match member.verdict(entry, &member.gate(&t), &t) {
                Verdict::Yes(_) => panic!("{} waits beside a message at {now:?}", member.name),
                Verdict::At(at) => {
                    let wake = pool.next_wake().expect("a moment to look again");
                    assert!(wake <= at, "{} would be looked at at {wake:?}, not at {at:?}", member.name);
                }
                Verdict::No => {}
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Push {
        otp: bool,
        to: usize,
        pinned: Option<usize>,
        delay: u64,
        life: u64,
        parts: u8,
    },
    Ask(usize),
    Leave(usize),
    /// How a modem's send ends: sent, failed, not begun.
    End(usize, u8),
    /// A modem does not answer to what it has.
    Silent(usize),
    Wait(u64),
    Withdraw(usize),
    Resume(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push =
        (any::<bool>(), 0_usize..6, prop::option::weighted(0.1, 0_usize..4), 0_u64..3, 20_u64..400, 1_u8..3)
            .prop_map(|(otp, to, pinned, delay, life, parts)| {
                let delay = if delay == 2 { 45 } else { 0 };
                Step::Push { otp, to, pinned, delay, life, parts }
            });
    let step = prop_oneof![
        6 => push,
        4 => (0_usize..4).prop_map(Step::Ask),
        1 => (0_usize..4).prop_map(Step::Leave),
        5 => (0_usize..4, 0_u8..4).prop_map(|(modem, how)| Step::End(modem, how)),
        2 => (0_usize..4).prop_map(Step::Silent),
        3 => prop_oneof![0_u64..30, 0_u64..4000, Just(86_400)].prop_map(Step::Wait),
        1 => (0_usize..20).prop_map(Step::Withdraw),
        1 => (0_usize..4).prop_map(Step::Resume),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn nothing_waits_in_vain_and_nothing_is_lost(steps in steps(), limits: [bool; 4]) {
        let limited = ModemRules {
            max_per_minute: Some(2),
            max_per_day: Some(8),
            max_per_month: Some(20),
            max_recipients_per_month: Some(3),
            reserve: 50,
            ..ModemRules::default()
        };
        let kinds = [limited.clone(), routes(&["+41"]), ModemRules { routes: routes(&["+4179", "+49"]).routes, ..limited }, ModemRules::default()];
        let rules = (0..4).map(|i| if limits[i] { kinds[i].clone() } else { ModemRules::default() });
        let mut pool = pool(rules.collect());
        let numbers = [SWISS, "+41791234568", "+41761234567", GERMAN, "+491791234568", "+33712345678"];
        let mut now = START;
        let mut known: Vec<Message> = Vec::new();
        // Where each message is: in the pool, or with a modem; a message that is over is in neither.
        let mut inside: BTreeSet<MessageId> = BTreeSet::new();
        let mut held: [Option<Entry>; 4] = [None, None, None, None];
        let mut over: BTreeSet<MessageId> = BTreeSet::new();
        // The messages that wait for a second modem.
        let mut twins: BTreeSet<MessageId> = BTreeSet::new();
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push { otp, to, pinned, delay, life, parts } => {
                    let m = if otp { code(n as u64, numbers[to]) } else { text(n as u64, numbers[to]) };
                    let m = Message {
                        due_at: now.plus(Duration::from_secs(delay)),
                        deadline: m.deadline.map(|_| Life::until(now.plus(Duration::from_secs(life)))),
                        wanted_modem: pinned.map(|i| format!("m{i}")),
                        parts,
                        ..m
                    };
                    inside.insert(m.id);
                    pool.push(&m, hash(numbers[to]), vec![], now);
                    known.push(m);
                }
                // A modem that has a message asks for none.
                Step::Ask(modem) if held[modem].is_none() => {
                    if let Some(entry) = pool.next(modem, now) {
                        let given = if entry.twin_of.is_some() { &mut twins } else { &mut inside };
                        prop_assert!(given.remove(&entry.id), "given twice");
                        let has_it = held.iter().flatten().filter(|known| known.id == entry.id).count();
                        prop_assert_eq!(has_it, usize::from(entry.twin_of.is_some()));
                        let own = format!("m{modem}");
                        prop_assert!(entry.pinned.as_ref().is_none_or(|name| *name == own));
                        held[modem] = Some(entry);
                    }
                }
                Step::Leave(modem) => drop(pool.leave(modem, now)),
                Step::End(modem, how) => {
                    let Some(entry) = held[modem].take() else { continue };
                    let end = [SendEnd::Sent, FAILED, SendEnd::Unknown, SendEnd::NotBegun][usize::from(how)];
                    finish(&mut pool, modem, &entry, end, now);
                    let other = held.iter().flatten().any(|known| known.id == entry.id);
                    if end == SendEnd::Sent || !other {
                        twins.remove(&entry.id);
                        pool.remove(entry.id);
                    }
                    if end == SendEnd::Sent {
                        over.insert(entry.id);
                    } else if !other && !over.contains(&entry.id) {
                        let m = known.iter().find(|m| m.id == entry.id).unwrap();
                        let m = Message { due_at: now, attempts: 1, modem: Some(format!("m{modem}")), ..m.clone() };
                        let until = now.plus(Duration::from_secs(2));
                        let avoid = if how == 3 { vec![(format!("m{modem}"), until)] } else { vec![] };
                        inside.insert(m.id);
                        pool.push(&m, entry.recipient, avoid, now);
                    }
                }
                Step::Wait(seconds) => {
                    let until = now.plus(Duration::from_secs(seconds));
                    // The pool is advanced whenever it asks for that, and not more often.
                    while let Some(wake) = pool.next_wake().filter(|&wake| wake <= until) {
                        now = now.max(wake);
                        let overdue = pool.advance(now).0;
                        for id in overdue.into_iter().chain(pool.take_given_up()) {
                            prop_assert!(inside.remove(&id) || twins.remove(&id), "overdue twice");
                        }
                        assert_at_rest(&pool, now);
                    }
                    now = until;
                }
                Step::Withdraw(i) => {
                    if let Some(m) = known.get(i) && inside.remove(&m.id) {
                        pool.remove(m.id);
                    }
                }
                Step::Silent(modem) => {
                    let Some(entry) = held[modem].as_ref() else { continue };
                    let has_it = held.iter().flatten().filter(|known| known.id == entry.id).count();
                    if entry.otp && has_it == 1 && !over.contains(&entry.id) && !twins.contains(&entry.id) {
                        let m = known.iter().find(|m| m.id == entry.id).unwrap();
                        let m = Message { modem: Some(format!("m{modem}")), attempts: 1, ..m.clone() };
                        twins.insert(m.id);
                        pool.push_twin(&m, entry.recipient, vec![], now);
                    }
                }
                Step::Resume(modem) => {
                    pool.try_now(modem, now);
                    let mut overdue = pool.advance(now).0;
                    overdue.extend(pool.take_given_up());
                    inside.retain(|id| !overdue.contains(id));
                    twins.retain(|id| !overdue.contains(id));
                }
                Step::Ask(_) => {}
            }
            assert_at_rest(&pool, now);
            prop_assert_eq!(pool.len(), inside.len());
        }
    }
}
