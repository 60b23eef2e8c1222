//! Server-sent events, and waits that they end.

use std::time::Duration;

use serde_json::Value;
use smsotpd::api::access::{Client, Matcher, Right};
use smsotpd::api::client::{Call, Events};
use smsotpd::api::{Access, Limits};
use smsotpd::gateway::{EventKind, MessageView, ModemState};
use smsotpd::outbox::MessageStatus;
use smsotpd::trail::Audit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::api_shown::modem;
use crate::api_support::{Served, eventually, raw, read_to_end, served, served_within};

async fn follow(api: &Served, after: Option<u64>) -> Events {
    api.client.events(after).await.unwrap().expect("everybody may read")
}

async fn next(events: &mut Events) -> (u64, String, Value) {
    let event = events.next().await.unwrap().expect("the stream goes on");
    (event.id.unwrap(), event.name, serde_json::from_str(&event.data).unwrap())
}

#[tokio::test]
async fn events_come_and_resume_where_they_were_left() {
    let api = served();
    let v = api.issue().await;
    let message: Vec<_> = api.fake.state.lock().unwrap().messages.keys().copied().collect();
    let mut events = follow(&api, None).await;
    api.fake.move_message(message[0], MessageStatus::Sending);
    api.fake.move_message(message[0], MessageStatus::Sent);
    let (id, name, data) = next(&mut events).await;
    assert_eq!((id, name.as_str()), (1, "message.sending"));
    assert_eq!((&data["type"], &data["id"]), (&Value::from("message.sending"), &Value::from(1)));
    assert_eq!(data["message"]["id"], v["message"]["id"]);
    assert!(data.get("verification").is_none());
    drop(events);

    api.fake.happen(EventKind::Modem(modem(ModemState::Recovering)));
    let view = api.fake.state.lock().unwrap().verifications.values().next().unwrap().clone();
    api.fake.happen(EventKind::Verification("approved", view.clone()));
    let mut events = follow(&api, Some(1)).await;
    api.fake.happen(EventKind::Verification("resent", view));
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (id, name, _) = next(&mut events).await;
        seen.push((id, name));
    }
    let wanted = ["message.sent", "modem.recovering", "verification.approved", "verification.resent"];
    assert_eq!(seen, (2..).zip(wanted.map(str::to_owned)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_bound_to_services_hears_of_its_own_codes_and_of_texts() {
    let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
    let services = Some(vec!["login".to_owned()]);
    let client = Client { name: "web".to_owned(), matcher, may: vec![Right::Issue, Right::Read], services };
    let api = served_within(Limits::default(), Access::new(vec![client]));
    api.issue().await;
    let view = api.fake.state.lock().unwrap().messages.values().next().unwrap().clone();
    let code = |service: Option<&str>| MessageView { service: service.map(str::to_owned), ..view.clone() };
    let text = MessageView { otp: false, ..code(None) };
    let mut events = follow(&api, None).await;
    for message in [code(Some("pay")), code(None), code(Some("login")), text] {
        api.fake.happen(EventKind::Message(message));
    }
    assert_eq!([next(&mut events).await.0, next(&mut events).await.0], [3, 4]);
    let audit = EventKind::Audit(Audit::denied("x".to_owned()));
    for by in [None, Some("other"), Some("web")] {
        api.fake.happen_to(by, audit.clone());
    }
    let (id, name, data) = next(&mut events).await;
    assert_eq!((id, name.as_str(), &data["client"]), (7, "audit.denied", &Value::from("web")));
}

#[tokio::test]
async fn a_follower_that_was_too_slow_catches_up() {
    let api = served();
    let mut events = follow(&api, None).await;
    api.fake.happen(EventKind::Modem(modem(ModemState::Ready)));
    assert_eq!(next(&mut events).await.0, 1);
    // Far more than the live channel holds, before the follower is polled again.
    for _ in 0..1000 {
        api.fake.happen(EventKind::Modem(modem(ModemState::Ready)));
    }
    for wanted in 2..=1001 {
        assert_eq!(next(&mut events).await.0, wanted);
    }
}

#[tokio::test]
async fn what_a_follower_misses_for_good_is_told() {
    let api = served();
    let happen = |count: usize| {
        for _ in 0..count {
            api.fake.happen(EventKind::Modem(modem(ModemState::Ready)));
        }
    };
    let gap = |missed: &str| (None, "gap".to_owned(), format!("{{\"type\":\"gap\"{missed}}}"));
    let told = async |events: &mut Events| {
        let event = events.next().await.unwrap().unwrap();
        (event.id, event.name, event.data)
    };
    // The follower has not been given any event when it falls behind what is remembered.
    let mut slow = follow(&api, None).await;
    happen(1000);
    api.fake.state.lock().unwrap().forgotten = 300;
    assert_eq!(told(&mut slow).await, gap(",\"missed\":300"));
    assert_eq!(next(&mut slow).await.0, 301);

    let mut late = follow(&api, Some(290)).await;
    assert_eq!(told(&mut late).await, gap(",\"missed\":10"));
    assert_eq!(next(&mut late).await.0, 301);
    let mut whole = follow(&api, Some(300)).await;
    assert_eq!(next(&mut whole).await.0, 301);

    let mut stranger = follow(&api, Some(5_000_000)).await;
    assert_eq!(told(&mut stranger).await, gap(""));
    assert_eq!(next(&mut stranger).await.0, 301, "nobody knows what it has seen: all that is kept comes");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive_and_ends_with_the_daemon() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let mut api = served_within(limits, Access::default());
    let mut stream = UnixStream::connect(&api.socket).await.unwrap();
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(": alive\n\n") {
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_buf(&mut text)).await;
        assert_ne!(read.expect("a sign of life comes").unwrap(), 0);
    }
    assert!(String::from_utf8_lossy(&text).contains("content-type: text/event-stream"));
    api.begin_to_stop();
    assert!(read_to_end(&mut stream).await.ends_with("0\r\n\r\n"), "the stream ends whole");
    (&mut api.server).await.unwrap().unwrap();
    eventually("the subscription is gone", || api.fake.followers() == 0).await;
}

#[tokio::test]
async fn a_stream_says_where_it_begins_and_the_header_goes_before_the_address() {
    let api = served();
    for _ in 0..5 {
        api.fake.happen(EventKind::Modem(modem(ModemState::Ready)));
    }
    assert_eq!(follow(&api, None).await.begin().await.unwrap(), Some(5));
    let first = async |call: Call| {
        let mut pieces = api.client.download(call).await.unwrap().expect("everybody may read");
        let mut text = String::new();
        while !text.contains("data: ") {
            text.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
        }
        let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
        ids.iter().take(2).map(|id| id.parse().unwrap()).collect::<Vec<u64>>()
    };
    let since = || Call::get("/v1/events?since=2");
    assert_eq!(first(since()).await, [2, 3]);
    assert_eq!(first(since().header("last-event-id", "3")).await, [3, 4]);
    assert_eq!(first(Call::get("/v1/events?since=0")).await, [0, 1]);
    assert_eq!(api.call(Call::get("/v1/events?since=x")).await.status, 400);
}

#[tokio::test]
async fn last_event_id_must_be_one() {
    let api = served();
    let answer = raw(
        &api.socket,
        b"GET /v1/events HTTP/1.1\r\nhost: x\r\nlast-event-id: seven\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_wait_ends_with_the_message_or_with_its_span() {
    let api = served();
    let v = api.issue().await;
    let id = *api.fake.state.lock().unwrap().messages.keys().next().unwrap();
    for path in [format!("/v1/messages/{id}"), format!("/v1/verifications/{}", v["id"].as_str().unwrap())] {
        api.fake.move_message(id, MessageStatus::Queued);
        let unchanged: Value = api.call(Call::get(format!("{path}?wait=10ms"))).await.parse().unwrap();
        let status = |body: &Value| body["message"].get("status").unwrap_or(&body["status"]).clone();
        assert_eq!(status(&unchanged), "queued");
        let client = api.client.clone();
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { client.call(Call::get(path).wait(Duration::from_secs(60))).await }
        });
        eventually("it waits", || api.fake.followers() == 1).await;
        api.fake.happen(EventKind::Modem(modem(ModemState::Busy)));
        api.fake.move_message(id, MessageStatus::Sending);
        assert!(!waiting.is_finished());
        api.fake.move_message(id, MessageStatus::Sent);
        assert_eq!(status(&waiting.await.unwrap().unwrap().parse().unwrap()), "sent");
        let already: Value = api.call(Call::get(&path).wait(Duration::from_secs(60))).await.parse().unwrap();
        assert_eq!(status(&already), "sent");
        let wrong = api.call(Call::get(format!("{path}?wait=soon"))).await;
        assert_eq!(wrong.status, 400);
    }
}
