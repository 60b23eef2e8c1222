//! USSD and the flight recorder over the simulator's pty: the several forms of modems' answers, and menus.

use std::path::PathBuf;
use std::time::Duration;

use gsm_modem::dialogue::DialogueSettings;
use gsm_modem::{Modem, Roaming, Settings, State, Timing};
use gsm_sim::{Options, Script, Sim};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes; a test that reaches this limit has failed.
const LIMIT: Duration = Duration::from_secs(30);

/// As recorded: packed, UCS-2 with the scheme of seven bits, characters, and a menu.
const SCRIPT: &str = r#"
[timing]
ussd_ms = 5

[network.ussd]
"*101#" = "0, 49B41C74ACD3D16171D90D66666666666666666666B45CAC76C3CD6CB41B2D060389CB74F9FE4C07DD5CB91AA85897BF1B"
"*102#" = '2,"00480061007600690020006B0065007200650074003A002000300046",15'
"*103#" = '0,"On DATA Pack u have 3Gb 817Mb",15'
"*104#" = '1,"1 Balance 2 Offers",15'
"1" = '2,"Bal: 5.00",15'
"*105#" = "5"
"#;

fn settings(port: PathBuf) -> Settings {
    Settings {
        name: "m".into(),
        find: port.into(),
        baud: 115_200,
        pin: None,
        smsc: None,
        roaming: Roaming::Allowed,
        operator: None,
        pins: None,
        patience: None,
        profiles: smsotpd::config::profiles(),
        timing: Timing {
            dialogue: DialogueSettings { quiet: Duration::from_millis(20), ..DialogueSettings::default() },
            ..Timing::default()
        },
    }
}

async fn ready(sim: &Sim) -> Modem {
    let (notices, _) = mpsc::channel(256);
    let modem = Modem::start(settings(sim.port(0)), notices);
    let mut snapshot = modem.snapshot();
    let reached = timeout(LIMIT, snapshot.wait_for(|s| s.state == State::Ready)).await;
    assert!(reached.is_ok_and(|seen| seen.is_ok()), "{:?}", modem.snapshot().borrow());
    modem
}

async fn ask(modem: &Modem, code: &str) -> Result<(String, bool), String> {
    let answer = timeout(LIMIT, modem.ussd(Some(code.to_owned()), LIMIT)).await.expect("an answer in time");
    answer.map(|answer| (answer.text, answer.open))
}

#[tokio::test]
async fn answers_in_every_form_and_a_menu() {
    let script = Script::parse("ussd", SCRIPT).unwrap();
    let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
    let modem = ready(&sim).await;
    let (text, open) = ask(&modem, "*101#").await.unwrap();
    assert!(text.starts_with("Ihr Guthaben") && text.ends_with("beträgt 7.95 Euro") && !open, "{text}");
    assert_eq!(ask(&modem, "*102#").await, Ok(("Havi keret: 0F".to_owned(), false)));
    assert_eq!(ask(&modem, "*103#").await, Ok(("On DATA Pack u have 3Gb 817Mb".to_owned(), false)));
    assert_eq!(ask(&modem, "*104#").await, Ok(("1 Balance 2 Offers".to_owned(), true)));
    assert_eq!(ask(&modem, "1").await, Ok(("Bal: 5.00".to_owned(), false)));
    assert_eq!(ask(&modem, "*104#").await.map(|answer| answer.1), Ok(true));
    let ended = modem.ussd(None, LIMIT).await.unwrap();
    assert!(!ended.open && ended.text.is_empty());
    assert!(ask(&modem, "*105#").await.unwrap_err().contains("did not answer"));
    assert!(ask(&modem, "*199#").await.unwrap_err().contains("does not support"));

    let trace: Vec<String> = modem.trace().await.iter().map(ToString::to_string).collect();
    let trace = trace.join("\n");
    for shown in ["= ready", "> AT+CUSD=…", "< +CUSD: 2,…", "< +CUSD: 5", "< OK"] {
        assert!(trace.contains(shown), "{shown}:\n{trace}");
    }
    for hidden in ["Guthaben", "Balance", "49B41C", "*104", "Pack"] {
        assert!(!trace.contains(hidden), "{hidden}:\n{trace}");
    }
    modem.stop(Duration::ZERO).await;
    assert!(modem.trace().await.is_empty(), "its memory ends with it");
}

/// A Huawei that was left in a mode that accepts only packed digits: characters are refused, and other forms tried.
#[tokio::test]
async fn a_stick_that_wants_packed_digits() {
    let script = format!(
        "{}\n[[answer]]\ncommand = 'AT+CUSD=1,\"*101#\",15'\nresult = \"ERROR\"\n",
        SCRIPT.replace("\"*101#\" =", "\"AA182C3602\" =")
    );
    let script = Script::parse("packed", &script).unwrap();
    let sim = Sim::start(Options { script, ..Options::default() }).unwrap();
    let modem = ready(&sim).await;
    let (text, _) = ask(&modem, "*101#").await.unwrap();
    assert!(text.starts_with("Ihr Guthaben"), "{text}");
    modem.stop(Duration::ZERO).await;
}
