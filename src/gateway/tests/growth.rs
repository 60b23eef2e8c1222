//! Much waits: what a start takes up, and what ends together.

use super::*;
use crate::clock::Now;
use crate::store::Records as _;

#[tokio::test]
async fn of_a_long_queue_nothing_is_sent_before_all_of_it_is_there() {
    const LONG: usize = 20_600;
    let mut settings = settings();
    settings.max_pending = LONG * 2;
    let world = World::with(0, settings.clone(), Store::in_memory(), Clock::manual(START)).await;
    let id = world.send("+41791234567").await;
    world.gateway.stop();
    let m =
        world.store.read(move |view| view.message(id)).await.unwrap().unwrap().expect("it was sent just now");
    let start = Now::agreed(START).steady();
    for some in (1..LONG as u64).collect::<Vec<_>>().chunks(500).map(<[_]>::to_vec) {
        let m = m.clone();
        let fill = world.store.transact(move |tx| {
            let key = Key::from_bytes([9; 32]);
            some.into_iter().try_for_each(|n| {
                let id = MessageId::first_at(start.minus(Duration::from_millis(n)));
                let body = Some(key.seal(&id.to_bytes(), b"hello"));
                // The newest one was on the air.
                let (status, modem) = match n {
                    1 => (MessageStatus::Sending, Some("m0".to_owned())),
                    _ => (MessageStatus::Queued, None),
                };
                tx.put_message(&Message { id, status, modem, body, ..m.clone() })
            })
        });
        fill.await.unwrap().unwrap();
    }
    // One alone is sent as long as the clock stands.
    let rules = ModemRules { max_per_minute: Some(1), ..ModemRules::default() };
    settings.modems.insert("m0".to_owned(), rules);
    let mut again = World::with(1, settings, world.store.clone(), world.clock.clone()).await;
    assert!(again.gateway.status().queue.text >= 19_999, "it serves");
    again.aired().await;
    let queue = again.gateway.status().queue;
    assert!(queue.text + queue.sending >= LONG - 1, "{queue:?}");
    assert_eq!(*locked(&again.modems[0].expects_late), 1, "what was on the air may be answered late");
}

#[tokio::test]
async fn what_ran_out_while_the_daemon_did_not_run_ends() {
    let world = World::new(0).await;
    let mut issued = Vec::new();
    for n in 0..150 {
        let view = world.issue(&format!("+4179{:07}", n * 1000)).await.unwrap();
        issued.push(view.id);
    }
    world.gateway.stop();
    world.at_rest().await;
    world.clock.advance(Duration::from_secs(3600));
    let again = World::with(0, settings(), world.store.clone(), world.clock.clone()).await;
    let before = (Now::agreed(START).steady(), VerificationId::first_at(Now::agreed(START).steady()));
    let all_ended = async {
        let pending = || again.store.read(move |view| view.pending_verifications(before, 9));
        while !pending().await.unwrap().unwrap().is_empty() {
            again.at_rest().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_ended).await.expect("all of them end");
    let read = again.store.read(move |view| {
        let found = issued.into_iter().map(|id| view.verification(id));
        found.collect::<Result<Option<Vec<_>>, _>>()
    });
    let found = read.await.unwrap().unwrap().unwrap();
    assert!(found.iter().all(|v| v.status == VerificationStatus::Expired));
}
