//! A typed table: an octet before its keys, what its keys and values are, how a value stands on disk and when it
//! expires. What holds for every table is here once: how it is read, written and listed, how damage of it is told,
//! its values' places among those that expire, and the look at each of them when the store opens.

use std::marker::PhantomData;
use std::ops::Range;

use super::engine::{Order, after};
use super::keys::Key;
use super::record::{self, Site, Stored};
use super::records::Records;
use super::tree::Tree;
use super::{StoreError, Tx};
use crate::clock::Steady;
use crate::hex;
use crate::secret::Key as Sealer;

/// What is wrong with a value beside other tables, if anything is.
pub(super) type Fault = Result<Option<&'static str>, StoreError>;

/// Octets that stand in a table as they are: of an index none, or the id of a record.
pub(super) type Octets = Vec<u8>;

/// Where a value stands among those that expire: the hour, then its key.
type Age = (u64, Vec<u8>);

/// Whatever expires has its place here.
pub(super) static AGES: Table<Age, Octets> = Table::octets(b'X', "age").sound(|tree, key, _| {
    let aged = AGES.key_in(key).map_or(Ok(None), |(_, key)| tree.load(&key))?;
    Ok(aged.is_none().then_some(NOT_THERE))
});

const NOT_THERE: &str = "what it points to is not there";

/// The octets of a value that stands there, and back.
type Encode<V> = fn(&V, Site<'_>) -> Result<Vec<u8>, StoreError>;
type Decode<V> = fn(&[u8], Site<'_>) -> Result<V, &'static str>;

/// One table.
pub(super) struct Table<K: 'static, V: 'static> {
    octet: u8,
    /// What an error calls its values.
    kind: &'static str,
    encode: Encode<V>,
    decode: Decode<V>,
    expires: Option<fn(&V) -> Steady>,
    sound: fn(&Tree, &[u8], &V) -> Fault,
    keys: PhantomData<fn(K)>,
}

impl<K: Key, V> Table<K, V> {
    /// A table whose values have a form of their own on disk.
    pub(super) const fn new(octet: u8, kind: &'static str, encode: Encode<V>, decode: Decode<V>) -> Self {
        let sound: fn(&Tree, &[u8], &V) -> Fault = |_, _, _| Ok(None);
        Self { octet, kind, encode, decode, expires: None, sound, keys: PhantomData }
    }

    /// A table of records of the first format.
    pub(super) const fn records(octet: u8, kind: &'static str) -> Self
    where
        V: Stored,
    {
        Self::new(octet, kind, |value, _| record::encode(value), |octets, _| record::decode(octets))
    }

    /// The same; its values expire.
    pub(super) const fn expiring(octet: u8, kind: &'static str, at: fn(&V) -> Steady) -> Self
    where
        V: Stored,
    {
        Self::records(octet, kind).expires(at)
    }

    /// The same; its values expire.
    pub(super) const fn expires(self, at: fn(&V) -> Steady) -> Self {
        Self { expires: Some(at), ..self }
    }

    /// The same; its values are looked at beside other tables when the store opens.
    pub(super) const fn sound(self, sound: fn(&Tree, &[u8], &V) -> Fault) -> Self {
        Self { sound, ..self }
    }

    /// A key as it stands on disk.
    pub(super) fn key(&self, key: &K) -> Vec<u8> {
        self.beginning(key)
    }

    fn beginning(&self, beginning: &impl Key) -> Vec<u8> {
        let mut octets = Vec::with_capacity(40);
        octets.push(self.octet);
        beginning.write(&mut octets);
        octets
    }

    /// The key that stands on disk so, if it is one.
    pub(super) fn key_in(&self, key: &[u8]) -> Option<K> {
        K::parse(key.strip_prefix(&[self.octet])?)
    }

    /// All of its keys.
    pub(super) fn all(&self) -> Range<Vec<u8>> {
        vec![self.octet]..vec![self.octet + 1]
    }

    /// The keys that begin so.
    pub(super) fn under(&self, beginning: &impl Key) -> Range<Vec<u8>> {
        let start = self.beginning(beginning);
        let mut end = start.clone();
        while end.pop_if(|octet| *octet == u8::MAX).is_some() {}
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        start..end
    }

    /// The keys before this one or the beginning of one.
    pub(super) fn before(&self, end: &impl Key) -> Range<Vec<u8>> {
        vec![self.octet]..self.beginning(end)
    }

    /// The keys behind this one.
    pub(super) fn behind(&self, key: &K) -> Range<Vec<u8>> {
        after(&self.key(key))..self.all().end
    }

    /// What stands under a key.
    pub(super) fn get<S: Records + ?Sized>(&self, from: &S, key: &K) -> Result<Option<V>, StoreError> {
        self.value_at(from, &self.key(key))
    }

    fn value_at<S: Records + ?Sized>(&self, from: &S, key: &[u8]) -> Result<Option<V>, StoreError> {
        let octets = from.load(key)?;
        from.note(octets.map(|octets| self.value(from.key(), key, &octets)).transpose())
    }

    /// Whether something does.
    pub(super) fn has<S: Records + ?Sized>(&self, from: &S, key: &K) -> Result<bool, StoreError> {
        Ok(from.load(&self.key(key))?.is_some())
    }

    /// Shows each key and value of a range until `visit` answers false or an error.
    pub(super) fn scan<S: Records + ?Sized>(
        &self,
        from: &S,
        range: Range<Vec<u8>>,
        order: Order,
        mut visit: impl FnMut(&[u8], V) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut seen = Ok(true);
        from.scan(range, order, &mut |key, octets| {
            seen = self.value(from.key(), key, octets).and_then(|value| visit(key, value));
            seen == Ok(true)
        })?;
        from.note(seen.map(drop))
    }

    /// At most `limit` keys and values of a range, in order.
    pub(super) fn list<S: Records + ?Sized>(
        &self,
        from: &S,
        range: Range<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(K, V)>, StoreError> {
        let mut found = Vec::new();
        self.scan(from, range, Order::Ascending, |key, value| {
            let known = self.key_in(key).ok_or_else(|| self.damaged(key, "its key is too short"))?;
            found.push((known, value));
            Ok(found.len() < limit)
        })?;
        Ok(found)
    }

    /// At most `limit` keys of a range; what is none is left out.
    pub(super) fn keys<S: Records + ?Sized>(
        &self,
        from: &S,
        range: Range<Vec<u8>>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<K>, StoreError> {
        let mut found = Vec::new();
        if limit > 0 {
            from.scan(range, order, &mut |key, _| {
                found.extend(self.key_in(key));
                found.len() < limit
            })?;
        }
        Ok(found)
    }

    /// Writes a value, and its place among those that expire if it does.
    pub(super) fn put(&self, tx: &mut Tx<'_>, key: &K, value: &V) -> Result<(), StoreError> {
        let key = self.key(key);
        if let Some(place) = self.age(&key, value) {
            // They are sorted by the hour: most changes leave a value in its place.
            let old = self.value_at(tx, &key)?.and_then(|old| self.age(&key, &old));
            if old.as_ref() != Some(&place) {
                if let Some(old) = old {
                    AGES.delete(tx, &old)?;
                }
                AGES.mark(tx, &place);
            }
        }
        let octets = (self.encode)(value, Site { key: tx.key(), octets: &key });
        let octets = tx.note(octets)?;
        tx.put(key, octets);
        Ok(())
    }

    /// Forgets what stands under a key, and its place among those that expire.
    pub(super) fn delete(&self, tx: &mut Tx<'_>, key: &K) -> Result<(), StoreError> {
        let key = self.key(key);
        if self.expires.is_some() {
            let Some(old) = self.value_at(tx, &key)? else { return Ok(()) };
            if let Some(place) = self.age(&key, &old) {
                AGES.delete(tx, &place)?;
            }
        }
        tx.remove(key);
        Ok(())
    }

    fn age(&self, key: &[u8], value: &V) -> Option<Age> {
        self.expires.map(|at| (hour(at(value)), key.to_vec()))
    }

    pub(super) fn value(&self, sealer: Option<&Sealer>, key: &[u8], octets: &[u8]) -> Result<V, StoreError> {
        (self.decode)(octets, Site { key: sealer, octets: key }).map_err(|why| self.damaged(key, why))
    }

    /// Writes what stands under a key as it is written now, after a change that leaves its time. A value that is damaged,
    /// or that the change calls so, is told of; the latter is written all the same.
    pub(super) fn write_anew(
        &self,
        tx: &mut Tx<'_>,
        key: Vec<u8>,
        change: impl FnOnce(V) -> (V, bool),
    ) -> Result<Anew, StoreError> {
        let Some(before) = tx.load(&key)? else { return Ok(Anew::default()) };
        let site = Site { key: tx.key(), octets: &key };
        let Ok(value) = (self.decode)(&before, site) else {
            return Ok(Anew { damaged: true, ..Anew::default() });
        };
        let (value, damaged) = change(value);
        let octets = (self.encode)(&value, site);
        let octets = tx.note(octets)?;
        let written = octets != before;
        if written {
            tx.put(key, octets);
        }
        Ok(Anew { written, damaged })
    }

    /// What is wrong with a value.
    pub(super) fn damaged(&self, key: &[u8], why: &'static str) -> StoreError {
        StoreError::Corrupt { kind: self.kind, key: hex::encode(key), why }
    }
}

impl<K: Key> Table<K, Octets> {
    /// A table of octets as they are.
    pub(super) const fn octets(octet: u8, kind: &'static str) -> Self {
        Self::new(octet, kind, |octets, _| Ok(octets.clone()), |octets, _| Ok(octets.to_vec()))
    }

    /// The id that stands under a key; what is none is taken for nothing.
    pub(super) fn pointer<I: Key>(
        &self,
        from: &(impl Records + ?Sized),
        key: &K,
    ) -> Result<Option<I>, StoreError> {
        Ok(self.get(from, key)?.and_then(|octets| I::parse(&octets)))
    }

    /// Writes a key that stands for itself.
    pub(super) fn mark(&self, tx: &mut Tx<'_>, key: &K) {
        tx.put(self.key(key), Octets::new());
    }
}

/// What became of a value that was to be written anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Anew {
    /// It has other octets now.
    pub(super) written: bool,
    /// It, or something in it, cannot be read.
    pub(super) damaged: bool,
}

/// The hour of a moment: what expires in one hour is swept together.
pub(super) fn hour(at: Steady) -> u64 {
    at.as_millis() / 3_600_000
}

/// Whether a table has all of these; what is no key is not there.
pub(super) fn points<K: Key, V>(
    tree: &Tree,
    to: &Table<K, V>,
    keys: impl IntoIterator<Item = Option<K>>,
) -> Fault {
    for key in keys {
        let there = match key {
            Some(key) => to.has(tree, &key)?,
            None => false,
        };
        if !there {
            return Ok(Some(NOT_THERE));
        }
    }
    Ok(None)
}

/// A table as the look at everything sees it when the store opens.
pub(super) trait Checked: Sync {
    /// The octet before its keys.
    fn octet(&self) -> u8;
    /// All of its keys.
    fn range(&self) -> Range<Vec<u8>>;
    /// Looks at a value: it is whole, and what other tables have of it fits.
    fn look(&self, tree: &Tree, key: &[u8], octets: &[u8]) -> Result<(), StoreError>;
}

impl<K: Key, V> Checked for Table<K, V> {
    fn octet(&self) -> u8 {
        self.octet
    }

    fn range(&self) -> Range<Vec<u8>> {
        self.all()
    }

    fn look(&self, tree: &Tree, key: &[u8], octets: &[u8]) -> Result<(), StoreError> {
        let value = self.value(tree.key(), key, octets)?;
        let fault = match self.age(key, &value) {
            Some(place) if !AGES.has(tree, &place)? => Some("its place among those that expire is not there"),
            _ => (self.sound)(tree, key, &value)?,
        };
        fault.map_or(Ok(()), |why| Err(self.damaged(key, why)))
    }
}
