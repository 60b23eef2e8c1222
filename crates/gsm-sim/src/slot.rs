//! The place where a modem is plugged in, whatever its port is made of: the orders that the modem gets,
//! plugging and unplugging, and what is due.

use std::io;
use std::time::{Duration, Instant};

use super::log::LoggedCommand;
use super::modem::Modem;

/// A change of a modem at an instant.
pub(super) type Action = Box<dyn FnOnce(&mut Modem, Instant) + Send>;

/// What a simulation tells one of its modems while it runs.
pub(super) enum Order {
    Unplug,
    Plug,
    Do(Action),
    Stop,
}

/// Passes orders on to a modem. An order is carried out when the call returns.
pub(super) trait Controlled: Send + Sync {
    fn order(&self, order: Order) -> io::Result<()>;
    fn commands(&self) -> Vec<LoggedCommand>;
}

/// What a modem is plugged into.
pub(super) trait Socket {
    fn plugged(&self) -> bool;
    fn plug(&mut self) -> io::Result<()>;
    /// Hangs up the port. Octets that were not read yet are lost.
    fn unplug(&mut self);
    /// Writes what the modem said, after what is left of its earlier output.
    fn write(&mut self, said: Vec<u8>, modem: &mut Modem, now: Instant);
    /// The modem hangs until no program has the port open.
    fn await_close(&mut self, modem: &mut Modem);
}

/// How long the other end may read what was written before the plug was pulled.
const READ_TIME: Duration = Duration::from_millis(20);

/// Output that no program reads is kept up to this many octets; the rest is lost, as on a wire.
pub(super) const PENDING_LIMIT: usize = 64 * 1024;

/// A modem and its socket.
pub(super) struct Slot<S> {
    pub(super) modem: Modem,
    pub(super) socket: S,
    /// When the modem is plugged in again.
    back_at: Option<Instant>,
    /// When the plug is pulled. The other end reads what was written before that.
    cut_at: Option<Instant>,
}

impl<S: Socket> Slot<S> {
    pub(super) const fn new(modem: Modem, socket: S) -> Self {
        Self { modem, socket, back_at: None, cut_at: None }
    }

    /// When [`Slot::work`] is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = if self.socket.plugged() { self.modem.next_due() } else { self.back_at };
        [due, self.cut_at].into_iter().flatten().min()
    }

    pub(super) fn carry_out(&mut self, order: Order, now: Instant) -> io::Result<()> {
        match order {
            Order::Unplug | Order::Stop => {
                self.back_at = None;
                self.unplug();
            }
            Order::Plug => return self.plug(now),
            Order::Do(change) => {
                change(&mut self.modem, now);
                if self.socket.plugged() {
                    self.modem.expire(now);
                }
                self.flush(now);
            }
        }
        Ok(())
    }

    /// Puts the plug in and switches the modem on. A modem that is plugged in stays as it is.
    pub(super) fn plug(&mut self, now: Instant) -> io::Result<()> {
        if self.socket.plugged() {
            return Ok(());
        }
        self.socket.plug()?;
        self.back_at = None;
        self.modem.power_on(now);
        self.flush(now);
        Ok(())
    }

    pub(super) fn unplug(&mut self) {
        self.socket.unplug();
        self.cut_at = None;
        self.modem.power_off();
    }

    /// Whether a modem is plugged in, or would be if it were not restarting.
    pub(super) fn occupied(&self) -> bool {
        self.socket.plugged() || self.back_at.is_some()
    }

    /// Carries out what is due, and writes what the modem said.
    pub(super) fn work(&mut self, now: Instant) {
        if self.socket.plugged() {
            self.modem.expire(now);
        } else if self.back_at.is_some_and(|at| at <= now) && self.plug(now).is_err() {
            // No port is free now: another try is better than losing the modem.
            self.back_at = Some(now + Duration::from_millis(100));
        }
        self.flush(now);
        if self.socket.plugged() && self.modem.waits_for_close() {
            self.socket.await_close(&mut self.modem);
        }
        if self.cut_at.is_some_and(|at| at <= now) {
            self.unplug();
        }
        if let Some(disconnect) = self.modem.take_disconnect() {
            self.unplug();
            self.back_at = disconnect.back_after.map(|after| now + after);
        }
    }

    fn flush(&mut self, now: Instant) {
        let said = self.modem.take_output();
        if self.modem.plug_pulled && self.cut_at.is_none() {
            self.cut_at = Some(now + READ_TIME);
        }
        if self.socket.plugged() {
            self.socket.write(said, &mut self.modem, now);
        }
    }
}
