//! What limits cost when very many numbers have live windows: an issue and a check on a disk, beside the same with a
//! thousand numbers, and the memory that is resident.
//!
//! `cargo bench --bench limits [DIR] [NUMBERS]`: DIR is on the disk to be measured (default: `target`), NUMBERS how many
//! have windows (default: 1,000,000). This is not a test: it prints and judges nothing.

mod measure;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use measure::{at, octets, resident};
use smsotpd::clock::{Clock, Now, Steady};
use smsotpd::gateway::{Caller, CheckRequest, Gateway, IssueRequest, Settings};
use smsotpd::otp::{Limits, Pumping, Window};
use smsotpd::phone::PhoneNumber;
use smsotpd::secret::Key;
use smsotpd::store::{Options, Store};

/// Issues and checks that are measured.
const ROUNDS: u64 = 2000;
/// Numbers whose windows are written in one move.
const AT_ONCE: u64 = 500;
const FEW: u64 = 1000;
const KEY: [u8; 32] = [7; 32];
/// The first argument of the process that writes the windows.
const FILL: &str = "fill";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let [FILL, dir, numbers] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return runtime.block_on(fill(
            Path::new(dir),
            numbers.parse().expect("a number"),
            &settings().limits,
        ));
    }
    let many = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(1_000_000);
    let dir = arguments.iter().find(|a| a.parse::<u64>().is_err()).map(PathBuf::from);
    let dir = dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"));
    let dir = tempfile::tempdir_in(dir).expect("the folder can be written");
    println!("resident at the start: {} MiB", resident("self") / 1024);
    let few = runtime.block_on(measured(&dir.path().join("few"), FEW));
    let many = runtime.block_on(measured(&dir.path().join("many"), many));
    for (what, few, many) in [("issue", &few.0, &many.0), ("check", &few.1, &many.1)] {
        let ratio = at(many, 99).as_secs_f64() / at(few, 99).as_secs_f64();
        println!("{what}: 99 % within {ratio:.2} times what a thousand numbers take");
    }
}

/// What each issue and each check took over this many numbers.
async fn measured(dir: &Path, numbers: u64) -> (Vec<Duration>, Vec<Duration>) {
    let settings = settings();
    let began = Instant::now();
    // Another process writes: what it leaves in its memory is not counted here.
    let this = std::env::current_exe().expect("its path");
    let wrote = Command::new(this).arg(FILL).arg(dir).arg(numbers.to_string()).status();
    assert!(wrote.expect("it starts").success());
    println!("{numbers} numbers: written in {:?}", began.elapsed());
    let began = Instant::now();
    let store = Store::open(dir, &Options { open_within: Duration::from_secs(3600), ..Options::default() });
    let store = store.expect("what was written opens");
    let (size, open) = (octets(dir) / 1024 / 1024, began.elapsed());
    println!("  {size} MiB on the disk, opened in {open:?}, resident {} MiB", resident("self") / 1024);
    let key = Key::from_bytes(KEY);
    let gateway = Gateway::open(store.clone(), key, Clock::system(), settings, Vec::new());
    let gateway = gateway.await.expect("a gateway");
    let (mut issue_times, mut check_times) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS.min(numbers) {
        // A stride without a common factor with the count visits them all over, none twice.
        let to = number(round * 611_953 % numbers);
        let began = Instant::now();
        let issued = gateway.issue(&Caller::default(), request(&to)).await;
        issue_times.push(began.elapsed());
        let (view, _) = issued.expect("no limit is in the way");
        let began = Instant::now();
        let check = gateway.check(&Caller::default(), view.id, CheckRequest::of("wrong")).await;
        check_times.push(began.elapsed());
        assert!(!check.expect("it exists").approved);
    }
    for (what, took) in [("issue", &issue_times), ("check", &check_times)] {
        println!(
            "  {what}: median {:?}, 99 % within {:?}, all within {:?}",
            at(took, 50),
            at(took, 99),
            at(took, 100)
        );
    }
    println!("  resident after {} of each: {} MiB", issue_times.len(), resident("self") / 1024);
    gateway.stop();
    store.close().await;
    (issue_times, check_times)
}

/// The defaults, with room for what is measured.
fn settings() -> Settings {
    let rate = |text: &str| vec![text.parse().expect("a rate")];
    let limits = Limits {
        per_client: rate("1000000/1m"),
        per_prefix: rate("1000000/10m"),
        total: rate("1000000/1h"),
        ..Limits::default()
    };
    // The numbers stand side by side.
    let pumping = Pumping { adjacent: 0, ..Pumping::default() };
    Settings { limits, pumping, ..Settings::default() }
}

/// Windows of one code and one wrong code for each number.
async fn fill(dir: &Path, numbers: u64, limits: &Limits) {
    let store = Store::open(dir, &Options::default()).expect("a store");
    store.unlock(&Key::from_bytes(KEY)).await.expect("a disk");
    let now = Now::agreed(Clock::system().now()).steady();
    let only_numbers =
        Limits { per_client: Vec::new(), per_prefix: Vec::new(), total: Vec::new(), ..limits.clone() };
    for first in (0..numbers).step_by(usize::try_from(AT_ONCE).expect("small")) {
        let limits = only_numbers.clone();
        let write = move |tx: &mut smsotpd::store::Tx<'_>| {
            for n in first..(first + AT_ONCE).min(numbers) {
                let to: PhoneNumber = number(n).parse().expect("a number");
                for place in limits.codes(&to, None, &[]).into_iter().chain(limits.guesses(&to)) {
                    let mut window = Window::default();
                    window.add(place.rate, spread(now, n));
                    tx.put_window(&place.subject, place.rate.per, &window, now.plus(place.rate.per))?;
                }
            }
            Ok::<_, smsotpd::store::StoreError>(())
        };
        store.transact(write).await.expect("a disk").expect("they are written");
    }
    store.close().await;
}

/// Within the last minute.
fn spread(now: Steady, n: u64) -> Steady {
    now.minus(Duration::from_millis(n * 7 % 60_000))
}

fn number(n: u64) -> String {
    format!("+4179{:07}", n * 7 % 10_000_000)
}

fn request(to: &str) -> IssueRequest {
    IssueRequest { to: to.to_owned(), ..IssueRequest::default() }
}
