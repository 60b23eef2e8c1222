//! The families that come with the program, and how one is chosen.

pub(crate) mod built_in;

use super::*;

fn of(maker: &str, model: &str) -> String {
    built_in::profiles().of(&Identity { maker, model, ..Identity::default() }).name.clone()
}

#[test]
fn families_by_their_own_words() {
    for (maker, model, name) in [
        ("huawei", "E173", "huawei"),
        ("huawei", "E1752", "huawei-e1752"),
        ("Brovi", "E3372-325", "huawei"),
        ("ZTE INCORPORATED", "MF190", "zte"),
        ("Quectel", "EC25", "quectel"),
        ("SIMCOM_Ltd", "SIMCOM_SIM800L", "sim800"),
        ("", "SIMCOM_SIM7600E", "simcom"),
        ("SIMCOM INCORPORATED", "A7670E", "simcom"),
        ("u-blox", "SARA-R422S", "u-blox"),
        ("Telit", "LE910C1-EU", "telit"),
        ("Cinterion", "EHS6", "cinterion"),
        ("SIEMENS", "MC55", "cinterion"),
        (" WAVECOM MODEM", "MULTIBAND  900E  1800", "wavecom"),
        ("Sierra Wireless, Incorporated", "MC7304", "sierra"),
        ("Option N.V.", "GlobeTrotter HSUPA Modem", "option"),
        ("QUALCOMM INCORPORATED", "0", "qualcomm"),
        ("Acme", "Rocket", "generic"),
        ("", "", "generic"),
    ] {
        assert_eq!(of(maker, model), name, "{maker} {model}");
    }
}

#[test]
fn the_most_exact_rule_wins() {
    let family =
        |name: &str, rule: Rule| Profile { name: name.to_owned(), rules: vec![rule], ..Profile::default() };
    let text = |text: &str| Some(text.to_owned());
    let all = Profiles::new(vec![
        family("maker", Rule { maker: text("acme"), ..Rule::default() }),
        family("usb", Rule { usb: Some((0x1234, Some(1))), ..Rule::default() }),
        family("vendor", Rule { usb: Some((0x1234, None)), ..Rule::default() }),
        family("model", Rule { model: text("rocket"), ..Rule::default() }),
        family("both", Rule { maker: text("acme"), model: text("rocket"), ..Rule::default() }),
        family("twin", Rule { maker: text("acme"), ..Rule::default() }),
        family("firmware", Rule { firmware: text("1.0"), ..Rule::default() }),
        family("never", Rule::default()),
    ]);
    let id = Identity::default();
    let named = |id: Identity<'_>| all.of(&id).name.clone();
    assert_eq!(named(Identity { maker: "ACME Inc", ..id }), "maker");
    assert_eq!(named(Identity { maker: "ACME", usb: Some((0x1234, 1)), ..id }), "usb");
    assert_eq!(named(Identity { usb: Some((0x1234, 2)), ..id }), "vendor");
    assert_eq!(named(Identity { maker: "ACME", usb: Some((0x1234, 2)), ..id }), "maker");
    assert_eq!(named(Identity { model: "Rocket 1", usb: Some((0x1234, 1)), ..id }), "model");
    assert_eq!(named(Identity { maker: "acme", model: "Rocket 1", ..id }), "both");
    assert_eq!(named(Identity { maker: "acme", model: "Rocket", firmware: "v1.0", usb: None }), "firmware");
    assert_eq!(named(Identity { maker: "b", ..id }), "generic");
    assert_eq!(all.only("vendor").unwrap().of(&Identity { maker: "acme", ..id }).name, "vendor");
    assert_eq!(all.only("nobody"), None);
}

#[test]
fn every_message_stays_stored() {
    for profile in built_in::profiles().iter() {
        assert!(profile.new_messages.iter().all(|values| values[1] == 1), "{}", profile.name);
        assert!(!profile.new_messages.is_empty(), "{}", profile.name);
    }
}

#[test]
fn codes_of_a_family_and_their_lines() {
    let code = |head: &str, lines| Unsolicited { head: head.to_owned(), lines };
    let profile = Profile { unsolicited: vec![code("^FOO:", 2), code("NOTE", 1)], ..Profile::default() };
    assert_eq!(profile.lines_of("^foo: 1"), Some(2));
    assert_eq!(profile.lines_of("NOTE well"), Some(1));
    assert_eq!(profile.lines_of("^FO"), None);
    assert_eq!(profile.lines_of("é^FOO:"), None);
}
