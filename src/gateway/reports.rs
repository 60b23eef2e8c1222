//! Delivery reports (3GPP TS 23.040 clause 9.2.2.3): which message each tells of, and what it means for it.
//!
//! A report names its message by the SIM that sent it, the TP-MR and the recipient. That is written down when a
//! part was taken; a report that comes before is kept until then. A send whose outcome is unknown is credited by a
//! report to its recipient, instead of going out again.

use std::sync::Arc;
use std::time::Duration;

use super::effects::Move;
use super::error::Result;
use super::inner::Inner;
use super::piece;
use super::sims::Source;
use crate::clock::{Now, Timestamp};
use crate::id::MessageId;
use crate::inbox::Tag;
use crate::outbox::{self, Awaited, End, Event, Message, MessageStatus, Noted, PartState, Report};
use crate::secret::Key;
use crate::store::{KnownSim, Records as _, ReportRecords as _};

/// How long a report may take to come.
const AWAITED: Duration = Duration::from_secs(7 * 86_400);
/// How long a report waits for its message, and how many may.
const HELD: Duration = Duration::from_secs(86_400);
const MOST_HELD: usize = 256;
/// How far the service centre's clock may be behind ours.
const CLOCKS: Duration = Duration::from_secs(3600);

impl Inner {
    pub(super) async fn take_report(
        self: &Arc<Self>,
        source: Source,
        status: gsm_sms::StatusReport,
    ) -> Result<()> {
        let (modem, said) = (source.modem.clone(), status.status.meaning());
        let matched = self.perform(move |mv| mv.take_report(&source, &status)).await?;
        self.metrics.report(matched);
        tracing::debug!(modem, said, matched, "a delivery report");
        Ok(())
    }
}

/// What the end of a send made of its message.
#[derive(Debug)]
pub(super) struct Settled {
    /// Where it stood before.
    pub(super) was: MessageStatus,
    /// Each state that it went through; none when its state did not take the end.
    pub(super) states: Vec<Message>,
}

impl Move<'_, '_> {
    /// Takes a report; tells whether its message was found.
    fn take_report(&mut self, source: &Source, told: &gsm_sms::StatusReport) -> Result<bool> {
        let (sim, key) = (self.sim(source)?, self.key);
        if self.came_before(&sim, |name| known_as(key, name, told))? {
            return Ok(true);
        }
        let (tag, _) = known_as(key, &sim.identity, told);
        let report = Report {
            modem: source.modem.clone(),
            sim: sim.identity,
            reference: told.message_reference,
            recipient: told.recipient.to_string(),
            sent_at: piece::instant(told.timestamp),
            ended_at: piece::instant(told.discharge_time),
            came_at: self.now.steady(),
            state: state(told.status),
        };
        let Some(states) = self.credit(&report)? else {
            self.hold(&report, &tag)?;
            return Ok(false);
        };
        self.went_through(&report.modem, &states);
        Ok(true)
    }

    /// Looks again for the messages of the reports that came when a SIM was known by fewer names.
    pub(super) fn claim_reports(&mut self, sim: &KnownSim) -> Result<()> {
        for (key, report) in self.tx.held()? {
            if sim.names().any(|name| name == report.sim)
                && let Some(states) = self.credit(&report)?
            {
                self.tx.delete_held(&key)?;
                self.went_through(&report.modem, &states);
            }
        }
        Ok(())
    }

    /// One event of a send, what is to be expected after it, and what reports that came before say.
    pub(super) fn settle(&mut self, id: MessageId, event: &Event, sim: Option<&str>) -> Result<Settled> {
        let nothing = Settled { was: MessageStatus::Cancelled, states: Vec::new() };
        let Some(before) = self.tx.message(id)? else { return Ok(nothing) };
        let was = before.status;
        let Some(m) = self.happened_to(before.clone(), event.clone(), self.now)? else {
            return Ok(Settled { was, ..nothing });
        };
        if m.report || m.parts > 1 {
            self.remember_sender(id, event, sim)?;
        }
        if !m.report {
            return Ok(Settled { was, states: vec![m] });
        }
        self.expect_reports(&before, event)?;
        let of_it: Vec<_> = self.tx.held()?.into_iter().filter(|(_, report)| tells_of(report, &m)).collect();
        let mut states = vec![m];
        for (key, report) in of_it {
            if self.find(&report)?.is_none_or(|m| m.id != id) {
                continue;
            }
            if let Some(more) = self.credit(&report)? {
                self.tx.delete_held(&key)?;
                states.extend(more);
            }
        }
        // A report may have come while other parts were still to go.
        if let (Some(m), Some(awaited)) = (states.last(), self.tx.awaited(id)?) {
            states.extend(self.conclude(m, &awaited, None)?);
        }
        Ok(Settled { was, states })
    }

    /// Writes down which SIM took parts of a message under which references: its reports name them, and the rest of it
    /// goes through the same SIM.
    fn remember_sender(&mut self, id: MessageId, event: &Event, sim: Option<&str>) -> Result<()> {
        let (modem, references) = match event {
            Event::Ended { modem, end } => (modem, end.references()),
            Event::LateAccepted { modem, reference, .. } => (modem, std::slice::from_ref(reference)),
            _ => return Ok(()),
        };
        for &reference in references {
            let until = self.now.steady().plus(AWAITED);
            self.tx.put_expected(sim.unwrap_or(modem), Some(reference), id, until)?;
        }
        Ok(())
    }

    /// Writes down of which parts reports may come, after an event of a message that stood as `m` before it.
    fn expect_reports(&mut self, m: &Message, event: &Event) -> Result<()> {
        let until = self.now.steady().plus(AWAITED);
        let mut awaited = self.tx.awaited(m.id)?.unwrap_or_else(|| Awaited::new(m.id));
        let known = awaited.clone();
        // The sends whose last part is in doubt, by modem.
        let mut doubts: Vec<(&str, u8)> = Vec::new();
        match event {
            Event::Ended { modem, end } => {
                let mut part = m.first_part(modem);
                for &reference in end.references() {
                    awaited.sent(part, reference);
                    part = part.saturating_add(1);
                }
                if matches!(end, End::Unknown { .. }) {
                    doubts.push((modem, part));
                }
            }
            Event::LateAccepted { part, reference, .. } => awaited.sent_after_all(*part, *reference),
            Event::FoundSending => {
                doubts.push((m.modem.as_deref().unwrap_or_default(), m.parts_done));
                doubts.extend(m.twins.iter().map(|twin| (twin.modem.as_str(), twin.first)));
            }
            _ => {}
        }
        for (modem, part) in doubts {
            awaited.perhaps_sent(part, m.reference.wrapping_add(part));
            self.tx.put_expected(modem, None, m.id, until)?;
        }
        if awaited != known {
            self.tx.put_awaited(&awaited, until)?;
        }
        Ok(())
    }

    /// Writes a report down at the message that it tells of, and answers each state that this brings it to; nothing
    /// when there is no such message yet.
    fn credit(&mut self, report: &Report) -> Result<Option<Vec<Message>>> {
        let Some(m) = self.find(report)? else { return Ok(None) };
        if m.status == MessageStatus::Sending {
            // Its twin or a further part is on the air: the report waits for the outcome.
            return Ok(None);
        }
        let Some(mut awaited) = self.tx.awaited(m.id)? else { return Ok(Some(Vec::new())) };
        let Some(noted) = awaited.note(report.reference, report.state) else { return Ok(Some(Vec::new())) };
        let until = self.now.steady().plus(AWAITED);
        self.tx.put_awaited(&awaited, until)?;
        let mut states = Vec::new();
        let mut after = m;
        if let Noted::Doubtful { part } = noted {
            self.tx.put_expected(&report.sim, Some(report.reference), after.id, until)?;
            let (modem, reference) = (report.modem.clone(), report.reference);
            let event = Event::LateAccepted { modem, part, reference };
            let credited = self.happened_to(after.clone(), event, self.now)?;
            // That it went out more than once is nothing to tell.
            let news = |m: &Message| (m.status, m.parts_done) != (after.status, after.parts_done);
            states.extend(credited.clone().filter(news));
            after = credited.unwrap_or(after);
        }
        states.extend(self.conclude(&after, &awaited, report.ended_at)?);
        Ok(Some(states))
    }

    /// The end of a message, when the reports of all its parts say one.
    fn conclude(
        &mut self,
        m: &Message,
        awaited: &Awaited,
        ended_at: Option<Timestamp>,
    ) -> Result<Option<Message>> {
        let event = match awaited.overall(m.parts) {
            PartState::Open => return Ok(None),
            PartState::Delivered => Event::Reported { delivered: true, reason: None },
            PartState::Failed(status) => {
                let reason = Some(gsm_sms::Status(status).meaning().to_owned());
                Event::Reported { delivered: false, reason }
            }
        };
        // The service centre's clock is believed between what is known here for certain.
        let now = self.now.wall();
        let earliest = m.sent_at.unwrap_or(m.created_at).min(now);
        let at = Now::new(ended_at.unwrap_or(now).clamp(earliest, now), self.now.steady());
        match self.tx.message(m.id)? {
            Some(m) => self.happened_to(m, event, at),
            None => Ok(None),
        }
    }

    /// The message that a report tells of.
    fn find(&self, report: &Report) -> Result<Option<Message>> {
        let mut ids = self.tx.expected_of_sim(&report.sim, report.reference)?;
        if report.modem != report.sim {
            // Sent before the SIM was known.
            ids.extend(self.tx.expected(&report.modem, Some(report.reference))?);
        }
        // References come round every 256 parts: the nearest in time is meant, without a time the newest.
        let distance = |m: &Message| {
            let sent_at = m.sent_at.unwrap_or(m.created_at);
            report.sent_at.map_or(Duration::ZERO, |at| at.since(sent_at).max(sent_at.since(at)))
        };
        let mut best: Option<Message> = None;
        for id in ids {
            let Some(m) = self.tx.message(id)?.filter(|m| m.report && tells_of(report, m)) else { continue };
            if best.as_ref().is_none_or(|known| distance(&m) <= distance(known)) {
                best = Some(m);
            }
        }
        match best {
            Some(m) => Ok(Some(m)),
            None => self.find_doubtful(report),
        }
    }

    /// The message whose send ended unknown and that a report can only be of.
    fn find_doubtful(&self, report: &Report) -> Result<Option<Message>> {
        let mut sure = Vec::new();
        let mut perhaps = Vec::new();
        for id in self.tx.expected(&report.modem, None)? {
            let Some(m) = self.tx.message(id)?.filter(|m| tells_of(report, m)) else { continue };
            let Some(awaited) = self.tx.awaited(id)? else { continue };
            let after = report.sent_at.is_none_or(|at| at.plus(CLOCKS) >= m.created_at);
            match awaited.doubts(report.reference) {
                (true, true) => sure.push(m),
                (true, false) if after => perhaps.push(m),
                _ => {}
            }
        }
        let mut found = if sure.is_empty() { perhaps } else { sure };
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    /// Keeps a report until its message is known; the oldest ones give way.
    fn hold(&mut self, report: &Report, tag: &Tag) -> Result<()> {
        let held = self.tx.held()?;
        for (key, _) in held.iter().take((held.len() + 1).saturating_sub(MOST_HELD)) {
            self.tx.delete_held(key)?;
        }
        self.tx.put_held(report, tag, self.now.steady().plus(HELD))?;
        Ok(())
    }
}

/// Under what a report is known again on a SIM, and for how long.
fn known_as(key: &Key, sim: &str, r: &gsm_sms::StatusReport) -> (Tag, Duration) {
    let (recipient, sent, ended) = (r.recipient.to_string(), r.timestamp.octets(), r.discharge_time.octets());
    let numbers = [r.message_reference, r.status.0];
    let fields: [&[u8]; 6] = [b"report", sim.as_bytes(), recipient.as_bytes(), &sent, &ended, &numbers];
    let dated = piece::instant(r.timestamp).is_some();
    (piece::tag(key, &fields), if dated { AWAITED } else { Duration::from_secs(600) })
}

/// What TP-ST says for certain. Not all that is complete was received: the service centre may only have passed the
/// message on, or have replaced it.
fn state(status: gsm_sms::Status) -> PartState {
    match status.kind() {
        gsm_sms::StatusKind::Completed if status.is_delivered() => PartState::Delivered,
        gsm_sms::StatusKind::Failed | gsm_sms::StatusKind::GaveUp => PartState::Failed(status.0),
        gsm_sms::StatusKind::Completed | gsm_sms::StatusKind::Trying | gsm_sms::StatusKind::Reserved => {
            PartState::Open
        }
    }
}

fn tells_of(report: &Report, m: &Message) -> bool {
    report.came_at >= m.id.made_at() && outbox::is_for(&report.recipient, &m.to)
}
