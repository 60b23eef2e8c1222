//! What is wrong with a configuration, where it is and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used. Its text is a line for each fault: `FILE:LINE:COLUMN: sentence`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The file cannot be read at all.
    Read {
        /// The file.
        path: PathBuf,
        /// Why, and what to do about it.
        why: String,
    },
    /// The file contains what is not allowed.
    Faults {
        /// The file.
        path: PathBuf,
        /// All faults, in the order of the file; at least one.
        faults: Vec<Fault>,
    },
    /// Several files cannot be used.
    Several(Vec<ConfigError>),
}

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The path of the field, such as `modem[0].baud`; empty when the text is not TOML at all.
    pub field: String,
    /// What is wrong, and what to do about it.
    pub what: String,
}

impl ConfigError {
    /// One error out of at least one.
    pub(super) fn several(mut errors: Vec<Self>) -> Self {
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => Self::Several(errors.into_iter().chain(last).collect()),
        }
    }

    /// The faults of one file, without its name.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Read { .. } | Self::Several(_) => &[],
            Self::Faults { faults, .. } => faults,
        }
    }

    /// The file; when there are several, the first.
    pub fn path(&self) -> &Path {
        match self {
            Self::Read { path, .. } | Self::Faults { path, .. } => path,
            Self::Several(errors) => errors.first().map_or(Path::new(""), Self::path),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, why } => write!(f, "{}: {why}", path.display()),
            Self::Faults { path, faults } => {
                for (i, fault) in faults.iter().enumerate() {
                    let end = if i == 0 { "" } else { "\n" };
                    write!(f, "{end}{}:{fault}", path.display())?;
                }
                Ok(())
            }
            Self::Several(errors) => {
                for (i, error) in errors.iter().enumerate() {
                    let end = if i == 0 { "" } else { "\n" };
                    write!(f, "{end}{error}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// `LINE:COLUMN: field: sentence`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.what)
    }
}
