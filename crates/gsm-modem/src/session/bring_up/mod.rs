//! From an answering modem to one that can send, as a chain of procedures, each of which owns its state: greet, SIM,
//! format, storages, network, describe. Every command that a modem may lack is tolerated; what stops the work is told to
//! a person in a sentence; and what is refused, garbled or unanswered is asked again.

mod describe;
mod format;
mod greet;
mod network;
mod pin;
mod script;
mod sim;
mod storages;

use std::time::Duration;

use super::doing::{Doing, Next, Procedure};
use super::known::Cx;
use crate::at::{Command, Domain, Registration};
use crate::dialogue::{Ended, Open};
use crate::profiles::Quirk;
use crate::snapshot::State;

use describe::Describe;
use format::Format;
use greet::Greet;
use network::Network;
use script::Run;
use sim::Sim;
use storages::Storages;

/// One of the chain.
#[derive(Debug)]
pub(in crate::session) enum BringUp {
    Greet(Run<Greet>),
    Sim(Run<Sim>),
    Format(Run<Format>),
    Storages(Run<Storages>),
    Network(Run<Network>),
    Describe(Run<Describe>),
}

impl BringUp {
    /// The whole of it.
    pub(in crate::session) fn first() -> Self {
        Self::Greet(Run::new(Greet::default()))
    }

    /// The whole of it, after this time.
    fn first_after(settle: Duration) -> Self {
        Self::Greet(Run::new(Greet { settle, ..Greet::default() }))
    }

    /// From the storages on.
    pub(in crate::session) fn storages() -> Self {
        Self::Storages(Run::new(Storages::default()))
    }

    /// The network was lost.
    pub(in crate::session) fn network() -> Self {
        Self::Network(Network::lost())
    }

    /// Whether the PIN may be tried: it is noted on disk that it is, and it was not noted before.
    pub(in crate::session) fn pin_noted(&mut self, noted: Result<bool, String>, cx: &mut Cx<'_>) -> Next {
        match self {
            Self::Sim(run) => run.pin_noted(noted, cx),
            _ => Next::Stay,
        }
    }

    /// The modem said by itself where it is registered.
    pub(in crate::session) fn reported(&mut self, domain: Domain, registration: Registration) {
        if let Self::Network(run) = self {
            run.script.reported(domain, registration);
        }
    }

    /// A command came back. Whether that is as it should be: the echo is only being switched off.
    pub(in crate::session) fn echoed(&mut self) -> bool {
        match self {
            Self::Greet(run) => {
                run.script.echoed = true;
                true
            }
            _ => false,
        }
    }

    fn stage(&mut self) -> &mut dyn Procedure {
        match self {
            Self::Greet(run) => run,
            Self::Sim(run) => run,
            Self::Format(run) => run,
            Self::Storages(run) => run,
            Self::Network(run) => run,
            Self::Describe(run) => run,
        }
    }
}

impl From<BringUp> for Next {
    fn from(stage: BringUp) -> Self {
        Self::Then(Doing::BringUp(stage))
    }
}

impl Procedure for BringUp {
    fn begin(&mut self, cx: &mut Cx<'_>) -> Next {
        // That of the keep-alive would repeat a step whose answer is due.
        cx.known.timer = None;
        self.stage().begin(cx)
    }

    fn answer(&mut self, _body: &str, cx: &mut Cx<'_>) -> Next {
        let pin = cx.dialogue.outstanding().is_some_and(|o| o.command == Command::PinState);
        if pin && cx.known.profile.has(Quirk::PinWithoutOk) {
            // An OK that comes all the same must not end the next command.
            cx.dialogue.set_deadline(cx.now + cx.known.settings.timing.quiet);
        }
        Next::Stay
    }

    fn ended(&mut self, ended: Ended, cx: &mut Cx<'_>) -> Next {
        self.stage().ended(ended, cx)
    }

    fn timer(&mut self, cx: &mut Cx<'_>) -> Next {
        self.stage().timer(cx)
    }

    fn roused(&mut self, cx: &mut Cx<'_>) -> Next {
        self.stage().roused(cx)
    }

    fn found(&mut self, cx: &mut Cx<'_>) -> Next {
        self.stage().found(cx)
    }

    fn began_anew(&mut self, cx: &mut Cx<'_>) -> Next {
        cx.known.set_state(State::Starting, cx.dialogue);
        Next::Find(Open::Perhaps, Doing::bring_up())
    }
}
