//! Text mode (3GPP TS 27.005 clause 3): the line before a text, and a status report, which stands on one
//! line. Numbers and times stay as they stand: numbers are in the alphabet of `AT+CSCS`.

use std::fmt;

use super::reply::fields;

/// What stands after `+CMGL:` or `+CMGR:`. Its `Debug` shows no number.
#[derive(Clone, PartialEq, Eq)]
pub enum TextEntry {
    /// `<oa>` and `<scts>`; the text follows.
    Deliver {
        /// The sender.
        from: String,
        /// The time as `yy/MM/dd,hh:mm:ss±zz`; empty when the modem does not give it.
        timestamp: String,
    },
    /// A status report; nothing follows.
    Report(TextReport),
    /// A message of the modem's own; its text follows.
    Own,
}

/// `<fo>,<mr>,[<ra>],[<tora>],<scts>,<dt>,<st>`. Its `Debug` shows no number.
#[derive(Clone, PartialEq, Eq)]
pub struct TextReport {
    /// TP-MR.
    pub reference: u8,
    /// TP-RA; empty when the modem does not give it.
    pub recipient: String,
    /// TP-SCTS.
    pub timestamp: String,
    /// TP-DT.
    pub discharge_time: String,
    /// TP-ST.
    pub status: u8,
}

impl TextEntry {
    /// The fields after `<stat>`.
    pub(super) fn of(status: &str, fields: &[&str]) -> Option<Self> {
        if status.starts_with("STO ") {
            return Some(Self::Own);
        }
        if let Some(report) = TextReport::of(fields) {
            return Some(Self::Report(report));
        }
        let (from, rest) = fields.split_first()?;
        // The time as it is, or in digits of UCS-2.
        let is_time =
            |field: &&&str| field.as_bytes().get(2) == Some(&b'/') || field.get(8..12) == Some("002F");
        let timestamp = rest.iter().find(is_time).map(|&time| time.to_owned()).unwrap_or_default();
        Some(Self::Deliver { from: (*from).to_owned(), timestamp })
    }
}

impl TextReport {
    /// What stands after `+CDS:`.
    pub fn parse(body: &str) -> Option<Self> {
        Self::of(&fields(body))
    }

    fn of(fields: &[&str]) -> Option<Self> {
        let [first, reference, between @ .., timestamp, discharge_time, status] = fields else { return None };
        first.parse::<u8>().ok()?;
        Some(Self {
            reference: reference.parse().ok()?,
            recipient: between.first().map(|&number| number.to_owned()).unwrap_or_default(),
            timestamp: (*timestamp).to_owned(),
            discharge_time: (*discharge_time).to_owned(),
            status: status.parse().ok()?,
        })
    }
}

impl fmt::Debug for TextEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver { .. } => f.write_str("Deliver"),
            Self::Report(report) => report.fmt(f),
            Self::Own => f.write_str("Own"),
        }
    }
}

impl fmt::Debug for TextReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextReport")
            .field("reference", &self.reference)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let report = |recipient: &str| TextReport {
            reference: 9,
            recipient: recipient.to_owned(),
            timestamp: "24/11/23,10:00:00+04".to_owned(),
            discharge_time: "24/11/23,10:00:05+04".to_owned(),
            status: 0,
        };
        let times = "\"24/11/23,10:00:00+04\",\"24/11/23,10:00:05+04\"";
        for (body, expected) in [
            (format!("6,9,\"+41791234567\",145,{times},0"), Some(report("+41791234567"))),
            (format!("6,9,,,{times},0"), Some(report(""))),
            (format!("6, 9, {times}, 0"), Some(report(""))),
            (format!("6,300,,,{times},0"), None),
            (String::from("24"), None),
            (String::from(",24"), None),
            (String::new(), None),
        ] {
            assert_eq!(TextReport::parse(&body), expected, "{body}");
        }
        assert!(!format!("{:?}", report("+41791234567")).contains("791"));
    }

    #[test]
    fn entries() {
        let deliver = |from: &str, timestamp: &str| {
            Some(TextEntry::Deliver { from: from.to_owned(), timestamp: timestamp.to_owned() })
        };
        let stamp = "24/11/23,10:00:00+04";
        assert_eq!(TextEntry::of("REC READ", &["+41790", "", stamp]), deliver("+41790", stamp));
        assert_eq!(
            TextEntry::of("REC READ", &["002B", "Bob", stamp, "145", "4", "0", "0", "+4179", "145", "2"]),
            deliver("002B", stamp)
        );
        assert_eq!(TextEntry::of("REC UNREAD", &["+41790"]), deliver("+41790", ""));
        assert_eq!(TextEntry::of("STO SENT", &["+41790", "", ""]), Some(TextEntry::Own));
        assert_eq!(TextEntry::of("REC UNREAD", &[]), None);
        let report = TextEntry::of("REC UNREAD", &["6", "9", "+4179", "145", stamp, stamp, "0"]);
        assert!(matches!(report, Some(TextEntry::Report(TextReport { reference: 9, .. }))), "{report:?}");
    }
}
