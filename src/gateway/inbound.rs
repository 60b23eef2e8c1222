//! What modems receive: taken, listed, forgotten.

use std::sync::Arc;

use super::effects::Move;
use super::error::{GatewayError, Result};
use super::inner::{Gateway, Inner};
use super::intake;
use super::piece::{self, Handed};
use super::request::InboxFilter;
use super::view::{InboxView, Page};
use crate::clock::Now;
use crate::id::InboxId;
use crate::inbox::{Content, Entry};
use crate::outbox::SimNames;
use crate::secret::Secret;
use crate::store::InboxRecords as _;

/// Octets of texts after which a page ends, whatever its limit says.
const PAGE_OCTETS: usize = 4 * 1024 * 1024;
/// Received messages forgotten in one commit.
const SWEEP_AT_ONCE: usize = 200;

impl Gateway {
    /// Takes what a modem received: SMSC field and TPDU. When this returns `Ok`, it is on disk, or was before, and
    /// the modem may forget it. `sim` is what the SIM told that it was read from. What it is stands in its first
    /// octet, whatever the modem called it: a status report goes its own way, and octets that are no message are
    /// kept as such, so that nothing blocks the modem's storage.
    pub async fn received(&self, modem: &str, sim: &SimNames, pdu: &Secret<Vec<u8>>) -> Result<()> {
        let source = self.0.source(modem, sim);
        match piece::read(pdu.expose()) {
            Handed::Silent => {
                tracing::debug!(modem, "a silent message (type 0) was dropped");
                Ok(())
            }
            Handed::Report(report) => self.0.take_report(source, *report).await,
            Handed::Piece(piece) => {
                let pdu = pdu.clone();
                self.0.perform(move |mv| mv.take(&source, pdu.expose(), *piece)).await
            }
            Handed::Unreadable(why) => {
                tracing::warn!(
                    modem,
                    "{modem} received octets that are no message, kept in the inbox as they are: {why}"
                );
                let pdu = pdu.clone();
                self.0.perform(move |mv| mv.take_unreadable(&source, pdu.expose(), why)).await
            }
        }
    }

    /// Received messages, newest first.
    pub async fn inbox(&self, filter: InboxFilter) -> Result<Page<InboxView>> {
        let limit = filter.limit.clamp(1, 1000);
        let found = self.0.store.read(move |view| view.inbox(limit + 1, filter.before)).await??;
        let mut more = found.len() > limit;
        let mut octets = 0;
        let mut items = Vec::new();
        for entry in found.iter().take(limit) {
            octets += entry.body.as_bytes().len();
            if octets > PAGE_OCTETS && !items.is_empty() {
                more = true;
                break;
            }
            items.push(self.0.inbox_view(entry)?);
        }
        let next = items.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items, next })
    }

    /// Forgets a received message; answers it for the last time.
    pub async fn delete_inbox(&self, id: InboxId) -> Result<InboxView> {
        let gone = self.0.perform(move |mv| Ok(mv.tx.delete_inbox(id)?)).await?;
        self.0.inbox_view(&gone.ok_or(GatewayError::NotFound("received message"))?)
    }
}

impl Inner {
    /// Forgets a batch of what was received long enough ago, and gives up what waited too long for its parts.
    /// Tells whether there is more.
    pub(super) async fn sweep_inbox(self: &Arc<Self>, now: Now) -> Result<bool> {
        let cutoff = now.steady().minus(self.settings().keep_inbox);
        let too_long = now.steady().minus(intake::limits().timeout);
        self.make_in_turn(move |mv| mv.give_up_before(too_long)).await?;
        let forget = move |mv: &mut Move<'_, '_>| {
            let old = mv.tx.inbox_before(cutoff, SWEEP_AT_ONCE)?;
            for id in &old {
                mv.tx.delete_inbox(*id)?;
            }
            Ok(old.len())
        };
        Ok(self.make_in_turn(forget).await? >= SWEEP_AT_ONCE)
    }

    fn inbox_view(&self, entry: &Entry) -> Result<InboxView> {
        let plain = self
            .key
            .unseal(&entry.id.to_bytes(), &entry.body)
            .map_err(|e| GatewayError::Internal(e.to_string()))?;
        let mut view = InboxView::without_body(entry);
        match entry.content {
            Content::Text => {
                view.text = Some(Secret::new(String::from_utf8_lossy(plain.expose()).into_owned()));
            }
            Content::Data | Content::Unreadable(_) => view.data = Some(plain),
        }
        Ok(view)
    }
}
