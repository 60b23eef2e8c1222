//! What is written is read as it was, and what was written by older versions as well.

use super::*;

#[test]
fn a_message_of_any_format_comes_back_as_it_was() {
    let at = Timestamp::from_millis(7);
    let m = outbox::Message {
        id: MessageId::first_at(at),
        to: "+41791234567".parse().unwrap(),
        client: None,
        kind: Kind::Otp(VerificationId::first_at(at)),
        service: Some("login".to_owned()),
        status: MessageStatus::Sent,
        priority: 0,
        parts: 1,
        encoding: Encoding::Gsm7,
        flash: false,
        report: false,
        wanted_modem: None,
        modem: Some("a".to_owned()),
        twins: Vec::new(),
        attempts: 1,
        held: 0,
        refused: None,
        created_at: at,
        due_at: at,
        deadline: None,
        sent_at: Some(at),
        delivered_at: None,
        error: None,
        body: None,
        reference: 3,
        parts_done: 1,
        uncertain: false,
        modem_references: vec![9],
    };
    assert_eq!(decode_message(&encode_message(&m).unwrap()), Ok(m.clone()));
    let older = encode(&m).unwrap();
    let m = outbox::Message { service: None, ..m };
    assert_eq!(decode_message(&older), Ok(m.clone()));
    assert_eq!(encode_message(&m).unwrap(), older);
    let newer = encode_as(4, &7_u8).unwrap();
    assert_eq!(decode_message(&newer), Err("its format is of a newer version"));
    let twins = vec![Twin { modem: "b".to_owned(), first: 2 }];
    let refused = Some(Refused { modem: "c".to_owned(), until: Timestamp::from_millis(99) });
    for service in [None, Some("login".to_owned())] {
        for m in [
            outbox::Message { service: service.clone(), twins: twins.clone(), ..m.clone() },
            outbox::Message { service: service.clone(), held: 7, ..m.clone() },
            outbox::Message { service, refused: refused.clone(), ..m.clone() },
        ] {
            assert_eq!(decode_message(&encode_message(&m).unwrap()), Ok(m));
        }
    }
}

/// What stands on the disks of others stays readable: the octets of each format, as they were first written.
#[test]
fn the_octets_of_each_format_of_a_message_are_pinned() {
    let id = MessageId::from_bytes([7; 16]);
    let at = Timestamp::from_millis(1000);
    let m = outbox::Message {
        id,
        to: "+41791234567".parse().unwrap(),
        client: None,
        kind: Kind::Text,
        service: None,
        status: MessageStatus::Sending,
        priority: 0,
        parts: 1,
        encoding: Encoding::Gsm7,
        flash: false,
        report: true,
        wanted_modem: None,
        modem: Some("a".to_owned()),
        twins: Vec::new(),
        attempts: 2,
        held: 0,
        refused: None,
        created_at: at,
        due_at: at,
        deadline: None,
        sent_at: None,
        delivered_at: None,
        error: None,
        body: Some(Sealed::from_bytes(vec![5])),
        reference: 3,
        parts_done: 0,
        uncertain: false,
        modem_references: Vec::new(),
    };
    let second = outbox::Message { service: Some("login".to_owned()), ..m.clone() };
    let third = outbox::Message {
        twins: vec![Twin { modem: "b".to_owned(), first: 1 }],
        held: 3,
        refused: Some(Refused { modem: "c".to_owned(), until: at }),
        ..second.clone()
    };
    for (m, octets) in [(m, FIRST), (second, SECOND), (third, THIRD)] {
        let encoded = encode_message(&m).unwrap();
        let hex = encoded.iter().fold(String::new(), |hex, octet| format!("{hex}{octet:02x}"));
        assert_eq!(hex, octets);
        assert_eq!(decode_message(&encoded), Ok(m));
    }
}

const FIRST: &str = "01070707070707070707070707070707070c2b343137393132333435363700000100010000010001016102e8\
    07e80700000000010105030000001d813d03";
const SECOND: &str = "02070707070707070707070707070707070c2b343137393132333435363700000100010000010001016102e8\
    07e8070000000001010503000000056c6f67696e59359307";
const THIRD: &str = "03070707070707070707070707070707070c2b343137393132333435363700000100010000010001016102e8\
    07e807000000000101050300000001056c6f67696e0101620103010163e8070e61c3fa";

#[test]
fn the_second_format_of_a_ledger_stays_readable() {
    let written = [2, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let framed = [&written[..], &crc32fast::hash(&written).to_be_bytes()].concat();
    let health = outbox::Health { sends: 7, codes: 8, at: Timestamp::from_millis(9) };
    let l = decode_ledger(&framed).unwrap();
    assert_eq!((l.minute, l.day, l.month, l.health), ((1, 2), (3, 4), (5, 6), health));
    assert_eq!(l.home, outbox::Home::default());
}

#[test]
fn a_ledger_comes_back_as_it_was() {
    let health = outbox::Health { sends: 7, codes: 1_000_000, at: Timestamp::from_millis(9) };
    let home = outbox::Home::of("228015550000001");
    let ledger = outbox::Ledger { minute: (1, 2), day: (3, 4), month: (5, u32::MAX), health, home };
    let framed = encode_ledger(&ledger).unwrap();
    assert_eq!(decode_ledger(&framed), Ok(ledger));
    let newer = encode_as(4, &7_u8).unwrap();
    assert_eq!(decode_ledger(&newer), Err("its format is of a newer version"));
}

#[test]
fn a_verification_of_any_format_comes_back_as_it_was() {
    let at = Timestamp::from_millis(7);
    let v = Verification {
        id: VerificationId::first_at(at),
        service: "login".to_owned(),
        to: "+41791234567".parse().unwrap(),
        client: Some("web".to_owned()),
        status: VerificationStatus::Pending,
        attempts_used: 1,
        max_attempts: 5,
        created_at: at,
        expires_at: at,
        resend_at: at,
        cooldown: Duration::from_secs(30),
        sends: 1,
        max_sends: 3,
        hash: CodeHash::from_bytes([1; 32]),
        sealed: Some(Sealed::from_bytes(vec![5])),
        message: MessageId::first_at(at),
        binding: None,
        metadata: BTreeMap::new(),
        inbound: false,
    };
    let older = encode(&v).unwrap();
    assert_eq!(encode_verification(&v).unwrap(), older);
    assert_eq!(decode_verification(&older), Ok(v.clone()));
    for v in [
        Verification { binding: Some(BindingHash::from_bytes([2; 32])), ..v.clone() },
        Verification { metadata: [("a".to_owned(), "b".to_owned())].into(), ..v.clone() },
        Verification { inbound: true, ..v.clone() },
        Verification { inbound: true, metadata: [("a".to_owned(), "b".to_owned())].into(), ..v.clone() },
    ] {
        assert_eq!(decode_verification(&encode_verification(&v).unwrap()), Ok(v));
    }
    assert_eq!(decode_verification(&encode_as(4, &7_u8).unwrap()), Err(NEWER));
}
