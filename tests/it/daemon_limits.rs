//! Limits through the real daemon: over `kill -9`, a reload and a thousand clients at once.

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::{Value, json};
use smsotpd::api::client::Call;

use crate::daemon_support::{NO_LIMITS, Rig, call, files, number, post};

const PHONE: &str = "+41791234567";
const ADDRESS: &str = "203.0.113.7";

fn limited(rest: &str) -> String {
    format!("{NO_LIMITS}{rest}\n[limits.keys]\nip = [\"2/1h\"]\n")
}

fn window<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["windows"].as_array().unwrap().iter().find(|w| w["name"] == name).unwrap_or_else(|| panic!("{told}"))
}

#[tokio::test]
async fn kill_9_forgets_no_guess_and_a_reload_lets_a_number_in_again() {
    let mut rig = Rig::start(1, Script::default(), &limited("guesses_per_number = [\"3/1d\"]"));
    let asked = json!({"to": PHONE, "keys": {"ip": ADDRESS}});
    let first = post(&rig.client(), "/v1/verifications", asked.clone(), 201).await;
    assert_eq!(first["attempts_left"], 3, "as many as its number has guesses");
    let path = format!("/v1/verifications/{}/check", first["id"].as_str().unwrap());
    for left in [2, 1, 0] {
        let answer = post(&rig.client(), &path, json!({"code": "no code"}), 200).await;
        assert_eq!(answer["attempts_left"], left);
        rig.kill();
        rig.launch();
        let told = post(&rig.client(), "/v1/limits", asked.clone(), 200).await;
        assert_eq!(window(&told, "guesses_per_number 3/1day")["used"], 3 - left);
        assert_eq!(window(&told, "keys.ip 2/1h")["used"], 1);
    }
    let told = post(&rig.client(), "/v1/limits", asked.clone(), 200).await;
    assert_eq!((&told["would"], &told["code"]), (&"refuse".into(), &"rate_limited".into()), "{told}");
    let refused = call(&rig.client(), Call::post("/v1/verifications").json(asked.clone())).await;
    let problem = refused.problem().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (429, "rate_limited"));
    assert!(problem.detail.contains("limits.guesses_per_number = \"3/1day\""), "{}", problem.detail);

    rig.rewrite(&limited("guesses_per_number = [\"5/1d\"]"));
    rig.signal(Signal::HUP);
    rig.told("READY=1");
    let second = post(&rig.client(), "/v1/verifications", asked.clone(), 201).await;
    assert_eq!(second["attempts_left"], 2);
    let told = post(&rig.client(), "/v1/limits", asked, 200).await;
    assert!(told["detail"].as_str().unwrap().contains("limits.keys.ip = \"2/1h\""), "{told}");
    rig.kill();
    assert!(!rig.logs().contains(ADDRESS), "it is in the log");
    for (path, content) in files(&rig.dir.path().join("state")) {
        let there = content.windows(ADDRESS.len()).any(|octets| octets == ADDRESS.as_bytes());
        assert!(!there, "it is in {}", path.display());
    }
}

#[tokio::test]
async fn a_thousand_clients_at_the_socket_get_exactly_what_a_limit_allows() {
    let limits = "[pumping]\nadjacent = 0\n[limits]\ntotal = [\"41/1h\"]\nper_prefix = []\n";
    let rig = Rig::start(1, Script::default(), limits);
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let client = rig.client();
        let body = json!({"to": number(n)});
        clients.spawn(async move {
            call(&client, Call::post("/v1/verifications").json(body)).await.status.as_u16()
        });
    }
    let answers = clients.join_all().await;
    let of = |status| answers.iter().filter(|&&answer| answer == status).count();
    assert_eq!((of(201), of(429)), (41, 959), "{answers:?}");
}
