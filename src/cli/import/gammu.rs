//! Gammu SMSD: `[gammu]` with the port, `[smsd]` with the rest (gammu-smsdrc(5)).

use super::ini::Setting;
use super::{Draft, Modem};

pub(super) fn draft(settings: &[Setting]) -> Draft {
    let mut draft = Draft::default();
    let name = settings.iter().find(|s| s.is_in("smsd") && s.name() == "phoneid");
    let mut modem = Modem::named(name.map_or("modem1", |name| &name.value));
    let (mut attempts, mut wait) = (None, None);
    for setting in settings {
        let key = setting.name();
        let number = || setting.value.parse::<u32>().ok();
        let known = match key.as_str() {
            "port" | "device" if setting.is_in("gammu") && setting.value.starts_with('/') => {
                if !modem.has_port {
                    modem.port(&setting.value);
                }
                true
            }
            "connection" if setting.is_in("gammu") => {
                match setting.value.to_ascii_lowercase().strip_prefix("at") {
                    // Without a speed Gammu takes this one's default too.
                    Some("") => true,
                    Some(speed) => modem.baud(speed),
                    None => false,
                }
            }
            "pin" if setting.is_in("smsd") => {
                modem.pin();
                true
            }
            "phoneid" => setting.is_in("smsd"),
            "smsc" if setting.is_in("smsd") => modem.smsc(&setting.value),
            "deliveryreport" => {
                draft.report = !setting.value.eq_ignore_ascii_case("no");
                true
            }
            "debuglevel" => {
                draft.log = number().filter(|&level| level > 0).map(|_| "debug".to_owned());
                true
            }
            // Gammu counts the tries after the first one.
            "maxretries" => {
                attempts = number().map(|tries| tries.saturating_add(1).clamp(1, 100));
                attempts.is_some()
            }
            "retrytimeout" => {
                wait = number().filter(|wait| (1..=86_400).contains(wait));
                wait.is_some()
            }
            _ => false,
        };
        if !known {
            draft.leave(setting, why(setting, &key));
        }
    }
    let parts: Vec<_> = [
        wait.map(|wait| format!("first = \"{wait}s\", max = \"{}s\"", wait.max(120))),
        attempts.map(|attempts| format!("attempts = {attempts}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    draft.retry = (!parts.is_empty()).then(|| format!("retry = {{ {} }}", parts.join(", ")));
    draft.modems.push(modem);
    draft
}

fn why(setting: &Setting, key: &str) -> &'static str {
    if ["include_numbers", "exclude_numbers", "include_smsc", "exclude_smsc"].iter().any(|s| setting.is_in(s))
    {
        return "every received message is kept; whoever reads the inbox chooses";
    }
    if setting.is_in("sql") || setting.is_in("tables") {
        return "the daemon has a store of its own; programs use its API";
    }
    match key {
        "port" | "device" => {
            "is no path of a serial port: modems are found by port, imei, iccid, usb or serial"
        }
        "connection" => "only AT modems on serial ports are driven",
        "service" | "driver" | "user" | "password" | "pc" | "host" | "database" | "sql"
        | "backend_retries" => {
            "the daemon has a store of its own; programs use its API instead of tables and files"
        }
        "inboxpath" | "outboxpath" | "sentsmspath" | "errorsmspath" | "inboxformat" | "outboxformat"
        | "transmitformat" => {
            "messages are sent by POST /v1/messages and read by GET /v1/inbox, not by files"
        }
        "logfile" | "logformat" | "logfacility" => "the log goes to journald, or to stderr: [log] format",
        "commtimeout" | "receivefrequency" | "statusfrequency" | "loopsleep" | "outboxsleep"
        | "multiparttimeout" => "nothing is polled: modems tell of messages, and a message is sent at once",
        "sendtimeout" => {
            "each modem's own times decide how long its answer is waited for: [[modem]] send_timeout"
        }
        "runonreceive" | "runonfailure" | "runonsent" | "runonincomingcall" => {
            "a program is run for each event by `smsotp events --exec`"
        }
        "resetfrequency" | "hardresetfrequency" | "maxretries" | "retrytimeout" => {
            "a modem is cured when it does not work, step by step; [[modem]] power_cycle takes its power"
        }
        "checksecurity" | "checknetwork" | "checkbattery" | "checksignal" | "hangupcalls" => {
            "the daemon knows these of a modem by itself"
        }
        "synchronizetime" => "the clock of a modem is left alone",
        "use_locking" => "ports are always locked",
        _ => "is not known here",
    }
}
