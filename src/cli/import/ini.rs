//! The form of both peers' files: sections in brackets, and lines `key = value`. A line that begins with `#` or `;` is a
//! comment.

/// A setting, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// As it stands there; empty before the first section.
    pub(super) section: String,
    pub(super) key: String,
    /// Without quotes around it.
    pub(super) value: String,
}

impl Setting {
    pub(super) fn is_in(&self, section: &str) -> bool {
        self.section.eq_ignore_ascii_case(section)
    }

    /// The key in small letters, by which both peers know it.
    pub(super) fn name(&self) -> String {
        self.key.to_ascii_lowercase()
    }

    /// Whether it is on.
    pub(super) fn is_yes(&self) -> bool {
        matches!(self.value.to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1")
    }

    /// Whether a PIN or a password may stand in it: by its key, by an AT command about one, or as a few digits alone under a
    /// key that says nothing of a time or a number.
    pub(super) fn may_be_secret(&self) -> bool {
        let key = self.name();
        let value = self.value.to_ascii_uppercase();
        let named =
            ["pin", "puk", "pass", "user", "secret", "token", "sql"].iter().any(|word| key.contains(word));
        let commanded =
            ["CPIN", "CLCK", "CPWD", "SPIC", "://", "PIN"].iter().any(|word| value.contains(word));
        let digits = (4..=8).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
        let counted =
            ["time", "frequency", "delay", "interval", "level", "baud", "limit", "count", "max", "delaytime"];
        named || commanded || (digits && !counted.iter().any(|word| key.contains(word)))
    }
}

/// The settings of a text. What is neither a section nor a setting is passed over.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            name.0.trim().clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim();
            let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            found.push(Setting {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: bare.to_owned(),
            });
        }
    }
    found
}
