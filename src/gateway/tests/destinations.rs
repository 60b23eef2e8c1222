//! To which numbers codes go, how numbers are read, and how the SIMs' countries are remembered.

use super::*;
use crate::otp::Countries;
use crate::store::Memory;

fn sim(iccid: &str, imsi: &str) -> SimNames {
    SimNames::new(Some(iccid.to_owned()), Some(imsi.to_owned()))
}

const SWISS: &str = "228015550000001";
const GERMAN: &str = "262015550000001";

async fn world(sims: Vec<SimNames>, settings: Settings) -> World {
    let world = World::of_sims(sims, settings, Store::in_memory(), Clock::manual(START)).await;
    world.at_rest().await;
    world
}

fn why(refused: Result<VerificationView, GatewayError>) -> String {
    match refused {
        Err(GatewayError::DestinationBlocked(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn with_a_swiss_sim_the_defaults_take_swiss_mobile_numbers() {
    let world = world(vec![sim("sim0", SWISS)], settings()).await;
    for number in ["+41791234567", "+41765432100", "+41781234567"] {
        world.issue(number).await.unwrap();
    }
    for (number, key) in [
        ("+41900123456", "destinations.types"),
        ("+41446681800", "destinations.types"),
        ("+41800123456", "destinations.types"),
        ("+41701234567", "destinations.validity"),
        ("+881612345678", "destinations.countries"),
        ("+870773123456", "destinations.countries"),
        ("+4915122334455", "destinations.countries"),
        ("+18762101234", "destinations.countries"),
    ] {
        let why = why(world.issue(number).await);
        assert!(why.contains(key), "{number}: {why}");
        world.send(number).await;
    }
    for impossible in ["+417912345678", "+41791234", "+2101234567", "0791234567", "+41 79 123 45 67"] {
        let refused = world.issue(impossible).await.unwrap_err();
        assert!(matches!(refused, GatewayError::InvalidNumber(_)), "{impossible}: {refused}");
        let refused = world.gateway.send(&Caller::default(), text(impossible, "x")).await.unwrap_err();
        assert!(matches!(refused, GatewayError::InvalidNumber(_)), "{impossible}: {refused}");
    }
}

#[tokio::test]
async fn all_spellings_of_a_number_are_one_number() {
    let mut settings = settings();
    settings.limits.per_number = vec!["1/1h".parse().unwrap()];
    settings.destinations.default_region = Some("CH".parse().unwrap());
    let mut world = world(vec![sim("sim0", SWISS)], settings).await;
    let view = world.issue("+410791234567").await.unwrap();
    assert_eq!(view.to.as_str(), "+41791234567");
    let spellings =
        ["+41791234567", "079 123 45 67", "0041 79 123 45 67", "+41 (0)79 123-45-67", "+410791234567"];
    for spelling in spellings {
        let refused = world.issue(spelling).await.unwrap_err();
        assert!(matches!(refused, GatewayError::RateLimited { .. }), "{spelling}: {refused}");
        let filter = MessageFilter { to: Some(spelling.to_owned()), limit: 9, ..MessageFilter::default() };
        assert_eq!(world.gateway.messages(&Caller::default(), filter).await.unwrap().items.len(), 1);
    }
    let code = CheckRequest::of(&code_of(&world.aired().await));
    let caller = Caller::default();
    assert!(world.gateway.check_newest(&caller, "079/1234567", None, code).await.unwrap().approved);
    world.gateway.add_opt_out(&Caller::default(), "079 123 45 67").await.unwrap();
    assert_eq!(world.issue("+41791234567").await.unwrap_err(), GatewayError::OptedOut);
    world.gateway.remove_opt_out(&Caller::default(), "+410791234567").await.unwrap();
    let filter = MessageFilter { to: Some("079".to_owned()), limit: 9, ..MessageFilter::default() };
    let refused = world.gateway.messages(&caller, filter).await.unwrap_err();
    assert!(matches!(refused, GatewayError::InvalidNumber(_)), "{refused}");
}

#[tokio::test]
async fn a_stranger_whose_number_no_plan_knows_is_kept_as_he_is() {
    let world = World::new(1).await;
    let list = async || world.gateway.opt_outs(9, None).await.unwrap().items;
    for from in ["+2101234567", "+410791234567"] {
        world.receive(&inbound::parts(from, "STOP", 1, 0)[0]).await;
    }
    let senders: Vec<_> = world.inbox().await.iter().map(|view| view.from.as_str().to_owned()).collect();
    assert_eq!(senders, ["+410791234567", "+2101234567"]);
    let mut phones: Vec<_> = list().await.into_iter().map(|view| view.phone.as_str().to_owned()).collect();
    phones.sort();
    assert_eq!(phones, ["+2101234567", "+41791234567"]);
    for phone in phones {
        world.gateway.remove_opt_out(&Caller::default(), &phone).await.unwrap();
    }
    assert!(list().await.is_empty());
    let refused = world.gateway.add_opt_out(&Caller::default(), "+2101234567").await.unwrap_err();
    assert!(matches!(refused, GatewayError::InvalidNumber(_)), "{refused}");
}

#[tokio::test]
async fn the_sims_countries_are_remembered_while_their_modems_are_away() {
    let memory = Arc::new(Memory::default());
    let start = async |sims: Vec<SimNames>| {
        let store = Store::over(memory.clone(), Duration::ZERO);
        World::of_sims(sims, settings(), store, Clock::manual(START)).await
    };
    let world = start(vec![SimNames::default()]).await;
    world.modems[0].readiness.send_replace(Readiness::default());
    world.issue("+4915122334455").await.expect("no SIM was seen yet");
    assert!(why(world.issue("+881612345678").await).contains("satellite"));
    world.issue("+41900123456").await.unwrap_err();

    let world = start(vec![sim("sim0", SWISS), sim("sim1", GERMAN)]).await;
    world.at_rest().await;
    for number in ["+41791234561", "+4915122334451"] {
        world.issue(number).await.unwrap();
    }
    assert!(why(world.issue("+33612345678").await).contains("(CH, DE)"));

    let world = start(vec![SimNames::default(), SimNames::default()]).await;
    for modem in &world.modems {
        modem.readiness.send_replace(Readiness::default());
    }
    world.issue("+4915122334452").await.unwrap();
    assert!(why(world.issue("+33612345678").await).contains("(CH, DE)"));

    // A card that holds back its IMSI is known by its number; another one is at home where its IMSI says.
    let world = start(vec![card("sim0"), sim("sim2", "208015550000001")]).await;
    world.at_rest().await;
    assert!(why(world.issue("+4915122334453").await).contains("(CH, FR)"));
    world.issue("+33612345678").await.unwrap();
}

#[tokio::test]
async fn a_code_is_not_sent_again_to_where_no_code_goes_any_more() {
    let world = world(vec![sim("sim0", SWISS)], settings()).await;
    let view = world.issue("+41791234567").await.unwrap();
    world.clock.advance(Duration::from_secs(30));
    let mut elsewhere = settings();
    elsewhere.destinations.countries = Countries::These(vec!["DE".parse().unwrap()]);
    world.gateway.reload(elsewhere.clone());
    let refused = world.gateway.resend(&Caller::default(), view.id, None).await.unwrap_err();
    assert!(
        matches!(&refused, GatewayError::DestinationBlocked(why) if why.contains("add \"CH\"")),
        "{refused}"
    );
    elsewhere.limits.allow_prefixes = Some(vec!["+41".to_owned()]);
    world.gateway.reload(elsewhere);
    world
        .gateway
        .resend(&Caller::default(), view.id, None)
        .await
        .expect("prefixes stand instead of countries");
    assert!(why(world.issue("+4915122334455").await).contains("limits.allow_prefixes"));
    assert!(why(world.issue("+41446681800").await).contains("destinations.types"));
}
