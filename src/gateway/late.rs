//! What a modem owes: the answer to a send that was given up may come still, also after a restart of the daemon, and is
//! not taken for that of the next message.

use std::time::Duration;

use super::effects::Move;
use super::error::Result;
use super::inner::{Inner, Slot};
use super::lock::locked;
use super::submit::Control;
use crate::clock::{Now, Steady};
use crate::outbox::Message;
use crate::store::Records as _;

/// How long a modem that was given up may still answer: a session expects it as long.
const ANSWERS_LATE: Duration = Duration::from_secs(300);

impl Move<'_, '_> {
    /// This modem did not answer, and may do so still: also after a restart of the daemon.
    pub(super) fn answers_late(&mut self, modem: &str) {
        self.tx.put_meta(&late(modem), &self.now.steady().as_millis().to_be_bytes());
    }
}

impl Inner {
    /// The results of what was on the air when the daemon stopped may still come.
    pub(super) async fn expect_late(&self, m: &Message) {
        let modems = m.modem.iter().chain(m.twins.iter().map(|twin| &twin.modem));
        for slot in modems.filter_map(|name| self.slot(name).ok()) {
            locked(&slot.doubt).arises(m.id, m.first_part(slot.modem.name()));
            expect_late_of(slot).await;
        }
    }

    /// And so may those of what had been given up shortly before.
    pub(super) async fn recall_late(&self, now: Now) -> Result<()> {
        for slot in &self.slots {
            let name = late(slot.modem.name());
            let kept = self.store.read(move |view| view.meta(&name)).await??;
            let at = kept.and_then(|octets| octets.try_into().ok()).map(u64::from_be_bytes);
            if at.is_some_and(|at| now.steady().since(Steady::from_millis(at)) < ANSWERS_LATE) {
                expect_late_of(slot).await;
            }
        }
        Ok(())
    }
}

/// What the store calls the time of a modem's last send without an answer.
fn late(modem: &str) -> String {
    format!("late {modem}")
}

async fn expect_late_of(slot: &Slot) {
    // One that cannot be told expects nothing.
    let _ = slot.modem.control(Control::ExpectLate).await;
}
