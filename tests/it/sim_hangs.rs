//! Hangs of the simulated modem, each with its own cure, and a plug that is pulled at one octet.

use std::time::Instant;

use gsm_sim::Cure::{Escape, Nothing, Plug, Radio, Reopen, Restart};
use gsm_sim::{Cut, Options, Script, Sim};

use crate::sim_wire::{HELLO, LONG, Wire, one};

/// Lines that go on while a modem hangs, and show that time has passed.
const TICKS: &str = "[[unsolicited]]\nat = \"every\"\nevery_ms = 5\nlines = [\"^RSSI:1\"]\n";

/// Whether `AT` is answered before three more lines have come.
fn answers(wire: &mut Wire) -> bool {
    wire.write("AT\r");
    (0..3).any(|_| wire.until("^RSSI:1\r\n").contains("OK"))
}

/// The port, once the modem has one.
fn opened(sim: &Sim) -> Wire {
    let deadline = Instant::now() + LONG;
    while sim.device(0).is_none() {
        assert!(Instant::now() < deadline, "it never came back");
        std::thread::yield_now();
    }
    Wire::open(&sim.device(0).unwrap())
}

#[test]
fn each_hang_ends_by_its_own_cure_alone() {
    for cure in [Escape, Reopen, Restart, Plug, Nothing] {
        let (sim, mut wire) = one(TICKS);
        sim.hang_until(0, cure);
        assert!(!answers(&mut wire), "{cure:?}");
        if cure != Escape {
            wire.write("\x1b\r");
        }
        if cure != Restart {
            wire.write("AT+CFUN=1,1\r");
        }
        assert!(!answers(&mut wire), "{cure:?}");
        match cure {
            Escape => wire.write("\x1b\r"),
            Reopen => {
                drop(wire);
                // Whatever is asked of the modem after that is done after it saw the port closed.
                sim.set_signal(0, 20);
                sim.set_signal(0, 20);
                wire = opened(&sim);
            }
            Restart => {
                wire.write("AT+CFUN=1,1\r");
                wire.until_hang_up();
                wire = opened(&sim);
            }
            _ => {
                sim.unplug(0);
                sim.plug(0).unwrap();
                wire = opened(&sim);
            }
        }
        assert_eq!(answers(&mut wire), cure != Nothing, "{cure:?}");
        sim.unhang(0);
        assert!(answers(&mut wire), "{cure:?}");
    }
}

#[test]
fn a_radio_that_hangs_sends_nothing_until_it_is_switched_off_and_on() {
    let (sim, mut wire) = one("");
    sim.hang_until(0, Radio);
    assert_eq!(wire.hello("500\r\n"), "\r\n+CMS ERROR: 500\r\n");
    wire.ask("AT+CFUN=4");
    wire.ask("AT+CFUN=1");
    assert_eq!(wire.hello("OK\r\n"), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(sim.received(), 1);
}

#[test]
fn a_hang_and_its_cure_in_a_script() {
    let fault = "[[fault]]\nkind = \"hang\"\nat = \"prompt\"\ncured_by = \"escape\"\ntimes = 1\n";
    let (_sim, mut wire) = one(&format!("{TICKS}{fault}"));
    wire.write("AT+CMGS=18\r");
    assert!(!answers(&mut wire));
    wire.write("\x1b\r");
    assert!(answers(&mut wire));
    for wrong in
        ["kind = \"no-prompt\"\ncured_by = \"plug\"", "kind = \"hang\"\ncured_by = \"plug\"\nafter_ms = 1"]
    {
        assert!(Script::parse("wrong", &format!("[[fault]]\n{wrong}\n")).is_err(), "{wrong}");
    }
}

#[test]
fn a_plug_is_pulled_at_one_octet() {
    // Whether the plug is pulled before the PDU is on its way.
    for (cut, early, said) in [
        (Cut::after_reading("AT+CM", 0), true, ""),
        (Cut::after_reading("AT+CMGS=18\r", 0), true, ""),
        (Cut::after_writing("\r\n>", 0), true, "\r\n>"),
        (Cut::after_writing(">", 1), true, "\r\n> "),
        (Cut::after_reading("0001", 5), false, "\r\n> "),
        (Cut::after_reading("\x1a", 0), false, "\r\n> "),
        (Cut::after_writing("+CMG", 0), false, "\r\n> \r\n+CMG"),
        (Cut::after_writing("+CMGS", 5), false, "\r\n> \r\n+CMGS: 1\r\n"),
        (Cut::after_writing("OK\r\n", 0), false, "\r\n> \r\n+CMGS: 1\r\n\r\nOK\r\n"),
    ] {
        let sim = Sim::start(Options::default()).unwrap();
        let mut wire = Wire::open(&sim.port(0));
        wire.ask("ATE0");
        sim.unplug_at(0, cut.clone());
        wire.write("AT+CMGS=18\r");
        let mut read = String::new();
        if !early {
            read = wire.until("> ");
            wire.write(&format!("{HELLO}\x1a"));
        }
        read += &wire.until_hang_up();
        assert_eq!(read, said, "{cut:?}");
        assert_eq!(sim.received(), usize::from(said.contains("+CMG")), "{cut:?}");
        sim.plug(0).unwrap();
        let mut wire = opened(&sim);
        assert_eq!(wire.ask("AT"), "AT\r\r\nOK\r\n", "the plug is pulled only once: {cut:?}");
    }
}
