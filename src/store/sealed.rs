//! Everything that is sealed, wherever it stands: read for whoever opens it, and sealed anew with the newest key, in
//! steps of a few records.

use std::ops::Range;

use super::engine::{Order, after};
use super::records::Records;
use super::tables::{EXPIRIES, INBOX, LIVE, MESSAGES, OPT_OUTS, PARTS, SIM_NAMES, VERIFICATIONS};
use super::{StoreError, Tx, inbound};
use crate::inbox::{Entry, OptOut, part_owner};
use crate::otp::Verification;
use crate::outbox::Message;
use crate::secret::{Key, Sealed};

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The text of a message that is not over.
    Message,
    /// The code of a verification that is pending.
    Verification,
    /// A received message.
    Inbox,
    /// A part of one that lacks others.
    Part,
    /// A number that opted out.
    OptOut,
    /// The names of a SIM.
    SimName,
}

impl Sort {
    pub(super) const ALL: [Self; 6] =
        [Self::Message, Self::Verification, Self::Inbox, Self::Part, Self::OptOut, Self::SimName];

    /// At most `limit` of the keys under which such things are found, behind this one.
    pub(super) fn keys<S: Records + ?Sized>(
        self,
        from: &S,
        behind: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Range { start, end } = match self {
            Self::Message => LIVE.all(),
            Self::Verification => EXPIRIES.all(),
            Self::Inbox => INBOX.all(),
            Self::Part => PARTS.all(),
            Self::OptOut => OPT_OUTS.all(),
            Self::SimName => SIM_NAMES.all(),
        };
        let mut keys = Vec::new();
        from.scan(behind.map_or(start, after)..end, Order::Ascending, &mut |key, _| {
            keys.push(key.to_vec());
            keys.len() < limit
        })?;
        Ok(keys)
    }

    /// What is sealed under this key, and for whom; nothing when nothing is.
    pub(super) fn read<S: Records + ?Sized>(
        self,
        from: &S,
        key: &[u8],
    ) -> Result<Option<(Vec<u8>, Sealed)>, StoreError> {
        Ok(match self {
            Self::Message => message(from, key)?.and_then(|m| Some((m.id.to_bytes().to_vec(), m.body?))),
            Self::Verification => {
                verification(from, key)?.and_then(|v| Some((v.id.to_bytes().to_vec(), v.sealed?)))
            }
            Self::Inbox => entry(from, key)?.map(|entry| (entry.id.to_bytes().to_vec(), entry.body)),
            Self::Part => match PARTS.key_in(key) {
                Some(place) => {
                    PARTS.get(from, &place)?.map(|part| (part_owner(&place.0, place.1).to_vec(), part))
                }
                None => None,
            },
            Self::OptOut => match OPT_OUTS.key_in(key) {
                Some(place) => OPT_OUTS.get(from, &place)?.map(|it| (OptOut::OWNER.to_vec(), it.phone)),
                None => None,
            },
            Self::SimName => match SIM_NAMES.key_in(key) {
                Some(place) => SIM_NAMES
                    .get(from, &place)?
                    .and_then(|name| Some((name.of.to_vec(), Sealed::from_bytes(name.sealed?)))),
                None => None,
            },
        })
    }

    /// Puts something else that is sealed in the place of what was read there.
    fn write(self, tx: &mut Tx<'_>, key: &[u8], sealed: Sealed) -> Result<(), StoreError> {
        match self {
            Self::Message => match message(tx, key)? {
                Some(m) => MESSAGES.put(tx, &m.id, &Message { body: Some(sealed), ..m }),
                None => Ok(()),
            },
            Self::Verification => match verification(tx, key)? {
                Some(v) => VERIFICATIONS.put(tx, &v.id, &Verification { sealed: Some(sealed), ..v }),
                None => Ok(()),
            },
            Self::Inbox => match entry(tx, key)? {
                Some(known) => tx.put_entry(&Entry { body: sealed, ..known }),
                None => Ok(()),
            },
            Self::Part => PARTS.key_in(key).map_or(Ok(()), |place| PARTS.put(tx, &place, &sealed)),
            Self::OptOut => {
                let Some(place) = OPT_OUTS.key_in(key) else { return Ok(()) };
                let Some(known) = OPT_OUTS.get(tx, &place)? else { return Ok(()) };
                OPT_OUTS.put(tx, &place, &OptOut { phone: sealed, ..known })
            }
            Self::SimName => {
                let Some(place) = SIM_NAMES.key_in(key) else { return Ok(()) };
                let Some(mut known) = SIM_NAMES.get(tx, &place)? else { return Ok(()) };
                known.sealed = Some(sealed.as_bytes().to_vec());
                SIM_NAMES.put(tx, &place, &known)
            }
        }
    }
}

fn message<S: Records + ?Sized>(from: &S, key: &[u8]) -> Result<Option<Message>, StoreError> {
    LIVE.key_in(key).map_or(Ok(None), |id| MESSAGES.get(from, &id))
}

fn verification<S: Records + ?Sized>(from: &S, key: &[u8]) -> Result<Option<Verification>, StoreError> {
    EXPIRIES.key_in(key).map_or(Ok(None), |(_, id)| VERIFICATIONS.get(from, &id))
}

fn entry<S: Records + ?Sized>(from: &S, key: &[u8]) -> Result<Option<Entry>, StoreError> {
    INBOX.key_in(key).map_or(Ok(None), |id| inbound::entry(from, id))
}

/// How far all is sealed anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedAnew {
    /// The sort that is looked at, by its place.
    sort: usize,
    /// The last key of it that was.
    after: Option<Vec<u8>>,
    /// How many were sealed anew.
    pub count: u64,
    /// How many no key opens.
    pub damaged: u64,
}

impl SealedAnew {
    /// Whether all of it was looked at.
    pub const fn is_done(&self) -> bool {
        self.sort >= Sort::ALL.len()
    }
}

impl Tx<'_> {
    /// Seals anew, with the newest key, at most `limit` of what is sealed, from where an earlier step ended. What no key
    /// opens stays as it is.
    pub fn seal_anew(
        &mut self,
        key: &Key,
        mut from: SealedAnew,
        limit: usize,
    ) -> Result<SealedAnew, StoreError> {
        let Some(&sort) = Sort::ALL.get(from.sort) else { return Ok(from) };
        let mut keys = sort.keys(self, from.after.as_deref(), limit)?;
        for place in &keys {
            let Some((owner, sealed)) = sort.read(self, place)? else { continue };
            match key.seal_anew(&owner, &sealed) {
                Ok(Some(anew)) => {
                    sort.write(self, place, anew)?;
                    from.count += 1;
                }
                Ok(None) => {}
                Err(_) => from.damaged += 1,
            }
        }
        if keys.len() < limit {
            (from.sort, from.after) = (from.sort + 1, None);
        } else {
            from.after = keys.pop();
        }
        Ok(from)
    }
}
