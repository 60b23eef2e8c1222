//! What became of each row, as a CSV file without numbers and texts.

use std::collections::BTreeMap;
use std::path::Path;

use super::record::{Record, State};
use super::rows::Rows;
use crate::cli::exit::{Exit, Failure};
use crate::cli::files::{replace, told};

/// The status of the message that came of a row, by the row's line.
pub(super) type Became = BTreeMap<u64, String>;

/// Writes a line for each row, in the order of the file.
pub(super) fn write(path: &Path, rows: &Rows, record: &Record, became: &Became) -> Result<(), Failure> {
    let mut lines: BTreeMap<u64, [String; 4]> = BTreeMap::new();
    let mut line = |at: u64, id: &str, status: &str, parts: u64| {
        lines.insert(at, [at.to_string(), id.to_owned(), status.to_owned(), parts.to_string()]);
    };
    for row in &rows.good {
        match record.of(row.line) {
            Some(State::Accepted { id, parts }) => {
                let status = became.get(&row.line).map_or("accepted", String::as_str);
                line(row.line, id, status, u64::from(*parts));
            }
            Some(State::Refused { code, .. }) => line(row.line, "", code, row.parts),
            Some(State::Begun(_) | State::Unknown {}) => line(row.line, "", "unknown", row.parts),
            None => line(row.line, "", "not_asked", row.parts),
        }
    }
    for bad in &rows.bad {
        line(bad.line, "", "bad_row", 0);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: csv::Error| Failure::new(Exit::Internal, format!("{}: {e}", path.display()));
    writer.write_record(["line", "id", "status", "parts"]).map_err(failed)?;
    for fields in lines.values() {
        writer.write_record(fields).map_err(failed)?;
    }
    let octets = writer.into_inner().map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
    replace(path, &octets).map_err(|e| told(path, &e))
}
