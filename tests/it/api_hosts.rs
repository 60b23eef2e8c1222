//! The hosts of a fleet: their routes, and `smsotp host`.

use serde_json::Value;
use smsotpd::api::access::{Access, Client, Matcher, Right};
use smsotpd::api::{Limits, client::Call};

use crate::api_cli::run;
use crate::api_support::{served, served_within};

#[tokio::test]
async fn the_routes_answer_as_the_contract_says() {
    let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
    let may = vec![Right::Admin, Right::Read];
    let client = Client { name: "ops".to_owned(), matcher, may, services: None };
    let api = served_within(Limits::default(), Access::new(vec![client]));
    let answer = async |call: Call| {
        let reply = api.call(call).await;
        (reply.status.as_u16(), serde_json::from_slice::<Value>(&reply.body).unwrap())
    };
    let (status, list) = answer(Call::get("/v1/hosts")).await;
    let members = serde_json::json!({
        "name": "attic", "version": "0.1.0", "seen_at": "2026-05-28T20:26:40.000Z", "modems": 2, "sending": 1, "state": "up",
    });
    assert_eq!((status, &list["hosts"][0]), (200, &members));
    let (status, drained) = answer(Call::post("/v1/hosts/attic/drain")).await;
    assert_eq!((status, drained["state"].as_str()), (200, Some("draining")));
    let (status, back) = answer(Call::post("/v1/hosts/attic/resume")).await;
    assert_eq!((status, back["state"].as_str()), (200, Some("up")));
    assert_eq!(answer(Call::delete("/v1/hosts/attic")).await.0, 200);
    let (status, problem) = answer(Call::post("/v1/hosts/loft/drain")).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
    let (exit, out, _) = run(&api, &["host", "list"]).await;
    assert!(exit == 0 && out.contains("attic") && out.contains(" up "), "{out}");
    let (exit, out, _) = run(&api, &["host", "drain", "attic"]).await;
    assert!(exit == 0 && out.contains("draining"), "{out}");
    let (exit, out, _) = run(&api, &["host", "drain", "attic", "--undo"]).await;
    assert!(exit == 0 && out.contains(" up "), "{out}");
    assert_eq!(run(&api, &["host", "forget", "loft"]).await.0, 66);
}

#[tokio::test]
async fn who_may_not_administer_changes_no_host() {
    let api = served();
    assert_eq!(api.call(Call::get("/v1/hosts")).await.status.as_u16(), 200);
    for call in [Call::post("/v1/hosts/attic/drain"), Call::delete("/v1/hosts/attic")] {
        assert_eq!(api.call(call).await.status.as_u16(), 403);
    }
}
