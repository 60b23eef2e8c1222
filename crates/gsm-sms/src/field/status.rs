//! TP-ST: what became of a message.
//!
//! 3GPP TS 23.040 clause 9.2.3.15.

/// TP-ST as it stands: any octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

/// What a status means for whoever waits for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatusKind {
    /// 00 to 1F: the service centre is done. The message arrived, or was replaced; see [`Status::is_delivered`].
    Completed,
    /// 20 to 3F: the message did not arrive yet, and the service centre goes on trying.
    Trying,
    /// 40 to 5F: the message failed for good, and the service centre does not try any more.
    Failed,
    /// 60 to 7F: the message failed for a reason that passes, and the service centre does not try any more.
    GaveUp,
    /// 80 to FF: reserved. The standard lets a receiver take it as a service that was rejected, 63 hex, which is final.
    Reserved,
}

impl Status {
    /// What the status means for whoever waits for the message.
    pub const fn kind(self) -> StatusKind {
        match self.0 {
            0x00..=0x1f => StatusKind::Completed,
            0x20..=0x3f => StatusKind::Trying,
            0x40..=0x5f => StatusKind::Failed,
            0x60..=0x7f => StatusKind::GaveUp,
            0x80..=0xff => StatusKind::Reserved,
        }
    }

    /// Whether the service centre does nothing more for the message.
    pub const fn is_final(self) -> bool {
        !matches!(self.kind(), StatusKind::Trying)
    }

    /// Whether the message reached the phone for certain: 00.
    pub const fn is_delivered(self) -> bool {
        self.0 == 0
    }

    /// The standard's words in short, in English: `failed: validity period expired` for 46 hex.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0x00 => "received by the phone",
            0x01 => "forwarded to the phone, receipt not confirmed",
            0x02 => "replaced by the service centre",
            0x03..=0x0f => "completed, reserved",
            0x10..=0x1f => "completed, the service centre's own reason",
            0x20 => "trying: congestion",
            0x21 => "trying: phone busy",
            0x22 => "trying: no response from the phone",
            0x23 => "trying: service rejected",
            0x24 => "trying: quality of service not available",
            0x25 => "trying: error in the phone",
            0x26..=0x2f => "trying, reserved",
            0x30..=0x3f => "trying, the service centre's own reason",
            0x40 => "failed: remote procedure error",
            0x41 => "failed: incompatible destination",
            0x42 => "failed: connection rejected by the phone",
            0x43 => "failed: not obtainable",
            0x44 => "failed: quality of service not available",
            0x45 => "failed: no interworking available",
            0x46 => "failed: validity period expired",
            0x47 => "failed: deleted by the sender",
            0x48 => "failed: deleted by the service centre",
            0x49 => "failed: message does not exist",
            0x4a..=0x4f => "failed, reserved",
            0x50..=0x5f => "failed, the service centre's own reason",
            0x60 => "gave up: congestion",
            0x61 => "gave up: phone busy",
            0x62 => "gave up: no response from the phone",
            0x63 => "gave up: service rejected",
            0x64 => "gave up: quality of service not available",
            0x65 => "gave up: error in the phone",
            0x66..=0x6f => "gave up, reserved",
            0x70..=0x7f => "gave up, the service centre's own reason",
            0x80..=0xff => "reserved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert!(Status(0).is_delivered() && Status(0).is_final());
        assert!(!Status(0x30).is_final() && Status(0x46).is_final() && Status(0x61).is_final());
        assert_eq!(Status(0x46).kind(), StatusKind::Failed);
        assert_eq!(Status(0x46).meaning(), "failed: validity period expired");
        for octet in 0..=u8::MAX {
            let (kind, meaning) = (Status(octet).kind(), Status(octet).meaning());
            let begins = match kind {
                StatusKind::Completed => ["re", "fo", "co"].iter().any(|b| meaning.starts_with(b)),
                StatusKind::Trying => meaning.starts_with("trying"),
                StatusKind::Failed => meaning.starts_with("failed"),
                StatusKind::GaveUp => meaning.starts_with("gave up"),
                StatusKind::Reserved => meaning == "reserved",
            };
            assert!(begins, "{octet:02X}");
        }
    }
}
