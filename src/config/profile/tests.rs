//! Families from files, and the faults of some files.

use gsm_modem::profiles::{Service, Subject, Verdict};

use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn wrong(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let path = format!("{}/", folder.path().display());
    profiles_of(folder.path()).unwrap_err().to_string().replace(&path, "")
}

#[test]
fn a_file_replaces_adds_and_inherits() {
    let folder = folder(&[
        ("zte.toml", "init = [\"AT+X=1\"]\ninit_optional = []\n[[match]]\nmaker = \"ZTE\"\n"),
        (
            "mine.toml",
            "like = \"huawei\"\nussd = \"gsm7-packed-hex\"\nreset = [\"AT^RESET\"]\n\
             send_timeout = \"90s\"\n[[match]]\nmodel = \"E160\"\nusb = \"12d1:1001\"\n\
             [[unsolicited]]\nhead = \"^FOO:\"\nlines = 2\nmeans = \"restarted\"\n",
        ),
        (
            "module.toml",
            "like = \"telit\"\ncommand_pause = \"0s\"\nprompt_pause = \"100ms\"\nline_end = \"lf\"\n",
        ),
        (
            "strict.toml",
            "like = \"telit\"\n[[errors]]\ncodes = \"600-610\"\nkind = \"cme\"\nabout = \"recipient\"\n\
             verdict = \"refused\"\nmeans = \"no such number\"\n",
        ),
        ("README", "no family"),
    ]);
    let all = profiles_of(folder.path()).unwrap();
    let named = |name| all.iter().find(|p| p.name == name).unwrap().clone();
    assert_eq!((named("zte").init, named("zte").init_optional), (vec!["AT+X=1".to_owned()], vec![]));
    assert_eq!(named("zte").receiving.new_messages, named("generic").receiving.new_messages);
    let mine = named("mine");
    assert_eq!(mine.init_optional, ["AT^CURC=0", "AT^USSDMODE=0"]);
    assert_eq!((mine.ussd, mine.reset), (UssdCoding::PackedHex, vec!["AT^RESET".to_owned()]));
    assert_eq!(mine.send_timeout, Some(Duration::from_secs(90)));
    assert_eq!(mine.rules.len(), 1, "rules are not inherited");
    assert_eq!(mine.rules[0].usb, Some((0x12d1, Some(0x1001))));
    assert_eq!(mine.unsolicited, [Unsolicited { head: "^FOO:".into(), lines: 2, means: Means::Restarted }]);
    let module = named("module");
    assert_eq!((module.line.command_pause, module.line.line_end), (Duration::ZERO, LineEnd::Lf));
    assert_eq!(module.line.prompt_pause, Duration::from_millis(100));
    assert_eq!(module.errors, named("telit").errors, "errors are inherited");
    let no_such_number = MakerError {
        service: Service::Cme,
        codes: 600..=610,
        subject: Subject::Recipient,
        verdict: Verdict::Refused,
        means: "no such number".into(),
    };
    assert_eq!(named("strict").errors, [no_such_number], "the errors of a file replace all inherited ones");
    assert_eq!(named("strict").line.command_pause, Duration::from_millis(20));
    assert_eq!(all.names().len(), profiles().names().len() + 3);
}

#[test]
fn each_fault_has_its_place_and_its_cure() {
    for (text, said) in [
        ("inti = []", "x.toml:1:1: inti: unknown key; the nearest known key is init"),
        ("init = [\"AT\", \"CURC\"]", "x.toml:1:15: init[1]: is not a command"),
        ("init = [\"AT+CPIN=1234\"]", "x.toml:1:9: init[0]: is not a profile's to send"),
        ("init = [\"ATD*99#\"]", "is not a profile's to send"),
        ("reset = [\"AT+CLCK=\\\"SC\\\",0\"]", "is not a profile's to send"),
        ("cnmi = [\"2,2,0,1,0\"]", "x.toml:1:9: cnmi[0]: is not a setting of AT+CNMI"),
        ("\nstorage = [\"SIM card\"]", "x.toml:2:12: storage[0]: is not a memory"),
        ("ussd = \"hex\"", "ussd: must be one of auto, plain, gsm7-packed-hex, ucs2-hex"),
        ("quirks = [\"no-cmms\"]", "quirks[0]: must be one of pin-without-ok, no-more-messages"),
        ("like = \"huwei\"", "x.toml:1:8: like: there is no family huwei; take one of altair, cinterion, "),
        ("like = \"x\"", "like: goes in a circle"),
        ("[[match]]", "x.toml:1:1: match[0]: matches nothing"),
        ("[[match]]\nusb = \"12d\"", "match[0].usb: is not a USB vendor"),
        ("[[match]]\nusb = \"12d1:150\"", "match[0].usb: is not a USB id"),
        ("[[unsolicited]]\nhead = \"^A\"", "unsolicited[0].head: must have 3 to 64"),
        ("[[unsolicited]]\nlines = 1", "unsolicited[0]: needs a head"),
        ("[[unsolicited]]\nhead = \"^AB:\"\nlines = 0", "unsolicited[0].lines: must be 1 to 8"),
        ("[[unsolicited]]\nhead = \"^AB:\"\nmeans = \"boot\"", "unsolicited[0].means:"),
        ("pin_tries = {}", "pin_tries: needs a command"),
        ("errors = 5", "errors: is a TOML integer; write each as [[errors]]"),
        ("[[errors]]\ncod = 5", "x.toml:2:1: errors[0].cod: unknown key; the nearest known key is code"),
        (
            "[[errors]]\nabout = \"sim\"\nverdict = \"later\"\nmeans = \"x\"",
            "x.toml:1:1: errors[0]: needs a code, or codes such as \"350-373\"",
        ),
        ("[[errors]]\ncode = 70000", "errors[0].code: must be 0 to 65535"),
        ("[[errors]]\ncode = 5\ncodes = \"6-7\"", "errors[0].codes: stands beside code"),
        ("[[errors]]\ncodes = \"373-350\"", "x.toml:2:9: errors[0].codes: is not a range of numbers"),
        ("[[errors]]\ncode = 515", "errors[0]: needs about"),
        ("[[errors]]\ncode = 515\nkind = \"sms\"", "errors[0].kind: must be one of cms, cme"),
        (
            "[[errors]]\ncode = 515\nabout = \"phone\"",
            "errors[0].about: must be one of recipient, message, modem, storage, sim, network, centre",
        ),
        (
            "[[errors]]\ncode = 515\nverdict = \"never\"",
            "errors[0].verdict: must be one of refused, later, open",
        ),
        (
            "[[errors]]\ncode = 5\nabout = \"sim\"\nverdict = \"later\"\nmeans = \"one\"\n\
             [[errors]]\ncodes = \"1-9\"\nabout = \"sim\"\nverdict = \"later\"\nmeans = \"two\"",
            "x.toml:6:1: errors[1]: has a number that stands above: one",
        ),
        ("command_pause = \"10s\"", "command_pause: must be at most 5s"),
        ("prompt_pause = 100", "prompt_pause: is a TOML integer; write a span"),
        ("line_end = \"\\n\"", "line_end: must be one of cr, crlf, lf"),
        ("settle = 5", "settle: is a TOML integer; write a span"),
        ("init = [", "x.toml:1:"),
    ] {
        let seen = wrong(&[("x.toml", text)]);
        assert!(seen.contains(said), "{text}: {seen}");
    }
    assert!(wrong(&[("a b.toml", "")]).contains("is not a name of a family"));
    let both = wrong(&[("a.toml", "x = 1"), ("b.toml", "y = 1")]);
    assert!(both.contains("a.toml:1:1: x") && both.contains("b.toml:1:1: y"), "{both}");
}
