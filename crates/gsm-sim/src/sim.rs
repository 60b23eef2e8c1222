//! Simulated modems on ptys, one network and one inbox, as a test, a bench or the demo uses them.

use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::controls::Controls;
use super::log::CommandLog;
use super::modem::Modem;
use super::phone::Network;
use super::port::Handle;
use super::script::Script;
use super::slot::Controlled;

/// What a simulation consists of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of the links `modem0`, `modem1` … to the ports. Without one, the simulation makes its own among
    /// the temporary files.
    pub dir: Option<PathBuf>,
    /// How many modems there are.
    pub modems: usize,
    /// The script of all modems.
    pub script: Script,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { dir: None, modems: 1, script: Script::default(), seed: 1 }
    }
}

/// A running simulation; dropping it unplugs its modems and removes their links.
///
/// What may be done to the modems is in [`Controls`].
pub struct Sim {
    controls: Controls,
    handles: Vec<Arc<Handle>>,
    /// Dropped after the handles, which remove their links from it.
    links: Links,
}

/// The folder of the links to the ports.
///
/// A pty's own name is no name for a modem: when a modem is unplugged, the kernel gives its number to whoever opens
/// the next pty, and a program that opens the modem's port again would talk to a stranger.
struct Links {
    dir: PathBuf,
    /// Whether the folder ends with the simulation.
    own: bool,
}

impl Links {
    fn make(wanted: Option<PathBuf>) -> io::Result<Self> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let own = wanted.is_none();
        let dir = wanted.unwrap_or_else(|| {
            let count = MADE.fetch_add(1, Ordering::Relaxed);
            std::env::temp_dir().join(format!("gsm-sim-{}-{count}", std::process::id()))
        });
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, own })
    }

    fn to(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        if self.own {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// What a modem's link and its thread are called.
fn name(modem: usize) -> String {
    format!("modem{modem}")
}

impl Deref for Sim {
    type Target = Controls;

    fn deref(&self) -> &Controls {
        &self.controls
    }
}

impl Sim {
    /// Starts modems that all follow one script. They answer when this call returns.
    pub fn start(options: Options) -> io::Result<Self> {
        let scripts = vec![options.script; options.modems];
        Self::start_each(options.dir, scripts, options.seed)
    }

    /// Starts one modem for each script.
    pub fn start_each(dir: Option<PathBuf>, scripts: Vec<Script>, seed: u64) -> io::Result<Self> {
        let links = Links::make(dir)?;
        let network = Arc::new(Network::default());
        let handles = scripts
            .into_iter()
            .enumerate()
            .map(|(index, script)| {
                let log = Arc::new(CommandLog::default());
                let modem = Modem::new(Arc::new(script), index, seed, Arc::clone(&network), Arc::clone(&log));
                Handle::start(modem, name(index), links.to(&name(index)), log).map(Arc::new)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let modems = handles.iter().map(|handle| Arc::clone(handle) as Arc<dyn Controlled>).collect();
        Ok(Self { controls: Controls::new(modems, network), handles, links })
    }

    /// The path to open: a link to the modem's pty, which is there while the modem is plugged in.
    pub fn port(&self, modem: usize) -> PathBuf {
        self.links.to(&name(modem))
    }

    /// The pty itself, while the modem is plugged in.
    pub fn device(&self, modem: usize) -> Option<PathBuf> {
        self.handles[modem].device()
    }

    /// Blocks until the inbox holds at least `count` messages, or until `timeout` is over. Returns whether it does.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        self.controls.network().wait_for(count, timeout)
    }
}
