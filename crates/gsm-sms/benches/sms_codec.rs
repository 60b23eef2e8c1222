//! What one short message of 160 septets costs: the nanoseconds to encode and to decode it, the least of many rounds.
//!
//! `cargo bench --bench sms_codec`; an argument `encode` or `decode` and a number run just that work so many
//! times, so that valgrind's `callgrind` can count its instructions, or `dhat` its allocations.

use std::hint::black_box;
use std::time::{Duration, Instant};

use gsm_sms::{Direction, Framing, Strictness, Submission};

const TEXT: &str = "Your code is 482193. It expires in 5 minutes. Do not share it with anybody, not even with \
                    people who say that they are from the bank: nobody there will ask you.";

const ROUNDS: u32 = 200;
const EACH: u32 = 2_000;

fn encode() -> gsm_sms::Composed {
    let submission = Submission::new("+41791234567", TEXT)
        .with_status_report(true)
        .with_validity(Duration::from_secs(300));
    gsm_sms::compose(black_box(&submission)).expect("the text fits")
}

fn decode(pdu: &[u8]) -> String {
    let read = gsm_sms::decode(black_box(pdu), Direction::Mo, Framing::SmscFirst, Strictness::Strict)
        .expect("composed");
    read.to_text().expect("a text")
}

fn least(work: impl Fn()) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            (0..EACH).for_each(|_| work());
            begin.elapsed().as_secs_f64() * 1e9 / f64::from(EACH)
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let composed = encode();
    assert_eq!((composed.parts.len(), composed.parts[0].pdu[14]), (1, 160), "a full part, nothing more");
    let pdu = &composed.parts[0].pdu;
    assert_eq!(decode(pdu), TEXT);

    let arguments: Vec<String> = std::env::args().filter(|argument| !argument.starts_with("--")).collect();
    if let [_, what, count] = &arguments[..] {
        let count: u32 = count.parse().expect("a number of messages");
        for _ in 0..count {
            match what.as_str() {
                "encode" => drop(black_box(encode())),
                "decode" => drop(black_box(decode(pdu))),
                other => panic!("{other}: encode or decode"),
            }
        }
        return;
    }
    println!("encode 160 septets: {:7.1} ns/message", least(|| drop(black_box(encode()))));
    println!("decode 160 septets: {:7.1} ns/message", least(|| drop(black_box(decode(pdu)))));
}
