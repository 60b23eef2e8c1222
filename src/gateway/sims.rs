//! Which SIM something came from, whatever names that SIM told this time.

use super::intake::{Desk, Origin};
use super::{GatewayError, Inner, SimNames, locked, reports};
use crate::inbox::{Assembly, Tag};
use crate::outbox::{Ledger, Periods, Recipients};
use crate::store::{InboxRecords as _, KnownSim, NameRecords as _};

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
    pub(super) async fn counts(
        &self,
        source: Source,
    ) -> Result<(KnownSim, Ledger, Recipients), GatewayError> {
        let month = Periods::of(self.clock.now()).month;
        self.at_desk(move |desk| {
            let sim = desk.sim(&source)?;
            let recipients = Recipients::new(month, desk.tx.recipients_of(desk.key, &sim, month)?);
            let ledger = desk.tx.join_ledgers(desk.key, &sim)?;
            Ok((sim, ledger, recipients))
        })
        .await
    }
}

impl Desk<'_, '_> {
    /// The SIM of a source. When two of its names are found to be one SIM's, what waits under either comes together:
    /// parts of a message, and reports with their messages.
    pub(super) fn sim(&mut self, source: &Source) -> Result<KnownSim, GatewayError> {
        if let Some(identity) = source.last.as_deref().filter(|_| source.names.is_empty()) {
            return Ok(self.tx.sim_called(self.key, identity)?);
        }
        let sim = self.tx.join_sim(self.key, &source.modem, &source.names)?;
        if !sim.joined.is_empty() {
            self.gather(&sim)?;
            reports::claim(self, &sim)?;
        }
        Ok(sim)
    }

    /// The parts that wait under any name of a SIM are put down under its identity, as if each came now but for the
    /// time from which it waits.
    fn gather(&mut self, sim: &KnownSim) -> Result<(), GatewayError> {
        let mut waiting: Vec<(Tag, Assembly)> = Vec::new();
        for (tag, assembly) in self.tx.assemblies()? {
            let of = self.sim_of(&tag, &assembly)?;
            if sim.names().any(|name| name == of) {
                waiting.push((tag, assembly));
            }
        }
        // A reference may have come round: the older message gives way to the newer one, not the other way about.
        waiting.sort_by_key(|(_, assembly)| assembly.since);
        let mut parts = Vec::new();
        for (tag, assembly) in waiting {
            for (_, pdu, piece) in self.parts(&tag, &assembly)? {
                parts.push((assembly.modem.clone(), assembly.since, pdu, piece));
            }
            self.tx.delete_assembly(&tag)?;
        }
        for (modem, since, pdu, piece) in parts {
            if let Some(place) = piece.place {
                self.join(&Origin { modem: &modem, sim, since }, pdu.expose(), piece, place)?;
            }
        }
        Ok(())
    }
}
