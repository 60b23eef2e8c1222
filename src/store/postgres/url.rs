//! Where the database is and as whom to log in, as a URL. What it shows of itself has no user and no password.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(2);
/// How long sent octets may stay unacknowledged.
const UNANSWERED: Duration = Duration::from_secs(5);
/// Where Debian's server has its socket.
const SOCKETS: &str = "/run/postgresql";

/// A database of PostgreSQL and how to log in to it.
///
/// ```
/// use smsotpd::store::DatabaseUrl;
/// let url = DatabaseUrl::parse("postgres:///smsotp?host=/run/postgresql&user=smsotpd&password=x").unwrap();
/// assert_eq!(url.to_string(), "smsotp at /run/postgresql");
/// assert!(DatabaseUrl::parse("mysql://a/b").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    config: Config,
    /// The certificates that sign the server's; none stands for the platform's.
    roots: Option<PathBuf>,
}

impl DatabaseUrl {
    /// Reads a URL. The fault is what has to stand behind its name; it shows nothing of the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let is_one = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let none = || {
            "is no URL of PostgreSQL; write one such as \"postgres:///smsotp?host=/run/postgresql&user=smsotpd\""
                .to_owned()
        };
        if !is_one {
            return Err(none());
        }
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut rest, mut roots) = (Vec::new(), None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable" | "prefer" | "require")) => rest.push(pair.to_owned()),
                Some(("sslmode", "allow")) => rest.push("sslmode=prefer".to_owned()),
                // Whatever is encrypted is verified.
                Some(("sslmode", "verify-ca" | "verify-full")) => rest.push("sslmode=require".to_owned()),
                Some(("sslmode", _)) => {
                    return Err(
                        "has an sslmode that is none of disable, prefer, require and verify-full".to_owned()
                    );
                }
                Some(("sslrootcert", "system")) => {}
                Some(("sslrootcert", path)) if path.starts_with('/') && !path.contains('%') => {
                    roots = Some(PathBuf::from(path));
                }
                Some(("sslrootcert", _)) => {
                    return Err(
                        "has an sslrootcert that is no absolute path without per cent signs".to_owned()
                    );
                }
                _ => rest.push(pair.to_owned()),
            }
        }
        let url = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
        // What the parser says of a fault may be a piece of the password.
        let mut config: Config = url.parse().map_err(|_| none())?;
        if config.get_dbname().is_none() {
            return Err(
                "names no database: it stands behind the host, such as smsotp in \"postgres:///smsotp\""
                    .to_owned(),
            );
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host_path(SOCKETS);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNANSWERED);
        }
        config.keepalives_idle(UNANSWERED).keepalives_interval(Duration::from_secs(2)).keepalives_retries(3);
        // A standby cannot commit: of several servers the one is taken that can.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let is_socket = |host: &Host| matches!(host, Host::Unix(_));
        if config.get_ssl_mode() == SslMode::Prefer
            && config.get_hostaddrs().is_empty()
            && config.get_hosts().iter().all(is_socket)
        {
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Self { config, roots })
    }

    /// How to connect, under a name by which the server shows this session.
    pub(super) fn config(&self, session: &str) -> Config {
        let mut config = self.config.clone();
        config.application_name(session);
        config
    }

    /// The longest that connecting may take: each address in turn, and the log-in.
    pub(super) fn patience(&self) -> Duration {
        let addresses = self.config.get_hosts().len().max(self.config.get_hostaddrs().len()).max(1);
        let each = self.config.get_connect_timeout().copied().unwrap_or(CONNECT);
        each.saturating_mul(u32::try_from(addresses).unwrap_or(u32::MAX)).saturating_add(CONNECT)
    }

    /// What verifies the server: its certificate has to be signed by one of the roots, and to be for the host's name.
    pub(super) fn tls(&self) -> Result<MakeRustlsConnect, String> {
        let mut roots = RootCertStore::empty();
        if self.config.get_ssl_mode() != SslMode::Disable {
            match &self.roots {
                Some(path) => {
                    let at = |e: &dyn fmt::Display| format!("sslrootcert {}: {e}", path.display());
                    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| at(&e))? {
                        roots.add(certificate.map_err(|e| at(&e))?).map_err(|e| at(&e))?;
                    }
                    if roots.is_empty() {
                        return Err(at(&"it has no certificate"));
                    }
                }
                None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.config.get_dbname().unwrap_or_default())?;
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let hosts: Vec<_> = if self.config.get_hosts().is_empty() {
            self.config.get_hostaddrs().iter().map(ToString::to_string).collect()
        } else {
            hosts.collect()
        };
        write!(f, " at {}", hosts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> DatabaseUrl {
        DatabaseUrl::parse(url).unwrap()
    }

    #[test]
    fn the_folder_of_the_socket_and_the_user_may_stand_in_the_query() {
        let url = parse("postgres:///smsotp?host=/run/postgresql&user=smsotpd");
        assert_eq!(url.config.get_hosts(), [Host::Unix("/run/postgresql".into())]);
        assert_eq!(url.config.get_user(), Some("smsotpd"));
        assert_eq!(url.config.get_dbname(), Some("smsotp"));
        assert_eq!(url.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(url.to_string(), "smsotp at /run/postgresql");
        assert_eq!(parse("postgres:///smsotp").to_string(), "smsotp at /run/postgresql");
    }

    #[test]
    fn what_the_url_says_of_tls_holds() {
        let mode = |url: &str| parse(url).config.get_ssl_mode();
        assert_eq!(mode("postgres://db.example.net/smsotp"), SslMode::Prefer);
        assert_eq!(mode("postgres://db.example.net/smsotp?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://db.example.net/smsotp?sslmode=require"), SslMode::Require);
        let verified =
            parse("postgresql://db.example.net/smsotp?sslmode=verify-full&sslrootcert=/etc/ca.pem");
        assert_eq!(verified.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(verified.roots, Some("/etc/ca.pem".into()));
        assert!(DatabaseUrl::parse("postgres://h/d?sslmode=perhaps").unwrap_err().contains("sslmode"));
        assert!(DatabaseUrl::parse("postgres://h/d?sslrootcert=ca.pem").unwrap_err().contains("sslrootcert"));
        let missing = parse("postgres://h/d?sslrootcert=/nowhere/ca.pem").tls().err().unwrap();
        assert!(missing.contains("/nowhere/ca.pem"), "{missing}");
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let url = parse("postgres://smsotpd:hush%21now@db.example.net:5433,other/smsotp");
        assert_eq!(url.to_string(), "smsotp at db.example.net, other");
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(!shown.contains("hush"), "{shown}");
        }
        for wrong in
            ["postgres://a:hush@h/d?hush=1", "postgres://a:hush@h:port/d", "postgres://a:hush@h", "hush"]
        {
            let why = DatabaseUrl::parse(wrong).unwrap_err();
            assert!(!why.contains("hush"), "{why}");
        }
    }
}
