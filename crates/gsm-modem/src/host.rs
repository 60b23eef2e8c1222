//! The machine that a modem is plugged into: where the modem's port is, and what else may be done to the device. The
//! driver knows the machine only by the trait [`Host`], so that a simulated modem needs no serial port.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_serial::SerialStream;

use super::find::Find;
use super::ladder::Rung;
use super::ports::{ProbeTiming, Root, Watch, turn, usb_of};
use super::settings::Settings;
use super::system_host::SystemHost;
use super::{port, reauthorise};

/// Where modems are plugged in.
pub trait Host: fmt::Debug + Send + Sync {
    /// Completes when a device that may be this modem appeared or vanished after the call; `None` where that cannot
    /// be watched.
    fn change(&self, find: &Find) -> Option<BoxFuture<'static, ()>>;
    /// Finds the port of a modem and opens it for this program alone.
    fn open(&self, settings: &Settings, last: Option<LastSeen>)
    -> BoxFuture<'static, Result<Opened, NoPort>>;
    /// Carries out a rung that needs no port. An error without a sentence means that the machine has nothing to do it
    /// with, which is not a fault. Work that was begun is finished even when nobody waits for it any more.
    fn climb(
        &self,
        rung: Rung,
        target: RecoveryTarget,
        limit: Duration,
    ) -> BoxFuture<'static, Result<(), Option<String>>>;
}

/// The octets of an open port, both ways.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {
    /// Discards what is still to be written, so that closing does not wait for a modem that reads nothing.
    fn discard(&self) {}
}

impl Line for SerialStream {
    fn discard(&self) {
        port::discard(self);
    }
}

/// An open port, and the device that it belongs to.
pub struct Opened {
    /// The path at which it was found.
    pub path: PathBuf,
    /// Its octets.
    pub line: Box<dyn Line>,
    /// Its USB device in sysfs.
    pub device: Option<PathBuf>,
    /// USB vendor and product.
    pub usb: Option<(u16, u16)>,
}

/// Where a modem was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// Its port.
    pub port: PathBuf,
    /// Its USB device in sysfs.
    pub device: PathBuf,
}

/// Why there is no port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPort {
    /// No such device is plugged in.
    Away(String),
    /// The device may be plugged in.
    Unclear {
        /// Why.
        sentence: String,
        /// The ports that did not answer.
        silent: Vec<PathBuf>,
    },
    /// The device is plugged in, and its port cannot be opened.
    Unopened(String),
}

impl NoPort {
    pub(super) const fn unclear(sentence: String) -> Self {
        Self::Unclear { sentence, silent: Vec::new() }
    }

    /// The sentence for a person.
    pub fn sentence(&self) -> &str {
        match self {
            Self::Away(sentence) | Self::Unclear { sentence, .. } | Self::Unopened(sentence) => sentence,
        }
    }
}

/// The modem that is to be recovered.
#[derive(Debug, Clone)]
pub struct RecoveryTarget {
    /// Its name in the configuration.
    pub name: String,
    /// Its port, as it was last opened.
    pub port: String,
    /// Its USB device in sysfs, once it was seen there.
    pub device: Option<PathBuf>,
}

impl Host for SystemHost {
    fn change(&self, find: &Find) -> Option<BoxFuture<'static, ()>> {
        let mut watch = find.place(&self.root).and_then(|place| Watch::new(place).ok())?;
        Some(Box::pin(async move {
            if watch.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }))
    }

    fn open(
        &self,
        settings: &Settings,
        last: Option<LastSeen>,
    ) -> BoxFuture<'static, Result<Opened, NoPort>> {
        Box::pin(open(settings.find.clone(), settings.baud, self.root.clone(), last))
    }

    fn climb(
        &self,
        rung: Rung,
        target: RecoveryTarget,
        limit: Duration,
    ) -> BoxFuture<'static, Result<(), Option<String>>> {
        Box::pin(self.clone().climb(rung, target, limit))
    }
}

/// Whether one of `paths` is the same port.
fn is_among(port: &Path, paths: &[PathBuf]) -> bool {
    let real = port.canonicalize().ok();
    real.is_some() && paths.iter().any(|path| path.canonicalize().ok() == real)
}

/// A modem that hangs cannot give its identity. When no port gives the identity that is looked for, the modem
/// is taken to be at the port where it last was, if that port is silent and belongs to the same device.
async fn open(find: Find, baud: u32, root: Root, last: Option<LastSeen>) -> Result<Opened, NoPort> {
    let path = match (find.locate(&root, &ProbeTiming::usb()).await, last) {
        (Err(NoPort::Unclear { silent, .. }), Some(LastSeen { port, device }))
            if is_among(&port, &silent) && reauthorise::device_of(&root, &port).as_ref() == Some(&device) =>
        {
            port
        }
        (found, _) => found?,
    };
    let away = find.is_path() && !path.exists();
    let turn = turn(&path).await;
    // Opening the port asks the device, and finding the process that holds it reads /proc.
    let opened = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let line = Box::new(port::open(&path, baud)?);
        let device = reauthorise::device_of(&root, &path);
        let usb = usb_of(&root, &path);
        Ok(Opened { path, line, device, usb })
    });
    let opened = opened.await.unwrap_or_else(|_| Err(String::from("the port could not be opened")));
    opened.map_err(|reason| if away { NoPort::Away(reason) } else { NoPort::Unopened(reason) })
}
