//! What CONTRIBUTING.md names is there: files, functions, types, tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Endings of files that the page names.
const ENDINGS: [&str; 7] = [".rs", ".toml", ".json", ".md", ".list", ".dict", ".rules"];

/// Programs that no file of the project names.
const PROGRAMS: [&str; 1] = ["gcc"];

#[test]
fn what_the_guide_names_is_there() {
    let page = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let (paths, words) = tree();
    let missing = missing(&page, &paths, &words);
    assert!(missing.is_empty(), "CONTRIBUTING.md names what is not there: {missing:?}");
}

/// What a page names in backticks, and each name of a test anywhere in it, that neither the tree nor an example of the page
/// has.
fn missing(page: &str, paths: &[String], words: &BTreeSet<String>) -> Vec<String> {
    let pieces = || page.split("```").enumerate();
    let prose: String = pieces().filter(|(i, _)| i % 2 == 0).map(|(_, piece)| piece).collect();
    let examples: String = pieces().filter(|(i, _)| i % 2 == 1).map(|(_, piece)| piece).collect();
    let made: BTreeSet<&str> =
        examples.split("fn ").skip(1).filter_map(|rest| identifiers(rest).next()).collect();
    let example: BTreeSet<&str> = identifiers(&examples).collect();
    // Of a name of four words or more, which is a test's, the beginning is enough.
    let begins =
        |name: &str| words.range(name.to_owned()..).next().is_some_and(|word| word.starts_with(name));
    let is_test = |name: &str| name.matches('_').count() >= 3;
    let mut missing = Vec::new();
    for span in prose.split('`').skip(1).step_by(2) {
        if PROGRAMS.contains(&span) {
            continue;
        }
        let is_example = ["fibocom", "NAME", "*", " "].iter().any(|part| span.contains(part));
        if !is_example && ENDINGS.iter().any(|ending| span.ends_with(ending)) {
            let end = format!("/{span}");
            if !paths.iter().any(|path| format!("/{path}").ends_with(&end)) {
                missing.push(span.to_owned());
            }
        } else if span.chars().all(|c| c.is_ascii_alphanumeric() || "_:()".contains(c)) {
            let names =
                identifiers(span).filter(|name| name.len() > 2 && !name.ends_with('_') && !is_test(name));
            let unknown = |name: &&str| !words.contains(*name) && !example.contains(name);
            missing.extend(names.filter(unknown).map(|_| span.to_owned()));
        }
    }
    missing.extend(
        identifiers(page)
            .filter(|name| is_test(name) && !made.contains(name) && !begins(name))
            .map(str::to_owned),
    );
    missing
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Each file of the project, and each word of those in which names are declared.
fn tree() -> (Vec<String>, BTreeSet<String>) {
    fn walk(folder: &Path, paths: &mut Vec<String>, words: &mut BTreeSet<String>) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(&*name, "target" | "corpus" | "artifacts" | ".git" | "node_modules")
            {
                walk(&path, paths, words);
            } else if path.is_file() {
                paths.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
                // One without an ending is a script.
                let declares = [".rs", ".toml", ".json", ".rules", ".yml", ".list"];
                let is_script = !name.contains('.');
                if is_script || declares.iter().any(|ending| name.ends_with(ending)) {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    words.extend(identifiers(&text).map(str::to_owned));
                }
            }
        }
    }
    let (mut paths, mut words) = (Vec::new(), BTreeSet::new());
    walk(&root(), &mut paths, &mut words);
    (paths, words)
}

#[test]
fn a_name_that_is_nowhere_is_seen() {
    let paths = vec!["src/at/command.rs".to_owned()];
    let words = BTreeSet::from(["Check".to_owned(), "a_modem_that_works_is_used".to_owned()]);
    let missing = |page: &str| missing(page, &paths, &words);
    assert!(missing("`at/command.rs`, `Check`, `a_modem_that_works`").is_empty());
    assert!(missing("`battery` is made:\n```rust\nfn battery() {}\n```\n").is_empty());
    assert_eq!(missing("`at/commands.rs`"), ["at/commands.rs"]);
    assert_eq!(missing("`Check::keep`"), ["Check::keep"]);
    assert_eq!(missing("cargo test a_modem_that_is_not"), ["a_modem_that_is_not"]);
}
