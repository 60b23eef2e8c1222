//! Any text with any allowed coding: parts that read back and join to the same text.

use std::time::Duration;

use arbitrary::{Arbitrary as _, Unstructured};
use gsm_sms::{
    Arrival, Direction, EncodingChoice, Framing, Language, Limits, MessageClass, Reason, Reassembler,
    ShiftChoice, Strictness, Submission,
};

/// One input.
pub fn run(octets: &[u8]) {
    let Ok(input) = <(u8, u8, Option<u32>, &str)>::arbitrary_take_rest(Unstructured::new(octets)) else {
        return;
    };
    let (wishes, language, seconds, text) = input;
    let encoding = match wishes >> 3 & 3 {
        0 => EncodingChoice::Gsm7,
        1 => EncodingChoice::Ucs2,
        _ => EncodingChoice::Auto,
    };
    let shift = match Language::from_identifier(language) {
        Some(language) => ShiftChoice::Language(language),
        None if language & 1 == 0 => ShiftChoice::Any,
        None => ShiftChoice::Never,
    };
    let mut submission = Submission::new("+41791234567", text)
        .with_status_report(wishes & 2 != 0)
        .with_reject_duplicates(wishes & 4 != 0)
        .with_message_reference(language)
        .with_concatenation_reference(wishes)
        .with_encoding(encoding)
        .with_shift(shift);
    submission.class = (wishes & 1 != 0).then_some(MessageClass::Flash);
    submission.validity = seconds.map(|s| Duration::from_secs(s.into()));
    let composed = match gsm_sms::compose(&submission) {
        Ok(composed) => composed,
        Err(error) => {
            assert!(matches!(error.reason, Reason::NotInAlphabet | Reason::TooManyParts), "{error}");
            return;
        }
    };
    let mut parts = Reassembler::new(Limits::default());
    let mut joined = None;
    for part in composed.parts.iter().rev() {
        let read = gsm_sms::decode(&part.pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict)
            .expect("composed");
        let user_data = read.tpdu.user_data().expect("a SUBMIT has user data");
        if let (Arrival::Complete(message), _) = parts.accept(Duration::ZERO, "+1", user_data) {
            joined = message.to_text();
        }
    }
    assert_eq!(joined.as_deref(), Some(text));
    let (plain, changes) = gsm_sms::transliterate(text);
    assert!(changes.is_empty() == (plain == text));
}
