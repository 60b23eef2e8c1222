//! Finding ports in made-up trees of `/sys`, `/dev` and `/proc`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use gsm_modem::ports::{self, Candidate, Obstacle, Role, Root};

/// A made-up machine.
struct Machine {
    dir: tempfile::TempDir,
    ports: usize,
}

/// A USB device, with the content of its files.
struct Stick {
    place: &'static str,
    usb: (u16, u16),
    names: (&'static str, &'static str),
    serial: Option<&'static str>,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in
            ["sys/class/tty", "sys/bus/usb/devices", "dev/serial/by-id", "dev/serial/by-path", "proc"]
        {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { dir, ports: 0 }
    }

    fn root(&self) -> Root {
        Root::at(self.dir.path())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Plugs in a device, without any port.
    fn plug(&self, stick: &Stick) -> PathBuf {
        let device = self.path("sys/devices/pci0000:00/0000:00:14.0/usb1").join(stick.place);
        fs::create_dir_all(&device).unwrap();
        let write = |name: &str, text: &str| fs::write(device.join(name), format!("{text}\n")).unwrap();
        write("idVendor", &format!("{:04x}", stick.usb.0));
        write("idProduct", &format!("{:04x}", stick.usb.1));
        write("manufacturer", stick.names.0);
        write("product", stick.names.1);
        if let Some(serial) = stick.serial {
            write("serial", serial);
        }
        symlink(&device, self.path("sys/bus/usb/devices").join(stick.place)).unwrap();
        device
    }

    /// An interface of a device, with a port of the driver `option` if it has one.
    fn interface(&mut self, device: &Path, number: u8, class: [u8; 3], has_port: bool) -> Option<String> {
        let place = device.file_name().unwrap().to_str().unwrap();
        let interface = device.join(format!("{place}:1.{number}"));
        fs::create_dir_all(&interface).unwrap();
        let write =
            |name: &str, value: u8| fs::write(interface.join(name), format!("{value:02x}\n")).unwrap();
        write("bInterfaceNumber", number);
        write("bInterfaceClass", class[0]);
        write("bInterfaceSubClass", class[1]);
        write("bInterfaceProtocol", class[2]);
        if !has_port {
            return None;
        }
        let name = format!("ttyUSB{}", self.ports);
        self.ports += 1;
        self.tty(&interface, &name, "option", true);
        Some(name)
    }

    /// The tty of an interface: USB serial drivers have a folder in between, `cdc_acm` has none.
    fn tty(&self, interface: &Path, name: &str, driver: &str, between: bool) {
        let driver_folder = self.path("sys/bus/usb/drivers").join(driver);
        fs::create_dir_all(&driver_folder).unwrap();
        let _ = symlink(&driver_folder, interface.join("driver"));
        let port = if between { interface.join(name) } else { interface.to_owned() };
        let tty = port.join("tty").join(name);
        fs::create_dir_all(&tty).unwrap();
        symlink(&port, tty.join("device")).unwrap();
        symlink(&tty, self.path("sys/class/tty").join(name)).unwrap();
        fs::write(self.path("dev").join(name), "").unwrap();
    }

    fn link(&self, folder: &str, name: &str, tty: &str) {
        let link = self.path("dev/serial").join(folder).join(name);
        // udev replaces a link of the same name.
        let _ = fs::remove_file(&link);
        symlink(format!("../../{tty}"), link).unwrap();
    }

    fn scan(&self) -> Vec<Candidate> {
        ports::scan(&self.root())
    }

    fn names(&self) -> Vec<(String, Role)> {
        let name = |port: &Candidate| port.path.file_name().unwrap().to_str().unwrap().to_owned();
        self.scan().iter().map(|port| (name(port), port.role)).collect()
    }
}

const VENDOR: [u8; 3] = [0xff, 0xff, 0xff];

fn huawei_e1550() -> Stick {
    Stick { place: "1-1", usb: (0x12d1, 0x1001), names: ("HUAWEI Technology", "HUAWEI Mobile"), serial: None }
}

#[test]
fn a_huawei_e1550_by_its_table() {
    let mut machine = Machine::new();
    let device = machine.plug(&huawei_e1550());
    for number in 0..3 {
        machine.interface(&device, number, VENDOR, true);
    }
    machine.interface(&device, 3, [8, 6, 0x50], false);
    machine.link("by-id", "usb-HUAWEI_Technology_HUAWEI_Mobile-if02-port0", "ttyUSB2");
    machine.link("by-path", "pci-0000:00:14.0-usb-0:1:1.2-port0", "ttyUSB2");
    let ports = machine.scan();
    assert_eq!(
        machine.names(),
        [("ttyUSB2".into(), Role::At), ("ttyUSB0".into(), Role::Unknown), ("ttyUSB1".into(), Role::Other)]
    );
    let best = &ports[0];
    assert_eq!(best.path, machine.path("dev/ttyUSB2"));
    assert_eq!(best.usb, Some((0x12d1, 0x1001)));
    assert_eq!((best.interface, best.class), (Some(2), Some(VENDOR)));
    assert_eq!(best.driver.as_deref(), Some("option"));
    assert_eq!(best.manufacturer.as_deref(), Some("HUAWEI Technology"));
    assert_eq!(best.product.as_deref(), Some("HUAWEI Mobile"));
    assert_eq!(best.serial, None);
    assert_eq!(
        best.stable_path(),
        machine.path("dev/serial/by-id/usb-HUAWEI_Technology_HUAWEI_Mobile-if02-port0")
    );
    assert!(!best.is_uart() && !best.has_twin);
    assert_eq!(ports[1].stable_path(), ports[1].path, "without links the node");
    assert!(ports::without_port(&machine.root(), &ports).is_empty());
}

#[test]
fn a_huawei_by_the_class_of_its_interfaces() {
    let mut machine = Machine::new();
    let stick = Stick { usb: (0x12d1, 0x1506), ..huawei_e1550() };
    let device = machine.plug(&stick);
    machine.interface(&device, 0, [0xff, 2, 1], true);
    machine.interface(&device, 1, [0xff, 2, 0x16], false);
    machine.interface(&device, 2, [0xff, 2, 2], true);
    // The table says interface 3; the class is more exact.
    machine.interface(&device, 3, [0xff, 2, 1], true);
    assert_eq!(
        machine.names(),
        [("ttyUSB1".into(), Role::At), ("ttyUSB0".into(), Role::Data), ("ttyUSB2".into(), Role::Data)]
    );
}

#[test]
fn zte_quectel_and_simcom_by_their_tables() {
    let mut machine = Machine::new();
    let sticks = [
        ("1-1", (0x19d2, 0x0031), ("ZTE, Incorporated", "ZTE WCDMA Technologies MSM"), 4),
        ("1-2", (0x2c7c, 0x0125), ("Quectel, Incorporated", "EC25-EUX"), 4),
        ("1-3", (0x1e0e, 0x9001), ("SimTech, Incorporated", "SimTech SIM7600"), 5),
    ];
    for (place, usb, names, interfaces) in sticks {
        let device = machine.plug(&Stick { place, usb, names, serial: Some("1234567890ABCDEF") });
        for number in 0..interfaces {
            machine.interface(&device, number, VENDOR, true);
        }
    }
    let named = |name: &str, role| (name.to_owned(), role);
    assert_eq!(
        machine.names(),
        [
            named("ttyUSB3", Role::At),
            named("ttyUSB1", Role::SecondAt),
            named("ttyUSB0", Role::Unknown),
            named("ttyUSB2", Role::Unknown),
            named("ttyUSB6", Role::At),
            named("ttyUSB7", Role::SecondAt),
            named("ttyUSB4", Role::Other),
            named("ttyUSB5", Role::Other),
            named("ttyUSB10", Role::At),
            named("ttyUSB11", Role::SecondAt),
            named("ttyUSB8", Role::Other),
            named("ttyUSB9", Role::Other),
            named("ttyUSB12", Role::Other),
        ]
    );
    let ports = machine.scan();
    let quectel: Vec<_> =
        ports.iter().filter(|port| port.fits(Some((0x2c7c, 0x0125)), Some("1234567890ABCDEF"))).collect();
    assert_eq!(quectel.len(), 4);
    assert!(!ports[0].fits(None, Some("other")) && ports[0].fits(None, None));
    assert!(
        ports.iter().all(|port| !port.has_twin),
        "the same serial number on other products makes no twin"
    );
}

#[test]
fn an_acm_port_and_a_bridge() {
    let machine = Machine::new();
    let ublox = machine.plug(&Stick {
        place: "2-1",
        usb: (0x1546, 0x1102),
        names: ("u-blox AG", "u-blox Wireless Module"),
        serial: None,
    });
    let mut machine = machine;
    machine.interface(&ublox, 0, [2, 2, 1], false);
    machine.tty(&ublox.join("2-1:1.0"), "ttyACM0", "cdc_acm", false);
    let bridge = machine.plug(&Stick {
        place: "2-2",
        usb: (0x1a86, 0x7523),
        names: ("QinHeng", "USB Serial"),
        serial: None,
    });
    machine.interface(&bridge, 0, VENDOR, false);
    machine.tty(&bridge.join("2-2:1.0"), "ttyUSB0", "ch341", true);
    let ports = machine.scan();
    assert_eq!(machine.names(), [("ttyACM0".into(), Role::At), ("ttyUSB0".into(), Role::Unknown)]);
    assert_eq!(ports[0].driver.as_deref(), Some("cdc_acm"));
    assert!(!ports[0].is_uart() && ports[1].is_uart());
    assert!(Candidate::default().is_uart(), "a port of the board");
}

#[test]
fn two_identical_sticks_share_a_name_and_are_told_apart_by_their_sockets() {
    let mut machine = Machine::new();
    for (place, socket) in [("1-1", "1"), ("1-2", "2")] {
        let stick = Stick { place, serial: Some("0123456789ABCDEF"), ..huawei_e1550() };
        let device = machine.plug(&stick);
        let tty = machine.interface(&device, 2, VENDOR, true).unwrap();
        machine.link("by-id", "usb-HUAWEI_Technology_HUAWEI_Mobile_0123456789ABCDEF-if02-port0", &tty);
        machine.link("by-path", &format!("pci-0000:00:14.0-usb-0:{socket}:1.2-port0"), &tty);
    }
    let ports = machine.scan();
    assert_eq!(ports.len(), 2);
    assert_eq!((ports[0].by_id.is_some(), ports[1].by_id.is_some()), (false, true), "the last one took it");
    for (port, socket) in ports.iter().zip(["1", "2"]) {
        assert!(port.has_twin);
        let name = format!("dev/serial/by-path/pci-0000:00:14.0-usb-0:{socket}:1.2-port0");
        assert_eq!(port.stable_path(), machine.path(&name));
    }
}

#[test]
fn two_links_of_one_port_and_a_dangling_one() {
    let mut machine = Machine::new();
    let device = machine.plug(&huawei_e1550());
    machine.interface(&device, 2, VENDOR, true);
    machine.link("by-id", "usb-B-if02-port0", "ttyUSB0");
    machine.link("by-id", "usb-A-if02-port0", "ttyUSB0");
    machine.link("by-id", "usb-0-if02-port0", "ttyUSB9");
    let ports = machine.scan();
    assert_eq!(ports[0].stable_path(), machine.path("dev/serial/by-id/usb-A-if02-port0"));
}

#[test]
fn an_empty_machine_and_a_broken_one() {
    let machine = Machine::new();
    assert!(machine.scan().is_empty());
    assert!(ports::scan(&Root::at("/nonexistent")).is_empty());
    fs::create_dir_all(machine.path("sys/class/tty/ttyUSB0")).unwrap();
    fs::write(machine.path("sys/class/tty/ttyACM7"), "no folder").unwrap();
    assert!(machine.scan().is_empty(), "a tty without its device has just vanished");
}

#[test]
fn sticks_without_a_port_say_why() {
    let mut machine = Machine::new();
    let plug = |machine: &Machine, place, usb| machine.plug(&Stick { place, usb, ..huawei_e1550() });
    plug(&machine, "1-1", (0x12d1, 0x14dc));
    plug(&machine, "1-2", (0x12d1, 0x1446));
    plug(&machine, "1-3", (0x19d2, 0x2000));
    plug(&machine, "1-4", (0x2c7c, 0x0125));
    plug(&machine, "1-5", (0x046d, 0xc31c));
    // Huawei's telephones are not sticks.
    plug(&machine, "1-6", (0x12d1, 0x107e));
    let device = plug(&machine, "1-7", (0x12d1, 0x15c1));
    machine.interface(&device, 0, [0xff, 2, 2], false);
    let found = ports::without_port(&machine.root(), &machine.scan());
    assert_eq!(
        found,
        [
            Obstacle::Router { usb: (0x12d1, 0x14dc) },
            Obstacle::Storage { usb: (0x12d1, 0x1446) },
            Obstacle::Storage { usb: (0x19d2, 0x2000) },
            Obstacle::NoDriver { usb: (0x2c7c, 0x0125) },
            Obstacle::NoDriver { usb: (0x12d1, 0x15c1) },
        ]
    );
    let said: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("12d1:14dc is a router (HiLink): it has no AT port"), "{}", said[0]);
    assert!(said[1].contains("usb-modeswitch"), "{}", said[1]);
    assert!(said[3].contains("modprobe option") && said[3].contains("echo 2c7c 0125"), "{}", said[3]);
}

#[test]
fn a_missing_node_and_a_file_are_named() {
    let mut machine = Machine::new();
    let device = machine.plug(&huawei_e1550());
    machine.interface(&device, 2, VENDOR, true);
    let node = machine.path("dev/ttyUSB0");
    let root = machine.root();
    assert_eq!(ports::in_the_way(&root, &node), Some(Obstacle::NotAPort { port: node.clone() }));
    fs::remove_file(&node).unwrap();
    assert_eq!(ports::in_the_way(&root, &node), Some(Obstacle::NoNode { port: node }));
    let absent = machine.path("dev/ttyUSB5");
    let obstacle = ports::in_the_way(&root, &absent).unwrap();
    assert_eq!(obstacle, Obstacle::Absent { port: absent.clone() });
    assert_eq!(obstacle.to_string(), format!("{} is not there: is the modem plugged in?", absent.display()));
}

#[test]
fn the_holder_of_a_port_is_named_with_the_cure() {
    let machine = Machine::new();
    let node = machine.path("dev/ttyUSB2");
    fs::write(&node, "").unwrap();
    let process = |pid: &str, comm: &str, lock: &str| {
        let folder = machine.path("proc").join(pid);
        fs::create_dir_all(folder.join("fd")).unwrap();
        fs::create_dir_all(folder.join("fdinfo")).unwrap();
        fs::write(folder.join("comm"), format!("{comm}\n")).unwrap();
        symlink(node.canonicalize().unwrap(), folder.join("fd/7")).unwrap();
        fs::write(folder.join("fdinfo/7"), format!("pos:\t0\n{lock}")).unwrap();
    };
    assert_eq!(ports::holder(&machine.root(), &node), None);
    process("812", "ModemManager", "");
    fs::create_dir_all(machine.path("proc/sys/fd")).unwrap();
    let holder = ports::holder(&machine.root(), &node).unwrap();
    assert_eq!((holder.pid, holder.program.as_str()), (812, "ModemManager"));
    let said = Obstacle::Held { port: node.clone(), holder: Some(holder) }.to_string();
    assert!(said.contains("held by ModemManager (process 812)"), "{said}");
    assert!(said.contains("ID_MM_DEVICE_IGNORE") && said.contains("systemctl stop ModemManager"), "{said}");
    process("901", "smsotpd", "lock:\t1: OFDLCK ADVISORY WRITE -1 00:18:5 0 EOF\n");
    let holder = ports::holder(&machine.root(), &node).unwrap();
    assert_eq!(holder.program, "smsotpd", "the process that locked it, not one that only has it open");
    assert_eq!(ports::holder(&machine.root(), &machine.path("dev/ttyUSB3")), None);
    // A lock file names the process that took the port in the UUCP manner, as long as that process lives.
    let lock = machine.path("run/lock/LCK..ttyUSB2");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "      4711\n").unwrap();
    assert_eq!(ports::holder(&machine.root(), &node).unwrap().program, "smsotpd", "4711 is gone");
    fs::create_dir_all(machine.path("proc/4711")).unwrap();
    fs::write(machine.path("proc/4711/comm"), "minicom\n").unwrap();
    assert_eq!(ports::holder(&machine.root(), &node).unwrap().to_string(), "minicom (process 4711)");
}

#[test]
fn who_may_not_open_a_port_is_told_the_group() {
    let denied = |group: Option<&str>| {
        let group = group.map(str::to_owned);
        Obstacle::Denied { port: "/dev/ttyUSB0".into(), user: "anna".into(), group }.to_string()
    };
    let said = denied(Some("dialout"));
    assert!(said.contains("usermod -aG dialout anna") && said.contains("log in again"), "{said}");
    assert!(denied(None).contains("udev rule"));
}
