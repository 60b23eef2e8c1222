//! TP-FCS: why a message was refused.
//!
//! 3GPP TS 23.040 clause 9.2.3.22.

/// TP-FCS as it stands. Octets below 80 hex are not causes, and are refused when a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FailureCause(pub u8);

impl FailureCause {
    /// The standard's words in short, in English: `rejected: duplicate message` for C5 hex.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0x80 => "telematic interworking not supported",
            0x81 => "short message type 0 not supported",
            0x82 => "cannot replace short message",
            0x8f => "unspecified TP-PID error",
            0x90 => "alphabet not supported",
            0x91 => "message class not supported",
            0x9f => "unspecified TP-DCS error",
            0xa0 => "command cannot be actioned",
            0xa1 => "command unsupported",
            0xaf => "unspecified TP-Command error",
            0xb0 => "TPDU not supported",
            0xc0 => "service centre busy",
            0xc1 => "no service centre subscription",
            0xc2 => "service centre system failure",
            0xc3 => "invalid SME address",
            0xc4 => "destination SME barred",
            0xc5 => "rejected: duplicate message",
            0xc6 => "TP-VPF not supported",
            0xc7 => "TP-VP not supported",
            0xd0 => "SIM storage full",
            0xd1 => "no storage on the SIM",
            0xd2 => "error in the phone",
            0xd3 => "memory capacity exceeded",
            0xd4 => "SIM application toolkit busy",
            0xd5 => "SIM data download error",
            0xe0..=0xfe => "application's own cause",
            0xff => "unspecified error cause",
            _ => "reserved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(FailureCause(0xc5).meaning(), "rejected: duplicate message");
        assert_eq!(FailureCause(0xd3).meaning(), "memory capacity exceeded");
        assert_eq!(FailureCause(0x00).meaning(), "reserved");
        assert_eq!(FailureCause(0xe7).meaning(), "application's own cause");
    }
}
