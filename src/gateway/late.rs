//! What a modem owes: the answer to a send that was given up may come still, also after a restart of the daemon, and is
//! not taken for that of the next message.

use std::time::Duration;

use super::effects::Move;
use super::error::Result;
use super::inner::Inner;
use super::lock::locked;
use super::submit::Control;
use crate::clock::{Now, Steady};
use crate::id::MessageId;
use crate::outbox::Message;
use crate::store::Records;

/// How long a modem that was given up may still answer: a session expects it as long.
const ANSWERS_LATE: Duration = Duration::from_secs(300);

/// What a modem may still answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owed {
    /// When that became known.
    at: Steady,
    /// The message and its part; none: several messages.
    of: Option<(MessageId, u8)>,
}

impl Owed {
    /// What the store has, as long as it counts.
    fn read(from: &(impl Records + ?Sized), modem: &str, now: Now) -> Result<Option<Self>> {
        let Some(octets) = from.meta(&late(modem))? else { return Ok(None) };
        let Some((at, of)) = octets.split_first_chunk() else { return Ok(None) };
        let of =
            of.split_last().and_then(|(part, id)| Some((MessageId::from_bytes(id.try_into().ok()?), *part)));
        let owed = Self { at: Steady::from_millis(u64::from_be_bytes(*at)), of };
        Ok(Some(owed).filter(|owed| now.steady().since(owed.at) < ANSWERS_LATE))
    }
}

impl Move<'_, '_> {
    /// This modem did not answer for this part, or may not have, and may do so still: also after a restart of the daemon.
    pub(super) fn answers_late(&mut self, modem: &str, id: MessageId, part: u8) -> Result<()> {
        let known = Owed::read(self.tx, modem, self.now)?;
        let alone = known.is_none_or(|owed| owed.of.is_some_and(|(other, _)| other == id));
        let mut octets = self.now.steady().as_millis().to_be_bytes().to_vec();
        if alone {
            octets.extend(id.to_bytes());
            octets.push(part);
        }
        self.tx.put_meta(&late(modem), &octets);
        Ok(())
    }

    /// A message was found on the air: all that have it may answer.
    pub(super) fn found_on_air(&mut self, m: &Message) -> Result<()> {
        let modems = m.modem.iter().chain(m.twins.iter().map(|twin| &twin.modem));
        modems.into_iter().try_for_each(|modem| self.answers_late(modem, m.id, m.first_part(modem)))
    }
}

impl Inner {
    /// What was known before the start: the modems may still answer, and each answer belongs to its message alone.
    pub(super) async fn recall_late(&self) -> Result<()> {
        let now = self.now();
        for slot in &self.slots {
            let name = slot.modem.name().to_owned();
            if let Some(owed) = self.store.read(move |view| Owed::read(view, &name, now)).await?? {
                locked(&slot.doubt).recalled(owed.of);
                // One that cannot be told expects nothing.
                let _ = slot.modem.control(Control::ExpectLate).await;
            }
        }
        Ok(())
    }
}

/// What the store calls the time of a modem's last send without an answer.
fn late(modem: &str) -> String {
    format!("late {modem}")
}
