//! The faults that the simulation must find (`tests/whole/planted.list`) fit the source as it is: each takes out lines that
//! are there once.

use std::path::Path;

#[test]
fn each_planted_fault_takes_out_lines_that_are_there_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let list = read("tests/whole/planted.list");
    let entries: Vec<_> = list.split("\n\n").filter(|entry| entry.starts_with("= ")).collect();
    assert!(entries.len() >= 30, "{}", entries.len());
    for entry in entries {
        let after = |mark: char| {
            let lines = entry.lines().filter_map(move |line| line.strip_prefix(mark));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>()
        };
        let (name, file) = (after('='), after('@'));
        let times = read(file[0]).matches(&after('-').join("\n")).count();
        assert_eq!(times, 1, "{}: {} has these lines {times} times", name[0], file[0]);
    }
}
