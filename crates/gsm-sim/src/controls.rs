//! What may be done to simulated modems while they run, and what their network received, whatever their ports are.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;

use super::faults::{Fault, FaultKind, Point};
use super::hang::{Cure, Cut};
use super::log::LoggedCommand;
use super::modem::{Event, Modem};
use super::orders::{Reports, Restart};
use super::phone::{Network, Received};
use super::script::{CardState, Delay};
use super::slot::{Controlled, Order};
use super::tpdu::Pdu;

/// Changes what happens to the modems of a [`Sim`](crate::Sim) or a [`Rack`](crate::Rack).
///
/// Modems are counted from 0. A number that no modem has is a fault of the caller, and panics. A change of a
/// modem is complete when the call returns.
pub struct Controls {
    modems: Vec<Arc<dyn Controlled>>,
    network: Arc<Network>,
}

impl Controls {
    pub(super) fn new(modems: Vec<Arc<dyn Controlled>>, network: Arc<Network>) -> Self {
        Self { modems, network }
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// How many modems there are.
    pub fn modems(&self) -> usize {
        self.modems.len()
    }

    /// Every message that reached its phone, in order.
    pub fn inbox(&self) -> Vec<Received> {
        self.network.inbox()
    }

    /// Every message that reached its phone, in order; the inbox is empty afterwards.
    pub fn take_inbox(&self) -> Vec<Received> {
        self.network.take_inbox()
    }

    /// How many messages the inbox holds.
    pub fn received(&self) -> usize {
        self.network.count()
    }

    /// Each message from now on, as it reaches its phone. The receiver can be awaited or blocked on.
    pub fn listen(&self) -> UnboundedReceiver<Received> {
        self.network.listen()
    }

    /// The command lines that a modem has read, each with the instant of its first octet.
    pub fn commands(&self, modem: usize) -> Vec<LoggedCommand> {
        self.modems[modem].commands()
    }

    /// Pulls the modem out: its port hangs up and its link vanishes.
    pub fn unplug(&self, modem: usize) {
        let _ = self.order(modem, Order::Unplug);
    }

    /// Plugs the modem in again, on another pty. Its settings are as at power-on, and its memories are kept.
    pub fn plug(&self, modem: usize) -> io::Result<()> {
        self.order(modem, Order::Plug)
    }

    /// From now on the modem reads and answers nothing until it is unhung or plugged in again. Periodic lines go on.
    pub fn hang(&self, modem: usize) {
        self.tell(modem, |modem, now| modem.hang(Cure::Plug, None, now));
    }

    /// From now on the modem hangs until this cure is applied, or until it is unhung.
    pub fn hang_until(&self, modem: usize, cure: Cure) {
        self.tell(modem, move |modem, now| modem.hang(cure, None, now));
    }

    /// Pulls the modem out at an octet of what follows.
    pub fn unplug_at(&self, modem: usize, cut: Cut) {
        self.tell(modem, move |modem, _| modem.cut = Some(cut));
    }

    /// Ends a hang. What was written to the modem during the hang is lost.
    pub fn unhang(&self, modem: usize) {
        self.tell(modem, |modem, _| modem.unhang());
    }

    /// Writes these octets from the modem, whatever it is doing.
    pub fn inject(&self, modem: usize, octets: impl AsRef<[u8]>) {
        let octets = octets.as_ref().to_vec();
        self.tell(modem, move |modem, _| modem.inject(&octets));
    }

    /// Sets the time from Ctrl-Z to the network's answer.
    pub fn set_air_time(&self, modem: usize, time: impl Into<Delay>) {
        let time = time.into();
        self.tell(modem, move |modem, _| modem.set_air(time));
    }

    /// Sets the time from `AT+CMGS` to its prompt.
    pub fn set_prompt_time(&self, modem: usize, time: impl Into<Delay>) {
        let time = time.into();
        self.tell(modem, move |modem, _| modem.set_prompt(time));
    }

    /// Sets the registration: 1 home, 0 none, 2 searching, 3 denied, 5 roaming.
    pub fn set_registration(&self, modem: usize, status: u8) {
        self.tell(modem, move |modem, _| modem.set_registration(status));
    }

    /// Sets the first value of `AT+CSQ`.
    pub fn set_signal(&self, modem: usize, csq: u8) {
        self.tell(modem, move |modem, _| modem.csq = csq);
    }

    /// Adds a fault, after those that the modem has.
    pub fn fault(&self, modem: usize, fault: Fault) {
        self.tell(modem, |modem, _| modem.fault(fault));
    }

    /// Removes all faults, including those of the script.
    pub fn clear_faults(&self, modem: usize) {
        self.tell(modem, |modem, _| modem.clear_faults());
    }

    /// The next `count` messages end with `+CMS ERROR: code`.
    pub fn fail_next(&self, modem: usize, count: u32, code: u16) {
        self.fault(modem, Fault::new(FaultKind::CmsError(code)).times(count));
    }

    /// The next `count` messages are sent, and the `OK` after `+CMGS: n` is missing.
    pub fn lose_ok(&self, modem: usize, count: u32) {
        self.fault(modem, Fault::new(FaultKind::LoseOk).times(count));
    }

    /// The next `count` messages reach their phone, and the modem never reports that.
    pub fn lose_result(&self, modem: usize, count: u32) {
        self.fault(modem, Fault::new(FaultKind::LoseResult).at(Point::Accepted).times(count));
    }

    /// A message from `from` arrives at the modem, in as many parts as it needs.
    pub fn deliver(&self, modem: usize, from: &str, text: &str) {
        let (from, text) = (from.to_owned(), text.to_owned());
        self.tell(modem, move |modem, _| modem.deliver_text(&from, &text));
    }

    /// The number of a modem's SIM.
    pub fn number(&self, modem: usize) -> String {
        let (told, number) = channel();
        self.tell(modem, move |modem, _| {
            let _ = told.send(modem.identity.number.clone());
        });
        number.recv().unwrap_or_default()
    }

    /// Takes a message that reached its phone on to the modem whose number that is, if one has it.
    pub fn pass_on(&self, message: &Received) {
        if let Some(to) = (0..self.modems()).find(|modem| self.number(*modem) == message.to) {
            self.deliver(to, &self.number(message.modem), &message.text);
        }
    }

    /// A message arrives, given as SMSC field and TPDU.
    pub fn deliver_pdu(&self, modem: usize, pdu: Vec<u8>) {
        self.tell(modem, |modem, _| modem.deliver_pdu(Pdu::from_octets(pdu)));
    }

    /// The modem restarts at once.
    pub fn restart(&self, modem: usize, restart: Restart) {
        // A modem that is unplugged forgets what is due.
        self.tell(modem, |modem, now| modem.timers.push((now, Event::Restarted(restart))));
    }

    /// Sets the SIM's state from now on and for each power-on: absent, ready, or locked again.
    pub fn set_card(&self, modem: usize, state: CardState) {
        self.tell(modem, move |modem, now| modem.set_card(state, now));
    }

    /// The SIM is busy for this time, and its commands end with `+CME ERROR: 14` or `+CMS ERROR: 314`.
    pub fn set_card_busy(&self, modem: usize, time: impl Into<Delay>) {
        let time = time.into();
        self.tell(modem, move |modem, now| modem.set_card_busy(time, now));
    }

    /// Fills a memory such as `SM` with messages that were received and read.
    pub fn fill(&self, modem: usize, memory: &str) {
        let memory = memory.to_owned();
        self.tell(modem, move |modem, _| modem.fill(&memory));
    }

    /// The phone of this number is switched off, or on again. What the network takes for it meanwhile never arrives, and
    /// its delivery report says that the validity period expired.
    pub fn set_unreachable(&self, number: &str, unreachable: bool) {
        self.network.set_unreachable(number, unreachable);
    }

    /// Sets what becomes of the delivery reports of messages that are sent from now on.
    pub fn set_reports(&self, modem: usize, reports: Reports) {
        self.tell(modem, move |modem, _| modem.reports = reports);
    }

    /// Messages to this number end with `+CMS ERROR: code`, and the network never sees them.
    pub fn refuse(&self, modem: usize, number: &str, code: u16) {
        let number = number.to_owned();
        self.tell(modem, move |modem, _| {
            modem.refused_numbers.insert(number, code);
        });
    }

    /// Messages to every number that has no code of its own end with `+CMS ERROR: code`.
    pub fn refuse_all(&self, modem: usize, code: u16) {
        self.tell(modem, move |modem, _| modem.refuses_all = Some(code));
    }

    /// Ends [`Controls::refuse`] and [`Controls::refuse_all`].
    pub fn refuse_none(&self, modem: usize) {
        self.tell(modem, |modem, _| {
            modem.refused_numbers.clear();
            modem.refuses_all = None;
        });
    }

    fn tell(&self, modem: usize, change: impl FnOnce(&mut Modem, Instant) + Send + 'static) {
        let _ = self.order(modem, Order::Do(Box::new(change)));
    }

    /// A thread ends before its handle only when `poll` fails. Then no modem is left that could carry out an order.
    fn order(&self, modem: usize, order: Order) -> io::Result<()> {
        self.modems[modem].order(order)
    }
}
