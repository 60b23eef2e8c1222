//! What a modem keeps: settings that are lost at a restart, a SIM and memories that are not, and the identity
//! of one modem among several.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{Card, CardState, Identity, Script};
use super::tpdu::Pdu;

/// The settings that a power-on resets (V.250, 3GPP TS 27.005, 27.007).
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) echo: bool,
    pub(super) verbose: bool,
    pub(super) quiet: bool,
    /// `+CMEE`.
    pub(super) errors: u32,
    /// `+CMGF`: 0 is PDU mode.
    pub(super) text_mode: bool,
    pub(super) service: u32,
    pub(super) cnmi: [u8; 5],
    pub(super) more: u32,
    pub(super) charset: String,
    pub(super) parameters: String,
    pub(super) function: u32,
    /// The values of `+CREG`, `+CGREG` and `+CEREG`.
    pub(super) reports: [u32; 3],
    pub(super) memories: [String; 3],
    pub(super) marks: BTreeSet<String>,
    pub(super) periodic: bool,
}

impl Settings {
    pub(super) fn at_power_on(script: &Script) -> Self {
        let memory = script.storage.memories.first().cloned().unwrap_or_default();
        Self {
            echo: script.line.echo,
            verbose: true,
            quiet: false,
            errors: 0,
            text_mode: !script.sending.pdu_mode,
            service: 0,
            cnmi: [0; 5],
            more: 0,
            charset: "GSM".to_owned(),
            parameters: "17,167,0,0".to_owned(),
            function: 1,
            reports: [0; 3],
            memories: [memory.clone(), memory.clone(), memory],
            marks: BTreeSet::new(),
            periodic: true,
        }
    }
}

/// The SIM and its lock (3GPP TS 27.007 clause 8.3).
#[derive(Debug)]
pub(super) struct Sim {
    pub(super) state: CardState,
    pub(super) at_power_on: CardState,
    pub(super) tries: u8,
    pin: String,
    puk: String,
    most: u8,
}

impl Sim {
    pub(super) fn new(card: &Card) -> Self {
        let tries = card.tries;
        let (state, pin, puk) = (card.state, card.pin.clone(), card.puk.clone());
        Self { state, at_power_on: state, tries, pin, puk, most: tries }
    }

    /// At power-on the SIM asks for its PIN again; a blocked SIM stays blocked.
    pub(super) fn power_on(&mut self) {
        if self.state != CardState::Puk {
            self.state = self.at_power_on;
        }
    }

    /// `+CPIN=`. Returns whether the SIM accepted the PIN.
    pub(super) fn enter(&mut self, values: &[String]) -> bool {
        match (self.state, values) {
            (CardState::Pin, [pin]) if *pin == self.pin => {
                self.state = CardState::Ready;
                self.tries = self.most;
                true
            }
            (CardState::Pin, [_]) => {
                self.tries = self.tries.saturating_sub(1);
                if self.tries == 0 {
                    self.state = CardState::Puk;
                }
                false
            }
            (CardState::Puk, [puk, pin]) if *puk == self.puk => {
                self.pin.clone_from(pin);
                self.state = CardState::Ready;
                self.tries = self.most;
                true
            }
            _ => false,
        }
    }
}

/// A message in a memory.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) status: u8,
    pub(super) pdu: Pdu,
}

/// The memories by name, each with its messages by place.
pub(super) struct Memories {
    pub(super) capacity: u32,
    first: u32,
    places: BTreeMap<String, BTreeMap<u32, Stored>>,
}

impl Memories {
    pub(super) fn new(script: &Script) -> Self {
        let storage = &script.storage;
        let places = storage.memories.iter().map(|name| (name.clone(), BTreeMap::new())).collect();
        let mut memories = Self { capacity: storage.capacity, first: storage.first_index, places };
        for message in &storage.messages {
            memories.store(&message.memory, message.status, Pdu::from_octets(message.pdu.0.clone()));
        }
        memories
    }

    pub(super) fn knows(&self, memory: &str) -> bool {
        self.places.contains_key(memory)
    }

    pub(super) fn used(&self, memory: &str) -> usize {
        self.places.get(memory).map_or(0, BTreeMap::len)
    }

    /// The place at which the message was stored; `None` when the memory is full.
    pub(super) fn store(&mut self, memory: &str, status: u8, pdu: Pdu) -> Option<u32> {
        let (first, end) = (self.first, self.first.saturating_add(self.capacity));
        let places = self.places.get_mut(memory)?;
        let place = (first..end).find(|place| !places.contains_key(place))?;
        places.insert(place, Stored { status, pdu });
        Some(place)
    }

    pub(super) fn at(&mut self, memory: &str, place: u32) -> Option<&mut Stored> {
        self.places.get_mut(memory)?.get_mut(&place)
    }

    pub(super) fn all(&mut self, memory: &str) -> impl Iterator<Item = (u32, &mut Stored)> {
        self.places.get_mut(memory).into_iter().flatten().map(|(place, stored)| (*place, stored))
    }

    pub(super) fn may_hold(&self, place: u32) -> bool {
        (self.first..self.first.saturating_add(self.capacity)).contains(&place)
    }

    /// `+CMGD` with its flag (3GPP TS 27.005 clause 3.5.4).
    pub(super) fn delete(&mut self, memory: &str, place: u32, flag: u32) {
        let Some(places) = self.places.get_mut(memory) else { return };
        match flag {
            0 => {
                places.remove(&place);
            }
            1 => places.retain(|_, stored| stored.status != 1),
            2 => places.retain(|_, stored| !matches!(stored.status, 1 | 3)),
            3 => places.retain(|_, stored| stored.status == 0),
            _ => places.clear(),
        }
    }
}

/// The identity of modem `index`: the script's for the first, counted up for the others.
pub(super) fn identity_of(script: &Script, index: usize) -> Identity {
    let identity = &script.identity;
    Identity {
        imei: with_check_digit(&identity.imei, index),
        iccid: with_check_digit(&identity.iccid, index),
        imsi: counted_up(&identity.imsi, index),
        number: counted_up(&identity.number, index),
        ..identity.clone()
    }
}

/// Counts up all digits but the last, which becomes the check digit (Luhn, ISO/IEC 7812-1).
fn with_check_digit(number: &str, by: usize) -> String {
    if by == 0 || number.len() < 2 {
        return number.to_owned();
    }
    let mut body = counted_up(&number[..number.len() - 1], by);
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit.wrapping_sub(b'0') % 10);
            if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    body.push(char::from_digit((10 - sum % 10) % 10, 10).unwrap_or('0'));
    body
}

/// Adds `by` to the digits at the end of a text, without changing the length of the text.
fn counted_up(number: &str, by: usize) -> String {
    let mut octets = number.as_bytes().to_vec();
    let mut carry = by;
    for octet in octets.iter_mut().rev().take_while(|octet| octet.is_ascii_digit()) {
        let sum = usize::from(*octet - b'0') + carry;
        *octet = b'0' + u8::try_from(sum % 10).unwrap_or(0);
        carry = sum / 10;
    }
    String::from_utf8(octets).unwrap_or_else(|_| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_modem_has_its_own_identity() {
        let script = Script::default();
        assert_eq!(identity_of(&script, 0), script.identity);
        let second = identity_of(&script, 1);
        // 490154203237518 is the worked example of the IMEI check digit; the next body needs 6.
        assert_eq!(second.imei, "490154203237526");
        assert_eq!(second.imsi, "228015550000002");
        assert_eq!(second.number, "+41790000002");
        assert_eq!(counted_up("099", 2), "101");
        assert_eq!(counted_up("x", 2), "x");
        assert_eq!(with_check_digit("49015420323751?", 0), "49015420323751?");
    }

    #[test]
    fn a_pin_can_be_blocked_and_freed() {
        let mut sim = Sim::new(&Card { state: CardState::Pin, ..Card::default() });
        let enter = |sim: &mut Sim, values: &[&str]| {
            sim.enter(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>())
        };
        for _ in 0..3 {
            assert_eq!(sim.state, CardState::Pin);
            assert!(!enter(&mut sim, &["0000"]));
        }
        assert_eq!(sim.state, CardState::Puk);
        assert!(!enter(&mut sim, &["1234"]));
        sim.power_on();
        assert_eq!(sim.state, CardState::Puk);
        assert!(enter(&mut sim, &["12345678", "9999"]));
        assert_eq!(sim.state, CardState::Ready);
    }

    #[test]
    fn memories_fill_up_and_are_emptied() {
        let mut script = Script::default();
        script.storage.capacity = 2;
        let mut memories = Memories::new(&script);
        let pdu = || Pdu::from_octets(vec![0, 1]);
        assert_eq!(memories.store("SM", 0, pdu()), Some(1));
        assert_eq!(memories.store("SM", 1, pdu()), Some(2));
        assert_eq!(memories.store("SM", 1, pdu()), None);
        assert_eq!(memories.store("XX", 1, pdu()), None);
        memories.delete("SM", 0, 1);
        assert_eq!(memories.used("SM"), 1);
        memories.delete("SM", 1, 0);
        assert_eq!(memories.used("SM"), 0);
    }
}
