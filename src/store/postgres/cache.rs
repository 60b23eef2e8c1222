//! What moves read of the database lately and what any host changed, for the moves to come: exact, since it is asked only in
//! a turn, in which nobody else commits, and whatever another host changed is taken up before that.

use std::collections::HashMap;

use super::super::engine::Overlay;

/// Octets of each generation.
const GENERATION: usize = 16 * 1024 * 1024;
/// What an entry costs beside its octets.
const BESIDE: usize = 64;

/// A record's value, or that there is none.
type Value = Option<Vec<u8>>;
type Known = HashMap<Vec<u8>, Value>;

/// Values as of one commit. What nobody asked for goes with its generation.
#[derive(Default)]
pub(super) struct Cache {
    /// The number of that commit.
    at: u64,
    young: Known,
    old: Known,
    octets: usize,
}

impl Cache {
    pub(super) fn new(at: u64) -> Self {
        Self { at, ..Self::default() }
    }

    /// What is known of a key as of a commit.
    pub(super) fn get(&mut self, at: u64, key: &[u8]) -> Option<Value> {
        if at != self.at {
            return None;
        }
        if let Some(known) = self.young.get(key) {
            return Some(known.clone());
        }
        let (key, known) = self.old.remove_entry(key)?;
        self.keep(key, known.clone());
        Some(known)
    }

    /// Takes in what was read as of a commit, unless others committed since.
    pub(super) fn read(&mut self, at: u64, key: &[u8], value: Option<&Vec<u8>>) {
        if at == self.at {
            self.keep(key.to_vec(), value.cloned());
        }
    }

    /// Goes on to the next commit, by whichever host.
    pub(super) fn committed(&mut self, at: u64, changes: Overlay) {
        self.at = at;
        for (key, value) in changes {
            self.old.remove(&key);
            self.keep(key, value);
        }
    }

    fn keep(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.octets += size(&key, value.as_ref());
        let length = key.len();
        if let Some(before) = self.young.insert(key, value) {
            self.octets = self.octets.saturating_sub(length + BESIDE + before.map_or(0, |value| value.len()));
        }
        if self.octets > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.octets = 0;
        }
    }
}

fn size(key: &[u8], value: Option<&Vec<u8>>) -> usize {
    key.len() + BESIDE + value.map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(key: &[u8], value: Option<&[u8]>) -> Overlay {
        Overlay::from([(key.to_vec(), value.map(<[u8]>::to_vec))])
    }

    #[test]
    fn it_knows_what_was_read_and_written() {
        let mut cache = Cache::new(7);
        assert_eq!(cache.get(7, b"a"), None);
        cache.read(7, b"a", Some(&b"1".to_vec()));
        cache.read(7, b"none", None);
        assert_eq!(cache.get(7, b"a"), Some(Some(b"1".to_vec())));
        assert_eq!(cache.get(7, b"none"), Some(None), "that there is none is known as well");
        cache.committed(8, changes(b"a", Some(b"2")));
        assert_eq!(cache.get(8, b"a"), Some(Some(b"2".to_vec())));
        cache.committed(9, changes(b"a", None));
        assert_eq!((cache.get(9, b"a"), cache.get(9, b"none")), (Some(None), Some(None)));
        // A turn that another host took meanwhile: what it read is of the past.
        cache.read(8, b"a", Some(&b"2".to_vec()));
        assert_eq!((cache.get(9, b"a"), cache.get(8, b"none")), (Some(None), None));
    }

    #[test]
    fn what_nobody_asks_for_goes() {
        let mut cache = Cache::new(1);
        let value = vec![0; 1024 * 1024];
        cache.read(1, b"kept", Some(&b"x".to_vec()));
        for n in 0..100_u8 {
            cache.read(1, &[n], Some(&value));
            assert_eq!(cache.get(1, b"kept"), Some(Some(b"x".to_vec())));
            assert!(cache.young.len() + cache.old.len() <= 2 * 17, "{n}");
        }
        assert_eq!((cache.get(1, &[0]), cache.get(1, &[99])), (None, Some(Some(value.clone()))));
        // The same key again and again is one entry.
        for _ in 0..100 {
            cache.committed(2, changes(b"again", Some(&value)));
            assert!(cache.octets <= GENERATION);
        }
        assert!(cache.get(2, b"kept").is_some());
    }
}
