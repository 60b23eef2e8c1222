//! The whole daemon, simulated: gateway, pool, real sessions, a store in memory, simulated modems and clients run on one
//! thread under a seed, faster than time. `world.rs` is what the daemon runs in and what goes wrong there, `model.rs` what
//! must hold after each step.
//!
//! `SMSOTP_SEED=n cargo test --test whole -- --nocapture one_seed` runs one seed and prints its steps.

mod dice;
mod machine;
mod model;
mod world;

use world::World;

/// Runs a seed; the steps, and what was wrong.
fn run(seed: u64) -> (Vec<String>, Result<(), String>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(World::live(seed))
}

fn holds(seed: u64) {
    let (steps, outcome) = run(seed);
    if let Err(why) = outcome {
        let last = steps.len().saturating_sub(100);
        panic!("seed {seed}: {why}\nthe last steps:\n{}", steps[last..].join("\n"));
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [1, 2] {
        let (first, second) = (run(seed).0, run(seed).0);
        let apart = first.iter().zip(&second).find(|(a, b)| a != b);
        assert_eq!((apart, first.len()), (None, second.len()), "seed {seed}");
    }
}

#[test]
fn what_must_hold_holds() {
    for seed in 1..=40 {
        holds(seed);
    }
}

#[test]
fn one_seed() {
    let seed = std::env::var("SMSOTP_SEED").ok().and_then(|seed| seed.parse().ok());
    if let Some(seed) = seed {
        let (steps, outcome) = run(seed);
        println!("{}\n{outcome:?}", steps.join("\n"));
        outcome.unwrap();
    }
}
