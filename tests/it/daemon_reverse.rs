//! Inbound verifications through the real daemon: a simulated phone sends the token to a simulated modem.

use std::time::Duration;

use serde_json::{Value, json};
use smsotpd::api::client::Call;

use crate::daemon_support::{NO_LIMITS, Rig, call, expect, files};

const PHONE: &str = "+41791234567";
const ALLOWED: &str = "number = \"+41791112233\"\n[service.default]\ninbound = true\ncooldown = \"1s\"\n";

#[tokio::test]
async fn an_sms_with_the_token_approves_and_the_token_is_nowhere() {
    let mut rig = Rig::start(1, gsm_sim::Script::default(), &format!("{ALLOWED}{NO_LIMITS}"));
    rig.modems_are("ready").await;
    let issue = Call::post("/v1/verifications").json(json!({"to": PHONE, "mode": "inbound"}));
    let issued = expect(&call(&rig.client(), issue).await, 201);
    assert_eq!((&issued["mode"], &issued["status"]), (&json!("inbound"), &json!("pending")));
    assert_eq!(
        (&issued["inbound"]["number"], &issued["message"]["status"]),
        (&json!("+41791112233"), &json!("cancelled"))
    );
    let token = issued["inbound"]["token"].as_str().unwrap().to_owned();
    let path = format!("/v1/verifications/{}", issued["id"].as_str().unwrap());
    let check = Call::post(format!("{path}/check")).json(json!({"code": token}));
    assert_eq!(expect(&call(&rig.client(), check).await, 200)["approved"], false);

    // Whoever waits is told when it is over, not when its message is.
    let client = rig.client();
    let waited = Call::get(&path).wait(Duration::from_secs(60));
    let waiting = tokio::spawn(async move { client.call(waited).await.unwrap() });
    rig.sim.deliver(0, "+41791234568", &token);
    rig.sim.deliver(0, PHONE, &format!("My token is {}.", token.to_lowercase()));
    let approved: Value = expect(&waiting.await.unwrap(), 200);
    assert_eq!((&approved["status"], approved.get("inbound")), (&json!("approved"), None), "{}", rig.logs());
    assert_eq!(approved["attempts_left"], 4);
    rig.kill();
    assert!(!rig.logs().contains(&token) && !rig.logs().contains(&token.to_lowercase()));
    for (path, octets) in files(&rig.dir.path().join("state")) {
        let told = octets.windows(8).any(|w| w.eq_ignore_ascii_case(token.as_bytes()));
        assert!(!told, "{}", path.display());
    }
}
