//! The guard against SMS pumping: what a campaign gets, and what people still get beside it.

use super::*;
use crate::otp::{Action, Countries, Pumping, TestNumbers};
use crate::store::Memory;
use crate::trail::{About, Audit};

const SWISS: &str = "228015550000001";
const NUMBER: &str = "+41791234567";

fn guarded(pumping: Pumping) -> Settings {
    let mut settings = renewing(settings());
    settings.destinations.countries = Countries::All;
    Settings { pumping, ..settings }
}

fn at_home(home: Action, unverified: &str) -> Settings {
    guarded(Pumping { home, unverified: unverified.parse().unwrap(), ..Pumping::default() })
}

/// A Swiss SIM.
async fn swiss(settings: Settings, store: Store, clock: Clock) -> World {
    let sims = vec![SimNames::new(Some("sim0".to_owned()), Some(SWISS.to_owned()))];
    let world = World::of_sims(sims, settings, store, clock).await;
    world.at_rest().await;
    world
}

fn limit_of(refused: &GatewayError) -> &str {
    match refused {
        GatewayError::RateLimited { limit, .. } => limit,
        other => panic!("{other}"),
    }
}

/// No neighbours.
fn german(n: u32) -> String {
    format!("+491512{n:05}00")
}

fn french(n: u32) -> String {
    format!("+33612{n:04}00")
}

impl World {
    async fn explained_to(&self, to: &str) -> LimitsView {
        let request = LimitsRequest { to: to.to_owned(), service: None, keys: BTreeMap::new() };
        self.gateway.limits(&Caller::default(), request).await.unwrap()
    }

    /// As an issue meets it, it is explained before.
    async fn tries(&mut self, to: &str) -> Result<(VerificationId, String), GatewayError> {
        let explained = self.explained_to(to).await.refused;
        let issued = self.issue(to).await;
        assert_eq!(explained.as_ref(), issued.as_ref().err());
        let id = issued?.id;
        Ok((id, code_of(&self.aired().await)))
    }

    /// A person asks for a code and enters it.
    async fn person(&mut self, to: &str) -> Result<(), GatewayError> {
        let (id, code) = self.tries(to).await?;
        assert!(self.check(id, &code).await.approved);
        Ok(())
    }

    fn pumping(&self, rule: &str, action: &str) -> String {
        let name = format!("smsotp_pumping_total{{rule=\"{rule}\",action=\"{action}\"}} ");
        let metrics = self.gateway.metrics();
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(&name))
            .unwrap_or_else(|| panic!("{metrics}"))
            .to_owned()
    }
}

#[tokio::test]
async fn of_three_hundred_neighbours_twenty_get_codes() {
    let mut world = swiss(guarded(Pumping::default()), Store::in_memory(), Clock::manual(START)).await;
    let mut issued = Vec::new();
    for n in 0..300 {
        let to = format!("+41791234{n:03}");
        match world.tries(&to).await {
            Ok(_) => issued.push(n),
            Err(refused) => assert_eq!(limit_of(&refused), "pumping.adjacent = 20"),
        }
    }
    assert_eq!(issued, (0..20).collect::<Vec<_>>());
    assert_eq!(world.pumping("adjacent", "enforce"), "280");
    world.tries("+41791234007").await.expect("it is one of the twenty");
    let told = world.explained_to("+41791234050").await.windows.pop().unwrap();
    assert_eq!((told.name.as_str(), told.used, told.limit), ("pumping.adjacent 20/1h", 20, 20));
    world.clock.advance(Duration::from_secs(3600));
    world.tries("+41791234050").await.expect("an hour later");
}

#[tokio::test(start_paused = true)]
async fn a_campaign_abroad_ends_within_its_budget_and_people_go_on_over_a_restart() {
    let (memory, clock) = (Arc::new(Memory::default()), Clock::simulated(START));
    let start = || {
        let store = Store::over(memory.clone(), Duration::ZERO);
        swiss(guarded(Pumping::default()), store, clock.clone())
    };
    let mut world = start().await;
    let mut pumped = 0;
    for n in 0..60 {
        world.person(&french(n)).await.expect("codes that are entered go on");
        world.person(&format!("+4179{n:05}00")).await.expect("at home too");
        match world.tries(&german(n)).await {
            Ok(_) => pumped += 1,
            Err(refused) => assert_eq!(
                limit_of(&refused),
                "pumping.unverified = \"30/1day\" for codes to one country that nobody entered"
            ),
        }
    }
    assert_eq!((pumped, world.pumping("unverified", "enforce").as_str()), (30, "30"));
    drop(world);
    let mut world = start().await;
    world.tries(&german(90)).await.expect_err("the budget is on disk");
    let told = world.explained_to(&german(90)).await.windows;
    let told: Vec<_> = told.iter().map(|w| (w.name.as_str(), w.used, w.limit)).collect();
    assert_eq!(told[1], ("pumping.unverified country 30/1day", 30, 30));
    world.person(&french(90)).await.unwrap();
    clock.set(START.plus(Duration::from_hours(1000)));
    world.tries(&german(90)).await.expect_err("whatever the clock shows");
    tokio::time::sleep(Duration::from_hours(25)).await;
    world.tries(&german(90)).await.expect("a day later");
}

#[tokio::test]
async fn who_serves_a_country_has_a_third_of_it_for_codes_that_get_lost() {
    let mut world = swiss(guarded(Pumping::default()), Store::in_memory(), Clock::manual(START)).await;
    for n in 0..120 {
        world.person(&german(n)).await.unwrap();
    }
    let mut lost = 0;
    while world.tries(&german(200 + lost)).await.is_ok() {
        lost += 1;
        assert!(lost <= 40, "more than a third");
    }
    assert_eq!(lost, 40);
}

#[tokio::test]
async fn what_is_recorded_is_told_and_not_refused() {
    let mut world = swiss(at_home(Action::Record, "3/1d"), Store::in_memory(), Clock::manual(START)).await;
    for n in 0..6 {
        world.tries(&format!("+4179{n:05}00")).await.unwrap();
    }
    assert_eq!(world.pumping("unverified", "record"), "3");
    assert_eq!(world.pumping("unverified", "enforce"), "0");
    world.clock.advance(Duration::from_secs(61));
    world.at_rest().await;
    let page = world.gateway.events(0, 1000).await.unwrap();
    let audits = page.events.iter().filter_map(|(_, event)| match &event.about {
        About::Audit(audit) if audit.action == "suspected" => Some(audit.clone()),
        _ => None,
    });
    let detail = "rate_limited: pumping.unverified = \"3/1day\" for codes to one country that nobody entered; recorded, not \
                  refused";
    let audit = |count| {
        let (action, to) = ("suspected".to_owned(), Some("+4179*****00".to_owned()));
        Audit { action, to, detail: detail.to_owned(), count }
    };
    assert_eq!(audits.collect::<Vec<_>>(), [audit(1), audit(2)]);

    world.gateway.reload(guarded(Pumping::off()));
    for _ in 0..25 {
        world.tries(NUMBER).await.unwrap();
    }
    world.gateway.reload(at_home(Action::Enforce, "7/1d"));
    world.tries(NUMBER).await.expect("nothing was counted while it was off");
    world.tries(NUMBER).await.expect_err("the eighth");
}

#[tokio::test]
async fn a_code_that_is_entered_takes_all_its_messages_back() {
    let mut world = swiss(at_home(Action::Enforce, "2/1d"), Store::in_memory(), Clock::manual(START)).await;
    let (id, code) = world.tries(NUMBER).await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    world.gateway.resend(&Caller::default(), id, None).await.unwrap();
    world.aired().await;
    let refused = world.gateway.resend(&Caller::default(), id, None).await.unwrap_err();
    assert!(limit_of(&refused).starts_with("pumping.unverified"), "{refused}");
    assert!(world.check(id, &code).await.approved);
    world.tries(NUMBER).await.unwrap();
    world.tries(NUMBER).await.unwrap();
    world.tries(NUMBER).await.unwrap_err();
}

#[tokio::test]
async fn texts_and_test_numbers_are_not_counted() {
    let nobody = "+447700900123";
    let mut testing = TestNumbers::default();
    testing.insert(nobody.parse().unwrap(), "000000").unwrap();
    let pumping = Pumping { unverified: "1/1d".parse().unwrap(), adjacent: 1, ..Pumping::default() };
    let settings = Settings { testing, ..guarded(pumping) };
    let mut world = swiss(settings, Store::in_memory(), Clock::manual(START)).await;
    for _ in 0..3 {
        let view = world.issue(nobody).await.unwrap();
        world.send("+447911123456").await;
        world.aired().await;
        assert!(world.check(view.id, "000000").await.approved);
    }
    world.tries("+447911123456").await.expect("the first code that costs anything");
    world.tries("+447911123456").await.expect_err("abroad");
}
