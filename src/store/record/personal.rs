//! Records that name a person: what they have of the person is sealed, and stands in them under the newest key. The id of
//! such a record is in its key alone, and what lies close together is kept as the distance.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{NEWER, Stored, encode_as, fields, unframed};
use crate::clock::{Life, Steady, Timestamp};
use crate::id::{MessageId, VerificationId};
use crate::inbox::{Entry, Sender};
use crate::otp::{BindingHash, CodeHash, Verification};
use crate::outbox::{Message, Refused, Report, Twin};
use crate::phone::PhoneNumber;
use crate::secret::{Key, Sealed};
use crate::store::StoreError;

const ODD: &str = "its fields do not fit";

/// Where a record stands: its whole key, and what seals there. Without that key nothing is written that names a person,
/// and what is read names nobody.
#[derive(Clone, Copy)]
pub(in crate::store) struct Site<'a> {
    pub(in crate::store) key: Option<&'a Key>,
    pub(in crate::store) octets: &'a [u8],
}

impl Site<'_> {
    /// Seals the personal part of the record. It is given with the record and never changes.
    fn seal<T: Serialize>(&self, personal: &T) -> Result<Vec<u8>, StoreError> {
        let key = self.key.ok_or(StoreError::Aborted("the store has no key yet"))?;
        let plain = postcard::to_allocvec(personal)
            .map_err(|_| StoreError::Aborted("the personal part of a record cannot be serialised"))?;
        Ok(key.seal_at(self.octets, &plain))
    }

    fn open<T: DeserializeOwned + Default>(&self, sealed: &[u8]) -> Result<T, &'static str> {
        let Some(key) = self.key else { return Ok(T::default()) };
        let opened = key.unseal_at(self.octets, sealed);
        let plain = opened.map_err(|_| "its sealed part cannot be opened")?;
        postcard::from_bytes(plain.expose()).map_err(|_| ODD)
    }

    /// The id at the end of the key.
    fn id(&self) -> Result<[u8; 16], &'static str> {
        self.octets.last_chunk().copied().ok_or("its key is too short")
    }
}

/// A number as the digits behind its `+`, none of which is a 0 at the start; 0 is one that nobody sees.
fn digits(number: &PhoneNumber) -> u64 {
    number.digits().parse().unwrap_or(0)
}

fn number(digits: u64) -> Result<PhoneNumber, &'static str> {
    if digits == 0 {
        return Ok(PhoneNumber::hidden());
    }
    format!("+{digits}").parse().map_err(|_| "its number is none")
}

/// How far `at` is behind `from`.
const fn behind(at: u64, from: u64) -> i64 {
    at.wrapping_sub(from).cast_signed()
}

const fn at(behind: i64, from: u64) -> u64 {
    from.wrapping_add(behind.cast_unsigned())
}

/// The body behind a format octet.
fn body<'a, T: Deserialize<'a>>(octets: &'a [u8]) -> Result<T, &'static str> {
    postcard::from_bytes(octets).map_err(|_| ODD)
}

/// How long something lives: its end by the wall clock behind when it was made, whether that counts, and its end by the
/// clock that nobody sets.
type Lives = (i64, bool, Option<u64>);

fn lives(life: &Life, made: Timestamp) -> Lives {
    let (wall, by_wall, steady) = life.stored();
    (behind(wall.as_millis(), made.as_millis()), by_wall, steady.map(Steady::as_millis))
}

fn life((end, by_wall, steady): Lives, made: Timestamp) -> Life {
    let wall = Timestamp::from_millis(at(end, made.as_millis()));
    Life::restored(wall, by_wall, steady.map(Steady::from_millis))
}

/// Format 5 of a verification. Sealed are its number and the application's notes.
#[derive(Serialize, Deserialize)]
struct VerificationBody<'a> {
    personal: &'a [u8],
    service: &'a str,
    #[serde(borrow)]
    client: Option<&'a str>,
    status: u8,
    inbound: bool,
    attempts_used: u32,
    max_attempts: u32,
    created_at: u64,
    life: Lives,
    /// Behind the end of its life.
    resend_at: i64,
    cooldown: u64,
    sends: u32,
    max_sends: u32,
    hash: [u8; 32],
    sealed: Option<&'a [u8]>,
    message: [u8; 16],
    binding: Option<[u8; 32]>,
}

pub(super) fn encode_verification(v: &Verification, site: Site<'_>) -> Result<Vec<u8>, StoreError> {
    let personal = site.seal(&(digits(&v.to), &v.metadata))?;
    let body = VerificationBody {
        personal: &personal,
        service: &v.service,
        client: v.client.as_deref(),
        status: v.status.stored(),
        inbound: v.inbound,
        attempts_used: v.attempts_used,
        max_attempts: v.max_attempts,
        created_at: v.created_at.as_millis(),
        life: lives(&v.life, v.created_at),
        resend_at: behind(v.resend_at.as_millis(), v.life.place().as_millis()),
        cooldown: v.cooldown.stored(),
        sends: v.sends,
        max_sends: v.max_sends,
        hash: *v.hash.as_bytes(),
        sealed: v.sealed.as_ref().map(Sealed::as_bytes),
        message: v.message.to_bytes(),
        binding: v.binding.as_ref().map(|hash| *hash.as_bytes()),
    };
    if v.keys.is_empty() { encode_as(5, &body) } else { encode_as(6, &(body, &v.keys)) }
}

pub(super) fn decode_verification(octets: &[u8], site: Site<'_>) -> Result<Verification, &'static str> {
    verification(&body(octets)?, Vec::new(), site)
}

pub(super) fn decode_keyed_verification(octets: &[u8], site: Site<'_>) -> Result<Verification, &'static str> {
    let (b, keys): (VerificationBody<'_>, Vec<(String, [u8; 16])>) = body(octets)?;
    verification(&b, keys, site)
}

fn verification(
    b: &VerificationBody<'_>,
    keys: Vec<(String, [u8; 16])>,
    site: Site<'_>,
) -> Result<Verification, &'static str> {
    let (to, metadata): (u64, BTreeMap<String, String>) = site.open(b.personal)?;
    let created_at = Timestamp::from_millis(b.created_at);
    let life = life(b.life, created_at);
    Ok(Verification {
        id: VerificationId::from_bytes(site.id()?),
        service: b.service.to_owned(),
        to: number(to)?,
        client: b.client.map(str::to_owned),
        status: Stored::restored(b.status)?,
        attempts_used: b.attempts_used,
        max_attempts: b.max_attempts,
        created_at,
        life,
        resend_at: Steady::from_millis(at(b.resend_at, life.place().as_millis())),
        cooldown: Stored::restored(b.cooldown)?,
        sends: b.sends,
        max_sends: b.max_sends,
        hash: CodeHash::from_bytes(b.hash),
        sealed: b.sealed.map(|octets| Sealed::from_bytes(octets.to_vec())),
        message: MessageId::from_bytes(b.message),
        binding: b.binding.map(BindingHash::from_bytes),
        metadata,
        inbound: b.inbound,
        keys,
    })
}

/// Format 5 of a message. Sealed is its number.
#[derive(Serialize, Deserialize)]
struct MessageBody<'a> {
    personal: &'a [u8],
    #[serde(borrow)]
    client: Option<&'a str>,
    kind: Option<[u8; 16]>,
    service: Option<&'a str>,
    status: u8,
    priority: u8,
    parts: u8,
    encoding: bool,
    flash: bool,
    report: bool,
    wanted_modem: Option<&'a str>,
    modem: Option<&'a str>,
    twins: Vec<(&'a str, u8)>,
    attempts: u32,
    held: u32,
    refused: Option<(&'a str, u64)>,
    created_at: u64,
    /// These, but `due_at`, behind `created_at`.
    send_at: Option<i64>,
    due_at: u64,
    deadline: Option<Lives>,
    sent_at: Option<i64>,
    delivered_at: Option<i64>,
    error: Option<&'a str>,
    body: Option<&'a [u8]>,
    reference: u8,
    parts_done: u8,
    uncertain: bool,
    modem_references: &'a [u8],
}

pub(super) fn encode_message(m: &Message, site: Site<'_>) -> Result<Vec<u8>, StoreError> {
    let personal = site.seal(&digits(&m.to))?;
    let since = |date: Timestamp| behind(date.as_millis(), m.created_at.as_millis());
    encode_as(
        5,
        &MessageBody {
            personal: &personal,
            client: m.client.as_deref(),
            kind: m.kind.stored(),
            service: m.service.as_deref(),
            status: m.status.stored(),
            priority: m.priority,
            parts: m.parts,
            encoding: m.encoding.stored(),
            flash: m.flash,
            report: m.report,
            wanted_modem: m.wanted_modem.as_deref(),
            modem: m.modem.as_deref(),
            twins: m.twins.iter().map(|twin| (twin.modem.as_str(), twin.first)).collect(),
            attempts: m.attempts,
            held: m.held,
            refused: m.refused.as_ref().map(|it| (it.modem.as_str(), it.until.as_millis())),
            created_at: m.created_at.as_millis(),
            send_at: m.send_at.map(since),
            due_at: m.due_at.as_millis(),
            deadline: m.deadline.as_ref().map(|life| lives(life, m.created_at)),
            sent_at: m.sent_at.map(since),
            delivered_at: m.delivered_at.map(since),
            error: m.error.as_deref(),
            body: m.body.as_ref().map(Sealed::as_bytes),
            reference: m.reference,
            parts_done: m.parts_done,
            uncertain: m.uncertain,
            modem_references: &m.modem_references,
        },
    )
}

pub(super) fn decode_message(octets: &[u8], site: Site<'_>) -> Result<Message, &'static str> {
    let b: MessageBody<'_> = body(octets)?;
    let created_at = Timestamp::from_millis(b.created_at);
    let date = |behind| Timestamp::from_millis(at(behind, b.created_at));
    let owned = |name: Option<&str>| name.map(str::to_owned);
    Ok(Message {
        id: MessageId::from_bytes(site.id()?),
        to: number(site.open(b.personal)?)?,
        client: owned(b.client),
        kind: Stored::restored(b.kind)?,
        service: owned(b.service),
        status: Stored::restored(b.status)?,
        priority: b.priority,
        parts: b.parts,
        encoding: Stored::restored(b.encoding)?,
        flash: b.flash,
        report: b.report,
        wanted_modem: owned(b.wanted_modem),
        modem: owned(b.modem),
        twins: b.twins.into_iter().map(|(modem, first)| Twin { modem: modem.to_owned(), first }).collect(),
        attempts: b.attempts,
        held: b.held,
        refused: b
            .refused
            .map(|(modem, until)| Refused { modem: modem.to_owned(), until: Steady::from_millis(until) }),
        created_at,
        send_at: b.send_at.map(date),
        due_at: Steady::from_millis(b.due_at),
        deadline: b.deadline.map(|lives| life(lives, created_at)),
        sent_at: b.sent_at.map(date),
        delivered_at: b.delivered_at.map(date),
        error: owned(b.error),
        body: b.body.map(|octets| Sealed::from_bytes(octets.to_vec())),
        reference: b.reference,
        parts_done: b.parts_done,
        uncertain: b.uncertain,
        modem_references: b.modem_references.to_vec(),
    })
}

/// A received message and how many further records have the rest of its body. Format 2 has its sender sealed behind
/// format 1.
pub(in crate::store) fn encode_entry(
    (entry, rest): &(Entry, u8),
    site: Site<'_>,
) -> Result<Vec<u8>, StoreError> {
    let sender = Sealed::from_bytes(site.seal(&entry.from.as_str())?);
    let nameless = Entry { from: Sender::new(String::new()), ..entry.clone() };
    encode_as(2, &((nameless, *rest), sender).stored())
}

pub(in crate::store) fn decode_entry(octets: &[u8], site: Site<'_>) -> Result<(Entry, u8), &'static str> {
    match unframed(octets)? {
        (1, body) => fields(body),
        (2, body) => {
            let ((entry, rest), sender) = fields::<((Entry, u8), Sealed)>(body)?;
            Ok((Entry { from: Sender::new(site.open(sender.as_bytes())?), ..entry }, rest))
        }
        _ => Err(NEWER),
    }
}

/// A report without a message, and until when it is kept. Format 2 has its recipient sealed behind format 1.
pub(in crate::store) fn encode_held(
    (report, until): &(Report, Steady),
    site: Site<'_>,
) -> Result<Vec<u8>, StoreError> {
    let recipient = Sealed::from_bytes(site.seal(&report.recipient)?);
    let nameless = Report { recipient: String::new(), ..report.clone() };
    encode_as(2, &((nameless, *until), recipient).stored())
}

pub(in crate::store) fn decode_held(octets: &[u8], site: Site<'_>) -> Result<(Report, Steady), &'static str> {
    match unframed(octets)? {
        (1, body) => fields(body),
        (2, body) => {
            let ((report, until), recipient) = fields::<((Report, Steady), Sealed)>(body)?;
            Ok((Report { recipient: site.open(recipient.as_bytes())?, ..report }, until))
        }
        _ => Err(NEWER),
    }
}
