//! `config/smsotpd.toml` as it is shipped: valid as it is, valid with every line in force, complete, and
//! right about the defaults. The systemd unit creates the folders that the defaults name.

use std::path::Path;

use smsotpd::api::access::Right;
use smsotpd::config::{Config, DEFAULT_PATH};

const SHIPPED: &str = include_str!("../../config/smsotpd.toml");

fn parse(text: &str) -> Config {
    Config::parse(text, Path::new("config/smsotpd.toml")).unwrap_or_else(|e| panic!("{e}"))
}

/// The file with every key in force: prose begins with `# `, a key that is switched off with `#`.
fn in_force() -> String {
    let line = |l: &str| match l.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{l}\n"),
    };
    SHIPPED.lines().map(line).collect()
}

#[test]
fn as_shipped_it_is_the_defaults() {
    assert_eq!(parse(SHIPPED), parse(""));
}

#[test]
fn what_it_calls_a_default_is_the_default() {
    let mut all = parse(&in_force());
    let default = parse("");
    assert_eq!(all.state_dir, default.state_dir);
    all.api.group = None;
    assert_eq!(all.api, default.api);
    assert_eq!(all.log, default.log);
    assert_eq!(all.patience, default.patience);
    let limits = &mut all.gateway.limits;
    assert_eq!(limits.allow_prefixes.take().unwrap(), ["+41", "+49"]);
    assert_eq!(std::mem::take(&mut limits.deny_prefixes), ["+4190"]);
    assert_eq!(std::mem::take(&mut limits.keys).into_keys().collect::<Vec<_>>(), ["ip"]);
    assert_eq!(all.gateway.destinations.default_region.take().unwrap().to_string(), "CH");
    let service = all.gateway.services.get_mut("default").unwrap();
    assert_eq!(service.webotp_domain.take().as_deref(), Some("example.com"));
    assert_eq!(service.android_app_hash.take().as_deref(), Some("FA+9qCX9VSu"));
    assert_eq!(std::mem::take(&mut service.locales).into_keys().collect::<Vec<_>>(), ["de"]);
    assert_eq!(std::mem::take(&mut all.gateway.testing).masked().collect::<Vec<_>>(), ["+4477******23"]);
    all.gateway.services.remove("login");
    all.gateway.modems.clear();
    all.gateway.numbers.clear();
    all.gateway.clients.clear();
    assert_eq!(all.gateway, default.gateway);
    assert_eq!(all.clients[0].may, [Right::Issue, Right::Check]);
    assert_eq!((all.modems[0].session.baud, all.modems[1].session.baud), (115_200, 115_200));
    assert_eq!(all.modems[0].profile, all.modems[1].profile);
}

/// A key is known when a wrong one is reported as unknown and this one is not. The file must show all keys.
#[test]
fn it_shows_every_key() {
    let text = in_force();
    let fault = |section: &str| {
        let wrong = format!("{section}\nqqqqqqqqqqqqqqqq = 1\n");
        Config::parse(&wrong, Path::new("x")).unwrap_err().to_string()
    };
    let sections = [
        "",
        "[api]",
        "[[client]]",
        "[[modem]]",
        "[service.x]",
        "[limits]",
        "[destinations]",
        "[pumping]",
        "[queue]",
        "[queue.retry]",
        "[canary]",
        "[log]",
        "[retention]",
        "[opt_out]",
        "[testing]",
    ];
    let mut shown = 0;
    for section in sections {
        let said = fault(section);
        let line = said.lines().find(|l| l.contains("qqqqqqqqqqqqqqqq")).unwrap();
        for key in line.split(" of ").nth(1).unwrap().split(", ") {
            let as_key = text.lines().any(|l| l.starts_with(&format!("{key} =")));
            let as_section = text.lines().any(|l| l.starts_with('[') && l.contains(key));
            let inside = section == "[queue.retry]" && text.contains(&format!("{key} ="));
            assert!(as_key || as_section || inside, "{section} {key} is not in the file");
            shown += 1;
        }
    }
    assert!(shown > 50, "only {shown} keys seen");
}

#[test]
fn the_unit_and_the_defaults_name_the_same_places() {
    let unit = include_str!("../../systemd/smsotpd.service");
    let says = |key: &str| {
        let line = unit.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("the unit has no {key}"))
    };
    let default = parse("");
    assert_eq!(says("ExecStart"), format!("/usr/bin/smsotpd --config {DEFAULT_PATH}"));
    assert_eq!(Path::new("/var/lib").join(says("StateDirectory")), default.state_dir);
    let runtime = Path::new("/run").join(says("RuntimeDirectory"));
    assert!(default.api.socket.starts_with(runtime));
    let configuration = Path::new("/etc").join(says("ConfigurationDirectory"));
    assert!(Path::new(DEFAULT_PATH).starts_with(configuration));
}
