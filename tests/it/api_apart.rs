//! Attacks of one client on another, on every route: what another client made is answered as what nobody made.
//!
//! The clients share one gateway. Each has a socket of its own on which this process is that client, since a process
//! has one user. `tests/it/daemon_clients.rs` has clients of different users.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsotpd::api::access::{Access, Client, Matcher, Right};
use smsotpd::api::client::{Call, Client as Http, Reply};
use smsotpd::api::{Limits, Listener, ROUTES, serve_within};
use smsotpd::clock::Clock;
use smsotpd::gateway::{Gateway, Settings};
use smsotpd::otp;
use smsotpd::secret::Key;
use smsotpd::store::Store;

const NUMBER: &str = "+41791234567";
/// A number of which nobody has anything.
const UNKNOWN: &str = "+41791234568";
/// Well-formed ids of which there is nothing.
const NO_VERIFICATION: &str = "ver_01arz3ndektsv4rrffq69g5fav";
const NO_MESSAGE: &str = "msg_01arz3ndektsv4rrffq69g5fav";

/// What an application has that sends codes and texts.
const APPLICATION: [Right; 3] = [Right::Issue, Right::Check, Right::Send];

/// One gateway without a modem, so that what is queued stays queued.
struct Shared {
    gateway: Gateway,
    dir: tempfile::TempDir,
}

impl Shared {
    async fn new() -> Self {
        let limits = otp::Limits { per_number: Vec::new(), per_prefix: Vec::new(), ..otp::Limits::default() };
        let mut pay = Settings::default().services["default"].clone();
        // Each code is a new one, at any time.
        (pay.policy.cooldown, pay.policy.on_reissue) = (Duration::ZERO, otp::OnReissue::New);
        let settings = Settings {
            clients: ["web", "shop"].map(str::to_owned).to_vec(),
            limits,
            pumping: otp::Pumping::off(),
            services: BTreeMap::from([("default".to_owned(), pay.clone()), ("pay".to_owned(), pay)]),
            ..Settings::default()
        };
        let store = Store::in_memory();
        let key = Key::from_bytes([7; 32]);
        let gateway = Gateway::open(store, key, Clock::system(), settings, Vec::new()).await.unwrap();
        Self { gateway, dir: tempfile::tempdir().unwrap() }
    }

    /// A socket on which this process is served so.
    fn served(&self, name: &str, access: Access) -> Http {
        let socket = self.dir.path().join(name);
        let listener = Listener::bind(&socket, 0o600, None).unwrap();
        let gateway = Arc::new(self.gateway.clone());
        tokio::spawn(serve_within(Limits::default(), listener, gateway, access, std::future::pending()));
        Http::new(socket).with_timeout(Duration::from_secs(20))
    }

    fn client(&self, name: &str, may: &[Right]) -> Http {
        let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
        let client = Client { name: name.to_owned(), matcher, may: may.to_vec(), services: None };
        self.served(name, Access::new(vec![client]))
    }

    fn operator(&self) -> Http {
        let of_another = Client {
            name: "nobody".to_owned(),
            matcher: Matcher::Uid(u32::MAX - 1),
            may: Right::ALL.to_vec(),
            services: None,
        };
        let own = rustix::process::geteuid().as_raw();
        self.served("operator", Access::new(vec![of_another]).with_operators(vec![own]))
    }
}

async fn ask(client: &Http, call: Call) -> Reply {
    client.call(call).await.unwrap()
}

async fn done(client: &Http, call: Call, status: u16) -> Value {
    let reply = ask(client, call).await;
    let body: Value = reply.parse().unwrap();
    assert_eq!(reply.status.as_u16(), status, "{body}");
    body
}

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap().to_owned()
}

fn issue() -> Call {
    Call::post("/v1/verifications").json(json!({"to": NUMBER}))
}

fn text() -> Call {
    Call::post("/v1/messages").json(json!({"to": NUMBER, "text": "The door is open."}))
}

fn by_number(to: &str) -> Call {
    Call::post("/v1/check").json(json!({"to": to, "code": "000000"}))
}

/// What web made: a verification, its message, and a text.
struct Made {
    verification: Value,
    code: String,
    text: Value,
}

impl Made {
    async fn by(client: &Http) -> Self {
        let verification = done(client, issue(), 201).await;
        let code = id(&verification["message"]);
        Self { verification, code, text: done(client, text(), 202).await }
    }

    /// Each request that names one of the things, and the same one about a thing that does not exist.
    fn attacks(&self) -> Vec<(String, Call, Call)> {
        let both = |method: &str, path: &str, id: &str, none: &str, body: Option<Value>| {
            let call = |id: &str| {
                let path = path.replace("{id}", id);
                let call = match method {
                    "GET" => Call::get(path),
                    "DELETE" => Call::delete(path),
                    _ => Call::post(path),
                };
                body.clone().map_or(call.clone(), |body| call.json(body))
            };
            (format!("{method} {path}"), call(id), call(none))
        };
        let mut attacks = Vec::new();
        let v = id(&self.verification);
        for (method, path) in [
            ("GET", "/v1/verifications/{id}"),
            ("GET", "/v1/verifications/{id}?wait=1s"),
            ("DELETE", "/v1/verifications/{id}"),
            ("POST", "/v1/verifications/{id}/resend"),
        ] {
            attacks.push(both(method, path, &v, NO_VERIFICATION, None));
        }
        let guess = Some(json!({"code": "000000"}));
        attacks.push(both("POST", "/v1/verifications/{id}/check", &v, NO_VERIFICATION, guess));
        for message in [&self.code, &id(&self.text)] {
            for (method, path) in [
                ("GET", "/v1/messages/{id}"),
                ("GET", "/v1/messages/{id}?wait=1s"),
                ("DELETE", "/v1/messages/{id}"),
            ] {
                attacks.push(both(method, path, message, NO_MESSAGE, None));
            }
        }
        attacks
    }

    /// That nothing was changed or counted.
    async fn is_as_it_was(&self, client: &Http) {
        let now = done(client, Call::get(format!("/v1/verifications/{}", id(&self.verification))), 200).await;
        assert_eq!(now, self.verification);
        let now = done(client, Call::get(format!("/v1/messages/{}", id(&self.text))), 200).await;
        assert_eq!(now, self.text);
    }
}

#[tokio::test]
async fn what_another_client_made_is_answered_as_what_nobody_made() {
    let shared = Shared::new().await;
    let (web, shop) = (shared.client("web", &APPLICATION), shared.client("shop", &APPLICATION));
    let made = Made::by(&web).await;
    for (what, other, none) in made.attacks() {
        let (other, none) = (ask(&shop, other).await, ask(&shop, none).await);
        assert_eq!(other.status, 404, "{what}");
        assert_eq!((other.status, &other.body), (none.status, &none.body), "{what}");
    }
    let (other, none) = (ask(&shop, by_number(NUMBER)).await, ask(&shop, by_number(UNKNOWN)).await);
    assert_eq!((other.status.as_u16(), &other.body), (404, &none.body));
    made.is_as_it_was(&web).await;
    // Every route with an id is attacked above.
    let named: Vec<_> = made.attacks().into_iter().map(|(what, ..)| what).collect();
    for route in ROUTES.iter().filter(|route| route.path.contains("{id}") && !route.path.contains("inbox")) {
        let what = format!("{} {}", route.method, route.path);
        assert!(named.contains(&what), "{what} is not attacked");
    }
}

#[tokio::test]
async fn listings_and_cursors_show_a_client_what_it_made() {
    let shared = Shared::new().await;
    let (web, shop) = (shared.client("web", &APPLICATION), shared.client("shop", &APPLICATION));
    let first = Made::by(&shop).await;
    let made = Made::by(&web).await;
    let last = Made::by(&shop).await;
    let own = [id(&last.verification), id(&first.verification)];
    let to = "to=%2B41791234567";
    for query in ["limit=10", to, "service=default"] {
        let page = done(&shop, Call::get(format!("/v1/verifications?{query}")), 200).await;
        let found: Vec<_> = page["verifications"].as_array().unwrap().iter().map(id).collect();
        assert_eq!((found, page.get("next_cursor")), (own.to_vec(), None), "{query}");
    }
    let pending = done(&shop, Call::get("/v1/verifications?status=pending"), 200).await;
    assert_eq!(id(&pending["verifications"][0]), id(&last.verification), "the older one was replaced");
    let empty = done(&shop, Call::get("/v1/verifications?status=approved"), 200).await;
    assert_eq!(empty, json!({"verifications": []}));
    // A page is full of its own things, and the cursor is one of them.
    let page = done(&shop, Call::get("/v1/verifications?limit=1"), 200).await;
    assert_eq!(page["next_cursor"], id(&last.verification));
    let next = format!("/v1/verifications?limit=1&cursor={}", id(&last.verification));
    let page = done(&shop, Call::get(next), 200).await;
    assert_eq!((id(&page["verifications"][0]), page.get("next_cursor")), (id(&first.verification), None));
    // The id of another client's thing as a cursor says no more than any other id of that time.
    let cursor = format!("/v1/verifications?cursor={}", id(&made.verification));
    let page = done(&shop, Call::get(cursor), 200).await;
    assert_eq!(page["verifications"].as_array().unwrap().len(), 1);
    let page = done(&shop, Call::get("/v1/messages?limit=10"), 200).await;
    let found: Vec<_> = page["messages"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(found, [id(&last.text), last.code, id(&first.text), first.code]);
}

#[tokio::test]
async fn an_idempotency_key_gives_nothing_of_another_client() {
    let shared = Shared::new().await;
    let (web, shop) = (shared.client("web", &APPLICATION), shared.client("shop", &APPLICATION));
    let keyed = |call: Call| call.header("idempotency-key", "signup-4711");
    let of_web = done(&web, keyed(issue()), 201).await;
    // The same key is new here, with the same body and with another one.
    let of_shop = done(&shop, keyed(issue()), 201).await;
    assert_ne!(id(&of_web), id(&of_shop));
    let third = shared.client("third", &APPLICATION);
    done(&third, keyed(text()), 202).await;
    assert_eq!(done(&web, keyed(issue()), 200).await, of_web);
}

#[tokio::test]
async fn a_check_by_number_is_against_the_newest_of_the_client_that_asks() {
    let shared = Shared::new().await;
    let (web, shop) = (shared.client("web", &APPLICATION), shared.client("shop", &APPLICATION));
    let (of_web, of_shop) = (done(&web, issue(), 201).await, done(&shop, issue(), 201).await);
    for (client, made) in [(&web, &of_web), (&shop, &of_shop)] {
        let check = Call::post("/v1/check").json(json!({"to": NUMBER, "code": "000000"}));
        let checked = done(client, check, 200).await;
        assert_eq!((id(&checked), &checked["attempts_left"]), (id(made), &json!(4)));
    }
}

#[tokio::test]
async fn a_reader_sees_everything_and_changes_nothing() {
    let shared = Shared::new().await;
    let (web, monitor) = (shared.client("web", &APPLICATION), shared.client("monitor", &Right::ALL));
    let made = Made::by(&web).await;
    let mut events = monitor.events(Some(0)).await.unwrap().expect("a stream");
    let mut seen = 0;
    while seen < 3 {
        let event = events.next().await.unwrap().expect("the stream goes on");
        let event: Value = serde_json::from_str(&event.data).unwrap();
        seen += u64::from(event.get("verification").or(event.get("message")).is_some());
    }
    for (what, call, _) in made.attacks() {
        let reply = ask(&monitor, call).await;
        if what.starts_with("GET") {
            assert_eq!(reply.status, 200, "{what}");
        } else {
            let problem = reply.problem().unwrap();
            assert_eq!((problem.status, problem.code.as_str()), (404, "not_found"), "{what}");
            assert!(problem.detail.contains("another client made it"), "{what}: {}", problem.detail);
        }
    }
    let page = done(&monitor, Call::get("/v1/verifications"), 200).await;
    assert_eq!(page["verifications"], json!([made.verification]));
    let check = Call::post("/v1/check").json(json!({"to": NUMBER, "code": "000000"}));
    assert_eq!(ask(&monitor, check).await.status, 404);
    assert_eq!(ask(&web, Call::get("/v1/events")).await.status, 403);
    made.is_as_it_was(&web).await;
}

#[tokio::test]
async fn an_operator_changes_everything_and_has_every_right() {
    let shared = Shared::new().await;
    let (web, root) = (shared.client("web", &APPLICATION), shared.operator());
    let made = Made::by(&web).await;
    let path = format!("/v1/verifications/{}", id(&made.verification));
    let guess = Call::post(format!("{path}/check")).json(json!({"code": "000000"}));
    assert_eq!(done(&root, guess, 200).await["attempts_left"], 4);
    assert_eq!(
        done(&root, Call::delete(format!("/v1/messages/{}", id(&made.text))), 200).await["status"],
        "cancelled"
    );
    assert_eq!(done(&root, Call::delete(&path), 200).await["status"], "cancelled");
    assert_eq!(done(&root, Call::put("/v1/opt-outs/%2B41791234568"), 200).await["phone"], UNKNOWN);
    // What root makes without being a client is no client's.
    let of_root = done(&root, issue(), 201).await;
    assert_eq!(ask(&web, Call::get(format!("/v1/verifications/{}", id(&of_root)))).await.status, 404);
}

#[tokio::test]
async fn who_asks_for_what_another_client_made_is_in_the_trail() {
    let shared = Shared::new().await;
    let (web, shop) = (shared.client("web", &APPLICATION), shared.client("shop", &APPLICATION));
    let monitor = shared.client("monitor", &Right::ALL);
    let made = Made::by(&web).await;
    let mut events = monitor.events(Some(0)).await.unwrap().expect("a stream");
    let path = |id: &str| Call::get(format!("/v1/verifications/{id}"));
    assert_eq!(ask(&shop, path(NO_VERIFICATION)).await.status, 404, "which is nobody's, and no denial");
    assert_eq!(ask(&shop, path(&id(&made.verification))).await.status, 404);
    assert_eq!(ask(&shop, by_number(UNKNOWN)).await.status, 404, "nor is this a denial");
    assert_eq!(ask(&shop, by_number(NUMBER)).await.status, 404);
    for what in ["GET /v1/verifications/{id}", "POST /v1/check"] {
        let denied = loop {
            let event = events.next().await.unwrap().expect("the stream goes on");
            if event.name == "audit.denied" {
                break serde_json::from_str::<Value>(&event.data).unwrap();
            }
        };
        assert_eq!((&denied["client"], &denied["audit"]["count"]), (&json!("shop"), &json!(1)));
        assert_eq!(denied["audit"]["detail"], format!("{what} is about what another client made"));
    }
}

/// An answer that took longer for what another client made would tell that it exists.
#[tokio::test]
async fn what_is_hidden_takes_as_long_as_what_is_not_there() {
    let shared = Shared::new().await;
    let (web, shop) = (shared.client("web", &APPLICATION), shared.client("shop", &APPLICATION));
    let made = Made::by(&web).await;
    let took = async |call: Call| {
        let begun = Instant::now();
        ask(&shop, call).await;
        begun.elapsed()
    };
    let median = |mut spans: Vec<Duration>| {
        spans.sort_unstable();
        spans[spans.len() / 2]
    };
    let number = ("POST /v1/check".to_owned(), by_number(NUMBER), by_number(UNKNOWN));
    for (what, other, none) in made.attacks().into_iter().chain([number]) {
        let (mut hidden, mut missing) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            hidden.push(took(other.clone()).await);
            missing.push(took(none.clone()).await);
        }
        let (hidden, missing) = (median(hidden), median(missing));
        let near = Duration::from_millis(2);
        assert!(
            hidden < 2 * missing + near && missing < 2 * hidden + near,
            "{what}: {hidden:?}, {missing:?}"
        );
    }
}
