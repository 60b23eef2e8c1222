//! SMS Server Tools 3: global settings, a section for each of `devices`, and the prefixes of queues in `[provider]`.

use std::collections::{BTreeMap, BTreeSet};

use super::ini::Setting;
use super::{Draft, Modem, quoted};

/// The digits of an E.164 number at most.
const LONGEST_PREFIX: usize = 15;

pub(super) fn draft(settings: &[Setting]) -> Draft {
    let mut draft = Draft::default();
    let global = |key: &str| settings.iter().find(|s| s.section.is_empty() && s.name() == key);
    let mut devices: Vec<&str> = global("devices").map(|s| list(&s.value)).unwrap_or_default();
    let mut seen = BTreeSet::new();
    devices.retain(|name| seen.insert(name.to_ascii_lowercase()));
    let providers: BTreeMap<String, Vec<&str>> = settings
        .iter()
        .filter(|s| s.is_in("provider") || s.is_in("providers"))
        .map(|s| (s.name(), list(&s.value)))
        .collect();
    let mut modems: Vec<Modem> = devices.iter().map(|name| Modem::named(name)).collect();
    for setting in settings {
        let at = devices.iter().position(|name| setting.is_in(name));
        let known = match at {
            Some(at) => of_device(setting, &mut modems[at], &providers, &mut draft),
            None if setting.section.is_empty() => of_all(setting, &mut draft),
            // They are taken up by the devices' queues.
            None => setting.is_in("provider") || setting.is_in("providers"),
        };
        if !known {
            draft.leave(setting, why(setting, at.is_some()));
        }
    }
    draft.modems = modems;
    draft
}

/// The words between commas and blanks.
fn list(text: &str) -> Vec<&str> {
    text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).collect()
}

fn of_all(setting: &Setting, draft: &mut Draft) -> bool {
    match setting.name().as_str() {
        "devices" => true,
        "loglevel" => {
            draft.log = match setting.value.to_ascii_lowercase().as_str() {
                "0" | "1" | "2" | "3" | "emerg" | "alert" | "crit" | "err" | "error" => {
                    Some("error".to_owned())
                }
                "4" | "warning" => Some("warn".to_owned()),
                "7" | "debug" => Some("debug".to_owned()),
                _ => None,
            };
            true
        }
        _ => false,
    }
}

fn of_device(
    setting: &Setting,
    modem: &mut Modem,
    providers: &BTreeMap<String, Vec<&str>>,
    draft: &mut Draft,
) -> bool {
    match setting.name().as_str() {
        "device" if setting.value.starts_with('/') => {
            modem.port(&setting.value);
            true
        }
        "baudrate" => modem.baud(&setting.value),
        // `ignore` means that no PIN is asked for.
        "pin" if setting.value.eq_ignore_ascii_case("ignore") => true,
        "pin" => {
            modem.pin();
            true
        }
        "smsc" => modem.smsc(&setting.value),
        "report" => {
            draft.report |= setting.is_yes();
            true
        }
        "message_limit" => setting.value.parse::<u32>().is_ok_and(|limit| limit == 0),
        "queues" | "provider" => routes(&setting.value, providers, modem),
        // Every modem reads what it receives.
        "incoming" => !setting.value.eq_ignore_ascii_case("no") && setting.value != "0",
        _ => false,
    }
}

/// The prefixes of a modem's queues. A queue for all digits takes every number, which is no route.
fn routes(value: &str, providers: &BTreeMap<String, Vec<&str>>, modem: &mut Modem) -> bool {
    let queues = list(value);
    let prefixes = queues.iter().filter_map(|queue| providers.get(&queue.to_ascii_lowercase())).flatten();
    let prefixes: Vec<&str> = prefixes.map(|prefix| prefix.trim_start_matches('+')).collect();
    let takes_all =
        ["1", "2", "3", "4", "5", "6", "7", "8", "9"].iter().all(|digit| prefixes.contains(digit));
    if takes_all {
        return true;
    }
    let is_international = |prefix: &&str| {
        (1..=LONGEST_PREFIX).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_digit())
            && !prefix.starts_with('0')
    };
    let all_fit = !prefixes.is_empty() && prefixes.iter().all(is_international);
    if all_fit {
        let routes: Vec<_> = prefixes.iter().map(|prefix| quoted(&format!("+{prefix}"))).collect();
        modem.set(format!("routes = [{}]", routes.join(", ")));
    }
    all_fit
}

fn why(setting: &Setting, of_device: bool) -> &'static str {
    if setting.is_in("queues") {
        return "there are no folders: a message is sent by POST /v1/messages, and routes choose its modem";
    }
    if !setting.section.is_empty() && !of_device {
        return "its section is not one of devices, so that it was not in force";
    }
    match setting.name().as_str() {
        "outgoing" | "checked" | "failed" | "incoming" | "report" | "sent" | "mypath" | "saved"
        | "phonecalls"
            if !of_device =>
        {
            "messages are sent and read by the API and kept in the daemon's store, not in files"
        }
        "incoming" => "every modem reads what it receives",
        "device" => "is no path of a serial port: modems are found by port, imei, iccid, usb or serial",
        "logfile" | "smart_logging" | "log_unmodified" | "logtime_format" => {
            "the log goes to journald, or to stderr: [log] format"
        }
        "eventhandler" | "alarmhandler" | "alarmlevel" | "regular_run" | "regular_run_interval" => {
            "a program is run for each event by `smsotp events --exec`"
        }
        "checkhandler" => "which numbers get codes is said in [destinations] and [limits]",
        "blacklist" | "whitelist" => {
            "write the prefixes of that file into limits.deny_prefixes and limits.allow_prefixes, each with its +"
        }
        "delaytime" | "delaytime_mainprocess" | "receive_before_send" | "sleeptime_mainprocess" => {
            "nothing is polled: modems tell of messages, and a message is sent at once"
        }
        "errorsleeptime" | "blocktime" | "blockafter" | "modem_disabled" => {
            "queue.breaker says how long a failing modem is left alone, and `smsotp modem NAME pause` takes one out"
        }
        "message_limit" | "message_count_clear" => {
            "[[modem]] max_per_minute, max_per_day and max_per_month limit a SIM"
        }
        "sending_disabled" => "`smsotp modem NAME pause` gives a modem no messages",
        "autosplit"
        | "validity"
        | "cs_convert"
        | "mode"
        | "decode_unicode_text"
        | "incoming_utf8"
        | "internal_combine" => "alphabet, parts and validity are chosen for each message",
        "stats" | "stats_interval" | "stats_no_zeroes" => "GET /metrics has the figures, for Prometheus",
        "user" | "group" => "the unit names the daemon's user, and api.group who may use the socket",
        "infofile" | "pidfile" | "terminal" => "the unit does that",
        "init"
        | "init2"
        | "primary_memory"
        | "secondary_memory"
        | "memory_start"
        | "check_memory_method"
        | "rtscts"
        | "read_timeout"
        | "keep_open"
        | "report_device_details"
        | "sentsleeptime" => {
            "the daemon finds out what the modem needs; a family of modems is a file in profiles_dir"
        }
        "queues" | "provider" => {
            "its prefixes are not all international ones: write them as routes, each with its +"
        }
        _ => "is not known here",
    }
}
