//! From an answering modem to one that can send, as a chain of stages, each of which owns its state: greet, SIM, format,
//! storages, network, describe. Every command that a modem may lack is tolerated; what stops the work is told to a person
//! in a sentence; and what is refused, garbled or unanswered is asked again.

mod describe;
mod format;
mod greet;
mod network;
mod pin;
mod script;
mod sim;
mod storages;

use super::procedure::Procedure;

use greet::Greet;
use network::Network;
use script::Run;
use storages::Storages;

/// The whole of it.
pub(super) fn first() -> Box<dyn Procedure> {
    Box::new(Run::new(Greet::default()))
}

/// From the storages on.
pub(super) fn storages() -> Box<dyn Procedure> {
    Box::new(Run::new(Storages::default()))
}

/// The network was lost.
pub(super) fn network() -> Box<dyn Procedure> {
    Box::new(Network::lost())
}
