//! `send --from-csv`: many messages, each row of a file once, however often the command is broken off and run again.
//!
//! `rows` reads the file, `plan` says what the rows come to, `record` keeps how far the run came, `deliver` asks the daemon,
//! and `results` writes what became of each row.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::exit::{Exit, Failure};
use super::files::{beside, told};
use super::output::{Session, note, print};
use crate::api::client::Call;
use crate::api::wire;
use crate::clock::Clock;
use crate::hex;
use crate::otp::Pattern;
use crate::phone::Country;
use crate::random::Random;
use plan::{Plan, many};
use record::{Record, State, Work};
use rows::{Reading, Rows};

mod deliver;
mod plan;
mod record;
mod results;
mod rows;

/// Bad rows that are told one by one.
const TOLD: usize = 20;

/// The arguments of `smsotp send --from-csv`.
#[derive(Debug, clap::Args)]
pub(super) struct FromCsv {
    /// Send a message for each row of a CSV file, whose first line names its columns: `to` and `text`. Where it breaks off,
    /// the same command goes on: each row is sent once.
    #[arg(id = "from_csv", long = "from-csv", value_name = "FILE", conflicts_with_all = ["phone", "text"])]
    pub(super) file: Option<PathBuf>,
    /// Send nothing: say how many parts the rows take, and what of the SIMs' allowances.
    #[arg(long, requires = "from_csv")]
    dry_run: bool,
    /// The text of all rows, in which {name} is the value of the column `name`.
    #[arg(long, value_name = "TEXT", requires = "from_csv", value_parser = pattern)]
    template: Option<Pattern>,
    /// How far the run came; left out: FILE.progress.
    #[arg(long, value_name = "FILE", requires = "from_csv")]
    state: Option<PathBuf>,
    /// Pass over rows that are no messages; without it nothing is sent when there is one.
    #[arg(long, requires = "from_csv")]
    skip_bad: bool,
    /// Read numbers without + as those of this country, such as CH.
    #[arg(long, value_name = "COUNTRY", requires = "from_csv", value_parser = country)]
    region: Option<Country>,
    /// Write at the end what became of each row, as CSV: line, id, status, parts.
    #[arg(long, value_name = "FILE", requires = "from_csv")]
    results: Option<PathBuf>,
    /// Do not ask before sending, where a person could be asked.
    #[arg(long, short, requires = "from_csv")]
    yes: bool,
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|e| e.to_string())
}

fn country(text: &str) -> Result<Country, String> {
    text.parse().map_err(|_| "write the two capital letters of a country, such as CH".to_owned())
}

/// What all messages of a run have in common.
pub(super) struct Common {
    /// The members of `POST /v1/messages` but `to` and `text`.
    pub(super) body: Value,
    /// The modem that has to send them, if one has.
    pub(super) modem: Option<String>,
    /// Whether to wait until all are sent or failed.
    pub(super) wait: bool,
}

/// `smsotp send --from-csv`.
pub(super) async fn send(
    session: &Session,
    csv: FromCsv,
    file: &Path,
    common: Common,
) -> Result<Exit, Failure> {
    let state = csv.state.unwrap_or_else(|| beside(file, ".progress"));
    if let Some(path) =
        csv.results.as_deref().filter(|path| [file, &state].iter().any(|other| is_same(path, other)))
    {
        let why = format!("{}: the results would take its place; name another file", path.display());
        return Err(Failure::new(Exit::Usage, why));
    }
    let octets = std::fs::read(file).map_err(|e| told(file, &e))?;
    let work = Work {
        file: digest(&octets),
        options: digest(format!("{} {:?} {:?}", common.body, csv.template, csv.region).as_bytes()),
    };
    let reading = Reading { template: csv.template, region: csv.region };
    let rows = rows::read(&octets, &reading)
        .map_err(|why| Failure::new(Exit::Usage, format!("{}: {why}", file.display())))?;
    drop(octets);
    let stops = !rows.bad.is_empty() && !csv.skip_bad;
    show(session, &rows, csv.dry_run, common.modem.as_deref()).await?;
    tell_bad(file, &rows);
    if stops {
        let what =
            if rows.good.is_empty() { "" } else { "; mend the rows, or pass over them with --skip-bad" };
        return Err(Failure::new(Exit::Usage, format!("{}: nothing is sent{what}", file.display())));
    }
    if csv.dry_run {
        return Ok(Exit::Done);
    }
    let record = Record::open(&state, &work, Clock::system().now(), &Random::system())?;
    let left = rows.good.iter().filter(|row| !record.is_settled(row.line)).count();
    if left == 0 && session.is_for_people() {
        print(&format!("each row was asked for before; to begin anew, remove {}\n", state.display()))?;
    }
    if left > 0 && !csv.yes && session.is_for_people() && !agreed(left, rows.good.len())? {
        return Err(Failure::new(Exit::No, "nothing is sent"));
    }
    let mut run = deliver::Run::new(session, record, &rows.good, common.body);
    run.deliver().await?;
    let became =
        if common.wait || csv.results.is_some() { Some(run.became(common.wait).await?) } else { None };
    if let Some(path) = &csv.results {
        results::write(path, &rows, &run.record, became.as_ref().unwrap_or(&results::Became::new()))?;
    }
    summary(session, &rows, &run.record)?;
    Ok(verdict(&rows, &run.record, became.as_ref().filter(|_| common.wait)))
}

/// Shows what the rows come to; with the SIMs' allowances when nothing is to be sent.
async fn show(session: &Session, rows: &Rows, dry: bool, modem: Option<&str>) -> Result<(), Failure> {
    let modems = if dry { modems(session).await } else { None };
    let plan = Plan::of(rows, modems.as_deref(), modem);
    if session.is_for_people() {
        print(&plan.show(session.format))
    } else if dry {
        print(&format!("{}\n", json!(plan)))
    } else {
        Ok(())
    }
}

/// The modems; what the SIMs have left is no reason not to tell the rest.
async fn modems(session: &Session) -> Option<Vec<wire::Modem>> {
    let asked = async {
        let reply = session.client.call(Call::get("/v1/modems")).await?;
        match reply.problem() {
            None => Ok(reply.parse::<wire::Modems>()?.modems),
            Some(problem) => Err(Failure::from(problem)),
        }
    };
    match asked.await {
        Ok(modems) => Some(modems),
        Err(failure) => {
            note(&format!("what the SIMs have left is not known: {}", failure.message));
            None
        }
    }
}

fn tell_bad(file: &Path, rows: &Rows) {
    for bad in rows.bad.iter().take(TOLD) {
        note(&format!("{}: line {}: {}", file.display(), bad.line, bad.why));
    }
    if let Some(more) = rows.bad.len().checked_sub(TOLD).filter(|more| *more > 0) {
        note(&format!("{}: {more} more rows are no messages", file.display()));
    }
}

/// Asks a person at a terminal; without one nothing is asked.
fn agreed(left: usize, all: usize) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let what = if left == all { format!("Send {all}") } else { format!("Go on with {left} of {all}") };
    write!(io::stderr(), "{what} messages? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn summary(session: &Session, rows: &Rows, record: &Record) -> Result<(), Failure> {
    let (mut accepted, mut parts, mut told) = (0, 0, 0);
    for row in &rows.good {
        let why = match record.of(row.line) {
            Some(State::Accepted { parts: its, .. }) => {
                (accepted, parts) = (accepted + 1, parts + u64::from(*its));
                continue;
            }
            Some(State::Refused { code, detail }) => format!("refused, {code}: {detail}"),
            Some(State::Unknown {}) => {
                "it was asked for more than a day ago and the answer was lost: whether it was sent is \
                                        not known, and it is not sent again"
                    .to_owned()
            }
            Some(State::Begun(_)) | None => continue,
        };
        told += 1;
        if told <= TOLD {
            note(&format!("line {}: {why}", row.line));
        }
    }
    if told > TOLD {
        note(&format!("{} more rows were refused or are not known", told - TOLD));
    }
    if session.is_for_people() {
        let all = many(rows.good.len() as u64, "message");
        print(&format!("{accepted} of {all} accepted, {}\n", many(parts, "part")))?;
    }
    Ok(())
}

fn verdict(rows: &Rows, record: &Record, became: Option<&results::Became>) -> Exit {
    let states = || rows.good.iter().filter_map(|row| record.of(row.line));
    if states().any(|state| matches!(state, State::Refused { .. })) {
        return Exit::Refused;
    }
    let failed =
        became.is_some_and(|became| became.values().any(|m| !matches!(m.as_str(), "sent" | "delivered")));
    if failed || states().any(|state| matches!(state, State::Unknown {})) { Exit::No } else { Exit::Done }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn digest(octets: &[u8]) -> String {
    hex::encode(&Sha256::digest(octets)).to_lowercase()
}
