//! A rack of simulated modems, one network and one inbox: what a test, a bench or the demo holds in its hand.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::faults::{Fault, FaultKind, Point};
use super::hang::{Cure, Cut};
use super::log::{CommandLog, Seen};
use super::modem::Modem;
use super::phone::{Network, Received};
use super::port::{Handle, Order};
use super::script::Script;
use super::tpdu::Pdu;

/// What a simulation consists of.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where links `modem0`, `modem1` … to the ports are kept; none: [`Sim::port`] gives the ptys themselves.
    pub dir: Option<PathBuf>,
    /// How many modems.
    pub modems: usize,
    /// What they are.
    pub script: Script,
    /// The seed of all dice.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { dir: None, modems: 1, script: Script::default(), seed: 1 }
    }
}

/// A running simulation; dropping it unplugs its modems and removes their links.
///
/// Modems are counted from 0, and a number that none has is a fault of the caller: it panics. What changes a
/// modem has happened when the call returns.
pub struct Sim {
    modems: Vec<Handle>,
    network: Arc<Network>,
    dir: Option<PathBuf>,
}

impl Sim {
    /// Starts modems that all follow one script. They answer when this returns.
    pub fn start(options: Options) -> io::Result<Self> {
        let scripts = vec![options.script; options.modems];
        Self::start_each(options.dir, scripts, options.seed)
    }

    /// Starts one modem for each script.
    pub fn start_each(dir: Option<PathBuf>, scripts: Vec<Script>, seed: u64) -> io::Result<Self> {
        if let Some(dir) = &dir {
            std::fs::create_dir_all(dir)?;
        }
        let network = Arc::new(Network::default());
        let modems = scripts
            .into_iter()
            .enumerate()
            .map(|(index, script)| {
                let log = Arc::new(CommandLog::default());
                let modem = Modem::new(Arc::new(script), index, seed, Arc::clone(&network), Arc::clone(&log));
                let name = format!("modem{index}");
                let link = dir.as_ref().map(|dir| dir.join(&name));
                Handle::start(modem, name, link, log)
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { modems, network, dir })
    }

    /// How many modems there are.
    pub fn modems(&self) -> usize {
        self.modems.len()
    }

    /// The path to open: the link when there is a folder of links, else the pty. Without a folder, a modem that
    /// is unplugged has an empty path.
    pub fn port(&self, modem: usize) -> PathBuf {
        match &self.dir {
            Some(dir) => dir.join(format!("modem{modem}")),
            None => self.device(modem).unwrap_or_default(),
        }
    }

    /// The pty itself, while the modem is plugged in.
    pub fn device(&self, modem: usize) -> Option<PathBuf> {
        self.modems[modem].device()
    }

    /// Every message that reached its phone, in order.
    pub fn inbox(&self) -> Vec<Received> {
        self.network.inbox()
    }

    /// The same, and empties the inbox.
    pub fn take_inbox(&self) -> Vec<Received> {
        self.network.take_inbox()
    }

    /// How many messages the inbox holds.
    pub fn received(&self) -> usize {
        self.network.count()
    }

    /// Blocks until the inbox holds `count` messages or more, at most for `timeout`; whether it does.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        self.network.wait_for(count, timeout)
    }

    /// Each message from now on as it reaches its phone; to await, or to block on.
    pub fn listen(&self) -> UnboundedReceiver<Received> {
        self.network.listen()
    }

    /// The command lines that a modem has read, each with the instant of its first octet.
    pub fn commands(&self, modem: usize) -> Vec<Seen> {
        self.modems[modem].commands()
    }

    /// Pulls the modem out: its port hangs up and its link vanishes.
    pub fn unplug(&self, modem: usize) {
        self.tell(modem, Order::Unplug);
    }

    /// Plugs the modem in again: another pty, settings as at power-on, memories kept.
    pub fn plug(&self, modem: usize) -> io::Result<()> {
        self.modems[modem].order(Order::Plug)
    }

    /// The modem reads and answers nothing until it is unhung or plugged in again. Periodic lines go on.
    pub fn hang(&self, modem: usize) {
        self.tell(modem, Order::Hang(Cure::Plug));
    }

    /// The modem hangs until it is cured so, or unhung.
    pub fn hang_until(&self, modem: usize, cure: Cure) {
        self.tell(modem, Order::Hang(cure));
    }

    /// Pulls the modem out at this octet of what follows.
    pub fn unplug_at(&self, modem: usize, cut: Cut) {
        self.tell(modem, Order::Cut(cut));
    }

    /// Ends a hang. What was written to the modem meanwhile is lost.
    pub fn unhang(&self, modem: usize) {
        self.tell(modem, Order::Unhang);
    }

    /// The modem writes these octets, whatever it is doing.
    pub fn inject(&self, modem: usize, octets: impl AsRef<[u8]>) {
        self.tell(modem, Order::Inject(octets.as_ref().to_vec()));
    }

    /// Sets the time from Ctrl-Z to the network's answer.
    pub fn set_air_time(&self, modem: usize, time: Duration) {
        self.tell(modem, Order::Air(time.into()));
    }

    /// Sets the time from `AT+CMGS` to its prompt.
    pub fn set_prompt_time(&self, modem: usize, time: Duration) {
        self.tell(modem, Order::Prompt(time.into()));
    }

    /// Sets the registration: 1 home, 0 none, 2 searching, 3 denied, 5 roaming.
    pub fn set_registration(&self, modem: usize, status: u8) {
        self.tell(modem, Order::Registration(status));
    }

    /// Sets the first value of `AT+CSQ`.
    pub fn set_signal(&self, modem: usize, csq: u8) {
        self.tell(modem, Order::Signal(csq));
    }

    /// Adds a fault; those that were there come first.
    pub fn fault(&self, modem: usize, fault: Fault) {
        self.tell(modem, Order::Fault(fault));
    }

    /// Takes all faults away, the script's included.
    pub fn clear_faults(&self, modem: usize) {
        self.tell(modem, Order::ClearFaults);
    }

    /// The next `count` messages end with `+CMS ERROR: code`.
    pub fn fail_next(&self, modem: usize, count: u32, code: u16) {
        self.fault(modem, Fault::new(FaultKind::CmsError(code)).times(count));
    }

    /// The next `count` messages are sent, and the `OK` after `+CMGS: n` is missing.
    pub fn lose_ok(&self, modem: usize, count: u32) {
        self.fault(modem, Fault::new(FaultKind::LoseOk).times(count));
    }

    /// The next `count` messages reach their phone, and the modem never says so.
    pub fn lose_result(&self, modem: usize, count: u32) {
        self.fault(modem, Fault::new(FaultKind::LoseResult).at(Point::Accepted).times(count));
    }

    /// A message from `from` arrives at the modem, in as many parts as it needs.
    pub fn deliver(&self, modem: usize, from: &str, text: &str) {
        self.tell(modem, Order::DeliverText { from: from.to_owned(), text: text.to_owned() });
    }

    /// A message arrives as SMSC field and TPDU.
    pub fn deliver_pdu(&self, modem: usize, pdu: Vec<u8>) {
        self.tell(modem, Order::DeliverPdu(Pdu::from_octets(pdu)));
    }

    fn tell(&self, modem: usize, order: Order) {
        // A thread ends before its handle only when poll fails: then there is no modem to tell anything.
        let _ = self.modems[modem].order(order);
    }
}
