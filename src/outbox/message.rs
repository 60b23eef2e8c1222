//! The state of one outgoing message.

use gsm_sms::Encoding;

use crate::clock::Timestamp;
use crate::id::{MessageId, VerificationId};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It carries a code of this verification. Its text is never given back.
    Otp(VerificationId),
    /// Plain text.
    Text,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    /// Waits for a modem or for its time.
    Queued,
    /// A modem has it. Found so at start-up, its outcome is unknown.
    Sending,
    /// The service centre took every part.
    Sent,
    /// A delivery report says that it arrived.
    Delivered,
    /// A delivery report says that it never will.
    Undelivered,
    /// Given up; `error` says why.
    Failed,
    /// Its time ran out before it could be sent.
    Expired,
    /// Withdrawn before it was sent.
    Cancelled,
}

impl MessageStatus {
    /// Every status, in the order of a message's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The contract's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing is sent any more: the text is gone.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }
}

/// An outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// The recipient.
    pub to: PhoneNumber,
    /// The API client that asked, when clients are configured.
    pub client: Option<String>,
    /// What it is for.
    pub kind: Kind,
    /// The service of its verification; none for plain text, and for a code of a version that did not note it.
    pub service: Option<String>,
    /// Where it stands.
    pub status: MessageStatus,
    /// Higher goes first among plain texts, 0 to 9. Codes go before all of them.
    pub priority: u8,
    /// Short messages it takes.
    pub parts: u8,
    /// How its text is coded.
    pub encoding: Encoding,
    /// Class 0: shown at once, not kept.
    pub flash: bool,
    /// Whether a delivery report is asked for (TP-SRR).
    pub report: bool,
    /// Only this modem may send it.
    pub wanted_modem: Option<String>,
    /// The modem that has it, had it last, or that took its first parts; once it is sent, the one that was the first
    /// to send it.
    pub modem: Option<String>,
    /// Other sends of it that are on the air. While it is sending that is at most one, through another modem than
    /// `modem`; when it is over, those whose end has not come yet.
    pub twins: Vec<Twin>,
    /// Sends begun so far, but for those that failed by no fault of the message.
    pub attempts: u32,
    /// Those others. The wait grows with each.
    pub held: u32,
    /// A modem through which the network refused it, while another may still try it.
    pub refused: Option<Refused>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Not before this.
    pub due_at: Timestamp,
    /// Not after this: a code's expiry, or the sender's own limit.
    pub deadline: Option<Timestamp>,
    /// When the service centre took the last part.
    pub sent_at: Option<Timestamp>,
    /// When the recipient had it.
    pub delivered_at: Option<Timestamp>,
    /// The last fault, for a person.
    pub error: Option<String>,
    /// The text, sealed; gone when the message is over.
    pub body: Option<Sealed>,
    /// TP-MR of the first part; the others follow. The same in every attempt, so that the network can drop a
    /// twin.
    pub reference: u8,
    /// Parts that the service centre took for certain: a later attempt goes on behind them.
    pub parts_done: u8,
    /// A send of it ended unknown: it goes out again with TP-RD set.
    pub uncertain: bool,
    /// TP-MR that the modem reported for each part taken.
    pub modem_references: Vec<u8>,
}

/// A send of a message beside another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The modem that has it.
    pub modem: String,
    /// The first part that this modem was given: all of them, unless earlier ones were taken before.
    pub first: u8,
}

/// A refusal that another SIM may tell to be that of one SIM alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The modem, which does not get the message again.
    pub modem: String,
    /// For so long another modem is waited for.
    pub until: Timestamp,
}

impl Message {
    /// The first of the parts that a modem has or had on the air.
    pub fn first_part(&self, modem: &str) -> u8 {
        self.twin(modem).map_or(self.parts_done, |twin| twin.first)
    }

    /// The send through this modem, when it is one beside another.
    pub fn twin(&self, modem: &str) -> Option<&Twin> {
        self.twins.iter().find(|twin| twin.modem == modem)
    }
}
