//! Who may do what, according to what the kernel says of a peer.

use serde_json::{Value, json};
use smsotpd::api::access::{Access, Client, Matcher, Right};
use smsotpd::api::client::Call;
use smsotpd::api::{Limits, ROUTES};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::api_support::{NUMBER, Served, read_to_end, served, served_within};

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn own_gid() -> u32 {
    rustix::process::getegid().as_raw()
}

fn served_to(matcher: Matcher, may: &[Right], services: Option<Vec<String>>) -> Served {
    let client = Client { name: "web".to_owned(), matcher, may: may.to_vec(), services };
    served_within(Limits::default(), Access::new(vec![client]))
}

#[tokio::test]
async fn without_clients_only_admin_is_refused() {
    let api = served();
    assert_eq!(api.call(Call::get("/v1/modems")).await.status, 200);
    let refused = api.call(Call::post("/v1/modems/stick1/pause")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.problem().unwrap().detail.contains("`admin`"));
    assert!(api.fake.state.lock().unwrap().controls.is_empty());
}

#[tokio::test]
async fn a_client_is_known_by_its_user() {
    let api = served_to(Matcher::Uid(own_uid()), &[Right::Issue], Some(vec!["login".to_owned()]));
    api.issue().await;
    let caller = api.fake.state.lock().unwrap().callers[0].clone();
    assert_eq!((caller.client.as_deref(), caller.services), (Some("web"), Some(vec!["login".to_owned()])));
    let send = api.call(Call::post("/v1/messages").json(json!({"to": NUMBER, "text": "x"}))).await;
    assert_eq!((send.status.as_u16(), send.problem().unwrap().code.as_str()), (403, "not_allowed"));
    assert!(api.fake.state.lock().unwrap().sent.is_empty());
}

#[tokio::test]
async fn who_lacks_a_right_is_in_the_trail_and_a_number_in_the_path_is_not() {
    let api = served_to(Matcher::Uid(own_uid()), &[Right::Read], None);
    let refused = api.call(Call::put(format!("/v1/opt-outs/{}", smsotpd::api::client::escape(NUMBER)))).await;
    assert_eq!(refused.status, 403);
    let audits = std::mem::take(&mut api.fake.state.lock().unwrap().audits);
    let [(by, audit)] = audits.as_slice() else { panic!("{audits:?}") };
    assert_eq!((by.as_deref(), audit.action.as_str(), audit.count), (Some("web"), "denied", 1));
    assert_eq!(audit.detail, "PUT /v1/opt-outs/{phone} needs the right `admin`");
}

#[tokio::test]
async fn a_client_is_known_by_its_group() {
    let api = served_to(Matcher::Gid(own_gid()), &[Right::Admin], None);
    assert_eq!(api.call(Call::get("/v1/modems")).await.status, 403);
    let paused: Value = api.call(Call::post("/v1/modems/stick1/pause")).await.parse().unwrap();
    assert_eq!((&paused["state"], &paused["paused"]), (&json!("paused"), &json!(true)));
    assert_eq!(api.call(Call::post("/v1/modems/stick1/resume")).await.status, 200);
    assert_eq!(api.call(Call::post("/v1/modems/stick1/reset")).await.status, 200);
    assert_eq!(api.call(Call::post("/v1/modems/stick2/reset")).await.status, 404);
    let ussd = Call::post("/v1/modems/stick1/ussd");
    let text: Value = api.call(ussd.clone().json(json!({"code": "*100#"}))).await.parse().unwrap();
    assert_eq!(text, json!({"text": "Balance: 5.00", "open": false}));
    assert_eq!(api.call(ussd.clone().json(json!({"cancel": true}))).await.status, 200);
    assert_eq!(api.call(ussd.clone().json(json!({}))).await.status, 400, "a code or its end");
    let trace: Value = api.call(Call::get("/v1/modems/stick1/trace")).await.parse().unwrap();
    assert_eq!(trace["lines"][0], json!({"ago_ms": 1500, "direction": "out", "text": "AT+CMGS=23"}));
    assert_eq!(api.call(Call::get("/v1/modems/stick2/trace")).await.status, 404);
    // A quote would end the string of the AT command.
    for wrong in ["", "*100#\"", "*100#\r", "*1 0#"] {
        assert_eq!(api.call(ussd.clone().json(json!({"code": wrong}))).await.status, 400, "{wrong:?}");
    }
}

#[tokio::test]
async fn an_unknown_peer_reaches_only_the_health_checks() {
    let api = served_to(Matcher::Uid(own_uid() ^ 1), &Right::ALL, None);
    for route in ROUTES {
        let path = route
            .path
            .replace("{id}", "ver_01arz3ndektsv4rrffq69g5fav")
            .replace("{name}", "stick1")
            .replace("{phone}", NUMBER);
        let call = match route.method {
            "POST" => Call::post(&path),
            "PUT" => Call::put(&path),
            "DELETE" => Call::delete(&path),
            _ => Call::get(&path),
        };
        let status = api.call(call).await.status.as_u16();
        let public = ["/healthz", "/readyz", "/metrics", "/openapi.json"].contains(&route.path);
        assert_eq!(status, if public { 200 } else { 403 }, "{} {}", route.method, route.path);
    }
    assert!(api.fake.state.lock().unwrap().callers.is_empty());
}

#[tokio::test]
async fn the_refusal_does_not_wait_for_the_body() {
    let api = served_to(Matcher::Uid(own_uid()), &[Right::Read], None);
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    let head = b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}
