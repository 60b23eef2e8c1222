//! After the key was replaced, all that is sealed is sealed anew, a few records at a time; the old keys go when nothing
//! stands under them any more. A start goes through all of it again, since nothing is written of how far it came: what
//! is sealed with the newest key is left alone.

use std::sync::Arc;
use std::time::Duration;

use super::effects::{Effect, Move};
use super::error::Result;
use super::inner::{Inner, Sealing};
use super::lock::locked;
use crate::clock::{Now, Steady};
use crate::store::SealedAnew;
use crate::trail::Audit;

/// Records that are looked at in one commit.
const AT_ONCE: usize = 64;
/// When to look again whether what was made with the old keys is written.
const DRAWN: Duration = Duration::from_millis(100);

impl Inner {
    /// Seals some records anew. Answers when to go on.
    pub(super) async fn seal_anew(self: &Arc<Self>, now: Now) -> Result<Option<Steady>> {
        let (epoch, wanted) = {
            let ring = self.key.ring();
            (ring.epoch(), ring.is_sealing_anew())
        };
        if !wanted {
            return Ok(None);
        }
        let known = locked(&self.sealing).clone();
        let begins = known.of != Some(epoch);
        if begins {
            // What is not written yet would be passed over.
            if self.key.is_drawn_from_before() {
                return Ok(Some(now.steady().plus(DRAWN)));
            }
        }
        let from = if begins { SealedAnew::default() } else { known.anew };
        let step = move |mv: &mut Move<'_, '_>| {
            let anew = mv.tx.seal_anew(mv.key, from, AT_ONCE)?;
            // Another rotation may have come first: then all begins again.
            let ends = anew.is_done() && mv.key.ring().epoch() == epoch;
            if ends {
                mv.end_turn(&anew)?;
            }
            Ok((anew, ends))
        };
        let (anew, ended) = self.make_in_turn(step).await?;
        // After another rotation meanwhile, this is of no use, and the next step begins again.
        *locked(&self.sealing) = Sealing { anew, of: Some(epoch) };
        Ok((!ended).then_some(now.steady()))
    }

    /// Forgets the keys under which no code and no event stands any more.
    pub(super) async fn trim_keys(self: &Arc<Self>, now: Now) -> Result<()> {
        let [_, digests, trail] = self.key.ring().older();
        if digests + trail == 0 {
            return Ok(());
        }
        let trim = move |mv: &mut Move<'_, '_>| {
            if let Some(ring) = mv.tx.trim_keys(mv.key, now.steady())? {
                mv.key.replace(mv.key.master(), ring);
            }
            Ok(())
        };
        self.make_in_turn(trim).await
    }
}

impl Move<'_, '_> {
    /// All is sealed with the newest key.
    fn end_turn(&mut self, anew: &SealedAnew) -> Result<()> {
        let ring = self.tx.end_turn(self.key)?;
        let (rotations, SealedAnew { count, damaged, .. }) = (ring.epoch(), anew);
        self.key.replace(self.key.master(), ring);
        tracing::info!(
            rotations,
            records = count,
            damaged,
            "all is sealed with the new key: {count} records, {damaged} damaged"
        );
        let detail = match damaged {
            0 => format!("rotation {rotations}: {count} records"),
            _ => format!("rotation {rotations}: {count} records; {damaged} are damaged and cannot be opened"),
        };
        let action = "key_resealed".to_owned();
        self.then(Effect::Audit(Audit { action, to: None, detail, count: 1 }));
        Ok(())
    }
}
