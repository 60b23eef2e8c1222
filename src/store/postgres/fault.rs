//! What is wrong with the database, in one sentence without a secret, and what follows from it.

use std::error::Error as _;
use std::fmt::Write as _;

use tokio_postgres::Error;

use super::super::StoreError;
use super::super::open::OpenError;
use super::url::DatabaseUrl;

/// What keeps the store from its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It cannot be reached, or cannot do it now: that passes by itself.
    Away(String),
    /// It does not let this user in, or not do what it has to.
    Refused(String),
    /// It is not what it has to be.
    Broken(String),
    /// The value of this key, in hexadecimal, is not what was written.
    Garbled(String),
    /// The layout of a later version.
    TooNew(u32),
    /// What this host missed is not kept any more.
    Behind(String),
    /// Another daemon has this host's name.
    Taken(String),
}

impl Fault {
    /// What an open store makes of it.
    pub(super) fn while_open(self) -> StoreError {
        match self {
            Self::Away(why) | Self::Refused(why) => StoreError::Away(why),
            Self::Broken(why) => StoreError::Damaged(format!("the database is not as it was left: {why}")),
            Self::Garbled(key) => {
                StoreError::Corrupt { kind: "stored", key, why: "its checksum does not fit" }
            }
            Self::TooNew(found) => StoreError::Damaged(format!(
                "the database has layout {found} now, which a newer smsotpd made: install that one"
            )),
            Self::Behind(why) => StoreError::Behind(why),
            Self::Taken(why) => StoreError::Taken(why),
        }
    }

    /// What a start makes of it.
    pub(super) fn at_start(self, url: &DatabaseUrl) -> OpenError {
        let database = url.to_string();
        match self {
            Self::Away(why) => OpenError::Away { database, why },
            Self::Refused(why) => OpenError::Refused { database, why },
            Self::Broken(why) | Self::Behind(why) => OpenError::Database { database, why },
            Self::Garbled(key) => {
                OpenError::Database { database, why: format!("the record {key} is damaged") }
            }
            Self::TooNew(found) => OpenError::TooNew { path: database.into(), found },
            Self::Taken(why) => OpenError::Taken(why),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if let Some(told) = error.as_db_error() {
            let code = told.code().code();
            // The detail of an error may have values in it, and is left out.
            let why = format!("{} ({code})", told.message());
            return match (&code[..2.min(code.len())], code) {
                ("28" | "3D" | "3F", _) | (_, "42501") => Self::Refused(why),
                ("08" | "25" | "40" | "53" | "55" | "57" | "58", _) => Self::Away(why),
                _ => Self::Broken(why),
            };
        }
        let mut why = error.to_string();
        let is_about_the_log_in = ["invalid configuration", "authentication error"].contains(&why.as_str());
        let mut below = error.source();
        while let Some(cause) = below {
            // A string takes whatever is written.
            let _ = write!(why, ": {cause}");
            below = cause.source();
        }
        if is_about_the_log_in { Self::Refused(why) } else { Self::Away(why) }
    }
}
