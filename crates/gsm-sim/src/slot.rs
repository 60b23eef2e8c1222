//! Where a modem is plugged in, whatever its port is made of: the orders it gets, the plug that is pulled and put
//! back, and what is due.

use std::io;
use std::time::{Duration, Instant};

use super::log::LoggedCommand;
use super::modem::Modem;

/// Something that happens to a modem at an instant.
pub(super) type Action = Box<dyn FnOnce(&mut Modem, Instant) + Send>;

/// What a simulation tells one of its modems while it runs.
pub(super) enum Order {
    Unplug,
    Plug,
    Do(Action),
    Stop,
}

/// Whoever passes orders on to a modem; they are done when the call returns.
pub(super) trait Controlled: Send + Sync {
    fn order(&self, order: Order) -> io::Result<()>;
    fn commands(&self) -> Vec<LoggedCommand>;
}

/// What a modem is plugged into.
pub(super) trait Socket {
    fn plugged(&self) -> bool;
    fn plug(&mut self) -> io::Result<()>;
    /// The port hangs up, and what was not read yet is lost.
    fn unplug(&mut self);
    /// Writes what the modem said, and what is left of what it said before.
    fn write(&mut self, said: Vec<u8>, modem: &mut Modem, now: Instant);
    /// The modem hangs until nobody has the port open.
    fn await_close(&mut self, modem: &mut Modem);
}

/// For the other end to read what was written before the plug was pulled.
const READ_TIME: Duration = Duration::from_millis(20);

/// Output that nobody reads is kept up to here; the rest is lost, as on a wire.
pub(super) const PENDING_LIMIT: usize = 64 * 1024;

/// A modem and its socket.
pub(super) struct Slot<S> {
    pub(super) modem: Modem,
    pub(super) socket: S,
    /// It is plugged in again then.
    back_at: Option<Instant>,
    /// The plug is pulled then: what was written before is read first.
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

    /// Whether the modem is here, or would be if it were not restarting.
    pub(super) fn occupied(&self) -> bool {
        self.socket.plugged() || self.back_at.is_some()
    }

    /// Does what is due, and writes what was said.
    pub(super) fn work(&mut self, now: Instant) {
        if self.socket.plugged() {
            self.modem.expire(now);
        } else if self.back_at.is_some_and(|at| at <= now) && self.plug(now).is_err() {
            // No port is free now; try again rather than lose the modem.
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
