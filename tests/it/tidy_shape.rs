//! The shape of the source: how long a file is, and how many fields a struct has.

use crate::tidy::{Source, code, source, sources, tokens};

/// Lines of a file outside its tests.
const LINES: usize = 500;
/// Fields of a struct in the driver of a modem.
const FIELDS: usize = 15;

#[test]
fn a_file_is_short_outside_its_tests() {
    let long = sources().into_iter().filter_map(|s| {
        let lines = s.text.trim_end().lines().count();
        (lines > LINES).then(|| format!("{}: {lines} lines, where {LINES} are enough", s.path))
    });
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "\n{}\n", long.join("\n"));
}

#[test]
fn a_struct_of_the_driver_holds_few_things() {
    let driver = sources().into_iter().filter(|s| s.path.starts_with("crates/gsm-modem/src/"));
    let large: Vec<_> = driver.flat_map(|s| large(&s)).collect();
    assert!(large.is_empty(), "\n{}\n", large.join("\n"));
}

fn large(source: &Source) -> Vec<String> {
    let found = structs(&source.text).into_iter().filter(|(_, fields)| *fields > FIELDS);
    found
        .map(|(name, fields)| {
            format!("{}: {name} has {fields} fields, where {FIELDS} are enough", source.path)
        })
        .collect()
}

/// The structs with named fields, and how many each has.
fn structs(text: &str) -> Vec<(String, usize)> {
    let tokens: Vec<String> = tokens(&code(text)).into_iter().map(|(_, token)| token).collect();
    let mut found = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| *token == "struct") {
        let Some(name) = tokens.get(at + 1) else { continue };
        let Some(open) = tokens[at..].iter().position(|t| matches!(t.as_str(), "{" | "(" | ";")) else {
            continue;
        };
        if tokens[at + open] == "{" {
            found.push((name.clone(), fields(&tokens[at + open..])));
        }
    }
    found
}

/// The fields of a body that begins with its brace.
fn fields(body: &[String]) -> usize {
    let (mut depth, mut fields) = (0, 0);
    for token in body {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            ":" if depth == 1 => fields += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    fields
}

#[test]
fn fields_are_counted() {
    let text = "pub struct A<'a, T: Into<u8>> where T: Copy {\n    /// x: y\n    #[serde(a = \"b\")]\n    pub(crate) b: Vec<(u8, T)>,\n    \
                c: Box<dyn Fn(u8, &'a str) -> std::io::Result<()>>,\n}\nstruct B(u8);\nstruct C;\nstruct D {}\n\
                #[cfg(test)]\nstruct E { a: u8 }\n";
    let counted = structs(&source("src/a.rs", text).text);
    let expected = [("A", 2), ("D", 0)].map(|(name, fields)| (name.to_owned(), fields));
    assert_eq!(counted, expected);
    let many = "a: u8, ".repeat(16);
    assert_eq!(large(&source("src/a.rs", &format!("struct F {{ {many} }}"))).len(), 1);
}
