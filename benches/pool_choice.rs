//! What the choice of a modem costs, without disk, port and task.
//!
//! `cargo bench --bench pool_choice`: prints the time of one message's way through the pool (queued, given to
//! a modem, taken, settled) in several situations, and judges nothing.

use std::time::{Duration, Instant};

use smsotpd::clock::{Now, Steady, Timestamp};
use smsotpd::id::MessageId;
use smsotpd::outbox::{BreakerRules, EndedSend, Home, Kind, Message, ModemRules, Pool, SendEnd};
use smsotpd::secret::Sealed;

const NOW: Steady = Steady::from_millis(1_780_000_000_000);
const MODEMS: usize = 64;

fn main() {
    let limited = ModemRules {
        max_per_minute: Some(u32::MAX),
        max_per_day: Some(u32::MAX),
        max_per_month: Some(u32::MAX),
        max_recipients_per_month: Some(100_000),
        reserve: 10,
        ..ModemRules::default()
    };
    let routed = ModemRules { routes: Some((40..60).map(|n| format!("+{n}")).collect()), ..limited.clone() };
    through("64 modems wait, no rules", &ModemRules::default());
    through("64 modems wait, every limit", &limited);
    through("64 modems wait, every limit, 20 routes each", &routed);
    drain("a queue of 100 000, no rules", &ModemRules::default());
    drain("a queue of 100 000, every limit, 20 routes each", &routed);
    held_up("a code past 100 000 texts that only the reserve holds back");
}

fn pool(rules: &ModemRules) -> Pool {
    let modems = (0..MODEMS).map(|i| (format!("m{i}"), rules.clone()));
    let mut pool = Pool::new(Duration::from_secs(20), BreakerRules::default(), modems);
    for modem in 0..MODEMS {
        pool.set_home(modem, Home::of("228011234567890"));
    }
    pool
}

fn text(n: u64) -> Message {
    Message {
        body: Some(Sealed::from_bytes(vec![0; 60])),
        ..Message::queued(
            MessageId::first_at(NOW),
            format!("+4179{n:07}").parse().expect("a number"),
            Kind::Text,
            Now::agreed(Timestamp::from_millis(NOW.as_millis())),
        )
    }
}

fn settle(pool: &mut Pool, modem: usize, recipient: u64) {
    pool.settle(modem, &EndedSend { recipient, parts: 1, end: SendEnd::Sent, due_at: NOW, why: "" }, NOW);
}

fn tell(what: &str, start: Instant, count: usize) {
    println!("{what}: {:?} a message", start.elapsed() / u32::try_from(count).unwrap_or(1));
}

fn through(what: &str, rules: &ModemRules) {
    const COUNT: usize = 100_000;
    let mut pool = pool(rules);
    (0..MODEMS).for_each(|modem| assert!(pool.next(modem, NOW).is_none()));
    let messages: Vec<Message> = (0..COUNT as u64).map(text).collect();
    let start = Instant::now();
    for (n, m) in (0..).zip(&messages) {
        let modem = pool.push(m, n % 50_000, vec![], NOW).expect("all wait");
        assert!(pool.next(modem, NOW).is_some());
        settle(&mut pool, modem, n % 50_000);
        assert!(pool.next(modem, NOW).is_none());
    }
    tell(what, start, COUNT);
}

fn drain(what: &str, rules: &ModemRules) {
    const COUNT: usize = 100_000;
    let mut pool = pool(rules);
    let messages: Vec<Message> = (0..COUNT as u64).map(text).collect();
    let start = Instant::now();
    for (n, m) in (0..).zip(&messages) {
        assert!(pool.push(m, n, vec![], NOW).is_none(), "all are away");
    }
    for modem in (0..MODEMS).cycle().take(COUNT) {
        let entry = pool.next(modem, NOW).expect("a full queue");
        settle(&mut pool, modem, entry.recipient);
    }
    tell(what, start, COUNT);
}

fn held_up(what: &str) {
    const COUNT: usize = 10_000;
    let rules = ModemRules { max_per_day: Some(1_000_000), reserve: 90, ..ModemRules::default() };
    let mut pool = pool(&rules);
    for modem in 0..MODEMS {
        let parts = 100_000;
        pool.settle(
            modem,
            &EndedSend { recipient: 0, parts, end: SendEnd::NotBegun, due_at: NOW, why: "" },
            NOW,
        );
    }
    for n in 0..100_000 {
        assert!(pool.push(&text(n), n, vec![], NOW).is_none());
    }
    (0..MODEMS).for_each(|modem| assert!(pool.next(modem, NOW).is_none()));
    let codes: Vec<Message> = (0..COUNT as u64)
        .map(|n| Message { kind: Kind::Otp(smsotpd::id::VerificationId::first_at(NOW)), ..text(n) })
        .collect();
    let start = Instant::now();
    for (n, m) in (0..).zip(&codes) {
        let modem = pool.push(m, n, vec![], NOW).expect("codes may");
        assert!(pool.next(modem, NOW).is_some());
        settle(&mut pool, modem, n);
        assert!(pool.next(modem, NOW).is_none());
    }
    tell(what, start, COUNT);
}
