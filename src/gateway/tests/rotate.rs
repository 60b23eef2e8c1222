//! The key is replaced while codes live and messages wait: each is as good as before, and the old key opens nothing any
//! more.

use super::inbound::parts;
use super::*;
use crate::secret::Master;
use crate::store::{KeyRecords, Keyring, Records as _};

const PHONE: &str = "+41791234567";

/// Keeps the keys that were put beside, and those that were taken over.
#[derive(Default)]
struct Home {
    beside: Mutex<Vec<Master>>,
    taken: Mutex<usize>,
}

impl KeyHome for Home {
    fn kind(&self) -> &'static str {
        "state"
    }

    fn is_in_state(&self) -> bool {
        true
    }

    fn put_beside(&self, next: &Master) -> Result<(), String> {
        locked(&self.beside).push(next.clone());
        Ok(())
    }

    fn take_over(&self) -> Result<(), String> {
        *locked(&self.taken) += 1;
        Ok(())
    }
}

/// A key that an operator has to replace.
struct Given;

impl KeyHome for Given {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn is_in_state(&self) -> bool {
        false
    }

    fn put_beside(&self, _: &Master) -> Result<(), String> {
        Err("put it there yourself".to_owned())
    }

    fn take_over(&self) -> Result<(), String> {
        Ok(())
    }
}

impl World {
    fn homed(&self) -> Arc<Home> {
        let home = Arc::new(Home::default());
        self.gateway.keep_key(Arc::clone(&home) as Arc<dyn KeyHome>);
        home
    }

    async fn rotate(&self) -> KeyView {
        self.gateway.rotate_key(&Caller::default()).await.unwrap()
    }

    /// All is sealed with the newest key.
    async fn resealed(&self) -> KeyView {
        let done = async {
            loop {
                let key = self.gateway.key();
                if key.done {
                    return key;
                }
                self.at_rest().await;
                // What is not written yet is waited for by this clock.
                self.clock.advance(Duration::from_millis(100));
            }
        };
        tokio::time::timeout(Duration::from_secs(30), done).await.expect("it ends")
    }

    /// The same store under the key that it has now, as after a restart.
    async fn again(&self, home: &Home, modems: usize) -> World {
        let keyring = self.store.read(KeyRecords::keyring).await.unwrap().unwrap().unwrap();
        let master = locked(&home.beside).iter().find(|key| keyring.is_of(key)).unwrap().clone();
        let key = Key::new(master.clone(), keyring.open(&master).unwrap());
        // The modems of another world go to this one.
        let World { modems, air, .. } = World::new(modems).await;
        let dynamic = modems.iter().map(|m| Arc::clone(m) as Arc<dyn Submit>).collect();
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let gateway = Gateway::open(store.clone(), key, clock.clone(), settings(), dynamic).await.unwrap();
        let events = gateway.live();
        let running = gateway.clone();
        tokio::spawn(async move { running.run().await });
        World { gateway, store, clock, modems, air, events }
    }

    /// Whether a key opens anything that is sealed, or ends the trail.
    async fn opens(&self, key: Key) -> bool {
        self.store.read(move |view| view.is_of(&key)).await.unwrap().unwrap()
    }

    async fn is_whole(&self) {
        assert_eq!(self.gateway.verify_events(None).await.unwrap().fault, None);
    }
}

#[tokio::test]
async fn what_was_there_before_is_as_good_after_it() {
    let mut settings = settings();
    settings.services.get_mut("pay").unwrap().inbound = true;
    settings.numbers = [("m0".to_owned(), "+41791112233".parse().unwrap())].into();
    let mut world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let home = world.homed();
    let bound = IssueRequest { binding: Some(Secret::new("4711".to_owned())), ..request(PHONE) };
    let (code, _) = world.gateway.issue(&Caller::default(), bound).await.unwrap();
    let aired = world.aired().await;
    world.until(code.message.0, MessageStatus::Sent).await;
    let invite = IssueRequest { mode: Mode::Inbound, service: Some("pay".to_owned()), ..request(PHONE) };
    let (invited, _) = world.gateway.issue(&Caller::default(), invite).await.unwrap();
    let later = SendRequest {
        send_at: Some(START.plus(Duration::from_secs(200))),
        ..text("+41791234568", "later on")
    };
    let (later, _) = world.gateway.send(&Caller::default(), later).await.unwrap();
    for pdu in parts("+41791234560", "what came in", 1, 1) {
        world.receive(&pdu).await;
    }
    let halves = parts("+41791234561", &"half ".repeat(40), 2, 2);
    world.receive(&halves[0]).await;
    world.gateway.add_opt_out(&Caller::default(), "+41791234562").await.unwrap();

    let told = world.rotate().await;
    assert_eq!((told.rotations, told.older.1, *locked(&home.taken)), (1, 1, 1));
    let done = world.resealed().await;
    // Two messages, two verifications, a received one, a part, a number; and the names of SIMs, which may have been
    // written since.
    assert!((7..=9).contains(&done.sealed_anew), "{done:?}");
    assert_eq!((done.damaged, done.older), (0, (0, 1, 1)));
    world.is_whole().await;
    assert!(!world.opens(Key::from_bytes([9; 32])).await, "the old key opens nothing");

    world.receive(&halves[1]).await;
    let mut texts = world.texts().await;
    texts.sort();
    assert_eq!(texts, ["half ".repeat(40), "what came in".to_owned()]);
    let listed = world.gateway.opt_outs(10, None).await.unwrap().items;
    assert_eq!(listed.iter().map(|it| it.phone.as_str()).collect::<Vec<_>>(), ["+41791234562"]);
    let answer =
        CheckRequest { binding: Some(Secret::new("4711".to_owned())), ..CheckRequest::of(&code_of(&aired)) };
    let nobody = Caller::default();
    let check = |answer: CheckRequest| world.gateway.check(&nobody, code.id, answer);
    let wrong = check(CheckRequest { binding: None, ..answer.clone() }).await.unwrap();
    assert_eq!((wrong.approved, wrong.verification.attempts_left), (false, 4));
    assert!(check(answer.clone()).await.unwrap().approved);
    assert!(!check(answer).await.unwrap().approved, "once");
    world.clock.advance(Duration::from_secs(10));
    let token = invited.invitation.unwrap().token.expose().clone();
    world.receive(&parts(PHONE, &token, 3, 20)[0]).await;
    let v = world.gateway.verification(&Caller::default(), invited.id).await.unwrap();
    assert_eq!(v.status, VerificationStatus::Approved);
    world.clock.advance(Duration::from_secs(200));
    let aired = world.aired().await;
    assert_eq!((aired.to.as_str(), aired.text.as_str()), ("+41791234568", "later on"));
    world.until(later.id, MessageStatus::Sent).await;
    world.is_whole().await;

    let world = world.again(&home, 0).await;
    assert_eq!(world.texts().await.len(), 3, "the token came as a message as well");
    world.is_whole().await;
}

#[tokio::test]
async fn a_restart_goes_on_with_it_and_the_old_keys_go_in_time() {
    let mut world = World::new(1).await;
    let home = world.homed();
    let view = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    world.until(view.message.0, MessageStatus::Sent).await;
    // Nobody keeps times here: nothing is sealed anew until a restart.
    world.gateway.stop();
    world.at_rest().await;
    let told = world.rotate().await;
    assert_eq!((told.done, told.older), (false, (1, 1, 1)));
    let mut world = world.again(&home, 1).await;
    assert_eq!(world.gateway.key().rotations, 1);
    let done = world.resealed().await;
    assert_eq!(done.older, (0, 1, 1));
    let resealed = async {
        loop {
            let EventKind::Audit(audit) = world.events.recv().await.unwrap().kind else { continue };
            if audit.action == "key_resealed" {
                return audit.detail;
            }
        }
    };
    let detail = tokio::time::timeout(Duration::from_secs(10), resealed).await.unwrap();
    assert!(detail.starts_with("rotation 1: ") && detail.ends_with(" records"), "{detail}");
    assert!(world.check(view.id, &code).await.approved);

    // The last code of before has ended, and then its events are forgotten.
    for (hours, older) in [(2, (0, 0, 1)), (24 * 400, (0, 0, 0))] {
        world.clock.advance(Duration::from_hours(hours));
        let gone = async {
            while world.gateway.key().older != older {
                world.clock.advance(Duration::from_secs(61));
                world.at_rest().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("they go");
        world.is_whole().await;
    }
    let keyring = world.store.read(KeyRecords::keyring).await.unwrap().unwrap().unwrap();
    assert!(!keyring.is_of(&Master::from_bytes([9; 32])));
}

#[tokio::test]
async fn two_in_a_row_end_as_one_does() {
    let mut world = World::new(1).await;
    let home = world.homed();
    let view = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    for (rotations, older) in [(1, 1), (2, 2)] {
        let told = world.rotate().await;
        assert_eq!((told.rotations, told.older.1), (rotations, older));
    }
    assert_eq!(world.resealed().await.older, (0, 2, 2));
    world.is_whole().await;
    assert!(world.check(view.id, &code).await.approved);
    assert!(!locked(&home.beside)[0].is_constant());
    let keys = locked(&home.beside).clone();
    let (first, second) = (&keys[0], &keys[1]);
    let keyring: Keyring = world.store.read(KeyRecords::keyring).await.unwrap().unwrap().unwrap();
    assert!(keyring.is_of(second) && !keyring.is_of(first) && keyring.open(first).is_err());
    // There is an end to it, and nothing is put beside then.
    let mut refused = None;
    for _ in 0..40 {
        if let Err(e) = world.gateway.rotate_key(&Caller::default()).await {
            refused = Some(e);
            break;
        }
    }
    assert!(matches!(refused, Some(GatewayError::Conflict(why)) if why.contains("too often")));
    assert_eq!(u32::try_from(locked(&home.beside).len()).unwrap(), world.gateway.key().rotations);
    world.resealed().await;
    world.is_whole().await;
}

#[tokio::test]
async fn a_code_that_is_drawn_while_the_key_turns_is_good() {
    let mut world = World::new(1).await;
    world.homed();
    let gateway = world.gateway.clone();
    let numbers: Vec<_> = (0..20).map(|n| format!("+417912345{n:02}")).collect();
    let issues: Vec<_> = numbers
        .iter()
        .map(|to| {
            let (gateway, request) = (gateway.clone(), request(to));
            tokio::spawn(async move { gateway.issue(&Caller::default(), request).await.unwrap().0 })
        })
        .collect();
    for _ in 0..3 {
        world.rotate().await;
    }
    let mut codes = BTreeMap::new();
    for _ in &numbers {
        let aired = world.aired().await;
        codes.insert(aired.to.clone(), code_of(&aired));
    }
    world.resealed().await;
    for issued in issues {
        let view = issued.await.unwrap();
        assert!(world.check(view.id, &codes[view.to.as_str()]).await.approved, "{}", view.id);
    }
    world.is_whole().await;
}

#[tokio::test]
async fn a_key_that_is_given_is_its_operators() {
    let world = World::new(0).await;
    let refused = world.gateway.rotate_key(&Caller::default()).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Conflict(_)), "no home at all");
    world.gateway.keep_key(Arc::new(Given));
    let refused = world.gateway.rotate_key(&Caller::default()).await.unwrap_err();
    assert_eq!(refused, GatewayError::Conflict("put it there yourself".to_owned()));
    assert_eq!(world.gateway.key().rotations, 0);
    let next = Master::from_bytes([5; 32]);
    world.gateway.turn_key(next.clone()).await.unwrap();
    world.resealed().await;
    let keyring = world.store.read(KeyRecords::keyring).await.unwrap().unwrap().unwrap();
    assert!(keyring.is_of(&next));
    world.is_whole().await;
}

#[tokio::test]
async fn a_backup_has_one_key() {
    let world = World::new(0).await;
    let home = world.homed();
    for n in 0..400 {
        world.store.transact(move |tx| tx.put_meta(&format!("n{n}"), &[7; 1024])).await.unwrap();
    }
    let mut pieces = world.gateway.back_up();
    let mut backup = pieces.recv().await.unwrap().unwrap();
    let refused = world.gateway.rotate_key(&Caller::default()).await.unwrap_err();
    assert!(matches!(&refused, GatewayError::Conflict(why) if why.contains("a backup is being taken")));
    while let Some(piece) = pieces.recv().await {
        backup.extend(piece.unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let attached = async |name: &str, backup: &[u8]| {
        let mut backup = backup;
        let restored = crate::store::restore(&dir.path().join(name), &mut backup).unwrap();
        let octets: [u8; 32] = restored.attached().unwrap().expose().as_slice().try_into().unwrap();
        assert!(restored.is_of(&Master::from_bytes(octets)).unwrap(), "{name}");
        Master::from_bytes(octets)
    };
    assert_eq!(attached("before", &backup).await, Master::from_bytes([9; 32]));
    world.at_rest().await;
    world.rotate().await;
    let mut pieces = world.gateway.back_up();
    let mut backup = Vec::new();
    while let Some(piece) = pieces.recv().await {
        backup.extend(piece.unwrap());
    }
    assert_eq!(attached("after", &backup).await, locked(&home.beside)[0]);
}

/// One octet of what is sealed turns on the disk, under a checksum that fits.
#[tokio::test]
async fn damage_is_told_as_damage_and_ends_nothing() {
    let mut world = World::new(1).await;
    let view = world.issue(PHONE).await.unwrap();
    let code = code_of(&world.aired().await);
    world.until(view.message.0, MessageStatus::Sent).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    let waiting = world.send("+41791234568").await;
    let turn = |sealed: &crate::secret::Sealed| {
        let mut octets = sealed.as_bytes().to_vec();
        octets[30] ^= 1;
        crate::secret::Sealed::from_bytes(octets)
    };
    let put = move |tx: &mut crate::store::Tx<'_>| {
        let v = tx.verification(view.id).unwrap().unwrap();
        let sealed = v.sealed.as_ref().map(turn);
        tx.put_verification(&crate::otp::Verification { sealed, ..v }).unwrap();
        let m = tx.message(waiting).unwrap().unwrap();
        let body = m.body.as_ref().map(turn);
        tx.put_message(&Message { body, ..m }).unwrap();
    };
    world.store.transact(put).await.unwrap();

    let nobody = Caller::default();
    let check = |code: &str| world.gateway.check(&nobody, view.id, CheckRequest::of(code));
    let told = check(&wrong(&code)).await.unwrap_err();
    assert!(matches!(&told, GatewayError::Internal(why) if why.contains("damaged")), "{told}");
    let v = world.gateway.verification(&Caller::default(), view.id).await.unwrap();
    assert_eq!(v.attempts_left, 5, "nothing was counted");
    assert!(check(&code).await.unwrap().approved, "its hash is whole");

    world.modems[0].readiness.send_replace(Readiness {
        ready: true,
        sim: card("sim0"),
        ..Readiness::default()
    });
    let told = |m: &MessageView| m.error.as_ref().is_some_and(|why| why.contains("damaged"));
    let m = loop {
        let m = world.until(waiting, MessageStatus::Queued).await;
        if told(&m) {
            break m;
        }
    };
    assert_eq!(m.attempts, 0);
    let next = world.send("+41791234569").await;
    assert_eq!(world.aired().await.to, "+41791234569", "it stands in nobody's way");
    world.until(next, MessageStatus::Sent).await;
}
