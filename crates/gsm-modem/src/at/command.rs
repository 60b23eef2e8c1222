//! The commands that this daemon knows, as octets (ITU-T V.250, 3GPP TS 27.007, TS 27.005), and what each
//! expects as its answer.

use std::borrow::Cow;
use std::fmt;

use gsm_sms::mask;

use crate::Secret;

/// A command line. Its `Display` is fit for a log: PINs, numbers and codes are masked.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// `AT`: asks whether the modem answers.
    Attention,
    /// `ATE0` (V.250 6.2.4).
    EchoOff,
    /// `ATV1` (V.250 6.2.6): results as words.
    Verbose,
    /// `ATV0`: results as numbers.
    Terse,
    /// `AT+CMEE=1` (27.007 9.1): errors as numbers.
    NumericErrors,
    /// `AT+CMEE?`: how errors are reported.
    ErrorForm,
    /// `AT+CMEE=0`: errors without their numbers.
    PlainErrors,
    /// `AT+CGMI` (27.007 5.1).
    Manufacturer,
    /// `AT+CGMM` (27.007 5.2).
    Model,
    /// `AT+CGMR` (27.007 5.3).
    Revision,
    /// `AT+CGSN` (27.007 5.4): the IMEI.
    SerialNumber,
    /// `AT+CFUN?` (27.007 8.2).
    Function,
    /// `AT+CFUN=1`: the radio on.
    RadioOn,
    /// `AT+CFUN=1,1`: restarts the modem.
    Restart,
    /// `AT+CSCS="…"` (27.007 5.5): the alphabet that this side uses.
    Charset(Charset),
    /// `AT+CPIN?` (27.007 8.3).
    PinState,
    /// `AT+CPIN="…"`.
    EnterPin(Secret<String>),
    /// `AT+CCID` and the makers' commands for the same.
    Iccid(Cow<'static, str>),
    /// `AT+CIMI` (27.007 5.6): the IMSI.
    Subscriber,
    /// `AT+CMGF=0` (27.005 3.2.3): PDU mode.
    PduMode,
    /// `AT+CMGF=1`: text mode.
    TextMode,
    /// `AT+CMGF=?`: which of the two formats there are.
    Formats,
    /// `AT+CSMP=fo,vp,pid,dcs` (27.005 3.3.4): how messages are sent in text mode.
    TextParameters([u8; 4]),
    /// `AT+CSMS?` (27.005 3.2.1).
    Service,
    /// `AT+CSMS=0`: no acknowledgements are wanted.
    PlainService,
    /// `AT+CSCA?` (27.005 3.3.1).
    ServiceCentre,
    /// `AT+CSCA="…",…`.
    SetServiceCentre(String),
    /// `AT+CNMI=…` (27.005 3.4.1).
    NewMessages([u8; 5]),
    /// `AT+CNMI=?`: the values that the modem knows.
    NewMessagesKnown,
    /// `AT+CREG?` and its siblings (27.007 7.2, 10.1.20, 10.1.22, 10.1.47).
    Registration(Domain),
    /// `AT+CREG=1`: report changes.
    ReportRegistration(Domain),
    /// `AT+COPS=0` (27.007 7.3): the modem chooses a network itself.
    SelectAutomatically,
    /// `AT+COPS=1,2,"22801"`: that network and no other.
    SelectOperator(String),
    /// `AT+COPS=3,2`: networks as numbers.
    OperatorNumbers,
    /// `AT+CTZU=1` (27.007 8.40): the clock follows the network.
    ClockFromNetwork,
    /// `AT+COPS=3,0`: names in full.
    OperatorFormat,
    /// `AT+COPS?`.
    Operator,
    /// `AT+CSQ` (27.007 8.5).
    Signal,
    /// `AT+CMMS=2` (27.005 3.5.6): more messages follow.
    MoreMessages,
    /// `AT+CMGS=length` (27.005 3.5.1), PDU mode.
    Send {
        /// The TPDU's octets, without the SMSC field.
        length: usize,
    },
    /// `AT+CMGS="number",type` (27.005 3.5.1), text mode.
    SendText {
        /// The recipient, in the alphabet in force.
        to: String,
        /// `<toda>`: 145 international, 129 unknown (3GPP TS 24.011 clause 8.2.5.2).
        kind: u8,
    },
    /// `AT+CPMS?` (27.005 3.2.2): the storages in use and how full they are.
    StoragesInUse,
    /// `AT+CPMS=?`: the storages there are.
    Storages,
    /// `AT+CPMS="…"`: mem1, from which messages are read and deleted, then mem2 and mem3.
    UseStorages(Vec<String>),
    /// `AT+CMGL=4` (27.005 4.1), PDU mode: all messages.
    List,
    /// `AT+CMGL="ALL"` (27.005 3.4.2), text mode.
    ListText,
    /// `AT+CMGR=index` (27.005 4.2).
    Read(u32),
    /// `AT+CMGD=index` (27.005 3.5.4).
    Delete(u32),
    /// `AT+CNMA` (27.005 3.4.4).
    Acknowledge,
    /// `AT+CUSD=1,"…",15` (27.007 7.15).
    Ussd(Secret<String>),
    /// `AT+CUSD=2`: ends the dialogue.
    UssdCancel,
    /// A maker's question from a profile: its answer may have any head, or none.
    Question(Cow<'static, str>),
    /// A maker's command from a profile.
    Vendor(Cow<'static, str>),
}

/// An alphabet that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Charset {
    /// The octets are septets of the GSM 7 bit default alphabet.
    #[default]
    Gsm,
    /// ASCII.
    Ira,
    /// UCS-2 in hexadecimal digits.
    Ucs2,
}

/// The domain of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// `+CREG`: circuit switched.
    Cs,
    /// `+CEREG`: LTE.
    Eps,
    /// `+CGREG`: packet switched.
    Ps,
    /// `+C5GREG`: 5G.
    FiveG,
}

impl Domain {
    /// All domains, in the order in which they are asked.
    pub const ALL: [Self; 4] = [Self::Cs, Self::Eps, Self::Ps, Self::FiveG];

    /// The head of its answer.
    pub const fn head(self) -> &'static str {
        match self {
            Self::Cs => "+CREG",
            Self::Eps => "+CEREG",
            Self::Ps => "+CGREG",
            Self::FiveG => "+C5GREG",
        }
    }
}

/// What a command expects before its final result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expects {
    /// The head of its information lines, without the colon.
    pub head: Option<&'static str>,
    /// Information lines may stand without a head.
    pub bare: bool,
    /// A prompt comes in place of an answer.
    pub prompt: bool,
    /// The domain of a registration, whose answer looks like its unsolicited code.
    pub registration: Option<Domain>,
}

impl Expects {
    const NOTHING: Self = Self { head: None, bare: false, prompt: false, registration: None };

    const fn head(head: &'static str) -> Self {
        Self { head: Some(head), ..Self::NOTHING }
    }

    const fn bare(head: &'static str) -> Self {
        Self { head: Some(head), bare: true, ..Self::NOTHING }
    }
}

/// What ends a command line on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineEnd {
    /// CR alone (V.250 5.2.1). Some modems take a LF after it as the first octet of a PDU.
    #[default]
    Cr,
    /// CR and LF.
    CrLf,
    /// LF alone.
    Lf,
}

impl LineEnd {
    /// The words that files use.
    pub const NAMES: [(&'static str, Self); 3] = [("cr", Self::Cr), ("crlf", Self::CrLf), ("lf", Self::Lf)];

    /// The octets of this line end.
    pub const fn octets(self) -> &'static [u8] {
        match self {
            Self::Cr => b"\r",
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

impl Command {
    /// The octets to write to a modem that takes CR as the end of a line, as nearly all do.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(LineEnd::Cr)
    }

    /// The octets to write: the line and its end.
    pub fn encode_with(&self, end: LineEnd) -> Vec<u8> {
        let mut octets = self.line(Masking::Off).into_owned().into_bytes();
        octets.extend_from_slice(end.octets());
        octets
    }

    /// What the command expects.
    pub const fn expects(&self) -> Expects {
        match self {
            Self::Manufacturer => Expects::bare("+CGMI"),
            Self::Model => Expects::bare("+CGMM"),
            Self::Revision => Expects::bare("+CGMR"),
            Self::SerialNumber => Expects::bare("+CGSN"),
            Self::Subscriber => Expects::bare("+CIMI"),
            Self::Iccid(_) | Self::Question(_) => Expects { bare: true, ..Expects::NOTHING },
            Self::ErrorForm => Expects::head("+CMEE"),
            Self::NewMessagesKnown => Expects::head("+CNMI"),
            Self::Function => Expects::head("+CFUN"),
            Self::PinState => Expects::head("+CPIN"),
            Self::Service | Self::PlainService => Expects::head("+CSMS"),
            Self::ServiceCentre => Expects::head("+CSCA"),
            Self::Registration(domain) => {
                Expects { registration: Some(*domain), ..Expects::head(domain.head()) }
            }
            Self::Operator => Expects::head("+COPS"),
            Self::StoragesInUse | Self::Storages | Self::UseStorages(_) => Expects::head("+CPMS"),
            Self::List | Self::ListText => Expects::head("+CMGL"),
            Self::Read(_) => Expects::head("+CMGR"),
            Self::Signal => Expects::head("+CSQ"),
            Self::Formats => Expects::head("+CMGF"),
            Self::Send { .. } | Self::SendText { .. } => Expects { prompt: true, ..Expects::head("+CMGS") },
            _ => Expects::NOTHING,
        }
    }

    fn line(&self, masking: Masking) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Attention => "AT",
            Self::EchoOff => "ATE0",
            Self::Verbose => "ATV1",
            Self::Terse => "ATV0",
            Self::NumericErrors => "AT+CMEE=1",
            Self::ErrorForm => "AT+CMEE?",
            Self::PlainErrors => "AT+CMEE=0",
            Self::Manufacturer => "AT+CGMI",
            Self::Model => "AT+CGMM",
            Self::Revision => "AT+CGMR",
            Self::SerialNumber => "AT+CGSN",
            Self::Function => "AT+CFUN?",
            Self::RadioOn => "AT+CFUN=1",
            Self::Restart => "AT+CFUN=1,1",
            Self::Charset(Charset::Gsm) => "AT+CSCS=\"GSM\"",
            Self::Charset(Charset::Ira) => "AT+CSCS=\"IRA\"",
            Self::Charset(Charset::Ucs2) => "AT+CSCS=\"UCS2\"",
            Self::PinState => "AT+CPIN?",
            Self::EnterPin(pin) => {
                let pin = if masking == Masking::On { "****" } else { pin.expose() };
                return Cow::Owned(format!("AT+CPIN=\"{pin}\""));
            }
            Self::Iccid(line) | Self::Question(line) | Self::Vendor(line) => return line.clone(),
            Self::Subscriber => "AT+CIMI",
            Self::PduMode => "AT+CMGF=0",
            Self::TextMode => "AT+CMGF=1",
            Self::Formats => "AT+CMGF=?",
            Self::TextParameters([fo, vp, pid, dcs]) => {
                return Cow::Owned(format!("AT+CSMP={fo},{vp},{pid},{dcs}"));
            }
            Self::Service => "AT+CSMS?",
            Self::PlainService => "AT+CSMS=0",
            Self::ServiceCentre => "AT+CSCA?",
            Self::SetServiceCentre(number) => {
                let kind = if number.starts_with('+') { INTERNATIONAL } else { UNKNOWN };
                return Cow::Owned(addressed("AT+CSCA=", number, kind, masking));
            }
            Self::NewMessages([mode, mt, bm, ds, bfr]) => {
                return Cow::Owned(format!("AT+CNMI={mode},{mt},{bm},{ds},{bfr}"));
            }
            Self::NewMessagesKnown => "AT+CNMI=?",
            Self::Registration(Domain::Cs) => "AT+CREG?",
            Self::Registration(Domain::Eps) => "AT+CEREG?",
            Self::Registration(Domain::Ps) => "AT+CGREG?",
            Self::Registration(Domain::FiveG) => "AT+C5GREG?",
            Self::ReportRegistration(Domain::Cs) => "AT+CREG=1",
            Self::ReportRegistration(Domain::Eps) => "AT+CEREG=1",
            Self::ReportRegistration(Domain::Ps) => "AT+CGREG=1",
            Self::ReportRegistration(Domain::FiveG) => "AT+C5GREG=1",
            Self::SelectAutomatically => "AT+COPS=0",
            Self::SelectOperator(number) => return Cow::Owned(format!("AT+COPS=1,2,\"{number}\"")),
            Self::OperatorNumbers => "AT+COPS=3,2",
            Self::ClockFromNetwork => "AT+CTZU=1",
            Self::OperatorFormat => "AT+COPS=3,0",
            Self::Operator => "AT+COPS?",
            Self::Signal => "AT+CSQ",
            Self::MoreMessages => "AT+CMMS=2",
            Self::Send { length } => return Cow::Owned(format!("AT+CMGS={length}")),
            Self::SendText { to, kind } => return Cow::Owned(addressed("AT+CMGS=", to, *kind, masking)),
            Self::StoragesInUse => "AT+CPMS?",
            Self::Storages => "AT+CPMS=?",
            Self::UseStorages(names) => {
                return Cow::Owned(format!("AT+CPMS=\"{}\"", names.join("\",\"")));
            }
            Self::List => "AT+CMGL=4",
            Self::ListText => "AT+CMGL=\"ALL\"",
            Self::Read(index) => return Cow::Owned(format!("AT+CMGR={index}")),
            Self::Delete(index) => return Cow::Owned(format!("AT+CMGD={index}")),
            Self::Acknowledge => "AT+CNMA",
            Self::Ussd(code) => {
                let code = if masking == Masking::On { "…" } else { code.expose() };
                return Cow::Owned(format!("AT+CUSD=1,\"{code}\",15"));
            }
            Self::UssdCancel => "AT+CUSD=2",
        })
    }
}

/// Types of address (3GPP TS 24.011 clause 8.2.5.2).
const INTERNATIONAL: u8 = 145;
const UNKNOWN: u8 = 129;

/// A number in quotes and its type.
fn addressed(head: &str, number: &str, kind: u8, masking: Masking) -> String {
    let number = if masking == Masking::On { &mask(number) } else { number };
    format!("{head}\"{number}\",{kind}")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Masking {
    On,
    Off,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(Masking::On))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_end_with_a_lone_cr() {
        for (command, octets) in [
            (Command::Attention, "AT\r"),
            (Command::Send { length: 23 }, "AT+CMGS=23\r"),
            (Command::SendText { to: "+41791234567".into(), kind: 145 }, "AT+CMGS=\"+41791234567\",145\r"),
            (Command::TextParameters([17, 167, 0, 8]), "AT+CSMP=17,167,0,8\r"),
            (Command::NewMessages([2, 1, 0, 1, 0]), "AT+CNMI=2,1,0,1,0\r"),
            (Command::SetServiceCentre("+41794999000".into()), "AT+CSCA=\"+41794999000\",145\r"),
            (Command::SetServiceCentre("1234".into()), "AT+CSCA=\"1234\",129\r"),
            (Command::EnterPin(Secret::new("1234".into())), "AT+CPIN=\"1234\"\r"),
            (Command::UseStorages(vec!["SM".into(), "ME".into()]), "AT+CPMS=\"SM\",\"ME\"\r"),
            (Command::SelectOperator("22801".into()), "AT+COPS=1,2,\"22801\"\r"),
            (Command::Ussd(Secret::new("*100#".into())), "AT+CUSD=1,\"*100#\",15\r"),
        ] {
            assert_eq!(command.encode(), octets.as_bytes());
        }
    }

    #[test]
    fn a_line_ends_as_the_modem_wants_it() {
        for (end, octets) in [(LineEnd::Cr, "AT\r"), (LineEnd::CrLf, "AT\r\n"), (LineEnd::Lf, "AT\n")] {
            assert_eq!(Command::Attention.encode_with(end), octets.as_bytes());
        }
    }

    #[test]
    fn what_a_log_shows() {
        assert_eq!(Command::EnterPin(Secret::new("1234".into())).to_string(), "AT+CPIN=\"****\"");
        assert!(!Command::SetServiceCentre("+41794999000".into()).to_string().contains("794999"));
        assert!(!Command::SendText { to: "+41791234567".into(), kind: 145 }.to_string().contains("791234"));
        assert!(!format!("{:?}", Command::Ussd(Secret::new("*100#".into()))).contains("100"));
    }
}
