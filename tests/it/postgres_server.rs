//! A PostgreSQL server of the tests' own, from Debian's package, in a temporary folder with a socket alone. It refuses to run
//! as root, so it runs as the package's user then. A shell keeps it, and ends it and removes the folder when the tests end,
//! however they do.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Obeys a word a line, and says when it is done.
const KEEPER: &str = r#"
    pid=
    while read -r word; do
        case $word in
        start) kill -0 $pid 2>/dev/null || { "$@" >>"$LOG" 2>&1 & pid=$!; } ;;
        kill) kill -KILL $pid; wait $pid ;;
        stop) kill -INT $pid; wait $pid ;;
        esac 2>/dev/null
        echo done
    done
    kill -QUIT $pid; wait $pid; rm -rf "$FOLDER"
"#;

pub(crate) struct Server {
    bin: PathBuf,
    folder: PathBuf,
    keeper: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _child: Child,
    databases: AtomicU32,
}

impl Server {
    /// The one that all tests of a process share; nothing where PostgreSQL is not installed.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(Self::new).as_ref()
    }

    /// One that a test may kill.
    pub(crate) fn new() -> Option<Self> {
        let Some(bin) = bin() else {
            eprintln!("SKIPPED: PostgreSQL's server is not installed (apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap().keep();
        let mut owner = Vec::new();
        if rustix::process::geteuid().is_root() {
            let users = std::fs::read_to_string("/etc/passwd").unwrap();
            let user = ["postgres:", "nobody:"].iter().find_map(|name| {
                let line = users.lines().find(|line| line.starts_with(name))?;
                let mut fields = line.split(':').skip(2).map(|id| id.parse::<u32>().unwrap());
                Some((fields.next()?, fields.next()?))
            });
            let (uid, gid) = user.expect("a user that is not root");
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).unwrap();
            owner = ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "--"]
                .map(str::to_owned)
                .to_vec();
        }
        let data = folder.join("data");
        let initdb = bin.join("initdb");
        let made = command(&owner, &initdb)
            .args(["-A", "trust", "-U", "smsotpd", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut line = owner.clone();
        line.push(bin.join("postgres").display().to_string());
        line.extend(["-D".to_owned(), data.display().to_string()]);
        line.extend(["-k".to_owned(), folder.display().to_string()]);
        // A start after a kill syncs a thousand files one by one, unless it is told to sync their file system.
        let settings = "listen_addresses = ''\nshared_buffers = 16MB\nmax_connections = 60\nfsync = on\n\
                        recovery_init_sync_method = syncfs\n";
        let mut file = File::options().append(true).open(data.join("postgresql.conf")).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args(line)
            .env("LOG", folder.join("log"))
            .env("FOLDER", &folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keeper = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let server =
            Self { bin, folder, keeper: Mutex::new(keeper), _child: child, databases: AtomicU32::new(0) };
        server.start();
        Some(server)
    }

    fn tell(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(keeper.0, "{word}").unwrap();
        let mut line = String::new();
        keeper.1.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n");
    }

    /// Starts it, after it was killed as well: then it waits for what is left of the former one.
    pub(crate) fn start(&self) {
        let began = Instant::now();
        loop {
            self.tell("start");
            let ready = Command::new(self.bin.join("pg_isready"))
                .args(["-q", "-U", "smsotpd", "-d", "postgres", "-h"])
                .arg(&self.folder)
                .status()
                .unwrap();
            if ready.success() {
                return;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(60), "{log}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&self) {
        self.tell("kill");
    }

    /// As an operator ends it.
    pub(crate) fn stop(&self) {
        self.tell("stop");
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("d{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        format!("postgres:///{name}?host={}&user=smsotpd", self.folder.display())
    }

    /// Runs statements in a database, which is named or given by its URL.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let name = database.trim_start_matches("postgres:///").split('?').next().unwrap();
        let ran = Command::new(self.bin.join("psql"))
            .args([
                "-X",
                "-q",
                "-t",
                "-A",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "smsotpd",
                "-d",
                name,
                "-c",
                statements,
                "-h",
            ])
            .arg(&self.folder)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    /// Who may log in, from its next start on.
    pub(crate) fn let_in(&self, lines: &str) {
        std::fs::write(self.folder.join("data/pg_hba.conf"), lines).unwrap();
    }

    /// A file of its own, which nobody else may read.
    pub(crate) fn put(&self, name: &str, octets: &[u8]) {
        let (data, file) = (self.folder.join("data"), self.folder.join("data").join(name));
        std::fs::write(&file, octets).unwrap();
        let owner = std::fs::metadata(&data).unwrap();
        std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn command(owner: &[String], program: &Path) -> Command {
    match owner.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The newest version that is installed.
fn bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest =
        versions.filter_map(|v| Some(v.ok()?.path())).filter(|v| number(v).is_some()).max_by_key(number)?;
    Some(newest.join("bin")).filter(|bin| ["initdb", "postgres", "psql"].iter().all(|p| bin.join(p).exists()))
}
