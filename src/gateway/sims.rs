//! Which SIM something came from, whatever names that SIM told this time.

use std::sync::Arc;

use super::effects::Move;
use super::error::Result;
use super::inner::{Inner, Slot};
use super::lock::locked;
use crate::outbox::{Home, Ledger, Periods, Recipients, SimNames};
use crate::store::{KnownSim, NameRecords as _, Records as _, StoreError};

/// Where something was handed over.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) modem: String,
    /// What the SIM told of itself.
    names: SimNames,
    /// The SIM that was last seen in the modem: one that tells no name for a while is still that one.
    last: Option<String>,
}

impl Inner {
    /// What is handed over by a modem whose SIM told these names.
    pub(super) fn source(&self, modem: &str, names: &SimNames) -> Source {
        let last = self.index(modem).ok().and_then(|index| locked(&self.queue).sim(index));
        Source { modem: modem.to_owned(), names: names.clone(), last }
    }

    /// The SIM, and what is kept of it.
    pub(super) async fn counts(self: &Arc<Self>, source: Source) -> Result<(KnownSim, Ledger, Recipients)> {
        let now = self.now();
        self.make_in_turn(move |mv| {
            let (sim, month) = (mv.sim(&source)?, Periods::of(now).month);
            let recipients = Recipients::new(month, mv.tx.recipients_of(mv.key, &sim, month)?);
            let mut ledger = mv.tx.join_ledgers(mv.key, &sim)?;
            if let Some(home) = source.names.imsi.as_deref().map(Home::of)
                && home != ledger.home
            {
                ledger.home = home;
                mv.tx.put_ledger(&sim.identity, &ledger)?;
            }
            Ok((sim, ledger, recipients))
        })
        .await
    }

    /// Where the SIMs are at home that were last seen in the modems, and how long a part took there: before a modem is
    /// ready, promises go by that.
    pub(super) async fn recall_homes(self: &Arc<Self>) -> Result<()> {
        let inner = Arc::clone(self);
        let ledgers = self.store.read(move |view| {
            let ledger = |slot: &Slot| {
                let sim = view.last_sim(&inner.key, slot.modem.name())?;
                sim.map_or(Ok(Ledger::default()), |sim| view.ledger(&sim.identity))
            };
            inner.slots.iter().map(ledger).collect::<std::result::Result<Vec<_>, StoreError>>()
        });
        for (index, ledger) in ledgers.await??.into_iter().enumerate() {
            let mut pool = locked(&self.queue);
            pool.set_home(index, ledger.home);
            pool.recall_pace(index, ledger.part);
        }
        Ok(())
    }
}

impl Move<'_, '_> {
    /// The SIM of a source. When two of its names are found to be one SIM's, what waits under either comes together:
    /// parts of a message, and reports with their messages.
    pub(super) fn sim(&mut self, source: &Source) -> Result<KnownSim> {
        if let Some(identity) = source.last.as_deref().filter(|_| source.names.is_empty()) {
            return Ok(self.tx.sim_called(self.key, identity)?);
        }
        let sim = self.tx.join_sim(self.key, &source.modem, &source.names)?;
        if !sim.joined.is_empty() {
            self.gather(&sim)?;
            self.claim_reports(&sim)?;
        }
        Ok(sim)
    }
}
