//! `smsotp probe` as a person runs it.

use std::path::Path;
use std::process::{Command, Output};

use gsm_sim::{Options, Script, Sim};
use smsotpd::config::Config;

fn probe(arguments: &[&Path], json: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsotp"));
    command.arg("probe").args(arguments);
    if json {
        command.arg("--json");
    }
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn start(script: &str) -> Sim {
    let script = Script::parse("test", script).unwrap();
    Sim::start(Options { script, modems: 2, ..Options::default() }).unwrap()
}

#[test]
fn a_person_reads_what_each_port_is_and_copies_a_section_that_is_valid() {
    let sim = start("");
    let output = probe(&[&sim.port(0), &sim.port(1)], false);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for line in [
        "  answers   AT at 115200 baud\n",
        "  device    Simulated SIM-27005 1.0.0\n",
        "  imei      490154203237518\n",
        "  sim       ready, number 8941015550000000012\n",
        "  network   Simulated Network, calls home, LTE home, data home\n",
        "  signal    -73 dBm, good\n",
        "  messages  PDU and text mode, memories SM ME SR\n",
        "  centre    +41794999000\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in {shown}");
    }
    let sections = shown.split("# for smsotpd.toml:\n").nth(1).unwrap();
    let config =
        Config::parse(sections, Path::new("smsotpd.toml")).unwrap_or_else(|e| panic!("{e:?}\n{sections}"));
    let names: Vec<_> = config.modems.iter().map(|modem| modem.session.name.as_str()).collect();
    assert_eq!(names[0], "sim-27005-7518");
    assert_eq!(names.len(), 2);
    let ports: Vec<_> = config.modems.iter().map(|modem| modem.session.find.port.clone().unwrap()).collect();
    assert_eq!(ports, [sim.port(0), sim.port(1)]);
}

#[test]
fn what_is_in_the_way_is_told_and_is_a_no() {
    let sim = start("[card]\nstate = \"pin\"\n[identity]\nsmsc = \"\"\n");
    let absent = Path::new("/dev/ttyUSB-none");
    let output = probe(&[&sim.port(0), absent], false);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("  problem   the SIM asks for its PIN: write it into a file"), "{shown}");
    assert!(shown.contains("/dev/ttyUSB-none is not there: is the modem plugged in?"), "{shown}");
    let sections = shown.split("# for smsotpd.toml:\n").nth(1).unwrap();
    let config = Config::parse(sections, Path::new("smsotpd.toml")).unwrap();
    assert_eq!(config.modems.len(), 1);
    assert_eq!(config.modems[0].pin_file.as_deref(), Some(Path::new("/etc/smsotpd/sim-27005-7518.pin")));
}

#[test]
fn a_program_reads_a_line_for_each_port() {
    let sim = start("");
    let output = probe(&[&sim.port(0), Path::new("/dev/null")], true);
    let lines: Vec<serde_json::Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["answering"], true);
    assert_eq!(lines[0]["imei"], "490154203237518");
    assert_eq!(lines[0]["registration"], "home");
    assert_eq!(lines[0]["storages"], serde_json::json!(["SM", "ME", "SR"]));
    assert!(lines[0]["section"].as_str().unwrap().starts_with("[[modem]]\n"));
    assert_eq!(lines[1]["answering"], false);
    assert_eq!(lines[1]["problems"], serde_json::json!(["/dev/null is not a serial port"]));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_port_that_is_named_twice_is_asked_once() {
    let dir = tempfile::tempdir().unwrap();
    let sim = start("");
    let link = dir.path().join("usb-Simulated-if00-port0");
    std::os::unix::fs::symlink(sim.port(0), &link).unwrap();
    let output = probe(&[&link, &sim.port(0)], false);
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert_eq!(shown.matches("[[modem]]").count(), 1, "{shown}");
    assert!(shown.contains(&format!("port = \"{}\"", link.display())), "the name that was given: {shown}");
}
