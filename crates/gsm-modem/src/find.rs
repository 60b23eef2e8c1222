//! Where a modem is now: its port by path, or the port of this machine that fits what the configuration says
//! of the device. A stick keeps its name whatever number the kernel gives its port.

use std::fmt;
use std::path::{Path, PathBuf};

use super::host::NoPort;
use super::ports::{self, AskError, Candidate, Obstacle, ProbeTiming, Root};

/// How a modem is found. Everything that is given has to fit, and something is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Find {
    /// The path of its port; a symbolic link is followed again at each opening.
    pub port: Option<PathBuf>,
    /// USB vendor and product.
    pub usb: Option<(u16, u16)>,
    /// The USB serial number.
    pub serial: Option<String>,
    /// The modem's own number; every port that fits otherwise is asked for it.
    pub imei: Option<String>,
    /// The SIM's own number; ports are asked for it in the same way.
    pub iccid: Option<String>,
}

impl From<PathBuf> for Find {
    fn from(port: PathBuf) -> Self {
        Self { port: Some(port), ..Self::default() }
    }
}

impl Find {
    /// Whether only the path is given.
    pub(super) fn is_path(&self) -> bool {
        self.port.is_some() && *self == Self::from(self.port.clone().unwrap_or_default())
    }

    /// The folder in which the port appears; `None` when that is not known, as for a link that leads nowhere.
    pub(super) fn place(&self, root: &Root) -> Option<PathBuf> {
        let Some(port) = self.port.as_ref().filter(|_| self.is_path()) else { return Some(root.dev()) };
        if port.is_symlink() && !port.exists() {
            return None;
        }
        let folder = port.parent()?;
        // The folders of links come and go themselves.
        let links = folder.starts_with(root.dev().join("serial"));
        Some(if links { root.dev() } else { folder.to_owned() })
    }

    /// The port, or why there is none.
    pub(super) async fn locate(&self, root: &Root, timing: &ProbeTiming) -> Result<PathBuf, NoPort> {
        if let Some(port) = self.port.as_ref().filter(|_| self.is_path()) {
            return Ok(port.clone());
        }
        let (wanted, place) = (self.clone(), root.clone());
        let fitting = tokio::task::spawn_blocking(move || wanted.candidates(&place));
        let fitting = fitting
            .await
            .map_err(|e| NoPort::unclear(format!("the ports could not be looked through: {e}")))?;
        if fitting.is_empty() {
            return Err(NoPort::Away(self.missing()));
        }
        if self.imei.is_none() && self.iccid.is_none() {
            let device = &fitting[0].device;
            if fitting.iter().any(|other| other.device != *device) {
                return Err(NoPort::unclear(format!(
                    "more than one device fits {self}: add its imei, as `smsotp probe` shows it"
                )));
            }
            return Ok(fitting[0].path.clone());
        }
        let (mut seen, mut silent, mut unclear) = (Vec::new(), Vec::new(), false);
        for candidate in &fitting {
            let turn = ports::turn(&candidate.path).await;
            let asked = ports::identify(root, &candidate.path, timing, self.iccid.is_some()).await;
            drop(turn);
            match asked {
                Ok(answers) => {
                    let same =
                        |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
                    if same(&self.imei, &answers.imei) && same(&self.iccid, &answers.iccid) {
                        return Ok(candidate.path.clone());
                    }
                    seen.push(format!("{} is another modem", candidate.path.display()));
                }
                Err(AskError::InTheWay(obstacle)) => {
                    // A port in use belongs to another modem of this daemon, or is held by another program
                    // for a while.
                    unclear |= !obstacle.is_own();
                    seen.push(obstacle.to_string());
                }
                Err(AskError::Unopened(why) | AskError::Lost(why)) => {
                    unclear = true;
                    seen.push(why);
                }
                Err(AskError::Silent { .. }) => {
                    unclear = true;
                    silent.push(candidate.path.clone());
                    seen.push(format!("{} does not answer AT", candidate.path.display()));
                }
            }
        }
        let sentence = format!("{}; {}", self.missing(), seen.join("; "));
        // A port that did not give its identity may be the modem's own.
        Err(if unclear { NoPort::Unclear { sentence, silent } } else { NoPort::Away(sentence) })
    }

    /// The ports that fit without being asked, the likeliest first.
    fn candidates(&self, root: &Root) -> Vec<Candidate> {
        let named = self.port.as_deref().and_then(|port| port.canonicalize().ok());
        let here = |candidate: &Candidate| {
            self.port.is_none() || (named.is_some() && candidate.path.canonicalize().ok() == named)
        };
        let mut fitting: Vec<_> = ports::scan(root)
            .into_iter()
            .filter(|c| c.role.may_answer() && c.fits(self.usb, self.serial.as_deref()) && here(c))
            .collect();
        // A port that sysfs does not describe, such as one on the board, is known by its path alone.
        if let Some(path) =
            named.filter(|_| fitting.is_empty() && self.usb.is_none() && self.serial.is_none())
        {
            fitting.push(Candidate { path, ..Candidate::default() });
        }
        fitting
    }

    fn missing(&self) -> String {
        match &self.port {
            Some(port) if !port.exists() => Obstacle::Absent { port: port.clone() }.to_string(),
            _ => format!("no port of this machine fits {self}: is the modem plugged in?"),
        }
    }
}

/// For a person: the path, or what is looked for.
impl fmt::Display for Find {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.as_deref().map(Path::display).map(|p| p.to_string());
        let usb = self.usb.map(|(vendor, product)| format!("usb {vendor:04x}:{product:04x}"));
        let serial = self.serial.as_ref().map(|s| format!("serial {s}"));
        let imei = self.imei.as_ref().map(|s| format!("imei {s}"));
        let iccid = self.iccid.as_ref().map(|s| format!("iccid {s}"));
        let parts: Vec<String> = [port, usb, serial, imei, iccid].into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use gsm_sim::{Options, Script, Sim};

    /// A machine with one port for each simulated modem, all behind the same kind of USB device.
    fn machine(sim: &Sim) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["dev", "proc", "sys/class/tty"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for i in 0..sim.modems() {
            let (usb, tty) = (at(&format!("sys/devices/usb/1-{i}")), format!("ttyUSB{i}"));
            let port = usb.join(format!("1-{i}:1.0/{tty}"));
            fs::create_dir_all(port.join("tty").join(&tty)).unwrap();
            fs::write(usb.join("idVendor"), "2c7c\n").unwrap();
            fs::write(usb.join("idProduct"), "0125\n").unwrap();
            fs::write(usb.join("serial"), format!("S{i}\n")).unwrap();
            fs::write(usb.join(format!("1-{i}:1.0/bInterfaceNumber")), "02\n").unwrap();
            symlink(&port, port.join("tty").join(&tty).join("device")).unwrap();
            symlink(port.join("tty").join(&tty), at("sys/class/tty").join(&tty)).unwrap();
            symlink(sim.port(i), at("dev").join(&tty)).unwrap();
        }
        let root = Root::at(dir.path());
        (dir, root)
    }

    async fn located(root: &Root, find: Find) -> Result<String, String> {
        let path = find.locate(root, &ProbeTiming::usb()).await.map_err(|e| e.sentence().to_owned())?;
        Ok(path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn two_alike_are_told_apart_by_what_they_answer() {
        let sim = Sim::start(Options { modems: 2, script: Script::default(), ..Options::default() }).unwrap();
        let (_dir, root) = machine(&sim);
        let usb = Some((0x2c7c, 0x0125));
        let alike = located(&root, Find { usb, ..Find::default() }).await.unwrap_err();
        assert!(alike.contains("more than one"), "{alike}");
        let by_serial = Find { usb, serial: Some("S1".to_owned()), ..Find::default() };
        assert_eq!(located(&root, by_serial).await.unwrap(), "ttyUSB1");
        let second = ports::ask(&root, &root_path(&root, "dev/ttyUSB1"), &ProbeTiming::usb()).await.unwrap();
        let by_imei = Find { imei: second.imei.clone(), ..Find::default() };
        assert_eq!(located(&root, by_imei).await.unwrap(), "ttyUSB1");
        let by_sim = Find { iccid: second.iccid, usb, ..Find::default() };
        assert_eq!(located(&root, by_sim).await.unwrap(), "ttyUSB1");
        let nobody = Find { imei: Some("000000000000000".to_owned()), ..Find::default() };
        let missing = located(&root, nobody).await.unwrap_err();
        assert!(missing.contains("plugged in") && missing.contains("another modem"), "{missing}");
        let other = Find { usb: Some((1, 2)), ..Find::default() };
        assert!(located(&root, other).await.unwrap_err().contains("usb 0001:0002"));
    }

    #[tokio::test]
    async fn a_path_is_taken_as_it_is() {
        let root = Root::at("/nowhere");
        let find = Find::from(PathBuf::from("/dev/ttyUSB7"));
        assert_eq!(located(&root, find).await.unwrap(), "ttyUSB7");
    }

    #[test]
    fn where_a_port_appears() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        let place = |port: &str| Find::from(dir.path().join(port)).place(&root);
        let at = |folder: &str| Some(dir.path().join(folder));
        assert_eq!(
            place("dev/serial/by-id/usb-X-if00-port0"),
            at("dev"),
            "the folder of links does not exist"
        );
        assert_eq!(place("dev/ttyUSB0"), at("dev"));
        assert_eq!(place("dev/modems/stick1"), at("dev/modems"));
        symlink(dir.path().join("dev/pts/7"), dir.path().join("stick2")).unwrap();
        assert_eq!(place("stick2"), None, "what it leads to appears elsewhere");
        assert_eq!(Find { imei: Some("1".into()), ..Find::default() }.place(&root), at("dev"));
    }

    fn root_path(root: &Root, path: &str) -> PathBuf {
        let scanned = ports::scan(root);
        let found = scanned.iter().find(|c| c.path.ends_with(path));
        found.expect("the machine has this port").path.clone()
    }
}
