//! The whole daemon, simulated: gateway, pool, real sessions, a store in memory, simulated modems and clients run on one
//! thread under a seed, faster than time.
//!
//! `plan.rs` is what a seed makes of a run, `world.rs` what the daemon runs in, `trouble.rs` what goes wrong, `client.rs`
//! who asks for codes, `machine.rs` the disk and the ports, `ear.rs` who listens for secrets, and `model.rs` what must
//! hold after each step.

mod client;
pub(crate) mod dice;
mod ear;
pub(crate) mod machine;
mod model;
mod plan;
mod trouble;
mod world;

use std::sync::Arc;

pub(crate) use plan::{Kind, Plan};
use smsotpd::store::{Engine, Memory};

/// What became of a run.
pub(crate) struct Run {
    /// Each step, with its time in milliseconds.
    pub(crate) steps: Vec<String>,
    /// What did not hold, if anything.
    pub(crate) broken: Option<String>,
}

/// Lives through a plan.
pub(crate) fn run(plan: &Plan) -> Run {
    run_on(Arc::new(Memory::default()), plan)
}

/// The same on the records of this engine, which has none.
pub(crate) fn run_on(engine: Arc<dyn Engine>, plan: &Plan) -> Run {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(world::World::live(plan.clone(), engine))
}

/// Steps that are shown of a run that failed.
const SHOWN: usize = 100;

/// Tells of a failure: the seed, what did not hold, and the last steps.
pub(crate) fn report(plan: &Plan, run: &Run) -> String {
    let last = &run.steps[run.steps.len().saturating_sub(SHOWN)..];
    let why = run.broken.as_deref().unwrap_or("all holds");
    format!("seed {}: {why}\nthe last steps:\n{}", plan.seed, last.join("\n"))
}

/// The smallest plan found that `fails` as well: faults, clients, modems and time that it does not need are left out.
pub(crate) fn shrink(mut plan: Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    while let Some(smaller) = plan.smaller().into_iter().find(&fails) {
        plan = smaller;
    }
    plan
}
