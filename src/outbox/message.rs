//! The state of one outgoing message.

use std::time::Duration;

use gsm_sms::Encoding;

use crate::clock::{Life, Now, Steady, Timestamp};
use crate::id::{MessageId, VerificationId};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

/// How long another SIM is awaited that may try what the network refused through one.
pub(super) const SECOND_SIM: Duration = Duration::from_secs(300);

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It carries a code of this verification. Its text is never returned.
    Otp(VerificationId),
    /// Plain text.
    Text,
}

/// The status of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    /// It waits for a modem or for its time.
    Queued,
    /// A modem has it. When it is found so at start-up, its outcome is unknown.
    Sending,
    /// The service centre accepted every part.
    Sent,
    /// A delivery report says that it arrived.
    Delivered,
    /// A delivery report says that it never will.
    Undelivered,
    /// The message was given up; `error` says why.
    Failed,
    /// Its time ran out before it could be sent.
    Expired,
    /// It was withdrawn before it was sent.
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

    /// The word in the API's contract.
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

    /// Whether it is no longer sent: the text is gone.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }
}

/// An outgoing message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The recipient.
    pub to: PhoneNumber,
    /// The API client that asked, when clients are configured.
    pub client: Option<String>,
    /// What it is for.
    pub kind: Kind,
    /// The service of its verification; `None` for plain text, and for a code of a version that did not note it.
    pub service: Option<String>,
    /// Its status.
    pub status: MessageStatus,
    /// Higher priorities go first among plain texts, 0 to 9. Codes go before all of them.
    pub priority: u8,
    /// How many short messages it takes.
    pub parts: u8,
    /// How its text is coded.
    pub encoding: Encoding,
    /// Class 0: the phone shows the message at once and does not store it.
    pub flash: bool,
    /// Whether a delivery report is asked for (TP-SRR).
    pub report: bool,
    /// The only modem that may send it.
    pub wanted_modem: Option<String>,
    /// The modem that has it, had it last, or sent its first parts; once it is sent, the modem that sent it
    /// first.
    pub modem: Option<String>,
    /// Other sends of it that are on the air. While it is sending there is at most one, through another modem
    /// than `modem`; when it is over, those that have not ended yet.
    pub twins: Vec<Twin>,
    /// How many sends began, except those that failed through no fault of the message.
    pub attempts: u32,
    /// How many sends failed through no fault of the message. The wait grows with each.
    pub held: u32,
    /// A modem through which the network refused it, while another may still try it.
    pub refused: Option<Refused>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The date before which its sender does not want it sent.
    pub send_at: Option<Timestamp>,
    /// Since when it is due, or when it is tried again.
    pub due_at: Steady,
    /// How long it may be sent: a code's life, or the sender's own limit.
    pub deadline: Option<Life>,
    /// When the service centre accepted the last part.
    pub sent_at: Option<Timestamp>,
    /// When the recipient received it.
    pub delivered_at: Option<Timestamp>,
    /// The last fault, for a person.
    pub error: Option<String>,
    /// The text, sealed; removed when the message is over.
    pub body: Option<Sealed>,
    /// TP-MR of the first part; the others follow. It is the same in every attempt, so that the network can
    /// drop a twin.
    pub reference: u8,
    /// How many parts the service centre accepted for certain: a later attempt continues after them.
    pub parts_done: u8,
    /// A send of it ended unknown: it is sent again with TP-RD set.
    pub uncertain: bool,
    /// The TP-MR that the modem reported for each accepted part.
    pub modem_references: Vec<u8>,
}

/// A send of a message beside another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The modem that has it.
    pub modem: String,
    /// The first part that this modem was given: part 0, unless earlier parts were accepted before.
    pub first: u8,
}

/// A refusal that may be about one SIM only, as another SIM may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The modem, which does not get the message again.
    pub modem: String,
    /// How long another modem is awaited.
    pub until: Steady,
}

impl Refused {
    /// How long another modem is awaited still; never longer than from the beginning.
    pub fn waits(&self, now: Steady) -> Duration {
        let left = self.until.since(now);
        if left > SECOND_SIM { Duration::ZERO } else { left }
    }
}

impl Message {
    /// A message of one part that waits from now on, and of which nothing else is said.
    pub fn queued(id: MessageId, to: PhoneNumber, kind: Kind, now: Now) -> Self {
        Self {
            id,
            to,
            client: None,
            kind,
            service: None,
            status: MessageStatus::Queued,
            priority: 0,
            parts: 1,
            encoding: Encoding::Gsm7,
            flash: false,
            report: false,
            wanted_modem: None,
            modem: None,
            twins: Vec::new(),
            attempts: 0,
            held: 0,
            refused: None,
            created_at: now.wall(),
            send_at: None,
            due_at: now.steady(),
            deadline: None,
            sent_at: None,
            delivered_at: None,
            error: None,
            body: None,
            // Any octet that mostly differs between neighbours serves as TP-MR; the id's last is random.
            reference: id.to_bytes()[15],
            parts_done: 0,
            uncertain: false,
            modem_references: Vec::new(),
        }
    }

    /// The first of the parts that a modem has or had on the air.
    pub fn first_part(&self, modem: &str) -> u8 {
        self.twin(modem).map_or(self.parts_done, |twin| twin.first)
    }

    /// The send through this modem, when it is a send beside another.
    pub fn twin(&self, modem: &str) -> Option<&Twin> {
        self.twins.iter().find(|twin| twin.modem == modem)
    }
}
