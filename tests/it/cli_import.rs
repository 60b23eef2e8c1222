//! `smsotp import`: configurations of other gateways, as people have them, become ones that `--check-config` takes, and
//! no PIN is printed.

use std::process::Command;

/// What is printed for this file of that peer; `smsotpd --check-config` takes it.
fn imported(peer: &str, text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("smsotpd.toml"));
    std::fs::write(&theirs, text).unwrap();
    let done =
        Command::new(env!("CARGO_BIN_EXE_smsotp")).args(["import", peer]).arg(&theirs).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{said}");
    std::fs::write(&ours, &done.stdout).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_smsotpd"));
    let checked = check.arg("--check-config").arg("--config").arg(&ours).output().unwrap();
    let (told, made) = (String::from_utf8_lossy(&checked.stderr), String::from_utf8(done.stdout).unwrap());
    assert_eq!((checked.status.code(), checked.stdout.as_slice()), (Some(0), &b"ok\n"[..]), "{told}\n{made}");
    made
}

fn has(made: &str, lines: &[&str]) {
    for line in lines {
        assert!(made.lines().any(|l| l == *line), "{line}: {made}");
    }
}

#[test]
fn gammu_smsd_on_a_stick() {
    let made = imported(
        "gammu",
        "# /etc/gammu-smsdrc\n[gammu]\nport = /dev/serial/by-id/usb-HUAWEI_Mobile-if00-port0\nconnection = at19200\n\
         synchronizetime = yes\n\n[smsd]\nService = sql\nDriver = native_mysql\nHost = db.example\nUser = smsd\n\
         Password = s3cret-7731\nPIN = 7731\nPhoneID = stick one\nSMSC = +41794999000\nCommTimeout = 30\n\
         DeliveryReport = log\nMaxRetries = 2\nRetryTimeout = 600\nDebugLevel = 255\nLogFile = syslog\n\
         RunOnReceive = /usr/local/bin/received\n#PIN = 9944\nFrobnicate = 8812\n\n[include_numbers]\nnumber1 = +41791234567\n",
    );
    has(
        &made,
        &[
            "name = \"stick-one\"",
            "port = \"/dev/serial/by-id/usb-HUAWEI_Mobile-if00-port0\"",
            "baud = 19200",
            "pin_file = \"/etc/smsotpd/stick-one.pin\"",
            "smsc = \"+41794999000\"",
            "retry = { first = \"600s\", max = \"600s\", attempts = 3 }",
            "level = \"debug\"",
            "report = true",
            "#   [smsd] Service = sql",
            "#   [smsd] Password = … (not shown)",
            "#   [smsd] CommTimeout = 30",
            "#   [smsd] RunOnReceive = /usr/local/bin/received",
            "#   [smsd] Frobnicate = … (not shown)",
            "#   [include_numbers] number1 = +41791234567",
        ],
    );
    assert!(!made.contains("7731") && !made.contains("9944") && !made.contains("8812"), "{made}");
}

#[test]
fn gammu_smsd_as_distributions_have_it() {
    let made = imported(
        "gammu",
        "[gammu]\n# Please configure this!\nport = /dev/null\nconnection = at\n[smsd]\nservice = files\nlogfile = syslog\n\
         debuglevel = 0\ninboxpath = /var/spool/gammu/inbox/\noutboxpath = /var/spool/gammu/outbox/\n",
    );
    has(&made, &["[[modem]]", "port = \"/dev/null\"", "#   [smsd] inboxpath = /var/spool/gammu/inbox/"]);
    assert!(!made.lines().any(|line| line == "[log]"), "{made}");
    // A phone on a cable of its own is no modem that could be driven.
    let made = imported("gammu", "[gammu]\nconnection = dlr3\nport = COM1\n[smsd]\nPIN = 1234\n");
    assert!(
        !made.contains("[[modem]]\nname") && made.contains("`smsotp probe`") && !made.contains("1234"),
        "{made}"
    );
}

#[test]
fn sms_server_tools_with_two_devices() {
    let made = imported(
        "smstools",
        "devices = GSM1, GSM2\noutgoing = /var/spool/sms/outgoing\nlogfile = /var/log/smsd.log\nloglevel = 7\n\
         eventhandler = /usr/local/bin/smsevent\nblacklist = /etc/smsd.black\nuser = smsd\n\n[queues]\n\
         swiss = /var/spool/sms/swiss\nother = /var/spool/sms/other\n\n[provider]\nSwiss = 4176, 4178 +4179\n\
         OTHER = 0,1,2,3,4,5,6,7,8,9\n\n[GSM1]\ndevice = /dev/ttyUSB0\ninit = AT+CPIN=\"2468\"\nincoming = yes\n\
         queues = swiss\npin = 2468\nsmsc = 41794999000\nbaudrate = 115200\nreport = yes\nmessage_limit = 20\n\n\
         [gsm2]\ndevice = /dev/ttyUSB1\nincoming = no\nqueues = other\npin = ignore\nbaudrate = 12345\n\n\
         [OLD]\ndevice = /dev/ttyS3\npin = 1357\n",
    );
    has(
        &made,
        &[
            "name = \"GSM1\"",
            "port = \"/dev/ttyUSB0\"",
            "pin_file = \"/etc/smsotpd/GSM1.pin\"",
            "smsc = \"+41794999000\"",
            "routes = [\"+4176\", \"+4178\", \"+4179\"]",
            "baud = 115200",
            "name = \"GSM2\"",
            "port = \"/dev/ttyUSB1\"",
            "report = true",
            "level = \"debug\"",
            "#   [GSM1] init = … (not shown)",
            "#   [GSM1] message_limit = 20",
            "#   [gsm2] incoming = no",
            "#   [gsm2] baudrate = 12345",
            "#   blacklist = /etc/smsd.black",
            "#   [OLD] device = /dev/ttyS3",
            "#   [OLD] pin = … (not shown)",
        ],
    );
    assert_eq!(made.matches("\nroutes = ").count(), 1, "a queue for all numbers is no route: {made}");
    assert!(!made.contains("2468") && !made.contains("1357"), "{made}");
}

#[test]
fn sms_server_tools_on_a_network_socket() {
    let made = imported(
        "smstools",
        "devices = N1\n[N1]\ndevice = @10.1.1.1:5000\npin = 1234\nkeep_open = no\nincoming = yes\n",
    );
    assert!(!made.contains("1234") && !made.contains("[[modem]]\n"), "{made}");
    has(&made, &["#   [N1] device = @10.1.1.1:5000"]);
}

#[test]
fn what_is_no_such_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    for text in [None, Some("nothing here\n")] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let done =
            Command::new(env!("CARGO_BIN_EXE_smsotp")).args(["import", "gammu"]).arg(&path).output().unwrap();
        assert_eq!(done.status.code(), Some(78), "{done:?}");
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{done:?}");
    }
    let done =
        Command::new(env!("CARGO_BIN_EXE_smsotp")).args(["import", "kannel"]).arg(&path).output().unwrap();
    assert_eq!(done.status.code(), Some(2));
}
