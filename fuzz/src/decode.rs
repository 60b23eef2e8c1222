//! Any octets, both directions, strict and lenient: a message that writes back, or an error within the octets.

use arbitrary::{Arbitrary as _, Unstructured};
use gsm_sms::{Direction, Framing, Strictness};

/// One input.
pub fn run(octets: &[u8]) {
    let Ok(input) = <(bool, bool, &[u8])>::arbitrary_take_rest(Unstructured::new(octets)) else { return };
    let (from_phone, with_smsc, octets) = input;
    let direction = if from_phone { Direction::Mo } else { Direction::Mt };
    let framing = if with_smsc { Framing::SmscFirst } else { Framing::TpduOnly };
    match gsm_sms::decode(octets, direction, framing, Strictness::Strict) {
        Ok(read) => {
            let mut written = if with_smsc {
                read.tpdu.encode_with_smsc(read.smsc.as_ref()).expect("what was read can be written")
            } else {
                read.tpdu.encode().expect("what was read can be written")
            };
            written.extend(&read.excess);
            assert_eq!(written, octets);
            let _ = (read.to_text(), read.concatenation(), format!("{read:?}"));
            let lenient = gsm_sms::decode(octets, direction, framing, Strictness::Lenient);
            assert_eq!(lenient, Ok(read));
        }
        Err(error) => {
            assert!(error.offset <= octets.len() && !error.to_string().is_empty());
            if let Ok(read) = gsm_sms::decode(octets, direction, framing, Strictness::Lenient) {
                assert_eq!(read.leniencies.first(), Some(&error));
                let _ = (read.to_text(), read.concatenation(), format!("{read:?}"));
            }
        }
    }
}
