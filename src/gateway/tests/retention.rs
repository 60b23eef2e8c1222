//! What is over is forgotten in time, and not before whoever may ask for it again has asked.

use super::*;
use crate::clock::Now;
use crate::otp::{Code, Policy, Verification};
use crate::phone::PhoneNumber;
use crate::store::{Memory, Records as _, Tx, View};

/// Forgets everything after `keep`.
async fn forgetful(keep: Duration) -> World {
    let settings = Settings { keep_verifications: keep, keep_messages: keep, keep_inbox: keep, ..settings() };
    World::with(1, settings, Store::in_memory(), Clock::manual(START)).await
}

impl World {
    async fn forgets(&self, id: MessageId) {
        let gone = async {
            while self.gateway.message(&Caller::default(), id).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it is forgotten");
    }

    async fn sent_to(&mut self, to: &str) -> MessageId {
        let (m, _) = self.gateway.send(&Caller::default(), text(to, "x")).await.unwrap();
        self.until(m.id, MessageStatus::Sent).await;
        m.id
    }
}

#[tokio::test]
async fn a_short_retention_is_kept_to_the_minute() {
    let mut world = forgetful(Duration::from_secs(60)).await;
    let id = world.sent_to("+41791234567").await;
    world.clock.advance(Duration::from_secs(121));
    world.forgets(id).await;
    // A longer one, set while it runs, holds from now on; so does the short one again.
    world.gateway.reload(settings());
    let id = world.sent_to("+41791234567").await;
    world.clock.advance(Duration::from_secs(1800));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(world.gateway.message(&Caller::default(), id).await.is_ok());
    world.gateway.reload(Settings { keep_messages: Duration::from_secs(60), ..settings() });
    world.forgets(id).await;
}

#[tokio::test]
async fn what_an_idempotency_key_names_stays_as_long_as_the_key() {
    let mut world = forgetful(Duration::from_secs(60)).await;
    let caller = Caller::default();
    let key = Some("k1".to_owned());
    let issue = IssueRequest { idempotency_key: key.clone(), ..request("+41791234567") };
    let send = SendRequest { idempotency_key: Some("k2".to_owned()), ..text("+41791234567", "x") };
    let (code, _) = world.gateway.issue(&caller, issue.clone()).await.unwrap();
    world.until(code.message.0, MessageStatus::Sent).await;
    let (message, _) = world.gateway.send(&caller, send.clone()).await.unwrap();
    world.until(message.id, MessageStatus::Sent).await;
    let other = world.sent_to("+41791234567").await;
    for hours in [1, 22] {
        world.clock.advance(Duration::from_hours(hours));
        world.forgets(other).await;
        let (again, replayed) = world.gateway.issue(&caller, issue.clone()).await.unwrap();
        assert_eq!(
            (again.id, again.message, replayed),
            (code.id, (code.message.0, MessageStatus::Sent), true)
        );
        let (again, replayed) = world.gateway.send(&caller, send.clone()).await.unwrap();
        assert_eq!((again.id, replayed), (message.id, true));
    }
    world.clock.advance(Duration::from_hours(2));
    world.forgets(message.id).await;
    world.forgets(code.message.0).await;
    assert!(world.gateway.verification(&caller, code.id).await.is_err());
    let (again, replayed) = world.gateway.issue(&caller, issue).await.unwrap();
    assert!(!replayed && again.id != code.id);
}

#[tokio::test]
async fn old_records_are_forgotten() {
    let mut world = World::new(1).await;
    let view = world.issue("+41791234567").await.unwrap();
    let code = code_of(&world.aired().await);
    world.until(view.message.0, MessageStatus::Sent).await;
    assert!(world.check(view.id, &code).await.approved);
    world.clock.advance(Duration::from_hours(24 * 8));
    let gone = async {
        while world.gateway.message(&Caller::default(), view.message.0).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    let missing = world.gateway.verification(&Caller::default(), view.id).await.unwrap_err();
    assert_eq!(missing, GatewayError::NotFound("verification"));
}

#[tokio::test(start_paused = true)]
async fn old_records_go_faster_than_a_thousand_a_second() {
    let store = Store::over(Arc::new(Memory::default()), Duration::from_millis(3));
    store.unlock(&Key::from_bytes([9; 32])).await.unwrap();
    let fill = |tx: &mut Tx<'_>, from: u64| {
        let old = START.minus(Duration::from_hours(72));
        (from..from + 1000).try_for_each(|n| {
            let (key, now) = (Key::from_bytes([9; 32]), Now::agreed(old.plus(Duration::from_millis(n))));
            let to: PhoneNumber = format!("+4179{n:07}").parse().expect("a number");
            let (id, message) = (VerificationId::first_at(now.steady()), MessageId::first_at(now.steady()));
            let hash = Code::restored("123456".to_owned()).hash(&key, id, "default", &to);
            let (service, policy) = ("default".to_owned(), Policy::default());
            let v = Verification::new(id, service, to, None, &policy, now, hash, None, message);
            tx.put_verification(&v)?;
            tx.put_verification(&Verification { status: VerificationStatus::Cancelled, ..v })
        })
    };
    for from in (0..20_000).step_by(1000) {
        store.transact(move |tx| fill(tx, from)).await.unwrap().unwrap();
    }
    let world = World::with(0, settings(), store, Clock::simulated(START)).await;
    let left = |view: &View| view.verifications(usize::MAX, None, |_| true).unwrap().len();
    assert_eq!(world.store.read(left).await.unwrap(), 20_000);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.store.read(left).await.unwrap(), 0);
}
