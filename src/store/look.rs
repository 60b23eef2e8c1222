//! The look at every record after a start: each is whole, what other tables have of it fits, and the sum of all is the one
//! that was noted (`content`).
//!
//! It goes table by table and may stop behind any record and go on later, while changes are carried over: of the records
//! that it has passed it keeps the sum as it is now. So a large store need not be looked through before it serves.

use super::StoreError;
use super::content::{self, Passed};
use super::engine::{Order, after};
use super::records::Records as _;
use super::tables::{ALL, FORMER};
use super::tree::Tree;

/// Records that are looked at in one go: changes wait that long.
const SOME: usize = 256;

/// Looks at some more records, and at the end whether they are all that must be here; the first fault ends it. Answers
/// whether that was all. Between two calls changes may be carried over.
pub(super) fn look_on(tree: &Tree) -> Result<bool, StoreError> {
    let mut passed = tree.passed();
    if passed.torn {
        return Ok(false);
    }
    if !look_at_some(tree, &mut passed)? {
        return Ok(false);
    }
    tree.compare(passed.weights).map(|()| true)
}

/// Looks at some more records. Answers whether that was all.
pub(super) fn look_at_some(tree: &Tree, passed: &mut Passed) -> Result<bool, StoreError> {
    let Some(table) = ALL.iter().chain(&FORMER).nth(passed.tables.len()) else { return Ok(true) };
    let all = table.range();
    let from = std::mem::take(&mut passed.upto).max(all.start);
    let (mut count, mut seen) = (0, Ok(()));
    tree.scan(from..all.end, Order::Ascending, &mut |key, octets| {
        // A scan touches each page once, and sled evicts none before a shard of its cache counted 64
        // touches: without this one for each record, all that was ever kept would stay in memory.
        seen = table.look(tree, key, octets).and_then(|()| tree.load(key).map(drop));
        passed.weights = passed.weights.wrapping_add(content::weight(key, octets));
        passed.upto = after(key);
        count += 1;
        seen.is_ok() && count < SOME
    })?;
    seen?;
    if count < SOME {
        passed.tables.push(table.octet());
        passed.upto.clear();
    }
    Ok(passed.tables.len() == ALL.len() + FORMER.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::engine::Overlay;
    use super::super::tables::META;
    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path(), 1 << 20, Duration::ZERO).unwrap_or_else(|_| panic!("a tree"));
        (dir, tree)
    }

    fn change(key: u16, value: Option<u8>) -> (Vec<u8>, Option<Vec<u8>>) {
        (META.key(&format!("{key:05}").into_bytes()), value.map(|octet| vec![octet; 9]))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Whatever is carried over between two steps of the look, the sum that it comes to is that of what is there.
        #[test]
        fn changes_meanwhile_count_once(
            commits in proptest::collection::vec(
                proptest::collection::vec((0_u16..2000, proptest::option::of(any::<u8>())), 1..60), 1..24),
        ) {
            let (_dir, tree) = tree();
            let first: Overlay = (0..1500).map(|key| change(key, Some(1))).collect();
            tree.absorb(&first, 1).unwrap();
            prop_assert!((0..100).any(|_| look_on(&tree).unwrap()), "an older store gets its sum");
            let mut looked = false;
            *tree.passed() = Passed::default();
            for (commit, last) in commits.into_iter().zip(2..) {
                looked |= look_on(&tree).unwrap();
                tree.absorb(&commit.into_iter().map(|(key, value)| change(key, value)).collect(), last).unwrap();
            }
            prop_assert!(looked || (0..100).any(|_| look_on(&tree).unwrap()));
        }
    }

    #[test]
    fn a_record_that_is_not_the_one_that_was_carried_over_is_found() {
        let (_dir, tree) = tree();
        tree.absorb(&(0..1500).map(|key| change(key, Some(1))).collect(), 1).unwrap();
        while !look_on(&tree).unwrap() {}
        *tree.passed() = Passed::default();
        assert_eq!(look_on(&tree), Ok(false), "it has begun");
        // As sled does when it comes back with an older page: no change tells of it.
        tree.lose(&change(1400, None).0);
        let found = (0..100).find_map(|_| look_on(&tree).err());
        assert_eq!(
            found.unwrap().to_string(),
            "sled does not have all that was carried over to it; repair the disk, then restart the daemon"
        );
    }
}
