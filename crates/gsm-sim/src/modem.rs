//! One simulated modem as a state machine: octets and instants go in, octets come out. It knows no port and
//! no clock, so its dialogue is the same on a pty and in a test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dialogue::{ESCAPE, Ending};
use super::faults::{Dice, Fault, Faults};
use super::hang::{Cure, Cut, Hang};
use super::log::CommandLog;
use super::orders::{Reports, Restart};
use super::phone::Network;
use super::script::{CardState, Change, Delay, Identity, Moment, Script, WhileSending};
use super::settings::{Memories, Settings, Sim, identity_of};
use super::tpdu::{Pdu, deliver};

/// A modem.
pub(super) struct Modem {
    pub(super) script: Arc<Script>,
    pub(super) identity: Identity,
    pub(super) settings: Settings,
    pub(super) sim: Sim,
    pub(super) sim_busy: bool,
    pub(super) memories: Memories,
    pub(super) smsc: String,
    pub(super) registration: u8,
    pub(super) csq: u8,
    /// Deliveries that wait for `+CNMA`.
    pub(super) unacknowledged: bool,
    pub(super) dice: Dice,
    pub(super) index: usize,
    pub(super) network: Arc<Network>,
    pub(super) log: Arc<CommandLog>,
    pub(super) faults: Faults,
    pub(super) air: Delay,
    pub(super) prompt: Delay,
    pub(super) reports: Reports,
    /// The `+CMS ERROR` for single numbers, and for every other number.
    pub(super) refused_numbers: BTreeMap<String, u16>,
    pub(super) refuses_all: Option<u16>,
    pub(super) starts_in_text_mode: bool,
    /// The reference that the next `+CMGS: n` gives.
    pub(super) reference: u8,
    concat: u8,
    answers_used: Vec<u32>,
    pub(super) unsolicited_used: Vec<u32>,
    pub(super) state: State,
    pub(super) hung: Option<Hang>,
    /// The radio hangs, and no message leaves the modem.
    pub(super) radio_hangs: bool,
    pub(super) cut: Option<Cut>,
    /// The plug is pulled, and the kernel has not noticed yet.
    pub(super) plug_pulled: bool,
    pub(super) line: Vec<u8>,
    pub(super) started: Option<Instant>,
    pub(super) queue: VecDeque<u8>,
    pub(super) timers: Vec<(Instant, Event)>,
    pub(super) out: Vec<u8>,
    pub(super) leaving: Option<Disconnect>,
}

/// The port vanishes once the output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Disconnect {
    /// How long the port is away, unless it stays away.
    pub(super) back_after: Option<Duration>,
}

/// A message between `AT+CMGS` and Ctrl-Z.
pub(super) enum Draft {
    /// PDU mode: the announced length of the TPDU.
    Pdu(usize),
    /// Text mode: the recipient's number.
    Text(String),
}

pub(super) enum State {
    Command,
    /// The prompt is due.
    Prompting(Draft),
    /// The prompt was given.
    Body(Draft),
    /// An answer is due.
    Answering,
    /// A message is on air.
    Sending,
}

pub(super) enum Event {
    Answer(Vec<u8>),
    Prompt,
    OffAir(Box<Ending>),
    Late(Vec<u8>),
    Report(Pdu),
    Line(String),
    Start(usize),
    Every(usize),
    Registered(u8),
    SimReady,
    Unhang,
    Restart,
    Restarted(Restart),
}

impl Modem {
    /// A modem, which [`Modem::power_on`] switches on.
    pub(super) fn new(
        script: Arc<Script>,
        index: usize,
        seed: u64,
        network: Arc<Network>,
        log: Arc<CommandLog>,
    ) -> Self {
        let identity = identity_of(&script, index);
        // Neighbouring modems draw different numbers.
        let mut dice = Dice::new(seed.wrapping_add(index as u64));
        let dice = Dice::new(dice.roll());
        Self {
            settings: Settings::at_power_on(&script),
            sim: Sim::new(&script.card),
            sim_busy: false,
            memories: Memories::new(&script),
            smsc: identity.smsc.clone(),
            registration: 0,
            csq: script.network.csq,
            unacknowledged: false,
            dice,
            index,
            network,
            log,
            faults: Faults::new(script.faults.clone()),
            air: script.timing.air_ms,
            prompt: script.timing.prompt_ms,
            reports: Reports {
                delay: script.timing.report_ms,
                before_answer: script.timing.report_ms == Delay::default(),
                ..Reports::default()
            },
            refused_numbers: BTreeMap::new(),
            refuses_all: None,
            starts_in_text_mode: false,
            reference: 1,
            concat: 1,
            answers_used: vec![0; script.answers.len()],
            unsolicited_used: vec![0; script.unsolicited.len()],
            state: State::Command,
            hung: None,
            radio_hangs: false,
            cut: None,
            plug_pulled: false,
            line: Vec::new(),
            started: None,
            queue: VecDeque::new(),
            timers: Vec::new(),
            out: Vec::new(),
            leaving: None,
            identity,
            script,
        }
    }

    /// Switches the modem on, or off and on: its settings are lost, the SIM asks for its PIN, and the memories stay.
    pub(super) fn power_on(&mut self, now: Instant) {
        self.settings = self.first_settings();
        self.sim.power_on();
        self.sim_busy = false;
        self.radio_hangs = false;
        self.idle();
        self.timers.clear();
        self.registration = 0;
        self.hung.take_if(|hang| hang.cure != Cure::Nothing);
        let dead = self.hung.is_some();
        if !dead {
            self.register(now);
        }
        let script = Arc::clone(&self.script);
        for (place, unsolicited) in script.unsolicited.iter().enumerate() {
            match unsolicited.at {
                Moment::Start(_) if dead => {}
                Moment::Start(delay) => self.after(delay, now, Event::Start(place)),
                Moment::Every(period) => {
                    let period = self.sample(period);
                    self.timers.push((now + period, Event::Every(place)));
                }
                _ => {}
            }
        }
    }

    /// Switches the modem off: what it was doing is lost, and nothing is due.
    pub(super) fn power_off(&mut self) {
        self.idle();
        self.timers.clear();
        self.out.clear();
        self.cut = None;
        self.plug_pulled = false;
    }

    /// Takes what the other end wrote.
    pub(super) fn receive(&mut self, octets: &[u8], now: Instant) {
        if self.plug_pulled {
            return;
        }
        if self.hung.is_some() {
            return self.receive_while_hanging(octets, now);
        }
        self.queue.extend(octets);
        self.work(now);
    }

    /// When [`Modem::expire`] is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.iter().map(|(due, _)| *due).min()
    }

    /// Carries out what is due.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(place) = (0..self.timers.len())
            .filter(|place| self.timers[*place].0 <= now)
            .min_by_key(|place| self.timers[*place].0)
        {
            let (_, event) = self.timers.remove(place);
            self.happen(event, now);
        }
        self.work(now);
    }

    /// What the modem wrote since the last call.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.out);
        self.cut_output(&mut out);
        out
    }

    /// How many octets are written at once.
    pub(super) fn piece(&mut self) -> usize {
        match self.script.line.pieces {
            Some([least, most]) => {
                usize::try_from(self.dice.between(least.into(), most.into())).unwrap_or(usize::MAX)
            }
            None => usize::MAX,
        }
    }

    /// The pause after each piece.
    pub(super) fn piece_gap(&self) -> Option<Duration> {
        let gap = self.script.line.piece_gap_us;
        (self.script.line.pieces.is_some() && gap > 0).then(|| Duration::from_micros(gap.into()))
    }

    /// Whether the port is to vanish now.
    pub(super) fn take_disconnect(&mut self) -> Option<Disconnect> {
        self.leaving.take()
    }

    /// Writes octets, between the octets of whatever the modem is writing.
    pub(super) fn inject(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Forgets all faults, those of the script included.
    pub(super) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Sets the air time.
    pub(super) fn set_air(&mut self, air: Delay) {
        self.air = air;
    }

    /// Sets the time before the prompt.
    pub(super) fn set_prompt(&mut self, prompt: Delay) {
        self.prompt = prompt;
    }

    /// From now on the modem reads and answers nothing. What it was doing is lost.
    pub(super) fn hang(&mut self, cure: Cure, lasts: Option<Duration>, now: Instant) {
        if cure == Cure::Radio {
            self.radio_hangs = true;
            return;
        }
        self.idle();
        self.timers.retain(|(_, event)| matches!(event, Event::Every(_) | Event::Registered(_)));
        self.hung = Some(Hang::new(cure));
        if let Some(lasts) = lasts {
            self.timers.push((now + lasts, Event::Unhang));
        }
    }

    /// Ends [`Modem::hang`].
    pub(super) fn unhang(&mut self) {
        self.hung = None;
        self.radio_hangs = false;
        self.timers.retain(|(_, event)| !matches!(event, Event::Unhang));
    }

    /// Delivers a message to this modem's SIM.
    pub(super) fn deliver_text(&mut self, from: &str, text: &str) {
        self.concat = self.concat.wrapping_add(1);
        for pdu in deliver(&self.smsc, from, text, self.concat, self.network.wall()) {
            self.deliver_pdu(pdu);
        }
    }

    /// 3GPP TS 27.005 clause 3.4.1, `<mt>`: the message is routed to the other end, or stored and announced.
    pub(super) fn deliver_pdu(&mut self, pdu: Pdu) {
        match self.settings.cnmi[1] {
            2 if !self.settings.text_mode => {
                self.write_lines(&[format!("+CMT: ,{}", pdu.length()), pdu.hex()]);
                self.unacknowledged = self.settings.service == 1;
            }
            announce => {
                let memory = self.settings.memories[2].clone();
                let place = self.memories.store(&memory, 0, pdu);
                if let (1, Some(place)) = (announce, place) {
                    self.write_lines(&[format!("+CMTI: \"{memory}\",{place}")]);
                }
            }
        }
    }

    /// Changes the registration. `+CREG`, `+CGREG` and `+CEREG` report that when they are switched on.
    pub(super) fn set_registration(&mut self, status: u8) {
        if self.registration == status {
            return;
        }
        self.registration = status;
        let script = Arc::clone(&self.script);
        for (place, domain) in ["CREG", "CGREG", "CEREG"].into_iter().enumerate() {
            let mode = self.settings.reports[place];
            if mode > 0 && script.network.domains.iter().any(|known| known == domain) {
                let blank = if script.network.blanks { ", " } else { "," };
                let values = self.registration_values(mode).join(blank);
                self.write_lines(&[format!("+{domain}: {values}")]);
            }
        }
    }

    /// Starts the script's registration over. Nothing happens with the radio off or without a SIM.
    pub(super) fn register(&mut self, now: Instant) {
        self.timers.retain(|(_, event)| !matches!(event, Event::Registered(_)));
        if self.sim.state == CardState::Absent {
            return;
        }
        let script = Arc::clone(&self.script);
        for step in &script.network.registration {
            self.after(step.after_ms, now, Event::Registered(step.status));
        }
    }

    /// Ends the registration, since the radio is off.
    pub(super) fn deregister(&mut self) {
        self.timers.retain(|(_, event)| !matches!(event, Event::Registered(_)));
        self.set_registration(0);
    }

    /// The SIM has accepted its PIN, and is busy for a while.
    pub(super) fn sim_opened(&mut self, now: Instant) {
        self.sim_busy = true;
        self.after(self.script.card.busy_ms, now, Event::SimReady);
    }

    /// Writes a line after a delay, whatever happens in the meantime.
    pub(super) fn line_later(&mut self, line: String, delay: Delay, now: Instant) {
        self.after(delay, now, Event::Line(line));
    }

    /// Restarts the modem once its answer is written.
    pub(super) fn restart_after_answer(&mut self, now: Instant) {
        // The restart is due now: `expire` runs after the answer of the command that asked for the restart.
        self.timers.push((now, Event::Restart));
    }

    /// The answer of the script that fits the command. It counts as used.
    pub(super) fn scripted(&mut self, command: &str) -> Option<usize> {
        let place = self.script.answers.iter().zip(&self.answers_used).position(|(answer, used)| {
            let fits = match answer.command.strip_suffix('*') {
                Some(head) => command.get(..head.len()).is_some_and(|start| start.eq_ignore_ascii_case(head)),
                None => command.eq_ignore_ascii_case(&answer.command),
            };
            let barred = answer.unless.as_ref().is_some_and(|mark| self.settings.marks.contains(mark));
            fits && !barred && answer.times.is_none_or(|times| *used < times)
        })?;
        self.answers_used[place] += 1;
        Some(place)
    }

    /// Applies the changes that an answer of the script makes.
    pub(super) fn change(&mut self, change: &Change, now: Instant) {
        if let Some(mark) = &change.mark {
            self.settings.marks.insert(mark.clone());
        }
        if let Some(echo) = change.echo {
            self.settings.echo = echo;
        }
        if let Some(smsc) = &change.smsc {
            self.smsc.clone_from(smsc);
        }
        if let Some(card) = change.card {
            self.sim.state = card;
        }
        if let Some(status) = change.registration {
            self.set_registration(status);
        }
        if let Some(periodic) = change.periodic {
            self.settings.periodic = periodic;
        }
        if change.restart {
            self.restart_after_answer(now);
        }
    }

    pub(super) fn idle(&mut self) {
        self.state = State::Command;
        self.line.clear();
        self.started = None;
        self.queue.clear();
    }

    pub(super) fn sample(&mut self, delay: Delay) -> Duration {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.dice.between(nanos(delay.shortest), nanos(delay.longest)))
    }

    /// Makes the event due after the delay, or at once when the delay is zero.
    pub(super) fn after(&mut self, delay: Delay, now: Instant, event: Event) {
        let delay = self.sample(delay);
        if delay.is_zero() {
            self.happen(event, now);
        } else {
            self.timers.push((now + delay, event));
        }
    }

    fn happen(&mut self, event: Event, now: Instant) {
        match event {
            Event::Answer(octets) => {
                self.out.extend(octets);
                self.state = State::Command;
            }
            Event::Prompt => self.give_prompt(),
            Event::OffAir(ending) => self.off_air(*ending, now),
            Event::Late(octets) => self.out.extend(octets),
            Event::Report(pdu) => self.report(pdu),
            Event::Line(line) => self.write_lines(&[line]),
            Event::Start(place) => self.unsolicited_at(place),
            Event::Every(place) => {
                if self.settings.periodic {
                    self.unsolicited_at(place);
                }
                if let Some(Moment::Every(period)) = self.script.unsolicited.get(place).map(|u| u.at) {
                    let period = self.sample(period);
                    self.timers.push((now + period, Event::Every(place)));
                }
            }
            Event::Registered(status) => self.set_registration(status),
            Event::SimReady => self.sim_busy = false,
            Event::Unhang => self.unhang(),
            Event::Restarted(restart) => self.restart(restart, now),
            Event::Restart => {
                let back_after = self.sample(self.script.timing.restart_ms);
                if back_after.is_zero() {
                    self.power_on(now);
                } else {
                    self.leaving = Some(Disconnect { back_after: Some(back_after) });
                }
            }
        }
    }

    /// Works through what was received, as far as the modem is free to.
    fn work(&mut self, now: Instant) {
        while self.leaving.is_none() && self.hung.is_none() {
            match self.state {
                State::Answering => return,
                State::Sending if self.script.sending.meanwhile == WhileSending::Wait => return,
                _ => {}
            }
            let Some(octet) = self.queue.pop_front() else { return };
            if self.plug_pulled || self.cut_before_reading(octet) {
                return;
            }
            match &mut self.state {
                State::Command => self.command_octet(octet, now),
                State::Prompting(_) if octet == ESCAPE => self.give_up(),
                // Before its prompt is given, the modem takes no message.
                State::Prompting(_) | State::Answering => {}
                State::Body(_) => self.body_octet(octet, now),
                State::Sending => self.octet_while_sending(octet),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::monotonic;

    fn fragment() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            "(AT|at)?[A-Z&+^]{1,5}[=?]{0,2}[0-9\",;]{0,9}\r".prop_map(String::into_bytes),
            proptest::sample::select(vec![
                "AT+CMGS=18\r",
                "0001000B911497214365F7000005C8329BFD06\x1a",
                "\x1a",
                "\x1b",
                "AT+CFUN=1,1\r",
                "AT+CMGF=1\r",
                "AT+CMGS=\"1\"\r",
                "AT+CPIN=\"é\r",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_to_it_breaks_a_modem(
            fragments in proptest::collection::vec(fragment(), 0..60),
            script in 0..Script::BUILT_IN.len(),
        ) {
            let script = Script::built_in(Script::BUILT_IN[script].0).unwrap();
            let mut modem = Modem::new(Arc::new(script), 0, 1, Arc::default(), Arc::default());
            let mut now = monotonic();
            modem.power_on(now);
            for fragment in fragments {
                modem.receive(&fragment, now);
                now += Duration::from_secs(1);
                modem.expire(now);
                if modem.take_disconnect().is_some() {
                    modem.power_off();
                    modem.power_on(now);
                }
            }
            // In whatever state the modem is, ESC and the air time of all waiting messages bring it back.
            modem.receive(b"\x1b\r", now);
            for _ in 0..400 {
                now += Duration::from_secs(1);
                modem.expire(now);
                if modem.take_disconnect().is_some() {
                    modem.power_off();
                    modem.power_on(now);
                }
            }
            modem.take_output();
            modem.receive(b"\r\x1bATQ0V1E0\r", now);
            now += Duration::from_secs(1);
            modem.expire(now);
            modem.take_output();
            modem.receive(b"AT\r", now);
            // The answer's delay is over, and no periodic line is due yet.
            modem.expire(now + Duration::from_millis(20));
            let output = String::from_utf8_lossy(&modem.take_output()).into_owned();
            prop_assert!(output.ends_with("\r\nOK\r\n"), "{output:?}");
        }
    }
}
