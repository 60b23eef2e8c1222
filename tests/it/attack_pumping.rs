//! Somebody who pumps SMS through the real daemon, with the limits that are shipped and a SIM that is at home in Switzerland.

use gsm_sim::Script;
use serde_json::{Value, json};
use smsotpd::api::client::Call;

use crate::daemon_support::{PATIENCE, Rig, call, post};

async fn started(extra: &str) -> Rig {
    let script = Script::parse("swiss", "[identity]\nimsi = \"228015550000001\"\n").unwrap();
    let rig = Rig::start(1, script, extra);
    rig.modems_are("ready").await;
    rig
}

/// The status of an issue, and the code and the sentence of its refusal.
async fn issue(rig: &Rig, to: &str) -> (u16, String) {
    let reply = call(&rig.client(), Call::post("/v1/verifications").json(json!({"to": to}))).await;
    let body: Value = reply.parse().unwrap();
    let told = if reply.status == 201 { &body["id"] } else { &body["detail"] };
    (reply.status.as_u16(), told.as_str().unwrap().to_owned())
}

#[tokio::test]
async fn no_number_that_costs_more_or_earns_money_is_taken() {
    let rig = started("").await;
    for (kind, numbers) in [
        ("premium", ["+41900123456", "+41901123456", "+41906123456"]),
        ("landline", ["+41446681800", "+41228001234", "+41313201234"]),
        ("shared cost, free and for companies", ["+41840123456", "+41800123456", "+41581234567"]),
        ("unassigned", ["+41701234567", "+41111234567", "+41251234567"]),
        ("satellite", ["+881612345678", "+870773123456", "+881812345678"]),
        ("no country's", ["+882161234567", "+883510012345", "+979123456789"]),
        ("abroad", ["+4915122334455", "+18762101234", "+9607712345"]),
    ] {
        for number in numbers {
            let (status, why) = issue(&rig, number).await;
            assert_eq!(status, 422, "{kind}: {number} {why}");
        }
    }
    assert_eq!(rig.sim.received(), 0);
    assert_eq!(issue(&rig, "+41791234567").await.0, 201);
}

#[tokio::test]
async fn three_hundred_neighbours_end_after_twenty() {
    let rig = started("").await;
    let mut taken = Vec::new();
    // Over the border of a hundred and of a thousand.
    for n in 41_791_233_850_u64..41_791_234_150 {
        match issue(&rig, &format!("+{n}")).await {
            (201, _) => taken.push(n),
            (429, why) => assert!(why.contains("pumping.adjacent = 20"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken, (41_791_233_850..41_791_233_870).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_campaign_abroad_stops_within_its_budget_and_codes_that_are_entered_go_on() {
    let mut rig = started("[destinations]\ncountries = [\"CH\", \"DE\", \"FR\"]\n").await;
    let mut phone = rig.sim.listen();
    let mut pumped = 0;
    for n in 0..45 {
        // A person, in a country of people.
        let to = format!("+336121{n:02}0{n:02}");
        let (status, id) = issue(&rig, &to).await;
        assert_eq!(status, 201, "codes that are entered go on: {id}");
        let code = loop {
            let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
            if sms.to == to {
                break sms.text.chars().filter(char::is_ascii_digit).take(6).collect::<String>();
            }
        };
        let path = format!("/v1/verifications/{id}/check");
        assert_eq!(post(&rig.client(), &path, json!({"code": code}), 200).await["approved"], true);
        match issue(&rig, &format!("+491512{n:02}{n:02}{n:03}")).await {
            (201, _) => pumped += 1,
            (429, why) => assert!(why.contains("pumping.unverified = \"30/1day\""), "{why}"),
            other => panic!("{other:?}"),
        }
        if n == 20 {
            rig.kill();
            rig.launch();
            rig.modems_are("ready").await;
        }
    }
    assert_eq!(pumped, 30);
}
