//! `backup`, from a running daemon, and `restore`, into an empty state folder.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::exit::{Exit, Failure};
use super::files::{beside, open_private, told};
use super::output::{Session, print};
use super::progress::{Counted, Unit, progress};
use crate::api::client::Call;
use crate::config::{self, Config};
use crate::daemon::{self, KeyRestored};

/// Writes the whole state to a file: under another name first, so that an older backup stays until the new
/// one is complete.
pub(super) async fn backup(session: &Session, file: &Path) -> Result<Exit, Failure> {
    let mut pieces = match session.client.download(Call::get("/v1/backup")).await? {
        Ok(pieces) => pieces,
        Err(reply) => {
            session.accept(reply)?;
            return Err(Failure::new(Exit::Internal, "the daemon gave no backup"));
        }
    };
    if file == Path::new("-") {
        let mut out = io::stdout().lock();
        while let Some(piece) = pieces.next().await? {
            out.write_all(&piece)?;
        }
        out.flush()?;
        return Ok(Exit::Done);
    }
    let file = &target(file)?;
    let unfinished = beside(file, ".unfinished");
    // How much there will be the daemon does not know before the end.
    let bar = progress(session.is_for_people(), "backup", Unit::Octets, None);
    let mut out = open_private(&unfinished).map_err(|e| told(&unfinished, &e))?;
    let written = async {
        let mut octets = 0;
        while let Some(piece) = pieces.next().await? {
            out.write_all(&piece).map_err(|e| told(&unfinished, &e))?;
            octets += piece.len();
            bar.inc(piece.len() as u64);
        }
        out.sync_all().map_err(|e| told(&unfinished, &e))?;
        std::fs::rename(&unfinished, file).map_err(|e| told(file, &e))?;
        Ok::<_, Failure>(octets)
    };
    let written = written.await;
    bar.finish_and_clear();
    let written = written.inspect_err(|_| {
        // The error that there is no backup was reported already.
        let _ = std::fs::remove_file(&unfinished);
    })?;
    if session.is_for_people() {
        print(&format!(
            "{}: {written} octets; it opens like the state itself, so keep it private\n",
            file.display()
        ))?;
    }
    Ok(Exit::Done)
}

/// The file to replace: the file that a link leads to, and only a regular file.
fn target(file: &Path) -> Result<PathBuf, Failure> {
    let Ok(metadata) = file.metadata() else { return Ok(file.to_owned()) };
    if !metadata.is_file() {
        let what = format!("{} is not a regular file: name one, or - for stdout", file.display());
        return Err(Failure::new(Exit::Usage, what));
    }
    file.canonicalize().map_err(|e| told(file, &e))
}

/// Fills the given state folder, or the one that the configuration names.
pub(super) fn restore(
    file: &Path,
    state_dir: Option<PathBuf>,
    config: &Path,
    json: bool,
) -> Result<Exit, Failure> {
    let (state_dir, configured, kept) = if let Some(dir) = state_dir {
        (dir, None, config::Store::Sled)
    } else {
        let config = Config::load(config).map_err(|e| Failure::new(Exit::Config, e.to_string()))?;
        (config.state_dir, config.secret_key_file, config.store)
    };
    let backup = File::open(file).map_err(|e| told(file, &e))?;
    let total = backup.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
    let bar = progress(!json, "restore", Unit::Octets, total);
    let mut backup = BufReader::new(Counted { inner: backup, bar: &bar });
    let restored = daemon::restore(&state_dir, configured.as_deref(), &kept, &mut backup);
    bar.finish_and_clear();
    let key = restored.map_err(|e| {
        let exit = match &e {
            e if e.is_refusal() => Exit::Refused,
            e if e.is_configuration() => Exit::Config,
            _ => Exit::Internal,
        };
        Failure::new(exit, e.to_string())
    })?;
    let place = match &kept {
        config::Store::Sled => state_dir.display().to_string(),
        config::Store::Postgres { url, .. } => format!("the database {url}"),
    };
    if json {
        let with_key = matches!(key, KeyRestored::WithIt);
        print(&format!("{}\n", json!({"state_dir": state_dir, "secret_key": with_key})))?;
        return Ok(Exit::Done);
    }
    let key = match key {
        KeyRestored::WithIt => "with its secret key",
        KeyRestored::There => "whose secret key was there already",
        KeyRestored::KeptApart => {
            "without the secret key, which was kept apart: give the daemon the same one, or it does not \
             start"
        }
    };
    print(&format!("{place} restored, {key}\n"))?;
    Ok(Exit::Done)
}
