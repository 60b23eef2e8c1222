//! What a durable commit costs, beside a bare loop that appends 300 octets and calls `fdatasync`.
//!
//! `cargo bench --bench store_commit [DIR]`: DIR is on the disk to be measured (default: `target`). This is
//! not a test: it prints and judges nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smsotpd::clock::{Life, Now, Timestamp};
use smsotpd::id::MessageId;
use smsotpd::outbox::{End, Event, Kind, Ledger, Message, MessageStatus, Retry, step};
use smsotpd::secret::{Key, Sealed};
use smsotpd::store::{Options, Records as _, Store};

const COMMITS: u32 = 3000;

fn main() {
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-')).map(PathBuf::from);
    let dir = wanted.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"));
    let dir = tempfile::tempdir_in(dir).expect("the folder can be written");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for round in 1..=3 {
        println!("round {round}");
        let bare = bare(dir.path());
        report("append 300 octets, fdatasync", &bare, None);
        let store =
            Store::open(&dir.path().join(format!("store{round}")), &Options::default()).expect("a store");
        runtime.block_on(store.unlock(&Key::from_bytes([7; 32]))).expect("a disk");
        let ours = runtime.block_on(sequential(&store));
        report("settle one message, claim the next", &ours, Some(&bare));
        let (count, took) = runtime.block_on(together(&store));
        println!("  64 writers at once: {:.0} commits/s", f64::from(count) / took.as_secs_f64());
        runtime.block_on(store.close());
    }
}

fn bare(dir: &Path) -> Vec<Duration> {
    let mut file = File::create(dir.join("bare")).expect("a file");
    let octets = [7; 300];
    let mut each = Vec::new();
    for _ in 0..COMMITS {
        let start = Instant::now();
        file.write_all(&octets).and_then(|()| file.sync_data()).expect("a disk");
        each.push(start.elapsed());
    }
    each
}

async fn sequential(store: &Store) -> Vec<Duration> {
    let start = Timestamp::from_millis(1_780_000_000_000);
    let messages: Vec<Message> =
        (0..=COMMITS).map(|i| message(start.plus(Duration::from_millis(i.into())))).collect();
    for chunk in messages.chunks(250) {
        let chunk = chunk.to_vec();
        store.transact(move |tx| chunk.iter().try_for_each(|m| tx.put_message(m))).await.unwrap().unwrap();
    }
    let mut each = Vec::new();
    for pair in messages.windows(2) {
        let (done, next) = (pair[0].id, pair[1].id);
        let began = Instant::now();
        store
            .transact(move |tx| {
                let retry = Retry::default();
                if let Some(m) = tx.message(done)?.filter(|m| m.status == MessageStatus::Sending) {
                    let end = End::Accepted { references: vec![1] };
                    let ended = Event::Ended { modem: "stick1".to_owned(), end };
                    tx.put_message(&step(m, ended, Now::agreed(start), &retry).expect("it is on the air"))?;
                }
                let m = tx.message(next)?.expect("it was queued");
                let claimed = Event::Claimed { modem: "stick1".to_owned() };
                tx.put_message(&step(m, claimed, Now::agreed(start), &retry).expect("it is queued"))?;
                tx.put_ledger("8941000000000000001", &Ledger::default())
            })
            .await
            .unwrap()
            .unwrap();
        each.push(began.elapsed());
    }
    each
}

async fn together(store: &Store) -> (u32, Duration) {
    let began = Instant::now();
    let writers: Vec<_> = (0..64_u64)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for i in 0..200_u64 {
                    let at = Timestamp::from_millis(1_790_000_000_000 + writer * 1000 + i);
                    let m = message(at);
                    store.transact(move |tx| tx.put_message(&m)).await.unwrap().unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    (64 * 200, began.elapsed())
}

/// A queued code whose record takes about 300 octets.
fn message(at: Timestamp) -> Message {
    let now = Now::agreed(at);
    Message {
        deadline: Some(Life::of(Duration::from_secs(300), now)),
        body: Some(Sealed::from_bytes(vec![9; 150])),
        ..Message::queued(
            MessageId::first_at(now.steady()),
            "+41791234567".parse().expect("a number"),
            Kind::Text,
            now,
        )
    }
}

fn report(what: &str, each: &[Duration], limit: Option<&[Duration]>) {
    let rate = |each: &[Duration]| {
        let total: Duration = each.iter().sum();
        f64::from(u32::try_from(each.len()).unwrap_or(u32::MAX)) / total.as_secs_f64()
    };
    let mut sorted = each.to_vec();
    sorted.sort();
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
    print!("  {what}: {:.0}/s, median {:?}, 99 % within {:?}", rate(each), at(50), at(99));
    match limit {
        Some(limit) => println!(", {:.0} % of the bare loop", 100.0 * rate(each) / rate(limit)),
        None => println!(),
    }
}
