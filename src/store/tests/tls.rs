//! A database over a network: what is encrypted is verified.

use std::path::Path;
use std::process::Command;

use super::super::OpenError;
use super::postgres::open;
use super::postgres::server::Server;

/// A root and a certificate for `db.example.net` that it signed. Nothing where openssl is not installed.
fn certificates(folder: &Path) -> Option<()> {
    let openssl = |line: &str| {
        let ran = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().ok()?;
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        Some(())
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for root in ["root", "other"] {
        openssl(&format!("req -x509 -days 2 {key} -subj /CN={root} -keyout {root}.key -out {root}.pem"))?;
    }
    openssl(&format!(
        "req -x509 -days 2 {key} -subj /CN=db -addext subjectAltName=DNS:db.example.net -addext \
         basicConstraints=critical,CA:FALSE -CA root.pem -CAkey root.key -keyout server.key -out server.crt"
    ))
}

#[test]
fn a_server_is_verified_by_its_root_and_its_name() {
    let Some(server) = Server::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    if certificates(folder.path()).is_none() {
        eprintln!("SKIPPED: openssl is not installed");
        return;
    }
    let name = server.database();
    let name = name.trim_start_matches("postgres:///").split('?').next().unwrap();
    // Every address of 127/8 is this machine's: one that no other server listens on.
    let pid = std::process::id();
    let address = format!("127.83.{}.{}", pid / 250 % 250, 1 + pid % 250);
    for file in ["server.crt", "server.key"] {
        server.put(file, &std::fs::read(folder.path().join(file)).unwrap());
    }
    server.let_in("local all all trust\nhost all all 127.0.0.0/8 trust\n");
    server.sql("postgres", &format!("ALTER SYSTEM SET listen_addresses = '{address}'"));
    server.stop();
    server.start();
    let at = |host: &str, rest: &str| {
        format!("postgres:///{name}?host={host}&hostaddr={address}&user=smsotpd{rest}")
    };
    let root = |name: &str| format!("&sslrootcert={}", folder.path().join(name).display());
    let is_encrypted = || {
        server.sql(
            name,
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'smsotpd %'",
        )
    };
    // Without TLS on the server.
    let plain = open(&at("db.example.net", ""), "one").unwrap();
    assert_eq!(is_encrypted(), "f", "prefer is content with none");
    drop(plain);
    let refused = open(&at("db.example.net", "&sslmode=require"), "one").err().unwrap();
    assert!(matches!(refused, OpenError::Away { .. }), "{refused}");

    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.stop();
    server.start();
    for mode in ["", "&sslmode=require", "&sslmode=verify-full"] {
        let opened = open(&at("db.example.net", &format!("{mode}{}", root("root.pem"))), "one").unwrap();
        assert_eq!(is_encrypted(), "t");
        drop(opened);
        for (host, roots) in [("db.example.net", "other.pem"), ("elsewhere.example.net", "root.pem")] {
            let refused = open(&at(host, &format!("{mode}{}", root(roots))), "one").err().unwrap();
            assert!(refused.to_string().contains("certificate"), "{mode} {host} {roots}: {refused}");
        }
        let refused = open(&at("db.example.net", mode), "one").err().unwrap();
        assert!(refused.to_string().contains("certificate"), "no root of this machine signed it: {refused}");
    }
    assert!(open(&at("db.example.net", "&sslmode=disable"), "one").is_ok());
}
