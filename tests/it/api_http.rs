//! The API's routes, answers and refusals as a client sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use smsotpd::api::access::{Access, Client, Matcher, Right};
use smsotpd::api::client::{Call, Reply};
use smsotpd::api::{Limits, wire};
use smsotpd::clock::{Now, Timestamp};
use smsotpd::gateway::{GatewayError, InboxView};
use smsotpd::id::VerificationId;
use smsotpd::inbox::{Content, Sender};
use smsotpd::otp::VerificationStatus;
use smsotpd::outbox::MessageStatus;
use smsotpd::secret::Secret;

use crate::api_support::{CODE, IDS, NUMBER, raw, served, served_within};

fn refused(reply: &Reply, status: u16, code: &str) -> String {
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, status, "{body}");
    let problem = reply.problem().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (status, code), "{body}");
    assert_eq!(problem.r#type, format!("urn:smsotp:problem:{code}"));
    assert!(!problem.title.is_empty() && !problem.detail.is_empty());
    problem.detail
}

#[tokio::test]
async fn a_verification_from_issue_to_replay() {
    let api = served();
    let v = api.issue().await;
    assert!(v["id"].as_str().unwrap().starts_with("ver_"));
    assert_eq!(
        (&v["status"], &v["service"], &v["to"], &v["attempts_left"]),
        (&json!("pending"), &json!("default"), &json!(NUMBER), &json!(5))
    );
    assert_eq!(v["expires_at"], "2027-01-15T08:05:00.000Z");
    assert_eq!(v["message"]["status"], "queued");
    let path = format!("/v1/verifications/{}", v["id"].as_str().unwrap());

    let wrong = api.call(Call::post(format!("{path}/check")).json(json!({"code": "000000"}))).await;
    assert_eq!(wrong.status, 200);
    let wrong: Value = wrong.parse().unwrap();
    assert_eq!(
        (&wrong["approved"], &wrong["attempts_left"], &wrong["id"]),
        (&json!(false), &json!(4), &v["id"])
    );
    for empty in ["", " ", "\u{2013} -\u{200b}"] {
        let calls = [
            Call::post(format!("{path}/check")).json(json!({"code": empty})),
            Call::post("/v1/check").json(json!({"to": NUMBER, "code": empty})),
        ];
        for call in calls {
            assert_eq!(refused(&api.call(call).await, 400, "invalid_request"), "`code` is empty");
        }
    }
    let still: Value = api.call(Call::get(&path)).await.parse().unwrap();
    assert_eq!(still["attempts_left"], 4, "an empty code is no attempt");
    let right = api.call(Call::post("/v1/check").json(json!({"to": NUMBER, "code": CODE}))).await;
    assert_eq!(right.parse::<Value>().unwrap()["approved"], true);
    let replay = api.call(Call::post(format!("{path}/check")).json(json!({"code": CODE}))).await;
    assert_eq!(replay.status, 200);
    let replay: Value = replay.parse().unwrap();
    assert_eq!((&replay["approved"], &replay["status"]), (&json!(false), &json!("approved")));

    assert_eq!(api.call(Call::post(format!("{path}/resend"))).await.status, 202);
    assert_eq!(api.call(Call::post(format!("{path}/resend")).json(json!({}))).await.status, 202);
    let cancelled: Value = api.call(Call::delete(&path)).await.parse().unwrap();
    assert_eq!(cancelled["status"], "cancelled");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_again() {
    let api = served();
    let call = || Call::post("/v1/verifications").json(json!({"to": NUMBER})).header("idempotency-key", "k1");
    let (first, second) = (api.call(call()).await, api.call(call()).await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.body, second.body);
    let text = raw(
        &api.socket,
        format!("POST /v1/verifications HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{{\"to\":\"{NUMBER}\"}}")
            .as_bytes(),
    )
    .await;
    assert!(
        text.starts_with("HTTP/1.1 201 ") && text.contains("\r\nlocation: /v1/verifications/ver_"),
        "{text}"
    );
    for key in [&"k".repeat(256), "", " ", "k\tk"] {
        refused(
            &api.call(Call::post("/v1/messages").header("idempotency-key", key)).await,
            400,
            "invalid_request",
        );
    }
    for second in ["k1", "k2"] {
        let twice = api.call(call().header("idempotency-key", second)).await;
        assert!(refused(&twice, 400, "invalid_request").contains("no more than one Idempotency-Key"));
    }
}

#[tokio::test]
async fn messages_take_every_field() {
    let api = served();
    let body = json!({
        "to": NUMBER, "text": "hello", "flash": true, "priority": 9, "valid_for": "10m",
        "send_at": "2027-01-15T09:00:00Z", "report": true, "modem": "stick1",
    });
    let reply = api.call(Call::post("/v1/messages").json(body)).await;
    assert_eq!(reply.status, 202);
    let message: Value = reply.parse().unwrap();
    assert_eq!(
        (&message["kind"], &message["status"], &message["encoding"]),
        (&json!("text"), &json!("queued"), &json!("gsm7"))
    );
    assert!(message.get("text").is_none() && message.get("sent_at").is_none());
    let seconds =
        api.call(Call::post("/v1/messages").json(json!({"to": NUMBER, "text": "x", "valid_for": 90}))).await;
    assert_eq!(seconds.status, 202);
    {
        let state = api.fake.state.lock().unwrap();
        let (first, second) = (&state.sent[0], &state.sent[1]);
        assert_eq!((first.flash, first.report, first.priority), (true, true, 9));
        assert_eq!(first.valid_for, Some(Duration::from_secs(600)));
        assert_eq!(first.send_at.unwrap().to_string(), "2027-01-15T09:00:00.000Z");
        assert_eq!((first.text.expose().as_str(), first.modem.as_deref()), ("hello", Some("stick1")));
        assert_eq!((second.valid_for, second.priority), (Some(Duration::from_secs(90)), 0));
    }
    let path = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    assert_eq!(api.call(Call::get(&path)).await.parse::<Value>().unwrap(), message);
    let cancelled: Value = api.call(Call::delete(&path)).await.parse().unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    refused(&api.call(Call::delete(&path)).await, 409, "conflict");
}

#[tokio::test]
async fn listings_are_filtered_and_paged() {
    let api = served();
    for _ in 0..3 {
        api.issue().await;
    }
    let page: Value = api.call(Call::get("/v1/messages?limit=2")).await.parse().unwrap();
    assert_eq!(page["messages"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    let query = format!("/v1/messages?status=queued&to={NUMBER}&cursor={cursor}");
    let all: Value = api.call(Call::get(query)).await.parse().unwrap();
    assert!(all.get("next_cursor").is_none());
    {
        let state = api.fake.state.lock().unwrap();
        let filter = &state.filters[1];
        assert_eq!((filter.status, filter.limit), (Some(MessageStatus::Queued), 50));
        assert_eq!(filter.to.as_ref().unwrap().as_str(), NUMBER, "a bare + in a query is a blank");
        assert_eq!(filter.before.unwrap().to_string(), cursor);
    }
    let page: Value = api.call(Call::get("/v1/verifications?limit=2")).await.parse().unwrap();
    assert_eq!(page["verifications"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    let query = format!("/v1/verifications?status=pending&service=login&to={NUMBER}&cursor={cursor}");
    let all: Value = api.call(Call::get(query)).await.parse().unwrap();
    assert!(all.get("next_cursor").is_none());
    {
        let state = api.fake.state.lock().unwrap();
        let filter = &state.verification_filters[1];
        assert_eq!((filter.status, filter.limit), (Some(VerificationStatus::Pending), 50));
        assert_eq!(filter.service.as_deref(), Some("login"));
        assert_eq!(filter.to.as_ref().unwrap().as_str(), NUMBER, "a bare + in a query is a blank");
        assert_eq!(filter.before.unwrap().to_string(), cursor);
    }
    for (query, status, code) in [
        ("limit=0", 400, "invalid_request"),
        ("limit=1001", 400, "invalid_request"),
        ("limit=many", 400, "invalid_request"),
        ("status=lost", 400, "invalid_request"),
        ("cursor=in_1", 400, "invalid_request"),
        ("colour=red", 422, "invalid_request"),
        ("limit=1&limit=2", 400, "invalid_request"),
        ("to=0791234567", 422, "invalid_number"),
    ] {
        for path in ["/v1/messages", "/v1/verifications"] {
            let detail = refused(&api.call(Call::get(format!("{path}?{query}"))).await, status, code);
            assert!(!detail.contains("0791234567"), "{detail}");
        }
    }
}

#[tokio::test]
async fn wrong_bodies_are_refused_and_never_repeated() {
    let api = served();
    let post = |path: &'static str, body: &str| {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let socket = api.socket.clone();
        async move { raw(&socket, request.as_bytes()).await }
    };
    let secret = "917263";
    for (path, body, status) in [
        ("/v1/verifications", "{\n  \"to\": }".to_owned(), 400),
        ("/v1/verifications", String::new(), 400),
        ("/v1/check", format!("code={secret}"), 400),
        ("/v1/check", "\u{feff}{}".to_owned(), 400),
        ("/v1/verifications", "[".repeat(5000), 400),
        ("/v1/verifications", "[]".to_owned(), 400),
        ("/v1/verifications", "{}".to_owned(), 400),
        ("/v1/verifications", format!("{{\"to\": \"{NUMBER}\", \"servce\": \"x\"}}"), 422),
        ("/v1/verifications", format!("{{\"to\": \"{NUMBER}\", \"values\": {{\"a\": 1}}}}"), 400),
        ("/v1/verifications", "{\"to\": 41791234567}".to_owned(), 400),
        ("/v1/check", format!("{{\"to\": \"{NUMBER}\", \"code\": {secret}}}"), 400),
        ("/v1/check", format!("{{\"to\": \"{NUMBER}\", \"code\": \"1\", \"{secret}\": 1}}"), 422),
        ("/v1/messages", format!("{{\"to\": \"{NUMBER}\", \"text\": [\"{secret}\"]}}"), 400),
        ("/v1/messages", format!("{{\"to\": \"{NUMBER}\", \"text\": \"x\", \"priority\": 10}}"), 400),
        (
            "/v1/messages",
            format!("{{\"to\": \"{NUMBER}\", \"text\": \"x\", \"send_at\": \"{secret}\"}}"),
            400,
        ),
        ("/v1/check", format!("{{\"to\": \"{NUMBER}\", \"code\": \"1\", \"code\": \"{secret}\"}}"), 400),
        ("/v1/check", format!("{{\"to\": \"{NUMBER}\", \"{secret}\": 1, \"{secret}\": 1}}"), 400),
        ("/v1/modems/stick1/ussd", "{\"code\": \"1\\\"\\r\"}".to_owned(), 403),
    ] {
        let answer = post(path, &body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{body}: {answer}");
        assert!(answer.contains("\r\ncontent-type: application/problem+json\r\n"), "{answer}");
        assert!(!answer.contains(secret), "{answer}");
    }
    let place = post("/v1/verifications", "{\n  \"to\": }").await;
    assert!(place.contains("line 2 column 9"), "{place}");
    let twice = post("/v1/verifications", "{\"to\": \"+41791234567\", \"to\": \"+41791234568\"}").await;
    assert!(twice.contains("the key `to` stands twice at line 1 column 27"), "{twice}");
    let near = post("/v1/verifications", "{\"servce\": \"x\"}").await;
    assert!(near.contains("did you mean `service`?"), "{near}");
    let number = api.call(Call::post("/v1/verifications").json(json!({"to": "0791234567"}))).await;
    assert!(!refused(&number, 422, "invalid_number").contains("0791234567"));
    assert!(api.fake.state.lock().unwrap().verifications.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let api = served();
    for call in [
        Call::get("/"),
        Call::get("/v2/status"),
        Call::get("/v1/status/"),
        Call::get("/v1/verifications/ver_01arz3ndektsv4rrffq69g5fav"),
        Call::get("/v1/verifications/123"),
        Call::get("/v1/verifications/msg_01arz3ndektsv4rrffq69g5fav"),
        Call::get("/v1/verifications/%ff"),
        Call::delete("/v1/messages/%2e%2e"),
        Call::get("/v1/modems/stick2"),
        Call::post("/v1/check").json(json!({"to": NUMBER, "code": "1"})),
    ] {
        refused(&api.call(call).await, 404, "not_found");
    }
    refused(&api.call(Call::delete("/v1/verifications")).await, 405, "method_not_allowed");
    let answer = raw(&api.socket, b"PUT /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let allow = answer.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
    assert_eq!(
        allow.split(',').map(str::trim).collect::<BTreeSet<_>>(),
        BTreeSet::from(["GET", "HEAD", "POST"])
    );
    let head = raw(&api.socket, b"HEAD /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn refusals_of_the_service_reach_the_client() {
    let api = served();
    let span = Duration::from_millis(29_100);
    for (error, status, code) in [
        (GatewayError::InvalidRequest("`minutes` is missing".to_owned()), 400, "invalid_request"),
        (GatewayError::NotAllowed("not this service".to_owned()), 403, "not_allowed"),
        (GatewayError::DestinationBlocked("prefix".to_owned()), 422, "destination_blocked"),
        (GatewayError::TextTooLong("11 parts".to_owned()), 422, "text_too_long"),
        (GatewayError::UnknownService, 422, "unknown_service"),
        (GatewayError::IdempotencyMismatch, 422, "idempotency_mismatch"),
        (
            GatewayError::Cooldown { retry_after: span, verification: VerificationId::from_bytes([7; 16]) },
            429,
            "cooldown",
        ),
        (GatewayError::QueueFull, 503, "queue_full"),
        (GatewayError::Storage("disk full".to_owned()), 503, "storage"),
        (GatewayError::ShuttingDown, 503, "shutting_down"),
        (GatewayError::Internal("oops".to_owned()), 500, "internal"),
    ] {
        api.fake.refuse(error);
        refused(&api.call(Call::post("/v1/verifications").json(json!({"to": NUMBER}))).await, status, code);
    }
    api.fake.refuse(GatewayError::RateLimited { limit: "per_number".to_owned(), retry_after: span });
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 32\r\n\r\n{{\"to\":\"{NUMBER}\",\"text\":\"x\"}}"
    );
    let request = request.replace("content-length: 32", &format!("content-length: {}", NUMBER.len() + 20));
    let answer = raw(&api.socket, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 30\r\n"), "{answer}");
}

#[tokio::test]
async fn the_daemon_reports_its_status() {
    let api = served();
    let status: Value = api.call(Call::get("/v1/status")).await.parse().unwrap();
    assert_eq!(status["may"], json!(["issue", "check", "send", "read"]));
    assert_eq!((&status["uptime_s"], &status["queue"]["text"]), (&json!(61), &json!(2)));
    assert_eq!(
        (&status["modems"]["ready"], &status["modems"]["total"], &status["modems"]["busy"]),
        (&json!(1), &json!(2), &json!(0))
    );
    let modems: Value = api.call(Call::get("/v1/modems")).await.parse().unwrap();
    assert_eq!(
        (&modems["modems"][0]["name"], &modems["modems"][0]["signal_dbm"]),
        (&json!("stick1"), &json!(-71))
    );
    let modem: Value = api.call(Call::get("/v1/modems/stick1")).await.parse().unwrap();
    assert_eq!(
        modem["counters"],
        json!({"dropped_lines": 12, "late_lines": 0, "resyncs": 3, "reopens": 0, "restarts": 0, "lost_notices": 0})
    );
    assert_eq!(modem["last_error_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!(api.call(Call::get("/healthz")).await.status, 200);
    assert_eq!(api.call(Call::get("/readyz")).await.status, 200);
    api.fake.state.lock().unwrap().not_ready = true;
    assert_eq!(api.call(Call::get("/readyz")).await.status, 503);
    let metrics = api.call(Call::get("/metrics")).await;
    let metrics = String::from_utf8_lossy(&metrics.body);
    assert!(metrics.contains("smsotp_up 1"));
    let _ = api.call(Call::get("/v1/modems/nobody")).await;
    let _ = api.call(Call::get("/v1/modem/+41791234567")).await;
    let _ = api.call(Call::delete("/v1/status")).await;
    let metrics = String::from_utf8_lossy(&api.call(Call::get("/metrics")).await.body).into_owned();
    for (labels, count) in [
        (r#"method="GET",route="/v1/modems/{name}",status="200""#, 1),
        (r#"method="GET",route="/v1/modems/{name}",status="404""#, 1),
        (r#"method="GET",route="/readyz",status="503""#, 1),
        (r#"method="GET",route="/metrics",status="200""#, 1),
        (r#"method="other",route="other",status="404""#, 1),
        (r#"method="other",route="other",status="405""#, 1),
    ] {
        let line = format!("smsotp_api_requests_total{{{labels}}} {count}\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("nobody") && !metrics.contains("791234567"), "{metrics}");
}

#[tokio::test]
async fn the_inbox_is_paged_and_emptied() {
    let api = served();
    let at = Timestamp::from_millis(1_800_000_000_000);
    let text = InboxView {
        id: IDS.next(Now::agreed(at).steady()),
        from: Sender::new(NUMBER.to_owned()),
        modem: "stick1".to_owned(),
        received_at: at,
        sent_at: None,
        parts: 3,
        missing: vec![2],
        content: Content::Text,
        class: Some(0),
        ports: None,
        text: Some(Secret::new("one […] three".to_owned())),
        data: None,
    };
    let data = InboxView {
        id: IDS.next(Now::agreed(at).steady()),
        content: Content::Data,
        missing: Vec::new(),
        class: None,
        ports: Some((5000, 80)),
        text: None,
        data: Some(Secret::new(vec![0x0a, 0xff])),
        ..text.clone()
    };
    let [first, second] = [&text, &data].map(|v| v.id.to_string());
    api.fake.state.lock().unwrap().inbox.extend([(text.id, text.clone()), (data.id, data)]);
    let page: Value = api.call(Call::get("/v1/inbox?limit=1")).await.parse().unwrap();
    assert_eq!(
        page,
        json!({"messages": [{"id": second, "kind": "data", "from": NUMBER, "data": "0AFF", "modem": "stick1",
            "received_at": "2027-01-15T08:00:00.000Z", "parts": 3, "ports": {"destination": 5000, "source": 80}}],
            "next_cursor": second})
    );
    let page: Value = api.call(Call::get(format!("/v1/inbox?cursor={second}"))).await.parse().unwrap();
    assert_eq!(
        page,
        json!({"messages": [{"id": first, "kind": "text", "from": NUMBER, "text": "one […] three",
            "modem": "stick1", "received_at": "2027-01-15T08:00:00.000Z", "parts": 3, "missing": [2],
            "class": 0}]})
    );
    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=msg_1"] {
        refused(&api.call(Call::get(format!("/v1/inbox?{wrong}"))).await, 400, "invalid_request");
    }
    let deleted: Value = api.call(Call::delete(format!("/v1/inbox/{first}"))).await.parse().unwrap();
    assert_eq!(deleted["text"], "one […] three");
    refused(&api.call(Call::delete(format!("/v1/inbox/{first}"))).await, 404, "not_found");
    refused(&api.call(Call::delete("/v1/inbox/msg_1")).await, 404, "not_found");
    assert_eq!(format!("{:?}", wire::InboxMessage::from(&text)), format!("InboxMessage({first} text)"));
}

#[tokio::test]
async fn opt_outs_are_an_operators() {
    let admin = Client {
        name: "ops".to_owned(),
        matcher: Matcher::Uid(rustix::process::geteuid().as_raw()),
        may: vec![Right::Admin],
        services: None,
    };
    let api = served_within(Limits::default(), Access::new(vec![admin]));
    let path = format!("/v1/opt-outs/{NUMBER}");
    let added: Value = api.call(Call::put(&path)).await.parse().unwrap();
    assert_eq!(added, json!({"phone": NUMBER, "since": "2027-01-15T08:00:00.000Z"}));
    let list: Value = api.call(Call::get("/v1/opt-outs")).await.parse().unwrap();
    assert_eq!(list, json!({"opt_outs": [added]}));
    refused(&api.call(Call::put("/v1/opt-outs/0791234567")).await, 422, "invalid_number");
    refused(&api.call(Call::get("/v1/opt-outs?cursor=zz")).await, 400, "invalid_request");
    assert_eq!(api.call(Call::delete(&path)).await.status, 200);
    refused(&api.call(Call::delete(&path)).await, 404, "not_found");
}
