//! What the fake service shows of a key, a modem and a host.

use smsotpd::clock::Timestamp;
use smsotpd::fleet::HostState;
use smsotpd::gateway::{
    Condition, Counters, GatewayError, HostView, KeyView, ModemState, ModemView, Snapshot,
};
use smsotpd::outbox::{ModemRules, SimNames};

/// A key that was replaced as often.
pub(crate) fn key(rotations: u32) -> KeyView {
    KeyView { rotations, kept: "state", done: true, sealed_anew: 3, damaged: 0, older: (0, 1, 1) }
}

pub(crate) fn modem(state: ModemState) -> ModemView {
    ModemView {
        name: "stick1".to_owned(),
        facts: Snapshot {
            state,
            port: "/dev/ttyUSB0".to_owned(),
            signal_dbm: Some(-71),
            pin_tries: Some(3),
            sim: SimNames::new(None, Some("228011234567890".to_owned())),
            operator: Some("Swisscom".to_owned()),
            last_error: Some("the modem looks for a network".to_owned()),
            counters: Counters { dropped_lines: 12, resyncs: 3, ..Default::default() },
            ..Default::default()
        },
        last_error_at: Some(Timestamp::from_millis(1_800_000_000_000)),
        queue: 0,
        sent_total: 7,
        failed_total: 1,
        condition: Condition::default(),
        canary: None,
        rules: ModemRules { max_per_day: Some(1000), ..ModemRules::default() },
    }
}

/// A host of the fake service, which has this one alone.
pub(crate) fn host(name: &str, draining: bool) -> Result<HostView, GatewayError> {
    if name == "loft" {
        return Err(GatewayError::NotFound("host of this name"));
    }
    Ok(HostView {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        seen_at: Timestamp::from_millis(1_780_000_000_000),
        modems: 2,
        sending: 1,
        state: if draining { HostState::Draining } else { HostState::Up },
    })
}
