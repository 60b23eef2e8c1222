//! Every table of the store, declared once: its octet, its keys and values, when they expire, and what of them must
//! fit to another table. The look at everything when the store opens goes through the list at the end.

use super::events;
use super::keyring::Keyring;
use super::keys::Key;
use super::record::{self, SimName};
use super::records::{Answered, Idempotency};
use super::reports::HeldKey;
use super::table::{AGES, Checked, Octets, Table, points};
use super::windows;
use crate::clock::Steady;
use crate::fleet::{Host, HostModem, ModemOrder};
use crate::id::{InboxId, MessageId, VerificationId};
use crate::inbox::{Assembly, Entry, OptOut, Tag};
use crate::otp::{Verification, VerificationStatus, Window};
use crate::outbox::{Ledger, Message, PartReport, Report};
use crate::secret::Sealed;

/// A hash of what names a person, a SIM, a client or a limit: but for SIMs, by the ring's key of the index.
type Hash = [u8; 16];

pub(super) static VERIFICATIONS: Table<VerificationId, Verification> =
    Table::new(b'V', "verification", record::encode_verification, record::decode_verification).sound(
        |tree, _, v| {
            let pending = v.status == VerificationStatus::Pending;
            // Its place among the inbound ones cannot be known without the key.
            let fits = EXPIRIES.has(tree, &(v.life.place(), v.id))? == pending;
            Ok((!fits).then_some("its place among those that expire does not fit"))
        },
    );

pub(super) static MESSAGES: Table<MessageId, Message> =
    Table::new(b'M', "message", record::encode_message, record::decode_message).sound(|tree, _, m| {
        let fits = LIVE.has(tree, &m.id)? != m.status.is_over();
        Ok((!fits).then_some("its place among the live ones does not fit"))
    });

/// The messages that are queued or on the air.
pub(super) static LIVE: Table<MessageId, Octets> =
    Table::octets(b'Q', "live message").sound(|tree, key, _| points(tree, &MESSAGES, [LIVE.key_in(key)]));

/// The verifications that are pending.
pub(super) static EXPIRIES: Table<(Steady, VerificationId), Octets> = Table::octets(b'E', "expiry")
    .sound(|tree, key, _| points(tree, &VERIFICATIONS, [EXPIRIES.key_in(key).map(|(_, id)| id)]));

/// The inbound verifications that are pending, under the numbers that they wait for.
pub(super) static INBOUND: Table<(Hash, VerificationId), Octets> = inbound(b'u');

/// The id of the newest verification of a number, a service and a client.
pub(super) static NEWEST: Table<Hash, Octets> = newest(b'n');

pub(super) static IDEMPOTENCY: Table<Hash, Idempotency> = idempotency(b'i');

pub(super) static ANSWERS: Table<Hash, Answered> = answers(b'c');

/// The windows of a subject.
pub(super) static LIMITS: Table<Hash, Vec<windows::Kept>> =
    Table::expiring(b'l', "limit", |windows| windows::expire_at(windows));

/// The same as they stood before, each alone.
pub(super) static WINDOWS: Table<Hash, (Window, Steady)> = alone(b'w');

/// The month, the SIM and a recipient that it served. The month goes first: what is old lies together.
pub(super) static RECIPIENTS: Table<(u64, Hash, u64), Octets> =
    Table::octets(b'K', "recipient").sound(|_, key, octets| {
        let whole = RECIPIENTS.key_in(key).is_some() && octets.is_empty();
        Ok((!whole).then_some("it is none"))
    });

pub(super) static LEDGERS: Table<Hash, Ledger> =
    Table::new(b'L', "ledger", |l, _| record::encode_ledger(l), |octets, _| record::decode_ledger(octets));

/// What a name of a SIM stands for.
pub(super) static SIM_NAMES: Table<Hash, SimName> =
    Table::records(b'J', "SIM name").sound(|tree, _, name| points(tree, &SIM_NAMES, [Some(name.of)]));

/// A received message with the first octets of its body, and how many further records have the others.
pub(super) static INBOX: Table<InboxId, (Entry, u8)> =
    Table::new(b'B', "inbox", record::encode_entry, record::decode_entry)
        .sound(|tree, _, (entry, rest)| points(tree, &INBOX_REST, (0..*rest).map(|n| Some((entry.id, n)))));

pub(super) static INBOX_REST: Table<(InboxId, u8), Sealed> = Table::records(b'b', "inbox");

/// The id of the message that another one of this tag takes the place of.
pub(super) static REPLACEABLE: Table<Tag, Octets> =
    Table::octets(b'R', "replaceable").sound(|tree, _, id| points(tree, &INBOX, [Key::parse(id)]));

/// Messages that lack parts.
pub(super) static ASSEMBLIES: Table<Tag, Assembly> =
    Table::records(b'G', "assembly").sound(|tree, key, assembly| {
        let tag = ASSEMBLIES.key_in(key);
        points(tree, &PARTS, assembly.have.iter().map(|sequence| Some((tag?, *sequence))))
    });

/// The parts that they have, by their sequence numbers.
pub(super) static PARTS: Table<(Tag, u8), Sealed> = Table::records(b'P', "part")
    .sound(|tree, key, _| points(tree, &ASSEMBLIES, [Tag::take(&mut key.get(1..).unwrap_or_default())]));

/// What came before, and until when that is remembered.
pub(super) static SEEN: Table<Tag, Steady> = Table::expiring(b'S', "seen", |until| *until);

pub(super) static OPT_OUTS: Table<Hash, OptOut> = opt_outs(b'o');

/// The reports that a message waits for.
pub(super) static AWAITED: Table<MessageId, (Vec<PartReport>, Steady)> =
    Table::expiring(b'A', "report", |v| v.1);

/// The messages that went out on a line under a reference, or with that in doubt.
pub(super) static EXPECTED: Table<(Hash, Option<u8>, MessageId), Steady> =
    Table::expiring(b'F', "expected report", |until| *until);

/// Reports without a message, oldest first.
pub(super) static HELD: Table<HeldKey, (Report, Steady)> =
    Table::new(b'H', "held report", record::encode_held, record::decode_held).expires(|v| v.1);

/// The trail: blocks of events, each under the number of its first one.
pub(super) static EVENTS: Table<u64, events::Block> =
    Table::new(b'T', "block of events", |b, _| events::encode(b), |octets, _| events::decode(octets));

/// Where the trail begins and ends: one record.
pub(super) static EVENT_ENDS: Table<[u8; 0], events::Place> = Table::records(b't', "ends of the events")
    .sound(|tree, _, place| {
        let ends = place.sealed.ends;
        let kept = (ends.first <= ends.last).then_some([ends.first, place.tail]);
        points(tree, &EVENTS, kept.into_iter().flatten().map(Some))
    });

/// What is kept of the keys: one record.
pub(super) static KEYRING: Table<[u8; 0], Keyring> = Table::records(b'k', "keyring");

/// The hosts that share the store.
pub(super) static HOSTS: Table<Octets, Host> = Table::records(b'h', "host");

/// What they tell of their modems.
pub(super) static HOST_MODEMS: Table<Octets, HostModem> = Table::records(b'm', "modem of a host");

/// What one host asks another one to do with a modem.
pub(super) static ORDERS: Table<Hash, ModemOrder> = Table::expiring(b'a', "order", |order| order.until);

/// The codes whose modem is silent, so that another host may help out.
pub(super) static OVERDUE: Table<MessageId, Steady> = Table::expiring(b'd', "overdue code", |until| *until);

/// Named values of the store itself.
pub(super) static META: Table<Octets, Octets> = Table::octets(b'Z', "named");

/// The same tables as versions had them that hashed their keys without a key: a number could be guessed there.
pub(super) static FORMER_INBOUND: Table<(Hash, VerificationId), Octets> = inbound(b'v');
pub(super) static FORMER_NEWEST: Table<Hash, Octets> = newest(b'N');
pub(super) static FORMER_IDEMPOTENCY: Table<Hash, Idempotency> = idempotency(b'I');
pub(super) static FORMER_ANSWERS: Table<Hash, Answered> = answers(b'C');
pub(super) static FORMER_WINDOWS: Table<Hash, (Window, Steady)> = alone(b'W');
pub(super) static FORMER_OPT_OUTS: Table<Hash, OptOut> = opt_outs(b'O');

const fn inbound(octet: u8) -> Table<(Hash, VerificationId), Octets> {
    Table::octets(octet, "inbound verification").sound(|tree, key, _| {
        let key = key.get(1..).and_then(<(Hash, VerificationId)>::parse);
        points(tree, &VERIFICATIONS, [key.map(|(_, id)| id)])
    })
}

const fn newest(octet: u8) -> Table<Hash, Octets> {
    Table::octets(octet, "newest verification")
        .sound(|tree, _, id| points(tree, &VERIFICATIONS, [Key::parse(id)]))
}

const fn idempotency(octet: u8) -> Table<Hash, Idempotency> {
    Table::expiring(octet, "idempotency", |v| v.expires_at)
}

const fn answers(octet: u8) -> Table<Hash, Answered> {
    Table::expiring(octet, "answer", |v| v.expires_at)
}

const fn alone(octet: u8) -> Table<Hash, (Window, Steady)> {
    Table::expiring(octet, "limit", |v| v.1)
}

const fn opt_outs(octet: u8) -> Table<Hash, OptOut> {
    Table::records(octet, "opt-out")
}

/// All of them; a fault of the first one is told first.
pub(super) static ALL: [&dyn Checked; 32] = [
    &VERIFICATIONS,
    &MESSAGES,
    &LIVE,
    &EXPIRIES,
    &INBOUND,
    &NEWEST,
    &AGES,
    &IDEMPOTENCY,
    &ANSWERS,
    &LIMITS,
    &WINDOWS,
    &RECIPIENTS,
    &LEDGERS,
    &SIM_NAMES,
    &INBOX,
    &INBOX_REST,
    &REPLACEABLE,
    &ASSEMBLIES,
    &PARTS,
    &SEEN,
    &OPT_OUTS,
    &AWAITED,
    &EXPECTED,
    &HELD,
    &EVENTS,
    &EVENT_ENDS,
    &KEYRING,
    &HOSTS,
    &HOST_MODEMS,
    &ORDERS,
    &OVERDUE,
    &META,
];

/// Those of before, which have something until the store has its key.
pub(super) static FORMER: [&dyn Checked; 6] = [
    &FORMER_INBOUND,
    &FORMER_NEWEST,
    &FORMER_IDEMPOTENCY,
    &FORMER_ANSWERS,
    &FORMER_WINDOWS,
    &FORMER_OPT_OUTS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_its_own_keys() {
        let octets: std::collections::BTreeSet<u8> =
            ALL.iter().chain(&FORMER).map(|table| table.octet()).collect();
        assert_eq!(octets.len(), ALL.len() + FORMER.len());
        assert!(octets.iter().all(u8::is_ascii_alphabetic), "0 is what a backup has attached");
    }
}
