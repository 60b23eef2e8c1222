//! The codec and the simulated network read each other's messages: two implementations of the same clauses,
//! written separately.

use gsm_sim::{Options, Received, Sim};
use gsm_sms::{Direction, Encoding, Framing, ShiftChoice, Strictness, Submission, compose, decode};

use crate::sim_wire::{LONG, Wire};

/// Sends a text through a simulated modem. Returns what the phone received.
fn sent(wire: &mut Wire, sim: &Sim, submission: &Submission<'_>) -> Received {
    let before = sim.received();
    for part in compose(submission).unwrap().parts {
        wire.write(&format!("AT+CMGS={}\r", part.length));
        wire.until("> ");
        let pdu = part.pdu.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().concat();
        wire.write(&format!("{pdu}\u{1a}"));
        wire.until("OK\r\n");
    }
    assert!(sim.wait_for(before + 1, LONG));
    sim.inbox().pop().unwrap()
}

#[test]
fn every_kind_of_text_reaches_the_phone_as_it_was() {
    let sim = Sim::start(Options::default()).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.ask("ATE0");
    let whole_alphabet = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
        ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€";
    let mut texts: Vec<String> = [
        "Your code is 123456. It expires in 5 minutes. Do not share it.",
        "Ihr Code ist 123456. Gültig für 5 Minuten: €",
        "Ваш код 123456",
        "您的验证码是123456。",
        "🔑 123456 👨‍👩‍👧",
        whole_alphabet,
    ]
    .map(str::to_owned)
    .to_vec();
    // Every length around the borders of one, two and three parts, with what must not be split at the end.
    for length in [1, 7, 8, 9, 69, 70, 71, 133, 134, 135, 152, 153, 154, 159, 160, 161, 306, 307, 459, 460] {
        texts.push("a".repeat(length));
        texts.push("€".repeat(length / 2));
        texts.push("😀".repeat(length / 2 + 1));
    }
    for (reference, text) in texts.iter().enumerate() {
        let reference = u8::try_from(reference).unwrap();
        let submission = Submission::new("+41791234567", text)
            .with_message_reference(reference)
            .with_concatenation_reference(reference)
            .with_reject_duplicates(true);
        let received = sent(&mut wire, &sim, &submission);
        assert_eq!(&received.text, text);
        assert_eq!(received.to, "+41791234567");
        assert_eq!((received.reference, received.reject_duplicates), (reference, true));
    }
}

#[test]
fn a_national_table_reaches_the_phone() {
    let sim = Sim::start(Options::default()).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.ask("ATE0");
    let text =
        "Doğrulama kodunuz: 123456. Şifrenizi kimseyle paylaşmayınız, lütfen dikkat ediniz. İyi günler.";
    let submission = Submission::new("+905321234567", text).with_shift(ShiftChoice::Any);
    assert_eq!(compose(&submission).unwrap().encoding, Encoding::Gsm7);
    assert_eq!(sent(&mut wire, &sim, &submission).text, text);
}

#[test]
fn the_codec_reads_what_the_network_makes() {
    let sim = Sim::start(Options::default()).unwrap();
    let mut wire = Wire::open(&sim.port(0));
    wire.ask("ATE0+CNMI=2,2,0,0,0");
    sim.deliver(0, "+41765432100", "Grüezi 😀");
    wire.until("+CMT: ,");
    wire.until("\r\n");
    let line = wire.until("\r\n");
    let octets: Vec<u8> = line
        .trim_end()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let read = decode(&octets, Direction::Mt, Framing::SmscFirst, Strictness::Strict).unwrap();
    assert_eq!(read.to_text().as_deref(), Some("Grüezi 😀"));
    assert_eq!(read.smsc.unwrap().to_string(), "+41794999000");
}
