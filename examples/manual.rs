//! Writes the manual pages and the completions of both programs into a folder, for a package:
//!
//! ```sh
//! cargo run --release --example manual -- target/manual
//! ```
//!
//! smsotpd.toml(5) is the shipped configuration: its prose, its sections and its keys with their defaults.

use std::error::Error;
use std::fs;
use std::path::Path;

use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use smsotpd::{cli, daemon};

const CONFIG: &str = include_str!("../config/smsotpd.toml");

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: manual FOLDER")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    page(folder, cli::command(), "1", "smsotpd(8), smsotpd.toml(5)")?;
    page(folder, daemon::command(), "8", "smsotp(1), smsotpd.toml(5)")?;
    fs::write(folder.join("smsotpd.toml.5"), configuration(CONFIG))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut cli::command(), "smsotp", folder)?;
        clap_complete::generate_to(shell, &mut daemon::command(), "smsotpd", folder)?;
    }
    Ok(())
}

/// A page of a program, and one of each of its commands.
fn page(folder: &Path, command: clap::Command, section: &str, also: &str) -> Result<(), Box<dyn Error>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let name = command.get_name().to_owned();
    for sub in command.get_subcommands() {
        let own = format!("{name}-{}", sub.get_name());
        let mut octets = Vec::new();
        let sub = sub.clone().display_name(&own);
        Man::new(sub).section(section).render(&mut octets)?;
        see_also(&mut octets, &format!("{name}({section})"))?;
        fs::write(folder.join(format!("{own}.{section}")), octets)?;
    }
    let mut octets = Vec::new();
    Man::new(command).section(section).render(&mut octets)?;
    see_also(&mut octets, also)?;
    fs::write(folder.join(format!("{name}.{section}")), octets)?;
    Ok(())
}

fn see_also(octets: &mut Vec<u8>, pages: &str) -> std::io::Result<()> {
    Roff::new().control("SH", ["SEE ALSO"]).text([roman(pages)]).to_writer(octets)
}

/// The page of the configuration. Prose begins with `# `, a key that is switched off with `#`, as in the file.
fn configuration(text: &str) -> String {
    let mut page = Roff::new();
    page.control("TH", ["smsotpd.toml", "5", "", "smsotpd"]);
    page.control("SH", ["NAME"]);
    page.text([roman("smsotpd.toml - the configuration of smsotpd")]);
    page.control("SH", ["DESCRIPTION"]);
    let mut literal = false;
    for line in text.lines() {
        let prose = line.strip_prefix("# ").or(line.strip_prefix("#").filter(|rest| rest.is_empty()));
        let key = line.strip_prefix('#').unwrap_or(line);
        let is_section = key.starts_with('[');
        if literal && (prose.is_some() || line.is_empty() || is_section) {
            page.control("fi", []);
            page.control("RE", []);
            literal = false;
        }
        match prose {
            Some("") => drop(page.control("PP", [])),
            Some(prose) => drop(page.text([roman(prose)])),
            None if line.is_empty() => drop(page.control("PP", [])),
            None if is_section => {
                page.control("SH", [key]);
            }
            None => {
                if !literal {
                    page.control("RS", ["4"]);
                    page.control("nf", []);
                    literal = true;
                }
                match key.split_once(" = ") {
                    Some((name, value)) => page.text([bold(name), roman(" = "), italic(value)]),
                    None => page.text([roman(key)]),
                };
            }
        }
    }
    if literal {
        page.control("fi", []);
        page.control("RE", []);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([roman("smsotpd(8), smsotp(1)")]);
    page.to_roff()
}
