//! Whoever has the files and no key reads no number in them and confirms none that is guessed: not in what this version
//! writes, and not in what it makes of a store of before.

use sha2::{Digest as _, Sha256};

use super::octets::{LOOKS, Start, WRITES, moved, outcomes, sealing};
use super::*;
use crate::hex;

/// One record of each kind, as versions wrote them that hashed no key with the key and sealed no number.
const FORMER: &str = include_str!("former.txt");
const DIGITS: &str = "41791234567";

/// What shows the number to whoever has no key: as text, packed as in a PDU or a number, or as a hash of guesses.
fn forms() -> Vec<Vec<u8>> {
    let digits: Vec<u8> = DIGITS.bytes().map(|digit| digit - b'0').collect();
    let number: u64 = DIGITS.parse().unwrap();
    let mut forms = vec![
        DIGITS.as_bytes().to_vec(),
        DIGITS.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        number.to_be_bytes()[3..].to_vec(),
        number.to_le_bytes()[..5].to_vec(),
        postcard::to_allocvec(&number).unwrap(),
        Sha256::digest(DIGITS)[..8].to_vec(),
        Sha256::digest(format!("+{DIGITS}"))[..8].to_vec(),
    ];
    for some in [&digits[..10], &digits[1..]] {
        forms.push(some.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect());
        forms.push(some.chunks(2).map(|pair| pair[1] << 4 | pair[0]).collect());
    }
    let (number, national) = (format!("+{DIGITS}"), format!("0{}", &DIGITS[2..]));
    forms.push(national.into_bytes());
    for names in [
        &[number.as_str()][..],
        &[number.as_str(), "login"],
        &[number.as_str(), "login", "web"],
        &[number.as_str(), "login", "app"],
    ] {
        forms.push(keys::hash(names).to_vec());
    }
    forms
}

/// Which of them is shown where.
fn shown(pairs: &[Pair]) -> Vec<String> {
    let forms = forms();
    let shows = |octets: &[u8]| forms.iter().any(|form| octets.windows(form.len()).any(|some| some == form));
    pairs
        .iter()
        .filter(|(key, value)| shows(key) || shows(value))
        .map(|(key, _)| format!("{} {}", char::from(key[0]), hex::encode(key)))
        .collect()
}

fn pairs(memory: &Memory) -> Vec<Pair> {
    memory.chunk(&[1]..&[255], Order::Ascending, usize::MAX).unwrap()
}

fn octets(digits: &str) -> Vec<u8> {
    let mut octets = vec![0; digits.len() / 2];
    hex::decode(digits.as_bytes(), &mut octets).unwrap();
    octets
}

fn filled(pairs: impl IntoIterator<Item = Pair>) -> Memory {
    let memory = Memory::default();
    memory.commit(pairs.into_iter().map(|(key, value)| (key, Some(value))).collect()).unwrap();
    memory
}

/// Seals all anew with the newest key, and answers how much was.
fn sealed_anew(memory: &Memory, key: &Key) -> u64 {
    let mut anew = SealedAnew::default();
    while !anew.is_done() {
        let group = Overlay::new();
        let mut tx = Tx::new(memory, &group, Some(key));
        anew = tx.seal_anew(key, anew, 5).unwrap();
        memory.commit(tx.finish().unwrap()).unwrap();
    }
    anew.count
}

#[test]
fn no_record_shows_a_number() {
    let memory = Memory::default();
    for write in WRITES {
        memory.commit(moved(&memory, *write).unwrap()).unwrap();
    }
    assert_eq!(shown(&pairs(&memory)), [""; 0]);
    assert_eq!(sealed_anew(&memory, &sealing()), 0, "all is as it is written now");
}

#[test]
fn a_store_of_before_is_read_carried_over_and_sealed() {
    let lines = FORMER.lines().skip(1).map(|line| line.split(' ').collect::<Vec<_>>());
    let memory = filled(lines.map(|line| (octets(line[1]), octets(line.get(2).unwrap_or(&"")))));
    let start = |memory: &Memory| Start::with(&pairs(memory)).told();
    assert_eq!(start(&memory), "opens");
    let kinds: String = shown(&pairs(&memory)).iter().map(|place| &place[..1]).collect();
    assert_eq!(kinds, "BBHMMMNNNOVVVVv");
    let (mut steps, mut last) = (0, None);
    while last.as_ref().is_none_or(|written: &Overlay| !written.is_empty()) {
        let written = moved(&memory, |tx| tx.carry_over(&sealing(), 3).map(drop)).unwrap();
        memory.commit(written.clone()).unwrap();
        assert_eq!(start(&memory), "opens", "after {steps} steps");
        (steps, last) = (steps + 1, Some(written));
    }
    assert_eq!(steps, 4, "eight entries in steps of three, and nothing more");
    // Two received messages, which are too long for that list, are not there.
    let fewer = ["inbox entry", "inbox", "inbox before"];
    let current = Memory::default();
    for write in WRITES {
        current.commit(moved(&current, *write).unwrap()).unwrap();
    }
    let found = |memory: &Memory| -> Vec<_> {
        let looks = outcomes(&pairs(memory)).into_iter().take(LOOKS.len());
        looks.filter(|(name, _)| !fewer.contains(name)).collect()
    };
    assert_eq!(found(&memory), found(&current));
    let left: String = shown(&pairs(&memory)).iter().map(|place| &place[..1]).collect();
    assert_eq!(left, "BBHMMMVVVV");
    assert!(sealed_anew(&memory, &sealing()) >= 10);
    assert_eq!(shown(&pairs(&memory)), [""; 0]);
    assert_eq!(found(&memory), found(&current));
    assert_eq!(start(&memory), "opens");
}

/// After a rotation the former keys open nothing, and what no key opens is told and ends nothing.
#[test]
fn a_turned_key_opens_all_and_the_former_one_nothing() {
    let memory = Memory::default();
    for write in WRITES {
        memory.commit(moved(&memory, *write).unwrap()).unwrap();
    }
    let (former, key) = (sealing(), sealing());
    key.replace(key.master(), key.ring().turned(key.random(), 1));
    assert!(sealed_anew(&memory, &key) > 9);
    key.replace(key.master(), key.ring().sealed_anew(0));
    let id = VerificationId::from_bytes([3; 16]);
    let memory = Arc::new(memory);
    let read = |key: &Key| {
        let engine = Arc::clone(&memory) as Arc<dyn Engine>;
        View::new(engine, Arc::default(), Some(key.clone())).verification(id)
    };
    assert_eq!(read(&key).unwrap().unwrap().to.digits(), DIGITS);
    assert!(matches!(read(&former), Err(StoreError::Corrupt { .. })), "another key");
}
