//! The JSON of what an operator sets: how things stand with the secret key, and what of the log is written.

use serde::{Deserialize, Serialize};

/// How things stand with the secret key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// How often it was replaced.
    pub rotations: u32,
    /// `state`, `file` or `credential`: where it is kept.
    pub kept: String,
    /// Whether all that is sealed is sealed with the newest key.
    pub done: bool,
    /// Records that were sealed anew since the last rotation, or since the daemon started.
    pub sealed_anew: u64,
    /// Of those that were looked at, how many no key opens.
    pub damaged: u64,
    /// Former keys that are still needed.
    pub former: KeyFormer,
}

/// How many former keys are still needed, by their use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFormer {
    /// To open what is not sealed anew yet.
    pub sealing: u32,
    /// To check codes that were issued before.
    pub codes: u32,
    /// To verify events that happened before.
    pub events: u32,
}

/// A host of those that share the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The version of its daemon.
    pub version: String,
    /// When it was heard of last. RFC 3339.
    pub seen_at: String,
    /// How many modems it has.
    pub modems: usize,
    /// How many messages it has on the air.
    pub sending: usize,
    /// `up`, `draining` or `lost`.
    pub state: String,
}

/// All hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// By name.
    pub hosts: Vec<Host>,
}

/// The last canary of a modem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The modem that was to receive it.
    pub to: String,
    /// When it was made. RFC 3339.
    pub at: String,
    /// `underway`, `arrived`, `lost` or `unsent`.
    pub end: String,
    /// How long it took to arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What a delivery report said, when one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<bool>,
}

/// What of the log is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// A level or a tracing filter.
    pub filter: String,
}
