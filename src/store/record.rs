//! Records as they stand on disk: a format octet, a postcard body, a CRC-32 of both. The structs here are the
//! only ones that are serialised; a new shape gets a new format octet and keeps the old decoder.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::records::{Answered, Idempotency};
use crate::clock::{Life, Steady, Timestamp};
use crate::id::{InboxId, MessageId, VerificationId};
use crate::inbox::{Assembly, Content, Entry, OptOut, Sender};
use crate::otp::{BindingHash, Bucket, CodeHash, Verification, VerificationStatus, Window};
use crate::outbox::{self, Encoding, Kind, MessageStatus, PartReport, PartState, Refused, Report, Twin};
use crate::phone::PhoneNumber;
use crate::secret::Sealed;

mod personal;
#[cfg(test)]
mod tests;

pub(super) use personal::{Site, decode_entry, decode_held, encode_entry, encode_held};

/// The format of all records but those that say another.
const FORMAT: u8 = 1;

/// A larger value would go to a file of its own, which sled never syncs.
const LARGEST: usize = 6 * 1024;

pub(super) const NEWER: &str = "its format is of a newer version";

/// Frames a record.
pub(super) fn encode<T: Stored>(value: &T) -> Result<Vec<u8>, StoreError> {
    encode_as(FORMAT, &value.stored())
}

fn encode_as<R: Serialize>(format: u8, record: &R) -> Result<Vec<u8>, StoreError> {
    checked(framed_as(format, record)?)
}

/// A format octet and the fields of a value.
pub(super) fn framed<T: Stored>(format: u8, value: &T) -> Result<Vec<u8>, StoreError> {
    framed_as(format, &value.stored())
}

fn framed_as<R: Serialize>(format: u8, record: &R) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(record, vec![format])
        .map_err(|_| StoreError::Aborted("a record cannot be serialised"))
}

/// The octets of a record and their checksum.
pub(super) fn checked(mut bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    if bytes.len() > LARGEST { Err(StoreError::TooLarge) } else { Ok(bytes) }
}

/// What a framed record stands for, or what is wrong with it.
pub(super) fn decode<T: Stored>(bytes: &[u8]) -> Result<T, &'static str> {
    match unframed(bytes)? {
        (FORMAT, body) => fields(body),
        _ => Err(NEWER),
    }
}

pub(super) fn unframed(bytes: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    let (framed, crc) = bytes.split_last_chunk::<4>().ok_or("it is too short")?;
    if crc32fast::hash(framed) != u32::from_be_bytes(*crc) {
        return Err("its checksum does not fit");
    }
    let (format, body) = framed.split_first().ok_or("it is too short")?;
    Ok((*format, body))
}

pub(super) fn fields<T: Stored>(body: &[u8]) -> Result<T, &'static str> {
    postcard::from_bytes(body).map_err(|_| "its fields do not fit").and_then(T::restored)
}

/// A value of the domain that has a record. The types of a record are written down, so that a type that changes
/// in the domain does not change the disk: it no longer compiles.
pub(super) trait Stored: Sized {
    /// What is serialised.
    type Record: Serialize + DeserializeOwned;
    /// Its record.
    fn stored(&self) -> Self::Record;
    /// The value of a record, or what is wrong with it.
    fn restored(record: Self::Record) -> Result<Self, &'static str>;
}

/// Values that stand in a record as they are, or as something simpler.
macro_rules! stored {
    ($($type:ty),* as they are) => {
        stored! { $($type as $type: Clone::clone, Ok;)* }
    };
    ($($type:ty as $record:ty: $to:expr, $from:expr;)*) => {$(
        impl Stored for $type {
            type Record = $record;

            fn stored(&self) -> $record {
                let to: fn(&Self) -> $record = $to;
                to(self)
            }

            fn restored(record: $record) -> Result<Self, &'static str> {
                let from: fn($record) -> Result<Self, &'static str> = $from;
                from(record)
            }
        }
    )*};
}

/// A struct with the fields of one of the domain, in the order of the disk; those behind `and` are not in it.
macro_rules! record {
    ($record:ident of $type:ty { $($field:ident: $as:ty),* $(,)? } $(and $($rest:ident),*)?) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(super) struct $record { $($field: $as),* }

        impl $crate::store::record::Stored for $type {
            type Record = $record;

            fn stored(&self) -> $record {
                $record { $($field: $crate::store::record::Stored::stored(&self.$field)),* }
            }

            fn restored(record: $record) -> Result<Self, &'static str> {
                Ok(Self {
                    $($field: $crate::store::record::Stored::restored(record.$field)?,)*
                    $($($rest: Default::default(),)*)?
                })
            }
        }
    };
}
pub(super) use record;

/// An enum with the variants of one of the domain, in the order of the disk: those alone, then those with a value.
macro_rules! choice {
    ($record:ident of $type:ident { $($alone:ident),*; $($with:ident($as:ty)),* }) => {
        #[derive(Serialize, Deserialize)]
        pub(super) enum $record { $($alone,)* $($with($as)),* }

        stored! {
            $type as $record:
                |value| match value {
                    $($type::$alone => $record::$alone,)*
                    $($type::$with(value) => $record::$with(value.clone()),)*
                },
                |record| Ok(match record {
                    $($record::$alone => $type::$alone,)*
                    $($record::$with(value) => $type::$with(value),)*
                });
        }
    };
}

stored! { bool, u8, u16, u32, u64, i32, String, [u8; 16], [u8; 32], SimName, BTreeMap<String, String> as they are }

stored! {
    Timestamp as u64: |at| at.as_millis(), |at| Ok(Self::from_millis(at));
    Steady as u64: |at| at.as_millis(), |at| Ok(Self::from_millis(at));
    // Its end by the wall clock: all that formats have that do not say more of it.
    Life as u64:
        |life| life.stored().0.as_millis(),
        |end| Ok(Self::restored(Timestamp::from_millis(end), true, None));
    Duration as u64:
        |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
        |span| Ok(Self::from_millis(span));
    VerificationId as [u8; 16]: |id| id.to_bytes(), |id| Ok(Self::from_bytes(id));
    MessageId as [u8; 16]: |id| id.to_bytes(), |id| Ok(Self::from_bytes(id));
    InboxId as [u8; 16]: |id| id.to_bytes(), |id| Ok(Self::from_bytes(id));
    CodeHash as [u8; 32]: |hash| *hash.as_bytes(), |hash| Ok(Self::from_bytes(hash));
    BindingHash as [u8; 32]: |hash| *hash.as_bytes(), |hash| Ok(Self::from_bytes(hash));
    Sealed as Vec<u8>: |sealed| sealed.as_bytes().to_vec(), |octets| Ok(Self::from_bytes(octets));
    PhoneNumber as String: |to| to.as_str().to_owned(), |to| to.parse().map_err(|_| "its number is none");
    Sender as String: |from| from.as_str().to_owned(), |from| Ok(Self::new(from));
    VerificationStatus as u8: |word| number_of(&VERIFICATIONS, word), |number| word_of(&VERIFICATIONS, number);
    MessageStatus as u8: |word| number_of(&MESSAGES, word), |number| word_of(&MESSAGES, number);
    outbox::Home as u32: |home| home.network(), |network| Ok(Self::of_network(network));
    // Whether it is UCS2.
    Encoding as bool: |it| *it == Self::Ucs2, |ucs2| Ok(if ucs2 { Self::Ucs2 } else { Self::Gsm7 });
    // The verification whose code it carries.
    Kind as Option<[u8; 16]>:
        |kind| match kind {
            Self::Otp(id) => Some(id.to_bytes()),
            Self::Text => None,
        },
        |id| Ok(id.map_or(Self::Text, |id| Self::Otp(VerificationId::from_bytes(id))));
    // Another send on the air: the modem and its first part.
    Twin as (String, u8): |twin| (twin.modem.clone(), twin.first), |(modem, first)| Ok(Self { modem, first });
    // The modem that it was refused through, and until when another is waited for.
    Refused as (String, u64):
        |refused| (refused.modem.clone(), refused.until.as_millis()),
        |(modem, until)| Ok(Self { modem, until: Steady::from_millis(until) });
    VecDeque<Bucket> as Vec<BucketRecord>:
        |all| all.iter().map(Stored::stored).collect(),
        |all| all.into_iter().map(Stored::restored).collect();
}

impl<T: Stored> Stored for Option<T> {
    type Record = Option<T::Record>;

    fn stored(&self) -> Self::Record {
        self.as_ref().map(T::stored)
    }

    fn restored(record: Self::Record) -> Result<Self, &'static str> {
        record.map(T::restored).transpose()
    }
}

impl<T: Stored> Stored for Vec<T> {
    type Record = Vec<T::Record>;

    fn stored(&self) -> Self::Record {
        self.iter().map(T::stored).collect()
    }

    fn restored(record: Self::Record) -> Result<Self, &'static str> {
        record.into_iter().map(T::restored).collect()
    }
}

/// One behind the other: a value and when it expires, or a format and what the next one adds to it.
impl<A: Stored, B: Stored> Stored for (A, B) {
    type Record = (A::Record, B::Record);

    fn stored(&self) -> Self::Record {
        (self.0.stored(), self.1.stored())
    }

    fn restored((a, b): Self::Record) -> Result<Self, &'static str> {
        Ok((A::restored(a)?, B::restored(b)?))
    }
}

const VERIFICATIONS: [VerificationStatus; 5] = [
    VerificationStatus::Pending,
    VerificationStatus::Approved,
    VerificationStatus::Expired,
    VerificationStatus::Cancelled,
    VerificationStatus::Exhausted,
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

// Format 1 of a verification.
record! {
    VerificationRecord of Verification {
        id: [u8; 16], service: String, to: String, client: Option<String>, status: u8, attempts_used: u32,
        max_attempts: u32, created_at: u64, life: u64, resend_at: u64, cooldown: u64, sends: u32,
        max_sends: u32, hash: [u8; 32], sealed: Option<Vec<u8>>, message: [u8; 16],
    } and binding, metadata, inbound, keys
}

/// What a record adds of a life: whether the wall clock may end it, and its end by the clock that nobody sets.
type Ends = (bool, Option<Steady>);

fn with_ends(life: Life, (by_wall, steady): Ends) -> Life {
    Life::restored(life.stored().0, by_wall, steady)
}

/// Frames a verification. Format 2 had what its code is for and the application's notes behind format 1. Format 3 had the
/// same, and was that of an inbound one. Format 4 had that, whether it is inbound, and the ends of its life; its
/// `resend_at` was one of the clock that nobody sets. Format 5 has its number and the notes sealed; format 6 is that of one
/// that was issued with keys of `[limits.keys]`, which stand behind format 5.
pub(super) fn encode_verification(v: &Verification, site: Site<'_>) -> Result<Vec<u8>, StoreError> {
    personal::encode_verification(v, site)
}

/// A framed verification of any format, or what is wrong with it.
pub(super) fn decode_verification(bytes: &[u8], site: Site<'_>) -> Result<Verification, &'static str> {
    type Said = (Option<BindingHash>, BTreeMap<String, String>);
    match unframed(bytes)? {
        (1, body) => fields(body),
        (format @ (2 | 3), body) => {
            let (v, (binding, metadata)) = fields::<(Verification, Said)>(body)?;
            Ok(Verification { binding, metadata, inbound: format == 3, ..v })
        }
        (4, body) => {
            let (v, ((binding, metadata), (inbound, ends))) =
                fields::<(Verification, (Said, (bool, Ends)))>(body)?;
            Ok(Verification { binding, metadata, inbound, life: with_ends(v.life, ends), ..v })
        }
        (5, body) => personal::decode_verification(body, site),
        (6, body) => personal::decode_keyed_verification(body, site),
        _ => Err(NEWER),
    }
}

// Format 1 of a message.
record! {
    MessageRecord of outbox::Message {
        id: [u8; 16], to: String, client: Option<String>, kind: Option<[u8; 16]>, status: u8, priority: u8,
        parts: u8, encoding: bool, flash: bool, report: bool, wanted_modem: Option<String>,
        modem: Option<String>, attempts: u32, created_at: u64, due_at: u64, deadline: Option<u64>,
        sent_at: Option<u64>, delivered_at: Option<u64>, error: Option<String>, body: Option<Vec<u8>>,
        reference: u8, parts_done: u8, uncertain: bool, modem_references: Vec<u8>,
    } and service, twins, held, refused, send_at
}

/// What format 3 of a message adds: its twins, how often it was held, by whom it was refused.
type Sends = (Vec<Twin>, (u32, Option<Refused>));

/// Frames a message. Format 2 had the service of its code behind format 1, format 3 that and how its sends fared. Format 4
/// had that, the date before which it is not sent, and the ends of its life; its `due_at` and `until` were of the clock that
/// nobody sets. Format 5 has its number sealed.
pub(super) fn encode_message(m: &outbox::Message, site: Site<'_>) -> Result<Vec<u8>, StoreError> {
    personal::encode_message(m, site)
}

/// A framed message of any format, or what is wrong with it.
pub(super) fn decode_message(bytes: &[u8], site: Site<'_>) -> Result<outbox::Message, &'static str> {
    match unframed(bytes)? {
        (1, body) => fields(body).map(by_dates),
        (2, body) => {
            let (message, service) = fields::<(outbox::Message, String)>(body)?;
            Ok(by_dates(outbox::Message { service: Some(service), ..message }))
        }
        (3, body) => {
            let (message, (service, (twins, (held, refused)))) =
                fields::<(outbox::Message, (Option<String>, Sends))>(body)?;
            Ok(by_dates(outbox::Message { service, twins, held, refused, ..message }))
        }
        (4, body) => {
            type Behind = ((Option<String>, Sends), (Option<Timestamp>, Option<Ends>));
            let (message, ((service, (twins, (held, refused))), (send_at, ends))) =
                fields::<(outbox::Message, Behind)>(body)?;
            let deadline = message.deadline.zip(ends).map(|(life, ends)| with_ends(life, ends));
            Ok(outbox::Message { service, twins, held, refused, send_at, deadline, ..message })
        }
        (5, body) => personal::decode_message(body, site),
        _ => Err(NEWER),
    }
}

/// A message of a format that had only dates. One that was due when it was accepted is due.
fn by_dates(m: outbox::Message) -> outbox::Message {
    let date = Timestamp::from_millis(m.due_at.as_millis());
    outbox::Message { send_at: (date > m.created_at).then_some(date), due_at: Steady::default(), ..m }
}

// Format 1 of a ledger.
record! { LedgerRecord of outbox::Ledger { minute: (u64, u32), day: (u64, u32), month: (u64, u32) } and health, home, part }
record! { HealthRecord of outbox::Health { sends: u32, codes: u32, at: u64 } }

/// What a record adds of a ledger: the SIM's health, its home network, how long a part took.
type Added = (outbox::Health, (outbox::Home, Option<Duration>));

/// Frames a ledger. Format 2 has the SIM's health behind format 1, format 3 its home network behind that, and format 4 how
/// long a part took behind that.
pub(super) fn encode_ledger(l: &outbox::Ledger) -> Result<Vec<u8>, StoreError> {
    encode_as(4, &(l.stored(), l.health.stored(), l.home.stored(), l.part.stored()))
}

/// A framed ledger of any format, or what is wrong with it.
pub(super) fn decode_ledger(bytes: &[u8]) -> Result<outbox::Ledger, &'static str> {
    match unframed(bytes)? {
        (1, body) => fields(body),
        (2, body) => {
            let (ledger, health) = fields::<(outbox::Ledger, outbox::Health)>(body)?;
            Ok(outbox::Ledger { health, ..ledger })
        }
        (3, body) => {
            let (ledger, (health, home)) = fields::<(outbox::Ledger, (outbox::Health, outbox::Home))>(body)?;
            Ok(outbox::Ledger { health, home, ..ledger })
        }
        (4, body) => {
            let (ledger, (health, (home, part))) = fields::<(outbox::Ledger, Added)>(body)?;
            Ok(outbox::Ledger { health, home, part, ..ledger })
        }
        _ => Err(NEWER),
    }
}

record! { IdempotencyRecord of Idempotency { digest: [u8; 32], subject: String, expires_at: u64 } }
record! {
    AnsweredRecord of Answered {
        digest: [u8; 32], id: [u8; 16], approved: bool, status: u8, attempts_left: u32, resend_at: u64,
        message: [u8; 16], message_status: u8, expires_at: u64,
    }
}
record! { BucketRecord of Bucket { first: u64, last: u64, count: u32 } }
record! { WindowRecord of Window { buckets: Vec<BucketRecord> } }

/// What a name of a SIM stands for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SimName {
    /// The identity of its SIM, as it stands in keys.
    pub(super) of: [u8; 16],
    /// Of an identity alone, as the rest: its former names, as they stand in keys.
    pub(super) former: Vec<[u8; 16]>,
    /// What it is and was called, framed as a record is.
    pub(super) sealed: Option<Vec<u8>>,
}

record! {
    EntryRecord of Entry {
        id: [u8; 16], from: String, modem: String, received_at: u64, sent_at: Option<u64>, parts: u8,
        missing: Vec<u8>, content: ContentRecord, class: Option<u8>, ports: Option<(u16, u16)>,
        replaced_by: Option<[u8; 16]>, body: Vec<u8>,
    }
}
choice! { ContentRecord of Content { Text, Data; Unreadable(String) } }

record! { AssemblyRecord of Assembly { modem: String, since: u64, total: u8, have: Vec<u8> } }
record! { OptOutRecord of OptOut { phone: Vec<u8>, since: u64, message: Option<[u8; 16]> } }

record! { PartRecord of PartReport { part: u8, reference: u8, certain: bool, state: StateRecord } }
choice! { StateRecord of PartState { Open, Delivered; Failed(u8) } }

record! {
    ReportRecord of Report {
        modem: String, sim: String, reference: u8, recipient: String, sent_at: Option<u64>, ended_at: Option<u64>,
        came_at: u64, state: StateRecord,
    }
}
