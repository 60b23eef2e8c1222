//! The configuration: TOML text to checked values, which the daemon passes down. No other room reads a
//! configuration file.
//!
//! This room must not know what the values are used for. It builds the values of the rooms that use them, so
//! that each rule (what a policy, a rate, a template is) is in one place. A PIN and the
//! key stay in their files; the only secrets that it reads are the codes of test numbers, which no fault and
//! no `Debug` shows.
//!
//! Every fault is reported with its line and column, and all faults at once:
//!
//! ```
//! use std::path::Path;
//! use smsotpd::config::Config;
//!
//! let config = Config::parse("[queue]\nmin_life = \"15s\"", Path::new("smsotpd.toml")).unwrap();
//! assert_eq!(config.gateway.min_life.as_secs(), 15);
//! assert_eq!(config.gateway.services["default"].policy.digits, 6);
//!
//! let wrong = Config::parse("[queue]\nmin_lief = \"15s\"", Path::new("smsotpd.toml")).unwrap_err();
//! assert_eq!(
//!     wrong.to_string(),
//!     "smsotpd.toml:2:1: queue.min_lief: unknown key; the nearest known key is min_life"
//! );
//! ```

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gsm_modem::profiles::Profiles;
use toml::de::DeTable;

use crate::api::access::Client;
use crate::gateway::Settings;
use crate::otp::{Countries, Service};
use reader::{Faults, Table};

mod client;
mod error;
mod modem;
mod profile;
mod reader;
mod rules;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use client::{Api, Who};
pub use error::{ConfigError, Fault};
pub use modem::Modem;
pub use profile::{DEFAULT_PROFILES_DIR, profiles};
pub use rules::{Log, LogFormat, log_filter};
pub use store::Store;

/// The file that the daemon reads when none is named.
pub const DEFAULT_PATH: &str = "/etc/smsotpd/smsotpd.toml";

/// A larger file is not a configuration.
const LARGEST: u64 = 1024 * 1024;

/// The whole configuration of the daemon.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The folder of the store and, unless another file is named, of the key.
    pub state_dir: PathBuf,
    /// The file with the 32 octets of the key; `None` is the credential, else `state_dir/secret.key`.
    pub secret_key_file: Option<PathBuf>,
    /// Where the records are kept.
    pub store: Store,
    /// The socket.
    pub api: Api,
    /// Who may use it: the first client that fits a peer. Empty: every peer that may open it, for everything
    /// but `admin`.
    pub clients: Vec<Client<Who>>,
    /// The families of modems.
    pub profiles: Profiles,
    /// The modems, in the order of the file.
    pub modems: Vec<Modem>,
    /// How long a modem's answer may take before it is overdue; `None` derives this from the modem's earlier answers.
    pub patience: Option<Duration>,
    /// Services, limits, queue, retention, opt-outs, test numbers and the rules of the modems.
    pub gateway: Settings,
    /// The settings of the log.
    pub log: Log,
}

const ROOT: &[&str] = &[
    "state_dir",
    "secret_key_file",
    "profiles_dir",
    "store",
    "api",
    "client",
    "modem",
    "service",
    "limits",
    "pumping",
    "destinations",
    "queue",
    "canary",
    "log",
    "retention",
    "opt_out",
    "testing",
];

/// The built-in families and those of the folder. A folder that is named has to exist, the default one need not.
fn folder(named: Option<&Path>) -> Result<Profiles, ConfigError> {
    match named {
        Some(folder) => profile::profiles_of(folder),
        None if Path::new(DEFAULT_PROFILES_DIR).is_dir() => {
            profile::profiles_of(DEFAULT_PROFILES_DIR.as_ref())
        }
        None => Ok(profiles()),
    }
}

impl Config {
    /// Reads and checks a file, and the families beside it. Changes nothing.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |why: String| ConfigError::Read { path: path.to_owned(), why };
        let mut octets = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut octets))
            .map_err(|e| read(format!("cannot be read: {e}")))?;
        if octets.len() as u64 > LARGEST {
            return Err(read("is larger than 1 MiB, which no configuration is".to_owned()));
        }
        match std::str::from_utf8(&octets) {
            Ok(text) => Self::check(text, path, folder),
            Err(e) => {
                let faults = Faults::default();
                faults.note(e.valid_up_to(), "", "the text is not UTF-8 from here on");
                // The text before the first wrong octet is UTF-8.
                let good = String::from_utf8_lossy(&octets[..e.valid_up_to()]);
                Err(ConfigError::Faults { path: path.to_owned(), faults: faults.into_list(&good) })
            }
        }
    }

    /// Checks a text; `path` is only for the faults. Only the built-in families are known.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::check(text, path, |_| Ok(profiles()))
    }

    /// `families` reads the folder that the text names.
    fn check(
        text: &str,
        path: &Path,
        families: impl FnOnce(Option<&Path>) -> Result<Profiles, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let faults = Faults::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        for e in &errors {
            faults.note(e.span().map_or(text.len(), |s| s.start), "", e.message());
        }
        // A text that is not TOML cannot be checked further.
        let config = errors.is_empty().then(|| {
            let root = Table::root(&document, ROOT, &faults);
            let folder = root.item("profiles_dir").and_then(|i| i.word());
            let found = families(folder.map(Path::new));
            // When the families have faults, a name of one of them is not another fault.
            let known = found.as_ref().map_or_else(|_| profiles(), Profiles::clone);
            (Self::read(&root, known), found.err())
        });
        let faults = faults.into_list(text);
        let (config, wrong_families) = config.unzip();
        let own = (!faults.is_empty()).then(|| ConfigError::Faults { path: path.to_owned(), faults });
        match (config, own, wrong_families.flatten()) {
            (Some(config), None, None) => Ok(config),
            (_, own, families) => Err(ConfigError::several(own.into_iter().chain(families).collect())),
        }
    }

    fn read(root: &Table<'_>, profiles: Profiles) -> Self {
        let path = |key| root.item(key).and_then(|i| Some(PathBuf::from(i.word()?)));
        let services = service::services(root);
        let clients = client::clients(root, &services);
        let (modems, used) = modem::modems(root, &profiles);
        let queue = root.table("queue", rules::QUEUE);
        let names = clients.iter().map(|client| client.name.clone()).collect();
        let store = store::store(root);
        Self {
            state_dir: path("state_dir").unwrap_or_else(|| "/var/lib/smsotpd".into()),
            secret_key_file: path("secret_key_file"),
            gateway: Settings {
                clients: names,
                numbers: used.numbers,
                host: store.host(),
                ..rules::settings(root, &queue, services, used.rules)
            },
            store,
            api: client::api(root),
            clients,
            profiles,
            modems,
            patience: rules::patience(&queue),
            log: rules::log(root),
        }
    }

    /// Settings that are allowed but probably not intended, a sentence each, for the log at start-up.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.modems.is_empty() {
            warnings.push("no [[modem]] is configured: nothing can be sent".to_owned());
        }
        if self.clients.is_empty() && self.api.mode & 0o006 != 0 {
            warnings.push(format!(
                "api.mode {:04o} lets every user of this machine send messages; name clients or use 0660",
                self.api.mode
            ));
        }
        warnings.extend(self.gateway.testing.masked().map(|number| {
            format!(
                "testing.numbers has {number}: nothing is sent to this number, and everybody who knows its code in \
                 this file is approved for it"
            )
        }));
        for (name, service) in &self.gateway.services {
            let policy = &service.policy;
            // Rules that are inherited unchanged are doubted at their own place.
            let default = self.gateway.services.get(Service::DEFAULT).filter(|_| name != Service::DEFAULT);
            if default.is_none_or(|default| default.policy != *policy) {
                warnings.extend(policy.doubts().into_iter().map(|doubt| format!("service.{name}: {doubt}")));
            }
            if policy.ttl <= self.gateway.min_life {
                warnings.push(format!(
                    "service.{name}: ttl is not longer than queue.min_life, so that no code is sent; raise ttl or lower min_life"
                ));
            }
            if service.flash && (service.android_app_hash.is_some() || service.webotp_domain.is_some()) {
                warnings.push(format!(
                    "service.{name}: a phone may show a flash message and hand it to no app and no browser; leave out \
                     flash, or android_app_hash and webotp_domain"
                ));
            }
            if service.inbound && !self.modems.is_empty() && self.gateway.numbers.is_empty() {
                warnings.push(format!(
                    "service.{name}: inbound needs a number that people can send to, and no [[modem]] has a number"
                ));
            }
            if policy.cooldown >= policy.ttl && policy.max_sends > 1 {
                warnings.push(format!(
                    "service.{name}: cooldown is not shorter than ttl, so that no code can be sent again"
                ));
            }
        }
        if self.gateway.canary.is_some() && !self.modems.is_empty() && self.gateway.numbers.is_empty() {
            warnings
                .push("canary.every: canaries go to the number of a [[modem]], and none has one".to_owned());
        }
        let default = self.gateway.services.get(Service::DEFAULT);
        warnings.extend(default.into_iter().flat_map(|d| self.borrowed_texts(d)));
        let Settings { limits, destinations, .. } = &self.gateway;
        if limits.allow_prefixes.is_some() && destinations.countries != Countries::Sims {
            warnings.push(
                "limits.allow_prefixes stands instead of destinations.countries, which has no effect; remove one of them"
                    .to_owned(),
            );
        }
        for prefix in self.gateway.limits.allow_prefixes.iter().flatten() {
            let serves = |routes: &Vec<String>| {
                routes.iter().any(|r| r.starts_with(prefix.as_str()) || prefix.starts_with(r.as_str()))
            };
            let mut rules = self.gateway.modems.values();
            if !self.modems.is_empty() && !rules.any(|m| m.routes.as_ref().is_none_or(serves)) {
                warnings.push(format!("limits.allow_prefixes has {prefix}, which no modem's routes serve"));
            }
        }
        warnings
    }

    /// The languages in which a service that has a text of its own still uses the default's text.
    fn borrowed_texts<'a>(&'a self, default: &'a Service) -> impl Iterator<Item = String> + 'a {
        let own_text = |(_, s): &(&'a String, &'a Service)| s.template != default.template;
        self.gateway.services.iter().filter(own_text).flat_map(|(name, service)| {
            let borrowed = move |(tag, text): &(&'a String, &'a _)| service.locales.get(*tag) == Some(*text);
            default.locales.iter().filter(borrowed).map(move |(tag, _)| {
                format!(
                    "service.{name} has a template of its own, but its text for {tag} is service.default's"
                )
            })
        })
    }
}
