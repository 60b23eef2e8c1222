//! Runs the simulation of the whole daemon, one seed for long or many seeds for an hour each.
//!
//! ```sh
//! cargo run --release --example whole -- --seed 1 --hours 24 --modems 4   # one long run
//! cargo run --release --example whole -- --seeds 1..3001                  # an hour of each, on every core
//! cargo run --release --example whole -- --commit 68e7856 --seconds 60    # as many as fit a minute
//! cargo run --release --example whole -- --seed 1 --shrink                # the least that fails as well
//! cargo run --release --example whole -- --seed 1 --without Crash,Slow    # leaves kinds of faults out
//! ```
//!
//! Ends with 1 at the first seed that does not hold, with its last hundred steps; with `--steps` one seed prints all.

#[path = "../tests/whole/sim/mod.rs"]
mod sim;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use sim::{Kind, Plan, report, run, shrink};

/// As the daemon has it: the system's takes a tenth of a run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates the whole daemon under a seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// The seed of one run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Many seeds, as `1..3001`, instead of one.
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Seeds that follow from the hash of a commit, in hexadecimal, instead of one.
    #[arg(long, value_parser = first_seed)]
    commit: Option<u64>,
    /// Begins no other seed after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// How long things go wrong, in simulated hours.
    #[arg(long, default_value_t = 1)]
    hours: u64,
    /// How many modems there are.
    #[arg(long, default_value_t = 4)]
    modems: usize,
    /// How many clients ask.
    #[arg(long, default_value_t = 6)]
    clients: u64,
    /// Kinds of faults that are left out, as they are called in `tests/whole/sim/plan.rs`.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    without: Vec<Kind>,
    /// Goes on after a seed that does not hold, and tells each in a line.
    #[arg(long)]
    all: bool,
    /// Prints the steps of the run.
    #[arg(long)]
    steps: bool,
    /// Looks for a smaller plan that fails as well.
    #[arg(long)]
    shrink: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.ok_or_else(|| "two numbers with .. between them, such as 1..3001".to_owned())
}

/// The first 12 digits: seeds are easier to pass on than hashes.
fn first_seed(hash: &str) -> Result<u64, String> {
    let digits = hash.get(..hash.len().min(12)).unwrap_or_default();
    u64::from_str_radix(digits, 16).map_err(|e| e.to_string())
}

fn kind(name: &str) -> Result<Kind, String> {
    let kind = Kind::ALL.into_iter().find(|kind| format!("{kind:?}") == name);
    kind.ok_or_else(|| format!("one of {:?}", Kind::ALL))
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::of(seed);
        plan.unrest = Duration::from_secs(3600 * self.hours);
        plan.modems = self.modems.max(1);
        plan.clients = self.clients;
        plan.faults.retain(|kind, _| !self.without.contains(kind));
        plan
    }

    fn one(&self) -> ExitCode {
        let plan = self.plan(self.seed);
        let (began, outcome) = (Instant::now(), run(&plan));
        if self.steps {
            println!("{}", outcome.steps.join("\n"));
        }
        let Some(why) = &outcome.broken else {
            println!("seed {}: {} h hold, in {:.1} s", self.seed, self.hours, began.elapsed().as_secs_f64());
            return ExitCode::SUCCESS;
        };
        if !self.shrink {
            eprintln!("{}\n{plan:?}", report(&plan, &outcome));
            return ExitCode::FAILURE;
        }
        eprintln!("seed {}: {why}; looking for less that fails as well", self.seed);
        let least = shrink(plan, |plan| run(plan).broken.is_some());
        eprintln!("{}\n{least:?}", report(&least, &run(&least)));
        ExitCode::FAILURE
    }

    fn many(&self, seeds: &Range<u64>) -> ExitCode {
        let began = Instant::now();
        let (next, held) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
        let failed = Mutex::new(None);
        let in_time = || self.seconds.is_none_or(|most| began.elapsed().as_secs() < most);
        let work = || {
            while failed.lock().unwrap().is_none() && in_time() {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if !seeds.contains(&seed) {
                    return;
                }
                let plan = self.plan(seed);
                let outcome = run(&plan);
                if let Some(why) = &outcome.broken {
                    if self.all {
                        println!("seed {seed}: {why}");
                        continue;
                    }
                    failed.lock().unwrap().get_or_insert_with(|| report(&plan, &outcome));
                    return;
                }
                held.fetch_add(1, Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
                scope.spawn(work);
            }
        });
        let took = began.elapsed().as_secs_f64();
        if let Some(report) = failed.into_inner().unwrap() {
            eprintln!("{report}\nafter {took:.0} s");
            return ExitCode::FAILURE;
        }
        let held = held.into_inner();
        println!("{held} seeds from {} on hold for {} h each, in {took:.0} s", seeds.start, self.hours);
        ExitCode::SUCCESS
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let of_commit = arguments.commit.map(|first| first..u64::MAX);
    match arguments.seeds.as_ref().or(of_commit.as_ref()) {
        Some(seeds) => arguments.many(seeds),
        None => arguments.one(),
    }
}
