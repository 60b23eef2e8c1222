//! A process that is killed while it writes: every commit that it was told is durable is there as a whole,
//! and no later one is there in part.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use smsotpd::clock::{Now, Timestamp};
use smsotpd::id::MessageId;
use smsotpd::outbox::{Kind, Ledger, Message};
use smsotpd::secret::{Key, Sealed};
use smsotpd::store::{EventRecords as _, Options, Records, Store};
use smsotpd::trail::{About, Audit, Event, Walk};

const KILLS: u64 = 20;
const FOLDER: &str = "SMSOTPD_TEST_CRASH_FOLDER";

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut known = 0;
    for round in 0..KILLS {
        // From the middle of the first commits to several turns of the journal.
        let wanted = known + 1 + round * round * 5;
        let mut child = writer(dir.path());
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged = known;
        while acknowledged < wanted {
            let line = told.next().expect("the writer writes until it is killed");
            // The test harness prints other lines as well.
            acknowledged = line.strip_prefix("acknowledged ").map_or(acknowledged, |n| n.parse().unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = told.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok()).last();
        let acknowledged = rest.unwrap_or(acknowledged);
        let store = Store::open(dir.path(), &Options::default()).unwrap();
        known = runtime.block_on(async {
            store.unlock(&key()).await.unwrap();
            let found = store.read(move |view| check(view, acknowledged)).await.unwrap();
            store.close().await;
            found
        });
    }
}

/// The process that is killed: it commits in groups until then, and reports each commit that is durable.
#[test]
#[ignore = "run by the test above in a process of its own"]
fn writer_to_be_killed() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir), &Options::default()).unwrap();
        store.unlock(&key()).await.unwrap();
        let mut out = std::io::stdout();
        loop {
            let tickets: Vec<_> = (0..3)
                .map(|_| {
                    store.begin(|tx| {
                        let n = count(tx) + 1;
                        tx.put_meta("n", &n.to_be_bytes());
                        tx.put_message(&message(n)).unwrap();
                        tx.put_message(&message(n - 1 + 1_000_000)).unwrap();
                        tx.put_ledger("sim", &ledger(n)).unwrap();
                        let told = tx.put_events(&key(), &[event(n)]).unwrap();
                        assert_eq!(told, n);
                        if n.is_multiple_of(20) && n > 40 {
                            tx.cut_events(&key(), n - 40).unwrap();
                        }
                        if n > 50 {
                            tx.delete_message(message(n - 50).id).unwrap();
                        }
                        n
                    })
                })
                .collect();
            for ticket in tickets {
                let (executed, durable) = ticket.split();
                let n = executed.await.unwrap();
                durable.await.unwrap();
                writeln!(out, "acknowledged {n}").unwrap();
            }
        }
    });
}

fn writer(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_crash::writer_to_be_killed", "--ignored", "--nocapture"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Checks what commit `n` and those before it must have left. Returns `n`.
fn check(view: &impl Records, acknowledged: u64) -> u64 {
    let n = count(view);
    assert!(n >= acknowledged, "{acknowledged} commits were acknowledged, {n} are there");
    if n == 0 {
        return n;
    }
    let live: Vec<_> = view.live_messages().unwrap();
    let recent = (n.saturating_sub(50) + 1..=n).map(message);
    let paired = (0..n).map(|i| message(i + 1_000_000));
    assert_eq!(live, recent.chain(paired).collect::<Vec<_>>());
    assert_eq!(view.ledger("sim").unwrap(), ledger(n));
    // Each commit that is there has its event, and no other has one.
    let sealed = view.event_ends().unwrap().unwrap();
    assert!(sealed.is_genuine(&key()));
    let mut walk = Walk::from(&sealed.ends);
    for (id, found) in view.events_after(0, 1000).unwrap() {
        assert_eq!(found.event, event(id));
        walk.step(&key(), id, &found).unwrap();
    }
    walk.end(&sealed.ends).unwrap();
    assert_eq!(sealed.ends.last, n);
    n
}

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn event(n: u64) -> Event {
    let at = Timestamp::from_millis(n);
    let audit = Audit { action: "refused".to_owned(), to: None, detail: n.to_string(), count: 1 };
    Event { at, since: Now::agreed(at).steady(), by: None, about: About::Audit(audit) }
}

fn count(from: &impl Records) -> u64 {
    from.meta("n").unwrap().map_or(0, |octets| u64::from_be_bytes(octets.try_into().unwrap()))
}

fn ledger(n: u64) -> Ledger {
    Ledger { day: (n, 7), ..Ledger::default() }
}

fn message(n: u64) -> Message {
    let at = Timestamp::from_millis(n);
    Message {
        // The length changes, so that records never lie exactly where older ones did.
        body: Some(Sealed::from_bytes(vec![0x5a; 200 + usize::try_from(n % 700).unwrap()])),
        ..Message::queued(
            MessageId::from_bytes(u128::from(n).to_be_bytes()),
            "+41791234567".parse().unwrap(),
            Kind::Text,
            Now::agreed(at),
        )
    }
}
