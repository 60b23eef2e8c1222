//! The first octet of a TPDU: TP-MTI and the flags.
//!
//! 3GPP TS 23.040 clauses 9.2.3.1 (MTI), 9.2.3.2 (MMS), 9.2.3.3 (VPF), 9.2.3.4 (SRI), 9.2.3.5 (SRR), 9.2.3.17
//! (RP), 9.2.3.23 (UDHI), 9.2.3.25 (RD), 9.2.3.26 (SRQ), 9.2.3.28 (LP).

/// The first octet as it stands, whose default is 0. Which flags the bits are depends on the message; a bit that a message
/// does not use is kept as it came. When a message is written, TP-MTI, TP-VPF and TP-UDHI follow from its other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FirstOctet(pub u8);

/// TP-VPF: which form of validity period a SUBMIT has (TS 23.040 clause 9.2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValidityFormat {
    /// 00: none.
    Absent,
    /// 01: the enhanced form, seven octets.
    Enhanced,
    /// 10: the relative form, one octet.
    Relative,
    /// 11: the absolute form, a time stamp of seven octets.
    Absolute,
}

impl FirstOctet {
    /// TP-MTI, 0 to 3 (clause 9.2.3.1). Which TPDU it names depends on the direction.
    pub const fn message_type(self) -> u8 {
        self.0 & 0x03
    }

    /// TP-MMS in a DELIVER or STATUS-REPORT (clause 9.2.3.2): whether the service centre has no more messages waiting.
    pub const fn no_more_messages(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// TP-RD in a SUBMIT (clause 9.2.3.25): whether the service centre is to refuse the message while one of the same TP-MR
    /// to the same number waits there.
    pub const fn rejects_duplicates(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// TP-LP in a DELIVER or STATUS-REPORT (clause 9.2.3.28): whether the message has been forwarded, or was made by a
    /// program, so that it must not be forwarded or answered by one.
    pub const fn loop_prevention(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// TP-VPF in a SUBMIT (clause 9.2.3.3).
    pub const fn validity_format(self) -> ValidityFormat {
        match self.0 >> 3 & 0x03 {
            0 => ValidityFormat::Absent,
            1 => ValidityFormat::Enhanced,
            2 => ValidityFormat::Relative,
            _ => ValidityFormat::Absolute,
        }
    }

    /// TP-SRI in a DELIVER (clause 9.2.3.4), TP-SRR in a SUBMIT or COMMAND (clause 9.2.3.5): whether a status report is
    /// asked for. TP-SRQ in a STATUS-REPORT (clause 9.2.3.26): whether it answers a COMMAND rather than a SUBMIT.
    pub const fn status_report(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// TP-UDHI (clause 9.2.3.23): whether the user data begins with a header.
    pub const fn has_header(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// TP-RP in a DELIVER or SUBMIT (clause 9.2.3.17): whether the answer may take the same service centre.
    pub const fn reply_path(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// The same octet with TP-RD 1 or 0, in a SUBMIT.
    #[must_use]
    pub const fn with_reject_duplicates(self, yes: bool) -> Self {
        self.with(0x04, yes)
    }

    /// The same octet with TP-SRI, TP-SRR or TP-SRQ 1 or 0, whichever the message has.
    #[must_use]
    pub const fn with_status_report(self, yes: bool) -> Self {
        self.with(0x20, yes)
    }

    /// The same octet with TP-RP 1 or 0, in a DELIVER or SUBMIT.
    #[must_use]
    pub const fn with_reply_path(self, yes: bool) -> Self {
        self.with(0x80, yes)
    }

    /// The same octet with TP-MTI.
    pub(crate) const fn with_message_type(self, message_type: u8) -> Self {
        Self(self.0 & !0x03 | message_type & 0x03)
    }

    /// The same octet with TP-UDHI.
    pub(crate) const fn with_header(self, yes: bool) -> Self {
        self.with(0x40, yes)
    }

    /// The same octet with TP-VPF.
    pub(crate) const fn with_validity_format(self, format: ValidityFormat) -> Self {
        let bits = match format {
            ValidityFormat::Absent => 0,
            ValidityFormat::Enhanced => 1,
            ValidityFormat::Relative => 2,
            ValidityFormat::Absolute => 3,
        };
        Self(self.0 & !0x18 | bits << 3)
    }

    const fn with(self, bit: u8, yes: bool) -> Self {
        if yes { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_keeps_its_other_bits() {
        for octet in 0..=u8::MAX {
            let first = FirstOctet(octet);
            assert_eq!(first.with_header(first.has_header()), first);
            assert_eq!(first.with_status_report(first.status_report()), first);
            assert_eq!(first.with_reply_path(first.reply_path()), first);
            assert_eq!(first.with_reject_duplicates(first.rejects_duplicates()), first);
            assert_eq!(first.with_validity_format(first.validity_format()), first);
            assert_eq!(first.with_message_type(first.message_type()), first);
        }
    }

    #[test]
    fn a_submit_of_a_known_modem() {
        let first = FirstOctet(0xb1);
        assert!(first.reply_path() && first.status_report());
        assert!(!first.has_header() && !first.rejects_duplicates());
        assert_eq!(first.validity_format(), ValidityFormat::Relative);
        assert_eq!(first.message_type(), 1);
    }
}
