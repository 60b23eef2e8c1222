//! Deterministic simulation of the whole daemon: seeds that must hold. What is simulated stands in `sim/mod.rs`.
//!
//! `cargo run --release --example whole -- --seed N --steps` runs one seed and prints its steps; the same program makes
//! longer runs, and the gate has it run as many seeds as fit a minute. `flood.rs` is a story of its own: more codes are
//! asked for than the SIMs can send. `postgres.rs` has a database under the same simulation.

mod flood;
mod postgres;
#[path = "../it/postgres_server.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod postgres_server;
mod sim;

use sim::{Kind, Plan, report, run, shrink};

fn holds(seed: u64) {
    let plan = Plan::of(seed);
    let run = run(&plan);
    assert!(run.broken.is_none(), "{}", report(&plan, &run));
}

#[test]
fn a_seed_repeats_itself() {
    for seed in [1, 2, 3] {
        let (first, second) = (run(&Plan::of(seed)).steps, run(&Plan::of(seed)).steps);
        let apart = first.iter().zip(&second).find(|(a, b)| a != b);
        assert_eq!((apart, first.len()), (None, second.len()), "seed {seed}");
    }
}

/// Seeds that showed a fault once.
#[test]
fn seeds_that_once_failed_hold() {
    for seed in [
        15,
        25,
        90,
        221,
        579,
        587,
        749,
        783,
        843,
        1005,
        1321,
        1392,
        1604,
        2021,
        2248,
        3463,
        3715,
        4050,
        4572,
        117_267_294_385_884,
    ] {
        holds(seed);
    }
}

#[test]
fn the_first_seeds_hold() {
    for seed in 1..=12 {
        holds(seed);
    }
}

#[test]
fn a_plan_is_made_smaller_as_long_as_it_fails() {
    let mut plan = Plan::of(1);
    plan.faults = Kind::ALL.map(|kind| (kind, std::time::Duration::from_secs(60))).into();
    let least = shrink(plan, |plan| plan.has(Kind::Crash) && plan.clients >= 2);
    assert_eq!((least.faults.len(), least.clients, least.modems), (1, 3, 1));
}
