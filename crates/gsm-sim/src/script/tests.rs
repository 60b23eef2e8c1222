//! The built-in scripts are valid, and the default one says what the code does.

use super::Script;

#[test]
fn every_built_in_script_is_valid() {
    for (name, text) in Script::BUILT_IN {
        match Script::parse(name, text) {
            Ok(script) => assert_eq!(script.name, name),
            Err(e) => panic!("{e}"),
        }
        assert!(Script::built_in(name).is_some());
    }
    assert_eq!(Script::built_in("nokia"), None);
}

#[test]
fn the_default_script_spells_out_the_defaults() {
    assert_eq!(Script::built_in("default"), Some(Script::default()));
    assert_eq!(Script::parse("empty", ""), Ok(Script::default()));
}

#[test]
fn the_examples_in_the_default_script_are_valid() {
    let (_, text) = Script::BUILT_IN[0];
    let examples = text.split("# [[answer]]").nth(1).unwrap();
    let examples: Vec<_> = format!("# [[answer]]{examples}")
        .lines()
        .filter_map(|line| {
            let line = line.trim_start_matches('#').trim();
            // A remark stands after a run of blanks.
            line.split("  ").next().filter(|entry| entry.starts_with("[[") || entry.contains(" = "))
        })
        .map(str::to_owned)
        .collect();
    let script = Script::parse("examples", &examples.join("\n")).unwrap();
    assert_eq!((script.answers.len(), script.unsolicited.len(), script.faults.len()), (1, 1, 1));
}
