//! TP-DCS: how the user data is coded, and what the receiver does with it.
//!
//! 3GPP TS 23.040 clause 9.2.3.10 and TS 23.038 clause 4.

/// TP-DCS as it stands: any octet. The default, 00, is a text in the GSM 7 bit default alphabet without a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DataCodingScheme(pub u8);

/// In what user data is written. The two bits that name it are of TS 23.038 clause 4; the fourth value is reserved, and read
/// as the GSM 7 bit default alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// The GSM 7 bit default alphabet and its shift tables, packed (TS 23.038 clauses 6.1.2.1 and 6.2.1); a length counts
    /// septets.
    Gsm7,
    /// Octets whose meaning other fields tell; a length counts octets.
    Data,
    /// UCS-2 (TS 23.038 clause 6.2.3), read and written as UTF-16 with the high octet first; a length counts octets.
    Ucs2,
}

/// The message class: what the phone does with a message (TS 23.038 clause 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageClass {
    /// Class 0: the phone shows the message at once and does not store it, "flash".
    Flash,
    /// Class 1: the message is for the phone's own storage.
    Mobile,
    /// Class 2: the message is for the SIM.
    Sim,
    /// Class 3: the message is for a terminal that is connected to the phone.
    Terminal,
}

impl MessageClass {
    /// The class's number, 0 to 3.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// Which coding group a [`DataCodingScheme`] belongs to (TS 23.038 clause 4, bits 7 to 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodingGroup {
    /// 00xx: an alphabet, perhaps a class, perhaps compression.
    General,
    /// 01xx: the same, and the message is to be deleted once it was read.
    AutomaticDeletion,
    /// 1000 to 1011: reserved, and read as the GSM 7 bit default alphabet.
    Reserved,
    /// 1100: something waits for the subscriber; the message itself may be thrown away.
    WaitingDiscard,
    /// 1101: something waits for the subscriber; the message is GSM 7 bit and kept.
    WaitingStore,
    /// 1110: something waits for the subscriber; the message is UCS-2 and kept.
    WaitingStoreUcs2,
    /// 1111: GSM 7 bit or octets, and a class.
    ClassOnly,
}

/// What waits for the subscriber (TS 23.038 clause 4, bits 1 and 0; TS 23.040 clause 9.2.3.24.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitingKind {
    /// 00: a voice message.
    Voicemail,
    /// 01: a fax.
    Fax,
    /// 10: an electronic mail.
    Email,
    /// 11: something else.
    Other,
}

/// An indication that something waits for the subscriber (TS 23.038 clause 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageWaiting {
    /// What waits.
    pub kind: WaitingKind,
    /// Bit 3: whether the phone is to show the indication, or to take it away.
    pub active: bool,
    /// Whether the message that carries it is to be kept.
    pub store: bool,
}

impl DataCodingScheme {
    /// The scheme of a plain message in this alphabet: general group, no compression.
    pub const fn plain(alphabet: Alphabet, class: Option<MessageClass>) -> Self {
        let alphabet = match alphabet {
            Alphabet::Gsm7 => 0x00,
            Alphabet::Data => 0x04,
            Alphabet::Ucs2 => 0x08,
        };
        match class {
            Some(class) => Self(0x10 | alphabet | class.number()),
            None => Self(alphabet),
        }
    }

    /// The coding group, which says what the other bits mean.
    pub const fn group(self) -> CodingGroup {
        match self.0 >> 4 {
            0x0..=0x3 => CodingGroup::General,
            0x4..=0x7 => CodingGroup::AutomaticDeletion,
            0x8..=0xb => CodingGroup::Reserved,
            0xc => CodingGroup::WaitingDiscard,
            0xd => CodingGroup::WaitingStore,
            0xe => CodingGroup::WaitingStoreUcs2,
            _ => CodingGroup::ClassOnly,
        }
    }

    /// Whether the text is compressed as TS 23.042 has it.
    pub const fn is_compressed(self) -> bool {
        self.0 & 0x80 == 0 && self.0 & 0x20 != 0
    }

    /// In what the text is written; a reserved coding is the GSM 7 bit default alphabet.
    pub const fn alphabet(self) -> Alphabet {
        match self.group() {
            CodingGroup::General | CodingGroup::AutomaticDeletion => match self.0 >> 2 & 0x03 {
                1 => Alphabet::Data,
                2 => Alphabet::Ucs2,
                _ => Alphabet::Gsm7,
            },
            CodingGroup::WaitingStoreUcs2 => Alphabet::Ucs2,
            CodingGroup::ClassOnly if self.0 & 0x04 != 0 => Alphabet::Data,
            _ => Alphabet::Gsm7,
        }
    }

    /// The alphabet in whose units TP-UDL counts, and in which the user data is read: [`Self::alphabet`], but a compressed
    /// text is [`Alphabet::Data`] (TS 23.040 clause 9.2.3.16).
    pub const fn user_data_alphabet(self) -> Alphabet {
        if self.is_compressed() { Alphabet::Data } else { self.alphabet() }
    }

    /// The message class; `None` where the octet means none.
    pub const fn class(self) -> Option<MessageClass> {
        let has_class = match self.group() {
            CodingGroup::General | CodingGroup::AutomaticDeletion => self.0 & 0x10 != 0,
            CodingGroup::ClassOnly => true,
            _ => false,
        };
        if !has_class {
            return None;
        }
        Some(match self.0 & 0x03 {
            0 => MessageClass::Flash,
            1 => MessageClass::Mobile,
            2 => MessageClass::Sim,
            _ => MessageClass::Terminal,
        })
    }

    /// What waits for the subscriber; `None` in the groups that do not say so.
    pub const fn message_waiting(self) -> Option<MessageWaiting> {
        let store = match self.group() {
            CodingGroup::WaitingDiscard => false,
            CodingGroup::WaitingStore | CodingGroup::WaitingStoreUcs2 => true,
            _ => return None,
        };
        Some(MessageWaiting { kind: WaitingKind::of(self.0), active: self.0 & 0x08 != 0, store })
    }
}

impl WaitingKind {
    /// The kind that the two lowest bits name.
    pub(crate) const fn of(bits: u8) -> Self {
        match bits & 0x03 {
            0 => Self::Voicemail,
            1 => Self::Fax,
            2 => Self::Email,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (octet, alphabet, class) in [
            (0x00, Alphabet::Gsm7, None),
            (0x04, Alphabet::Data, None),
            (0x08, Alphabet::Ucs2, None),
            (0x0c, Alphabet::Gsm7, None),
            (0x10, Alphabet::Gsm7, Some(MessageClass::Flash)),
            (0x12, Alphabet::Gsm7, Some(MessageClass::Sim)),
            (0x18, Alphabet::Ucs2, Some(MessageClass::Flash)),
            (0x19, Alphabet::Ucs2, Some(MessageClass::Mobile)),
            (0x53, Alphabet::Gsm7, Some(MessageClass::Terminal)),
            (0x84, Alphabet::Gsm7, None),
            (0xc8, Alphabet::Gsm7, None),
            (0xe8, Alphabet::Ucs2, None),
            (0xf0, Alphabet::Gsm7, Some(MessageClass::Flash)),
            (0xf5, Alphabet::Data, Some(MessageClass::Mobile)),
            (0xfb, Alphabet::Gsm7, Some(MessageClass::Terminal)),
        ] {
            let scheme = DataCodingScheme(octet);
            assert_eq!((scheme.alphabet(), scheme.class()), (alphabet, class), "{octet:02X}");
        }
    }

    #[test]
    fn groups_and_flags() {
        assert_eq!(DataCodingScheme(0x4b).group(), CodingGroup::AutomaticDeletion);
        assert!(DataCodingScheme(0x28).is_compressed() && DataCodingScheme(0x62).is_compressed());
        assert!(!DataCodingScheme(0xf0).is_compressed() && !DataCodingScheme(0xe0).is_compressed());
        assert_eq!(DataCodingScheme(0x28).user_data_alphabet(), Alphabet::Data);
        assert_eq!(
            DataCodingScheme(0xc8).message_waiting(),
            Some(MessageWaiting { kind: WaitingKind::Voicemail, active: true, store: false })
        );
        assert_eq!(
            DataCodingScheme(0xd2).message_waiting(),
            Some(MessageWaiting { kind: WaitingKind::Email, active: false, store: true })
        );
        assert_eq!(DataCodingScheme(0x01).message_waiting(), None);
    }

    #[test]
    fn plain_is_what_it_says() {
        for alphabet in [Alphabet::Gsm7, Alphabet::Data, Alphabet::Ucs2] {
            for class in [None, Some(MessageClass::Flash), Some(MessageClass::Sim)] {
                let scheme = DataCodingScheme::plain(alphabet, class);
                assert_eq!((scheme.alphabet(), scheme.class()), (alphabet, class));
                assert_eq!(scheme.group(), CodingGroup::General);
            }
        }
    }
}
