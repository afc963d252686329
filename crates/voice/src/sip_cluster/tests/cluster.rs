//! A cluster in one thread, on virtual time: two nodes, two proxies, media, the ledger, a carrier, phones, an application.
//!
//! All of our parts are the real ones: [`sip::proxy::Proxy`], the node with its ledger, `ownership`, media with its records and
//! its audio, the user agent on the other side. A seed decides who calls whom and when, what the edge's network does to
//! datagrams, and which node is killed, stopped or cut off, from a proxy or from the ledger, at which step. Media and proxies are
//! killed and restarted as well. The named rules are in `invariants` and `audio`; `absences` defines what may be lost with media
//! or with a proxy. Some faults are not played, because they may lose a call: a node or media fails while the ledger does not
//! take its commits, or a proxy fails in that time; both proxies fail at once; only the ledger and one proxy cannot reach a node.
//!
//! `TRUNKLINE_SIMULATION_SEED=17` plays one seed and prints a line for every event; `TRUNKLINE_SIMULATION_SEEDS=100000` plays
//! more seeds.

mod absences;
mod audio;
mod carrier;
mod desk;
mod hostiles;
mod invariants;
mod ledger;
mod links;
mod lives;
mod media;
mod nodes;
mod orders;
mod outcome;
mod phones;
mod plan;
mod programs;
mod proxies;
mod restored;
mod stories;
mod world;

use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use outcome::{Outcome, Seen};
use simnet::Watch;
use world::World;

/// Seeds that are played by default.
const SEEDS: u64 = 2_000;
/// Seeds with hostile parties: such a world does twice as much.
const HOSTILE_SEEDS: u64 = 600;
/// Seeds with programs that consult, transfer and confer.
const PROGRAMMED_SEEDS: u64 = 600;
/// Failing seeds after which the test stops.
const FAILURES_MAX: usize = 20;
/// A seed takes some milliseconds: one that takes this long never ends.
const SEED_MAX: Duration = Duration::from_secs(120);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Makes a world from a seed.
type Made = fn(u64, bool) -> World;

/// Plays a seed; a panic of a core is a violation too.
fn play(made: Made, seed: u64, loud: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| made(seed, loud).play())).unwrap_or_else(|_| Outcome::panicked())
}

/// Seeds that broke a rule, and what all seeds saw.
#[derive(Default)]
struct Played {
    failed: Vec<u64>,
    seen: Seen,
}

impl Played {
    fn seed(&mut self, made: Made, seed: u64) {
        let outcome = play(made, seed, false);
        self.seen.add(&outcome.seen);
        if let Some(broken) = outcome.broken.first() {
            eprintln!("seed {seed}: {broken}");
            self.failed.push(seed);
        }
    }

    fn add(&mut self, other: Self) {
        self.failed.extend(other.failed);
        self.seen.add(&other.seen);
    }
}

/// Plays every `stride`th seed of the range, until too many have failed.
fn play_some(made: Made, seeds: Range<u64>, stride: usize) -> Played {
    let mut played = Played::default();
    let watch = Watch::new(SEED_MAX);
    for seed in seeds.step_by(stride) {
        watch.plays(seed);
        played.seed(made, seed);
        if played.failed.len() >= FAILURES_MAX {
            break;
        }
    }
    played
}

/// Plays the seeds that the environment names, on every core, and returns what was seen; None for a single seed.
fn play_all(made: Made, ordinary: u64) -> Option<Seen> {
    if let Some(seed) = from_environment("TRUNKLINE_SIMULATION_SEED") {
        let outcome = play(made, seed, true);
        assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
        return None;
    }
    let first = from_environment("TRUNKLINE_SIMULATION_FIRST").unwrap_or(0);
    let seeds = from_environment("TRUNKLINE_SIMULATION_SEEDS").unwrap_or(ordinary);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut all = Played::default();
    std::thread::scope(|scope| {
        let parts = (0..threads as u64)
            .map(|part| scope.spawn(move || play_some(made, first + part..first + seeds, threads)))
            .collect::<Vec<_>>();
        for part in parts {
            all.add(part.join().expect("a panic of a seed is caught"));
        }
    });
    all.failed.sort_unstable();
    eprintln!("{:?}", all.seen);
    assert!(all.failed.is_empty(), "TRUNKLINE_SIMULATION_SEED={} replays the first of {:?}", all.failed[0], all.failed);
    Some(all.seen)
}

#[test]
fn no_seed_breaks_a_rule() {
    if let Some(seen) = play_all(World::new, SEEDS) {
        seen.assert_everything_happened();
    }
}

#[test]
fn no_hostile_party_breaks_a_rule() {
    if let Some(seen) = play_all(World::besieged, HOSTILE_SEEDS) {
        seen.assert_hostility();
    }
}

#[test]
fn no_program_breaks_a_rule() {
    if let Some(seen) = play_all(World::programmed, PROGRAMMED_SEEDS) {
        seen.assert_programs();
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        let (first, second) = (play(World::new, seed, false), play(World::new, seed, false));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        let (first, second) = (play(World::besieged, seed, false), play(World::besieged, seed, false));
        assert_eq!(first.digest, second.digest, "besieged seed {seed}");
        let (first, second) = (play(World::programmed, seed, false), play(World::programmed, seed, false));
        assert_eq!(first.digest, second.digest, "programmed seed {seed}");
    }
}
