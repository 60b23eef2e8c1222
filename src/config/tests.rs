//! Every key, every fault with its place, and texts that are not a configuration.

use std::path::Path;
use std::time::Duration;

use gsm_modem::{Find, Roaming};

use super::*;
use crate::api::Limits;
use crate::api::access::{Matcher, Right};
use crate::inbox::Words;
use crate::otp::{Action, Pumping, Template, Unfit, Validity};
use crate::outbox::ModemRules;
use crate::phone::Kind;

mod any;
mod store;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("t.toml"))
}

fn faults(text: &str) -> Vec<String> {
    parse(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

#[test]
fn nothing_is_the_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.api, Api::default());
    let machine = config.gateway.machine.clone();
    assert_eq!(config.gateway, Settings { machine, ..Settings::default() });
    assert_eq!(config.patience, None);
    assert_eq!(config.log, Log::default());
    assert!(config.clients.is_empty() && config.modems.is_empty());
    assert_eq!(config.warnings(), ["no [[modem]] is configured: nothing can be sent"]);
}

fn limits_are_read(gateway: &Settings) {
    assert_eq!(gateway.limits.per_number, ["1/1m".parse().unwrap()]);
    assert_eq!(gateway.limits.per_client, ["2/1m".parse().unwrap()]);
    assert_eq!(gateway.limits.per_prefix, ["3/1m".parse().unwrap()]);
    assert_eq!(gateway.limits.total, []);
    assert_eq!(gateway.limits.guesses_per_number, ["9/1d".parse().unwrap()]);
    let keys = [("device", vec![]), ("ip", vec!["10/1h".parse().unwrap(), "50/1d".parse().unwrap()])];
    assert_eq!(gateway.limits.keys, keys.map(|(name, rates)| (name.to_owned(), rates)).into());
    assert_eq!(gateway.limits.allow_prefixes.as_deref(), Some(&["+41".to_owned()][..]));
    assert_eq!(gateway.limits.deny_prefixes, ["+4190"]);
    let destinations = &gateway.destinations;
    let [german, swiss] = ["DE", "CH"].map(|letters| letters.parse().unwrap());
    assert_eq!(destinations.countries, Countries::These(vec![german, swiss]));
    assert_eq!(destinations.types, [Kind::Mobile, Kind::FixedLine]);
    assert_eq!(destinations.validity, Validity::Possible);
    assert_eq!(destinations.default_region, Some(german));
    let pumping = Pumping {
        abroad: Action::Record,
        home: Action::Off,
        unverified: "7/2h".parse().unwrap(),
        adjacent: 0,
    };
    assert_eq!(gateway.pumping, pumping);
}

#[test]
fn every_key_is_read() {
    let config = parse(include_str!("every_key.toml")).unwrap();
    assert_eq!(config.state_dir, Path::new("/srv/s"));
    assert_eq!(config.secret_key_file.as_deref(), Some(Path::new("/srv/k")));
    let limits = Limits { connections: 100, connections_per_uid: 10, ..Limits::default() };
    let api = Api { socket: "/run/x.sock".into(), mode: 0o600, group: Some("g".into()), limits };
    assert_eq!(config.api, api);
    let web = Client {
        name: "web".into(),
        matcher: Who::User("www-data".into()),
        may: vec![Right::Send, Right::Admin],
        services: Some(vec!["login".into()]),
    };
    let ids = Client {
        name: "client2".into(),
        matcher: Who::Id(Matcher::Uid(0)),
        may: vec![Right::Issue, Right::Check],
        services: None,
    };
    assert_eq!(config.clients[..2], [web, ids]);
    assert_eq!(config.clients[2].matcher, Who::Group("wheel".into()));
    assert_eq!(config.clients[3].matcher, Who::Id(Matcher::Gid(33)));
    let find = Find {
        port: Some("/dev/ttyUSB2".into()),
        imei: Some("490154203237518".into()),
        iccid: Some("8941000000000000009".into()),
        usb: Some((0x12d1, 0x1506)),
        serial: Some("0123".into()),
    };
    let session = gsm_modem::Settings {
        baud: 9600,
        smsc: Some("+41794999000".into()),
        roaming: Roaming::Forbidden,
        operator: Some("22801".into()),
        ..gsm_modem::Settings::new("stick1", find)
    };
    let stick = Modem {
        session,
        pin_file: Some("/etc/p".into()),
        profile: "huawei".into(),
        send_timeout: Some(Duration::from_secs(60)),
        power_cycle: ["/usr/local/bin/hub", "off-on", "3"].map(String::from).to_vec(),
    };
    assert_eq!(config.modems[0], stick);
    let rules = ModemRules {
        routes: Some(vec!["+41".into(), "+49".into()]),
        max_per_minute: Some(20),
        max_per_day: Some(1000),
        max_per_month: Some(9000),
        max_recipients_per_month: Some(250),
        reserve: 10,
    };
    assert_eq!(config.gateway.modems["stick1"], rules);
    assert_eq!(config.gateway.numbers, [("stick1".into(), "+41791112233".parse().unwrap())].into());
    assert_eq!(config.modems[1].session.name, "modem2");
    assert_eq!((config.modems[1].session.baud, config.modems[1].profile.as_str()), (115_200, "auto"));
    let login = &config.gateway.services["login"];
    assert_eq!((login.policy.digits, login.policy.alphabet.as_str()), (8, "abcdef0123"));
    assert_eq!((login.policy.ttl, login.policy.allow_long_ttl), (Duration::from_secs(720), true));
    assert_eq!((login.policy.max_attempts, login.policy.max_sends), (4, 2));
    assert_eq!(login.policy.cooldown, Duration::from_secs(10));
    assert_eq!(login.template, Template::parse("{code} {app}").unwrap());
    assert_eq!(login.webotp_domain.as_deref(), Some("example.com"));
    assert_eq!(login.android_app_hash.as_deref(), Some("FA+9qCX9VSu"));
    assert!(login.report && login.flash && login.inbound);
    assert_eq!(login.locales["de-CH"], Template::parse("Code {code}").unwrap());
    limits_are_read(&config.gateway);
    assert_eq!((config.gateway.max_pending, config.gateway.min_life.as_secs()), (7, 5));
    assert_eq!(config.gateway.canary, Some(Duration::from_secs(7200)));
    assert_eq!(config.gateway.max_wait, Duration::from_secs(8));
    assert_eq!(config.patience, Some(Duration::from_secs(9)));
    let breaker = config.gateway.breaker;
    assert_eq!((breaker.failures, breaker.first.as_secs(), breaker.max.as_secs()), (3, 2, 60));
    let retry = &config.gateway.retry;
    assert_eq!((retry.first.as_secs(), retry.max.as_secs(), retry.attempts), (1, 60, 3));
    assert!((retry.factor - 3.0).abs() < f64::EPSILON, "a whole number is accepted");
    assert_eq!((config.log.level.as_str(), config.log.format), ("warn,smsotpd=debug", LogFormat::Json));
    let days =
        [&config.gateway.keep_verifications, &config.gateway.keep_messages, &config.gateway.keep_inbox]
            .map(|d| d.as_secs() / 86_400);
    assert_eq!((days, config.gateway.keep_events.as_secs() / 86_400), ([2, 3, 4], 5));
    assert_eq!(config.gateway.opt_out, Words::new(["HALT"], [""; 0]));
    assert!(config.gateway.stop_codes);
    let number = "+447700900123".parse().unwrap();
    assert_eq!(config.gateway.testing.code(&number, "").unwrap().expose(), "000000");
}

#[test]
fn test_numbers_are_told_and_neither_they_nor_their_codes_are_shown() {
    let config = parse("[testing.numbers]\n'+447700900321' = '135799'\n").unwrap();
    let told = config.warnings();
    assert_eq!(told.iter().filter(|w| w.starts_with("testing.numbers has +4477******21: ")).count(), 1);
    let shown = format!("{config:?} {config:#?} {told:?}");
    assert!(!shown.contains("135799") && !shown.contains("7700900321"), "{shown}");
    for (entry, why) in [
        ("'+447700900321' = '135'", "2:19: testing.numbers.+4477******21: a code has 4 to 12 letters"),
        ("'+447700900321' = '13579é'", "2:19: testing.numbers.+4477******21: a code has 4 to 12 letters"),
        ("'+447700900321' = 135799", "2:19: testing.numbers.+4477******21: is a TOML integer"),
        ("'+41798887766' = '135799'", "2:18: testing.numbers.+4179*****66: may be somebody's number"),
        ("'07700900321' = '135799'", "2:17: testing.numbers: its key is no number: a number begins with +"),
    ] {
        let said = faults(&format!("[testing.numbers]\n{entry}\n"));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("t.toml:{why}")), "{said:?}");
        let digits = ["135", "7700900321", "98887766"];
        assert!(!digits.iter().any(|secret| said[0].contains(secret)), "{said:?}");
    }
}

#[test]
fn inbound_without_a_number_is_doubted() {
    let doubted = |more: &str| {
        let config = parse(&format!("[service.login]\ninbound = true\n[[modem]]\nport = '/dev/x'\n{more}"));
        config.unwrap().warnings().iter().any(|w| w.starts_with("service.login: inbound needs a number"))
    };
    assert!(doubted("") && !doubted("number = '+41791112233'\n"));
    assert!(faults("[[modem]]\nport = '/dev/x'\nnumber = '079'\n")[0].starts_with("t.toml:3:"));
}

#[test]
fn a_flash_that_no_app_may_read_is_doubted() {
    let told = |more: &str| {
        let config = parse(&format!("[service.default]\nflash = true\n{more}")).unwrap();
        config.warnings().iter().any(|w| w.starts_with("service.default: a phone may show a flash message"))
    };
    assert!(!told("") && told("webotp_domain = 'a.example'") && told("android_app_hash = 'FA+9qCX9VSu'"));
}

#[test]
fn an_alphabet_by_its_name_and_the_doubts_about_one() {
    let config = parse(
        "[service.default]\nalphabet = 'letters'\n[service.pin]\nalphabet = 'digits'\ndigits = 4\n\
         [service.own]\nalphabet = '0123456789O'\n[service.same]\nreport = true",
    )
    .unwrap();
    assert_eq!(config.gateway.services["default"].policy.alphabet, "CDFGHJKMNPQRTVWX");
    assert_eq!(config.gateway.services["pin"].policy.alphabet, "0123456789");
    let told = config.warnings().join("\n");
    assert!(
        told.contains("service.pin: 5 attempts on 10000 possible codes let a guess through once in 2000")
    );
    assert!(told.contains("service.own: alphabet has 0 and O, which people take for each other"), "{told}");
    assert!(!told.contains("service.default:") && !told.contains("service.same:"), "{told}");
    let said = faults("[service.default]\nalphabet = 'letter'");
    assert!(said[0].ends_with("Or write a name: digits, letters or alphanumeric"), "{said:?}");
}

#[test]
fn a_text_for_an_app_is_at_most_140_octets_long() {
    let long = format!("'{} {{code}} {{name}}'", "x".repeat(120));
    let app = "android_app_hash = 'FA+9qCX9VSu'";
    for (text, places) in [
        (format!("[service.default]\n{app}\ntemplate = {long}"), vec![]),
        (
            format!("[service.default]\n{app}\nwebotp_domain = 'a.example'\ntemplate = {long}"),
            vec!["4:12: service.default.template: the text has 159 octets"],
        ),
        (
            format!("[service.default]\ntemplate = {long}\n[service.x]\n{app}\ndigits = 7"),
            vec!["4:20: service.x.android_app_hash: the text has 141 octets"],
        ),
        (
            format!("[service.default]\n{app}\ndigits = 7\n[service.default.locales]\nde = {long}"),
            vec!["5:6: service.default.locales.de: the text has 141 octets"],
        ),
        (
            format!(
                "[service.default]\n{app}\n[service.default.locales]\nde = {long}\n[service.x]\ndigits = 7"
            ),
            vec!["6:10: service.x.digits: for de: the text has 141 octets"],
        ),
    ] {
        let said =
            parse(&text).map_or_else(|e| e.to_string().lines().map(str::to_owned).collect(), |_| vec![]);
        assert_eq!(said.len(), places.len(), "{text}: {said:#?}");
        for (said, place) in said.iter().zip(places) {
            assert!(said.starts_with(&format!("t.toml:{place}")), "{said}");
        }
    }
    for hash in ["FA+9qCX9VS", "FA+9qCX9VSuu", "FA+9qCX9VS=", "FA-9qCX9VSu", "FA+9qCX9VSé"] {
        let said = faults(&format!("[service.default]\nandroid_app_hash = '{hash}'"));
        assert!(
            said[0].starts_with("t.toml:2:20: service.default.android_app_hash: is not an app hash"),
            "{said:?}"
        );
    }
}

#[test]
fn patience_is_the_modems_own_or_a_span() {
    let patience = |value: &str| parse(&format!("[queue]\npatience = {value}")).map(|c| c.patience);
    assert_eq!(parse("").unwrap().patience, None);
    assert_eq!(patience("'auto'").unwrap(), None);
    assert_eq!(patience("'12s'").unwrap(), Some(Duration::from_secs(12)));
    for wrong in ["'0s'", "'never'", "12"] {
        assert!(patience(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_service_inherits_key_by_key() {
    let text = "
        [service.default]
        digits = 7
        webotp_domain = 'example.com'
        [service.default.locales]
        de = 'D {code}'
        fr = 'F {code}'
        [service.login]
        ttl = '2m'
        webotp_domain = ''
        template = 'Mine: {code}'
        [service.login.locales]
        de = 'Mein {code}'";
    let config = parse(text).unwrap();
    let login = &config.gateway.services["login"];
    assert_eq!((login.policy.digits, login.policy.ttl.as_secs()), (7, 120));
    assert_eq!(login.webotp_domain, None, "an empty text cancels what is inherited");
    assert_eq!(login.locales["de"], Template::parse("Mein {code}").unwrap());
    assert_eq!(login.locales["fr"], Template::parse("F {code}").unwrap());
    assert!(config.warnings().iter().any(|w| w.contains("text for fr")), "{:?}", config.warnings());
    assert!(!config.warnings().iter().any(|w| w.contains("text for de")));
}

#[test]
fn a_power_cycle_is_a_program_by_its_whole_path() {
    for wrong in
        ["[]", "['hub', '3']", "['']", "['/bin/hub', 3]", "'/bin/hub 3'", "['/bin/hub', \"\\u0000\"]"]
    {
        let text = format!("[[modem]]\nport = '/dev/ttyUSB0'\npower_cycle = {wrong}\n");
        let said = parse(&text).unwrap_err().to_string();
        assert!(said.contains("power_cycle"), "{wrong}: {said}");
    }
    let config = parse("[[modem]]\nport = '/dev/ttyUSB0'\npower_cycle = ['/bin/hub', 'a b; c']\n").unwrap();
    assert_eq!(config.modems[0].power_cycle, ["/bin/hub", "a b; c"]);
    assert_eq!(config.modems[0].send_timeout, None);
}

#[test]
fn each_fault_has_its_place_and_its_cure() {
    let cases = [
        ("state_dri = 'x'", "1:1: state_dri: unknown key; the nearest known key is state_dir"),
        ("[[modem]]\nport='p'\nbuad=1", "3:1: modem[0].buad: unknown key; the nearest known key is baud"),
        (
            "[[modem]]\nport='p'\npin='1234'",
            "3:1: modem[0].pin: unknown key; a PIN stands in a file of its own: use pin_file",
        ),
        ("[limits]\nspeed = 1", "2:1: limits.speed: unknown key; the nearest known key is keys, of "),
        (
            "[[modem]]\nname = 'a'",
            "1:1: modem[0]: a modem needs a port, or an imei, iccid, usb or serial to be found by",
        ),
        (
            "[[modem]]\nport='p'\nbaud = 115201",
            "3:8: modem[0].baud: is not a serial speed; use one of 1200, ",
        ),
        ("[[modem]]\nport='p'\nprofile = 'huwei'", "3:11: modem[0].profile: must be one of auto, a"),
        ("[[modem]]\nport='p'\nsmsc = '079'", "3:8: modem[0].smsc: a number begins with +"),
        ("[[modem]]\nport='p'\nroutes = ['+41', '49']", "3:18: modem[0].routes[1]: is not a prefix"),
        ("[[modem]]\nport='p'\nroutes = []", "3:10: modem[0].routes: is an empty list"),
        ("[[modem]]\nport='p'\nmax_per_day = 0", "3:15: modem[0].max_per_day: must be 1 to 4294967295"),
        ("[[modem]]\nusb = '12d1'", "2:7: modem[0].usb: is not a USB id"),
        ("[[modem]]\nusb = '+2d1:1506'", "2:7: modem[0].usb: is not a USB id"),
        ("[[modem]]\nimei = '49015420323751'", "2:8: modem[0].imei: is not valid: an IMEI has 15 digits"),
        ("[[modem]]\niccid = '1'", "2:9: modem[0].iccid: is not valid: an ICCID"),
        (
            "[[modem]]\nname='a'\nport='p'\n[[modem]]\nname='a'\nport='q'",
            "5:6: modem[1].name: a is the name of a modem above",
        ),
        ("[[modem]]\nport='p'\n[[modem]]\nport='p'", "3:1: modem[1]: is found just as modem1 is"),
        ("[[modem]]\nport='p'\nname='a b'", "3:6: modem[0].name: is not a name"),
        ("[modem]\nport='p'", "1:1: modem: is a TOML table; write each as [[modem]]"),
        ("[[client]]\nname='a'", "1:1: client[0]: a client needs a user, group, uid or gid"),
        ("[[client]]\nuser='a'\nuid=1", "3:5: client[0].uid: stands beside user; keep one of them"),
        (
            "[[client]]\nuid=1\nmay=['issue','chek']",
            "3:14: client[0].may[1]: must be one of issue, check, send, read, admin",
        ),
        (
            "[[client]]\nuid=1\nservices=['x']",
            "3:11: client[0].services[0]: is not a service of this file; add a section [service.x]",
        ),
        ("[[client]]\nuid=1\nname='x'\n[[client]]\nuid=2\nname='x'", "6:6: client[1].name: x is the name"),
        ("[api]\nmode = 660", "2:8: api.mode: is a TOML integer; write a text in quotes"),
        ("[api]\nmode = '0680'", "2:8: api.mode: is not a file mode"),
        ("[api]\nmode = '7777'", "2:8: api.mode: is not a file mode"),
        ("[service.default]\nttl = '5'", "2:7: service.default.ttl: is not a span of time; write such as"),
        (
            "[service.default]\nttl = 5",
            "2:7: service.default.ttl: is a TOML integer; write a span of time in quotes",
        ),
        ("[service.default]\nttl = '25h'", "2:7: service.default.ttl: ttl must be between 1s and 24h"),
        ("[service.default]\ndigits = 3", "2:10: service.default.digits: digits is 3"),
        ("[service.default]\nmax_sends = 0", "2:13: service.default.max_sends: max_sends must be at least 1"),
        (
            "[service.default]\nmax_attempts = 5000",
            "2:16: service.default.max_attempts: 5000 attempts on 1000000",
        ),
        ("[service.default]\nalphabet = '0'", "2:12: service.default.alphabet: alphabet needs 2 to 64"),
        ("[service.default]\ntemplate = 'no'", "2:12: service.default.template: {code} must stand"),
        ("[service.default.locales]\nde = '{'", "2:6: service.default.locales.de: a brace without its pair"),
        (
            "[service.default.locales]\n'd e' = '{code}'",
            "2:9: service.default.locales.d e: is not a language tag",
        ),
        ("[service.default]\nlocales = 1", "2:11: service.default.locales: is a TOML integer; write a table"),
        (
            "[service.default]\nwebotp_domain = 'https://example.com'",
            "2:17: service.default.webotp_domain: is not a domain",
        ),
        (
            "[service.default]\nandroid_app_hash = 'x'",
            "2:20: service.default.android_app_hash: is not an app hash",
        ),
        ("[service.'a/b']", "1:1: service.a/b: is not a name of a service"),
        ("service = 1", "1:11: service: is a TOML integer; write a table"),
        ("[limits]\ntotal = ['5/1h', '5']", "2:18: limits.total[1]: a rate is a count and a span"),
        ("[limits.keys]\nip = ['10']", "2:7: limits.keys.ip[0]: a rate is a count and a span"),
        ("[limits.keys]\n'a b' = []", "2:9: limits.keys.a b: is under a key that is not a name"),
        ("[limits]\ntotal = '5/1h'", "2:9: limits.total: is a TOML string; write a list in [ ]"),
        ("[limits]\ndeny_prefixes = ['+0']", "2:18: limits.deny_prefixes[0]: is not a prefix"),
        ("[queue]\nretry = { attempts = 0 }", "2:22: queue.retry.attempts: must be 1 to 100"),
        ("[queue]\nretry = { factor = nan }", "2:20: queue.retry.factor: must be 1 to 100"),
        ("[queue]\nretry = { first = '3m' }", "2:9: queue.retry.max: is shorter than the first wait"),
        ("[log]\nlevel = 'inof'", "2:9: log.level: is not a level; info is the nearest"),
        ("[log]\nlevel = 'warning'", "2:9: log.level: is not a level; warn is the nearest"),
        ("[log]\nlevel = 'a=b=c'", "2:9: log.level: is not a tracing filter"),
        ("[log]\nformat = 'xml'", "2:10: log.format: must be one of auto, text, json"),
        ("[retention]\ninbox = '0s'", "2:9: retention.inbox: must be at least 1m"),
        ("[retention]\ninbox = '99999y'", "2:9: retention.inbox: must be at most "),
        ("state_dir = ''", "1:13: state_dir: is empty"),
        ("é = 1\nx = [", "2:6: "),
        ("limits = { 'é' = 1, total = 2 }", "1:29: limits.total: is a TOML integer"),
    ];
    told(&cases);
}

#[test]
fn the_faults_of_destinations_have_their_place_and_their_cure() {
    let cases = [
        (
            "[destinations]\ncountries = 'sim'",
            "2:13: destinations.countries: must be \"sims\", \"all\" or a list",
        ),
        ("[destinations]\ncountries = []", "2:13: destinations.countries: is an empty list"),
        ("[destinations]\ncountries = ['CH', 'UK']", "2:20: destinations.countries[1]: is not a country"),
        (
            "[destinations]\ntypes = ['landline']",
            "2:10: destinations.types[0]: must be one of mobile, fixed_or_mobile,",
        ),
        ("[destinations]\nvalidity = 'none'", "2:12: destinations.validity: must be one of valid, possible"),
        ("[destinations]\ndefault_region = 'ch'", "2:18: destinations.default_region: is not a country"),
        (
            "[destinations]\ncountry = 'CH'",
            "2:1: destinations.country: unknown key; the nearest known key is countries",
        ),
    ];
    told(&cases);
}

#[test]
fn the_pools_faults_have_their_place_and_their_cure() {
    let cases = [
        ("[[modem]]\nport='p'\nmax_per_month = '5'", "3:17: modem[0].max_per_month: is a TOML string"),
        (
            "[[modem]]\nport='p'\nmax_recipients_per_month = 100001",
            "3:28: modem[0].max_recipients_per_month: must be 1 to 100000",
        ),
        ("[[modem]]\nport='p'\nmax_per_day = 9\nreserve = 91", "4:11: modem[0].reserve: must be 0 to 90"),
        (
            "[[modem]]\nport='p'\nreserve = 10",
            "3:11: modem[0].reserve: is a part of a limit, and there is none; add max_per_day",
        ),
        ("[queue]\nbreaker = { failures = 1 }", "2:24: queue.breaker.failures: must be 2 to 1000"),
        (
            "[queue]\nbreaker = { first = '1h' }",
            "2:11: queue.breaker.max: is shorter than the first span; raise max or lower first",
        ),
    ];
    told(&cases);
}

/// Each text has, among its faults, one that begins with the expected text.
fn told(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, want) in cases {
        let all = faults(text);
        let want = format!("t.toml:{want}");
        if !all.iter().any(|f| f.starts_with(&want)) {
            wrong.push(format!("{text:?}\nwant {want}\nhave {all:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_no_network_and_no_answer() {
    for (text, want) in [
        (
            "[[modem]]\nport='p'\nroaming = 'no'",
            "3:11: modem[0].roaming: is a TOML string; write true or false",
        ),
        (
            "[[modem]]\nport='p'\noperator = 22801",
            "3:12: modem[0].operator: is a TOML integer; write a text in quotes",
        ),
        (
            "[[modem]]\nport='p'\noperator = 'Swisscom'",
            "3:12: modem[0].operator: is not valid: a network has 5 or 6 digits, country and operator, such as \"22801\"",
        ),
    ] {
        assert_eq!(faults(text), [format!("t.toml:{want}")], "{text}");
    }
}

#[test]
fn all_faults_are_told_in_the_order_of_the_file() {
    let all = faults("state_dir = 1\n[queue]\nmin_life = 'x'\nmaxpending = 1\n[log]\nlevel = 3");
    let lines: Vec<_> = all.iter().map(|f| f.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["1", "3", "4", "6"], "{all:#?}");
}

#[test]
fn a_long_life_is_meant() {
    told(&[
        (
            "[service.default]\nttl = '11m'",
            "2:7: service.default.ttl: ttl is more than 10m: the longer a code",
        ),
        (
            "[service.default]\nttl = '1h'\nallow_long_ttl = true\n[service.x]\nallow_long_ttl = false",
            "5:18: service.x.allow_long_ttl: ttl is more than 10m",
        ),
    ]);
    assert!(parse("[service.default]\nttl = '11m'\nallow_long_ttl = true").is_ok());
}

#[test]
fn what_misleads_in_a_text_has_its_place_and_its_number() {
    let told = |text: &str| faults(text).join("\n");
    for (c, what) in [
        ("\u{2028}", "U+2028, a separator of lines"),
        ("\u{202e}", "U+202E, which changes the direction of writing"),
        ("\u{200b}", "U+200B, which is invisible"),
        ("\\u0007", "U+0007, a control character"),
        ("\\t", "U+0009, a control character"),
        ("\\u0085", "U+0085, a separator of lines"),
    ] {
        let said = told(&format!("[service.default]\ntemplate = \"Code {{code}}{c}\""));
        let want = format!("t.toml:2:12: service.default.template: character 12 is {what}; a text has only");
        assert!(said.starts_with(&want), "{said}");
        let said = told(&format!("[service.default.locales]\nde = \"{c}{{code}}\""));
        assert!(said.starts_with("t.toml:2:6: service.default.locales.de: character 1 is U+"), "{said}");
        let said = told(&format!("[service.\"lo{c}gin\"]"));
        assert!(said.starts_with("t.toml:1:1: service.lo\\u{"), "{said}");
        assert!(!said.contains(|shown| Unfit::in_line(&format!("{shown}")).is_some()), "{said:?}");
    }
    assert!(parse("[service.default]\ntemplate = \"Code\\n{code}\\n\"").is_ok());
    assert!(
        told("[service.default]\ntemplate = \"{code} {1st}\"").contains("{1st} is not a name: use 1 to 32")
    );
}

#[test]
fn an_inherited_fault_is_told_once() {
    assert_eq!(faults("[service.default]\ndigits = 2\n[service.login]\nttl = '2m'").len(), 2);
    assert_eq!(faults("[service.default]\ndigits = 2\n[service.login]\n").len(), 1);
}

#[test]
fn a_socket_path_has_at_most_107_octets() {
    let socket = |n: usize| format!("[api]\nsocket = '/{}'", "s".repeat(n - 1));
    assert!(parse(&socket(107)).is_ok());
    assert!(faults(&socket(108))[0].starts_with("t.toml:2:10: api.socket: has 108 octets"));
}

#[test]
fn a_fault_never_repeats_what_stands_under_an_unknown_key() {
    let all = faults("[[modem]]\nport='p'\npin = '4711'\nsecret = '4711'").join("\n");
    assert!(!all.contains("4711"), "{all}");
}

#[test]
fn a_filter_of_modules_is_a_filter() {
    for level in ["info", "off", "smsotpd=trace", "warn,gsm_modem=debug", "INFO", "smsotpd", "0"] {
        assert!(parse(&format!("[log]\nlevel = '{level}'")).is_ok(), "{level}");
    }
}

#[test]
fn warnings() {
    let text = "[api]\nmode = '0666'\n[[modem]]\nport = 'p'\nroutes = ['+4179']\n\
        [limits]\nallow_prefixes = ['+41', '+49']\n[service.default]\ncooldown = '1h'";
    let warnings = parse(text).unwrap().warnings();
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    assert!(warnings[0].contains("0666") && warnings[1].contains("cooldown") && warnings[2].contains("+49"));
    let text =
        "[[modem]]\nport = 'p'\n[limits]\nallow_prefixes = ['+41']\n[destinations]\ncountries = ['CH']";
    let warnings = parse(text).unwrap().warnings();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(
        warnings[0].contains("limits.allow_prefixes stands instead of destinations.countries"),
        "{warnings:?}"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let e = Config::load(&path).unwrap_err();
    assert!(e.to_string().contains("c.toml: cannot be read: No such file"), "{e}");
    assert_eq!((e.path(), e.faults().len()), (path.as_path(), 0));
    std::fs::write(&path, b"# ok\n# \xff").unwrap();
    let e = Config::load(&path).unwrap_err();
    assert!(e.to_string().ends_with("c.toml:2:3: the text is not UTF-8 from here on"), "{e}");
    std::fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("larger than 1 MiB"));
    std::fs::write(&path, "[api]\nmode = '0600'").unwrap();
    assert_eq!(Config::load(&path).unwrap().api.mode, 0o600);
    assert!(Config::load(dir.path()).is_err(), "a folder is not a file");
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    for open in ["[", "{a=", "a."] {
        let text = format!("a = {}", open.repeat(50_000));
        assert!(parse(&text).is_err());
        assert!(parse(&open.repeat(50_000)).is_err());
    }
}
