//! What is written is read as it was, and what was written by older versions as well.

use super::*;
use crate::clock::Now;
use crate::hex;
use crate::secret::Key;

/// With the key, where the record of this id stands.
fn at<T>(id: [u8; 16], look: impl FnOnce(Site<'_>) -> T) -> T {
    let key = Key::from_bytes([9; 32]);
    look(Site { key: Some(&key), octets: &[&b"M"[..], &id].concat() })
}

fn message_in(octets: &[u8]) -> Result<outbox::Message, &'static str> {
    at([7; 16], |site| decode_message(octets, site))
}

fn verification_in(octets: &[u8]) -> Result<Verification, &'static str> {
    at([7; 16], |site| decode_verification(octets, site))
}

fn message_again(m: &outbox::Message) -> outbox::Message {
    at(m.id.to_bytes(), |site| decode_message(&encode_message(m, site).unwrap(), site).unwrap())
}

fn verification_again(v: &Verification) -> Verification {
    at(v.id.to_bytes(), |site| decode_verification(&encode_verification(v, site).unwrap(), site).unwrap())
}

#[test]
fn a_message_of_any_format_comes_back_as_it_was() {
    let at = Timestamp::from_millis(7);
    let m = outbox::Message {
        id: MessageId::first_at(at.steady()),
        to: "+41791234567".parse().unwrap(),
        client: None,
        kind: Kind::Otp(VerificationId::first_at(at.steady())),
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
        send_at: None,
        due_at: at.steady(),
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
    assert_eq!(message_again(&m), m);
    let older = encode(&m).unwrap();
    assert_eq!(
        message_in(&older),
        Ok(outbox::Message { service: None, due_at: Steady::default(), ..m.clone() })
    );
    let newer = encode_as(6, &7_u8).unwrap();
    assert_eq!(message_in(&newer), Err("its format is of a newer version"));
    let twins = vec![Twin { modem: "b".to_owned(), first: 2 }];
    let refused = Some(Refused { modem: "c".to_owned(), until: Steady::from_millis(99) });
    let now = Now::doubted(at, Steady::from_millis(5), at);
    let deadline = Some(Life::of(Duration::from_secs(300), now));
    for service in [None, Some("login".to_owned())] {
        for m in [
            outbox::Message { service: service.clone(), twins: twins.clone(), ..m.clone() },
            outbox::Message { service: service.clone(), held: 7, ..m.clone() },
            outbox::Message { service: service.clone(), refused: refused.clone(), ..m.clone() },
            outbox::Message { service, send_at: Some(Timestamp::from_millis(99)), deadline, ..m.clone() },
        ] {
            assert_eq!(message_again(&m), m);
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
        send_at: None,
        due_at: at.steady(),
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
        refused: Some(Refused { modem: "c".to_owned(), until: at.steady() }),
        ..second.clone()
    };
    // One that was due when it was accepted is due; one that was to wait waits until that date.
    let by_dates = |m: outbox::Message| outbox::Message { due_at: Steady::default(), ..m };
    for (m, octets) in [(m, FIRST), (second, SECOND), (third, THIRD)] {
        assert_eq!(message_in(&octets_of(octets)), Ok(by_dates(m)));
    }
    let waits = message_in(&octets_of(WAITS)).unwrap();
    let life = Life::restored(Timestamp::from_millis(9000), true, None);
    assert_eq!((waits.send_at, waits.deadline), (Some(Timestamp::from_millis(2000)), Some(life)));
}

fn octets_of(digits: &str) -> Vec<u8> {
    let mut octets = vec![0; digits.len() / 2];
    hex::decode(digits.as_bytes(), &mut octets).unwrap();
    octets
}

/// As the first, to be sent two seconds after the epoch and not after nine.
const WAITS: &str = "01070707070707070707070707070707070c2b343137393132333435363700000100010000010001016102e807\
    d00f01a8460000000101050300000027791a58";

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
    let health = outbox::Health { sends: 7, codes: 8, at: Steady::from_millis(9) };
    let l = decode_ledger(&framed).unwrap();
    assert_eq!((l.minute, l.day, l.month, l.health), ((1, 2), (3, 4), (5, 6), health));
    assert_eq!(l.home, outbox::Home::default());
}

#[test]
fn the_third_format_of_a_ledger_stays_readable() {
    let written = [3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let framed = [&written[..], &crc32fast::hash(&written).to_be_bytes()].concat();
    let health = outbox::Health { sends: 7, codes: 8, at: Steady::from_millis(9) };
    let l = decode_ledger(&framed).unwrap();
    assert_eq!((l.minute, l.day, l.month, l.health), ((1, 2), (3, 4), (5, 6), health));
    assert_eq!((l.home, l.part), (outbox::Home::of_network(10), None));
}

#[test]
fn a_ledger_comes_back_as_it_was() {
    let health = outbox::Health { sends: 7, codes: 1_000_000, at: Steady::from_millis(9) };
    let home = outbox::Home::of("228015550000001");
    let part = Some(Duration::from_millis(3210));
    let ledger = outbox::Ledger { minute: (1, 2), day: (3, 4), month: (5, u32::MAX), health, home, part };
    let framed = encode_ledger(&ledger).unwrap();
    assert_eq!(decode_ledger(&framed), Ok(ledger));
    let newer = encode_as(5, &7_u8).unwrap();
    assert_eq!(decode_ledger(&newer), Err("its format is of a newer version"));
}

#[test]
fn a_verification_of_any_format_comes_back_as_it_was() {
    let at = Timestamp::from_millis(7);
    let v = Verification {
        id: VerificationId::first_at(at.steady()),
        service: "login".to_owned(),
        to: "+41791234567".parse().unwrap(),
        client: Some("web".to_owned()),
        status: VerificationStatus::Pending,
        attempts_used: 1,
        max_attempts: 5,
        created_at: at,
        life: Life::restored(at, true, None),
        resend_at: at.steady(),
        cooldown: Duration::from_secs(30),
        sends: 1,
        max_sends: 3,
        hash: CodeHash::from_bytes([1; 32]),
        sealed: Some(Sealed::from_bytes(vec![5])),
        message: MessageId::first_at(at.steady()),
        binding: None,
        metadata: BTreeMap::new(),
        inbound: false,
        keys: Vec::new(),
    };
    let older = encode(&v).unwrap();
    assert_eq!(verification_in(&older), Ok(v.clone()));
    let said = (Some(BindingHash::from_bytes([2; 32])), BTreeMap::from([("a".to_owned(), "b".to_owned())]));
    for format in [2, 3] {
        let older = encode_as(format, &(v.stored(), said.stored())).unwrap();
        let (binding, metadata) = said.clone();
        let v = Verification { binding, metadata, inbound: format == 3, ..v.clone() };
        assert_eq!(verification_in(&older), Ok(v));
    }
    let now = Now::doubted(at, Steady::from_millis(5), at);
    for v in [
        v.clone(),
        Verification { life: Life::of(Duration::from_secs(300), now), ..v.clone() },
        Verification { binding: Some(BindingHash::from_bytes([2; 32])), ..v.clone() },
        Verification { metadata: [("a".to_owned(), "b".to_owned())].into(), ..v.clone() },
        Verification { inbound: true, ..v.clone() },
        Verification { inbound: true, metadata: [("a".to_owned(), "b".to_owned())].into(), ..v.clone() },
        Verification { keys: vec![("ip".to_owned(), [3; 16]), ("device".to_owned(), [4; 16])], ..v.clone() },
    ] {
        assert_eq!(verification_again(&v), v);
    }
    assert_eq!(verification_in(&encode_as(7, &7_u8).unwrap()), Err(NEWER));
}

/// What stands on the disks of others stays readable: the octets of each format, as they were first written.
#[test]
fn the_octets_of_each_older_format_of_a_verification_are_pinned() {
    let start = Timestamp::from_millis(1_780_000_000_000);
    let by_wall = Life::restored(start.plus(Duration::from_secs(300)), true, None);
    for (octets, id, inbound) in [(VERIFICATION, 1, false), (WITH_NOTES, 3, false), (INBOUND, 5, true)] {
        let v = verification_in(&octets_of(octets)).unwrap();
        assert_eq!((v.id, v.inbound), (VerificationId::from_bytes([id; 16]), inbound));
        assert_eq!((v.created_at, v.life, v.cooldown), (start, by_wall, Duration::from_secs(30)));
        let resend_at = start.plus(Duration::from_secs(30)).as_millis();
        assert_eq!(v.resend_at, Steady::from_millis(resend_at));
        assert_eq!((v.binding.is_some(), v.metadata.len()), (id == 3, usize::from(id == 3)));
    }
}

/// The octets of the format of a verification with keys, as they were first written.
#[test]
fn the_octets_of_a_verification_with_keys_are_pinned() {
    let v = verification_in(&octets_of(WITH_NOTES)).unwrap();
    let v = Verification { keys: vec![("ip".to_owned(), [6; 16]), ("device".to_owned(), [7; 16])], ..v };
    let id = v.id.to_bytes();
    assert_eq!(at(id, |site| hex::encode(&encode_verification(&v, site).unwrap())), WITH_KEYS);
    assert_eq!(at(id, |site| decode_verification(&octets_of(WITH_KEYS), site)), Ok(v));
}

const WITH_KEYS: &str = "061F3691ABF281605D9D327E84BEC4AEC124DC4E4D71A819D846685B73CE227443056C6F67696E0103776562000000058090\
    9282E733C0CF240100DFFA20B0EA010103030303030303030303030303030303030303030303030303030303030303030301\
    0303030303030303030303030303030303030303010707070707070707070707070707070707070707070707070707070707\
    07070702026970060606060606060606060606060606060664657669636507070707070707070707070707070707BC8FC159";
const VERIFICATION: &str = "0101010101010101010101010101010101056c6f67696e0c2b34313739313233343536370000000580909282e733e0b7a482\
    e733b0fa9382e733b0ea01010301010101010101010101010101010101010101010101010101010101010101010103010101\
    0101010101010101010101010101010113759285";
const WITH_NOTES: &str = "0203030303030303030303030303030303056c6f67696e0c2b3431373931323334353637010377656200000580909282e733\
    e0b7a482e733b0fa9382e733b0ea010103030303030303030303030303030303030303030303030303030303030303030301\
    0303030303030303030303030303030303030303010707070707070707070707070707070707070707070707070707070707\
    07070701056f726465720137e5ce3c6a";
const INBOUND: &str = "0305050505050505050505050505050505056c6f67696e0c2b3431373931323334353637010361707000000580909282e733\
    e0b7a482e733b0fa9382e733b0ea010103050505050505050505050505050505050505050505050505050505050505050500\
    050505050505050505050505050505050000771c84ca";

/// What is sealed is read by its own key, in its own place, and by nobody else; without a key a record names nobody.
#[test]
fn a_number_is_read_with_the_key_and_in_its_place() {
    const SHUT: &str = "its sealed part cannot be opened";
    let (v, m) = (verification_in(&octets_of(WITH_NOTES)).unwrap(), message_in(&octets_of(THIRD)).unwrap());
    let id = v.id.to_bytes();
    let written = at(id, |site| encode_verification(&v, site).unwrap());
    assert!(written.len() < octets_of(WITH_NOTES).len(), "{} octets", written.len());
    let digits = 41_791_234_567_u64;
    for clear in ["4179123", "order"] {
        assert!(!String::from_utf8_lossy(&written).contains(clear));
    }
    assert!(!written.windows(6).any(|some| some == &digits.to_le_bytes()[..6]));
    assert_eq!(at([7; 16], |site| decode_verification(&written, site)), Err(SHUT));
    let place = [&b"M"[..], &id].concat();
    let other = Key::from_bytes([8; 32]);
    assert_eq!(decode_verification(&written, Site { key: Some(&other), octets: &place }), Err(SHUT));
    let nobody = decode_verification(&written, Site { key: None, octets: &place }).unwrap();
    assert_eq!(nobody, Verification { to: PhoneNumber::hidden(), metadata: BTreeMap::new(), ..v.clone() });
    let without = Site { key: None, octets: &place };
    assert!(encode_verification(&v, without).is_err() && encode_message(&m, without).is_err());
}
