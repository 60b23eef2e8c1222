//! Records as they stand on disk: a format octet, a postcard body, a CRC-32 of both. The structs here are the
//! only ones that are serialised; a new shape gets a new format octet and keeps the old decoder.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::clock::Timestamp;
use crate::id::{MessageId, VerificationId};
use crate::otp;
use crate::outbox::{self, Encoding, Kind, MessageStatus, Refused, Twin};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

#[cfg(test)]
mod tests;

/// The format of all records but those that say another.
const FORMAT: u8 = 1;

/// A larger value would go to a file of its own, which sled never syncs.
const LARGEST: usize = 6 * 1024;

/// Frames a record.
pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, StoreError> {
    encode_as(FORMAT, record)
}

fn encode_as<T: Serialize>(format: u8, record: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = postcard::to_extend(record, vec![format])
        .map_err(|_| StoreError::Aborted("a record cannot be serialised"))?;
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    if bytes.len() > LARGEST { Err(StoreError::Aborted("a record is too large")) } else { Ok(bytes) }
}

/// The body of a framed record, or what is wrong with it.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, &'static str> {
    match unframed(bytes)? {
        (FORMAT, body) => fields(body),
        _ => Err("its format is of a newer version"),
    }
}

fn unframed(bytes: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    let (framed, crc) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
    if crc32fast::hash(framed) != u32::from_be_bytes(*crc) {
        return Err("its checksum does not fit");
    }
    let (format, body) = framed.split_first().ok_or("it is too short")?;
    Ok((*format, body))
}

fn fields<T: DeserializeOwned>(body: &[u8]) -> Result<T, &'static str> {
    postcard::from_bytes(body).map_err(|_| "its fields do not fit")
}

#[derive(Serialize, Deserialize)]
pub(super) struct Verification {
    id: [u8; 16],
    service: String,
    to: String,
    client: Option<String>,
    status: u8,
    attempts_used: u32,
    max_attempts: u32,
    created_at: u64,
    expires_at: u64,
    resend_at: u64,
    cooldown_ms: u64,
    sends: u32,
    max_sends: u32,
    hash: [u8; 32],
    sealed: Option<Vec<u8>>,
    message: [u8; 16],
}

const VERIFICATIONS: [otp::VerificationStatus; 5] = [
    otp::VerificationStatus::Pending,
    otp::VerificationStatus::Approved,
    otp::VerificationStatus::Expired,
    otp::VerificationStatus::Cancelled,
    otp::VerificationStatus::Exhausted,
];

const MESSAGES: [MessageStatus; 8] = [
    MessageStatus::Queued,
    MessageStatus::Sending,
    MessageStatus::Sent,
    MessageStatus::Delivered,
    MessageStatus::Undelivered,
    MessageStatus::Failed,
    MessageStatus::Expired,
    MessageStatus::Cancelled,
];

/// The number that stands for a word on disk: its place in its list, which only ever grows at the end.
fn number_of<T: PartialEq>(words: &[T], word: &T) -> u8 {
    let place = words.iter().position(|w| w == word);
    place.and_then(|p| u8::try_from(p).ok()).unwrap_or(u8::MAX)
}

fn word_of<T: Copy>(words: &[T], number: u8) -> Result<T, &'static str> {
    words.get(usize::from(number)).copied().ok_or("its status is of a newer version")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn phone(text: &str) -> Result<PhoneNumber, &'static str> {
    text.parse().map_err(|_| "its number is none")
}

impl From<&otp::Verification> for Verification {
    fn from(v: &otp::Verification) -> Self {
        Self {
            id: v.id.to_bytes(),
            service: v.service.clone(),
            to: v.to.as_str().to_owned(),
            client: v.client.clone(),
            status: number_of(&VERIFICATIONS, &v.status),
            attempts_used: v.attempts_used,
            max_attempts: v.max_attempts,
            created_at: v.created_at.as_millis(),
            expires_at: v.expires_at.as_millis(),
            resend_at: v.resend_at.as_millis(),
            cooldown_ms: millis(v.cooldown),
            sends: v.sends,
            max_sends: v.max_sends,
            hash: *v.hash.as_bytes(),
            sealed: v.sealed.as_ref().map(|s| s.as_bytes().to_vec()),
            message: v.message.to_bytes(),
        }
    }
}

impl TryFrom<Verification> for otp::Verification {
    type Error = &'static str;

    fn try_from(r: Verification) -> Result<Self, &'static str> {
        Ok(Self {
            id: VerificationId::from_bytes(r.id),
            service: r.service,
            to: phone(&r.to)?,
            client: r.client,
            status: word_of(&VERIFICATIONS, r.status)?,
            attempts_used: r.attempts_used,
            max_attempts: r.max_attempts,
            created_at: Timestamp::from_millis(r.created_at),
            expires_at: Timestamp::from_millis(r.expires_at),
            resend_at: Timestamp::from_millis(r.resend_at),
            cooldown: Duration::from_millis(r.cooldown_ms),
            sends: r.sends,
            max_sends: r.max_sends,
            hash: otp::CodeHash::from_bytes(r.hash),
            sealed: r.sealed.map(Sealed::from_bytes),
            message: MessageId::from_bytes(r.message),
        })
    }
}

/// Format 1 of a message. Format 2 has the service of its code behind it, format 3 that and how its sends fared.
#[derive(Serialize, Deserialize)]
struct Message {
    id: [u8; 16],
    to: String,
    client: Option<String>,
    verification: Option<[u8; 16]>,
    status: u8,
    priority: u8,
    parts: u8,
    ucs2: bool,
    flash: bool,
    report: bool,
    wanted_modem: Option<String>,
    modem: Option<String>,
    attempts: u32,
    created_at: u64,
    due_at: u64,
    deadline: Option<u64>,
    sent_at: Option<u64>,
    delivered_at: Option<u64>,
    error: Option<String>,
    body: Option<Vec<u8>>,
    reference: u8,
    parts_done: u8,
    uncertain: bool,
    modem_references: Vec<u8>,
}

/// What format 3 adds.
#[derive(Serialize, Deserialize)]
struct Sends {
    /// Other sends on the air: the modem and its first part.
    twins: Vec<(String, u8)>,
    held: u32,
    /// The modem that it was refused through, and until when another is waited for.
    refused: Option<(String, u64)>,
}

impl Sends {
    /// Nothing, when all of it is as in a message of an older format.
    fn of(m: &outbox::Message) -> Option<Self> {
        if m.twins.is_empty() && m.held == 0 && m.refused.is_none() {
            return None;
        }
        Some(Self {
            twins: m.twins.iter().map(|twin| (twin.modem.clone(), twin.first)).collect(),
            held: m.held,
            refused: m.refused.as_ref().map(|r| (r.modem.clone(), r.until.as_millis())),
        })
    }

    fn put_into(self, m: outbox::Message) -> outbox::Message {
        let refused = |(modem, until)| Refused { modem, until: Timestamp::from_millis(until) };
        outbox::Message {
            twins: self.twins.into_iter().map(|(modem, first)| Twin { modem, first }).collect(),
            held: self.held,
            refused: self.refused.map(refused),
            ..m
        }
    }
}

impl From<&outbox::Message> for Message {
    fn from(m: &outbox::Message) -> Self {
        Self {
            id: m.id.to_bytes(),
            to: m.to.as_str().to_owned(),
            client: m.client.clone(),
            verification: match m.kind {
                Kind::Otp(id) => Some(id.to_bytes()),
                Kind::Text => None,
            },
            status: number_of(&MESSAGES, &m.status),
            priority: m.priority,
            parts: m.parts,
            ucs2: m.encoding == Encoding::Ucs2,
            flash: m.flash,
            report: m.report,
            wanted_modem: m.wanted_modem.clone(),
            modem: m.modem.clone(),
            attempts: m.attempts,
            created_at: m.created_at.as_millis(),
            due_at: m.due_at.as_millis(),
            deadline: m.deadline.map(Timestamp::as_millis),
            sent_at: m.sent_at.map(Timestamp::as_millis),
            delivered_at: m.delivered_at.map(Timestamp::as_millis),
            error: m.error.clone(),
            body: m.body.as_ref().map(|s| s.as_bytes().to_vec()),
            reference: m.reference,
            parts_done: m.parts_done,
            uncertain: m.uncertain,
            modem_references: m.modem_references.clone(),
        }
    }
}

impl TryFrom<Message> for outbox::Message {
    type Error = &'static str;

    fn try_from(r: Message) -> Result<Self, &'static str> {
        Ok(Self {
            id: MessageId::from_bytes(r.id),
            to: phone(&r.to)?,
            client: r.client,
            kind: r.verification.map_or(Kind::Text, |id| Kind::Otp(VerificationId::from_bytes(id))),
            service: None,
            status: word_of(&MESSAGES, r.status)?,
            priority: r.priority,
            parts: r.parts,
            encoding: if r.ucs2 { Encoding::Ucs2 } else { Encoding::Gsm7 },
            flash: r.flash,
            report: r.report,
            wanted_modem: r.wanted_modem,
            modem: r.modem,
            twins: Vec::new(),
            attempts: r.attempts,
            held: 0,
            refused: None,
            created_at: Timestamp::from_millis(r.created_at),
            due_at: Timestamp::from_millis(r.due_at),
            deadline: r.deadline.map(Timestamp::from_millis),
            sent_at: r.sent_at.map(Timestamp::from_millis),
            delivered_at: r.delivered_at.map(Timestamp::from_millis),
            error: r.error,
            body: r.body.map(Sealed::from_bytes),
            reference: r.reference,
            parts_done: r.parts_done,
            uncertain: r.uncertain,
            modem_references: r.modem_references,
        })
    }
}

/// Frames a message.
pub(super) fn encode_message(m: &outbox::Message) -> Result<Vec<u8>, StoreError> {
    match (Sends::of(m), &m.service) {
        (None, None) => encode(&Message::from(m)),
        (None, Some(service)) => encode_as(2, &(Message::from(m), service)),
        (Some(sends), service) => encode_as(3, &(Message::from(m), service, sends)),
    }
}

/// A framed message of any format, or what is wrong with it.
pub(super) fn decode_message(bytes: &[u8]) -> Result<outbox::Message, &'static str> {
    match unframed(bytes)? {
        (1, body) => fields::<Message>(body)?.try_into(),
        (2, body) => {
            let (message, service) = fields::<(Message, String)>(body)?;
            Ok(outbox::Message { service: Some(service), ..message.try_into()? })
        }
        (3, body) => {
            let (message, service, sends) = fields::<(Message, Option<String>, Sends)>(body)?;
            Ok(sends.put_into(outbox::Message { service, ..message.try_into()? }))
        }
        _ => Err("its format is of a newer version"),
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Idempotency {
    pub(super) digest: [u8; 32],
    pub(super) subject: String,
    pub(super) expires_at: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Window {
    /// First and last moment, and how many.
    pub(super) buckets: Vec<(u64, u64, u32)>,
    pub(super) expires_at: u64,
}

/// Format 1 of a ledger.
#[derive(Deserialize)]
struct Ledger1 {
    minute: (u64, u32),
    day: (u64, u32),
    month: (u64, u32),
}

/// Format 2: with the SIM's health.
#[derive(Serialize, Deserialize)]
struct Ledger2 {
    minute: (u64, u32),
    day: (u64, u32),
    month: (u64, u32),
    lost_sends: u32,
    lost_codes: u32,
    health_at: u64,
}

/// Frames a ledger.
pub(super) fn encode_ledger(l: &outbox::Ledger) -> Result<Vec<u8>, StoreError> {
    let record = Ledger2 {
        minute: l.minute,
        day: l.day,
        month: l.month,
        lost_sends: l.health.sends,
        lost_codes: l.health.codes,
        health_at: l.health.at.as_millis(),
    };
    encode_as(2, &record)
}

/// A framed ledger of either format, or what is wrong with it.
pub(super) fn decode_ledger(bytes: &[u8]) -> Result<outbox::Ledger, &'static str> {
    match unframed(bytes)? {
        (1, body) => {
            let Ledger1 { minute, day, month } = fields(body)?;
            Ok(outbox::Ledger { minute, day, month, ..outbox::Ledger::default() })
        }
        (2, body) => {
            let r: Ledger2 = fields(body)?;
            let at = Timestamp::from_millis(r.health_at);
            let health = outbox::Health { sends: r.lost_sends, codes: r.lost_codes, at };
            Ok(outbox::Ledger { minute: r.minute, day: r.day, month: r.month, health })
        }
        _ => Err("its format is of a newer version"),
    }
}
