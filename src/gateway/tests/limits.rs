//! Limits: which of several refuses, and when to come back.

use super::*;
use crate::otp::OnReissue;
use crate::store::Memory;

/// Each code is a new one.
fn limited(rates: &[&str]) -> Settings {
    let mut settings = settings();
    let policy = &mut settings.services.get_mut("default").unwrap().policy;
    (policy.cooldown, policy.on_reissue) = (Duration::ZERO, OnReissue::New);
    settings.limits.per_number = rates.iter().map(|rate| rate.parse().unwrap()).collect();
    settings
}

fn wait_of(refused: &GatewayError) -> (u64, &str) {
    match refused {
        GatewayError::RateLimited { retry_after, limit } => (retry_after.as_secs(), limit),
        GatewayError::Cooldown { retry_after, .. } => (retry_after.as_secs(), "cooldown"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_longest_wait_of_all_full_windows_is_told() {
    let mut settings = limited(&["2/3s", "4/15s"]);
    settings.limits.total = vec!["4/1h".parse().unwrap()];
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let number = "+41791234567";
    for _ in 0..2 {
        world.issue(number).await.unwrap();
        world.issue(number).await.unwrap();
        let refused = world.issue(number).await.unwrap_err();
        world.clock.advance(Duration::from_secs(wait_of(&refused).0));
        if wait_of(&refused).0 > 3 {
            assert_eq!(wait_of(&refused), (3597, "limits.total = \"4/1h\""));
        }
    }
    world.issue(number).await.expect("who waited as long as told is let in");
}

#[tokio::test]
async fn a_resend_is_told_the_longer_of_cool_down_and_limit() {
    let mut settings = limited(&["2/10m"]);
    settings.services.get_mut("default").unwrap().policy.cooldown = Duration::from_secs(30);
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    let view = world.issue("+41791234567").await.unwrap();
    let resend = async || world.gateway.resend(&Caller::default(), view.id, None).await;
    assert_eq!(wait_of(&resend().await.unwrap_err()), (30, "cooldown"), "the window has room");
    world.clock.advance(Duration::from_secs(30));
    resend().await.expect("the refused one was not counted");
    assert_eq!(wait_of(&resend().await.unwrap_err()), (570, "limits.per_number = \"2/10m\""));
}

#[tokio::test]
async fn rates_count_codes_alone_and_prefixes_bind_texts_too() {
    let mut settings = limited(&["1/1h"]);
    settings.limits.total = settings.limits.per_number.clone();
    settings.limits.deny_prefixes = vec!["+4190".to_owned()];
    let world = World::with(1, settings, Store::in_memory(), Clock::manual(START)).await;
    for _ in 0..3 {
        world.gateway.send(&Caller::default(), text("+41791234567", "x")).await.unwrap();
    }
    world.issue("+41791234567").await.expect("texts left the windows alone");
    world.issue("+41791234567").await.unwrap_err();
    let refused = world.gateway.send(&Caller::default(), text("+41901234567", "x")).await.unwrap_err();
    assert!(matches!(refused, GatewayError::DestinationBlocked(_)), "{refused}");
}

/// Whatever the wall clock is set to, and over a restart.
#[tokio::test(start_paused = true)]
async fn a_limit_lasts_as_long_as_it_says_whatever_the_clock_shows() {
    let (memory, clock) = (Arc::new(Memory::default()), Clock::simulated(START));
    let start = || {
        let store = Store::over(memory.clone(), Duration::ZERO);
        World::with(1, limited(&["1/1h"]), store, clock.clone())
    };
    let world = start().await;
    world.issue("+41791234567").await.unwrap();
    for clock_shows in [START.plus(Duration::from_hours(9_000)), START.minus(Duration::from_hours(9_000))] {
        tokio::time::sleep(Duration::from_mins(10)).await;
        clock.set(clock_shows);
        for world in [&world, &start().await] {
            let refused = world.issue("+41791234567").await.unwrap_err();
            assert!((2_300..=3_000).contains(&wait_of(&refused).0), "{refused}");
        }
    }
    tokio::time::sleep(Duration::from_mins(41)).await;
    world.issue("+41791234567").await.unwrap();
}
