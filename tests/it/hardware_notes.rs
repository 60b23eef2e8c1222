//! The pages on hardware name what the source has: each family's file, and each recorded dialogue with its source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gsm_modem::profiles::{BUILT_IN, Identity};
use smsotpd::config;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|e| e == ending));
    found.sort();
    found
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn every_recorded_dialogue_is_in_the_table() {
    let page = read(&root().join("hardware-notes/recorded.md"));
    let recorded = files("crates/gsm-modem/tests/data/at", "txt");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| [")).collect();
    for row in &rows {
        let there = recorded.iter().any(|path| row.contains(&format!("/{})", name(path))));
        assert!(there, "hardware-notes/recorded.md has a row without a file: {row}");
    }
    for path in &recorded {
        let text = read(path);
        let row = rows
            .iter()
            .find(|row| row.contains(&format!("(../crates/gsm-modem/tests/data/at/{})", name(path))));
        let row = row.unwrap_or_else(|| panic!("hardware-notes/recorded.md has no row for {}", name(path)));
        let said = |word: &str| text.lines().filter_map(move |l| l.strip_prefix(word)).collect::<Vec<_>>();
        let family = said("family ")[0];
        assert!(row.contains(family), "the row of {} does not have {family}", name(path));
        for source in said("source ") {
            assert!(row.contains(source), "the row of {} does not have {source}", name(path));
        }
    }
}

/// For each device of the table of interfaces: those that take AT commands, the best one first, and those that do not. A
/// vendor that has `*` is judged in another way.
fn interfaces_of_the_page() -> BTreeMap<(u16, u16), (Vec<u8>, Vec<u8>)> {
    let page = read(&root().join("hardware-notes/README.md"));
    let (_, table) = page.split_once("| family | vendor:product |").unwrap();
    let mut devices = BTreeMap::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [products, best, also, other] = cells[2..6] else { panic!("a row of six cells: {row}") };
        if products.contains('*') {
            continue;
        }
        let words = |cell| str::split(cell, [',', ';', ' ']).filter(|word| !word.is_empty());
        let numbers = |cell| -> Vec<u8> {
            let number = |word| u8::from_str_radix(word, 16);
            words(cell).map(|word| number(word).unwrap_or_else(|e| panic!("{word}: {e}: {row}"))).collect()
        };
        let mut vendor = "";
        // `1199:9071, 9079; 68c0`.
        for word in words(products) {
            let product = word.split_once(':').map_or(word, |(before, product)| {
                vendor = before;
                product
            });
            let [vendor, product] = [vendor, product]
                .map(|half| u16::from_str_radix(half, 16).unwrap_or_else(|e| panic!("{half}: {e}: {row}")));
            let at = [numbers(best), numbers(also)].concat();
            let twice = devices.insert((vendor, product), (at, numbers(other))).is_some();
            assert!(!twice, "{vendor:04x}:{product:04x} is in the table twice");
        }
    }
    devices
}

/// The table of interfaces says what `smsotp probe` and a modem without a port go by.
#[test]
fn the_table_of_interfaces_is_that_of_the_driver() {
    let known = gsm_modem::ports::interfaces();
    let driver: BTreeMap<_, _> =
        known.map(|known| (known.usb, (known.at.to_vec(), known.other.to_vec()))).collect();
    let page = interfaces_of_the_page();
    let devices: BTreeSet<_> = driver.keys().chain(page.keys()).collect();
    let shown = |table: &BTreeMap<_, (Vec<u8>, Vec<u8>)>, device| {
        table.get(device).map_or("does not have it".to_owned(), |(at, other)| {
            format!("has AT {at:02x?}, no AT {other:02x?}")
        })
    };
    let wrong: Vec<_> = devices
        .into_iter()
        .filter(|device| driver.get(device) != page.get(device))
        .map(|device| {
            let (usb, rank) = (format!("{:04x}:{:04x}", device.0, device.1), shown(&driver, device));
            format!("{usb}: rank.rs {rank}, and the page {}", shown(&page, device))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "TABLE of crates/gsm-modem/src/ports/rank.rs, and the table of hardware-notes/README.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_family_is_a_file_that_its_page_names_and_its_key_is_told() {
    let paths = files("hardware-notes", "md");
    let overview = read(&root().join("hardware-notes/README.md"));
    for path in paths.iter().map(|path| name(path)).filter(|page| *page != "README.md") {
        assert!(overview.contains(&format!("]({path})")), "hardware-notes/README.md does not name {path}");
    }
    let pages: Vec<_> = paths.iter().map(|path| read(path)).collect();
    let families = files("crates/gsm-modem/src/profiles", "toml");
    let of_files: BTreeSet<_> = families.iter().map(|path| name(path).trim_end_matches(".toml")).collect();
    let built_in: BTreeSet<_> = BUILT_IN.iter().map(|(family, _)| *family).collect();
    let apart: Vec<_> = of_files.symmetric_difference(&built_in).collect();
    assert!(
        apart.is_empty(),
        "in one only of crates/gsm-modem/src/profiles/*.toml and BUILT_IN of profiles/mod.rs: {apart:?}"
    );
    for path in &families {
        let file = format!("crates/gsm-modem/src/profiles/{}", name(path));
        let link = format!("(../{file})");
        assert!(pages.iter().any(|page| page.contains(&link)), "no page of hardware-notes has {link}");
        let text = read(path);
        assert!(text.contains("hardware-notes/"), "{file} names no page of hardware-notes");
        for key in text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
            let plain = key.trim_start_matches(['#', ' ']);
            let told = pages.iter().any(|page| page.contains(&format!("`{plain}`")));
            assert!(told, "{file}: no page of hardware-notes tells the key `{plain}`");
        }
    }
}

/// A stick whose answers do not identify it is recognised by its USB id.
#[test]
fn a_vendor_on_the_bus_is_a_family() {
    for (vendor, family) in [
        (0x12d1, "huawei"),
        (0x19d2, "zte"),
        (0x1e0e, "simcom"),
        (0x2c7c, "quectel"),
        (0x1546, "u-blox"),
        (0x1bc7, "telit"),
        (0x1199, "sierra"),
        (0x1e2d, "cinterion"),
        (0x0af0, "option"),
        (0x0403, "generic"),
    ] {
        let modem = Identity { usb: Some((vendor, 1)), ..Identity::default() };
        assert_eq!(config::profiles().of(&modem).name, family, "{vendor:04x}");
    }
}
