//! What the log tells of moves, once they are on disk: a line for each step of a message's life, whole without its fields,
//! since journald shows the line alone. What a person searches by is a field. Numbers are masked.

use std::time::Duration;

use tracing::field::display;

use crate::clock::Now;
use crate::id::{MessageId, VerificationId};
use crate::outbox::{Kind, Message, MessageStatus};

/// Something to tell.
#[derive(Debug)]
pub(super) enum Line {
    /// There is a new message.
    Made(Message),
    /// A send of a message through this modem ended, and the message waits again.
    GoesOutAgain(Message, String),
    /// One of the two sends of a message ended, the one through this modem.
    OneOfTwoEnded(Message, String),
    /// The text of a message does not open.
    Damaged(MessageId),
    /// Somebody opted out or in whose number is not known: the sender, masked.
    UnknownSender(String),
}

impl Line {
    pub(super) fn write(&self) {
        match self {
            Self::Made(m) => made(m),
            Self::GoesOutAgain(m, modem) => {
                let (message_id, to, error) = (m.id, m.to.masked(), why(m));
                tracing::info!(%message_id, verification_id = of(m), modem,
                    "send {} to {to} through {modem} did not succeed, and it goes out again: {error}", m.attempts);
            }
            Self::OneOfTwoEnded(m, modem) => {
                let (message_id, to) = (m.id, m.to.masked());
                tracing::debug!(%message_id, modem, "one of two sends to {to} ended, that through {modem}");
            }
            Self::Damaged(message_id) => {
                tracing::error!(%message_id,
                    "the record of {message_id} is damaged: it waits, and a backup may have it");
            }
            Self::UnknownSender(from) => {
                tracing::warn!("{from} opted out or in, but is no number that messages go to");
            }
        }
    }
}

fn made(m: &Message) {
    let (message_id, to) = (m.id, m.to.masked());
    let (verification_id, client) = (of(m), m.client.as_deref());
    let withheld = if m.status.is_over() { ", to which nothing is sent" } else { "" };
    match m.kind {
        Kind::Otp(_) => {
            let service = m.service.as_deref().unwrap_or_default();
            tracing::info!(%message_id, verification_id, service, client,
                "issued a code of the service {service} to {to}{withheld}");
        }
        Kind::Text => tracing::info!(%message_id, client, "accepted a text to {to}{withheld}"),
    }
}

/// A message reached its status.
pub(super) fn reached(m: &Message, now: Now) {
    let (message_id, verification_id, to, error) = (m.id, of(m), m.to.masked(), why(m));
    let modem = m.modem.as_deref().unwrap_or_default();
    match m.status {
        MessageStatus::Queued => {}
        MessageStatus::Sending => {
            tracing::debug!(%message_id, verification_id, modem, "{modem} has the message to {to}");
        }
        MessageStatus::Sent => {
            let took = seconds(now.steady().since(m.id.made_at()));
            tracing::info!(%message_id, verification_id, modem, "sent to {to} through {modem} after {took}");
        }
        MessageStatus::Delivered => {
            let at = m.delivered_at.unwrap_or(now.wall());
            let took = seconds(at.since(m.sent_at.unwrap_or(at)));
            tracing::info!(%message_id, verification_id, modem, "delivered to {to}, {took} after it was sent");
        }
        MessageStatus::Undelivered => {
            tracing::warn!(%message_id, verification_id, modem, "not delivered to {to}: {error}");
        }
        MessageStatus::Failed => {
            let attempts = m.attempts;
            tracing::warn!(%message_id, verification_id, modem,
                "failed for good, to {to}, with send {attempts}: {error}");
        }
        MessageStatus::Expired => tracing::warn!(%message_id, verification_id, "not sent to {to}: {error}"),
        MessageStatus::Cancelled => {
            let error = if error.is_empty() { "it is not wanted any more" } else { error };
            tracing::info!(%message_id, verification_id, "withdrawn, not sent to {to}: {error}");
        }
    }
}

/// The verification whose code a message carries.
fn of(m: &Message) -> Option<tracing::field::DisplayValue<VerificationId>> {
    match m.kind {
        Kind::Otp(id) => Some(display(id)),
        Kind::Text => None,
    }
}

fn why(m: &Message) -> &str {
    m.error.as_deref().unwrap_or_default()
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
