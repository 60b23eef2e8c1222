//! What an event tells of a thing, as the JSON of the contract: the thing's own form, with its numbers masked.

use std::collections::BTreeMap;

use super::views::content;
use super::wire::{Counters, InboxMessage, Message, MessageRef, Modem, Ports, Verification};
use crate::trail;

impl From<&trail::Verification> for Verification {
    fn from(v: &trail::Verification) -> Self {
        Self {
            id: v.id.to_string(),
            service: v.service.clone(),
            to: v.to.clone(),
            status: v.status.as_str().to_owned(),
            attempts_left: v.attempts_left,
            created_at: v.created_at.to_string(),
            expires_at: v.expires_at.to_string(),
            resend_at: v.resend_at.to_string(),
            message: MessageRef { id: v.message.to_string(), status: v.message_status.as_str().to_owned() },
            // An application's notes are for the application.
            metadata: BTreeMap::new(),
            mode: None,
            inbound: None,
        }
    }
}

impl From<&trail::Message> for Message {
    fn from(m: &trail::Message) -> Self {
        Self {
            id: m.id.to_string(),
            to: m.to.clone(),
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

impl From<&trail::Modem> for Modem {
    fn from(m: &trail::Modem) -> Self {
        let counter = |place: usize| m.counters.get(place).copied().unwrap_or_default();
        Self {
            name: m.name.clone(),
            host: None,
            state: m.state.clone(),
            paused: m.paused,
            port: m.port.clone(),
            manufacturer: m.manufacturer.clone(),
            model: m.model.clone(),
            firmware: m.firmware.clone(),
            imei: m.imei.clone(),
            imsi: None,
            operator: m.operator.clone(),
            registration: m.registration.clone(),
            signal_dbm: m.signal_dbm,
            pin_tries_left: m.pin_tries,
            queue: usize::try_from(m.queue).unwrap_or(usize::MAX),
            sent_total: m.sent_total,
            failed_total: m.failed_total,
            parts_today: m.parts_today,
            parts_this_month: m.parts_this_month,
            recipients_this_month: usize::try_from(m.recipients_this_month).unwrap_or(usize::MAX),
            health: m.health,
            breaker: m.breaker.clone(),
            last_error: m.last_error.clone(),
            last_error_at: m.last_error_at.map(|at| at.to_string()),
            counters: Counters {
                dropped_lines: counter(0),
                late_lines: counter(1),
                resyncs: counter(2),
                reopens: counter(3),
                restarts: counter(4),
                lost_notices: counter(5),
            },
            canary: None,
            text_parts_left_today: None,
            text_parts_left_this_month: None,
            rules: None,
        }
    }
}

impl From<&trail::Inbox> for InboxMessage {
    fn from(m: &trail::Inbox) -> Self {
        let (kind, error) = content(&m.content);
        Self {
            id: m.id.to_string(),
            kind: kind.to_owned(),
            from: m.from.clone(),
            text: None,
            data: None,
            received_at: m.received_at.to_string(),
            sent_at: m.sent_at.map(|at| at.to_string()),
            modem: m.modem.clone(),
            parts: m.parts,
            missing: m.missing.clone(),
            class: m.class,
            ports: m.ports.map(|(destination, source)| Ports { destination, source }),
            error,
        }
    }
}
