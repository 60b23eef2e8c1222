//! A scan through changes that lie over a base: the changes win, deleted keys are left out.

use std::cmp::Ordering;
use std::ops::{Bound, Range};

use super::StoreError;
use super::engine::{Order, Overlay, Pair, after};

/// At most `limit` pairs of `range`, in `order`, of `over` laid over what `base` scans.
pub(super) fn scan(
    over: &Overlay,
    range: Range<&[u8]>,
    order: Order,
    limit: usize,
    base: impl Fn(Range<&[u8]>, usize) -> Result<Vec<Pair>, StoreError>,
) -> Result<Vec<Pair>, StoreError> {
    if over.is_empty() {
        return base(range, limit);
    }
    let mut out = Vec::new();
    let (mut start, mut end) = (range.start.to_vec(), range.end.to_vec());
    while out.len() < limit && start < end {
        let wanted = limit - out.len();
        let below = base(&start..&end, wanted)?;
        let exhausted = below.len() < wanted;
        // Changes beyond the last pair of the base wait until the base is known there too.
        let (from, to) = match (below.last(), order) {
            (Some((last, _)), Order::Ascending) if !exhausted => (start, after(last)),
            (Some((last, _)), Order::Descending) if !exhausted => (last.clone(), end),
            _ => (start, end),
        };
        let changes = over.range::<[u8], _>((Bound::Included(&*from), Bound::Excluded(&*to)));
        match order {
            Order::Ascending => merge(&mut out, limit, below, changes, Ord::cmp),
            Order::Descending => merge(&mut out, limit, below, changes.rev(), |a, b| b.cmp(a)),
        }
        if exhausted {
            break;
        }
        (start, end) = match order {
            Order::Ascending => (to, range.end.to_vec()),
            Order::Descending => (range.start.to_vec(), from),
        };
    }
    Ok(out)
}

fn merge<'a>(
    out: &mut Vec<Pair>,
    limit: usize,
    below: Vec<Pair>,
    changes: impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)>,
    compare: impl Fn(&[u8], &[u8]) -> Ordering,
) {
    let mut below = below.into_iter().peekable();
    let mut changes = changes.peekable();
    while out.len() < limit {
        let first = match (below.peek(), changes.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((b, _)), Some((c, _))) => compare(b, c),
        };
        if first.is_le() {
            let pair = below.next();
            if first.is_lt() {
                out.extend(pair);
            }
        }
        if first.is_ge()
            && let Some((key, Some(value))) = changes.next()
        {
            out.push((key.clone(), value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn scans_as_one_map_would(
            base in proptest::collection::btree_map(proptest::collection::vec(0_u8..4, 1..3), any::<u8>().prop_map(|b| vec![b]), 0..12),
            over in proptest::collection::btree_map(proptest::collection::vec(0_u8..4, 1..3), proptest::option::of(any::<u8>().prop_map(|b| vec![b])), 0..12),
            from in proptest::collection::vec(0_u8..4, 0..3),
            to in proptest::collection::vec(0_u8..5, 0..3),
            limit in 0_usize..14,
            forward: bool,
        ) {
            let order = if forward { Order::Ascending } else { Order::Descending };
            let scan_map = |map: &BTreeMap<Vec<u8>, Vec<u8>>, r: Range<&[u8]>, limit: usize| -> Vec<Pair> {
                let mut all: Vec<Pair> = map.iter().filter(|(k, _)| r.contains(&k.as_slice())).map(|(k, v)| (k.clone(), v.clone())).collect();
                if !forward { all.reverse(); }
                all.truncate(limit);
                all
            };
            let mut whole = base.clone();
            for (key, value) in &over {
                match value {
                    Some(value) => { whole.insert(key.clone(), value.clone()); }
                    None => { whole.remove(key); }
                }
            }
            let got = scan(&over, &from..&to, order, limit, |r, l| Ok(scan_map(&base, r, l))).unwrap();
            prop_assert_eq!(got, scan_map(&whole, &from..&to, limit));
        }
    }
}
