//! The rules of `ARCHITECTURE.md`: who imports whom (the table itself is read, so that page and code cannot
//! drift apart), which package depends on which, which room may use the clock, the store's engine, serde and
//! I/O, and the style of a source file.
//!
//! Code behind `#[cfg(test)]`, and files named `tests.rs` or below a folder `tests`, may import anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The import table: a room, and the beginnings of the paths that it may name, such as `otp` or `outbox::Retry`.
type Walls = BTreeMap<String, BTreeSet<String>>;

/// The packages whose root is a room: their folders below `crates/`.
const PACKAGES: [&str; 3] = ["gsm-modem", "gsm-sim", "gsm-sms"];

/// A source file without its tests.
pub(crate) struct Source {
    pub(crate) path: String,
    /// A room of the root package such as `otp`, or a package such as `gsm_modem`, or a room of one: `gsm_modem::at`.
    room: String,
    /// What `crate` stands for: a package below `crates/`, or nothing for the root package.
    package: Option<String>,
    /// How many modules it lies below the crate: 1 for a room itself.
    depth: usize,
    pub(crate) text: String,
    /// Every path that it names, such as `crate::otp::Policy`, with its line.
    pub(crate) paths: Vec<(usize, Vec<String>)>,
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let walls = walls(&read("ARCHITECTURE.md"));
    let sources = sources();
    let breaches: Vec<_> = sources.iter().flat_map(|s| imports(s, &walls)).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
    let rooms: BTreeSet<_> = sources.iter().map(|s| s.room.as_str()).collect();
    let table: BTreeSet<_> = walls.keys().map(String::as_str).collect();
    assert_eq!(rooms, table, "the rooms in src/ and in ARCHITECTURE.md's table");
}

#[test]
fn packages_depend_only_on_what_the_table_allows() {
    let walls = walls(&read("ARCHITECTURE.md"));
    let mut folders: Vec<_> = std::fs::read_dir(root().join("crates")).unwrap().collect();
    assert_eq!(folders.len(), PACKAGES.len(), "the packages of this test and the folders of crates/");
    folders.retain(|f| !PACKAGES.iter().any(|p| f.as_ref().unwrap().file_name().to_str() == Some(p)));
    assert!(folders.is_empty(), "{folders:?}");
    for package in PACKAGES {
        let allowed: BTreeSet<_> =
            walls[&room_of(package)].iter().map(|room| room.replace('_', "-")).collect();
        let ours = |name: &String| PACKAGES.contains(&name.as_str()) || name == "smsotpd";
        let used: BTreeSet<_> = dependencies(package, "dependencies").into_iter().filter(ours).collect();
        assert_eq!(used, allowed, "{package}");
        // The driver is tested against simulated modems; nothing else is added for tests.
        let tested_with: BTreeSet<_> =
            dependencies(package, "dev-dependencies").into_iter().filter(ours).collect();
        let simulator = (package == "gsm-modem").then(|| "gsm-sim".to_owned());
        assert!(
            tested_with.iter().all(|name| Some(name) == simulator.as_ref()),
            "{package}: {tested_with:?}"
        );
    }
    let codec = dependencies("gsm-sms", "dependencies");
    assert_eq!(codec, ["nom".to_owned()].into(), "the codec");
}

fn room_of(package: &str) -> String {
    package.replace('-', "_")
}

/// The packages that a package's manifest names in one of its tables.
fn dependencies(package: &str, table: &str) -> BTreeSet<String> {
    let manifest: toml::Table = read(&format!("crates/{package}/Cargo.toml")).parse().unwrap();
    manifest[table].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn only_the_clock_asks_for_the_time() {
    let clocks = ["src/clock.rs", "crates/gsm-modem/src/clock.rs", "crates/gsm-sim/src/clock.rs"];
    forbid(&clocks, &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"]);
}

/// Octets that are drawn elsewhere could not be drawn again from a seed. The simulator has a generator of its own.
#[test]
fn only_one_room_draws_random_octets() {
    forbid(&["src/random.rs"], &["rand", "getrandom", "RandomState"]);
}

#[test]
fn only_the_store_names_sled() {
    forbid(&["src/store/"], &["sled"]);
    forbid(
        &["src/store/postgres"],
        &["tokio_postgres", "tokio_postgres_rustls", "rustls", "rustls_native_certs"],
    );
}

#[test]
fn serde_stays_at_the_borders() {
    let borders = ["src/api/", "src/store/", "src/config/", "src/cli/", "crates/gsm-sim/src/"];
    forbid(&borders, &["serde", "serde_json", "postcard"]);
}

#[test]
fn the_codecs_are_pure() {
    let world = [
        "tokio",
        "serde",
        "tracing",
        "nix",
        "rand",
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::os",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "std::time::SystemTime",
    ];
    let impure = |s: &Source| naming(s, &world);
    let codecs = sources().into_iter().filter(|s| matches!(s.room.as_str(), "gsm_modem::at" | "gsm_sms"));
    let breaches: Vec<_> = codecs.flat_map(|s| impure(&s)).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn a_file_is_one_idea_and_says_which() {
    for path in files() {
        let text = read(&path);
        assert!(text.starts_with("//!"), "{path} does not begin with //!");
        let lines = text.lines().count();
        assert!(lines <= 600, "{path} has {lines} lines; 600 is too many");
    }
}

#[test]
fn a_possible_panic_carries_its_proof() {
    let breaches: Vec<_> = sources().iter().flat_map(unproven).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn a_link_in_a_page_leads_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        let text = read(&page);
        let folder = root().join(&page).parent().expect("a file has a folder").to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(t, _)| t) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.contains("://") && !path.is_empty() && !folder.join(path).exists() {
                dead.push(format!("{page}: {target}"));
            }
        }
        // A reference without a definition is shown as brackets.
        for name in references(&text) {
            if !text.lines().any(|l| l.starts_with(&format!("[{name}]: http"))) {
                dead.push(format!("{page}: [{name}] is not defined"));
            }
        }
    }
    assert!(dead.is_empty(), "\n{}\n", dead.join("\n"));
}

/// The `[name]` references of a hardware page: those that are neither `[text](target)` nor a definition.
fn references(text: &str) -> BTreeSet<String> {
    let mut prose = String::new();
    for (i, piece) in text.split("```").enumerate() {
        if i % 2 == 0 {
            prose.extend(piece.split('`').step_by(2));
        }
    }
    let mut found = BTreeSet::new();
    for (i, _) in prose.match_indices('[') {
        let Some((name, rest)) = prose[i + 1..].split_once(']') else { continue };
        let is_source = name.contains(|c: char| c.is_ascii_digit() || c == '-');
        if is_source && !name.contains([' ', '[', '\n']) && !rest.starts_with(['(', ':']) {
            found.insert(name.to_owned());
        }
    }
    found
}

/// The pages whose links a reader may follow.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "crates/gsm-sms/README.md",
    ]
    .map(str::to_owned)
    .into();
    for entry in std::fs::read_dir(root().join("hardware-notes")).unwrap() {
        let name = entry.unwrap().file_name();
        pages.push(format!("hardware-notes/{}", name.to_str().unwrap()));
    }
    assert!(pages.len() > 10, "the hardware notes were not found");
    pages
}

/// Fails for each path that begins or ends with one of `names` outside the files and folders `places`.
fn forbid(places: &[&str], names: &[&str]) {
    let sources = sources();
    for place in places {
        assert!(sources.iter().any(|s| s.path.starts_with(place)), "{place} is gone");
    }
    let outside = sources.into_iter().filter(|s| !places.iter().any(|place| s.path.starts_with(place)));
    let breaches: Vec<_> = outside.flat_map(|s| naming(&s, names)).collect();
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

fn naming(source: &Source, names: &[&str]) -> Vec<String> {
    let names: Vec<Vec<&str>> = names.iter().map(|n| n.split("::").collect()).collect();
    let hit = |path: &[String]| names.iter().any(|n| starts(path, n) || (n.len() > 1 && ends(path, n)));
    let hits = source.paths.iter().filter(|(_, path)| hit(path));
    hits.map(|(line, path)| format!("{}:{line}: names {}", source.path, path.join("::"))).collect()
}

fn starts(path: &[String], name: &[&str]) -> bool {
    path.len() >= name.len() && path.iter().zip(name).all(|(a, b)| a == b)
}

fn ends(path: &[String], name: &[&str]) -> bool {
    path.len() >= name.len() && path.iter().rev().zip(name.iter().rev()).all(|(a, b)| a == b)
}

/// The violations of the table in one file.
fn imports(source: &Source, walls: &Walls) -> Vec<String> {
    let nothing = BTreeSet::new();
    let allowed = walls.get(&source.room).unwrap_or(&nothing);
    let breach = |(line, path): &(usize, Vec<String>)| {
        let full = rooted(source, path)?;
        let within = |name: &String| starts(&full, &name.split("::").collect::<Vec<_>>());
        let fine = within(&source.room) || allowed.iter().any(within);
        let path = path.join("::");
        (!fine).then(|| format!("{}:{line}: {} may not import {path}", source.path, source.room))
    };
    source.paths.iter().filter_map(breach).collect()
}

/// A path from the room that it leads to, if that is a room of this project.
fn rooted(source: &Source, path: &[String]) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|p| *p == "super").count();
    let ours = |name: &str| PACKAGES.iter().any(|package| room_of(package) == name);
    let inside = match path.first()?.as_str() {
        "crate" => &path[1..],
        "smsotpd" if source.room == "bin" => &path[1..],
        "super" if supers >= source.depth => &path[supers..],
        name if ours(name) => return Some(path.to_vec()),
        _ => return None,
    };
    let full: Vec<String> = source.package.iter().chain(inside).cloned().collect();
    (!full.is_empty()).then_some(full)
}

/// `unwrap()` without a comment beside or above it, `expect` without a reason.
fn unproven(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let proven = |i: usize| lines[i.saturating_sub(2)..=i].iter().any(|l| l.contains("//"));
    let reason = |i: usize, at: usize| {
        let call = format!("{}{}", &lines[i][at..], lines.get(i + 1).copied().unwrap_or_default());
        call.split('"').nth(1).is_some_and(|reason| reason.len() >= 8)
    };
    let bad = |(i, line): (usize, &&str)| {
        let line = line.split("//").next().unwrap_or_default();
        let unwrap = line.contains(".unwrap()") && !proven(i);
        let expect = line.find(".expect(").is_some_and(|at| !reason(i, at) && !proven(i));
        (unwrap || expect).then(|| format!("{}:{}: may panic, and no word says why not", source.path, i + 1))
    };
    lines.iter().enumerate().filter_map(bad).collect()
}

/// Reads the import table: `| room | … | may import |`, its last column.
fn walls(page: &str) -> Walls {
    let rows = page.lines().skip_while(|l| !l.starts_with("| room |")).take_while(|l| l.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = rows.skip(2).map(cells).collect();
    let names = |cell: &str| {
        let ticked = cell.split('`').skip(1).step_by(2).map(str::to_owned);
        ticked.collect::<BTreeSet<String>>()
    };
    let rooms: BTreeSet<String> = rows.iter().flat_map(|r| names(&r[0])).collect();
    assert!(rooms.len() > 10, "no import table in ARCHITECTURE.md");
    let is_below = |name: &str, room: &String| name == room || name.starts_with(&format!("{room}::"));
    let mut walls = Walls::new();
    for row in &rows {
        let cell = row.last().expect("a row has cells");
        let mut allowed = names(cell);
        for name in &allowed {
            assert!(
                rooms.iter().any(|room| is_below(name, room)),
                "the table allows {name}, which is no room"
            );
        }
        if cell.starts_with("all but") {
            allowed = rooms.difference(&allowed).cloned().collect();
        } else {
            assert!(!allowed.is_empty() || cell.starts_with("nothing"), "{cell:?} allows nothing");
        }
        for room in names(&row[0]) {
            walls.insert(room, allowed.clone());
        }
    }
    walls
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every Rust file below `src/` and of the packages.
fn files() -> Vec<String> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    for package in PACKAGES {
        walk(&root().join("crates").join(package).join("src"), &mut found);
    }
    found.sort();
    found.iter().map(|p| p.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()).collect()
}

/// The files that belong to a room, without their tests.
pub(crate) fn sources() -> Vec<Source> {
    let of_a_room =
        |path: &String| path != "src/lib.rs" && !path.ends_with("/tests.rs") && !path.contains("/tests/");
    let found: Vec<_> = files().into_iter().filter(of_a_room).map(|p| source(&p, &read(&p))).collect();
    assert!(found.len() > 100, "the files of src/ were not found");
    found
}

pub(crate) fn source(path: &str, text: &str) -> Source {
    let below = path.strip_prefix("crates/").and_then(|rest| rest.split_once("/src/"));
    let (package, inside) = below.map_or((None, path.trim_start_matches("src/")), |(package, inside)| {
        (Some(room_of(package)), inside)
    });
    let inside = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    let first = inside.split('/').next().unwrap_or_default();
    let room = match &package {
        Some(package) if package == "gsm_modem" && first == "at" => format!("{package}::{first}"),
        Some(package) => package.clone(),
        None => first.to_owned(),
    };
    let depth = inside.split('/').count();
    let text = without_tests(text);
    let paths = paths(&code(&text));
    Source { path: path.to_owned(), room, package, depth, text, paths }
}

/// The text with each item behind `#[cfg(test)]` blanked; lines keep their numbers.
fn without_tests(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        out.push('\n');
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut head = true;
        for line in lines.by_ref() {
            out.push('\n');
            head &= line.trim_start().starts_with(['#', '/']);
            let closed = line.strip_prefix(indent).is_some_and(|l| l.starts_with('}'));
            let short = !head && (line.ends_with(';') || (line.ends_with('}') && line.contains('{')));
            if closed || (short && line.strip_prefix(indent).is_some_and(|l| !l.starts_with(' '))) {
                break;
            }
        }
    }
    out
}

/// The text with comments and the content of literals blanked; lines keep their numbers.
pub(crate) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    let blank = |out: &mut String, c: char| out.push(if c == '\n' { '\n' } else { ' ' });
    while i < chars.len() {
        let rest = &chars[i..];
        let skip = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => rest.windows(2).position(|w| w == ['*', '/']).map_or(rest.len(), |n| n + 2),
            ['r', '"' | '#', ..] if i == 0 || !is_word(chars[i - 1]) => raw_literal(rest),
            ['"', ..] => literal(rest),
            ['\'', '\\', ..] => rest[2..].iter().skip(1).position(|c| *c == '\'').map_or(1, |n| n + 4),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if skip == 0 {
            out.push(rest[0]);
            i += 1;
        }
        for &c in &rest[..skip] {
            blank(&mut out, c);
        }
        i += skip;
    }
    out
}

fn literal(rest: &[char]) -> usize {
    let mut i = 1;
    while i < rest.len() && rest[i] != '"' {
        i += if rest[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(rest.len())
}

fn raw_literal(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0; // a raw identifier
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = &rest[hashes + 2..];
    body.windows(end.len()).position(|w| w == end).map_or(rest.len(), |n| hashes + 2 + n + end.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All paths in the code, those of `use` trees written in full, each with its line.
fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let is_use = tokens[i].1 == "use" && tokens.get(i + 1).is_some_and(|t| t.1 != "<");
        i = if is_use {
            tree(&tokens, i + 1, &[], &mut found)
        } else if is_name(&tokens[i].1) {
            chain(&tokens, i, &mut found)
        } else {
            i + 1
        };
    }
    found
}

/// One tree of a `use`, up to the comma, brace or semicolon that ends it.
fn tree(
    tokens: &[(usize, String)],
    mut i: usize,
    before: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    while let Some((line, token)) = tokens.get(i) {
        match token.as_str() {
            "::" => i += 1,
            "as" => i += 2,
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|t| t.1 != "}") {
                    i = tree(tokens, i, &path, found);
                    if tokens.get(i).is_some_and(|t| t.1 == ",") {
                        i += 1;
                    }
                }
                return i + 1;
            }
            "," | "}" | ";" => {
                found.push((*line, path));
                return i;
            }
            name => {
                path.push(name.to_owned());
                i += 1;
            }
        }
    }
    i
}

/// A path where it is used: names joined by `::`.
fn chain(tokens: &[(usize, String)], mut i: usize, found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let line = tokens[i].0;
    let mut path = vec![tokens[i].1.clone()];
    while let [(_, colons), (_, name), ..] = &tokens[i + 1..]
        && colons == "::"
        && is_name(name)
    {
        path.push(name.clone());
        i += 2;
    }
    if path.len() > 1 {
        found.push((line, path));
    }
    i + 1
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

pub(crate) fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    for (n, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push((n + 1, rest[..length].to_owned()));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

const TABLE: &str = "
text
| room | holds | may import |
| --- | --- | --- |
| `a`, `b` | x | nothing |
| `c` | `not this` | `a`, `b::Item` (why) |
| `d` | x | all but `c` |
| `e` | | `a` |
| `f` | | `a` |
| `g` | | `a` |
| `h` | | `a` |
| `i` | | `a` |
| `j` | | `a` |
| `bin` | | `a` |
| `gsm_sms` | | nothing |
| `gsm_modem` | | `gsm_sms` |
| `gsm_modem::at` | | `gsm_modem::Secret`, `gsm_sms::mask` |
| `k` | | `gsm_modem::at` |
";

#[test]
fn the_table_is_understood() {
    let walls = walls(TABLE);
    assert!(walls["a"].is_empty() && walls["b"].is_empty());
    assert_eq!(walls["c"], ["a", "b::Item"].map(str::to_owned).into());
    assert!(walls["d"].contains("a") && walls["d"].contains("gsm_sms") && !walls["d"].contains("c"));
}

#[test]
fn breaches_are_seen_and_the_rest_is_not() {
    let breaches = |path: &str, text: &str| imports(&source(path, text), &walls(TABLE)).len();
    assert_eq!(breaches("src/c/x.rs", "use crate::a::Y;\nuse crate::b::Item;\nuse crate::c::Z;"), 0);
    assert_eq!(breaches("src/c/x.rs", "use crate::b::Other;"), 1);
    assert_eq!(breaches("src/c/x.rs", "use crate::b;"), 1);
    assert_eq!(breaches("src/c/x.rs", "use crate::{\n    a::{self, Y},\n    d::{Z, w as v},\n};"), 2);
    assert_eq!(breaches("src/c/x.rs", "fn f() -> crate::d::Z { x::<crate::e::Y>() }"), 2);
    assert_eq!(breaches("src/c/x.rs", "use super::d; use super::super::d::Z;"), 1);
    assert_eq!(breaches("src/c/mod.rs", "use super::d::Z;"), 1);
    assert_eq!(breaches("src/b.rs", "// crate::d::Z\nlet s = \"crate::d::Z\"; r#\"crate::d::Z\"#; '\"';"), 0);
    assert_eq!(breaches("src/b.rs", "#[cfg(test)]\nmod tests {\n    use crate::d::Z;\n}"), 0);
    assert_eq!(breaches("src/b.rs", "#[cfg(test)]\nmod tests;\n\nuse crate::d::Z;"), 1);
    assert_eq!(breaches("src/b.rs", "#[cfg(test)]\nuse crate::d;\nuse crate::d::Z;"), 1);
    assert_eq!(breaches("src/bin/p.rs", "fn main() { smsotpd::c::main() }"), 1);
    assert_eq!(
        breaches("src/k/x.rs", "use gsm_modem::at::Line; use gsm_modem::Modem; use gsm_sms::mask;"),
        2
    );
    assert_eq!(
        breaches("crates/gsm-modem/src/x.rs", "use crate::at::Line; use crate::y::Z; use gsm_sms::mask;"),
        0
    );
    assert_eq!(breaches("crates/gsm-modem/src/x.rs", "use gsm_sim::Sim; gsm_sim::Sim::start();"), 2);
    assert_eq!(
        breaches("crates/gsm-modem/src/at/x.rs", "use crate::Secret; use super::y; use gsm_sms::mask;"),
        0
    );
    assert_eq!(
        breaches("crates/gsm-modem/src/at/x.rs", "use crate::ports; use super::super::y; use gsm_sms::ussd;"),
        3
    );
    assert_eq!(breaches("crates/gsm-sms/src/x.rs", "use super::y; use gsm_modem::Modem;"), 1);
}

#[test]
fn names_and_panics_are_seen() {
    let named = |text: &str| naming(&source("src/a.rs", text), &["sled", "Instant::now"]).len();
    assert_eq!(
        named("use std::time::Instant;\nInstant::now();\ntokio::time::Instant::now();\nsled::open(p)"),
        3
    );
    assert_eq!(named("use sled;"), 1);
    assert_eq!(named("// sled::open\nlet a = x.sled; \"Instant::now\";"), 0);
    let panics = |text: &str| unproven(&source("src/a.rs", text)).len();
    assert_eq!(panics("a.unwrap();\nb.expect(\"no\");\nc.expect(&x);"), 3);
    assert_eq!(panics("// it was just filled\na.unwrap();\nb.expect(\"it was just filled\");"), 0);
    assert_eq!(panics("a.unwrap_or(1); // unwrap()"), 0);
}
