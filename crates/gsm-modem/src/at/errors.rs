//! What an error result means: what it is about, and what would happen if the same message were sent again.
//!
//! The numbers of the standards are in `codes`. Numbers from 512 on and those of 350 to 373 belong to the
//! modem's maker: the same number means a bad address on one make, "please wait" on another and a full memory
//! on a third. The caller knows the make, and gives these as data, a [`MakerError`] each.

mod codes;

use std::ops::RangeInclusive;

use codes::{CME, CMS, Row, WORDS};

use super::{ErrorValue, ResultCode};

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The number that the message is for.
    Recipient,
    /// The message itself.
    Message,
    /// The device or its settings.
    Modem,
    /// A message storage that has no room.
    Storage,
    /// The sender's SIM or its subscription.
    Sim,
    /// The network.
    Network,
    /// The service centre.
    Centre,
}

/// What would happen if the same modem sent the same message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The same error.
    Refused,
    /// Another outcome: the cause passes.
    Later,
    /// The message may already have gone out, and the error may be about its duplicate.
    Open,
}

/// An error in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it is about.
    pub subject: Subject,
    /// What would happen to the same message.
    pub verdict: Verdict,
    /// Its number, when it has one.
    pub code: Option<u16>,
    /// For a person: the meaning and the number.
    pub sentence: String,
}

/// Which of the two final results with a number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Service {
    /// `+CMS ERROR`: the short message service.
    #[default]
    Cms,
    /// `+CME ERROR`: the equipment or its SIM.
    Cme,
}

/// An error as the maker of a modem defines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakerError {
    /// The final result that carries the number.
    pub service: Service,
    /// The numbers that mean it.
    pub codes: RangeInclusive<u16>,
    /// What it is about.
    pub subject: Subject,
    /// What would happen to the same message.
    pub verdict: Verdict,
    /// The meaning. A modem that writes words for its errors writes these words.
    pub means: String,
}

impl Failure {
    /// Explains a final result that is not `OK`, by the standards alone.
    pub fn of(result: &ResultCode) -> Self {
        Self::by(result, &[])
    }

    /// Explains a final result that is not `OK`: the maker's meaning of a number comes before that of the standards.
    pub fn by(result: &ResultCode, maker: &[MakerError]) -> Self {
        match result {
            ResultCode::Cms(value) => explain(Service::Cms, value, maker),
            ResultCode::Cme(value) => explain(Service::Cme, value, maker),
            // A modem that lacks the command will lack it later too, but another modem may have it.
            ResultCode::NotSupported => {
                Self::plain(Subject::Modem, "the modem does not support the command".to_owned())
            }
            ResultCode::Error | ResultCode::Ok => {
                Self::plain(Subject::Network, "the modem answered ERROR without a reason".to_owned())
            }
        }
    }

    fn plain(subject: Subject, sentence: String) -> Self {
        Self { subject, verdict: Verdict::Later, code: None, sentence }
    }

    /// The number that `result` carries, or that its words stand for in the standards.
    pub fn number(result: &ResultCode) -> Option<u16> {
        match result {
            ResultCode::Cms(value) => number(Service::Cms, value, &[]),
            ResultCode::Cme(value) => number(Service::Cme, value, &[]),
            _ => None,
        }
    }

    /// Whether the SIM or the device is only not ready yet: the same command will work a little later.
    pub fn is_busy(result: &ResultCode) -> bool {
        let number = Self::number(result);
        match result {
            ResultCode::Cme(_) => matches!(number, Some(14 | 515)),
            ResultCode::Cms(_) => matches!(number, Some(314 | 532)),
            _ => false,
        }
    }

    /// Whether the error is the network's final answer about this message or its recipient: the modem did its work.
    pub fn is_final_for_the_message(&self) -> bool {
        self.verdict == Verdict::Refused && matches!(self.subject, Subject::Recipient | Subject::Message)
    }
}

/// Whether an error says that the SIM asks for something, is busy, or is absent (27.007 clause 9.2.1, 27.005
/// clause 3.2.5).
pub fn names_the_sim(result: &ResultCode) -> bool {
    matches!(
        (result, Failure::number(result)),
        (ResultCode::Cms(_), Some(310..=318)) | (ResultCode::Cme(_), Some(5..=7 | 10..=18))
    )
}

impl Subject {
    /// The words that profile files use.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("recipient", Self::Recipient),
        ("message", Self::Message),
        ("modem", Self::Modem),
        ("storage", Self::Storage),
        ("sim", Self::Sim),
        ("network", Self::Network),
        ("centre", Self::Centre),
    ];
}

impl Verdict {
    /// The words that profile files use.
    pub const NAMES: [(&'static str, Self); 3] =
        [("refused", Self::Refused), ("later", Self::Later), ("open", Self::Open)];
}

impl Service {
    /// The words that profile files use.
    pub const NAMES: [(&'static str, Self); 2] = [("cms", Self::Cms), ("cme", Self::Cme)];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Cms => "CMS",
            Self::Cme => "CME",
        }
    }

    const fn table(self) -> &'static [Row] {
        match self {
            Self::Cms => CMS,
            Self::Cme => CME,
        }
    }
}

fn number(service: Service, value: &ErrorValue, maker: &[MakerError]) -> Option<u16> {
    match value {
        ErrorValue::Number(number) => Some(*number),
        ErrorValue::Text(text) => {
            let of_maker = maker.iter().filter(|e| e.service == service && e.codes.start() == e.codes.end());
            let of_maker = of_maker.map(|error| (*error.codes.start(), error.means.as_str()));
            let of_standard = service.table().iter().map(|row| (row.code, row.means));
            let in_words = WORDS.iter().filter(|_| service == Service::Cms).copied();
            of_maker
                .chain(of_standard)
                .chain(in_words)
                .find(|(_, words)| same_words(words, text))
                .map(|(code, _)| code)
        }
        ErrorValue::Missing => None,
    }
}

/// Compares letters and digits in either case; `(U)SIM` is a SIM.
fn same_words(one: &str, other: &str) -> bool {
    let letters = |text: &str| {
        let text = text.to_lowercase().replace("(u)", "");
        text.chars().filter(|c| c.is_alphanumeric()).collect::<String>()
    };
    letters(one) == letters(other)
}

fn explain(service: Service, value: &ErrorValue, maker: &[MakerError]) -> Failure {
    let kind = service.as_str();
    let Some(code) = number(service, value, maker) else {
        let sentence = match value {
            ErrorValue::Text(text) => {
                // Digits may be part of a person's number.
                let words = text.chars().filter(|c| !c.is_control() && !c.is_ascii_digit());
                format!("the modem answered +{kind} ERROR: {}", words.take(60).collect::<String>())
            }
            _ => format!("the modem answered +{kind} ERROR without a number"),
        };
        return Failure::plain(Subject::Network, sentence);
    };
    let failure = |subject, verdict, sentence| Failure { subject, verdict, code: Some(code), sentence };
    let said = |means: &str| format!("{means} (+{kind} ERROR {code})");
    if let Some(error) = maker.iter().find(|e| e.service == service && e.codes.contains(&code)) {
        return failure(error.subject, error.verdict, said(&error.means));
    }
    if let Some(row) = service.table().iter().find(|row| row.code == code) {
        return failure(row.subject, row.verdict, said(row.means));
    }
    let (subject, verdict, means) = match (service, code) {
        // 3GPP TS 23.040 clause 9.2.3.22: of the protocol identifier, the coding scheme or the command.
        (Service::Cms, 128..=191) => {
            (Subject::Message, Verdict::Refused, "a field of the message is not supported")
        }
        // 3GPP TS 24.011 annex E-2: a cause that is not defined counts as 41, temporary failure.
        (Service::Cms, 0..=127) => (Subject::Network, Verdict::Later, "a cause that is not defined"),
        (Service::Cms, 350..=373) | (_, 512..) => {
            (Subject::Network, Verdict::Later, "an error of the maker's own, whose meaning is not known")
        }
        _ => (Subject::Network, Verdict::Later, "an error whose meaning is not known"),
    };
    failure(subject, verdict, said(means))
}

#[cfg(test)]
mod tests {
    use Subject::{Centre, Message, Modem, Network, Recipient, Sim, Storage};
    use Verdict::{Later, Open, Refused};
    use proptest::prelude::*;

    use super::*;

    fn cms(number: u16) -> Failure {
        Failure::of(&ResultCode::Cms(ErrorValue::Number(number)))
    }

    fn cme(number: u16) -> Failure {
        Failure::of(&ResultCode::Cme(ErrorValue::Number(number)))
    }

    fn words(text: &str) -> ErrorValue {
        ErrorValue::Text(text.into())
    }

    fn maker(codes: RangeInclusive<u16>, subject: Subject, verdict: Verdict, means: &str) -> MakerError {
        MakerError { service: Service::Cms, codes, subject, verdict, means: means.to_owned() }
    }

    #[test]
    fn errors_by_what_they_are_about() {
        for (codes, subject, verdict) in [
            // About the recipient.
            (&[1, 195, 196][..], Recipient, Refused),
            (&[27], Recipient, Later),
            // About the message.
            (
                &[21, 81, 95, 96, 97, 98, 99, 111, 128, 143, 150, 160, 176, 191, 197, 198, 199],
                Message,
                Refused,
            ),
            // About the sender's SIM, and never about the message.
            (&[8, 10, 28, 29, 30, 50, 69, 193], Sim, Refused),
            (&[310, 311, 312, 313, 314, 315, 316, 317, 318], Sim, Later),
            // About the device. The codec of the PDU is this program's, so 304 and 305 are not a fault of the message.
            (&[209, 210, 300, 301, 302, 303, 304, 305, 320, 321, 340, 500], Modem, Later),
            (&[208, 211, 322], Storage, Later),
            // About the network.
            (&[17, 22, 31, 34, 38, 41, 42, 47, 331], Network, Later),
            (&[127, 332], Network, Open),
            // About the service centre.
            (&[192, 194], Centre, Later),
            (&[330], Centre, Refused),
            // Errors without a known meaning: they pass.
            (&[0, 2, 100, 200, 255, 299, 400, 350, 373, 512, 515, 520, 521, 65535], Network, Later),
        ] {
            for &code in codes {
                let failure = cms(code);
                assert_eq!((failure.subject, failure.verdict), (subject, verdict), "+CMS ERROR {code}");
                assert_eq!(failure.code, Some(code));
                assert!(failure.sentence.ends_with(&format!("(+CMS ERROR {code})")), "{}", failure.sentence);
            }
        }
    }

    #[test]
    fn errors_of_the_equipment() {
        for (codes, subject, verdict) in [
            (&[5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 32, 40, 47][..], Sim, Later),
            (&[56, 62, 103, 107, 133], Sim, Refused),
            (&[0, 1, 2, 3, 4, 20, 21, 22, 23, 24, 25, 26, 27, 50, 51, 53, 60, 100], Modem, Later),
            (&[30, 111, 113, 134], Network, Later),
            (&[31], Network, Open),
            (&[515, 65535, 300], Network, Later),
        ] {
            for &code in codes {
                let failure = cme(code);
                assert_eq!((failure.subject, failure.verdict), (subject, verdict), "+CME ERROR {code}");
                assert_eq!(failure.code, Some(code));
            }
        }
    }

    #[test]
    fn results_without_a_number() {
        let seen = |result: &ResultCode| {
            let failure = Failure::of(result);
            (failure.subject, failure.verdict, failure.code)
        };
        assert_eq!(seen(&ResultCode::Error), (Network, Later, None));
        assert_eq!(seen(&ResultCode::NotSupported), (Modem, Later, None));
        assert_eq!(seen(&ResultCode::Cms(ErrorValue::Missing)), (Network, Later, None));
        let odd = Failure::of(&ResultCode::Cms(words("invalid input value +41791234567")));
        assert_eq!((odd.subject, odd.verdict, odd.code), (Network, Later, None));
        assert!(!odd.sentence.contains("4179"), "no number of a person in a sentence");
    }

    #[test]
    fn words_stand_for_numbers() {
        for (result, code) in [
            (ResultCode::Cme(words("sim not inserted")), 10),
            (ResultCode::Cme(words("SIM busy")), 14),
            (ResultCode::Cms(words("(U)SIM PUK required")), 316),
            (ResultCode::Cms(words("SC busy")), 192),
            (ResultCode::Cms(words("SM Rejected-Duplicate SM")), 197),
            (ResultCode::Cms(words("Unassigned (unallocated) number")), 1),
            (ResultCode::Cms(words("no network service")), 331),
        ] {
            assert_eq!(Failure::number(&result), Some(code), "{result:?}");
            assert_eq!(Failure::of(&result).code, Some(code), "{result:?}");
        }
        assert_eq!(Failure::number(&ResultCode::Cme(words("SC busy"))), None);
        assert!(Failure::is_busy(&ResultCode::Cme(words("SIM busy"))));
        assert!(!Failure::is_busy(&ResultCode::Cms(ErrorValue::Number(14))));
    }

    #[test]
    fn what_the_maker_says_stands_before_the_standards() {
        let own = [
            maker(515..=515, Message, Refused, "invalid character in address"),
            maker(350..=359, Recipient, Refused, "unassigned number"),
            maker(38..=38, Sim, Refused, "no subscription"),
            MakerError { service: Service::Cme, ..maker(516..=516, Modem, Later, "please wait") },
        ];
        let by = |result| {
            let failure = Failure::by(&result, &own);
            (failure.subject, failure.verdict, failure.code)
        };
        let number = ErrorValue::Number;
        assert_eq!(by(ResultCode::Cms(number(515))), (Message, Refused, Some(515)));
        assert_eq!(by(ResultCode::Cms(words("Invalid character in address"))), (Message, Refused, Some(515)));
        assert_eq!(by(ResultCode::Cms(number(359))), (Recipient, Refused, Some(359)));
        assert_eq!(by(ResultCode::Cms(number(360))), (Network, Later, Some(360)));
        assert_eq!(by(ResultCode::Cms(number(38))), (Sim, Refused, Some(38)));
        assert_eq!(by(ResultCode::Cms(number(516))), (Network, Later, Some(516)));
        assert_eq!(by(ResultCode::Cme(number(516))), (Modem, Later, Some(516)));
        assert_eq!(by(ResultCode::Cms(words("unassigned number"))), (Recipient, Refused, Some(1)));
    }

    #[test]
    fn only_an_error_about_the_message_or_its_recipient_ends_it() {
        for (code, ends) in
            [(1, true), (21, true), (27, false), (28, false), (30, false), (304, false), (330, false)]
        {
            assert_eq!(cms(code).is_final_for_the_message(), ends, "{code}");
        }
    }

    #[test]
    fn the_tables_are_in_order_and_without_doubles() {
        for table in [CMS, CME] {
            assert!(table.windows(2).all(|pair| pair[0].code < pair[1].code));
        }
        for (code, words) in WORDS {
            assert!(CMS.iter().any(|row| row.code == *code), "{words}");
        }
    }

    proptest! {
        #[test]
        fn no_number_and_no_words_are_without_a_sentence(code: u16, text in ".{0,80}") {
            for value in [ErrorValue::Number(code), ErrorValue::Text(text.clone())] {
                for result in [ResultCode::Cms(value.clone()), ResultCode::Cme(value.clone())] {
                    prop_assert!(!Failure::of(&result).sentence.is_empty());
                }
            }
        }

        /// The maker's own numbers say nothing by themselves.
        #[test]
        fn an_unknown_number_ends_no_message(code in prop_oneof![350u16..=373, 512u16..]) {
            prop_assert_eq!((cms(code).subject, cms(code).verdict), (Network, Later));
        }
    }
}
