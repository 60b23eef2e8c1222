//! TP-CT: what a COMMAND asks of the service centre.
//!
//! 3GPP TS 23.040 clause 9.2.3.19.

/// A command type as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandType(pub u8);

/// What a command type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// 00: asks what became of a message.
    Enquiry,
    /// 01: wants no status report after all.
    CancelStatusReport,
    /// 02: takes a message back.
    Delete,
    /// 03: wants a status report after all.
    EnableStatusReport,
    /// E0 to FF: the service centre's own.
    ServiceCentre(u8),
    /// The others.
    Reserved(u8),
}

impl CommandType {
    /// What it means.
    pub const fn meaning(self) -> CommandKind {
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
        assert_eq!(CommandType(2).meaning(), CommandKind::Delete);
        assert_eq!(CommandType(4).meaning(), CommandKind::Reserved(4));
        assert_eq!(CommandType(0xe0).meaning(), CommandKind::ServiceCentre(0xe0));
    }
}
