//! User data headers: a DELIVER around any coding, length and octets.

use arbitrary::{Arbitrary as _, Unstructured};
use gsm_sms::{Direction, Framing, Strictness};

/// One input.
pub fn run(octets: &[u8]) {
    let Ok(input) = <(u8, u8, &[u8])>::arbitrary_take_rest(Unstructured::new(octets)) else { return };
    let (coding, length, octets) = input;
    let head = [0x44, 1, 0x91, 0xf1, 0, coding, 0x62, 0x21, 0x12, 0x21, 0x25, 0, 0x80, length];
    let pdu = [&head[..], octets].concat();
    if let Ok(read) = gsm_sms::decode(&pdu, Direction::Mt, Framing::TpduOnly, Strictness::Strict) {
        let user_data = read.tpdu.user_data().expect("a DELIVER has user data");
        let header = user_data.header();
        assert!(header.octets().len() < user_data.octets().len());
        let covered: usize = header.elements().map(|element| size(&element)).sum();
        assert_eq!(covered, header.octets().len(), "strict mode leaves no octet of a header over");
        let _ = (header.concatenation(), header.ports(), header.shift_tables(), user_data.to_text());
        assert!(user_data.to_fragment().len() <= 160);
    }
    if let Ok(read) = gsm_sms::decode(&pdu, Direction::Mt, Framing::TpduOnly, Strictness::Lenient) {
        let user_data = read.tpdu.user_data().expect("a DELIVER has user data");
        let _ = (user_data.to_text(), user_data.to_fragment(), user_data.header().concatenation());
    }
}

/// Octets of an element, identifier and length included.
fn size(element: &gsm_sms::Element<'_>) -> usize {
    2 + match element {
        gsm_sms::Element::Concatenation(concat) => match concat.reference {
            gsm_sms::Reference::Eight(_) => 3,
            gsm_sms::Reference::Sixteen(_) => 4,
        },
        gsm_sms::Element::MessageWaiting { .. } | gsm_sms::Element::Ports8 { .. } => 2,
        gsm_sms::Element::Ports16 { .. } => 4,
        gsm_sms::Element::SingleShift(_) | gsm_sms::Element::LockingShift(_) => 1,
        gsm_sms::Element::Other { data, .. } => data.len(),
        other => panic!("{other:?} is new"),
    }
}
