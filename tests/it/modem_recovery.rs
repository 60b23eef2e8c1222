//! The recovery ladder over ptys: each hang is ended by the rung that should end it, with a sysfs and a
//! power-cycle command of the test.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gsm_modem::at::LineEnd;
use gsm_modem::dialogue::DialogueSettings;
use gsm_modem::ladder::{Limits, Rung};
use gsm_modem::ports::Root;
use gsm_modem::{
    Find, Modem, Notice, Outcome, Part, Reopen, Roaming, Sending, Settings, Snapshot, State, SystemHost,
    Timing,
};
use gsm_sim::{Cure, Fault, FaultKind, Options, Point, Script, Sim};
use smsotpd::secret::Secret;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Longer than anything here takes; a test that reaches this limit has failed.
const LIMIT: Duration = Duration::from_secs(30);

/// A SUBMIT to +41791234567: "Hello".
const HELLO: [u8; 19] = [
    0x00, 0x01, 0x00, 0x0B, 0x91, 0x14, 0x97, 0x21, 0x43, 0x65, 0xF7, 0x00, 0x00, 0x05, 0xC8, 0x32, 0x9B,
    0xFD, 0x06,
];

const fn timing() -> Timing {
    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }
    Timing {
        select: ms(1000),
        listing: ms(600_000),
        announce_again: ms(300_000),
        sending: Sending { prompt: ms(400), body: ms(1500), gate: ms(5000), late: ms(10_000) },
        command: ms(400),
        slow_command: ms(1000),
        dialogue: DialogueSettings {
            attention: ms(250),
            attention_tries: 3,
            quiet: ms(20),
            pause: ms(0),
            line_end: LineEnd::Cr,
        },
        keep_alive: ms(300),
        registration_poll: ms(50),
        busy_retry: ms(50),
        blocked_retry: ms(1000),
        reopen: Reopen { first: ms(100), max: ms(200) },
        ladder: Limits {
            boot: ms(1500),
            stable: ms(600_000),
            rest_first: ms(1500),
            rest_max: ms(3000),
            useless: ms(3_600_000),
            no_network: ms(1500),
            away: ms(500),
            power_cycle: ms(10_000),
        },
    }
}

/// A machine with simulated modems, one on each of its USB devices.
struct Machine {
    dir: tempfile::TempDir,
    sim: Arc<Sim>,
}

impl Machine {
    fn new(modems: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let links = Some(dir.path().join("links"));
        let sim = Sim::start(Options { dir: links, modems, script: Script::default(), seed: 3 }).unwrap();
        for folder in ["dev", "proc", "sys/class/tty"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let machine = Self { dir, sim: Arc::new(sim) };
        for modem in 0..modems {
            machine.connect(modem, modem);
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn device(&self, modem: usize) -> PathBuf {
        self.at(&format!("sys/devices/usb1/1-{modem}"))
    }

    fn node(&self, tty: usize) -> PathBuf {
        self.at(&format!("dev/ttyUSB{tty}"))
    }

    /// Gives the modem's port this number, as the kernel does.
    fn connect(&self, modem: usize, tty: usize) {
        let (usb, name) = (self.device(modem), format!("ttyUSB{tty}"));
        let port = usb.join(format!("1-{modem}:1.0/{name}"));
        fs::create_dir_all(port.join("tty").join(&name)).unwrap();
        fs::write(usb.join("idVendor"), "2c7c\n").unwrap();
        fs::write(usb.join("idProduct"), "0125\n").unwrap();
        fs::write(usb.join(format!("1-{modem}:1.0/bInterfaceNumber")), "02\n").unwrap();
        symlink(&port, port.join("tty").join(&name).join("device")).unwrap();
        symlink(port.join("tty").join(&name), self.at("sys/class/tty").join(&name)).unwrap();
        symlink(self.sim.port(modem), self.node(tty)).unwrap();
    }

    fn disconnect(&self, modem: usize, tty: usize) {
        self.sim.unplug(modem);
        fs::remove_file(self.node(tty)).unwrap();
        fs::remove_file(self.at("sys/class/tty").join(format!("ttyUSB{tty}"))).unwrap();
        fs::remove_dir_all(self.device(modem)).unwrap();
    }

    fn host(&self) -> SystemHost {
        SystemHost { root: Root::at(self.dir.path()), power_cycle: Vec::new() }
    }

    fn by_path(&self) -> Find {
        self.node(0).into()
    }

    /// Whatever is written to this file is passed to `hear`, until `hear` returns that it has seen enough.
    fn pipe(&self, path: &PathBuf, mut hear: impl FnMut(&Sim, &str) -> bool + Send + 'static) {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        let (path, sim) = (path.clone(), Arc::clone(&self.sim));
        std::thread::spawn(move || {
            loop {
                let mut text = String::new();
                File::open(&path).unwrap().read_to_string(&mut text).unwrap();
                if !hear(&sim, text.trim()) {
                    return;
                }
            }
        });
    }
}

struct Driven {
    modem: Modem,
    notices: mpsc::Receiver<Notice>,
}

impl Driven {
    async fn ready(find: Find, host: SystemHost) -> Self {
        let driven = Self::start(find, host);
        driven.until("ready", |s| s.state == State::Ready).await;
        driven
    }

    fn start(find: Find, host: SystemHost) -> Self {
        let (sender, notices) = mpsc::channel(1024);
        let settings = Settings {
            name: "stick1".into(),
            find,
            baud: 115_200,
            pin: None,
            smsc: None,
            roaming: Roaming::Allowed,
            operator: None,
            pins: None,
            patience: None,
            profiles: smsotpd::config::profiles(),
            timing: timing(),
        };
        Self { modem: Modem::start_with(settings, Arc::new(host), sender), notices }
    }

    async fn until(&self, what: &str, done: impl FnMut(&Snapshot) -> bool) {
        let mut snapshot = self.modem.snapshot();
        let reached = timeout(LIMIT, snapshot.wait_for(done)).await.is_ok_and(|seen| seen.is_ok());
        assert!(reached, "never {what}: {:?}", *self.modem.snapshot().borrow());
    }

    async fn send(&self) -> Outcome {
        let (open, gate) = oneshot::channel();
        let sending = self.modem.submit(vec![Part { pdu: Secret::new(HELLO.to_vec()), length: 18 }], gate);
        let _ = open.send(());
        timeout(LIMIT, sending).await.expect("an outcome in time")
    }

    /// The next recovery that is reported.
    async fn recovered(&mut self) -> Rung {
        let told = timeout(LIMIT, async {
            loop {
                let notice = self.notices.recv().await.expect("the task lives");
                if let Notice::Recovered { rung, took } = notice {
                    assert!(took < LIMIT);
                    return rung;
                }
            }
        });
        let rung =
            told.await.unwrap_or_else(|_| panic!("no recovery: {:?}", *self.modem.snapshot().borrow()));
        let error = self.modem.snapshot().borrow().last_error.clone().unwrap_or_default();
        assert!(error.contains(rung.words()) && error.contains("brought it back after"), "{error}");
        rung
    }

    async fn works(&self) {
        self.until("ready", |s| s.state == State::Ready).await;
        let outcome = self.send().await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    }
}

/// The modem hangs while it is idle, and in the middle of a send.
async fn cured(cure: Cure, rung: Rung) {
    let machine = Machine::new(1);
    let mut driven = Driven::ready(machine.by_path(), machine.host()).await;
    // The keep-alive notices the hang.
    machine.sim.hang_until(0, cure);
    assert_eq!(driven.recovered().await, rung, "idle");
    driven.works().await;
    // At the prompt, after the PDU, and with the network's answer.
    for point in [Point::Prompt, Point::Body, Point::Accepted] {
        let machine = Machine::new(1);
        let mut driven = Driven::ready(machine.by_path(), machine.host()).await;
        machine.sim.fault(0, Fault::new(FaultKind::HangUntil(cure)).at(point).times(1));
        let outcome = driven.send().await;
        match point {
            // Nothing has left: another modem may have the message at once.
            Point::Prompt => assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}"),
            _ => assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}"),
        }
        assert_eq!(driven.recovered().await, rung, "{point:?}");
        driven.works().await;
        assert_eq!(machine.sim.received(), 1 + usize::from(point == Point::Accepted), "{point:?}");
    }
}

#[tokio::test]
async fn a_hang_is_cured_by_esc_and_at() {
    cured(Cure::Escape, Rung::Resync).await;
}

#[tokio::test]
async fn a_hang_is_cured_by_opening_the_port_anew() {
    cured(Cure::Reopen, Rung::Reopen).await;
}

#[tokio::test]
async fn a_hang_is_cured_by_a_restart() {
    cured(Cure::Restart, Rung::Restart).await;
}

#[tokio::test]
async fn a_modem_that_refuses_every_message_has_its_radio_switched_off_and_on() {
    let machine = Machine::new(1);
    let mut driven = Driven::ready(machine.by_path(), machine.host()).await;
    machine.sim.hang_until(0, Cure::Radio);
    for _ in 0..5 {
        driven.until("ready", |s| s.state == State::Ready).await;
        assert!(matches!(driven.send().await, Outcome::Rejected { .. }));
    }
    // The breaker reports this.
    driven.modem.cure("all of them".to_owned()).await;
    driven.until("recovering", |s| s.state == State::Recovering).await;
    driven.works().await;
    assert_eq!(driven.recovered().await, Rung::Radio);
    let switched = |line: &str| machine.sim.commands(0).iter().any(|c| c.line == line);
    assert!(switched("AT+CFUN=4") && switched("AT+CFUN=1") && !switched("AT+CFUN=1,1"));
}

#[tokio::test]
async fn without_a_network_the_radio_is_switched_off_and_on() {
    let machine = Machine::new(1);
    let mut driven = Driven::ready(machine.by_path(), machine.host()).await;
    machine.sim.set_registration(0, 2);
    driven.until("searching", |s| s.state == State::Recovering).await;
    assert_eq!(driven.recovered().await, Rung::Radio);
    driven.works().await;
}

#[tokio::test]
async fn a_device_is_given_to_its_drivers_anew() {
    let machine = Machine::new(1);
    let pulled = |sim: &Sim, text: &str| {
        match text {
            "0" => sim.unplug(0),
            _ => sim.plug(0).unwrap(),
        }
        text == "0"
    };
    machine.pipe(&machine.device(0).join("authorized"), pulled);
    let mut driven = Driven::ready(machine.by_path(), machine.host()).await;
    machine.sim.hang(0);
    assert_eq!(driven.recovered().await, Rung::Reauthorise);
    driven.works().await;
}

#[tokio::test]
async fn a_modem_that_is_known_by_its_imei_is_cured_though_it_cannot_say_who_it_is() {
    let machine = Machine::new(2);
    let pulled = |sim: &Sim, text: &str| {
        match text {
            "0" => sim.unplug(1),
            _ => sim.plug(1).unwrap(),
        }
        text == "0"
    };
    machine.pipe(&machine.device(1).join("authorized"), pulled);
    // The IMEI of the default script's second modem.
    let find = Find { imei: Some("490154203237526".into()), ..Find::default() };
    let mut driven = Driven::ready(find, machine.host()).await;
    machine.sim.hang(1);
    assert_eq!(driven.recovered().await, Rung::Reauthorise);
    driven.works().await;
    assert!(machine.sim.device(0).is_some(), "the other was left alone");
}

#[tokio::test]
async fn modems_that_look_for_themselves_at_once_do_not_keep_each_other_out() {
    let machine = Machine::new(3);
    fs::write(machine.device(2).join("serial"), "S2\n").unwrap();
    let imei = |imei: &str| Find { imei: Some(imei.into()), ..Find::default() };
    let serial = Find { serial: Some("S2".into()), ..Find::default() };
    let found = tokio::join!(
        Driven::ready(imei("490154203237526"), machine.host()),
        Driven::ready(imei("490154203237518"), machine.host()),
        Driven::ready(serial, machine.host()),
    );
    for (driven, node) in [(found.0, 1), (found.1, 0), (found.2, 2)] {
        assert_eq!(driven.modem.snapshot().borrow().port, machine.node(node).display().to_string());
        driven.works().await;
    }
}

#[tokio::test]
async fn a_stick_that_took_the_place_of_another_is_not_taken_for_it() {
    let machine = Machine::new(3);
    let find = Find { imei: Some("490154203237526".into()), ..Find::default() };
    let driven = Driven::ready(find, machine.host()).await;
    // One port cannot be asked, so that the modem may be behind it.
    fs::remove_file(machine.node(0)).unwrap();
    fs::write(machine.node(0), "").unwrap();
    fs::remove_file(machine.node(2)).unwrap();
    fs::remove_file(machine.node(1)).unwrap();
    symlink(machine.sim.port(2), machine.node(1)).unwrap();
    machine.sim.unplug(1);
    let another = |s: &Snapshot| s.last_error.as_deref().is_some_and(|e| e.contains("is another modem"));
    driven.until("told apart", another).await;
    assert!(!driven.modem.snapshot().borrow().ready);
}

#[tokio::test]
async fn a_stick_that_needs_a_while_to_answer_is_asked_again() {
    let machine = Machine::new(1);
    machine.sim.hang(0);
    let find = Find { imei: Some("490154203237518".into()), ..Find::default() };
    let driven = Driven::start(find, machine.host());
    let silent = |s: &Snapshot| s.last_error.as_deref().is_some_and(|e| e.contains("does not answer AT"));
    driven.until("silent", silent).await;
    machine.sim.unhang(0);
    driven.works().await;
}

#[tokio::test]
async fn the_operators_own_command_takes_the_power() {
    let machine = Machine::new(1);
    let (fifo, hub) = (machine.at("fifo"), machine.at("hub"));
    let node = machine.node(0).display().to_string();
    let expected = format!("off-on 3 stick1 {node}");
    let (told, mut heard) = mpsc::unbounded_channel();
    machine.pipe(&fifo, move |sim, text| {
        told.send(text == expected).unwrap();
        sim.unplug(0);
        sim.plug(0).unwrap();
        false
    });
    let script = format!("#!/bin/sh\necho \"$1 $2 $SMSOTP_MODEM $SMSOTP_PORT\" > {}\n", fifo.display());
    fs::write(&hub, script).unwrap();
    fs::set_permissions(&hub, fs::Permissions::from_mode(0o700)).unwrap();
    // The file exists and cannot be written, not even by root.
    fs::create_dir(machine.device(0).join("authorized")).unwrap();
    let power_cycle = [hub.to_str().unwrap(), "off-on", "3"].map(str::to_owned).to_vec();
    let mut driven = Driven::ready(machine.by_path(), SystemHost { power_cycle, ..machine.host() }).await;
    machine.sim.hang(0);
    assert_eq!(driven.recovered().await, Rung::PowerCycle);
    assert!(heard.recv().await.unwrap(), "arguments and environment");
    driven.works().await;
}

#[tokio::test]
async fn what_nothing_cures_rests_says_what_was_tried_and_is_found_when_it_wakes() {
    let machine = Machine::new(1);
    fs::create_dir(machine.device(0).join("authorized")).unwrap();
    let power_cycle = vec!["/nowhere/hub".to_owned()];
    let mut driven = Driven::ready(machine.by_path(), SystemHost { power_cycle, ..machine.host() }).await;
    machine.sim.hang_until(0, Cure::Nothing);
    driven
        .until("tells all", |s| {
            let told = s.last_error.as_deref().unwrap_or_default();
            let all = [
                "opening its port again (2 times)",
                "restarting it (2 times)",
                "/sys/bus/usb/devices/1-0/authorized cannot be written",
                "/nowhere/hub cannot be run",
            ];
            s.state == State::Recovering && all.iter().all(|what| told.contains(what))
        })
        .await;
    assert!(matches!(driven.send().await, Outcome::NotStarted { .. }));
    timeout(LIMIT, driven.modem.pause()).await.expect("it still listens");
    driven.modem.resume().await;
    machine.sim.unhang(0);
    driven.recovered().await;
    driven.works().await;
}

#[tokio::test]
async fn a_command_without_an_end_blocks_nothing() {
    let machine = Machine::new(1);
    let hub = machine.at("hub");
    fs::write(&hub, "#!/bin/sh\nwhile :; do sleep 1; done\n").unwrap();
    fs::set_permissions(&hub, fs::Permissions::from_mode(0o700)).unwrap();
    let power_cycle = vec![hub.display().to_string()];
    let driven = Driven::ready(machine.by_path(), SystemHost { power_cycle, ..machine.host() }).await;
    machine.sim.hang_until(0, Cure::Nothing);
    driven
        .until("there", |s| s.last_error.as_deref().is_some_and(|e| e.contains("power_cycle command")))
        .await;
    let start = Instant::now();
    assert!(matches!(driven.send().await, Outcome::NotStarted { .. }));
    timeout(LIMIT, driven.modem.stop(Duration::ZERO)).await.expect("it stops");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stick_that_comes_back_under_another_name_is_known_by_its_imei() {
    let machine = Machine::new(2);
    let find = Find { imei: Some("490154203237526".into()), ..Find::default() };
    let driven = Driven::ready(find, machine.host()).await;
    for number in [5, 1, 7] {
        let before = driven.modem.snapshot().borrow().port.clone();
        let tty = before.rsplit("ttyUSB").next().unwrap().parse().unwrap();
        machine.disconnect(1, tty);
        driven.until("absent", |s| s.state == State::Absent).await;
        assert!(matches!(driven.send().await, Outcome::NotStarted { .. }));
        machine.sim.plug(1).unwrap();
        let back = Instant::now();
        machine.connect(1, number);
        driven.works().await;
        assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        assert!(driven.modem.snapshot().borrow().port.ends_with(&format!("ttyUSB{number}")));
    }
}
