//! The parts of a script that describe: identity, framing, times, SIM, network, memories, sending. Their
//! defaults make a modem that follows the standards.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use super::unhex;

/// Who the modem and its SIM are. When several modems have one script, each gets an IMEI, IMSI and ICCID of
/// its own, counted up from these with correct check digits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)] // The names say it all.
pub struct Identity {
    pub manufacturer: String,
    pub model: String,
    pub firmware: String,
    pub imei: String,
    pub imsi: String,
    pub iccid: String,
    /// The SIM's own number.
    pub number: String,
    /// The service centre on the SIM. Empty means none.
    pub smsc: String,
}

/// Framing, with its quirks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// Whether the modem echoes at power-on.
    pub echo: bool,
    /// `ATE0` is answered with `OK`, and the echo goes on.
    pub echo_stays: bool,
    /// What stands before a result or the first line of an answer.
    pub before: String,
    /// What ends a line.
    pub after: String,
    /// The prompt, with what stands before it.
    pub prompt: String,
    /// Output is cut into pieces of this many octets, at least and at most.
    pub pieces: Option<[u16; 2]>,
    /// The pause between two pieces, in microseconds.
    pub piece_gap_us: u32,
}

/// How long things take. A delay is milliseconds, or `[shortest, longest]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timing {
    /// The time before any answer.
    pub answer_ms: Delay,
    /// The time from `AT+CMGS` to its prompt.
    pub prompt_ms: Delay,
    /// The time from Ctrl-Z to the network's answer.
    pub air_ms: Delay,
    /// The time from a sent message to its delivery report.
    pub report_ms: Delay,
    /// The time from a USSD request to its answer.
    pub ussd_ms: Delay,
    /// How long the port is gone when the modem restarts itself.
    pub restart_ms: Delay,
}

/// A time, or a range from which a time is drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "RawDelay")]
pub struct Delay {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl From<Duration> for Delay {
    fn from(time: Duration) -> Self {
        Self { shortest: time, longest: time }
    }
}

impl From<RangeInclusive<Duration>> for Delay {
    fn from(range: RangeInclusive<Duration>) -> Self {
        let (shortest, longest) = range.into_inner();
        Self { shortest, longest: longest.max(shortest) }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected milliseconds, as 800, or a range of them, as [500, 1500]")]
enum RawDelay {
    Fixed(u64),
    Range([u64; 2]),
}

impl TryFrom<RawDelay> for Delay {
    type Error = &'static str;

    fn try_from(raw: RawDelay) -> Result<Self, Self::Error> {
        let [from, to] = match raw {
            RawDelay::Fixed(ms) => [ms, ms],
            RawDelay::Range(range) => range,
        };
        if from > to {
            return Err("a range goes from the shorter to the longer time: swap the two");
        }
        Ok(Self { shortest: Duration::from_millis(from), longest: Duration::from_millis(to) })
    }
}

/// The SIM's lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Card {
    /// The SIM's state at power-on.
    pub state: CardState,
    /// Its PIN.
    pub pin: String,
    /// Its PUK.
    pub puk: String,
    /// How many wrong PINs the SIM takes before it asks for the PUK.
    pub tries: u8,
    /// How long the SIM is busy after the PIN: `+CME ERROR: 14`, `+CMS ERROR: 314`.
    pub busy_ms: Delay,
}

/// What the SIM waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardState {
    /// Nothing.
    Ready,
    /// Its PIN.
    Pin,
    /// Its PUK.
    Puk,
    /// There is no SIM.
    Absent,
}

/// Registration and signal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// The operator's name.
    pub operator: String,
    /// The first value of `AT+CSQ`: 0 to 31, or 99 for unknown.
    pub csq: u8,
    /// The registration after power-on, step by step (3GPP TS 27.007 clause 7.2).
    pub registration: Vec<Registration>,
    /// The domains that the modem reports: of `CREG`, `CGREG`, `CEREG`.
    pub domains: Vec<String>,
    /// The location area.
    pub lac: String,
    /// The cell.
    pub cell: String,
    /// Whether the location area and the cell stand in quotes.
    pub quoted: bool,
    /// Blanks after the commas of an unsolicited `+CREG`.
    pub blanks: bool,
    /// USSD codes and their answers: the whole rest of the `+CUSD:` line.
    pub ussd: BTreeMap<String, String>,
    /// The network drops a message that asks for it (TP-RD) when it repeats a recent one: `+CMS ERROR: 197`.
    pub rejects_duplicates: bool,
}

/// A step of the registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The time since power-on.
    #[serde(default)]
    pub after_ms: Delay,
    /// 0 not searching, 1 home, 2 searching, 3 denied, 5 roaming, 11 emergency only.
    pub status: u8,
}

/// Memories for messages (3GPP TS 27.005 clause 3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storage {
    /// The memories; the first is the one in use at power-on.
    pub memories: Vec<String>,
    /// The answer to `AT+CPMS=?` when it is not the regular one.
    pub test: Option<String>,
    /// How many messages each memory holds.
    pub capacity: u32,
    /// The first index of each memory.
    pub first_index: u32,
    /// What the memories hold at the start.
    #[serde(rename = "message")]
    pub messages: Vec<StoredMessage>,
}

/// A message found in a memory at the start.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredMessage {
    /// Its memory.
    pub memory: String,
    /// 0 received unread, 1 received read, 2 stored unsent, 3 stored sent.
    #[serde(default)]
    pub status: u8,
    /// SMSC field and TPDU in hexadecimal.
    pub pdu: Hex,
}

/// Octets, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hex(pub Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        unhex(text.as_bytes()).map(Self).ok_or("not hexadecimal: two digits of 0-9 and A-F for each octet")
    }
}

/// What the modem does with messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sending {
    /// The values that each place of `AT+CNMI` takes.
    pub cnmi: [Vec<u8>; 5],
    /// `AT+CNMI` values that the modem lists and then refuses with `+CMS ERROR: 303`, as `2,1,2,1,0`, or all
    /// that begin so: `2,*`.
    pub cnmi_refused: Vec<String>,
    /// What becomes of other commands while a message is on air.
    pub meanwhile: WhileSending,
    /// `AT+CSMP` clears the service centre.
    pub csmp_clears_smsc: bool,
    /// TP-ST of delivery reports (3GPP TS 23.040 clause 9.2.3.15).
    pub report_status: u8,
    /// What follows `+CDS: `, with the length at `{length}`.
    pub cds: String,
    /// What follows `+CDSI: ` when it is not the memory and place of the report.
    pub cdsi: Option<String>,
    /// Whether `AT+CMGF=0` is possible.
    pub pdu_mode: bool,
    /// Whether `AT+CMGF=1` is possible.
    pub text_mode: bool,
}

/// What becomes of a command while a message is on air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhileSending {
    /// The command is answered afterwards.
    Wait,
    /// The command is answered at once with `+CMS ERROR: 302`.
    Refuse,
    /// The command is lost.
    Ignore,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            manufacturer: "Simulated".to_owned(),
            model: "SIM-27005".to_owned(),
            firmware: "1.0.0".to_owned(),
            imei: "490154203237518".to_owned(),
            imsi: "228015550000001".to_owned(),
            iccid: "8941015550000000012".to_owned(),
            number: "+41790000001".to_owned(),
            smsc: "+41794999000".to_owned(),
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self {
            echo: true,
            echo_stays: false,
            before: "\r\n".to_owned(),
            after: "\r\n".to_owned(),
            prompt: "\r\n> ".to_owned(),
            pieces: None,
            piece_gap_us: 200,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        let now = Delay::default();
        Self {
            answer_ms: now,
            prompt_ms: now,
            air_ms: now,
            report_ms: Duration::from_millis(50).into(),
            ussd_ms: Duration::from_millis(50).into(),
            restart_ms: Duration::from_millis(200).into(),
        }
    }
}

impl Default for Card {
    fn default() -> Self {
        Self {
            state: CardState::Ready,
            pin: "1234".to_owned(),
            puk: "12345678".to_owned(),
            tries: 3,
            busy_ms: Delay::default(),
        }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            operator: "Simulated Network".to_owned(),
            csq: 20,
            registration: vec![Registration { after_ms: Delay::default(), status: 1 }],
            domains: ["CREG", "CGREG", "CEREG"].map(str::to_owned).to_vec(),
            lac: "04CA".to_owned(),
            cell: "081DE445".to_owned(),
            quoted: true,
            blanks: false,
            ussd: BTreeMap::from([("*100#".to_owned(), "0,\"Your credit is 12.50\",15".to_owned())]),
            rejects_duplicates: false,
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            memories: ["SM", "ME", "SR"].map(str::to_owned).to_vec(),
            test: None,
            capacity: 20,
            first_index: 1,
            messages: Vec::new(),
        }
    }
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            cnmi: [vec![0, 1, 2], vec![0, 1, 2, 3], vec![0, 2], vec![0, 1, 2], vec![0, 1]],
            cnmi_refused: Vec::new(),
            meanwhile: WhileSending::Wait,
            csmp_clears_smsc: false,
            report_status: 0,
            cds: "{length}".to_owned(),
            cdsi: None,
            pdu_mode: true,
            text_mode: true,
        }
    }
}
