//! The gateway's views as the JSON of the contract. Domain types never meet serde; they are copied field by field.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wire::{
    self, Audit, Canary, Check, Counters, Event, Gap, Host, Hosts, Inbox, InboxMessage, Invitation, Key,
    KeyFormer, Message, MessageRef, Messages, Modem, OptOut, OptOuts, Ports, QueueDepths, Recovery, Status,
    Trace, TraceLine, Trail, Verification, Verifications,
};
use crate::gateway::{self, ModemState};
use crate::hex;
use crate::inbox::Content;
use crate::outbox::ModemRules;
use crate::trail::{self, About};

impl From<&gateway::VerificationView> for Verification {
    fn from(v: &gateway::VerificationView) -> Self {
        let (message, status) = v.message;
        Self {
            id: v.id.to_string(),
            service: v.service.clone(),
            to: v.to.as_str().to_owned(),
            status: v.status.as_str().to_owned(),
            attempts_left: v.attempts_left,
            created_at: v.created_at.to_string(),
            expires_at: v.expires_at.to_string(),
            resend_at: v.resend_at.to_string(),
            message: MessageRef { id: message.to_string(), status: status.as_str().to_owned() },
            metadata: v.metadata.clone(),
            mode: v.inbound.then(|| "inbound".to_owned()),
            // This is the answer to the client that issued it.
            inbound: v.invitation.as_ref().map(|it| Invitation {
                token: it.token.expose().clone(),
                number: it.number.as_str().to_owned(),
            }),
        }
    }
}

impl From<&gateway::Page<gateway::VerificationView>> for Verifications {
    fn from(page: &gateway::Page<gateway::VerificationView>) -> Self {
        let verifications = page.items.iter().map(Verification::from).collect();
        Self { verifications, next_cursor: page.next.clone() }
    }
}

impl From<&gateway::CheckView> for Check {
    fn from(check: &gateway::CheckView) -> Self {
        Self { approved: check.approved, verification: (&check.verification).into() }
    }
}

impl From<&gateway::MessageView> for Message {
    fn from(m: &gateway::MessageView) -> Self {
        Self {
            id: m.id.to_string(),
            to: m.to.as_str().to_owned(),
            kind: if m.otp { "otp" } else { "text" }.to_owned(),
            status: m.status.as_str().to_owned(),
            parts: m.parts,
            encoding: m.encoding.as_str().to_owned(),
            modem: m.modem.clone(),
            attempts: m.attempts,
            created_at: m.created_at.to_string(),
            sent_at: m.sent_at.map(|at| at.to_string()),
            delivered_at: m.delivered_at.map(|at| at.to_string()),
            error: m.error.clone(),
        }
    }
}

impl From<&gateway::Page<gateway::MessageView>> for Messages {
    fn from(page: &gateway::Page<gateway::MessageView>) -> Self {
        Self { messages: page.items.iter().map(Message::from).collect(), next_cursor: page.next.clone() }
    }
}

impl From<&gateway::StatusView> for Status {
    fn from(status: &gateway::StatusView) -> Self {
        let mut modems: BTreeMap<String, usize> =
            ModemState::ALL.iter().map(|state| (state.as_str().to_owned(), 0)).collect();
        for (state, count) in &status.modems {
            *modems.entry(state.as_str().to_owned()).or_default() += count;
        }
        modems.insert("total".to_owned(), status.modems.iter().map(|(_, count)| count).sum());
        let q = status.queue;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: status.uptime.as_secs(),
            queue: QueueDepths { otp: q.otp, text: q.text, delayed: q.delayed, sending: q.sending },
            modems,
            may: Vec::new(),
            disk_full: status.disk_full,
            clock: status.clock.clone(),
            test_numbers: status.test_numbers.clone(),
        }
    }
}

impl From<gateway::Gap> for Gap {
    fn from(gap: gateway::Gap) -> Self {
        Self { r#type: "gap".to_owned(), missed: gap.missed }
    }
}

impl From<(u64, &trail::Event)> for Event {
    fn from((id, event): (u64, &trail::Event)) -> Self {
        let mut told = Self {
            id,
            r#type: event.name(),
            at: event.at.to_string(),
            client: event.by.clone(),
            verification: None,
            message: None,
            modem: None,
            recovery: None,
            inbox: None,
            audit: None,
        };
        match &event.about {
            About::Verification(v) => told.verification = Some(v.into()),
            About::Message(m) => told.message = Some(m.into()),
            About::Modem(m) => told.modem = Some(m.into()),
            About::Recovered(m, r) => {
                told.modem = Some(m.into());
                let seconds = Duration::from_millis(r.took_ms).as_secs_f64();
                told.recovery = Some(Recovery { rung: r.rung.clone(), seconds });
            }
            About::Inbox(m) => told.inbox = Some(m.into()),
            About::Audit(a) => {
                told.audit = Some(Audit { to: a.to.clone(), detail: a.detail.clone(), count: a.count });
            }
        }
        told
    }
}

impl From<&gateway::KeyView> for Key {
    fn from(view: &gateway::KeyView) -> Self {
        let &gateway::KeyView { rotations, kept, done, sealed_anew, damaged, older } = view;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let [sealing, codes, events] = [older.0, older.1, older.2].map(count);
        let former = KeyFormer { sealing, codes, events };
        Self { rotations, kept: kept.to_owned(), done, sealed_anew, damaged, former }
    }
}

impl From<&gateway::TrailView> for Trail {
    fn from(view: &gateway::TrailView) -> Self {
        let gateway::TrailView { first, last, hash, fault } = view.clone();
        Self { whole: fault.is_none(), first, last, hash, fault }
    }
}

/// What a received message carries, and why it could not be read.
pub(super) fn content(content: &Content) -> (&'static str, Option<String>) {
    match content {
        Content::Text => ("text", None),
        Content::Data => ("data", None),
        Content::Unreadable(why) => ("unreadable", Some(why.clone())),
    }
}

impl From<&gateway::InboxView> for InboxMessage {
    fn from(v: &gateway::InboxView) -> Self {
        let (kind, error) = content(&v.content);
        Self {
            id: v.id.to_string(),
            kind: kind.to_owned(),
            from: v.from.as_str().to_owned(),
            // This is the answer to a client that may read it.
            text: v.text.as_ref().map(|text| text.expose().clone()),
            data: v.data.as_ref().map(|data| hex::encode(data.expose())),
            received_at: v.received_at.to_string(),
            sent_at: v.sent_at.map(|at| at.to_string()),
            modem: v.modem.clone(),
            parts: v.parts,
            missing: v.missing.clone(),
            class: v.class,
            ports: v.ports.map(|(destination, source)| Ports { destination, source }),
            error,
        }
    }
}

impl From<&gateway::Page<gateway::InboxView>> for Inbox {
    fn from(page: &gateway::Page<gateway::InboxView>) -> Self {
        Self { messages: page.items.iter().map(InboxMessage::from).collect(), next_cursor: page.next.clone() }
    }
}

impl From<&gateway::Page<gateway::OptOutView>> for OptOuts {
    fn from(page: &gateway::Page<gateway::OptOutView>) -> Self {
        Self { opt_outs: page.items.iter().map(OptOut::from).collect(), next_cursor: page.next.clone() }
    }
}

impl From<&gateway::OptOutView> for OptOut {
    fn from(v: &gateway::OptOutView) -> Self {
        Self {
            phone: v.phone.as_str().to_owned(),
            since: v.since.to_string(),
            message: v.message.map(|id| id.to_string()),
        }
    }
}

impl From<&[gateway::Recorded]> for Trace {
    fn from(lines: &[gateway::Recorded]) -> Self {
        let line = |line: &gateway::Recorded| TraceLine {
            ago_ms: u64::try_from(line.ago.as_millis()).unwrap_or(u64::MAX),
            direction: line.direction.as_str().to_owned(),
            text: line.text.clone(),
        };
        Self { lines: lines.iter().map(line).collect() }
    }
}

/// What a host tells the others of a modem.
pub fn described(modem: &gateway::ModemView) -> Vec<u8> {
    serde_json::to_vec(&Modem::from(modem)).unwrap_or_default()
}

impl Modem {
    /// A modem of another host; nothing when that host describes it in a way that this version does not know.
    pub(super) fn of_another(other: &gateway::OtherModem) -> Option<Self> {
        let modem: Self = serde_json::from_slice(other.facts.expose()).ok()?;
        let state = if other.is_lost { ModemState::Absent.as_str().to_owned() } else { modem.state };
        Some(Self { host: Some(other.host.clone()), state, ..modem })
    }
}

impl From<&[gateway::HostView]> for Hosts {
    fn from(hosts: &[gateway::HostView]) -> Self {
        Self { hosts: hosts.iter().map(Host::from).collect() }
    }
}

impl From<&gateway::HostView> for Host {
    fn from(host: &gateway::HostView) -> Self {
        Self {
            name: host.name.clone(),
            version: host.version.clone(),
            seen_at: host.seen_at.to_string(),
            modems: host.modems,
            sending: host.sending,
            state: host.state.as_str().to_owned(),
        }
    }
}

impl From<&gateway::ModemView> for Modem {
    fn from(m: &gateway::ModemView) -> Self {
        let facts = m.facts.clone();
        Self {
            name: m.name.clone(),
            host: None,
            state: facts.state.as_str().to_owned(),
            paused: facts.paused,
            port: facts.port,
            manufacturer: facts.equipment.manufacturer,
            model: facts.equipment.model,
            firmware: facts.equipment.firmware,
            imei: facts.equipment.imei,
            imsi: facts.sim.imsi,
            operator: facts.operator,
            registration: facts.registration.as_str().to_owned(),
            signal_dbm: facts.signal_dbm,
            queue: m.queue,
            sent_total: m.sent_total,
            failed_total: m.failed_total,
            pin_tries_left: facts.pin_tries,
            parts_today: m.condition.parts_today,
            parts_this_month: m.condition.parts_this_month,
            text_parts_left_today: m.condition.text_parts_left_today,
            text_parts_left_this_month: m.condition.text_parts_left_this_month,
            recipients_this_month: m.condition.recipients_this_month,
            health: m.condition.health,
            breaker: m.condition.circuit.as_str().to_owned(),
            last_error: facts.last_error,
            last_error_at: m.last_error_at.map(|at| at.to_string()),
            counters: facts.counters.into(),
            canary: m.canary.as_ref().map(Canary::from),
            rules: Some((&m.rules).into()),
        }
    }
}

impl From<&ModemRules> for wire::ModemRules {
    fn from(rules: &ModemRules) -> Self {
        Self {
            routes: rules.routes.clone(),
            max_per_minute: rules.max_per_minute,
            max_per_day: rules.max_per_day,
            max_per_month: rules.max_per_month,
            max_recipients_per_month: rules.max_recipients_per_month,
            reserve: rules.reserve,
        }
    }
}

impl From<&gateway::CanaryView> for Canary {
    fn from(canary: &gateway::CanaryView) -> Self {
        Self {
            to: canary.to.clone(),
            at: canary.at.to_string(),
            end: canary.end.as_str().to_owned(),
            seconds: canary.took.map(|took| took.as_secs_f64()),
            delivered: canary.delivered,
        }
    }
}

impl From<gateway::Counters> for Counters {
    fn from(counters: gateway::Counters) -> Self {
        Self {
            dropped_lines: counters.dropped_lines,
            late_lines: counters.late_lines,
            resyncs: counters.resyncs,
            reopens: counters.reopens,
            restarts: counters.restarts,
            lost_notices: counters.lost_notices,
        }
    }
}
