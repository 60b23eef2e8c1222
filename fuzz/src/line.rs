//! Any line with the expectations of any command: what it is, and what the parsers of bodies make of it, is in range.

use std::borrow::Cow;

use gsm_modem::at::{
    Command, Domain, Failure, Frame, Framer, Header, Kind, Line, Means, Prompt, Registration, ResultCode,
    Routed, Selection, TextReport, Unsolicited, first_number, first_text, fits, iccid, index, number_at,
    operator, pin, registration, selection, send_reference, signal, storage, storages, unquoted, usages,
    ussd,
};

/// One input: an octet that chooses the command, and what the modem writes.
pub fn run(octets: &[u8]) {
    let Some((&choice, octets)) = octets.split_first() else { return };
    let expects = command(choice).map(|command| command.expects());
    let own = (choice & 0x80 != 0).then_some(Means::Nothing);
    let mut framer = Framer::new();
    framer.push(octets);
    framer.push(b"\r");
    while let Some(frame) = framer.next(Prompt::Ignored) {
        let Frame::Line(line) = frame else { continue };
        match Line::with(&line, expects.as_ref(), |_| own) {
            Line::Final(code) => explained(&code),
            Line::Answer(body) => {
                assert!(expects.is_some() && line.ends_with(body));
                bodies(body);
            }
            Line::Unsolicited(code) => unsolicited(&line, &code),
            Line::Unknown => assert!(own.is_none(), "a code of the modem's own is known"),
            Line::Echo => {
                assert!(line.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("AT")));
            }
        }
        if let Some(pdu) = Line::pdu(&line) {
            assert_eq!(pdu.len() * 2, line.trim().len());
            let _ = (fits(&pdu, pdu.len()), fits(&pdu, usize::MAX));
        }
        if let Some((digits, rest)) = Line::split_pdu(&line) {
            assert!(digits.bytes().all(|b| b.is_ascii_hexdigit()) && line.ends_with(rest));
        }
        bodies(&line);
    }
}

/// A command of each sort of expectation, and none.
fn command(choice: u8) -> Option<Command> {
    let commands = [
        Command::Attention,
        Command::Manufacturer,
        Command::Model,
        Command::Revision,
        Command::SerialNumber,
        Command::Subscriber,
        Command::Iccid(Cow::Borrowed("AT+CCID")),
        Command::Question(Cow::Borrowed("AT^CPIN?")),
        Command::Function,
        Command::PinState,
        Command::Service,
        Command::ServiceCentre,
        Command::Registration(Domain::Cs),
        Command::Registration(Domain::Eps),
        Command::Registration(Domain::Ps),
        Command::Registration(Domain::FiveG),
        Command::Operator,
        Command::StoragesInUse,
        Command::List,
        Command::Read(1),
        Command::Signal,
        Command::Formats,
        Command::Send { length: 20 },
        Command::SendText { to: String::from("+41791234567"), kind: 145 },
        Command::UssdCancel,
    ];
    commands.into_iter().nth(usize::from(choice & 0x1f))
}

/// An error is told in a sentence that is fit for a log.
fn explained(code: &ResultCode) {
    let failure = Failure::of(code);
    assert!(failure.sentence.chars().count() < 200 && !failure.sentence.contains(char::is_control));
    assert_eq!(failure.code, Failure::number(code));
    let _ = (Failure::is_busy(code), failure.is_final_for_the_message());
}

fn unsolicited(line: &str, code: &Unsolicited<'_>) {
    match *code {
        Unsolicited::Registration(_, body)
        | Unsolicited::Pin(body)
        | Unsolicited::Stored(_, body)
        | Unsolicited::Ussd(body) => {
            assert!(line.ends_with(body));
            bodies(body);
        }
        Unsolicited::Routed(routed) => {
            assert_eq!(routed.is_text_mode(), matches!(routed, Routed::TextFollows(_) | Routed::Text(..)));
            match routed {
                Routed::PduFollows { length, .. } => assert!(length <= usize::from(u16::MAX)),
                Routed::Pdu { length, digits, .. } => {
                    assert!(length <= usize::from(u16::MAX) && line.ends_with(digits));
                    let pdu = Line::pdu(digits).expect("what stands on the line is a PDU");
                    let _ = fits(&pdu, length);
                }
                Routed::Text(kind, body) => {
                    assert!(kind == Kind::Report && line.ends_with(body));
                    bodies(body);
                }
                Routed::TextFollows(kind) => assert_ne!(kind, Kind::Report),
            }
        }
        Unsolicited::Restarted
        | Unsolicited::PartReady
        | Unsolicited::PoweringOff
        | Unsolicited::StorageFull
        | Unsolicited::Other => {}
    }
}

/// What any parser takes of any body is in range, and fit to be said again to the modem where that is done.
fn bodies(body: &str) {
    for header in [Header::listed(body), Header::read(body)].into_iter().flatten() {
        if let Header::Entry(entry) = header {
            assert!(entry.length <= usize::from(u16::MAX));
            if let Some(pdu) = entry.pdu {
                let _ = fits(pdu.expose(), entry.length);
            }
        }
    }
    for usage in usages(body) {
        assert!(usage.storage.iter().all(|name| storage(name).is_some()));
    }
    let lists = storages(body);
    assert!(lists.len() <= body.len() + 3 && lists.iter().flatten().all(|name| is_name(name)));
    if let Some((memory, _)) = index(body) {
        assert!(is_name(&memory));
    }
    if let Some(number) = iccid(body) {
        assert!((17..=20).contains(&number.len()) && number.starts_with("89"));
        assert!(number.bytes().all(|b| b.is_ascii_digit()));
    }
    if let Some(reply) = ussd(body) {
        assert!(reply.text.is_none_or(|text| text.len() <= body.len()));
    }
    if let Some(dbm) = signal(body) {
        assert!((-116..=-25).contains(&dbm));
    }
    // What is not understood is never home; a line is an answer or a code, not both.
    let (answer, code) = (registration(body), Registration::reported(body));
    assert!(answer.is_none() || code.is_none());
    if answer.or(code).is_some_and(Registration::is_registered) {
        assert!(body.contains(['1', '5', '6', '7', '9']));
    }
    if let Some(Selection::Manual(Some(name))) = selection(body) {
        assert_eq!(operator(body), Some(name));
    }
    assert!(body.contains(first_text(body)) && body.contains(unquoted(body)));
    let _ = (send_reference(body), first_number(body), pin(body), TextReport::parse(body));
    let _ = (number_at(body, 0), number_at(body, 1), number_at(body, usize::MAX));
}

fn is_name(name: &str) -> bool {
    (1..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
