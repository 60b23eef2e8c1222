//! No circular use between files: a file of these folders never uses a file that uses it. A declaration by `mod` is
//! not a use; a parent that names an item of its child uses it, and so does a child that names an item of its parent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::tidy::{Source, source, sources};

/// The folders without circles; the session of a modem is the first.
const FOLDERS: [&str; 3] = ["crates/gsm-modem/src/session", "src/api", "src/gateway"];

/// Each file with those that it uses, and the line of the first use.
type Uses = BTreeMap<String, BTreeMap<String, usize>>;

#[test]
fn no_folder_has_a_circle_of_files() {
    for folder in FOLDERS {
        let files: Vec<_> = sources().into_iter().filter(|s| s.path.starts_with(folder)).collect();
        assert!(files.len() > 10, "the files of {folder} were not found");
        let circles = circles(&uses(&files));
        assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
    }
}

/// The file of `api` on which the others are built.
#[test]
fn the_ground_of_the_api_uses_no_file_of_it() {
    let api: Vec<_> = sources().into_iter().filter(|s| s.path.starts_with("src/api")).collect();
    let uses = uses(&api);
    assert_eq!(uses["src/api/app.rs"], BTreeMap::new());
}

/// A file's module path below the crate: `session::read::entry`.
fn module(path: &str) -> Vec<String> {
    let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
    let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    inside.split('/').map(str::to_owned).collect()
}

fn uses(files: &[Source]) -> Uses {
    let modules: BTreeMap<Vec<String>, &str> =
        files.iter().map(|f| (module(&f.path), f.path.as_str())).collect();
    let mut found = Uses::new();
    for file in files {
        let own = module(&file.path);
        let of_file = found.entry(file.path.clone()).or_default();
        for (line, path) in &file.paths {
            let full = rooted(&own, path);
            if own.starts_with(&full) {
                continue; // how far an item is seen: `pub(in crate::session)`
            }
            let used = (1..=full.len()).rev().find_map(|length| modules.get(&full[..length]));
            if let Some(used) = used.filter(|used| **used != file.path) {
                of_file.entry((*used).to_owned()).or_insert(*line);
            }
        }
    }
    found
}

/// A path as it is used in the module `own`, from the crate on.
fn rooted(own: &[String], path: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|name| *name == "super").count();
    match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("super") => {
            own[..own.len().saturating_sub(supers)].iter().chain(&path[supers..]).cloned().collect()
        }
        Some("self") => own.iter().chain(&path[1..]).cloned().collect(),
        // An item of a child, or of a package: that is not a file of the room.
        _ => own.iter().chain(path).cloned().collect(),
    }
}

/// The circles: the shortest through each file that is in one, each circle once.
fn circles(uses: &Uses) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in uses.keys() {
        let Some(circle) = shortest(uses, file) else { continue };
        if seen.insert(circle.iter().cloned().collect::<BTreeSet<_>>()) {
            let inside = |path: &str| FOLDERS.iter().find_map(|f| path.strip_prefix(f)).map(str::to_owned);
            let short = |path: &String| inside(path).map_or(path.clone(), |inside| inside[1..].to_owned());
            let steps = circle.iter().zip(circle.iter().cycle().skip(1));
            let told = steps.map(|(from, to)| format!("{}:{}", short(from), uses[from][to]));
            found.push(format!("{} > {}", told.collect::<Vec<_>>().join(" > "), short(file)));
        }
    }
    found
}

/// The shortest path from a file back to it.
fn shortest(uses: &Uses, file: &str) -> Option<Vec<String>> {
    let mut from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([file]);
    while let Some(at) = queue.pop_front() {
        for next in uses[at].keys() {
            if next == file {
                let mut circle = vec![at];
                while let Some(before) =
                    circle.last().filter(|last| **last != file).and_then(|last| from.get(last))
                {
                    circle.push(before);
                }
                return Some(circle.into_iter().rev().map(str::to_owned).collect());
            }
            if !from.contains_key(next.as_str()) {
                from.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}

#[test]
fn circles_are_seen() {
    let file = |name: &str, text: &str| source(&format!("{}/{name}", FOLDERS[0]), text);
    let found = |files: &[Source]| circles(&uses(files));
    let straight = [
        file("mod.rs", "mod a;\nmod b;\nuse a::A;\nfn f() { b::g() }"),
        file(
            "a.rs",
            "use super::b::B;\nuse crate::at::Line;\n// crate::session::S\npub(in crate::session) fn f() {}",
        ),
        file("b.rs", "#[cfg(test)]\nmod tests { use super::super::a::A; }"),
    ];
    assert_eq!(found(&straight), Vec::<String>::new());
    let round = [
        file("a.rs", "use crate::session::b::{self, B};"),
        file("b.rs", "fn f() { super::c::mod_c() }"),
        file("c.rs", "\nuse super::a;"),
    ];
    assert_eq!(found(&round), ["a.rs:1 > b.rs:1 > c.rs:2 > a.rs"]);
    let family = [file("mod.rs", "use a::A;"), file("a.rs", "use super::M;")];
    assert_eq!(found(&family), ["a.rs:1 > mod.rs:1 > a.rs"]);
}
