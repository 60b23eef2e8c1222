//! Any text with any allowed coding: parts that read back and join to the same text.
#![no_main]

use std::time::Duration;

use gsm_sms::{
    Arrival, Direction, EncodingChoice, Language, Limits, Reason, Reassembler, ShiftChoice, Strictness,
    Submission,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, Option<u32>, &str)| {
    let (wishes, language, seconds, text) = input;
    let submission = Submission {
        flash: wishes & 1 != 0,
        report: wishes & 2 != 0,
        reject_duplicates: wishes & 4 != 0,
        valid_for: seconds.map(|s| Duration::from_secs(s.into())),
        reference: language,
        concat_reference: wishes,
        encoding: match wishes >> 3 & 3 {
            0 => EncodingChoice::Gsm7,
            1 => EncodingChoice::Ucs2,
            _ => EncodingChoice::Auto,
        },
        shift: match Language::from_identifier(language) {
            Some(language) => ShiftChoice::Language(language),
            None if language & 1 == 0 => ShiftChoice::Any,
            None => ShiftChoice::Never,
        },
        ..Submission::new("+41791234567", text)
    };
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
        let read = gsm_sms::decode(&part.pdu, Direction::Mo, true, Strictness::Strict).expect("composed");
        let user_data = read.tpdu.user_data().expect("a SUBMIT has user data");
        if let (Arrival::Complete(message), _) = parts.accept(Duration::ZERO, "+1", user_data) {
            joined = message.to_text();
        }
    }
    assert_eq!(joined.as_deref(), Some(text));
    let (plain, changes) = gsm_sms::transliterate(text);
    assert!(changes.is_empty() == (plain == text));
});
