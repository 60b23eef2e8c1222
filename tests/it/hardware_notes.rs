//! The pages on hardware name what the source has: each family's file, and each recorded dialogue with its source.

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
    assert_eq!(rows.len(), recorded.len(), "rows and files");
    for path in &recorded {
        let text = read(path);
        let row = rows
            .iter()
            .find(|row| row.contains(&format!("(../crates/gsm-modem/tests/data/at/{})", name(path))));
        let row = row.unwrap_or_else(|| panic!("{} is not in the table", name(path)));
        let said = |word: &str| text.lines().filter_map(move |l| l.strip_prefix(word)).collect::<Vec<_>>();
        let family = said("family ")[0];
        assert!(row.contains(family), "{}: {family}", name(path));
        for source in said("source ") {
            assert!(row.contains(source), "{}: {source}", name(path));
        }
    }
}

/// The table of interfaces says what `smsotp probe` and a modem without a port go by. A vendor that has `*` is judged in
/// another way.
#[test]
fn every_interface_in_the_table_is_the_one_that_is_taken() {
    let page = read(&root().join("hardware-notes/README.md"));
    let (_, table) = page.split_once("| family | vendor:product |").unwrap();
    let hex = |text: &str| u16::from_str_radix(text, 16).unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let (devices, best) = (cells[2], cells[3]);
        if devices.contains('*') {
            continue;
        }
        let best = u8::from_str_radix(best, 16).unwrap();
        let mut vendor = "";
        // `1199:9071, 9079; 68c0`, and `(also 0037, …)`.
        for word in devices.split([' ', ',', ';', '(', ')']).filter(|word| !matches!(*word, "" | "also")) {
            let product = word.split_once(':').map_or(word, |(before, product)| {
                vendor = before;
                product
            });
            seen += 1;
            let taken = gsm_modem::ports::at_interfaces(hex(vendor), hex(product)).first();
            if taken != Some(&best) {
                wrong.push(format!("{vendor}:{product}: {taken:?}, and the page says {best:02x}"));
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "TABLE of crates/gsm-modem/src/ports/rank.rs:\n{}", wrong.join("\n"));
}

#[test]
fn every_family_is_a_file_that_its_page_names_and_its_key_is_told() {
    let pages: Vec<_> = files("hardware-notes", "md").iter().map(|path| read(path)).collect();
    let built_in: Vec<_> = files("crates/gsm-modem/src/profiles", "toml");
    assert_eq!(built_in.len(), BUILT_IN.len(), "each file is built in");
    for path in &built_in {
        let link = format!("(../crates/gsm-modem/src/profiles/{})", name(path));
        assert!(pages.iter().any(|page| page.contains(&link)), "no page names {}", name(path));
        let text = read(path);
        assert!(text.contains("hardware-notes/"), "{} names no page", name(path));
        for key in text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
            let plain = key.trim_start_matches(['#', ' ']);
            assert!(pages.iter().any(|page| page.contains(&format!("`{plain}`"))), "{key} is told nowhere");
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
