//! How a command ends: the exit codes of the contract, after `sysexits.h`.

use std::io;
use std::process::ExitCode;

use crate::api::client::ClientError;
use crate::api::wire;

/// An exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1: the answer is no.
    No,
    /// 2.
    Usage,
    /// 66: no such thing.
    NotFound,
    /// 69: the daemon cannot be reached, or can do nothing now.
    Unavailable,
    /// 70.
    Internal,
    /// 73: refused by policy.
    Refused,
    /// 78: bad configuration.
    Config,
}

impl Exit {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::NotFound => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Refused => 73,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// The sentence for a person, on stderr; nothing is printed when it is empty.
    pub message: String,
}

impl Failure {
    /// A failure and its sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl From<wire::Problem> for Failure {
    fn from(problem: wire::Problem) -> Self {
        let exit = match problem.status {
            400 => Exit::Usage,
            404 => Exit::NotFound,
            403 | 409 | 413 | 422 | 429 => Exit::Refused,
            503 => Exit::Unavailable,
            _ => Exit::Internal,
        };
        Self::new(exit, problem.detail)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error {
            ClientError::Unreachable { .. } | ClientError::TimedOut(_) | ClientError::Lost(_) => {
                Exit::Unavailable
            }
            ClientError::Protocol(_) => Exit::Internal,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // The reader of the output has seen enough, as in `smsotp events | head`.
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::new(Exit::Internal, error.to_string()),
        }
    }
}
