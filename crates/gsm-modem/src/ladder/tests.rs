//! The ladder, with time that is moved by hand.

use proptest::prelude::*;

use super::*;
use crate::clock::monotonic;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn ladder() -> (Ladder, Instant) {
    (Ladder::new(Limits::default()), monotonic())
}

/// A silent modem until the ladder rests: the rungs that were climbed, and the rest.
fn silent(ladder: &mut Ladder, now: &mut Instant) -> (Vec<Rung>, Duration) {
    let mut rungs = Vec::new();
    for _ in 0..1000 {
        match ladder.climb(*now) {
            Step::Try(rung) => rungs.push(rung),
            Step::Again => {}
            Step::Rest(until) => return (rungs, until - *now),
        }
        // This is how long a modem is called at a port that was opened again.
        *now += 12 * SECOND;
    }
    panic!("no rest: {rungs:?}");
}

use Rung::{PowerCycle, Radio, Reauthorise, Reopen, Restart, Resync};

const ALL: [Rung; 6] = [Reopen, Reopen, Restart, Restart, Reauthorise, PowerCycle];

#[test]
fn a_silent_modem_is_cured_from_the_gentlest_to_the_hardest() {
    let (mut ladder, start) = ladder();
    let mut now = start;
    assert_eq!(silent(&mut ladder, &mut now), (ALL.to_vec(), MINUTE));
    let took = now - start;
    assert!((3 * MINUTE..6 * MINUTE).contains(&took), "{took:?}");
    let tried = ladder.tried();
    assert_eq!(
        tried,
        "opening its port again (2 times); restarting it (2 times); giving it back to the USB drivers; the power_cycle \
         command"
    );
}

#[test]
fn a_device_that_begins_anew_gets_its_time() {
    let (mut ladder, now) = ladder();
    for _ in 0..2 {
        assert_eq!(ladder.climb(now), Step::Try(Reopen));
    }
    assert_eq!(ladder.climb(now), Step::Try(Restart));
    assert_eq!(ladder.climb(now + 44 * SECOND), Step::Again);
    assert_eq!(ladder.climb(now + 45 * SECOND), Step::Try(Restart));
    assert_eq!(ladder.climb(now + 90 * SECOND), Step::Try(Reauthorise));
    // The time that the step takes is not counted against the modem.
    ladder.done(Reauthorise, now + 95 * SECOND);
    assert_eq!(ladder.climb(now + 139 * SECOND), Step::Again);
    assert_eq!(ladder.climb(now + 140 * SECOND), Step::Try(PowerCycle));
}

#[test]
fn rests_grow_to_half_an_hour_and_begin_again_after_a_stable_time() {
    let (mut ladder, mut now) = ladder();
    let mut rests = Vec::new();
    for _ in 0..7 {
        let (rungs, rest) = silent(&mut ladder, &mut now);
        assert_eq!(rungs, ALL, "after a rest everything is tried again");
        assert_eq!(
            ladder.climb(now + rest / 2),
            Step::Rest(now + rest),
            "a question in between changes nothing"
        );
        rests.push(rest / 60);
        now += rest;
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30].map(|minutes| minutes * SECOND));
    assert_eq!(ladder.ready(now).unwrap().rung, PowerCycle);
    now += 10 * MINUTE;
    assert_eq!(silent(&mut ladder, &mut now), (ALL.to_vec(), MINUTE));
}

#[test]
fn one_that_falls_silent_again_soon_is_cured_from_where_it_was() {
    let (mut ladder, mut now) = ladder();
    for rung in [Reopen, Reopen, Restart] {
        assert_eq!(ladder.climb(now), Step::Try(rung));
    }
    now += 20 * SECOND;
    assert_eq!(ladder.ready(now), Some(Recovery { rung: Restart, took: 20 * SECOND }));
    assert_eq!(ladder.ready(now), None, "reported once");
    now += 5 * MINUTE;
    ladder.notice(now);
    assert_eq!(ladder.climb(now), Step::Try(Restart), "the second and last restart");
    assert_eq!(ladder.ready(now + SECOND).unwrap().rung, Restart);
    now += 5 * MINUTE;
    assert_eq!(ladder.climb(now), Step::Try(Reauthorise));
    assert_eq!(ladder.ready(now + SECOND).unwrap().rung, Reauthorise);
    now += 11 * MINUTE;
    assert_eq!(ladder.climb(now), Step::Try(Reopen), "the modem was ready for a while");
}

#[test]
fn a_call_that_is_answered_climbs_nothing() {
    let (mut ladder, mut now) = ladder();
    for _ in 0..100 {
        ladder.notice(now);
        assert_eq!(ladder.ready(now + SECOND), Some(Recovery { rung: Resync, took: SECOND }));
        now += MINUTE;
    }
    assert_eq!(ladder.climb(now), Step::Try(Reopen));
}

#[test]
fn what_is_not_possible_is_passed_over_and_told() {
    let (mut ladder, now) = ladder();
    for rung in [Reopen, Reopen, Restart] {
        assert_eq!(ladder.climb(now), Step::Try(rung));
    }
    ladder.impossible(Restart, None, now);
    assert_eq!(ladder.climb(now), Step::Try(Reauthorise));
    ladder.impossible(Reauthorise, Some("/sys/x is read-only".to_owned()), now);
    assert_eq!(ladder.climb(now), Step::Try(PowerCycle));
    ladder.impossible(PowerCycle, None, now);
    assert!(matches!(ladder.climb(now), Step::Rest(_)));
    assert_eq!(ladder.tried(), "opening its port again (2 times); /sys/x is read-only");
}

#[test]
fn a_device_that_is_away_is_left_alone_at_first() {
    let (mut ladder, now) = ladder();
    assert_eq!(ladder.away(now), None);
    assert_eq!(ladder.away(now + 59 * SECOND), None);
    ladder.here();
    assert_eq!(ladder.away(now + 70 * SECOND), None, "it was back in the meantime");
    assert_eq!(ladder.away(now + 130 * SECOND), Some(Reauthorise));
    assert_eq!(ladder.away(now + 131 * SECOND), None);
    assert_eq!(ladder.away(now + 175 * SECOND), Some(PowerCycle));
    let mut cycles = 0;
    for second in 176..86_400 {
        cycles += u32::from(ladder.away(now + second * SECOND) == Some(PowerCycle));
    }
    assert!((40..60).contains(&cycles), "{cycles} on a day: never more often than each half hour in the end");
}

#[test]
fn one_that_comes_back_is_not_left_to_rest() {
    let (mut ladder, mut now) = ladder();
    silent(&mut ladder, &mut now);
    assert!(ladder.rests_until(now).is_some());
    ladder.unplugged();
    assert_eq!(ladder.rests_until(now), None);
}

#[test]
fn a_modem_without_a_network_is_restarted_at_most_once_an_hour() {
    let (mut ladder, start) = ladder();
    let mut done = Vec::new();
    for second in (0..7400).step_by(2) {
        if let Some(rung) = ladder.without_network(start + second * SECOND) {
            done.push((second / 60, rung));
        }
    }
    assert_eq!(done, [(5, Radio), (10, Restart), (65, Radio), (70, Restart)]);
    let now = start + 7400 * SECOND;
    assert_eq!(ladder.ready(now).unwrap().rung, Restart);
    assert_eq!(ladder.without_network(now + MINUTE), None, "the wait begins anew");
}

#[test]
fn a_modem_that_fails_every_send_climbs_once_an_hour_and_is_cured_by_a_send() {
    let (mut ladder, mut now) = ladder();
    let start = now;
    let mut done = Vec::new();
    for _ in 0..100 {
        done.extend(ladder.failing(now));
        now += 20 * SECOND;
        assert_eq!(ladder.ready(now), None, "a modem that takes orders and fails them has not recovered");
    }
    assert_eq!(done, [Radio, Restart, Reauthorise, PowerCycle], "once within {:?}", now - start);
    now = start + 61 * MINUTE;
    assert_eq!(ladder.failing(now), Some(Radio));
    let cured = ladder.sent(now + SECOND).unwrap();
    assert_eq!(cured, Recovery { rung: Radio, took: 61 * MINUTE + SECOND });
    assert_eq!(ladder.sent(now), None);
}

#[test]
fn a_restart_of_a_failing_modem_gives_it_its_time() {
    let (mut ladder, now) = ladder();
    assert_eq!(ladder.failing(now), Some(Radio));
    assert_eq!(ladder.failing(now), Some(Restart));
    assert_eq!(ladder.climb(now + 12 * SECOND), Step::Again, "it is silent while it begins anew");
    assert_eq!(ladder.climb(now + 46 * SECOND), Step::Try(Restart));
}

proptest! {
    /// In any order of events, at any times: a device is restarted no more often than its time limits allow,
    /// rests are within their limits, and what is reported is reported once.
    #[test]
    fn recovery_steps_keep_their_distance(events in proptest::collection::vec((0_u8..7, 0_u64..400), 1..400)) {
        let (mut ladder, start) = ladder();
        let (mut now, mut hard) = (start, Vec::new());
        let mut troubled = false;
        for (what, seconds) in events {
            now += Duration::from_secs(seconds);
            let rung = match what {
                0 | 1 => match ladder.climb(now) {
                    Step::Try(rung) => Some(rung),
                    Step::Again => None,
                    Step::Rest(until) => {
                        prop_assert!(until > now && until <= now + 30 * MINUTE);
                        None
                    }
                },
                2 => ladder.away(now),
                3 => ladder.without_network(now),
                4 => ladder.failing(now),
                5 => {
                    ladder.notice(now);
                    None
                }
                _ => {
                    let told = ladder.ready(now).or_else(|| ladder.sent(now));
                    prop_assert!(troubled || told.is_none());
                    troubled = false;
                    None
                }
            };
            troubled |= ladder.in_trouble();
            prop_assert!(rung != Some(Resync));
            if rung == Some(PowerCycle) {
                hard.push(now);
            }
        }
        for pair in hard.windows(2) {
            prop_assert!(pair[1] - pair[0] >= Limits::default().boot, "{:?}", pair[1] - pair[0]);
        }
    }
}
