//! What an issue asks the store for is read ahead, where the records are far.

use std::collections::BTreeSet;
use std::ops::Range;

use super::*;
use crate::store::{Engine, Memory, Order, Overlay, Pair, Rehearsed, StoreError};

/// Records that are far: it notes which keys a move asked for that were not known when its turn came.
#[derive(Default)]
struct Far {
    memory: Memory,
    known: Mutex<BTreeSet<Vec<u8>>>,
    alone: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Engine for Far {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.load(key)
    }

    fn load_in_turn(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if locked(&self.known).insert(key.to_vec()) {
            locked(&self.alone).push(key.to_vec());
        }
        self.memory.load(key)
    }

    fn is_far(&self) -> bool {
        true
    }

    fn read_ahead(&self, keys: &Rehearsed) {
        locked(&self.known).extend(keys.iter().map(<[u8]>::to_vec));
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.memory.chunk(range, order, limit)
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        locked(&self.known).extend(changes.keys().cloned());
        self.memory.commit(changes)
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn an_issue_for_a_new_number_asks_for_nothing_that_was_not_read_ahead() {
    let far = Far::default();
    let alone = Arc::clone(&far.alone);
    let store = Store::over(Arc::new(far), Duration::ZERO);
    let settings = Settings { limits: Limits::default(), pumping: Pumping::default(), ..settings() };
    let world = World::of_sims(vec![card("a sim")], settings, store, Clock::manual(START)).await;
    // The first message stays on the air, and nothing else happens meanwhile.
    let _held = world.hold(0, Outcome::Accepted { references: vec![1] });
    let issue = async |to: &str| {
        let wanted = IssueRequest { idempotency_key: Some(format!("the key for {to}")), ..request(to) };
        world.gateway.issue(&Caller::default(), wanted).await.unwrap();
    };
    issue("+41791234567").await;
    assert!(!locked(&alone).is_empty(), "what all issues ask for");
    locked(&alone).clear();
    issue("+41781234568").await;
    let asked: Vec<_> = locked(&alone).iter().map(|key| crate::hex::encode(key)).collect();
    assert!(asked.is_empty(), "{asked:?}");
}
