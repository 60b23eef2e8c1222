//! Everything that is sealed, wherever it stands: its texts are read for whoever opens them, and it is sealed anew with the newest key, in
//! steps of a few records.

use std::ops::Range;

use super::engine::{Order, after};
use super::records::Records;
use super::table::Anew;
use super::tables::{HELD, INBOX, MESSAGES, OPT_OUTS, PARTS, SIM_NAMES, VERIFICATIONS};
use super::{StoreError, Tx, inbound};
use crate::inbox::{Entry, OptOut, part_owner};
use crate::secret::{Key, Sealed};

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The number of a message, and its text while it is not over.
    Message,
    /// The number of a verification, and its code while it is pending.
    Verification,
    /// A received message.
    Inbox,
    /// A part of one that lacks others.
    Part,
    /// A number that opted out.
    OptOut,
    /// The names of a SIM.
    SimName,
    /// A report without a message.
    Held,
}

impl Sort {
    pub(super) const ALL: [Self; 7] =
        [Self::Message, Self::Verification, Self::Inbox, Self::Part, Self::OptOut, Self::SimName, Self::Held];

    /// At most `limit` of the keys under which such things are found, behind this one.
    pub(super) fn keys<S: Records + ?Sized>(
        self,
        from: &S,
        behind: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Range { start, end } = match self {
            Self::Message => MESSAGES.all(),
            Self::Verification => VERIFICATIONS.all(),
            Self::Inbox => INBOX.all(),
            Self::Part => PARTS.all(),
            Self::OptOut => OPT_OUTS.all(),
            Self::SimName => SIM_NAMES.all(),
            Self::Held => HELD.all(),
        };
        let mut keys = Vec::new();
        from.scan(behind.map_or(start, after)..end, Order::Ascending, &mut |key, _| {
            keys.push(key.to_vec());
            keys.len() < limit
        })?;
        Ok(keys)
    }

    /// The text that is sealed under this key, and for whom; nothing when there is none.
    pub(super) fn read<S: Records + ?Sized>(
        self,
        from: &S,
        key: &[u8],
    ) -> Result<Option<(Vec<u8>, Sealed)>, StoreError> {
        Ok(match self {
            Self::Message => match MESSAGES.key_in(key) {
                Some(id) => MESSAGES.get(from, &id)?.and_then(|m| Some((m.id.to_bytes().to_vec(), m.body?))),
                None => None,
            },
            Self::Verification => match VERIFICATIONS.key_in(key) {
                Some(id) => {
                    VERIFICATIONS.get(from, &id)?.and_then(|v| Some((v.id.to_bytes().to_vec(), v.sealed?)))
                }
                None => None,
            },
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
            // A store of before keys had check values has none.
            Self::Held => None,
        })
    }

    /// Seals with the newest key what stands under this key: its own text, and what its record has of a person.
    fn write(self, tx: &mut Tx<'_>, key: &Key, at: Vec<u8>) -> Result<Anew, StoreError> {
        Ok(match self {
            Self::Message => MESSAGES.write_anew(tx, at, |mut m| {
                let damaged = m.body.as_mut().is_some_and(|body| is_damaged(key, &m.id.to_bytes(), body));
                (m, damaged)
            })?,
            Self::Verification => VERIFICATIONS.write_anew(tx, at, |mut v| {
                let damaged = v.sealed.as_mut().is_some_and(|code| is_damaged(key, &v.id.to_bytes(), code));
                (v, damaged)
            })?,
            Self::Inbox => {
                let done = INBOX.write_anew(tx, at.clone(), |entry| (entry, false))?;
                match entry(tx, &at)? {
                    // Its body may stand in several records.
                    Some(mut entry) if !done.damaged => {
                        let before = entry.body.clone();
                        let damaged = is_damaged(key, &entry.id.to_bytes(), &mut entry.body);
                        let written = entry.body != before;
                        if written {
                            tx.put_entry(&entry)?;
                        }
                        Anew { written: done.written || written, damaged }
                    }
                    _ => done,
                }
            }
            Self::Part => {
                let Some((tag, sequence)) = PARTS.key_in(&at) else { return Ok(Anew::default()) };
                PARTS.write_anew(tx, at, |mut part| {
                    let damaged = is_damaged(key, &part_owner(&tag, sequence), &mut part);
                    (part, damaged)
                })?
            }
            Self::OptOut => OPT_OUTS.write_anew(tx, at, |mut it| {
                let damaged = is_damaged(key, OptOut::OWNER, &mut it.phone);
                (it, damaged)
            })?,
            Self::SimName => SIM_NAMES.write_anew(tx, at, |mut name| {
                let mut sealed = name.sealed.take().map(Sealed::from_bytes);
                let damaged = sealed.as_mut().is_some_and(|names| is_damaged(key, &name.of, names));
                name.sealed = sealed.map(|sealed| sealed.as_bytes().to_vec());
                (name, damaged)
            })?,
            Self::Held => HELD.write_anew(tx, at, |held| (held, false))?,
        })
    }
}

/// Puts the same under the newest key in the place of what is sealed; answers whether no key opens it, and it stays.
fn is_damaged(key: &Key, owner: &[u8], sealed: &mut Sealed) -> bool {
    match key.seal_anew(owner, sealed) {
        Ok(anew) => {
            if let Some(anew) = anew {
                *sealed = anew;
            }
            false
        }
        Err(_) => true,
    }
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
            let Anew { written, damaged } = sort.write(self, key, place.clone())?;
            from.count += u64::from(written);
            from.damaged += u64::from(damaged);
        }
        if keys.len() < limit {
            (from.sort, from.after) = (from.sort + 1, None);
        } else {
            from.after = keys.pop();
        }
        Ok(from)
    }
}
