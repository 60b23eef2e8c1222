//! What holds for every text and for all octets.

use std::time::Duration;

use gsm_sms::{
    Address, Alphabet, Arrival, Command, CommandType, DataCodingScheme, Deliver, DeliverReport, Direction,
    Element, EncodingChoice, FailureCause, FirstOctet, Framing, Language, Limits, Parameters,
    ProtocolIdentifier, Reassembler, ShiftChoice, ShiftTables, Status, StatusReport, Strictness, Submission,
    Submit, SubmitReport, Timestamp, Tpdu, UserData, ValidityPeriod,
};
use proptest::prelude::*;

/// Texts that contain what is hard: escapes, surrogate pairs, marks, the letters of shift tables.
fn texts() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => any::<char>(),
        8 => proptest::char::range(' ', '~'),
        3 => prop::sample::select("€{}[]~\\^|\u{c}\n\r@ΔΦΓΛΩΠΨΣΘΞÆæßÉñüà".chars().collect::<Vec<_>>()),
        2 => prop::sample::select("ğĞşŞıİçõãêáíóúकोडআক".chars().collect::<Vec<_>>()),
        2 => prop::sample::select("😁👩\u{200d}👧🇨🇭\u{301}\u{fe0f}".chars().collect::<Vec<_>>()),
    ];
    prop_oneof![
        prop::collection::vec(character, 0..400).prop_map(String::from_iter),
        "[a-z€ ]{0,500}",
        (any::<char>(), 1..400_usize).prop_map(|(c, n)| c.to_string().repeat(n)),
    ]
}

fn shifts() -> impl Strategy<Value = ShiftChoice> {
    prop_oneof![
        Just(ShiftChoice::Never),
        Just(ShiftChoice::Any),
        prop::sample::select(Language::ALL).prop_map(ShiftChoice::Language),
    ]
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        // Octets closer to a message: a plausible head before anything.
        (prop::sample::select(HEADS.to_vec()), prop::collection::vec(any::<u8>(), 0..170))
            .prop_map(|(head, tail)| [head, &tail].concat()),
    ]
}

const HEADS: &[&[u8]] = &[
    b"\x00\x01\x00\x0b\x91\x72\x28\x00\x10\x11\xf1\x00\x00",
    b"\x00\x51\x00\x0b\x91\x72\x28\x00\x10\x11\xf1\x00\x08\xff",
    b"\x00\x44\x0b\x91\x72\x28\x21\x43\x65\xf7\x00\x00\x31\x30\x80\x51\x20\x61\x80",
    b"\x00\x44\x0b\x91\x72\x28\x21\x43\x65\xf7\x00\x08\x31\x30\x80\x51\x20\x61\x80\x0a\x05\x00\x03\x01\x02\x01",
    b"\x00\x06\xd6\x0b\x91\x13\x26\x88\x07\x36\xf4\x11\x10\x11\x71\x95\x51\x40\x11\x10\x11\x71\x95\x71\x40\x00",
    b"\x00\x01\x07\x31\x30\x80\x51\x20\x61\x80",
    b"\x00\x00\xd5\x07",
    b"\x00\x22\x01\x00\x00\x05\x0b\x91\x72\x28\x00\x10\x11\xf1",
];

fn framings() -> impl Strategy<Value = Framing> {
    prop_oneof![Just(Framing::SmscFirst), Just(Framing::TpduOnly)]
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Mo), Just(Direction::Mt)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_comes_back_in_any_order(
        text in texts(),
        shift in shifts(),
        order in any::<prop::sample::Index>(),
        twice in any::<bool>(),
    ) {
        let submission = Submission::new("+41791234567", &text).with_shift(shift).with_concatenation_reference(200);
        let composed = gsm_sms::compose(&submission).unwrap();
        let count = composed.parts.len();
        let mut parts: Vec<UserData> = composed.parts.iter().enumerate().map(|(index, part)| {
            prop_assert!(part.length <= 164 && part.pdu.len() == part.length + 1);
            let read = gsm_sms::decode(&part.pdu, Direction::Mo, Framing::SmscFirst, Strictness::Strict).unwrap();
            let Tpdu::Submit(submit) = read.tpdu else { panic!() };
            prop_assert_eq!(usize::from(submit.message_reference), index);
            // A part alone is text as well: no surrogate pair is cut.
let part_text = submit.user_data.to_text().unwrap();
            prop_assert!(text.contains(&part_text));
            Ok(submit.user_data)
        }).collect::<Result<_, _>>()?;
        let spelled: String = parts.iter().map(|part| part.to_text().unwrap()).collect();
        prop_assert_eq!(&spelled, &text);
        parts.rotate_left(order.index(count));
        if twice {
            parts.reverse();
        }
        let mut reassembler = Reassembler::new(Limits::default());
        let mut joined = None;
        for (index, part) in parts.iter().enumerate() {
            prop_assert_eq!(joined.clone(), None);
            let (arrival, gave_way) = reassembler.accept(Duration::ZERO, "+1", part);
            prop_assert!(gave_way.is_empty());
            match arrival {
                Arrival::Complete(message) => joined = message.to_text(),
                Arrival::Waiting { have, .. } => prop_assert_eq!(have, index + 1),
                Arrival::Duplicate => prop_assert!(false),
            }
        }
        prop_assert_eq!(joined, Some(text));
        prop_assert!(reassembler.pending().is_empty());
    }

    #[test]
    fn the_survey_is_what_compose_does(text in texts()) {
        let survey = gsm_sms::survey(&text);
        let composed = gsm_sms::compose(&Submission::new("1", &text)).unwrap();
        prop_assert_eq!(survey.parts, composed.parts.len());
        prop_assert_eq!(survey.encoding, composed.encoding);
        let gsm7 = Submission::new("1", &text).with_encoding(EncodingChoice::Gsm7);
        prop_assert_eq!(survey.forces_ucs2.is_some(), gsm_sms::compose(&gsm7).is_err());
        let bigger = format!("{text}{}", "a".repeat(survey.left));
        prop_assert_eq!(gsm_sms::survey(&bigger).parts, survey.parts);
        prop_assert_eq!(gsm_sms::survey(&bigger).left, 0);
    }

    #[test]
    fn any_octets_are_a_message_or_an_error(octets in octets(), direction in directions(), framing in framings()) {
        let strict = gsm_sms::decode(&octets, direction, framing, Strictness::Strict);
        let lenient = gsm_sms::decode(&octets, direction, framing, Strictness::Lenient);
        if let Err(error) = &strict {
            prop_assert!(error.offset <= octets.len());
        }
        for decoded in [&strict, &lenient].into_iter().flatten() {
            let mut written = if framing == Framing::SmscFirst {
                decoded.tpdu.encode_with_smsc(decoded.smsc.as_ref()).unwrap()
            } else {
                decoded.tpdu.encode().unwrap()
            };
            written.extend(&decoded.excess);
            if decoded.leniencies.is_empty() {
                prop_assert_eq!(&written, &octets);
            }
        }
        match (strict, lenient) {
            (Ok(strict), Ok(lenient)) => prop_assert_eq!(strict, lenient),
            (Err(error), Ok(lenient)) => prop_assert_eq!(lenient.leniencies.first(), Some(&error)),
            (Err(_), Err(_)) => {}
            (Ok(_), Err(_)) => prop_assert!(false, "lenient mode is stricter"),
        }
    }

    #[test]
    fn what_is_built_reads_back(tpdu in tpdus()) {
        let octets = tpdu.encode().unwrap();
        let direction = match tpdu {
            Tpdu::Submit(_) | Tpdu::Command(_) | Tpdu::DeliverReport(_) => Direction::Mo,
            _ => Direction::Mt,
        };
        let read = gsm_sms::decode(&octets, direction, Framing::TpduOnly, Strictness::Strict).unwrap();
        prop_assert!(read.excess.is_empty());
        prop_assert_eq!(read.tpdu.encode().unwrap(), octets);
        prop_assert_eq!(read.tpdu.name(), tpdu.name());
        prop_assert_eq!(read.tpdu.user_data(), tpdu.user_data());
    }
}

fn addresses() -> impl Strategy<Value = Address> {
    prop_oneof![
        "\\+[0-9]{1,20}".prop_map(|number| Address::number(&number).unwrap()),
        "[0-9*#abc]{1,20}".prop_map(|number| Address::number(&number).unwrap()),
        "[A-Za-z ]{1,11}".prop_map(|name| Address::alphanumeric(&name).unwrap()),
        ("[0-9]{1,20}", any::<u8>()).prop_map(|(number, type_octet)| {
            Address::number(&number).unwrap().with_type_octet(type_octet)
        }),
    ]
}

fn stamps() -> impl Strategy<Value = Timestamp> {
    // The local time must not be before 1970 either.
    (79 * 900..3_000_000_000_i64, -79..=79_i8).prop_map(|(at, zone)| Timestamp::from_unix(at, zone).unwrap())
}

fn contents() -> impl Strategy<Value = (DataCodingScheme, UserData)> {
    prop_oneof![
        ("[a-z@£€{}]{0,60}", any::<bool>()).prop_map(|(text, shifted)| {
            let header = [Element::SingleShift(1), Element::Ports16 { destination: 2948, source: 9200 }];
            let header = if shifted { &header[..] } else { &[] };
            let tables = ShiftTables { locking: None, single: shifted.then_some(Language::Turkish) };
            (DataCodingScheme(0), UserData::text(&text, Alphabet::Gsm7, tables, header).unwrap())
        }),
        any_with::<String>(".{0,20}".into()).prop_map(|text| {
            (DataCodingScheme(8), UserData::text(&text, Alphabet::Ucs2, ShiftTables::NONE, &[]).unwrap())
        }),
        (prop::collection::vec(any::<u8>(), 0..130), any::<u8>()).prop_map(|(data, identifier)| {
            let element = Element::Other { identifier, data: &[9, 8] };
            (DataCodingScheme(4), UserData::data(&data, &[element]).unwrap())
        }),
    ]
}

fn parameters() -> impl Strategy<Value = Parameters> {
    (prop::option::of(any::<u8>()), prop::option::of(contents())).prop_map(|(protocol, contents)| {
        let (coding, user_data) = contents.unzip();
        Parameters::new(protocol.map(ProtocolIdentifier), coding, user_data)
    })
}

fn tpdus() -> impl Strategy<Value = Tpdu> {
    let validity = prop_oneof![
        Just(ValidityPeriod::Absent),
        any::<u8>().prop_map(|octet| ValidityPeriod::Relative(gsm_sms::RelativeValidity(octet))),
        stamps().prop_map(ValidityPeriod::Absolute),
        any::<u8>()
            .prop_map(|s| ValidityPeriod::Enhanced(gsm_sms::EnhancedValidity::seconds(s).with_single_shot())),
        (0..99_u8, 0..60_u8, 0..60_u8).prop_map(|(h, m, s)| ValidityPeriod::Enhanced(
            gsm_sms::EnhancedValidity::hours_minutes_seconds(h, m, s)
        )),
    ];
    let submits = (any::<[u8; 3]>(), addresses(), validity, contents()).prop_map(
        |([first, message_reference, protocol], destination, validity, (coding, user_data))| {
            Tpdu::Submit(Submit {
                first_octet: FirstOctet(first),
                message_reference,
                destination,
                protocol: ProtocolIdentifier(protocol),
                coding,
                validity,
                user_data,
            })
        },
    );
    let delivers = (any::<[u8; 2]>(), addresses(), stamps(), contents()).prop_map(
        |([first, protocol], originator, timestamp, (coding, user_data))| {
            Tpdu::Deliver(Deliver {
                first_octet: FirstOctet(first),
                originator,
                protocol: ProtocolIdentifier(protocol),
                coding,
                timestamp,
                user_data,
            })
        },
    );
    let reports = (any::<[u8; 3]>(), addresses(), stamps(), stamps(), parameters()).prop_map(
        |([first, message_reference, status], recipient, timestamp, discharge_time, parameters)| {
            Tpdu::StatusReport(StatusReport {
                first_octet: FirstOctet(first),
                message_reference,
                recipient,
                timestamp,
                discharge_time,
                status: Status(status),
                parameters,
            })
        },
    );
    let commands = (any::<[u8; 5]>(), addresses(), prop::collection::vec(any::<u8>(), 0..=157)).prop_map(
        |([first, message_reference, protocol, command, message_number], destination, data)| {
            Tpdu::Command(Command {
                first_octet: FirstOctet(first),
                message_reference,
                protocol: ProtocolIdentifier(protocol),
                command: CommandType(command),
                message_number,
                destination,
                data,
            })
        },
    );
    let failures = || prop::option::of((0x80..=0xff_u8).prop_map(FailureCause));
    let submit_reports = (any::<u8>(), failures(), stamps(), parameters()).prop_map(
        |(first, failure, timestamp, parameters)| {
            let first_octet = FirstOctet(first);
            Tpdu::SubmitReport(SubmitReport { first_octet, failure, timestamp, parameters })
        },
    );
    let deliver_reports = (any::<u8>(), failures(), parameters()).prop_map(|(first, failure, parameters)| {
        Tpdu::DeliverReport(DeliverReport { first_octet: FirstOctet(first), failure, parameters })
    });
    prop_oneof![submits, delivers, reports, commands, submit_reports, deliver_reports]
}
