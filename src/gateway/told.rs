//! What an event of the trail has of the thing that it happened to: no secret, and numbers masked.

use super::error::GatewayError;
use super::view::{EventKind, InboxView, MessageView, ModemView, RecoveryView, VerificationView};
use crate::trail;

/// Characters that are kept of a text that somebody else wrote, such as an error of a modem.
const LONGEST: usize = 200;

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

impl EventKind {
    /// What the trail has of it.
    pub fn about(&self) -> trail::About {
        match self {
            Self::Verification(what, v) => verification(what, v),
            Self::Message(m) => message(m.clone()),
            Self::Modem(m) => modem(m),
            Self::Inbox(m) => inbox(m),
            Self::Recovered(m, recovery) => recovered(m, recovery),
            Self::Audit(audit) => trail::About::Audit(audit.clone()),
        }
    }
}

/// Why something was not done.
pub(super) struct Reason {
    /// What is one and the same for all that are refused so: nothing of the request is in it, such as the country of a
    /// number.
    pub(super) kind: String,
    /// What exactly, for a person.
    pub(super) detail: String,
}

impl Reason {
    /// One that is the same each time.
    pub(super) fn fixed(detail: String) -> Self {
        Self { kind: detail.clone(), detail }
    }
}

/// What is written down of a refusal; nothing of what is no refusal but a mistake, or a fault of the daemon.
pub(super) fn refusal(error: &GatewayError) -> Option<Reason> {
    Some(match error {
        GatewayError::RateLimited { limit, .. } => Reason::fixed(format!("rate_limited: {limit}")),
        GatewayError::Cooldown { .. } => Reason::fixed("cooldown".to_owned()),
        GatewayError::DestinationBlocked(_) | GatewayError::OptedOut => {
            let code = "destination_blocked";
            Reason { kind: code.to_owned(), detail: format!("{code}: {}", short(&error.to_string())) }
        }
        GatewayError::QueueFull => Reason::fixed(format!("queue_full: {error}")),
        GatewayError::Overloaded { .. } => {
            Reason::fixed("queue_full: more codes wait than the modems can send in time".to_owned())
        }
        GatewayError::Conflict(why) => Reason::fixed(format!("conflict: {}", short(why))),
        _ => return None,
    })
}

pub(super) fn verification(what: &str, v: &VerificationView) -> trail::About {
    let (message, message_status) = v.message;
    trail::About::Verification(trail::Verification {
        what: what.to_owned(),
        id: v.id,
        owner: v.client.clone(),
        service: v.service.clone(),
        to: v.to.masked(),
        status: v.status,
        attempts_left: v.attempts_left,
        created_at: v.created_at,
        expires_at: v.expires_at,
        resend_at: v.resend_at,
        message,
        message_status,
    })
}

pub(super) fn message(m: MessageView) -> trail::About {
    trail::About::Message(trail::Message {
        id: m.id,
        owner: m.client,
        otp: m.otp,
        service: m.service,
        to: m.to.masked(),
        status: m.status,
        parts: m.parts,
        encoding: m.encoding,
        modem: m.modem,
        attempts: m.attempts,
        created_at: m.created_at,
        sent_at: m.sent_at,
        delivered_at: m.delivered_at,
        error: m.error.as_deref().map(short),
    })
}

pub(super) fn modem(m: &ModemView) -> trail::About {
    trail::About::Modem(of_modem(m))
}

pub(super) fn recovered(m: &ModemView, recovery: &RecoveryView) -> trail::About {
    let took_ms = u64::try_from(recovery.took.as_millis()).unwrap_or(u64::MAX);
    trail::About::Recovered(of_modem(m), trail::Recovery { rung: recovery.rung.to_owned(), took_ms })
}

fn of_modem(m: &ModemView) -> trail::Modem {
    let (facts, condition) = (&m.facts, &m.condition);
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let c = facts.counters;
    trail::Modem {
        name: m.name.clone(),
        state: facts.state.as_str().to_owned(),
        paused: facts.paused,
        port: short(&facts.port),
        manufacturer: short(&facts.equipment.manufacturer),
        model: short(&facts.equipment.model),
        firmware: short(&facts.equipment.firmware),
        imei: gsm_sms::mask(&short(&facts.equipment.imei)),
        operator: facts.operator.as_deref().map(short),
        registration: facts.registration.as_str().to_owned(),
        signal_dbm: facts.signal_dbm,
        pin_tries: facts.pin_tries,
        queue: count(m.queue),
        sent_total: m.sent_total,
        failed_total: m.failed_total,
        parts_today: condition.parts_today,
        parts_this_month: condition.parts_this_month,
        recipients_this_month: count(condition.recipients_this_month),
        health: condition.health,
        breaker: condition.circuit.as_str().to_owned(),
        last_error: facts.last_error.as_deref().map(short),
        last_error_at: m.last_error_at,
        counters: vec![c.dropped_lines, c.late_lines, c.resyncs, c.reopens, c.restarts, c.lost_notices],
    }
}

pub(super) fn inbox(m: &InboxView) -> trail::About {
    trail::About::Inbox(trail::Inbox {
        id: m.id,
        from: short(&m.from.masked()),
        modem: m.modem.clone(),
        received_at: m.received_at,
        sent_at: m.sent_at,
        parts: m.parts,
        missing: m.missing.clone(),
        content: m.content.clone(),
        class: m.class,
        ports: m.ports,
    })
}
