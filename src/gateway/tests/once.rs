//! `Idempotency-Key`: what was made before is given again, whatever has changed since, and for every way to write the
//! same body. And what a request may bring at most.

use super::*;
use crate::outbox::MessageStatus;

fn keyed(to: &str) -> IssueRequest {
    IssueRequest { idempotency_key: Some("k1".to_owned()), ..request(to) }
}

fn keyed_text(to: &str) -> SendRequest {
    SendRequest { idempotency_key: Some("k2".to_owned()), ..text(to, "x") }
}

#[tokio::test]
async fn what_was_made_is_given_again_whatever_has_changed() {
    const TO: &str = "+41791234567";
    let world = World::with(0, renewing(settings()), Store::in_memory(), Clock::manual(START)).await;
    let caller = Caller::default();
    let (v, _) = world.gateway.issue(&caller, keyed(TO)).await.unwrap();
    let (m, _) = world.gateway.send(&caller, keyed_text(TO)).await.unwrap();
    let again = async || {
        let (again, replayed) = world.gateway.issue(&caller, keyed(TO)).await.unwrap();
        assert_eq!((again.id, replayed), (v.id, true));
        let (again, replayed) = world.gateway.send(&caller, keyed_text(TO)).await.unwrap();
        assert_eq!((again.id, replayed), (m.id, true));
    };
    let refused = async |error: GatewayError| {
        let fresh = world.gateway.issue(&caller, request(TO)).await.unwrap_err();
        assert_eq!(fresh, error);
    };

    world.gateway.reload(Settings { max_pending: 2, ..settings() });
    refused(GatewayError::QueueFull).await;
    again().await;

    let limits = Limits { deny_prefixes: vec!["+41".to_owned()], ..settings().limits };
    world.gateway.reload(Settings { limits, ..settings() });
    assert!(matches!(
        world.gateway.issue(&caller, request(TO)).await.unwrap_err(),
        GatewayError::DestinationBlocked(_)
    ));
    again().await;

    world.gateway.reload(Settings { services: BTreeMap::new(), ..settings() });
    refused(GatewayError::UnknownService).await;
    again().await;

    world.gateway.reload(settings());
    world.gateway.stop();
    refused(GatewayError::ShuttingDown).await;
    again().await;
    // The same key with another body is no replay, then as well.
    let other = keyed("+41791234568");
    assert_eq!(world.gateway.issue(&caller, other).await.unwrap_err(), GatewayError::IdempotencyMismatch);
}

#[tokio::test]
async fn a_replay_shows_a_client_nothing_that_it_may_not_see_any_more() {
    let world = World::new(0).await;
    let client = |services: Option<&[&str]>| Caller {
        client: Some("web".to_owned()),
        services: services.map(|s| s.iter().map(|s| (*s).to_owned()).collect()),
        ..Caller::default()
    };
    world.gateway.issue(&client(None), keyed("+41791234567")).await.unwrap();
    let again = world.gateway.issue(&client(Some(&["pay"])), keyed("+41791234567")).await;
    assert_eq!(again.unwrap_err(), GatewayError::Hidden("verification"));
}

#[tokio::test]
async fn what_is_left_out_and_what_says_the_default_are_one_body() {
    let world = World::new(0).await;
    let caller = Caller::default();
    let (v, _) = world.gateway.issue(&caller, keyed("+41791234567")).await.unwrap();
    let named = IssueRequest {
        service: Some("default".to_owned()),
        locale: Some(String::new()),
        ..keyed("+41791234567")
    };
    let (again, replayed) = world.gateway.issue(&caller, named).await.unwrap();
    assert_eq!((again.id, replayed), (v.id, true));
    let other = IssueRequest { service: Some("pay".to_owned()), ..keyed("+41791234567") };
    assert_eq!(world.gateway.issue(&caller, other).await.unwrap_err(), GatewayError::IdempotencyMismatch);
}

#[tokio::test]
async fn values_have_names_and_an_end() {
    let mut world = World::new(1).await;
    let caller = Caller::default();
    let with = |name: &str, value: &str| IssueRequest {
        values: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..request("+41791234567")
    };
    let long = "n".repeat(65);
    for (name, value) in [
        ("", "x"),
        ("a b", "x"),
        ("name\u{1f}code", "x"),
        (&*long, "x"),
        ("name", "a\u{1f}b"),
        ("name", &*"v".repeat(201)),
    ] {
        let refused = world.gateway.issue(&caller, with(name, value)).await.unwrap_err();
        assert!(matches!(refused, GatewayError::InvalidRequest(_)), "{name:?} {value:?}: {refused}");
    }
    // Ten and eleven values of 200 octets, with their names.
    let many = |count: usize| IssueRequest {
        values: (0..count).map(|i| (format!("n{i:02}"), "é".repeat(100))).collect(),
        ..request("+41791234567")
    };
    let refused = world.gateway.issue(&caller, many(11)).await.unwrap_err();
    assert!(
        matches!(&refused, GatewayError::InvalidRequest(why) if why.contains("2048 octets")),
        "{refused}"
    );
    let (v, _) = world.gateway.issue(&caller, many(10)).await.unwrap();
    world.until(v.message.0, MessageStatus::Sent).await;
    // What was taken can be sent again.
    world.clock.advance(Duration::from_secs(60));
    world.gateway.resend(&caller, v.id, None).await.unwrap();
}

/// What a request had in it, a code among it, cannot be tried without the key; what an earlier version wrote counts.
#[tokio::test]
async fn the_digest_of_a_request_is_keyed() {
    use crate::store::{Idempotency, Records as _};
    let world = World::new(0).await;
    let caller = Caller::default();
    let (m, _) = world.gateway.send(&caller, keyed_text("+41791234567")).await.unwrap();
    let known = |view: &crate::store::View| view.idempotency("", "POST /v1/messages k2");
    let written = world.store.read(known).await.unwrap().unwrap().unwrap();
    let plain = {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        for field in ["+41791234567", "x", "false 0 false None None None"] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        <[u8; 32]>::from(hash.finalize())
    };
    assert_ne!(written.digest, plain);
    let before = Idempotency { digest: plain, ..written };
    let put = move |tx: &mut crate::store::Tx<'_>| tx.put_idempotency("", "POST /v1/messages k2", &before);
    world.store.transact(put).await.unwrap().unwrap();
    let (again, replayed) = world.gateway.send(&caller, keyed_text("+41791234567")).await.unwrap();
    assert_eq!((again.id, replayed), (m.id, true));
    let other = world.gateway.send(&caller, keyed_text("+41791234568")).await;
    assert_eq!(other.unwrap_err(), GatewayError::IdempotencyMismatch);
}
