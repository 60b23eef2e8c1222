//! TP-PID: what a message is for, when it is not a text for a person.
//!
//! 3GPP TS 23.040 clause 9.2.3.9.

/// TP-PID as it stands: any octet. The default, 00, is an ordinary short message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProtocolIdentifier(pub u8);

/// What a [`ProtocolIdentifier`] means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// 000xxxxx: from phone to phone without another network; the five lowest bits, 0 for an ordinary message.
    ShortMessage(u8),
    /// 001xxxxx: carried on by another network; the five lowest bits, such as 2 for fax and 18 for e-mail.
    Interworking(u8),
    /// 01000000, short message type 0: the phone acknowledges the message and neither shows nor stores it.
    Type0,
    /// 01000001 to 01000111: the message takes the place of an earlier one with the same number here, 1 to 7, from the same
    /// originator through the same service centre.
    Replace(u8),
    /// 01001000: the device is started on behalf of a server (TS 23.682).
    DeviceTriggering,
    /// 01011110: enhanced message service, obsolete.
    Enhanced,
    /// 01011111: the originator asks to be called back.
    ReturnCall,
    /// 01111100: ANSI-136 R-DATA.
    Ansi136,
    /// 01111101: data for the phone itself.
    MobileDownload,
    /// 01111110: removes a lock of the phone's maker, TS 22.022.
    MobileDepersonalization,
    /// 01111111: data for the SIM.
    SimDownload,
    /// 11xxxxxx: a protocol of the service centre's own; the six lowest bits.
    ServiceCentre(u8),
    /// The others; the octet.
    Reserved(u8),
}

impl ProtocolIdentifier {
    /// An ordinary short message: 00.
    pub const PLAIN: Self = Self(0);

    /// What the identifier means.
    pub const fn protocol(self) -> Protocol {
        match self.0 {
            bits @ 0x00..=0x1f => Protocol::ShortMessage(bits),
            bits @ 0x20..=0x3f => Protocol::Interworking(bits & 0x1f),
            0x40 => Protocol::Type0,
            bits @ 0x41..=0x47 => Protocol::Replace(bits & 0x07),
            0x48 => Protocol::DeviceTriggering,
            0x5e => Protocol::Enhanced,
            0x5f => Protocol::ReturnCall,
            0x7c => Protocol::Ansi136,
            0x7d => Protocol::MobileDownload,
            0x7e => Protocol::MobileDepersonalization,
            0x7f => Protocol::SimDownload,
            bits @ 0xc0..=0xff => Protocol::ServiceCentre(bits & 0x3f),
            bits => Protocol::Reserved(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (octet, meaning) in [
            (0x00, Protocol::ShortMessage(0)),
            (0x22, Protocol::Interworking(2)),
            (0x39, Protocol::Interworking(25)),
            (0x40, Protocol::Type0),
            (0x43, Protocol::Replace(3)),
            (0x49, Protocol::Reserved(0x49)),
            (0x7f, Protocol::SimDownload),
            (0x91, Protocol::Reserved(0x91)),
            (0xc1, Protocol::ServiceCentre(1)),
        ] {
            assert_eq!(ProtocolIdentifier(octet).protocol(), meaning);
        }
    }
}
