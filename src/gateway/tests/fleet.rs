//! Several hosts on one store: who sends, who is lost, and what a host finds that comes back.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::fleet::{BEAT, HostState, LEASE};
use crate::store::{Engine, HostRecords as _, Memory, Order, Overlay, Pair, StoreError, Told};

/// What a host has of the database, which a test cuts off.
struct Line {
    memory: Memory,
    is_cut: Arc<AtomicBool>,
    /// How the next commit fails, and is not made.
    fails: Fails,
}

type Fails = Arc<Mutex<Option<StoreError>>>;

impl Line {
    fn reach(&self) -> Result<&Memory, StoreError> {
        if self.is_cut.load(Ordering::SeqCst) {
            return Err(StoreError::Away("a test".to_owned()));
        }
        Ok(&self.memory)
    }
}

impl Engine for Line {
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reach()?.load(key)
    }

    fn chunk(&self, range: Range<&[u8]>, order: Order, limit: usize) -> Result<Vec<Pair>, StoreError> {
        self.reach()?.chunk(range, order, limit)
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.reach().map(drop)
    }

    fn room(&self) -> Result<(), StoreError> {
        self.reach().map(drop)
    }

    fn commit(&self, changes: Overlay) -> Result<(), StoreError> {
        if let Some(why) = locked(&self.fails).take() {
            return Err(why);
        }
        self.reach()?.commit(changes)
    }

    fn finish(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn follow(&self, told: Told) {
        self.memory.follow(told);
    }
}

/// A host with its own line to the database.
struct At {
    world: World,
    is_cut: Arc<AtomicBool>,
    fails: Fails,
}

/// Hosts of these names with so many modems each, which are called `attic0` and so on.
async fn fleet<const N: usize>(hosts: [(&str, usize); N]) -> [At; N] {
    let (database, clock) = (Memory::default(), Clock::manual(START));
    let mut all = Vec::new();
    for (name, modems) in hosts {
        all.push(host(&database, &clock, name, modems).await);
    }
    all.try_into().ok().unwrap()
}

async fn host(database: &Memory, clock: &Clock, name: &str, modems: usize) -> At {
    host_with(database, clock, name, modems, settings()).await
}

async fn host_with(database: &Memory, clock: &Clock, name: &str, modems: usize, settings: Settings) -> At {
    let (is_cut, fails) = (Arc::new(AtomicBool::new(false)), Fails::default());
    let memory = database.beside();
    let engine = Line { memory, is_cut: Arc::clone(&is_cut), fails: Arc::clone(&fails) };
    let store = Store::over(Arc::new(engine), Duration::ZERO);
    let settings = Settings { host: Some(name.to_owned()), ..settings };
    let cards = (0..modems).map(|i| card(&format!("sim {name} {i}"))).collect();
    let world = World::of_sims(cards, settings, store, clock.clone()).await;
    world.gateway.describe_modems(|modem| modem.name.clone().into_bytes());
    At { world, is_cut, fails }
}

impl At {
    /// Cuts it off, or not any more; then what waited is done.
    async fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
        let _ = self.world.store.transact(|_| ()).await;
    }

    async fn hosts(&self) -> Vec<(String, HostState)> {
        self.settle().await;
        self.world.gateway.hosts().into_iter().map(|host| (host.name, host.state)).collect()
    }

    /// The next commit of this host is lost.
    fn lose_a_commit(&self) {
        *locked(&self.fails) = Some(StoreError::Away("a test".to_owned()));
    }

    /// Lets all tasks run, also those of hosts whose store is away.
    async fn settle(&self) {
        for _ in 0..600 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass, beat by beat.
    async fn pass(&self, span: Duration) {
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(BEAT / 6);
            self.world.clock.advance(step);
            left -= step;
            self.settle().await;
        }
    }

    async fn message(&self, id: MessageId) -> MessageView {
        self.world.gateway.message(&Caller::default(), id).await.unwrap()
    }

    async fn reaches(&self, id: MessageId, status: MessageStatus) {
        for _ in 0..100 {
            if self.message(id).await.status == status {
                return;
            }
            self.settle().await;
        }
        panic!("{:?} and not {status:?}", self.message(id).await);
    }

    /// The first modem of this host is busy until the test ends that.
    async fn occupy(&mut self) -> (Held, MessageId) {
        let name = &self.world.modems[0].name;
        let held = self.world.hold(0, Outcome::Accepted { references: vec![1] });
        let wanted = SendRequest { modem: Some(name.clone()), ..text("+41791234570", "hello") };
        let (sent, _) = self.world.gateway.send(&Caller::default(), wanted).await.unwrap();
        assert_eq!(self.sends().await.to, "+41791234570");
        (held, sent.id)
    }

    async fn sends(&mut self) -> Aired {
        self.world.aired().await
    }
}

#[tokio::test]
async fn a_code_of_a_host_without_a_modem_goes_out_through_another_and_counts_at_each() {
    let [office, mut attic] = fleet([("office", 0), ("attic", 1)]).await;
    office.settle().await;
    assert!(office.world.gateway.ready(), "a modem of another host can send");
    let view = office.world.issue("+41791234567").await.unwrap();
    let aired = attic.sends().await;
    assert_eq!((aired.to.as_str(), aired.modem.as_str()), ("+41791234567", "attic0"));
    office.reaches(view.message.0, MessageStatus::Sent).await;
    let code = code_of(&aired);
    let wrong = office.world.check(view.id, &wrong(&code)).await;
    assert_eq!((wrong.approved, wrong.verification.attempts_left), (false, 4));
    let answer = attic.world.check(view.id, &code).await;
    assert!(answer.approved);
    assert!(!office.world.check(view.id, &code).await.approved, "once, at whichever host");
    let again = office.world.issue("+41791234567").await.unwrap();
    let pending = attic.world.issue("+41791234567").await;
    assert!(
        matches!(pending, Err(GatewayError::Cooldown { verification, .. }) if verification == again.id),
        "{pending:?}"
    );
}

#[tokio::test]
async fn each_message_goes_out_once_and_every_host_sends() {
    let [mut attic, mut cellar] = fleet([("attic", 2), ("cellar", 2)]).await;
    attic.settle().await;
    let mut ids = Vec::new();
    for n in 0..60 {
        let to = format!("+4179123{n:04}");
        let at = if n % 2 == 0 { &attic } else { &cellar };
        ids.push(at.world.send(&to).await);
    }
    for id in &ids {
        attic.reaches(*id, MessageStatus::Sent).await;
    }
    let drained = |air: &mut mpsc::UnboundedReceiver<Aired>| {
        std::iter::from_fn(|| air.try_recv().ok()).map(|aired| aired.to).collect::<Vec<_>>()
    };
    let (one, other) = (drained(&mut attic.world.air), drained(&mut cellar.world.air));
    assert!(one.len() > 5 && other.len() > 5, "{} and {}", one.len(), other.len());
    let mut all: Vec<_> = one.into_iter().chain(other).collect();
    all.sort();
    let expected: Vec<_> = (0..60).map(|n| format!("+4179123{n:04}")).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn what_a_lost_host_had_on_the_air_goes_out_through_another_and_its_word_counts_when_it_is_back() {
    let [mut attic, mut cellar] = fleet([("attic", 1), ("cellar", 0)]).await;
    let held = attic.world.hold(0, Outcome::Accepted { references: vec![7] });
    let id = cellar.world.send("+41791234567").await;
    assert!(!attic.sends().await.twin);
    attic.cut(true).await;
    cellar.pass(BEAT * 4).await;
    assert_eq!(cellar.message(id).await.status, MessageStatus::Sending, "it is waited for");
    cellar.pass(BEAT * 3).await;
    let lost = ("attic".to_owned(), HostState::Lost);
    assert!(cellar.hosts().await.contains(&lost));
    assert_eq!(cellar.message(id).await.status, MessageStatus::Queued, "nobody has a modem for it");
    held.end();
    attic.settle().await;
    assert_eq!(cellar.message(id).await.status, MessageStatus::Queued, "it cannot say so yet");
    attic.cut(false).await;
    cellar.pass(BEAT * 2).await;
    cellar.reaches(id, MessageStatus::Sent).await;
    assert!(cellar.hosts().await.contains(&("attic".to_owned(), HostState::Up)));
    let next = cellar.world.send("+41791234568").await;
    assert_eq!(attic.sends().await.to, "+41791234568", "and it sends again");
    cellar.reaches(next, MessageStatus::Sent).await;
    assert!(cellar.world.air.try_recv().is_err());
}

#[tokio::test]
async fn another_host_sends_what_a_lost_one_had_marked_as_a_twin() {
    let [mut attic, mut cellar] = fleet([("attic", 1), ("cellar", 1)]).await;
    let (busy, first) = cellar.occupy().await;
    let _held = attic.world.hold(0, Outcome::Accepted { references: vec![7] });
    let id = cellar.world.send("+41791234567").await;
    assert_eq!(attic.sends().await.to, "+41791234567");
    busy.end();
    cellar.reaches(first, MessageStatus::Sent).await;
    attic.cut(true).await;
    cellar.pass(LEASE + BEAT * 2).await;
    let again = cellar.sends().await;
    assert_eq!((again.to.as_str(), again.twin), ("+41791234567", true));
    cellar.reaches(id, MessageStatus::Sent).await;
}

/// All were away: each settles its own sends first, and nobody is taken for lost by the first that is back.
#[tokio::test]
async fn after_the_database_was_away_each_host_has_another_lease() {
    let [mut attic, mut cellar] = fleet([("attic", 1), ("cellar", 1)]).await;
    let held = attic.world.hold(0, Outcome::Accepted { references: vec![7] });
    let (busy, _) = cellar.occupy().await;
    let id = attic.world.send("+41791234567").await;
    assert_eq!(attic.sends().await.to, "+41791234567");
    attic.cut(true).await;
    cellar.cut(true).await;
    cellar.pass(LEASE * 4).await;
    let refused = cellar.world.issue("+41791234569").await;
    assert!(matches!(refused, Err(GatewayError::NotNow(_))), "{refused:?}");
    assert!(!cellar.world.gateway.ready());
    held.end();
    busy.end();
    cellar.cut(false).await;
    cellar.pass(BEAT * 4).await;
    assert_eq!(cellar.message(id).await.status, MessageStatus::Sending);
    attic.cut(false).await;
    cellar.pass(BEAT * 2).await;
    cellar.reaches(id, MessageStatus::Sent).await;
    assert_eq!(cellar.message(id).await.attempts, 1);
}

#[tokio::test]
async fn a_host_that_drains_takes_no_message_and_answers() {
    let [mut attic, mut cellar] = fleet([("attic", 1), ("cellar", 1)]).await;
    let caller = Caller::default();
    let view = attic.world.gateway.drain_host(&caller, "cellar", true).await.unwrap();
    assert_eq!((view.name.as_str(), view.state), ("cellar", HostState::Draining));
    cellar.settle().await;
    for n in 0..4 {
        let id = cellar.world.send(&format!("+4179123456{n}")).await;
        assert_eq!(attic.sends().await.modem, "attic0");
        cellar.reaches(id, MessageStatus::Sent).await;
    }
    cellar.world.gateway.drain_host(&caller, "cellar", false).await.unwrap();
    let _busy = attic.occupy().await;
    attic.world.send("+41791234571").await;
    cellar.sends().await;
    let unknown = cellar.world.gateway.drain_host(&caller, "loft", true).await;
    assert!(matches!(unknown, Err(GatewayError::NotFound(_))), "{unknown:?}");
}

#[tokio::test]
async fn what_is_asked_of_a_modem_is_done_by_its_host() {
    let [office, _attic] = fleet([("office", 0), ("attic", 1)]).await;
    office.pass(BEAT * 2).await;
    assert_eq!(office.world.gateway.control("attic0", Control::Resume).await, Ok(None));
    let refused = office.world.gateway.control("attic0", Control::Pause).await;
    assert_eq!(refused, Err(GatewayError::Conflict("a test".to_owned())), "in the words of its host");
    let unknown = office.world.gateway.control("attic1", Control::Pause).await;
    assert!(matches!(unknown, Err(GatewayError::NotFound(_))), "{unknown:?}");
    let trace = office.world.gateway.trace("attic0").await;
    assert!(matches!(&trace, Err(GatewayError::Conflict(why)) if why.contains("attic")), "{trace:?}");
}

#[tokio::test]
async fn only_a_host_that_is_gone_is_forgotten_with_its_modems() {
    let [attic, cellar] = fleet([("attic", 1), ("cellar", 1)]).await;
    let caller = Caller::default();
    let up = attic.world.gateway.forget_host(&caller, "cellar").await;
    assert!(matches!(up, Err(GatewayError::Conflict(_))), "{up:?}");
    let modems = |at: &At| {
        let names = at.world.gateway.other_modems();
        names
            .into_iter()
            .map(|m| (String::from_utf8(m.facts.expose().clone()).unwrap(), m.is_lost))
            .collect::<Vec<_>>()
    };
    attic.pass(BEAT * 2).await;
    assert_eq!(modems(&attic), [("cellar0".to_owned(), false)]);
    let key = attic.world.gateway.rotate_key(&caller).await;
    assert!(matches!(&key, Err(GatewayError::Conflict(why)) if why.contains("cellar")), "{key:?}");
    cellar.cut(true).await;
    attic.pass(LEASE + BEAT * 2).await;
    assert_eq!(modems(&attic), [("cellar0".to_owned(), true)]);
    attic.world.gateway.forget_host(&caller, "cellar").await.unwrap();
    assert_eq!(attic.hosts().await, [("attic".to_owned(), HostState::Up)]);
    assert_eq!(modems(&attic), []);
    cellar.cut(false).await;
    attic.pass(BEAT * 2).await;
    assert_eq!(attic.hosts().await.len(), 2, "it lives, and joins again");
}

#[tokio::test]
async fn a_modem_of_another_hosts_name_is_refused_at_the_start() {
    let [attic] = fleet([("attic", 1)]).await;
    let store = attic.world.store.clone();
    let taken = store
        .transact(|tx| {
            let mut host = tx.host("attic").unwrap().unwrap();
            host.modems.push("cellar0".to_owned());
            tx.put_host(&host).unwrap();
        })
        .await;
    taken.unwrap();
    let settings = Settings { host: Some("cellar".to_owned()), ..settings() };
    let modem = Arc::clone(&attic.world.modems[0]) as Arc<dyn Submit>;
    let key = Key::from_bytes([9; 32]);
    let refused = Gateway::open(store, key, attic.world.clock.clone(), settings, vec![modem]).await;
    let Err(GatewayError::NameTaken(taken)) = refused else { panic!("it joined") };
    assert_eq!((taken.modem.as_str(), taken.host.as_str()), ("attic0", "attic"));
}

#[tokio::test]
async fn the_better_modem_of_another_host_has_the_first_word_and_no_more() {
    let (database, clock) = (Memory::default(), Clock::manual(START));
    let mut attic = host(&database, &clock, "attic", 1).await;
    let swiss = ModemRules { routes: Some(vec!["+41".to_owned()]), ..ModemRules::default() };
    let rules = Settings { modems: BTreeMap::from([("cellar0".to_owned(), swiss)]), ..settings() };
    let mut cellar = host_with(&database, &clock, "cellar", 1, rules).await;
    attic.pass(BEAT * 2).await;
    for n in 0..5 {
        let id = attic.world.send(&format!("+4179123456{n}")).await;
        assert_eq!(cellar.sends().await.modem, "cellar0");
        attic.reaches(id, MessageStatus::Sent).await;
    }
    let _busy = cellar.occupy().await;
    let id = attic.world.send("+41791234571").await;
    attic.settle().await;
    assert_eq!(attic.message(id).await.status, MessageStatus::Queued);
    attic.pass(Duration::from_millis(50)).await;
    assert_eq!(attic.sends().await.to, "+41791234571");
    let abroad = attic.world.send("+4915112345678").await;
    assert_eq!(attic.sends().await.modem, "attic0", "nobody else may");
    attic.reaches(abroad, MessageStatus::Sent).await;
}

#[tokio::test]
async fn a_message_that_one_hosts_modem_refuses_is_tried_by_anothers() {
    let [attic, mut cellar] = fleet([("attic", 1), ("cellar", 1)]).await;
    attic.pass(BEAT * 2).await;
    let fault = Fault { class: FaultClass::Refused, text: "ERROR".to_owned() };
    *locked(&attic.world.modems[0].always) = Some(Outcome::Rejected { references: vec![], error: fault });
    let (busy, _) = cellar.occupy().await;
    let id = attic.world.send("+41791234567").await;
    attic.settle().await;
    busy.end();
    assert_eq!(cellar.sends().await.to, "+41791234567");
    attic.reaches(id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn a_code_whose_modem_is_silent_also_goes_out_through_another_host() {
    let [mut attic, mut cellar] = fleet([("attic", 1), ("cellar", 1)]).await;
    attic.pass(BEAT * 2).await;
    let (busy, _) = cellar.occupy().await;
    let silent = attic.world.hold(0, Outcome::Accepted { references: vec![7] });
    let view = cellar.world.issue("+41791234567").await.unwrap();
    let first = attic.sends().await;
    attic.world.gateway.overdue("attic0").await.unwrap();
    attic.settle().await;
    busy.end();
    let twin = cellar.sends().await;
    assert_eq!((twin.to.as_str(), twin.twin, code_of(&twin)), ("+41791234567", true, code_of(&first)));
    attic.reaches(view.message.0, MessageStatus::Sent).await;
    silent.end();
    attic.settle().await;
    assert_eq!(attic.message(view.message.0).await.attempts, 2);
    assert!(attic.world.air.try_recv().is_err() && cellar.world.air.try_recv().is_err());
}

#[tokio::test]
async fn an_end_whose_commit_is_lost_while_the_sim_changes_is_written_down() {
    let [mut attic, cellar] = fleet([("attic", 1), ("cellar", 0)]).await;
    let held = attic.world.hold(0, Outcome::Accepted { references: vec![7] });
    let id = cellar.world.send("+41791234567").await;
    attic.sends().await;
    attic.lose_a_commit();
    attic.world.modems[0].readiness.send_modify(|known| known.sim = card("another"));
    held.end();
    attic.settle().await;
    assert_eq!(cellar.message(id).await.status, MessageStatus::Sending);
    attic.pass(BEAT).await;
    cellar.reaches(id, MessageStatus::Sent).await;
    assert_eq!(cellar.message(id).await.attempts, 1);
}

#[tokio::test]
async fn a_message_whose_claim_is_lost_goes_out_at_the_next_beat() {
    let [mut attic, cellar] = fleet([("attic", 1), ("cellar", 0)]).await;
    attic.pass(BEAT).await;
    attic.lose_a_commit();
    let id = cellar.world.send("+41791234567").await;
    attic.settle().await;
    assert!(attic.world.air.try_recv().is_err());
    attic.pass(BEAT).await;
    attic.sends().await;
    cellar.reaches(id, MessageStatus::Sent).await;
}

/// A store that met a full disk in a commit is opened anew, which waits for the workers.
#[tokio::test]
async fn a_worker_ends_when_a_commit_finds_the_disk_full() {
    let [mut attic] = fleet([("attic", 1)]).await;
    let fails = Fails::default();
    let line = Line { memory: Memory::default(), is_cut: Arc::default(), fails: Arc::clone(&fails) };
    let (store, clock) = (Store::over(Arc::new(line), Duration::ZERO), attic.world.clock.clone());
    let modem = Arc::clone(&attic.world.modems[0]) as Arc<dyn Submit>;
    let gateway =
        Gateway::open(store, Key::from_bytes([9; 32]), clock, settings(), vec![modem]).await.unwrap();
    let running = gateway.clone();
    let run = tokio::spawn(async move { running.run().await });
    let held = attic.world.hold(0, Outcome::Accepted { references: vec![7] });
    gateway.send(&Caller::default(), text("+41791234567", "hello")).await.unwrap();
    attic.sends().await;
    *locked(&fails) = Some(StoreError::NoRoom);
    held.end();
    attic.settle().await;
    gateway.stop();
    tokio::time::timeout(Duration::from_secs(10), run).await.expect("it ends").unwrap();
}
