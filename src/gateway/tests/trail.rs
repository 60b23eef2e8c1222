//! The trail: each change has its event, refusals are counted, and what is kept can be looked at as a whole.

use super::*;
use crate::store::EventRecords as _;
use crate::trail::{About, Audit};

impl World {
    /// Everything that is kept behind an event: the name of each, who asked, and the masked number.
    async fn trail(&self, after: u64) -> Vec<(String, Option<String>, String)> {
        let page = self.gateway.events(after, 1000).await.unwrap();
        let ids: Vec<_> = page.events.iter().map(|(id, _)| *id).collect();
        assert!(ids.windows(2).all(|two| two[1] == two[0] + 1), "{ids:?}");
        page.events.iter().map(|(_, event)| (event.name(), event.by.clone(), number_in(event))).collect()
    }

    async fn names(&self, after: u64) -> Vec<String> {
        self.trail(after).await.into_iter().map(|(name, ..)| name).collect()
    }

    async fn whole(&self) -> TrailView {
        let found = self.gateway.verify_events(None).await.unwrap();
        assert_eq!(found.fault, None);
        found
    }
}

fn number_in(event: &crate::trail::Event) -> String {
    match &event.about {
        About::Verification(v) => v.to.clone(),
        About::Message(m) => m.to.clone(),
        About::Audit(a) => a.to.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

fn web() -> Caller {
    Caller { client: Some("web".to_owned()), ..Caller::default() }
}

#[tokio::test]
async fn each_change_has_its_event_with_who_asked_and_a_masked_number() {
    let mut world = World::new(1).await;
    let (view, _) = world.gateway.issue(&web(), request("+41791234567")).await.unwrap();
    let code = code_of(&world.aired().await);
    world.until(view.message.0, MessageStatus::Sent).await;
    let check = async |code: &str| {
        let ops = Caller { client: Some("ops".to_owned()), reach: Reach::Changes, ..Caller::default() };
        world.gateway.check(&ops, view.id, CheckRequest::of(code)).await.unwrap().approved
    };
    assert!(!check(&wrong(&code)).await);
    assert!(check(&code).await);
    assert!(!check(&code).await, "refused, and not counted");
    world.at_rest().await;
    let by = |name: &str, by: &str| {
        let by = (!by.is_empty()).then(|| by.to_owned());
        (name.to_owned(), by, "+4179*****67".to_owned())
    };
    let wanted = [
        by("verification.pending", "web"),
        by("message.queued", "web"),
        by("message.sending", ""),
        by("message.sent", ""),
        by("verification.attempted", "ops"),
        by("verification.approved", "ops"),
        by("audit.not_compared", "ops"),
    ];
    assert_eq!(world.trail(0).await, wanted);
    assert_eq!((world.whole().await.first, world.whole().await.last), (1, 7));
    let told = format!("{:?}", world.gateway.events(0, 100).await.unwrap());
    assert!(!told.contains("1234567") && !told.contains(&code), "{told}");
}

#[tokio::test]
async fn the_trail_goes_on_over_a_restart_and_a_page_says_what_is_missing() {
    let (store, clock) = (Store::in_memory(), Clock::manual(START));
    let mut world = World::with(1, settings(), store.clone(), clock.clone()).await;
    let id = world.send("+41791234567").await;
    world.until(id, MessageStatus::Sent).await;
    world.at_rest().await;
    drop(world);
    let world = World::with(1, settings(), store, clock.clone()).await;
    assert_eq!(*world.gateway.newest_event().borrow(), 3);
    world.gateway.send(&Caller::default(), text("+41791234568", "x")).await.unwrap();
    world.at_rest().await;
    let all = ["message.queued", "message.sending", "message.sent"];
    assert_eq!(world.names(0).await, [all, all].concat());
    assert_eq!(world.names(4).await, &all[1..]);
    let page = |after, limit| world.gateway.events(after, limit);
    let ids = |page: &EventPage| page.events.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let old = page(1, 2).await.unwrap();
    assert_eq!((ids(&old), old.upto, old.gap), (vec![2, 3], 3, None), "from the store, page by page");
    let end = page(6, 9).await.unwrap();
    assert_eq!((ids(&end), end.upto, end.gap), (vec![], 6, None));
    let stranger = page(7_000, 9).await.unwrap();
    assert_eq!((ids(&stranger).len(), stranger.upto, stranger.gap), (6, 6, Some(Gap { missed: None })));
    // Another key: the chain is not whose it says.
    let other = Gateway::open(world.store.clone(), Key::from_bytes([8; 32]), clock, settings(), vec![]).await;
    let found = other.unwrap().verify_events(None).await.unwrap();
    assert!(found.fault.is_some_and(|fault| fault.contains("secret key")), "another key");
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_the_rest_still_verifies() {
    let settings = Settings { keep_events: Duration::from_secs(3600), ..settings() };
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    for n in 0..5 {
        let id = world.send(&format!("+4179123456{n}")).await;
        world.until(id, MessageStatus::Sent).await;
    }
    let before = world.whole().await;
    world.clock.advance(Duration::from_secs(3000));
    let late = world.send("+41791234569").await;
    world.until(late, MessageStatus::Sent).await;
    world.clock.advance(Duration::from_secs(1500));
    let forgotten = async {
        while world.whole().await.first == 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), forgotten).await.expect("they are forgotten");
    let found = world.whole().await;
    assert_eq!((found.first, found.last), (16, 18));
    let anchored = |id, hash: &str| {
        let mut octets = crate::trail::Hash::default();
        crate::hex::decode(hash.as_bytes(), &mut octets).unwrap();
        world.gateway.verify_events(Some((id, octets)))
    };
    assert_eq!(anchored(18, &found.hash).await.unwrap().fault, None);
    assert!(anchored(18, &before.hash).await.unwrap().fault.is_some(), "the hash of another event");
    assert!(anchored(19, &found.hash).await.unwrap().fault.is_some(), "an event that is not there any more");
    // Who is behind what is forgotten is told how much.
    let ends = world.store.read(crate::store::View::event_ends).await.unwrap().unwrap().unwrap().ends;
    assert_eq!((ends.first, ends.last), (16, 18));
    let fresh = World::with(1, super::settings(), world.store.clone(), world.clock.clone()).await;
    let page = fresh.gateway.events(5, 10).await.unwrap();
    assert_eq!((page.gap, page.upto, page.events.len()), (Some(Gap { missed: Some(10) }), 18, 3));
    world.clock.advance(Duration::from_secs(7200));
    world.at_rest().await;
    assert_eq!((world.whole().await.first, world.whole().await.last), (19, 18), "none is kept");
    let page = fresh.gateway.events(5, 10).await.unwrap();
    assert!(page.events.is_empty() || page.gap.is_some());
}

#[tokio::test]
async fn a_flood_of_refusals_is_two_events() {
    let mut settings = settings();
    settings.limits.per_number = vec!["1/1h".parse().unwrap()];
    let world = World::with(0, settings, Store::in_memory(), Clock::manual(START)).await;
    world.gateway.issue(&web(), request("+41791234567")).await.unwrap();
    for _ in 0..50 {
        world.gateway.issue(&web(), request("+41791234567")).await.unwrap_err();
    }
    world.at_rest().await;
    let page = world.gateway.events(2, 100).await.unwrap();
    let audit = |count| {
        let detail = "rate_limited: limits.per_number = \"1/1h\"".to_owned();
        About::Audit(Audit {
            action: "refused".to_owned(),
            to: Some("+4179*****67".to_owned()),
            detail,
            count,
        })
    };
    let abouts: Vec<_> = page.events.iter().map(|(_, event)| event.about.clone()).collect();
    assert_eq!(abouts, [audit(1)]);
    assert_eq!(page.events[0].1.by.as_deref(), Some("web"));
    world.clock.advance(Duration::from_secs(61));
    world.at_rest().await;
    let page = world.gateway.events(3, 100).await.unwrap();
    assert_eq!(page.events.iter().map(|(_, event)| event.about.clone()).collect::<Vec<_>>(), [audit(49)]);
}

#[tokio::test]
async fn a_modem_that_flaps_is_told_of_now_and_then() {
    let world = World::new(1).await;
    for _ in 0..100 {
        world.gateway.modem_changed("m0");
    }
    world.at_rest().await;
    let flaps = async || world.names(0).await.iter().filter(|name| *name == "modem.ready").count();
    assert_eq!(flaps().await, 20);
    world.clock.advance(Duration::from_secs(61));
    world.at_rest().await;
    assert_eq!(flaps().await, 21, "its last state is told in the end");
}
