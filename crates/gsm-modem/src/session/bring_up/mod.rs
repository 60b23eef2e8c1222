//! From a modem that answers to one that can send, as a chain of stages, each of which owns its state: greet, SIM,
//! format, storages, network, describe. Every command that a modem may lack is tolerated; a fault that stops the work
//! is reported to a person in a sentence; and a command that is refused, garbled or unanswered is repeated.

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

/// The whole chain.
pub(super) fn first() -> Box<dyn Procedure> {
    Box::new(Run::new(Greet::default()))
}

/// The chain from the storages on.
pub(super) fn storages() -> Box<dyn Procedure> {
    Box::new(Run::new(Storages::default()))
}

/// The part of the chain for a modem that lost the network.
pub(super) fn network() -> Box<dyn Procedure> {
    Box::new(Network::lost())
}
