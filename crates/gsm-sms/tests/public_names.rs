//! What is public, each name once, with its type: what no longer compiles here breaks those who use the crate, and is a new
//! major version (before 1.0, a new minor one).

#![allow(clippy::type_complexity)]

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::time::Duration;

use gsm_sms::ussd::{self, CodingScheme};
use gsm_sms::{
    Address, Alphabet, Arrival, CodingGroup, Command, CommandKind, CommandType, Composed, ComposedPart,
    Concatenation, DataCodingScheme, Decoded, Deliver, DeliverReport, Direction, Element, Encoding,
    EncodingChoice, EnhancedSpan, EnhancedValidity, FailureCause, Field, FirstOctet, ForcingCharacter,
    Fragment, Framing, Header, Language, Limits, LocalTime, Message, MessageClass, MessageWaiting,
    NumberingPlan, Parameters, Pending, Protocol, ProtocolIdentifier, Reason, Reassembler, Reference,
    RelativeValidity, ShiftChoice, ShiftTables, SmsError, Status, StatusKind, StatusReport, Strictness,
    Submission, Submit, SubmitReport, Substitution, Survey, Timestamp, Tpdu, TypeOfNumber, UserData,
    ValidityFormat, ValidityPeriod, WaitingKind, compose, decode, mask, survey, transliterate,
};

/// Every type of the crate is a plain value that may go anywhere.
fn plain<T: Debug + Clone + PartialEq + Send + Sync + Unpin + 'static>() {}
fn key<T: Debug + Clone + Eq + Hash + Send + Sync + Unpin + 'static>() {}
fn small<T: Debug + Copy + Eq + Hash + Send + Sync + Unpin + 'static>() {}
fn shown<T: Display>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}
fn default<T: Default>() {}
fn ordered<T: Ord>() {}

#[test]
fn types_have_the_common_traits() {
    small::<Address>();
    small::<(Alphabet, CodingGroup, CommandKind, CommandType, Concatenation, DataCodingScheme)>();
    small::<(Direction, Element<'static>, Encoding, EncodingChoice, EnhancedSpan, EnhancedValidity)>();
    small::<(FailureCause, Field, FirstOctet, ForcingCharacter, Framing, Header<'static>, Language)>();
    small::<(Limits, LocalTime, MessageClass, MessageWaiting, NumberingPlan, Protocol)>();
    small::<(ProtocolIdentifier, Reason, Reference, RelativeValidity, ShiftChoice, ShiftTables)>();
    small::<(SmsError, Status, StatusKind, Strictness, Submission<'static>, Substitution, Survey)>();
    small::<(Timestamp, TypeOfNumber, ValidityFormat, ValidityPeriod, WaitingKind, CodingScheme)>();
    key::<(Arrival, Command, Composed, ComposedPart, Decoded, Deliver, DeliverReport, Fragment)>();
    key::<(Message, Parameters, Pending, StatusReport, Submit, SubmitReport, Tpdu, UserData)>();
    plain::<Reassembler>();

    shown::<Address>();
    shown::<Encoding>();
    shown::<Field>();
    shown::<Reason>();
    shown::<SmsError>();
    shown::<Timestamp>();
    error::<SmsError>();
    default::<(DataCodingScheme, EncodingChoice, FirstOctet, Header<'static>, Limits, Parameters)>();
    default::<(ProtocolIdentifier, ShiftChoice, ShiftTables, Strictness, ValidityPeriod)>();
    ordered::<Reference>();
}

#[test]
fn functions() {
    let _: fn(&Submission<'_>) -> Result<Composed, SmsError> = compose;
    let _: fn(&[u8], Direction, Framing, Strictness) -> Result<Decoded, SmsError> = decode;
    let _: fn(&str) -> Survey = survey;
    let _: fn(&str) -> (String, Vec<Substitution>) = transliterate;
    let _: fn(&str) -> String = mask;
    let _: fn(&str) -> Option<Vec<u8>> = ussd::pack;
    let _: fn(&[u8]) -> String = ussd::unpack;
    let _: fn(&[u8]) -> Option<String> = ussd::gsm7;
    let _: fn(&[u8]) -> String = ussd::ucs2;
}

#[test]
fn submissions() {
    const NEW: Submission<'static> = Submission::new("+1", "a");
    let submission = NEW
        .with_class(MessageClass::Flash)
        .with_status_report(true)
        .with_validity(Duration::from_secs(300))
        .with_smsc("+2")
        .with_message_reference(3)
        .with_concatenation_reference(4)
        .with_reject_duplicates(true)
        .with_encoding(EncodingChoice::Ucs2)
        .with_shift(ShiftChoice::Language(Language::Turkish));
    let Submission { to, text, class, status_report, validity, smsc, .. } = submission;
    let Submission { message_reference, concatenation_reference, reject_duplicates, encoding, shift, .. } =
        submission;
    assert_eq!((to, text, class, status_report), ("+1", "a", Some(MessageClass::Flash), true));
    assert_eq!((validity, smsc), (Some(Duration::from_secs(300)), Some("+2")));
    assert_eq!((message_reference, concatenation_reference, reject_duplicates), (3, 4, true));
    assert_eq!(encoding, EncodingChoice::Ucs2);
    assert_eq!(shift, ShiftChoice::Language(Language::Turkish));
    let _ = (EncodingChoice::Auto, EncodingChoice::Gsm7, ShiftChoice::Never, ShiftChoice::Any);

    let Composed { encoding, shift_tables, parts, .. } = compose(&submission).unwrap();
    assert_eq!((encoding, shift_tables), (Encoding::Ucs2, ShiftTables::NONE));
    let ComposedPart { pdu, length, .. } = &parts[0];
    let _: (&Vec<u8>, &usize) = (pdu, length);

    let Survey { encoding, parts, used, left, forces_ucs2, .. } = survey("aж");
    assert_eq!((encoding.as_str(), parts, used, left), ("ucs2", 1, 2, 68));
    let ForcingCharacter { character, position, .. } = forces_ucs2.unwrap();
    assert_eq!((character, position, Encoding::Gsm7.as_str()), ('ж', 1, "gsm7"));
    let (_, changes) = transliterate("Ž");
    let Substitution { position, from, to, .. } = changes[0];
    assert_eq!((position, from, to), (0, 'Ž', "Z"));
}

#[test]
fn messages() {
    let _ = (Direction::Mo, Direction::Mt, Framing::SmscFirst, Framing::TpduOnly);
    let _ = (Strictness::Strict, Strictness::Lenient);
    let octets = b"\0\x04\x01\x91\xf1\0\0\x62\x21\x12\x21\x25\0\x80\x01\x41";
    let decoded = decode(octets, Direction::Mt, Framing::SmscFirst, Strictness::Strict).unwrap();
    assert_eq!((decoded.to_text().as_deref(), decoded.concatenation()), (Some("A"), None));
    let Decoded { smsc, tpdu, excess, leniencies, .. } = decoded;
    let _: (Option<Address>, Vec<u8>, Vec<SmsError>) = (smsc, excess, leniencies);

    let _: fn(&Tpdu) -> &'static str = Tpdu::name;
    let _: fn(&Tpdu) -> Option<&UserData> = Tpdu::user_data;
    let _: fn(&Tpdu, &mut Vec<u8>) -> Result<(), SmsError> = Tpdu::write;
    let _: fn(&Tpdu) -> Result<Vec<u8>, SmsError> = Tpdu::encode;
    let _: fn(&Tpdu, Option<&Address>) -> Result<Vec<u8>, SmsError> = Tpdu::encode_with_smsc;
    let Tpdu::Deliver(Deliver { first_octet, originator, protocol, coding, timestamp, user_data }) = tpdu
    else {
        panic!()
    };
    // Each TPDU has the fields of the standard, and can be built from them.
    let (message_reference, destination, recipient) = (1, originator, originator);
    let parameters = || Parameters::new(Some(protocol), Some(coding), Some(user_data.clone()));
    let _ = [
        Tpdu::Submit(Submit {
            first_octet,
            message_reference,
            destination,
            protocol,
            coding,
            validity: ValidityPeriod::Absent,
            user_data: user_data.clone(),
        }),
        Tpdu::StatusReport(StatusReport {
            first_octet,
            message_reference,
            recipient,
            timestamp,
            discharge_time: timestamp,
            status: Status(0),
            parameters: parameters(),
        }),
        Tpdu::Command(Command {
            first_octet,
            message_reference,
            protocol,
            command: CommandType(2),
            message_number: 1,
            destination,
            data: Vec::new(),
        }),
        Tpdu::SubmitReport(SubmitReport {
            first_octet,
            failure: Some(FailureCause(0xc5)),
            timestamp,
            parameters: parameters(),
        }),
        Tpdu::DeliverReport(DeliverReport { first_octet, failure: None, parameters: parameters() }),
    ];
    let Parameters { indicator, protocol, coding, user_data, .. } = parameters();
    let _: (Vec<u8>, Option<ProtocolIdentifier>) = (indicator, protocol);
    let _: (Option<DataCodingScheme>, Option<UserData>) = (coding, user_data);
}

#[test]
fn addresses_and_times() {
    let _: fn(&str) -> Result<Address, SmsError> = Address::number;
    let _: fn(&str) -> Result<Address, SmsError> = Address::alphanumeric;
    let _: fn(Address, u8) -> Address = Address::with_type_octet;
    let _: fn(&Address) -> u8 = Address::type_octet;
    let _: fn(&Address) -> TypeOfNumber = Address::type_of_number;
    let _: fn(&Address) -> NumberingPlan = Address::numbering_plan;
    let _: fn(&Address) -> bool = Address::is_empty;
    {
        use TypeOfNumber::*;
        let _ = [Unknown, International, National, NetworkSpecific, Subscriber, Alphanumeric];
        let _ = [Abbreviated, Reserved];
    }
    {
        use NumberingPlan::*;
        let _ = [Unknown, Isdn, Data, Telex, ServiceCentre(5), National, Private, Ermes, Reserved(2)];
    }

    let _: fn([u8; 7]) -> Timestamp = Timestamp::from_octets;
    let _: fn(&Timestamp) -> [u8; 7] = Timestamp::octets;
    let _: fn(i64, i8) -> Option<Timestamp> = Timestamp::from_unix;
    let _: fn(&Timestamp) -> Option<LocalTime> = Timestamp::local_time;
    let _: fn(&Timestamp) -> Option<i64> = Timestamp::unix_seconds;
    let _ = LocalTime { year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0, offset_quarters: 4_i8 };

    let _: fn(ValidityPeriod) -> ValidityFormat = ValidityPeriod::format;
    let _: fn(ValidityPeriod) -> Option<Duration> = ValidityPeriod::span;
    {
        use ValidityFormat::*;
        let _ = [Absent, Enhanced, Relative, Absolute];
    }
    let stamp = Timestamp::from_octets([0; 7]);
    let _ = [
        ValidityPeriod::Absolute(stamp),
        ValidityPeriod::Relative(RelativeValidity(1)),
        ValidityPeriod::Enhanced(EnhancedValidity([0; 7])),
    ];
    let _: fn(Duration) -> RelativeValidity = RelativeValidity::at_most;
    let _: fn(RelativeValidity) -> Duration = RelativeValidity::span;
    let _: fn(u8) -> EnhancedValidity = EnhancedValidity::seconds;
    let _: fn(RelativeValidity) -> EnhancedValidity = EnhancedValidity::relative;
    let _: fn(u8, u8, u8) -> EnhancedValidity = EnhancedValidity::hours_minutes_seconds;
    let _: fn() -> EnhancedValidity = EnhancedValidity::none;
    let _: fn(EnhancedValidity) -> EnhancedValidity = EnhancedValidity::with_single_shot;
    let _: fn(EnhancedValidity) -> bool = EnhancedValidity::is_single_shot;
    let _: fn(EnhancedValidity) -> EnhancedSpan = EnhancedValidity::span;
    {
        use EnhancedSpan::*;
        let _ = [None, Relative(RelativeValidity(1)), Seconds(1), HoursMinutesSeconds(1, 2, 3), Reserved(4)];
    }
}

#[test]
fn octets_that_mean_something() {
    let _: fn(FirstOctet) -> u8 = FirstOctet::message_type;
    let _: fn(FirstOctet) -> ValidityFormat = FirstOctet::validity_format;
    let _: [fn(FirstOctet) -> bool; 6] = [
        FirstOctet::no_more_messages,
        FirstOctet::rejects_duplicates,
        FirstOctet::loop_prevention,
        FirstOctet::status_report,
        FirstOctet::has_header,
        FirstOctet::reply_path,
    ];
    let _: [fn(FirstOctet, bool) -> FirstOctet; 3] =
        [FirstOctet::with_reject_duplicates, FirstOctet::with_status_report, FirstOctet::with_reply_path];

    let _: fn(Alphabet, Option<MessageClass>) -> DataCodingScheme = DataCodingScheme::plain;
    let _: fn(DataCodingScheme) -> CodingGroup = DataCodingScheme::group;
    let _: fn(DataCodingScheme) -> bool = DataCodingScheme::is_compressed;
    let _: fn(DataCodingScheme) -> Alphabet = DataCodingScheme::alphabet;
    let _: fn(DataCodingScheme) -> Alphabet = DataCodingScheme::user_data_alphabet;
    let _: fn(DataCodingScheme) -> Option<MessageClass> = DataCodingScheme::class;
    let _: fn(DataCodingScheme) -> Option<MessageWaiting> = DataCodingScheme::message_waiting;
    let _: fn(CodingScheme) -> Alphabet = CodingScheme::alphabet;
    let _: fn(CodingScheme) -> usize = CodingScheme::language_octets;
    let _: fn(CodingScheme, &[u8]) -> Option<String> = CodingScheme::to_text;
    let _: fn(MessageClass) -> u8 = MessageClass::number;
    let _ = [MessageClass::Flash, MessageClass::Mobile, MessageClass::Sim, MessageClass::Terminal];
    let _ = MessageWaiting { kind: WaitingKind::Voicemail, active: true, store: true };
    let _ = [WaitingKind::Fax, WaitingKind::Email, WaitingKind::Other];
    {
        use CodingGroup::*;
        let _ = [General, AutomaticDeletion, Reserved, WaitingDiscard, WaitingStore, WaitingStoreUcs2];
        let _ = ClassOnly;
    }

    let _: fn(Status) -> StatusKind = Status::kind;
    let _: fn(Status) -> bool = Status::is_final;
    let _: fn(Status) -> bool = Status::is_delivered;
    let _: fn(Status) -> &'static str = Status::meaning;
    {
        use StatusKind::*;
        let _ = [Completed, Trying, Failed, GaveUp, Reserved];
    }
    let _: fn(FailureCause) -> &'static str = FailureCause::meaning;
    let _: fn(CommandType) -> CommandKind = CommandType::kind;
    {
        use CommandKind::*;
        let _ = [Enquiry, CancelStatusReport, Delete, EnableStatusReport, ServiceCentre(0xe0), Reserved(4)];
    }
    let _: fn(ProtocolIdentifier) -> Protocol = ProtocolIdentifier::protocol;
    let _ = (ProtocolIdentifier::PLAIN, ProtocolIdentifier(0x40));
    {
        use Protocol::*;
        let _ = [ShortMessage(0), Interworking(2), Type0, Replace(1), DeviceTriggering, Enhanced];
        let _ = [ReturnCall, Ansi136, MobileDownload, MobileDepersonalization, SimDownload];
        let _ = [ServiceCentre(1), Reserved(0x49)];
    }
}

#[test]
fn user_data() {
    let _: fn(&str, Alphabet, ShiftTables, &[Element<'_>]) -> Result<UserData, SmsError> = UserData::text;
    let _: fn(&[u8], &[Element<'_>]) -> Result<UserData, SmsError> = UserData::data;
    let _: fn(&UserData) -> Alphabet = UserData::alphabet;
    let _: fn(&UserData) -> bool = UserData::has_header;
    let _: fn(&UserData) -> u8 = UserData::length;
    let _: fn(&UserData) -> &[u8] = UserData::octets;
    let _: fn(&UserData) -> Header<'_> = UserData::header;
    let _: fn(&UserData) -> &[u8] = UserData::body;
    let _: fn(&UserData) -> Option<String> = UserData::to_text;
    let _: fn(&UserData, ShiftTables) -> Option<String> = UserData::to_text_with;
    let _: fn(&UserData) -> Fragment = UserData::to_fragment;
    let _ = [Alphabet::Gsm7, Alphabet::Data, Alphabet::Ucs2];

    let header = Header::default();
    assert_eq!((header.elements().count(), header.octets()), (0, &[][..]));
    let _: (Option<Concatenation>, Option<(u16, u16)>) = (header.concatenation(), header.ports());
    let _: ShiftTables = header.shift_tables();
    let _ = [
        Element::Concatenation(Concatenation { reference: Reference::Sixteen(1), total: 2, sequence: 1 }),
        Element::MessageWaiting { store: false, kind: WaitingKind::Other, count: 1 },
        Element::Ports8 { destination: 1, source: 2 },
        Element::Ports16 { destination: 1, source: 2 },
        Element::SingleShift(1),
        Element::LockingShift(1),
        Element::Other { identifier: 0x70, data: &[] },
    ];
    assert_eq!(Reference::Eight(1).number(), 1);

    let _: &'static [Language] = Language::ALL;
    let _: fn(u8) -> Option<Language> = Language::from_identifier;
    let _: fn(&str) -> Option<Language> = Language::from_name;
    let _: fn(Language) -> u8 = Language::identifier;
    let _: fn(Language) -> &'static str = Language::code;
    let _: fn(Language) -> &'static str = Language::name;
    {
        use Language::*;
        let named = [Turkish, Spanish, Portuguese, Bengali, Gujarati, Hindi, Kannada, Malayalam];
        assert_eq!([&named[..], &[Oriya, Punjabi, Tamil, Telugu, Urdu]].concat(), Language::ALL);
    }
    let tables = ShiftTables { locking: None, single: Some(Language::Turkish) };
    assert_eq!(tables.header_octets(), 3);
}

#[test]
fn reassembly() {
    let limits = Limits { timeout: Duration::from_secs(60), messages: 2, parts: 4 };
    let mut parts = Reassembler::new(limits);
    let place = Concatenation { reference: Reference::Eight(1), total: 2, sequence: 1 };
    let fragment = Fragment::Units(vec![0x41]);
    assert_eq!((fragment.len(), fragment.is_empty()), (1, false));
    let (arrival, gave_way) = parts.accept_part(Duration::ZERO, "+1", place, fragment.clone());
    assert_eq!((arrival, gave_way), (Arrival::Waiting { have: 1, total: 2 }, Vec::new()));
    let _ = Arrival::Duplicate;
    let user_data = UserData::text("a", Alphabet::Gsm7, ShiftTables::NONE, &[]).unwrap();
    let (Arrival::Complete(message), _) = parts.accept(Duration::ZERO, "+1", &user_data) else { panic!() };
    assert_eq!((message.part_count(), message.to_text().as_deref()), (1, Some("a")));
    assert_eq!(message.to_data(), None);
    let _: Option<Duration> = parts.next_expiry();
    let Pending { originator, reference, total, since, parts: held } = parts.pending()[0].clone();
    let stored = Pending { originator, reference, total, since, parts: held };
    assert_eq!((stored.missing(), stored.to_text().as_deref()), (vec![2], Some("A")));
    assert_eq!(Reassembler::with_pending(limits, [stored]), parts);
    assert_eq!(parts.expire(Duration::from_secs(60)).len(), 1);
    let _ = [Fragment::Septets(vec![0x41], ShiftTables::NONE), Fragment::Octets(vec![0x41])];
}

#[test]
fn errors() {
    let SmsError { field, offset, reason, .. } = compose(&Submission::new("", "a")).unwrap_err();
    assert_eq!((field, offset, reason), (Field::To, 0, Reason::NotANumber));
    // The mnemonics are a promise.
    for (field, mnemonic) in [
        (Field::Smsc, "SMSC"),
        (Field::FirstOctet, "first octet"),
        (Field::MessageReference, "TP-MR"),
        (Field::DestinationAddress, "TP-DA"),
        (Field::OriginatingAddress, "TP-OA"),
        (Field::RecipientAddress, "TP-RA"),
        (Field::ProtocolIdentifier, "TP-PID"),
        (Field::DataCodingScheme, "TP-DCS"),
        (Field::ServiceCentreTimestamp, "TP-SCTS"),
        (Field::DischargeTime, "TP-DT"),
        (Field::ValidityPeriod, "TP-VP"),
        (Field::Status, "TP-ST"),
        (Field::FailureCause, "TP-FCS"),
        (Field::ParameterIndicator, "TP-PI"),
        (Field::CommandType, "TP-CT"),
        (Field::MessageNumber, "TP-MN"),
        (Field::CommandData, "TP-CD"),
        (Field::UserDataLength, "TP-UDL"),
        (Field::UserData, "TP-UD"),
        (Field::HeaderLength, "TP-UD/TP-UDHL"),
        (Field::Element(2), "TP-UD/TP-UDH/IE 2"),
        (Field::To, "to"),
        (Field::Text, "text"),
    ] {
        assert_eq!(field.to_string(), mnemonic);
    }
    let _ = [
        Reason::Short { wanted: 1, left: 0 },
        Reason::TooLong { length: 2, most: 1 },
        Reason::Reserved(3),
        Reason::NotATime,
        Reason::Filler,
        Reason::NotInAlphabet,
        Reason::HeaderAbsent,
        Reason::HeaderTooLong { length: 2, most: 1 },
        Reason::ElementTooLong { length: 2, left: 1 },
        Reason::HalfCharacter,
        Reason::LoneSurrogate,
        Reason::TooManyParts,
        Reason::Mismatch,
    ];
}

/// A name that is added to the crate is added here too.
#[test]
fn no_public_name_is_missing_here() {
    let read =
        |path: &str| std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (library, here) = (read("src/lib.rs"), read("tests/public_names.rs"));
    let words: std::collections::BTreeSet<&str> =
        here.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let mut count = 0;
    for import in library.split("pub use ").skip(1) {
        let names = import.split(';').next().unwrap().rsplit("::").next().unwrap();
        for name in names.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|n| !n.is_empty())
        {
            assert!(words.contains(name), "{name} is public");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
    let mut sources = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut functions = 0;
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().map(str::trim_start) {
            let Some(rest) = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub const fn "))
            else {
                continue;
            };
            let name = rest.split(['(', '<']).next().unwrap();
            assert!(words.contains(name), "{name} of {} is public", path.display());
            functions += 1;
        }
    }
    assert!(functions > 100, "{functions}");
}
