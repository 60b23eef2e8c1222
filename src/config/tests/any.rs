//! Texts that are no configuration, or a part of one.

use proptest::prelude::*;

use super::parse;

/// Pieces that form TOML more often than random characters do.
fn pieces() -> impl Strategy<Value = String> {
    const KEYS: &[&str] =
        &["name", "port", "mode", "socket", "ttl", "digits", "level", "may", "retry", "factor", "template"];
    const SECTIONS: &[&str] =
        &["[api]", "[[modem]]", "[[client]]", "[service.x]", "[limits]", "[queue]", "[log]", "[modem]"];
    const VALUES: &[&str] =
        &["1", "-1", "9e99", "nan", "'5m'", "'{code}'", "[]", "['+41']", "{a=1}", "1979-05-27", "'é'"];
    let line = prop_oneof![
        proptest::sample::select(SECTIONS).prop_map(str::to_owned),
        (proptest::sample::select(KEYS), proptest::sample::select(VALUES))
            .prop_map(|(k, v)| format!("{k} = {v}")),
        (proptest::sample::select(KEYS), "\\PC{0,12}").prop_map(|(k, v)| format!("{k} = \"{v}\"")),
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![pieces(), ".{0,200}"]) {
        if let Err(e) = parse(&text) {
            prop_assert!(!e.faults().is_empty());
            prop_assert!(e.to_string().starts_with("t.toml:"));
            let lines = text.matches('\n').count() + 1;
            prop_assert!(e.faults().iter().all(|f| f.line >= 1 && f.line <= lines && f.column >= 1));
        }
    }

    #[test]
    fn a_cut_configuration_panics_nowhere(at in 0..4096_usize) {
        let whole = include_str!("../every_key.toml");
        let _ = parse(whole.get(..at.min(whole.len())).unwrap_or(whole));
    }
}
