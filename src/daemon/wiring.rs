//! The configuration's values turned into those of the rooms.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use nix::unistd::{Group, User};

use super::StartError;
use crate::api::access::{Access, Client, Matcher};
use crate::api::{ListenError, Listener};
use crate::config::{Api, Config, Modem, Who};
use crate::secret::Secret;

/// Who may use the socket. The operators are root and the daemon's own user, who can read its state anyway.
pub(super) fn access(config: &Config) -> Result<Access, StartError> {
    let clients = config.clients.iter().map(|c| {
        Ok(Client {
            name: c.name.clone(),
            matcher: matcher(&c.matcher)?,
            may: c.may.clone(),
            services: c.services.clone(),
        })
    });
    let operators = vec![0, rustix::process::geteuid().as_raw()];
    Ok(Access::new(clients.collect::<Result<_, StartError>>()?).with_operators(operators))
}

pub(super) fn matcher(who: &Who) -> Result<Matcher, StartError> {
    Ok(match who {
        Who::User(name) => Matcher::Uid(uid(name)?),
        Who::Group(name) => Matcher::Gid(gid(name)?),
        Who::Id(id) => *id,
    })
}

/// The socket as the configuration says: that of the service manager if it is at this path, else one of its own.
pub(super) fn socket(config: &Config, given: Option<&UnixListener>) -> Result<Listener, StartError> {
    let Api { socket: path, mode, group, .. } = &config.api;
    let gid = group.as_deref().map(gid).transpose()?;
    let Some(given) = given else { return Ok(Listener::bind(path, *mode, gid)?) };
    let at = given.local_addr().ok().and_then(|address| address.as_pathname().map(PathBuf::from));
    if at.as_ref() != Some(path) {
        tracing::warn!(
            "systemd's socket {} is not where api.socket is, {}, and nobody answers there: set ListenStream= in a drop-in of \
             smsotpd.socket, or disable that unit",
            at.unwrap_or_default().display(),
            path.display()
        );
        return Ok(Listener::bind(path, *mode, gid)?);
    }
    let clone = given.try_clone();
    let clone =
        clone.map_err(|source| ListenError::System { doing: "take over", path: path.clone(), source })?;
    Ok(Listener::adopt(clone, path, *mode, gid)?)
}

fn uid(name: &str) -> Result<u32, StartError> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(StartError::Unknown(format!(
            "this system has no user {name}; make it with: useradd --system {name}"
        ))),
    }
}

pub(super) fn gid(name: &str) -> Result<u32, StartError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(StartError::Unknown(format!(
            "this system has no group {name}; make it with: groupadd --system {name}"
        ))),
    }
}

/// A modem's PIN.
pub(super) fn pin(m: &Modem) -> Result<Option<Secret<String>>, StartError> {
    Ok(match &m.pin_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| {
                StartError::Unknown(format!("modem {}: pin_file {}: {e}", m.session.name, path.display()))
            })?;
            let digits = text.trim();
            if !(4..=8).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(StartError::Unknown(format!(
                    "modem {}: pin_file {} has to hold the PIN alone, 4 to 8 digits",
                    m.session.name,
                    path.display()
                )));
            }
            Some(Secret::new(digits.to_owned()))
        }
        None => None,
    })
}

/// The settings of a modem's session; its PIN is read here.
pub(super) fn modem(
    m: &Modem,
    config: &Config,
    pins: Arc<dyn gsm_modem::Pins>,
) -> Result<gsm_modem::Settings, StartError> {
    // The check of the configuration refuses a name that it does not know.
    let profiles = config.profiles.only(&m.profile).unwrap_or_else(|| config.profiles.clone());
    Ok(gsm_modem::Settings {
        pin: pin(m)?,
        pins: Some(pins),
        profiles: m.send_timeout.map_or_else(|| profiles.clone(), |limit| profiles.with_send_timeout(limit)),
        patience: config.patience,
        ..m.session.clone()
    })
}

/// The machine, which can recover a modem's device without its port.
pub(super) fn host(m: &Modem) -> gsm_modem::SystemHost {
    gsm_modem::SystemHost { power_cycle: m.power_cycle.clone(), ..gsm_modem::SystemHost::default() }
}

/// The settings that differ and that only a restart takes over.
pub(super) fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut names = Vec::new();
    if old.state_dir != new.state_dir {
        names.push("state_dir");
    }
    if old.secret_key_file != new.secret_key_file {
        names.push("secret_key_file");
    }
    if old.store != new.store {
        names.push("[store]");
    }
    if old.api != new.api {
        names.push("[api]");
    }
    if old.clients != new.clients {
        names.push("[[client]]");
    }
    if old.modems != new.modems {
        names.push("[[modem]] (all but number, routes and limits)");
    }
    if old.patience != new.patience {
        names.push("queue.patience");
    }
    if old.profiles != new.profiles {
        names.push("profiles_dir, or a file in it");
    }
    if old.log.format != new.log.format {
        names.push("log.format");
    }
    names
}
