//! TP-CT: what a COMMAND asks of the service centre.
//!
//! 3GPP TS 23.040 clause 9.2.3.19.

/// TP-CT as it stands: any octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandType(pub u8);

/// What a [`CommandType`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandKind {
    /// 00: the sender asks what became of a message.
    Enquiry,
    /// 01: the sender wants no status report after all.
    CancelStatusReport,
    /// 02: the sender takes a message back.
    Delete,
    /// 03: the sender wants a status report after all.
    EnableStatusReport,
    /// E0 to FF: a command of the service centre's own; the octet.
    ServiceCentre(u8),
    /// The others; the octet.
    Reserved(u8),
}

impl CommandType {
    /// What the command asks for.
    pub const fn kind(self) -> CommandKind {
        match self.0 {
            0x00 => CommandKind::Enquiry,
            0x01 => CommandKind::CancelStatusReport,
            0x02 => CommandKind::Delete,
            0x03 => CommandKind::EnableStatusReport,
            bits @ 0xe0..=0xff => CommandKind::ServiceCentre(bits),
            bits => CommandKind::Reserved(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        assert_eq!(CommandType(2).kind(), CommandKind::Delete);
        assert_eq!(CommandType(4).kind(), CommandKind::Reserved(4));
        assert_eq!(CommandType(0xe0).kind(), CommandKind::ServiceCentre(0xe0));
    }
}
