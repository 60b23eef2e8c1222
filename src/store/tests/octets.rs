//! What stands on the disks of others: the octets of one record of each kind, what a move makes of them, and what is told
//! and still readable when one of them is damaged. `octets.txt` has them as they have always been.

use std::fmt::Write as _;

use super::super::content::Passed;
use super::super::look::look_at_some;
use super::super::tree::Tree;
use super::*;
use crate::clock::Steady;
use crate::fleet::{Host, HostModem, ModemOrder};
use crate::hex;
use crate::id::InboxId;
use crate::inbox::{Assembly, Content, Entry, OptOut, Sender};
use crate::outbox::{Awaited, Health as SimHealth, Home, PartState, Refused, Report, SimNames, Twin};
use crate::phone::PhoneNumber;
use crate::random::Random;
use crate::trail::{self, About};

const KNOWN: &str = include_str!("octets.txt");
const TAG: [u8; 16] = [0x74; 16];
const LATER: Timestamp = Timestamp::from_millis(START.as_millis() + 7_200_000);
const LATE: Steady = LATER.steady();
const FAR: Steady = Steady::from_millis(START.as_millis() + 7_200_000_000);
/// Behind every id.
const LAST: Steady = Steady::from_millis(1 << 47);

pub(super) type Move = fn(&mut Tx<'_>) -> Result<(), StoreError>;
pub(super) type Look = fn(&View) -> Result<String, StoreError>;

fn phone() -> PhoneNumber {
    "+41791234567".parse().unwrap()
}

/// Draws the same octets each time.
pub(super) fn sealing() -> Key {
    Key::from_bytes([5; 32]).with_random(Random::seeded(1))
}

fn numbered(n: u8) -> MessageId {
    MessageId::from_bytes([n; 16])
}

fn issued(n: u8) -> Verification {
    let sealed = Sealed::from_bytes(vec![n; 3]);
    Verification {
        id: VerificationId::from_bytes([n; 16]),
        sealed: Some(sealed),
        hash: otp::CodeHash::from_bytes([n; 32]),
        ..verification(START, numbered(n))
    }
}

fn inbound() -> Verification {
    Verification { client: Some("app".to_owned()), inbound: true, sealed: None, ..issued(5) }
}

fn received(n: u8, octets: usize) -> Entry {
    Entry {
        id: InboxId::from_bytes([n; 16]),
        from: Sender::new("+41791234567".to_owned()),
        modem: "a".to_owned(),
        received_at: START,
        sent_at: Some(START),
        parts: 3,
        missing: vec![2],
        content: Content::Unreadable("why".to_owned()),
        class: Some(0),
        ports: Some((1, 2)),
        replaced_by: Some([n; 16]),
        body: Sealed::from_bytes(vec![n; octets]),
    }
}

fn report(n: u8) -> Report {
    Report {
        modem: "a".to_owned(),
        sim: "sim".to_owned(),
        reference: n,
        recipient: "0791234567".to_owned(),
        sent_at: Some(START),
        ended_at: None,
        came_at: START.steady(),
        state: PartState::Failed(0x46),
    }
}

fn awaited() -> Awaited {
    let mut awaited = Awaited::new(numbered(1));
    awaited.sent(0, 7);
    awaited.perhaps_sent(1, 8);
    awaited
}

fn window(count: u32) -> Window {
    Window { buckets: [Bucket { first: START.steady(), last: LATER.steady(), count }].into() }
}

fn once(at: Steady) -> Idempotency {
    Idempotency { digest: [7; 32], subject: "subject".to_owned(), expires_at: at }
}

fn answered(at: Steady) -> Answered {
    Answered {
        digest: [7; 32],
        id: issued(1).id,
        approved: true,
        status: otp::VerificationStatus::Approved,
        attempts_left: 3,
        resend_at: START,
        message: numbered(1),
        message_status: MessageStatus::Delivered,
        expires_at: at,
    }
}

fn opted() -> OptOut {
    OptOut { phone: Sealed::from_bytes(vec![9]), since: START, message: Some(received(1, 3).id) }
}

fn names() -> SimNames {
    SimNames::new(Some("8941030000000000001".to_owned()), Some("228011234567890".to_owned()))
}

/// One event of each kind.
fn happened() -> Vec<trail::Event> {
    let (to, text) = (Some("+4179*****67".to_owned()), |text: &str| text.to_owned());
    let modem = || trail::Modem {
        name: text("a"),
        state: text("ready"),
        paused: true,
        port: text("/dev/ttyUSB0"),
        manufacturer: text("huawei"),
        model: text("E3372"),
        firmware: text("22"),
        imei: text("8675*****12"),
        operator: Some(text("Swisscom")),
        registration: text("home"),
        signal_dbm: Some(-71),
        pin_tries: Some(3),
        queue: 1,
        sent_total: 2,
        failed_total: 3,
        parts_today: 4,
        parts_this_month: 5,
        recipients_this_month: 6,
        health: 100,
        breaker: text("closed"),
        last_error: Some(text("why")),
        last_error_at: Some(START),
        counters: vec![1, 2, 3, 4, 5, 6],
    };
    let abouts = [
        About::Verification(trail::Verification {
            what: text("pending"),
            id: issued(1).id,
            owner: Some(text("web")),
            service: text("login"),
            to: text("+4179*****67"),
            status: otp::VerificationStatus::Pending,
            attempts_left: 5,
            created_at: START,
            expires_at: LATER,
            resend_at: LATER,
            message: numbered(1),
            message_status: MessageStatus::Queued,
        }),
        About::Message(trail::Message {
            id: numbered(1),
            owner: None,
            otp: true,
            service: Some(text("login")),
            to: text("+4179*****67"),
            status: MessageStatus::Delivered,
            parts: 2,
            encoding: Encoding::Ucs2,
            modem: Some(text("a")),
            attempts: 3,
            created_at: START,
            sent_at: Some(LATER),
            delivered_at: Some(LATER),
            error: Some(text("why")),
        }),
        About::Modem(modem()),
        About::Recovered(modem(), trail::Recovery { rung: text("radio"), took_ms: 4100 }),
        About::Inbox(trail::Inbox {
            id: received(1, 0).id,
            from: text("+4179*****67"),
            modem: text("a"),
            received_at: START,
            sent_at: Some(START),
            parts: 3,
            missing: vec![2],
            content: Content::Unreadable(text("why")),
            class: Some(0),
            ports: Some((1, 2)),
        }),
        About::Audit(trail::Audit { action: text("refused"), to, detail: text("cooldown"), count: 7 }),
    ];
    let event = |about| trail::Event { at: START, since: LATE, by: Some(text("ops")), about };
    abouts.into_iter().map(event).collect()
}

fn changed(tx: &mut Tx<'_>, status: MessageStatus) -> Result<(), StoreError> {
    tx.put_message(&Message { id: numbered(1), status, attempts: 1, ..message(START) })
}

/// One record of each kind and format, in the order in which their tables are told of.
pub(super) const WRITES: &[Move] = &[
    |tx| tx.put_verification(&issued(1)),
    |tx| {
        tx.put_verification(&issued(2))?;
        tx.put_verification(&otp::step(issued(2), otp::Event::Cancel, Now::agreed(START)).unwrap())
    },
    |tx| tx.put_message(&Message { id: numbered(1), ..message(START) }),
    |tx| {
        let (kind, service) = (Kind::Otp(issued(1).id), Some("login".to_owned()));
        tx.put_message(&Message { id: numbered(2), kind, service, ..message(START) })
    },
    |tx| {
        let (id, twins) = (numbered(3), vec![Twin { modem: "b".to_owned(), first: 1 }]);
        let refused = Some(Refused { modem: "c".to_owned(), until: LATE });
        tx.put_message(&Message {
            id,
            twins,
            held: 7,
            refused,
            status: MessageStatus::Sent,
            ..message(START)
        })
    },
    |tx| tx.put_idempotency("web", "key", &once(LATE)),
    |tx| tx.put_window("number", Duration::ZERO, &window(7), LATE),
    |tx| tables::WINDOWS.put(tx, &keys::hash(&["former"]), &(window(7), LATE)),
    |tx| {
        let health = SimHealth { sends: 7, codes: 8, at: START.steady() };
        tx.put_ledger(
            "sim",
            &Ledger {
                minute: (1, 2),
                day: (3, 4),
                month: (5, 6),
                health,
                home: Home::of_network(22801),
                part: Some(Duration::from_millis(3210)),
            },
        )
    },
    |tx| {
        tx.put_recipient("sim", 5, 9);
        tx.put_meta("name", b"value");
        Ok(())
    },
    |tx| tx.join_sim(&sealing(), "m0", &names()).map(drop),
    |tx| tx.put_inbox(&received(1, 3)),
    |tx| tx.put_inbox(&received(2, 4100)),
    |tx| tx.put_inbox(&Entry { content: Content::Text, replaced_by: None, ..received(3, 0) }),
    |tx| {
        tx.put_assembly(
            &TAG,
            &Assembly { modem: "a".to_owned(), since: START.steady(), total: 3, have: vec![1] },
        )
    },
    |tx| tx.put_part(&TAG, 1, &Sealed::from_bytes(vec![1; 20])),
    |tx| tx.put_seen(&TAG, LATE),
    |tx| tx.put_opt_out(&phone(), &opted()),
    |tx| tx.put_awaited(&awaited(), LATE),
    |tx| tx.put_expected("sim", Some(7), numbered(1), LATE),
    |tx| tx.put_expected("a", None, numbered(1), LATE),
    |tx| tx.put_held(&report(7), &TAG, LATE),
    |tx| {
        tx.put_verification(&Verification {
            client: Some("web".to_owned()),
            binding: Some(otp::BindingHash::from_bytes([7; 32])),
            metadata: [("order".to_owned(), "7".to_owned())].into(),
            ..issued(3)
        })
    },
    |tx| tx.put_answered("web", "key", &answered(LATE)),
    |tx| tx.put_verification(&inbound()),
    |tx| tx.put_events(&sealing(), &happened()).map(drop),
    |tx| tx.put_keyring(&Keyring::first(&crate::secret::Master::from_bytes([7; 32]))),
    |tx| {
        let (modems, seen) = (vec!["stick1".to_owned()], START.steady());
        tx.put_host(&Host { fence: 7, seen, sending: 1, modems, ..Host::new("attic", "0.1.0") })
    },
    |tx| {
        let (facts, home) = (Sealed::from_bytes(vec![7; 3]), Home::of_network(22801));
        let (name, host, routes) = ("stick1".to_owned(), "attic".to_owned(), Some(vec!["+41".to_owned()]));
        tx.put_host_modem(&HostModem { name, host, ready: true, roaming: false, routes, home, facts })
    },
    |tx| {
        let (host, modem, asked) = ("attic".to_owned(), "stick1".to_owned(), Sealed::from_bytes(vec![8; 3]));
        tx.put_order(&ModemOrder { id: [5; 16], host, modem, until: LATE, asked, answer: None })
    },
    |tx| tx.put_overdue(numbered(1), LATE),
];

/// What changes or forgets what is there.
const MOVES: &[(&str, Move)] = &[
    ("end verification", |tx| {
        tx.put_verification(&otp::step(issued(1), otp::Event::Cancel, Now::agreed(START)).unwrap())
    }),
    ("delete verification", |tx| tx.delete_verification(issued(1).id)),
    ("end inbound", |tx| {
        tx.put_verification(&otp::step(inbound(), otp::Event::Cancel, Now::agreed(START)).unwrap())
    }),
    ("delete inbound", |tx| tx.delete_verification(inbound().id)),
    ("claim", |tx| changed(tx, MessageStatus::Sending)),
    ("settle", |tx| changed(tx, MessageStatus::Sent)),
    ("delete message", |tx| tx.delete_message(numbered(1))),
    ("put idempotency", |tx| tx.put_idempotency("web", "key", &once(FAR))),
    ("put window", |tx| tx.put_window("number", Duration::ZERO, &window(8), FAR)),
    ("put window in its hour", |tx| {
        tx.put_window("number", Duration::ZERO, &window(8), LATE.plus(Duration::from_mins(1)))
    }),
    ("join", |tx| {
        let sim = tx.join_sim(&sealing(), "m1", &names())?;
        tx.join_ledgers(&sealing(), &sim).map(drop)
    }),
    ("sweep recipients", |tx| tx.sweep_recipients(6, 10).map(drop)),
    ("sweep expired", |tx| tx.sweep_expired(FAR, 10).map(drop)),
    ("replace", |tx| tx.put_inbox(&Entry { id: InboxId::from_bytes([4; 16]), ..received(2, 5) })),
    ("delete inbox", |tx| tx.delete_inbox(received(2, 0).id).map(drop)),
    ("delete assembly", |tx| tx.delete_assembly(&TAG)),
    ("put seen", |tx| tx.put_seen(&TAG, FAR)),
    ("delete opt-out", |tx| tx.delete_opt_out(&phone()).map(drop)),
    ("put awaited", |tx| tx.put_awaited(&awaited(), FAR)),
    ("put expected", |tx| tx.put_expected("sim", Some(7), numbered(1), FAR)),
    ("issue for a client", |tx| {
        tx.put_verification(&Verification { client: Some("web".to_owned()), ..issued(4) })
    }),
    ("put event", |tx| tx.put_events(&sealing(), &happened()[5..]).map(drop)),
    ("cut events", |tx| tx.cut_events(&sealing(), 2).map(drop)),
    ("delete held", |tx| {
        let held = tx.held()?;
        held.iter().try_for_each(|(key, _)| tx.delete_held(key))
    }),
];

fn count<T>(found: Result<impl IntoIterator<Item = T>, StoreError>) -> Result<String, StoreError> {
    found.map(|found| found.into_iter().count().to_string())
}

pub(super) const LOOKS: &[(&str, Look)] = &[
    ("verification", |view| count(view.verification(issued(1).id))),
    ("newest", |view| count(view.newest_verification(&phone(), "login", None))),
    ("pending", |view| count(view.pending_verifications(before_all(), usize::MAX))),
    ("inbound", |view| count(view.inbound_verifications(&phone(), 9))),
    ("ended", |view| count(view.ended_verifications_before(LAST, 9, |_| true))),
    ("message", |view| count(view.message(numbered(1)))),
    ("live", |view| count(view.live_messages())),
    ("messages", |view| count(view.messages(9, None, |_| true))),
    ("over", |view| count(view.over_messages_before(LAST, 9, |_| true))),
    ("idempotency", |view| count(view.idempotency("web", "key"))),
    ("answered", |view| count(view.answered("web", "key"))),
    ("subjects", |view| count(view.keyed_subjects(START.steady()))),
    ("window", |view| count(view.window("number", Duration::ZERO).map(|window| window.buckets))),
    ("ledger", |view| count(view.ledger("sim").map(|ledger| vec![(); ledger.minute.1 as usize]))),
    ("recipients", |view| count(view.recipients("sim", 5))),
    ("meta", |view| count(view.meta("name"))),
    ("sim", |view| count(view.sim_called(&sealing(), "228011234567890").map(|sim| sim.former))),
    ("inbox entry", |view| count(view.inbox_entry(received(2, 0).id))),
    ("inbox", |view| count(view.inbox(9, None))),
    ("inbox before", |view| count(view.inbox_before(FAR, 9))),
    ("seen", |view| count(view.seen(&TAG, START.steady()).map(|seen| seen.then_some(())))),
    ("replaceable", |view| count(view.replaceable(&[1; 16]))),
    ("assembly", |view| count(view.assembly(&TAG))),
    ("assemblies", |view| count(view.assemblies())),
    ("part", |view| count(view.part(&TAG, 1))),
    ("opt-out", |view| count(view.opt_out(&phone()))),
    ("opt-outs", |view| count(view.opt_outs(9, None))),
    ("awaited", |view| count(view.awaited(numbered(1)))),
    ("expected", |view| count(view.expected("sim", Some(7)))),
    ("of sim", |view| count(view.expected_of_sim("sim", 7))),
    ("held", |view| count(view.held())),
    ("events", |view| {
        let found = view.events_after(0, 9)?;
        let whole = found.iter().zip(happened()).all(|((_, found), told)| found.event == told);
        Ok(format!("{} {whole}", found.len()))
    }),
    ("ends", |view| {
        Ok(view.event_ends()?.map_or_else(String::new, |e| e.is_genuine(&sealing()).to_string()))
    }),
    ("old event", |view| count(view.last_event_before(FAR, 9))),
    ("keyring", |view| count(view.keyring())),
];

/// What a move writes.
pub(super) fn moved(memory: &Memory, run: Move) -> Result<Overlay, StoreError> {
    let group = Overlay::new();
    let key = sealing();
    let mut tx = Tx::new(memory, &group, Some(&key));
    // A fault counts whether the move passes it on or not.
    let told = run(&mut tx);
    let written = tx.finish();
    assert_eq!(told.err(), written.as_ref().err().cloned());
    written
}

fn line(key: &[u8], value: Option<&[u8]>) -> String {
    let kind = char::from(key[0]);
    match value.map(hex::encode) {
        // A body's octets are all alike.
        Some(hex) if hex.len() > 1000 && kind != 'T' => {
            format!("{kind} {} {}…{}", hex::encode(key), hex.len(), &hex[hex.len() - 16..])
        }
        Some(hex) => format!("{kind} {} {hex}", hex::encode(key)),
        None => format!("{kind} {} gone", hex::encode(key)),
    }
}

/// What is wrong with which record.
fn why(error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { kind, key, why } => format!("{kind} {key}: {why}"),
        error => error.to_string(),
    }
}

/// What each look and each move gives.
pub(super) fn outcomes(pairs: &[Pair]) -> Vec<(&'static str, String)> {
    let memory = Arc::new(Memory::default());
    memory.commit(pairs.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect()).unwrap();
    let view = View::new(Arc::clone(&memory) as Arc<dyn Engine>, Arc::default(), Some(sealing()));
    let looks = LOOKS.iter().map(|(name, look)| (*name, look(&view).unwrap_or_else(|e| why(&e))));
    let moves = MOVES.iter().map(|(name, run)| {
        let made = moved(&memory, *run).map(|written| {
            let lines = written.iter().map(|(key, value)| line(key, value.as_deref()));
            lines.fold(String::new(), |all, line| format!("{all}\n  {line}"))
        });
        (*name, made.unwrap_or_else(|e| why(&e)))
    });
    looks.chain(moves).collect()
}

/// Which looks and moves have another outcome than usual.
fn differences(now: &[(&str, String)], usual: &[(&str, String)], start: &str) -> String {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for ((name, now), (_, usual)) in now.iter().zip(usual).filter(|(now, usual)| now != usual) {
        let told = match now.contains('\n') || usual.contains('\n') && now.is_empty() {
            true => "other changes".to_owned(),
            false if now == start => "the same".to_owned(),
            false => now.clone(),
        };
        match found.iter_mut().find(|(known, _)| *known == told) {
            Some((_, names)) => names.push(name),
            None => found.push((told, vec![name])),
        }
    }
    found
        .into_iter()
        .fold(String::new(), |all, (told, names)| format!("{all}\n    {}: {told}", names.join(", ")))
}

/// A tree of sled with these pairs, which is looked at as at a start.
pub(super) struct Start {
    tree: Tree,
    _dir: tempfile::TempDir,
}

impl Start {
    pub(super) fn with(pairs: &[Pair]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path(), 1 << 20, Duration::ZERO).unwrap_or_else(|_| panic!("a tree"));
        let start = Self { tree, _dir: dir };
        start.change(&pairs.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect());
        start
    }

    fn change(&self, changes: &Overlay) {
        self.tree.absorb(changes, 1).unwrap();
    }

    pub(super) fn told(&self) -> String {
        let mut passed = Passed::default();
        loop {
            match look_at_some(&self.tree, &mut passed) {
                Err(e) => return why(&e),
                Ok(true) => return "opens".to_owned(),
                Ok(false) => {}
            }
        }
    }
}

fn framed(octets: &[u8]) -> Vec<u8> {
    [octets, &crc32fast::hash(octets).to_be_bytes()].concat()
}

/// The ways in which a pair may be damaged: what it is called, and the changes.
fn damages((key, value): &Pair) -> Vec<(&'static str, Overlay)> {
    let put = |value: Vec<u8>| Overlay::from([(key.clone(), Some(value))]);
    let beside = |key: Vec<u8>| Overlay::from([(key, Some(value.clone()))]);
    let mut found = vec![
        ("gone", Overlay::from([(key.clone(), None)])),
        ("another beside, longer", beside([&key[..], &[0]].concat())),
        ("another beside, shorter", beside(key[..key.len() - 1].to_vec())),
    ];
    if let Some((last, rest)) = value.split_last() {
        found.push(("turned", put([rest, &[last ^ 1]].concat())));
    }
    if let Some((body, crc)) = value.split_last_chunk::<4>()
        && crc32fast::hash(body) == u32::from_be_bytes(*crc)
    {
        found.push(("newer", put(framed(&[&[9], &body[1..]].concat()))));
        found.push(("other fields", put(framed(&body[..body.len().min(2)]))));
    } else {
        found.push(("longer", put([&value[..], &[0]].concat())));
        found.push(("shorter", put(value[..value.len().saturating_sub(1)].to_vec())));
    }
    found
}

#[test]
fn what_is_on_disk_stays_as_it_is() {
    let memory = Memory::default();
    for write in WRITES {
        memory.commit(moved(&memory, *write).unwrap()).unwrap();
    }
    let pairs = memory.chunk(&[1]..&[255], Order::Ascending, usize::MAX).unwrap();
    let mut out = "# One record of each kind and format.\n".to_owned();
    for (key, value) in &pairs {
        writeln!(out, "{}", line(key, Some(value))).unwrap();
    }
    let has = |range: &Range<Vec<u8>>| pairs.iter().any(|(key, _)| range.contains(key));
    assert!(tables::ALL.iter().all(|table| has(&table.range())), "a table has no record here");
    let usual = outcomes(&pairs);
    let start = Start::with(&pairs);
    writeln!(out, "# What is read, what moves write, and what a start says.").unwrap();
    for (name, outcome) in &usual {
        writeln!(out, "{name}: {outcome}").unwrap();
    }
    writeln!(out, "{}", start.told()).unwrap();
    writeln!(out, "# What a start says, and what is read and written otherwise, when a pair is damaged.")
        .unwrap();
    let mut last = 0;
    for pair in &pairs {
        let (kind, several) = (pair.0[0], [b'M', b'J', b'V']);
        if std::mem::replace(&mut last, kind) == kind && !several.contains(&kind) {
            continue;
        }
        writeln!(out, "{} {}", char::from(kind), hex::encode(&pair.0)).unwrap();
        for (how, changes) in damages(pair) {
            let mut damaged: std::collections::BTreeMap<_, _> = pairs.iter().cloned().collect();
            let mut undo = Overlay::new();
            for (key, value) in &changes {
                let before = match value {
                    Some(value) => damaged.insert(key.clone(), value.clone()),
                    None => damaged.remove(key),
                };
                undo.insert(key.clone(), before);
            }
            start.change(&changes);
            let told = start.told();
            let now = outcomes(&damaged.into_iter().collect::<Vec<_>>());
            writeln!(out, "  {how}: {told}{}", differences(&now, &usual, &told)).unwrap();
            start.change(&undo);
        }
    }
    for (now, known) in out.lines().map(str::trim_end).zip(KNOWN.lines()) {
        assert_eq!(now, known);
    }
    assert_eq!(out.lines().count(), KNOWN.lines().count());
}
