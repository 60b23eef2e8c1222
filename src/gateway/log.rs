//! What the log tells of moves, once they are on disk. Numbers are masked.

use crate::id::MessageId;
use crate::outbox::{Message, MessageStatus};

/// Something to tell.
#[derive(Debug)]
pub(super) enum Line {
    /// A send of a message through this modem ended, and the message stands so.
    Ended(Message, String),
    /// One of the two sends of a message ended, the one through this modem.
    OneOfTwoEnded(Message, String),
    /// A message was withdrawn, since its recipient opted out.
    OptedOut(Message),
    /// The text of a message does not open.
    Damaged(MessageId),
    /// Somebody opted out or in whose number is not known: the sender, masked.
    UnknownSender(String),
}

impl Line {
    pub(super) fn write(&self) {
        match self {
            Self::Ended(m, modem) => ended(m, modem),
            Self::OneOfTwoEnded(m, modem) => {
                tracing::debug!(message = %m.id, to = m.to.masked(), modem, "one of its two sends ended");
            }
            Self::OptedOut(m) => {
                tracing::info!(message = %m.id, to = m.to.masked(), "withdrawn: the recipient opted out");
            }
            Self::Damaged(message) => {
                tracing::error!(%message, "its record is damaged: it waits, and a backup may have it");
            }
            Self::UnknownSender(from) => {
                tracing::warn!(from, "opted out or in, but the sender is no number that messages go to");
            }
        }
    }
}

fn ended(m: &Message, modem: &str) {
    let (message, to, attempts) = (m.id, m.to.masked(), m.attempts);
    let error = m.error.as_deref().unwrap_or_default();
    match m.status {
        MessageStatus::Sent => tracing::debug!(%message, to, modem, "sent"),
        MessageStatus::Failed => tracing::warn!(%message, to, modem, attempts, error, "failed for good"),
        MessageStatus::Queued => tracing::info!(%message, to, modem, attempts, error, "goes out again"),
        _ => {}
    }
}
