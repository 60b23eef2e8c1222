//! Text mode (3GPP TS 27.005 clause 3): the messages that are submitted in text mode, and how text mode shows
//! stored messages and reports.

use gsm_sms::{Alphabet, Direction, Framing, ShiftTables, Strictness, Timestamp, Tpdu, UserData};

use super::modem::Modem;
use super::phone::Submission;
use super::script::unhex;
use super::settings::Stored;
use super::tpdu::{Pdu, address, hex};

const STATUS: [&str; 4] = ["REC UNREAD", "REC READ", "STO UNSENT", "STO SENT"];

impl Modem {
    /// Clause 3.5.1: `<fo>` and `<dcs>` of `+CSMP` say what the text is, the alphabet of `+CSCS` how the text is
    /// written.
    pub(super) fn text_submission(&self, to: &str, body: &[u8]) -> Result<Submission, u16> {
        let parameters: Vec<u8> =
            self.settings.parameters.split(',').map(|value| value.parse().unwrap_or(0)).collect();
        let [first, _, _, coding] = parameters[..] else { return Err(305) };
        if first & 0x40 != 0 {
            return Err(305);
        }
        let written = String::from_utf8_lossy(body).replace('\r', "\n");
        let text = match coding & 0x0c {
            0x08 => from_units(&unhex(body).ok_or(305_u16)?).ok_or(305_u16)?,
            0x04 => return Err(305),
            _ => self.read_charset(&written).ok_or(305_u16)?,
        };
        let alphabet = if coding & 0x0c == 0x08 { Alphabet::Ucs2 } else { Alphabet::Gsm7 };
        UserData::text(&text, alphabet, ShiftTables::NONE, &[]).map_err(|_| 305_u16)?;
        let to = self.read_charset(to).ok_or(305_u16)?;
        Ok(Submission {
            pdu: Vec::new(),
            reference: self.reference,
            reject_duplicates: first & 0x04 != 0,
            wants_report: first & 0x20 != 0,
            recipient: address(&to),
            to,
            text,
            concat: None,
        })
    }

    /// Clauses 3.4.2 and 3.4.3: the fields after `<index>`, and the text in the lines after them.
    pub(super) fn shown(&self, stored: &Stored) -> Vec<String> {
        let status = STATUS[usize::from(stored.status.min(3))];
        let Ok(read) =
            gsm_sms::decode(stored.pdu.octets(), Direction::Mt, Framing::SmscFirst, Strictness::Lenient)
        else {
            return vec![format!("\"{status}\",\"\",,")];
        };
        match &read.tpdu {
            Tpdu::StatusReport(_) => vec![format!("\"{status}\",{}", self.report_line(&stored.pdu))],
            Tpdu::Deliver(deliver) => {
                let from = self.in_charset(&deliver.originator.to_string());
                let text = self.in_charset(&read.to_text().unwrap_or_default());
                vec![format!("\"{status}\",\"{from}\",,\"{}\"", shown_time(deliver.timestamp)), text]
            }
            _ => vec![format!("\"{status}\",\"\",,")],
        }
    }

    /// `<fo>,<mr>,<ra>,<tora>,<scts>,<dt>,<st>`.
    pub(super) fn report_line(&self, pdu: &Pdu) -> String {
        let Ok(read) = gsm_sms::decode(pdu.octets(), Direction::Mt, Framing::SmscFirst, Strictness::Lenient)
        else {
            return String::new();
        };
        let Tpdu::StatusReport(report) = &read.tpdu else { return String::new() };
        format!(
            "{},{},\"{}\",{},\"{}\",\"{}\",{}",
            report.first_octet.0,
            report.message_reference,
            self.in_charset(&report.recipient.to_string()),
            report.recipient.type_octet(),
            shown_time(report.timestamp),
            shown_time(report.discharge_time),
            report.status.0
        )
    }

    fn in_charset(&self, text: &str) -> String {
        match self.settings.charset.as_str() {
            "UCS2" => hex(&text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()),
            _ => text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect(),
        }
    }

    fn read_charset(&self, written: &str) -> Option<String> {
        match self.settings.charset.as_str() {
            "UCS2" => from_units(&unhex(written.as_bytes())?),
            // Where an octet is a septet, three ASCII characters have other codes (3GPP TS 23.038 clause 6.2.1).
            "GSM" => Some(written.replace('@', "¡").replace('$', "¤").replace('_', "§").replace('\0', "@")),
            _ => Some(written.to_owned()),
        }
    }
}

fn from_units(octets: &[u8]) -> Option<String> {
    let units = octets.chunks(2).map(|pair| Some(u16::from_be_bytes([pair[0], *pair.get(1)?])));
    String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()
}

/// `yy/MM/dd,hh:mm:ss±zz`, where the zone is in quarters of an hour.
fn shown_time(stamp: Timestamp) -> String {
    stamp.local_time().map_or_else(String::new, |t| {
        let sign = if t.offset_quarters < 0 { '-' } else { '+' };
        let quarters = t.offset_quarters.unsigned_abs();
        format!(
            "{:02}/{:02}/{:02},{:02}:{:02}:{:02}{sign}{quarters:02}",
            t.year % 100,
            t.month,
            t.day,
            t.hour,
            t.minute,
            t.second
        )
    })
}
