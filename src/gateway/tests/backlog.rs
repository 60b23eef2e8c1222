//! Too many moves wait for the disk: clients are told to come back, and the daemon's own work waits for its turn.

use super::*;
use crate::store::StoreError;

#[tokio::test]
async fn a_worker_goes_on_after_too_many_moves_waited() {
    let mut world = World::new(1).await;
    let (sent, until) = oneshot::channel();
    locked(&world.modems[0].plan).push_back(Plan::Hold(until));
    let first = world.issue("+41791234567").await.unwrap();
    world.aired().await;
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let (entered, entering) = oneshot::channel();
    let blocked = world.store.begin(move |_| {
        entered.send(()).unwrap();
        hold.recv().unwrap();
    });
    entering.await.unwrap();
    // As many as the backlog takes.
    let waiting: Vec<_> = (0..1024).map(|_| world.store.begin(|_| ())).collect();
    assert!(matches!(world.issue("+41791234568").await, Err(GatewayError::QueueFull)));
    sent.send(()).unwrap();
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    for ticket in waiting.into_iter().chain([blocked]) {
        // An event of a modem may have a place as well.
        assert!(matches!(ticket.done().await, Ok(()) | Err(StoreError::Full)));
    }
    world.until(first.message.0, MessageStatus::Sent).await;
    world.issue("+41791234569").await.unwrap();
    assert_eq!(world.aired().await.to, "+41791234569");
}
