//! The keys: one octet for the kind, then big-endian numbers, so that they sort as they should. Whatever names a
//! person stands in a key only as a hash.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::id::{InboxId, MessageId, VerificationId};
use crate::phone::PhoneNumber;

pub(super) const VERIFICATION: u8 = b'V';
pub(super) const NEWEST: u8 = b'N';
pub(super) const EXPIRY: u8 = b'E';
pub(super) const MESSAGE: u8 = b'M';
pub(super) const LIVE: u8 = b'Q';
pub(super) const IDEMPOTENCY: u8 = b'I';
pub(super) const WINDOW: u8 = b'W';
pub(super) const AGE: u8 = b'X';
pub(super) const LEDGER: u8 = b'L';
pub(super) const RECIPIENT: u8 = b'K';
pub(super) const META: u8 = b'Z';
pub(super) const INBOX: u8 = b'B';
pub(super) const INBOX_REST: u8 = b'b';
pub(super) const ASSEMBLY: u8 = b'G';
pub(super) const PART: u8 = b'P';
pub(super) const SEEN: u8 = b'S';
pub(super) const REPLACEABLE: u8 = b'R';
pub(super) const OPT_OUT: u8 = b'O';
pub(super) const AWAITED: u8 = b'A';
pub(super) const EXPECTED: u8 = b'F';
pub(super) const HELD: u8 = b'H';
pub(super) const SIM_NAME: u8 = b'J';

/// How many commits there were.
pub(super) const SEQUENCE: &[u8] = b"Z\0sequence";
/// The version of this layout.
pub(super) const SCHEMA: &[u8] = b"Z\0schema";

pub(super) fn verification(id: VerificationId) -> Vec<u8> {
    with(VERIFICATION, &id.to_bytes())
}

pub(super) fn message(id: MessageId) -> Vec<u8> {
    with(MESSAGE, &id.to_bytes())
}

pub(super) fn live(id: MessageId) -> Vec<u8> {
    with(LIVE, &id.to_bytes())
}

pub(super) fn expiry(at: Timestamp, id: VerificationId) -> Vec<u8> {
    let mut key = with(EXPIRY, &at.as_millis().to_be_bytes());
    key.extend_from_slice(&id.to_bytes());
    key
}

pub(super) fn newest(to: &PhoneNumber, service: &str) -> Vec<u8> {
    hashed(NEWEST, &[to.as_str(), service])
}

pub(super) fn idempotency(client: &str, key: &str) -> Vec<u8> {
    hashed(IDEMPOTENCY, &[client, key])
}

pub(super) fn window(name: &str) -> Vec<u8> {
    hashed(WINDOW, &[name])
}

pub(super) fn ledger(sim: &str) -> Vec<u8> {
    hashed(LEDGER, &[sim])
}

/// The month goes first: what is old lies together.
pub(super) fn recipient(sim: &str, month: u64, recipient: u64) -> Vec<u8> {
    let mut key = with(RECIPIENT, &month.to_be_bytes());
    key.extend_from_slice(&hashed(RECIPIENT, &[sim])[1..]);
    key.extend_from_slice(&recipient.to_be_bytes());
    key
}

/// Octets of such a key.
pub(super) const RECIPIENT_LEN: usize = 1 + 8 + 16 + 8;

/// The keys of all recipients of a SIM in a month.
pub(super) fn recipients(sim: &str, month: u64) -> Range<Vec<u8>> {
    let mut end = recipient(sim, month, u64::MAX);
    end.push(0);
    recipient(sim, month, 0)..end
}

/// The keys of the recipients of earlier months.
pub(super) fn recipients_before(month: u64) -> Range<Vec<u8>> {
    vec![RECIPIENT]..with(RECIPIENT, &month.to_be_bytes())
}

pub(super) fn inbox(id: InboxId) -> Vec<u8> {
    with(INBOX, &id.to_bytes())
}

/// What of a message's body its record has no room for.
pub(super) fn inbox_rest(id: InboxId, place: u8) -> Vec<u8> {
    let mut key = with(INBOX_REST, &id.to_bytes());
    key.push(place);
    key
}

pub(super) fn tagged(kind: u8, tag: &[u8; 16]) -> Vec<u8> {
    with(kind, tag)
}

pub(super) fn part(assembly: &[u8; 16], sequence: u8) -> Vec<u8> {
    let mut key = with(PART, assembly);
    key.push(sequence);
    key
}

pub(super) fn opt_out(phone: &PhoneNumber) -> Vec<u8> {
    hashed(OPT_OUT, &[phone.as_str()])
}

pub(super) fn awaited(id: MessageId) -> Vec<u8> {
    with(AWAITED, &id.to_bytes())
}

/// A name of a SIM as it stands in keys.
pub(super) fn name(name: &str) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&hashed(SIM_NAME, &[name])[1..]);
    hash
}

/// The messages that went out on a line under a reference; without one, those of which that is in doubt.
pub(super) fn expected(line: &[u8; 16], reference: Option<u8>) -> Vec<u8> {
    let mut key = with(EXPECTED, line);
    key.extend(reference.map_or([1, 0], |reference| [0, reference]));
    key
}

/// Reports without a message, oldest first.
pub(super) fn held(since: Timestamp, tag: &[u8; 16]) -> Vec<u8> {
    let mut key = with(HELD, &since.as_millis().to_be_bytes());
    key.extend_from_slice(tag);
    key
}

/// What a name of a SIM stands for.
pub(super) fn sim_name(name: &[u8; 16]) -> Vec<u8> {
    with(SIM_NAME, name)
}

pub(super) fn meta(name: &str) -> Vec<u8> {
    with(META, name.as_bytes())
}

/// Where a record stands among those that expire: the hour, then its key.
pub(super) fn age(expires_at_ms: u64, key: &[u8]) -> Vec<u8> {
    let mut age = with(AGE, &(expires_at_ms / 3_600_000).to_be_bytes());
    age.extend_from_slice(key);
    age
}

/// The key of the record that an age stands for.
pub(super) fn aged(age: &[u8]) -> &[u8] {
    age.get(9..).unwrap_or_default()
}

/// The keys of one kind: from the first to the first of the next kind.
pub(super) fn all(kind: u8) -> Range<Vec<u8>> {
    vec![kind]..vec![kind + 1]
}

fn with(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(kind);
    key.extend_from_slice(rest);
    key
}

fn hashed(kind: u8, names: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for name in names {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
    }
    with(kind, &hash.finalize()[..16])
}
