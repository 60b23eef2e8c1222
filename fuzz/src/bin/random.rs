//! The targets without libFuzzer: `random SECONDS TARGET FOLDER…` gives the files of the folders to the target, then what a
//! seeded generator makes of them. Slower to find a fault than libFuzzer, which sees what an input reaches, but it needs no
//! C++. `SEED` chooses the generator's beginning.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

/// An input is not longer.
const LONGEST: usize = 8192;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let [_, seconds, name, folders @ ..] = &arguments[..] else { return usage() };
    let body = smsotpd_fuzz::TARGETS.iter().find(|(target, _)| target == name).map(|(_, body)| *body);
    let (Ok(seconds), Some(body)) = (seconds.parse(), body) else { return usage() };
    let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);

    let mut seeds: Vec<Vec<u8>> = vec![Vec::new()];
    for folder in folders {
        read(Path::new(folder), &mut seeds);
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut random = Random(seed);
    let mut count = 0_u64;
    for input in &seeds {
        if !holds(name, body, input) {
            return ExitCode::FAILURE;
        }
        count += 1;
    }
    while Instant::now() < end {
        let input = random.input(&seeds);
        if !holds(name, body, &input) {
            return ExitCode::FAILURE;
        }
        count += 1;
    }
    println!("{name}: {count} inputs, {} of them from folders, seed {seed}", seeds.len() - 1);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let names: Vec<_> = smsotpd_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    eprintln!("random SECONDS TARGET FOLDER…, where a target is one of: {}", names.join(", "));
    ExitCode::from(2)
}

/// Gives the target one input, and keeps the input when something does not hold.
fn holds(name: &str, body: smsotpd_fuzz::Body, input: &[u8]) -> bool {
    if catch_unwind(AssertUnwindSafe(|| body(input))).is_ok() {
        return true;
    }
    let path = PathBuf::from(format!("artifacts/{name}/random-{:016x}", checksum(input)));
    let kept = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, input));
    match kept {
        Ok(()) => eprintln!("{name}: the input is in {}", path.display()),
        Err(error) => eprintln!("{name}: the input cannot be kept ({error}): {input:02x?}"),
    }
    false
}

fn read(path: &Path, seeds: &mut Vec<Vec<u8>>) {
    if let Ok(entries) = fs::read_dir(path) {
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.iter().for_each(|path| read(path, seeds));
    } else if let Ok(octets) = fs::read(path) {
        seeds.push(octets);
    }
}

/// FNV-1a.
fn checksum(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, octet| (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`; 0 when that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }

    /// One of the seeds, changed in a few places.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            let at = self.below(input.len() + 1);
            match self.below(6) {
                0 => input.truncate(at),
                1 => {
                    let octet = self.next().to_le_bytes()[0];
                    input.insert(at, octet);
                }
                2 if at < input.len() => input[at] ^= 1 << self.below(8),
                3 if at < input.len() => input[at] = self.next().to_le_bytes()[0],
                4 => {
                    // A piece of another seed.
                    let other = &seeds[self.below(seeds.len())];
                    let begin = self.below(other.len());
                    let end = begin + self.below((other.len() - begin).min(64) + 1);
                    input.splice(at..at, other[begin..end].iter().copied());
                }
                _ => {
                    let more = self.below(32);
                    let octets: Vec<u8> = (0..more).map(|_| self.next().to_le_bytes()[0]).collect();
                    input.splice(at..at, octets);
                }
            }
        }
        input.truncate(LONGEST);
        input
    }
}
