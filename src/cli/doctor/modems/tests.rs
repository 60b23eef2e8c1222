//! Modems of made-up machines.

use std::os::unix::fs::symlink;

use super::super::{Exit, Format};
use super::*;

/// A machine with nothing plugged in.
fn machine() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["sys/class/tty", "sys/bus/usb/devices", "dev/serial/by-id", "proc", "run/udev/data"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let root = Root::at(dir.path());
    (dir, root)
}

/// Plugs in a stick; with a port, its node is that of `/dev/null`.
fn plug(root: &Root, place: &str, usb: (&str, &str), port: Option<&str>) {
    let device = root.join("sys/devices/pci0/usb1").join(place);
    let interface = device.join(format!("{place}:1.0"));
    fs::create_dir_all(&interface).unwrap();
    fs::write(device.join("idVendor"), usb.0).unwrap();
    fs::write(device.join("idProduct"), usb.1).unwrap();
    for (name, value) in [
        ("bInterfaceNumber", "00"),
        ("bInterfaceClass", "ff"),
        ("bInterfaceSubClass", "ff"),
        ("bInterfaceProtocol", "ff"),
    ] {
        fs::write(interface.join(name), value).unwrap();
    }
    symlink(&device, root.join("sys/bus/usb/devices").join(place)).unwrap();
    if let Some(port) = port {
        let tty = interface.join(port);
        fs::create_dir_all(tty.join("tty").join(port)).unwrap();
        symlink(&tty, tty.join("tty").join(port).join("device")).unwrap();
        symlink(tty.join("tty").join(port), root.join("sys/class/tty").join(port)).unwrap();
        symlink("/dev/null", root.join("dev").join(port)).unwrap();
    }
}

fn runs(root: &Root, pid: u32, program: &str) {
    let process = root.join(&format!("proc/{pid}"));
    fs::create_dir_all(process.join("fd")).unwrap();
    fs::write(process.join("comm"), format!("{program}\n")).unwrap();
}

fn config(text: &str) -> Config {
    Config::parse(text, Path::new("smsotpd.toml")).unwrap()
}

fn said(root: &Root, config: Option<&Config>, known: Option<&[wire::Modem]>) -> (Exit, String) {
    let mut report = Report::default();
    check(root, config, known, &mut report);
    (report.exit(), report.show(Format::Plain).unwrap_or_default())
}

#[test]
fn an_absent_port_fails_and_a_machine_without_modems_does_not() {
    let (_dir, root) = machine();
    let (exit, text) = said(&root, None, None);
    assert_eq!(exit, Exit::Done, "{text}");
    assert!(text.contains("ok    manager  ModemManager does not run"), "{text}");
    let (exit, text) = said(&root, Some(&config("[[modem]]\nport = \"/dev/nowhere\"\n")), None);
    assert_eq!(exit, Exit::No);
    assert!(
        text.contains("fail  modem    modem1: /dev/nowhere is not there: is the modem plugged in?"),
        "{text}"
    );
    let (exit, text) = said(&root, Some(&config("[[modem]]\nusb = \"12d1:1506\"\n")), None);
    assert_eq!(exit, Exit::No);
    assert!(text.contains("`smsotp probe` shows what is there"), "{text}");
}

#[test]
fn a_stick_that_still_is_a_disk_fails_and_a_router_is_told() {
    let (_dir, root) = machine();
    plug(&root, "1-1", ("12d1", "1446"), None);
    let (exit, text) = said(&root, None, None);
    assert_eq!(exit, Exit::No);
    assert!(
        text.contains("fail  usb      the stick 12d1:1446 still is a disk")
            && text.contains("usb-modeswitch"),
        "{text}"
    );
    let (_dir, root) = machine();
    plug(&root, "1-2", ("12d1", "14dc"), None);
    let (exit, text) = said(&root, None, None);
    assert_eq!(exit, Exit::Done);
    assert!(text.contains("warn  usb      the stick 12d1:14dc is a router"), "{text}");
}

#[test]
fn a_modem_that_nobody_uses_is_told_once() {
    let (_dir, root) = machine();
    plug(&root, "1-1", ("12d1", "1506"), Some("ttyUSB0"));
    let (_, text) = said(&root, Some(&config("")), None);
    assert!(text.contains("ttyUSB0 is a modem that no [[modem]] names: `smsotp probe"), "{text}");
    let (_, text) = said(&root, Some(&config("[[modem]]\nusb = \"12d1:1506\"\n")), None);
    assert!(!text.contains("that no [[modem]] names"), "{text}");
    // Which stick has this IMEI, only the stick can say.
    let (_, text) = said(&root, Some(&config("[[modem]]\nimei = \"490154203237518\"\n")), None);
    assert!(!text.contains("that no [[modem]] names"), "{text}");
}

#[test]
fn modem_manager_is_told_until_a_rule_keeps_it_off() {
    let (_dir, root) = machine();
    runs(&root, 611, "ModemManager");
    let (_, text) = said(&root, None, None);
    assert!(text.contains("warn  manager  ModemManager (process 611) runs, and will open"), "{text}");
    plug(&root, "1-1", ("12d1", "1506"), Some("ttyUSB0"));
    let (exit, text) = said(&root, None, None);
    assert_eq!(exit, Exit::Done);
    assert!(text.contains("no rule keeps it off") && text.contains("70-smsotpd.rules"), "{text}");
    // /dev/null is 1:3.
    fs::write(root.join("run/udev/data/c1:3"), "E:ID_MODEL=x\nE:ID_MM_DEVICE_IGNORE=1\n").unwrap();
    let (_, text) = said(&root, None, None);
    assert!(text.contains("ok    manager  ModemManager (process 611) runs, and a rule"), "{text}");
}

#[test]
fn the_daemon_knows_its_modems_better() {
    let (_dir, root) = machine();
    let modem = |state: &str, breaker: &str| wire::Modem {
        name: "stick1".into(),
        host: None,
        state: state.into(),
        paused: false,
        port: "/dev/ttyUSB0".into(),
        manufacturer: String::new(),
        model: String::new(),
        firmware: String::new(),
        imei: String::new(),
        imsi: None,
        operator: Some("Salt".into()),
        registration: "home".into(),
        signal_dbm: Some(-71),
        pin_tries_left: None,
        queue: 0,
        sent_total: 0,
        failed_total: 0,
        parts_today: 0,
        parts_this_month: 0,
        recipients_this_month: 0,
        health: 100,
        breaker: breaker.into(),
        last_error: Some("the SIM asks for its PIN".into()),
        last_error_at: None,
        counters: wire::Counters::default(),
        canary: None,
        text_parts_left_today: None,
        text_parts_left_this_month: None,
        rules: None,
    };
    let absent = config("[[modem]]\nname = \"stick1\"\nport = \"/dev/nowhere\"\n");
    for (state, breaker, exit, line) in [
        (
            "ready",
            "closed",
            Exit::Done,
            "ok    modem    stick1 is ready at /dev/ttyUSB0, Salt, -71 dBm, good",
        ),
        ("ready", "open", Exit::Done, "warn  modem    stick1 gets no messages for a while"),
        ("paused", "closed", Exit::Done, "warn  modem    stick1 is paused: run `smsotp modem stick1 resume`"),
        ("recovering", "closed", Exit::Done, "warn  modem    stick1 does not work and is being cured"),
        ("blocked", "closed", Exit::No, "fail  modem    stick1 is blocked: the SIM asks for its PIN"),
        ("absent", "closed", Exit::No, "fail  modem    stick1 is absent: "),
    ] {
        let (met, text) = said(&root, Some(&absent), Some(&[modem(state, breaker)]));
        assert_eq!(met, exit, "{state}: {text}");
        assert!(text.contains(line), "{state}: {text}");
    }
}
