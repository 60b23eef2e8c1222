//! The `smsotp` commands: through the API's client where they need a daemon, alone where they need none.
//!
//! This room knows no modem and no store. Answers go to stdout, diagnostics to stderr, and the exit code
//! gives the result; see [`Exit`].
//!
//! ```no_run
//! // The whole of `src/bin/smsotp.rs`:
//! fn main() -> std::process::ExitCode {
//!     smsotpd::cli::main()
//! }
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::api::client::{Call, Client};

mod backup;
mod bulk;
mod daemon;
pub mod demo;
mod doctor;
mod events;
mod exit;
mod export;
mod files;
mod host;
mod import;
mod inbox;
mod key;
mod limits;
mod log;
mod message;
mod modem_view;
mod output;
pub mod pdu;
mod probe;
mod progress;
pub mod sim;
mod stdin;
mod tools;
mod top;
mod verification;
mod web;

pub use exit::{Exit, Failure};
pub use tools::Direction;

const SOCKET: &str = "/run/smsotpd/smsotpd.sock";

/// An empty value, as in `SMSOTP_SOCKET=`, counts as none.
#[allow(clippy::unnecessary_wraps, reason = "what a parser of values looks like")]
fn socket(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(if text.is_empty() { SOCKET } else { text }.into())
}

/// One-time passwords by SMS: the client of smsotpd, and tools that need no daemon.
#[derive(Debug, Parser)]
#[command(name = "smsotp", version, max_term_width = 100)]
struct Cli {
    /// The daemon's socket.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "SMSOTP_SOCKET",
        default_value = SOCKET,
        value_parser = socket
    )]
    socket: PathBuf,
    /// Answer with exactly the API's JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    DaemonCommand(DaemonCommand),
    #[command(flatten)]
    Tool(tools::Tool),
    /// Print the completions of a shell.
    Completions {
        /// Which.
        shell: Shell,
    },
}

/// The commands that the daemon answers.
#[derive(Debug, Subcommand)]
enum DaemonCommand {
    /// Send a code to a number.
    Issue {
        /// Such as +41791234567; - reads a line of stdin.
        phone: String,
        /// The service of the configuration.
        #[arg(long)]
        service: Option<String>,
        /// The language of the text, such as de-CH.
        #[arg(long)]
        locale: Option<String>,
        /// Return when the message is sent or failed.
        #[arg(long)]
        wait: bool,
        /// Send nothing: show the token that the person has to send from the number, and where to.
        #[arg(long, conflicts_with_all = ["locale", "wait"])]
        inbound: bool,
    },
    /// Check a code: exit 0 when approved, 1 when not.
    Check {
        /// A verification, or a number: its newest verification; - reads a line of stdin.
        #[arg(value_name = "ID-or-PHONE")]
        target: String,
        /// As the person typed it; - reads a line of stdin, the second one when the first is the number.
        code: String,
        /// The service; that of a verification must be this one.
        #[arg(long)]
        service: Option<String>,
    },
    /// Send the same code again.
    Resend {
        /// The verification.
        id: String,
    },
    /// Withdraw a verification.
    Cancel {
        /// The verification.
        id: String,
    },
    /// Show a verification.
    Show {
        /// The verification.
        id: String,
    },
    /// List verifications, newest first.
    Verifications(verification::List),
    /// What a code to a number would meet, limit by limit; nothing is sent or counted. Exit 0, or 73 when it would be
    /// refused.
    Limits(limits::Limits),
    /// Send a plain message, or one for each row of a CSV file.
    Send(Box<message::Send>),
    /// List messages, newest first.
    Messages {
        /// Only in this status, such as failed.
        #[arg(long)]
        status: Option<String>,
        /// Only to this number.
        #[arg(long, value_name = "PHONE")]
        to: Option<String>,
        /// At most this many.
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Those that follow a page.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a message.
    Message {
        /// The message.
        id: String,
    },
    /// List received messages, newest first, or forget one.
    Inbox {
        /// At most this many.
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        #[command(subcommand)]
        action: Option<inbox::InboxAction>,
    },
    /// The numbers that get no messages because they asked for none.
    #[command(subcommand)]
    OptOut(inbox::OptOut),
    /// The daemon at a glance.
    Status,
    /// The modems, a line each.
    Modems,
    /// Show a modem, or do something with it.
    Modem {
        /// Its name in the configuration.
        name: String,
        #[command(subcommand)]
        action: Option<daemon::ModemAction>,
    },
    /// The hosts that share one store, or something to do with one.
    #[command(subcommand)]
    Host(host::HostAction),
    /// Follow what happens, a line each, over restarts of the daemon.
    Events(events::Follow),
    /// A live view of the daemon, with keys to pause, resume, reset and trace a modem.
    Top,
    /// A page in the browser that shows the daemon at work, on this machine alone; the printed link opens it.
    Web(web::Web),
    /// The secret key, under which codes and texts are sealed: how it stands, or replace it.
    #[command(subcommand)]
    Key(key::KeyAction),
    /// What of the daemon's log is written: show it, or change it until the next reload or restart.
    Log {
        /// A level (error, warn, info, debug, trace) or a tracing filter such as `info,smsotpd::port=trace`.
        #[arg(value_name = "LEVEL")]
        filter: Option<String>,
    },
    /// Print the state as lines of JSON: modems, verifications, messages, inbox and opt-outs, without codes and texts.
    Export,
    /// Write the whole state to a file, while the daemon goes on.
    Backup {
        /// Is replaced when the backup is whole; readable by its owner alone. `-`: stdout.
        file: PathBuf,
    },
}

/// The command line, for its manual pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The program: reads its arguments, runs the command, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // The output may be closed.
            let _ = e.print();
            return if e.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                output::note(&failure.message);
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Tool(tool) => {
            let named = Some(cli.socket.as_path()).filter(|path| *path != Path::new(SOCKET));
            tools::run(tool, named, cli.json)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "smsotp", &mut script);
            output::print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
        Command::DaemonCommand(question) => {
            let session =
                output::Session { client: Client::new(cli.socket), format: output::Format::of(cli.json) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(ask(&session, question))
        }
    }
}

async fn ask(session: &output::Session, question: DaemonCommand) -> Result<Exit, Failure> {
    match question {
        DaemonCommand::Issue { phone, service, inbound: true, .. } => {
            verification::invite(session, &stdin::given(phone)?, service).await
        }
        DaemonCommand::Issue { phone, service, locale, wait, inbound: false } => {
            verification::issue(session, &stdin::given(phone)?, service, locale, wait).await
        }
        DaemonCommand::Check { target, code, service } => {
            let (target, code) = (stdin::given(target)?, stdin::given(code)?);
            verification::check(session, &target, &code, service).await
        }
        DaemonCommand::Resend { id } => {
            verification::one(session, Call::post(verification::path(&id) + "/resend")).await
        }
        DaemonCommand::Cancel { id } => {
            verification::one(session, Call::delete(verification::path(&id))).await
        }
        DaemonCommand::Show { id } => verification::one(session, Call::get(verification::path(&id))).await,
        DaemonCommand::Verifications(list) => verification::list(session, list).await,
        DaemonCommand::Limits(asked) => limits::limits(session, asked).await,
        DaemonCommand::Send(send) => message::send(session, *send).await,
        DaemonCommand::Messages { status, to, limit, cursor } => {
            message::list(session, status, to, limit, cursor).await
        }
        DaemonCommand::Message { id } => message::show(session, &id).await,
        DaemonCommand::Inbox { limit, action } => inbox::inbox(session, limit, action).await,
        DaemonCommand::OptOut(what) => inbox::opt_out(session, what).await,
        DaemonCommand::Status => daemon::status(session).await,
        DaemonCommand::Modems => daemon::modems(session).await,
        DaemonCommand::Modem { name, action } => daemon::modem(session, &name, action).await,
        DaemonCommand::Host(action) => host::host(session, action).await,
        DaemonCommand::Events(follow) => events::events(session, follow).await,
        DaemonCommand::Top => top::run(session).await,
        DaemonCommand::Web(web) => web::run(session, web).await,
        DaemonCommand::Key(action) => key::key(session, action).await,
        DaemonCommand::Log { filter } => log::log(session, filter).await,
        DaemonCommand::Export => export::export(session).await,
        DaemonCommand::Backup { file } => backup::backup(session, &file).await,
    }
}
