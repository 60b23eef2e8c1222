//! The numbers behind `+CMS ERROR` and `+CME ERROR` (3GPP TS 27.005 clause 3.2.5, TS 24.011 annex E-2,
//! TS 23.040 clause 9.2.3.22, TS 27.007 clause 9.2, Siemens' own from 512), what each means and what to do.

use super::{ErrorValue, ResultCode};

/// What an error asks of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Of the message or its recipient: the same message fails again.
    Permanent,
    /// Passes: later, anywhere.
    Transient,
    /// Of this device, its SIM or its settings: elsewhere at once, here later.
    Modem,
    /// The message may have gone out all the same.
    UnknownOutcome,
}

/// An error in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub class: Class,
    /// Its number, when it has one.
    pub code: Option<u16>,
    /// For a person: the meaning and the number.
    pub sentence: String,
}

impl Failure {
    /// Explains a final result that is not `OK`.
    pub fn of(result: &ResultCode) -> Self {
        match result {
            ResultCode::Cms(value) => explain("CMS", CMS, value),
            ResultCode::Cme(value) => explain("CME", CME, value),
            ResultCode::NotSupported => Self {
                class: Class::Transient,
                code: None,
                sentence: String::from("the modem does not support the command"),
            },
            ResultCode::Error | ResultCode::Ok => Self {
                class: Class::Transient,
                code: None,
                sentence: String::from("the modem answered ERROR without a reason"),
            },
        }
    }

    /// The number that `result` carries, or that its words stand for.
    pub fn number(result: &ResultCode) -> Option<u16> {
        match result {
            ResultCode::Cms(value) => number(CMS, value),
            ResultCode::Cme(value) => number(CME, value),
            _ => None,
        }
    }

    /// Whether the SIM or the device is only not ready yet: the same command works a little later.
    pub fn is_busy(result: &ResultCode) -> bool {
        let number = Self::number(result);
        match result {
            ResultCode::Cme(_) => matches!(number, Some(14 | 515)),
            ResultCode::Cms(_) => matches!(number, Some(314 | 532)),
            _ => false,
        }
    }
}

type Row = (u16, Class, &'static str);

fn number(table: &[Row], value: &ErrorValue) -> Option<u16> {
    match value {
        ErrorValue::Number(number) => Some(*number),
        ErrorValue::Text(text) => table
            .iter()
            .find(|(_, _, meaning)| meaning.eq_ignore_ascii_case(text))
            .map(|(number, ..)| *number),
        ErrorValue::Missing => None,
    }
}

fn explain(kind: &str, table: &[Row], value: &ErrorValue) -> Failure {
    let code = number(table, value);
    let row = code.and_then(|code| table.iter().find(|(number, ..)| *number == code));
    let (class, sentence) = match (row, code, value) {
        (Some((number, class, meaning)), ..) => (*class, format!("{meaning} (+{kind} ERROR {number})")),
        (None, Some(number), _) => {
            (unlisted(kind, number), format!("the modem answered +{kind} ERROR {number}"))
        }
        (None, None, ErrorValue::Text(text)) => {
            let words: String =
                text.chars().filter(|c| !c.is_control() && !c.is_ascii_digit()).take(60).collect();
            (Class::Transient, format!("the modem answered +{kind} ERROR: {words}"))
        }
        (None, None, _) => (Class::Transient, format!("the modem answered +{kind} ERROR without a number")),
    };
    Failure { class, code, sentence }
}

/// TP-FCS 0x80 to 0xBF speak of the TPDU's protocol identifier, coding scheme and command.
fn unlisted(kind: &str, number: u16) -> Class {
    match number {
        128..=191 if kind == "CMS" => Class::Permanent,
        _ => Class::Transient,
    }
}

use Class::{Modem, Permanent, Transient, UnknownOutcome};

const CMS: &[Row] = &[
    (1, Permanent, "unassigned number"),
    (8, Modem, "operator determined barring"),
    (10, Modem, "call barred"),
    (17, Transient, "network failure"),
    (21, Permanent, "short message transfer rejected"),
    (22, Transient, "congestion or memory capacity exceeded"),
    (27, Transient, "destination out of service"),
    (28, Permanent, "unidentified subscriber"),
    (29, Modem, "facility rejected"),
    (30, Permanent, "unknown subscriber"),
    (31, Transient, "the previous message is still being sent"),
    (34, Transient, "the previous message is still in progress"),
    (38, Transient, "network out of order"),
    (41, Transient, "temporary failure"),
    (42, Transient, "congestion"),
    (47, Transient, "resources unavailable"),
    (50, Modem, "requested facility not subscribed"),
    (69, Modem, "requested facility not implemented"),
    (81, Permanent, "invalid short message reference"),
    (95, Permanent, "invalid message"),
    (96, Permanent, "invalid mandatory information"),
    (97, Permanent, "message type non-existent"),
    (98, Permanent, "message not compatible with short message protocol state"),
    (99, Permanent, "information element non-existent"),
    (111, Permanent, "protocol error"),
    (127, UnknownOutcome, "interworking"),
    (192, Transient, "service centre busy"),
    (193, Permanent, "no service centre subscription"),
    (194, Transient, "service centre system failure"),
    (195, Permanent, "invalid recipient address"),
    (196, Permanent, "recipient barred"),
    (197, Permanent, "rejected as a duplicate of a message sent before"),
    (198, Transient, "validity period format not supported"),
    (199, Transient, "validity period not supported"),
    (208, Modem, "SIM message storage full"),
    (209, Modem, "no message storage in the SIM"),
    (210, Modem, "error in the equipment"),
    (211, Modem, "memory capacity exceeded"),
    (300, Modem, "ME failure"),
    (301, Transient, "SMS service of ME reserved"),
    (302, Transient, "operation not allowed"),
    (303, Modem, "operation not supported"),
    (304, Permanent, "invalid PDU mode parameter"),
    (305, Permanent, "invalid text mode parameter"),
    (310, Modem, "SIM not inserted"),
    (311, Modem, "SIM PIN required"),
    (312, Modem, "PH-SIM PIN required"),
    (313, Modem, "SIM failure"),
    (314, Transient, "SIM busy"),
    (315, Modem, "SIM wrong"),
    (316, Modem, "SIM PUK required"),
    (317, Modem, "SIM PIN2 required"),
    (318, Modem, "SIM PUK2 required"),
    (320, Modem, "memory failure"),
    (321, Modem, "invalid memory index"),
    (322, Modem, "memory full"),
    (330, Modem, "SMSC address unknown"),
    (331, Transient, "no network service"),
    (332, UnknownOutcome, "network timeout"),
    (340, Transient, "no +CNMA acknowledgement expected"),
    (350, UnknownOutcome, "the network gave no reason"),
    (500, Modem, "unknown error"),
    (512, Transient, "user abort or weak signal"),
    (513, Transient, "unable to store, or lower layer failure"),
    (514, Modem, "invalid status"),
    (515, Permanent, "invalid character in address string"),
    (516, Permanent, "invalid length of address"),
    (517, Permanent, "invalid character in PDU"),
    (518, Permanent, "invalid parameter"),
    (519, Permanent, "invalid length or character"),
    (520, Permanent, "invalid character in text"),
    (521, UnknownOutcome, "timer expired"),
    (522, Transient, "operation temporarily not allowed"),
    (532, Transient, "SIM not ready"),
    (535, Transient, "PS busy"),
    (545, Transient, "SIM not ready yet"),
    (549, Permanent, "bad number of octets in the message"),
    (551, Permanent, "bad length of the message"),
    (553, Permanent, "bad character in the message"),
    (554, Permanent, "bad format of the message"),
];

const CME: &[Row] = &[
    (0, Modem, "phone failure"),
    (1, Modem, "no connection to phone"),
    (3, Transient, "operation not allowed"),
    (4, Transient, "operation not supported"),
    (5, Modem, "PH-SIM PIN required"),
    (6, Modem, "PH-FSIM PIN required"),
    (7, Modem, "PH-FSIM PUK required"),
    (10, Modem, "SIM not inserted"),
    (11, Modem, "SIM PIN required"),
    (12, Modem, "SIM PUK required"),
    (13, Modem, "SIM failure"),
    (14, Transient, "SIM busy"),
    (15, Modem, "SIM wrong"),
    (16, Modem, "incorrect password"),
    (17, Modem, "SIM PIN2 required"),
    (18, Modem, "SIM PUK2 required"),
    (20, Modem, "memory full"),
    (21, Modem, "invalid index"),
    (22, Modem, "not found"),
    (23, Modem, "memory failure"),
    (24, Permanent, "text string too long"),
    (25, Permanent, "invalid characters in text string"),
    (26, Permanent, "dial string too long"),
    (27, Permanent, "invalid characters in dial string"),
    (30, Transient, "no network service"),
    (31, UnknownOutcome, "network timeout"),
    (32, Modem, "network not allowed - emergency calls only"),
    (40, Modem, "network personalisation PIN required"),
    (100, Transient, "unknown"),
    (132, Modem, "service option not supported"),
    (133, Modem, "requested service option not subscribed"),
    (515, Transient, "the modem asks to wait"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn cms(number: u16) -> Failure {
        Failure::of(&ResultCode::Cms(ErrorValue::Number(number)))
    }

    #[test]
    fn classes() {
        for (number, class) in [
            (1, Permanent),
            (28, Permanent),
            (38, Transient),
            (42, Transient),
            (160, Permanent),
            (304, Permanent),
            (310, Modem),
            (316, Modem),
            (332, UnknownOutcome),
            (350, UnknownOutcome),
            (521, UnknownOutcome),
            (65000, Transient),
        ] {
            assert_eq!(cms(number).class, class, "{number}");
            assert_eq!(cms(number).code, Some(number));
            assert!(cms(number).sentence.contains(&number.to_string()));
        }
    }

    #[test]
    fn words_stand_for_numbers() {
        let words = |text: &str| ErrorValue::Text(text.into());
        assert_eq!(Failure::number(&ResultCode::Cme(words("sim not inserted"))), Some(10));
        assert_eq!(Failure::of(&ResultCode::Cms(words("timer expired"))).class, UnknownOutcome);
        assert!(Failure::is_busy(&ResultCode::Cme(words("SIM busy"))));
        assert!(!Failure::is_busy(&ResultCode::Cms(ErrorValue::Number(14))));
        let odd = Failure::of(&ResultCode::Cms(words("invalid input value +41791234567")));
        assert_eq!((odd.class, odd.code), (Transient, None));
        assert!(!odd.sentence.contains("4179"), "no number of a person in a sentence");
        assert_eq!(Failure::of(&ResultCode::Cms(ErrorValue::Missing)).class, Transient);
    }

    #[test]
    fn the_tables_are_in_order_and_without_doubles() {
        for table in [CMS, CME] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
