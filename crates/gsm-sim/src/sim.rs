//! Simulated modems on ptys, one network and one inbox, as a test, a bench or the demo uses them.

use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
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
    /// The folder of the links `modem0`, `modem1` … to the ports. Without one, [`Sim::port`] gives the ptys
    /// themselves.
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
    dir: Option<PathBuf>,
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
        if let Some(dir) = &dir {
            std::fs::create_dir_all(dir)?;
        }
        let network = Arc::new(Network::default());
        let handles = scripts
            .into_iter()
            .enumerate()
            .map(|(index, script)| {
                let log = Arc::new(CommandLog::default());
                let modem = Modem::new(Arc::new(script), index, seed, Arc::clone(&network), Arc::clone(&log));
                let name = format!("modem{index}");
                let link = dir.as_ref().map(|dir| dir.join(&name));
                Handle::start(modem, name, link, log).map(Arc::new)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let modems = handles.iter().map(|handle| Arc::clone(handle) as Arc<dyn Controlled>).collect();
        Ok(Self { controls: Controls::new(modems, network), handles, dir })
    }

    /// The path to open: the link when there is a folder of links, else the pty. Without a folder, a modem
    /// that is unplugged has an empty path.
    pub fn port(&self, modem: usize) -> PathBuf {
        match &self.dir {
            Some(dir) => dir.join(format!("modem{modem}")),
            None => self.device(modem).unwrap_or_default(),
        }
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
