//! More codes than the modems can send: who is let in, in which order they go, and who is told.

use super::*;
use crate::otp::Policy;
use crate::outbox::MAX_WAIT;

/// A modem takes so long for each message, and every message waits for the test.
struct Slow {
    world: World,
    release: VecDeque<oneshot::Sender<()>>,
}

impl Slow {
    /// A modem that was seen to take three seconds for a part.
    async fn new(settings: Settings) -> Self {
        let settings = Settings { max_wait: MAX_WAIT, ..settings };
        let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
        let mut slow = Self { world, release: VecDeque::new() };
        slow.hold(100);
        for n in 0..3 {
            slow.world.send(&format!("+4178000000{n}")).await;
            slow.world.aired().await;
            slow.answer().await;
        }
        slow
    }

    fn hold(&mut self, messages: usize) {
        for _ in 0..messages {
            let (release, until) = oneshot::channel();
            locked(&self.world.modems[0].plan).push_back(Plan::Hold(until));
            self.release.push_back(release);
        }
    }

    /// The modem answers, three seconds after it was given the message.
    async fn answer(&mut self) {
        self.answer_after(3).await;
    }

    async fn answer_after(&mut self, seconds: u64) {
        self.world.clock.advance(Duration::from_secs(seconds));
        self.release.pop_front().unwrap().send(()).unwrap();
        self.world.at_rest().await;
    }

    async fn issue(&self, client: &str, to: &str) -> Result<VerificationView, Duration> {
        let caller = Caller { client: Some(client.to_owned()), ..Caller::default() };
        match self.world.gateway.issue(&caller, request(to)).await {
            Ok((view, _)) => Ok(view),
            Err(GatewayError::Overloaded { retry_after }) => Err(retry_after),
            Err(e) => panic!("{e}"),
        }
    }

    /// How many codes of this client are let in, one after the other.
    async fn let_in(&self, client: &str, prefix: &str) -> usize {
        for n in 0..50 {
            if self.issue(client, &format!("{prefix}{n:03}")).await.is_err() {
                return n;
            }
        }
        50
    }
}

#[tokio::test]
async fn who_would_wait_too_long_is_refused_before_anything_is_counted() {
    let mut settings = settings();
    settings.limits.per_number = vec!["1/1h".parse().unwrap()];
    let mut slow = Slow::new(settings).await;
    assert_eq!(
        slow.let_in("web", "+41791234").await,
        2,
        "one on the air, and one that begins in three seconds"
    );
    let refused = slow.issue("web", "+41791234500").await.unwrap_err();
    assert!((Duration::from_secs(1)..=Duration::from_secs(8)).contains(&refused), "{refused:?}");
    let metrics = slow.world.gateway.metrics();
    assert!(metrics.contains("smsotp_overload_refusals_total 2\n"), "{metrics}");
    assert!(metrics.contains("smsotp_modem_pace_parts_per_minute{modem=\"m0\"} 20\n"), "{metrics}");
    assert_eq!(slow.world.gateway.status().queue.otp, 1);
    slow.answer().await;
    slow.world.clock.advance(refused);
    slow.answer().await;
    slow.issue("web", "+41791234500").await.expect("nothing was counted, and there is room");
}

/// What the modem can do is known from before, so that no more is promised than that.
#[tokio::test]
async fn the_pace_of_a_modem_is_known_after_a_restart() {
    let store = Store::in_memory();
    let settings = Settings { max_wait: MAX_WAIT, ..settings() };
    let clock = Clock::manual(START);
    let world = World::with(1, settings.clone(), store.clone(), clock.clone()).await;
    let mut slow = Slow { world, release: VecDeque::new() };
    slow.hold(9);
    for n in 0..3 {
        slow.world.send(&format!("+4178000000{n}")).await;
        slow.world.aired().await;
        slow.answer().await;
    }
    slow.world.gateway.stop();
    let world = World::with(1, settings, store, clock).await;
    let mut again = Slow { world, release: VecDeque::new() };
    again.hold(9);
    assert!(again.world.gateway.metrics().contains("smsotp_modem_pace_parts_per_minute{modem=\"m0\"} 20\n"));
    assert_eq!(again.let_in("web", "+41791234").await, 2, "at once, and in three seconds");
}

#[tokio::test]
async fn a_key_gives_its_verification_back_though_no_other_is_let_in() {
    let slow = Slow::new(settings()).await;
    let keyed = IssueRequest { idempotency_key: Some("k".to_owned()), ..request("+41791234567") };
    let caller = Caller { client: Some("web".to_owned()), ..Caller::default() };
    let (first, _) = slow.world.gateway.issue(&caller, keyed.clone()).await.unwrap();
    slow.let_in("web", "+41791235").await;
    let (again, replayed) = slow.world.gateway.issue(&caller, keyed).await.unwrap();
    assert_eq!((again.id, replayed), (first.id, true));
}

#[tokio::test]
async fn a_client_that_floods_leaves_a_place_for_another() {
    let slow = Slow::new(settings()).await;
    let flood = slow.let_in("form", "+41791234").await;
    assert_eq!((flood, slow.let_in("form", "+41791235").await), (2, 0));
    assert_eq!(slow.let_in("shop", "+41791236").await, 1);
    assert_eq!(slow.let_in("form", "+41791237").await, 0);
}

#[tokio::test]
async fn a_resend_is_refused_in_the_same_way() {
    let mut slow = Slow::new(settings()).await;
    let view = slow.issue("web", "+41791234567").await.unwrap();
    slow.answer().await;
    slow.world.clock.advance(Duration::from_secs(30));
    slow.let_in("web", "+41791235").await;
    let caller = Caller { client: Some("web".to_owned()), ..Caller::default() };
    let refused = slow.world.gateway.resend(&caller, view.id, None).await.unwrap_err();
    assert!(matches!(refused, GatewayError::Overloaded { .. }), "{refused}");
    let view = slow.world.gateway.verification(&caller, view.id).await.unwrap();
    assert_eq!(view.message.1, MessageStatus::Sent, "nothing of it has changed");
}

/// Nobody knows the pace yet, and the modem is away: as many are let in as a slow one can begin. Once the pace is seen, and
/// it is a slower one, those that cannot be met are told at once, and the newest of the others go first.
#[tokio::test]
async fn when_not_all_can_be_met_the_newest_go_first_and_the_others_are_told_at_once() {
    let mut settings = settings();
    for service in settings.services.values_mut() {
        service.policy = Policy { ttl: Duration::from_secs(200), ..service.policy.clone() };
    }
    settings.max_wait = MAX_WAIT;
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    world.at_rest().await;
    let mut slow = Slow { world, release: VecDeque::new() };
    slow.hold(30);
    let mut views = Vec::new();
    for n in 0..30 {
        views.push(slow.issue("web", &format!("+417912340{n:02}")).await.unwrap());
        slow.world.clock.advance(Duration::from_millis(10));
    }
    slow.world.modems[0].readiness.send_replace(Readiness { ready: true, ..Readiness::default() });
    slow.world.at_rest().await;
    assert_eq!(
        slow.world.aired().await.to,
        "+41791234000",
        "the first deadline, as long as nothing is known"
    );
    slow.answer_after(9).await;
    slow.world.aired().await;
    slow.world.clock.advance(Duration::from_secs(1));
    slow.world.at_rest().await;
    let mut told = Vec::new();
    let all = Caller { reach: Reach::Sees, ..Caller::default() };
    for view in &views {
        let m = slow.world.gateway.message(&all, view.message.0).await.unwrap();
        if m.status == MessageStatus::Expired {
            assert!(m.error.unwrap().contains("more codes waited"));
            told.push(m.id);
        }
    }
    // Nine seconds each: as many as begin within 25 s go out.
    assert!((25..=27).contains(&told.len()), "{}", told.len());
    assert!(
        views[2..=told.len()].iter().all(|v| told.contains(&v.message.0)),
        "the oldest of those that wait"
    );
    let metrics = slow.world.gateway.metrics();
    assert!(metrics.contains(&format!("smsotp_codes_given_up_total {}\n", told.len())), "{metrics}");
    slow.answer_after(2).await;
    assert_eq!(slow.world.aired().await.to, "+41791234029", "the newest");
    while slow.world.gateway.status().queue.otp > 0 {
        slow.answer().await;
    }
    slow.answer().await;
    for view in views.iter().filter(|v| !told.contains(&v.message.0)) {
        let m = slow.world.gateway.message(&all, view.message.0).await.unwrap();
        assert_eq!(m.status, MessageStatus::Sent, "{}", m.to.as_str());
    }
}
