//! The session's inputs as functions, so that a test reads as what happens.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::ladder::Rung;
use crate::secret::Secret;
use crate::session::{Input, Session};
use crate::snapshot::{Part, Place};

impl Session {
    pub(super) fn opened(&mut self, port: &Path, now: Instant) {
        self.handle(Input::Opened { port: port.to_owned(), usb: None }, now);
    }

    pub(super) fn lost(&mut self, why: &str) {
        let now = self.dialogue.recorder().now().unwrap_or_else(monotonic);
        self.handle(Input::Lost(why.to_owned()), now);
    }

    pub(super) fn stuck(&mut self, why: &str, now: Instant) {
        self.handle(Input::Stuck(why.to_owned()), now);
    }

    pub(super) fn octets(&mut self, octets: &[u8], now: Instant) {
        self.handle(Input::Received(octets.to_vec()), now);
    }

    pub(super) fn submit_parts(&mut self, parts: Vec<Part>, now: Instant) {
        self.handle(Input::Submit(parts), now);
    }

    pub(super) fn body_unsent(&mut self) {
        let now = self.dialogue.recorder().now().unwrap_or_else(monotonic);
        self.handle(Input::BodyUnsent, now);
    }

    pub(super) fn pause(&mut self) {
        let now = self.dialogue.recorder().now().unwrap_or_else(monotonic);
        self.handle(Input::Pause, now);
    }

    pub(super) fn resume(&mut self) {
        let now = self.dialogue.recorder().now().unwrap_or_else(monotonic);
        self.handle(Input::Resume, now);
    }

    pub(super) fn restart_asked(&mut self, now: Instant) {
        self.handle(Input::Reset, now);
    }

    pub(super) fn stop(&mut self, grace: Duration, now: Instant) {
        self.handle(Input::Stop(grace), now);
    }

    pub(super) fn discard(&mut self, place: Place, now: Instant) {
        self.handle(Input::Discard(place), now);
    }

    pub(super) fn ask_network(&mut self, code: Option<&str>, timeout: Duration, now: Instant) {
        let code = code.map(|code| Secret::new(code.to_owned()));
        self.handle(Input::Ussd { code, timeout }, now);
    }

    pub(super) fn climb_done(&mut self, rung: Rung, done: Result<(), Option<String>>, now: Instant) {
        self.handle(Input::Climbed { rung, done }, now);
    }
}
