//! The families that come with the program, and how one is chosen.

pub(crate) mod built_in;

use super::*;
use crate::at::ErrorValue;

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
        ("Motorola", "G20", "motorola"),
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
        assert!(profile.receiving.new_messages.iter().all(|values| values[1] == 1), "{}", profile.name);
        assert!(!profile.receiving.new_messages.is_empty(), "{}", profile.name);
    }
}

#[test]
fn a_number_of_the_makers_own_by_family() {
    use Subject::{Centre, Message, Modem, Network, Recipient, Sim};
    use Verdict::{Later, Open, Refused};
    let families = built_in::profiles();
    let of = |family: &str, result: ResultCode| {
        let profile = families.iter().find(|profile| profile.name == family).unwrap();
        let failure = profile.failure(&result);
        (failure.subject, failure.verdict)
    };
    let number = ErrorValue::Number;
    for (family, code, expected) in [
        // One number has five meanings with five makers.
        ("cinterion", 515, (Message, Refused)),
        ("wavecom", 515, (Modem, Later)),
        ("telit", 515, (Network, Later)),
        ("sim800", 515, (Modem, Later)),
        ("quectel", 515, (Modem, Later)),
        ("motorola", 515, (Network, Later)),
        ("generic", 515, (Network, Later)),
        ("huawei", 515, (Network, Later)),
        // The other numbers of Siemens.
        ("cinterion", 514, (Message, Refused)),
        ("cinterion", 520, (Message, Refused)),
        ("cinterion", 521, (Network, Open)),
        ("cinterion", 522, (Modem, Later)),
        ("cinterion", 532, (Sim, Later)),
        ("cinterion", 535, (Network, Later)),
        ("cinterion", 545, (Sim, Later)),
        ("cinterion", 554, (Message, Refused)),
        ("cinterion", 600, (Network, Later)),
        // Settings and memories belong to the device.
        ("simcom", 516, (Modem, Later)),
        ("simcom", 518, (Modem, Later)),
        ("sim800", 520, (Modem, Later)),
        ("quectel", 512, (Sim, Later)),
        ("quectel", 517, (Modem, Later)),
        ("quectel", 3870, (Modem, Later)),
        // 350 is a cause on one make, and not on others.
        ("u-blox", 350, (Recipient, Refused)),
        ("u-blox", 357, (Sim, Refused)),
        ("u-blox", 362, (Network, Later)),
        ("u-blox", 373, (Network, Open)),
        ("u-blox", 526, (Centre, Refused)),
        ("quectel", 350, (Network, Open)),
        ("sierra", 350, (Network, Later)),
        ("generic", 350, (Network, Later)),
        // The standards' meanings apply to every family.
        ("cinterion", 1, (Recipient, Refused)),
        ("u-blox", 28, (Sim, Refused)),
    ] {
        assert_eq!(of(family, ResultCode::Cms(number(code))), expected, "{family} {code}");
    }
    assert_eq!(of("wavecom", ResultCode::Cme(number(515))), (Modem, Later));
    assert_eq!(of("telit", ResultCode::Cms(ErrorValue::Text("TR1M timeout".into()))), (Network, Open));
}

#[test]
fn pauses_and_ends_of_lines_by_family() {
    let families = built_in::profiles();
    let of = |family: &str| families.iter().find(|profile| profile.name == family).unwrap();
    assert_eq!(of("telit").line.command_pause, Duration::from_millis(20));
    assert_eq!(of("generic").line.command_pause, Duration::ZERO);
    assert_eq!((of("altair").line.line_end, of("generic").line.line_end), (LineEnd::CrLf, LineEnd::Cr));
}

#[test]
fn codes_of_a_family_and_their_lines() {
    let code = |head: &str, lines, means| Unsolicited { head: head.to_owned(), lines, means };
    let unsolicited = vec![code("^FOO:", 2, Means::Nothing), code("NOTE", 1, Means::Restarted)];
    let profile = Profile { unsolicited, ..Profile::default() };
    assert_eq!(profile.own_code("^foo: 1"), Some((2, Means::Nothing)));
    assert_eq!(profile.own_code("NOTE well"), Some((1, Means::Restarted)));
    assert_eq!(profile.own_code("^FO"), None);
    assert_eq!(profile.own_code("é^FOO:"), None);
}
