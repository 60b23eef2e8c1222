//! Who is let in, in which order codes go, and who is given up, over jumped time.

use proptest::prelude::*;

use super::*;
use crate::clock::Life;
use crate::outbox::step::tests::message;
use crate::outbox::{BreakerRules, EndedSend, ModemRules, SendEnd};

/// At the beginning of a minute.
const START: Steady = Steady::from_millis(1_780_000_020_000);
const SWISS: &str = "+41791234567";
const GERMAN: &str = "+491791234567";

fn after(seconds: u64) -> Steady {
    START.plus(Duration::from_secs(seconds))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The only client.
fn asker() -> Asker {
    Asker::default()
}

fn code(n: u64, to: &str, now: Steady) -> Message {
    let id = MessageId::first_at(START.plus(Duration::from_millis(n)));
    Message { id, to: to.parse().unwrap(), deadline: Some(Life::until(now.plus(seconds(300)))), ..message(1) }
}

/// Modems that wait, each of which took three seconds for a part.
fn pool(rules: Vec<ModemRules>) -> Pool {
    let named = rules.into_iter().enumerate().map(|(i, rules)| (format!("m{i}"), rules));
    let mut pool = Pool::new(seconds(20), BreakerRules::default(), named);
    for modem in 0..pool.members.len() {
        assert_eq!(pool.next(modem, START), None);
        pool.members[modem].pace.record(seconds(3), 1);
    }
    pool
}

/// Adds codes that are let in, one after the other, until one is not; at most 100.
fn fill(pool: &mut Pool, first: u64, to: &str, now: Steady) -> u64 {
    for n in 0..100 {
        let m = code(first + n, to, now);
        if pool.admit(&m, &asker(), first + n, now).is_err() {
            return n;
        }
        if let Some(modem) = pool.push(&m, first + n, vec![], now) {
            pool.next(modem, now).expect("it was given one");
        }
    }
    100
}

/// The modem's send ends, and it takes the next message.
fn turn(pool: &mut Pool, modem: usize, now: Steady) -> Option<MessageId> {
    let done = EndedSend { recipient: 0, parts: 1, end: SendEnd::Sent, due_at: START, why: "" };
    pool.settle(modem, &done, now);
    pool.next(modem, now).map(|entry| entry.id)
}

#[test]
fn as_many_are_let_in_as_begin_in_time_and_fewer_once_one_was_refused() {
    let mut one = pool(vec![ModemRules::default()]);
    assert_eq!(fill(&mut one, 0, SWISS, START), 2, "at once, and in three seconds");
    assert_eq!(fill(&mut one, 10, SWISS, after(1)), 0, "five seconds is the most, but one was refused");
    let mut four = pool(vec![ModemRules::default(); 4]);
    assert_eq!(fill(&mut four, 0, SWISS, START), 8);
    assert_eq!(fill(&mut four, 10, SWISS, START), 0);
    let mut patient = pool(vec![ModemRules::default()]);
    patient.set_max_wait(seconds(30));
    assert_eq!(fill(&mut patient, 0, SWISS, START), 11);
    assert_eq!(fill(&mut patient, 100, SWISS, after(100)), 0, "they wait still");
}

#[test]
fn the_modems_of_other_hosts_count_as_well() {
    let mut one = pool(vec![ModemRules::default()]);
    one.set_elsewhere(3);
    assert_eq!(fill(&mut one, 0, SWISS, START), 5, "one at once here, and four in three seconds");
    let mut away = pool(vec![ModemRules::default()]);
    away.leave(0, START);
    away.set_elsewhere(1);
    assert_eq!(fill(&mut away, 0, SWISS, START), 100, "the other host knows how fast its modem is");
}

#[test]
fn who_comes_back_as_told_is_let_in_before_those_who_come_first() {
    let mut pool = pool(vec![ModemRules::default()]);
    assert_eq!(fill(&mut pool, 0, SWISS, START), 2);
    let back = after(0).plus(pool.admit(&code(9, SWISS, START), &asker(), 9, START).unwrap_err().retry_after);
    // It took the second one meanwhile, and another came.
    turn(&mut pool, 0, after(3));
    let back = back.max(after(3));
    assert_eq!(fill(&mut pool, 20, SWISS, back), 0, "the place is kept");
    assert!(pool.admit(&code(30, SWISS, back), &asker(), 30, back).is_err());
    pool.admit(&code(9, SWISS, back), &asker(), 9, back).unwrap();
}

#[test]
fn a_place_that_nobody_comes_back_for_is_not_left_empty() {
    let mut pool = pool(vec![ModemRules::default()]);
    assert_eq!(fill(&mut pool, 0, SWISS, START), 2);
    turn(&mut pool, 0, after(3));
    assert_eq!(fill(&mut pool, 20, SWISS, after(4)), 0);
    assert_eq!(fill(&mut pool, 30, SWISS, after(5)), 1, "the modem is free in a second");
    // What was kept turned nobody away for whom there was no time: after a while all is as before.
    turn(&mut pool, 0, after(6));
    turn(&mut pool, 0, after(9));
    assert_eq!(fill(&mut pool, 40, SWISS, after(20)), 2);
}

#[test]
fn who_has_had_a_code_is_served_before_nobody() {
    let mut pool = pool(vec![ModemRules::default()]);
    assert_eq!(fill(&mut pool, 0, SWISS, START), 2);
    let mut back_at = START;
    for recipient in [0, 9] {
        let refused = pool.admit(&code(8 + recipient, SWISS, START), &asker(), recipient, START).unwrap_err();
        back_at = back_at.max(START.plus(refused.retry_after)).max(after(3));
    }
    turn(&mut pool, 0, after(3));
    assert!(pool.would_admit(&code(8, SWISS, back_at), &asker(), 0, back_at).is_err());
    assert!(pool.would_admit(&code(17, SWISS, back_at), &asker(), 9, back_at).is_ok());
}

#[test]
fn a_lane_that_is_full_keeps_no_other_from_its_modem() {
    let german = ModemRules { routes: Some(vec!["+49".to_owned()]), ..ModemRules::default() };
    let mut pool = pool(vec![ModemRules::default(), german]);
    assert_eq!(fill(&mut pool, 0, SWISS, START), 2, "through the first modem alone");
    assert!(fill(&mut pool, 10, GERMAN, START) >= 2, "through the second");
    assert_eq!(fill(&mut pool, 20, SWISS, START), 0);
}

#[test]
fn few_wait_for_a_modem_that_is_away_and_where_nobody_knows_the_pace_as_many_as_a_slow_one_can_begin() {
    let mut pool = pool(vec![ModemRules::default()]);
    pool.leave(0, START);
    assert_eq!(fill(&mut pool, 0, SWISS, START), 9, "as many as begin in 25 s");
    let mut unknown =
        Pool::new(seconds(20), BreakerRules::default(), [("m0".to_owned(), ModemRules::default())]);
    assert_eq!(fill(&mut unknown, 0, SWISS, START), 57, "away: in 280 s, one in five seconds");
    let refused = unknown.admit(&code(99, SWISS, START), &asker(), 99, START);
    assert!(refused.is_err_and(|overload| overload.retry_after <= seconds(10)));
    assert_eq!(unknown.next(0, START).map(|entry| entry.id), Some(code(0, SWISS, START).id));
    assert_eq!(fill(&mut unknown, 200, SWISS, START), 1, "back: one more in place of the one on the air");
    turn(&mut unknown, 0, after(1));
    unknown.members[0].pace.record(seconds(1), 1);
    assert_eq!(unknown.members[0].pace.part(), Some(seconds(1)));
}

#[test]
fn a_modem_that_does_not_answer_lets_nobody_in() {
    let mut pool = pool(vec![ModemRules::default()]);
    assert_eq!(fill(&mut pool, 0, SWISS, START), 2);
    turn(&mut pool, 0, after(3));
    assert_eq!(
        fill(&mut pool, 10, SWISS, after(40)),
        0,
        "it is late by 34 s, and expected to be so much later"
    );
    let retry_after =
        pool.admit(&code(30, SWISS, after(40)), &asker(), 30, after(40)).unwrap_err().retry_after;
    assert!((20..60).contains(&retry_after.as_secs()), "{retry_after:?}");
}

#[test]
fn a_code_waits_for_its_sims_minute_and_not_for_its_sims_day() {
    let rules = ModemRules { max_per_minute: Some(1), ..ModemRules::default() };
    let mut by_minute = pool(vec![rules]);
    assert_eq!(fill(&mut by_minute, 0, SWISS, START), 2, "at once, and with the next minute");
    assert_eq!(turn(&mut by_minute, 0, after(3)), None);
    let refused = by_minute.admit(&code(9, SWISS, after(50)), &asker(), 9, after(50)).unwrap_err();
    assert!((50..70).contains(&refused.retry_after.as_secs()), "{refused:?}");
    assert_eq!(by_minute.advance(after(60)), (vec![], vec![0]));
    let mut by_day = pool(vec![ModemRules { max_per_day: Some(1), ..ModemRules::default() }]);
    assert_eq!(fill(&mut by_day, 0, SWISS, START), 1);
    turn(&mut by_day, 0, after(3));
    let refused = by_day.admit(&code(9, SWISS, after(3)), &asker(), 9, after(3)).unwrap_err();
    let tomorrow = (START.as_millis() / 86_400_000 + 1) * 86_400_000;
    assert!(after(3).plus(refused.retry_after).as_millis() >= tomorrow);
}

#[test]
fn the_order_changes_when_not_all_can_be_met_and_back_when_little_waits() {
    let mut pool = pool(vec![ModemRules::default(); 4]);
    pool.set_max_wait(seconds(250));
    let let_in = fill(&mut pool, 0, SWISS, START);
    assert_eq!(let_in, 100);
    pool.set_max_wait(seconds(5));
    pool.advance(after(1));
    assert_eq!((pool.order(), pool.take_given_up().len()), (Order::EarliestDeadline, 0), "72 s of work");
    // Three of four die.
    for modem in 1..4 {
        pool.leave(modem, after(2));
    }
    pool.advance(after(2));
    assert_eq!(pool.order(), Order::Newest, "288 s of work");
    let given_up = pool.take_given_up();
    assert_eq!(given_up.len(), 96 - 9, "what begins within 25 s stays");
    assert!(given_up.iter().all(|id| *id < code(91, SWISS, START).id), "the newest stay");
    assert_eq!(turn(&mut pool, 0, after(3)), Some(code(99, SWISS, START).id));
    let mut now = after(3);
    while pool.len() > 2 {
        assert_eq!(pool.order(), Order::Newest, "no flapping at {now:?}");
        now = now.plus(seconds(3));
        turn(&mut pool, 0, now);
        pool.advance(now);
    }
    pool.advance(now.plus(seconds(1)));
    assert_eq!((pool.order(), pool.take_given_up().len()), (Order::EarliestDeadline, 0));
}

proptest! {
    /// While the modems keep their pace, whoever is let in begins soon, and nobody is given up.
    #[test]
    fn who_is_let_in_begins_soon(
        air in prop::collection::vec(500_u64..8_000, 1..5),
        gaps in prop::collection::vec(0_u64..1_500, 20..300),
    ) {
        let named = (0..air.len()).map(|i| (format!("m{i}"), ModemRules::default()));
        let mut pool = Pool::new(seconds(20), BreakerRules::default(), named);
        let millis = Duration::from_millis;
        let mut ends: Vec<Option<Steady>> = vec![None; air.len()];
        for (modem, &air) in air.iter().enumerate() {
            pool.next(modem, START);
            pool.members[modem].pace.record(millis(air), 1);
        }
        let slowest = millis(*air.iter().max().unwrap());
        let mut let_in = BTreeMap::new();
        let mut arrivals = gaps.iter().scan(START, |now, gap| {
            *now = now.plus(millis(*gap));
            Some(*now)
        }).enumerate().peekable();
        loop {
            let end = ends.iter().flatten().min().copied();
            let arrival = arrivals.peek().map(|&(_, at)| at);
            let Some(now) = [end, arrival].into_iter().flatten().min() else { break };
            let mut begun = Vec::new();
            if let Some(modem) = ends.iter().position(|at| *at == Some(now)) {
                ends[modem] = None;
                if let Some(id) = turn(&mut pool, modem, now) {
                    begun.push((modem, id));
                }
            } else if let Some((n, _)) = arrivals.next() {
                let m = code(n as u64, SWISS, now);
                if pool.admit(&m, &asker(), n as u64, now).is_ok() {
                    let_in.insert(m.id, now);
                    if let Some(modem) = pool.push(&m, n as u64, vec![], now) {
                        begun.extend(pool.next(modem, now).map(|entry| (modem, entry.id)));
                    }
                }
            }
            for (modem, id) in begun {
                ends[modem] = Some(now.plus(millis(air[modem])));
                let waited = now.since(let_in.remove(&id).unwrap());
                prop_assert!(waited <= seconds(5).max(slowest) + seconds(2) + slowest, "{waited:?}");
            }
            pool.advance(now);
            prop_assert_eq!(pool.take_given_up().len(), 0);
            prop_assert_eq!(pool.order(), Order::EarliestDeadline);
        }
        prop_assert!(let_in.is_empty() && pool.is_empty());
    }
}
