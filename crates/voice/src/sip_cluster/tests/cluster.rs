//! A cluster in one thread, on virtual time: two nodes, two proxies, media, the ledger, a carrier, phones, an application.
//!
//! Everything of ours that runs here is the real thing: [`sip::proxy::Proxy`], the node with its ledger, `inheritance`, media with
//! its records and its audio, the user agent on the other side. A seed decides who calls whom and when, what the edge's network does
//! to datagrams, and which node is killed, stopped or cut off, from a proxy or from the ledger, at which step; media and proxies are
//! killed as well, and begin anew. What must hold is in `invariants` and `audio`, each rule by a name; what may be lost with media
//! and with a proxy is in `absences`. Not played, since a call may be lost by it: the death of a node or of media whose commits the
//! ledger does not take, that of a proxy meanwhile, one of both proxies at once, and a node that the ledger alone and one proxy
//! cannot reach.
//!
//! `TRUNKLINE_SIMULATION_SEED=17` plays one seed with a line for everything that happens; `TRUNKLINE_SIMULATION_SEEDS=100000`
//! plays more of them.

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
mod proxies;
mod restored;
mod stories;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use outcome::{Outcome, Seen};
use simnet::Watch;
use world::World;

/// Seeds that are played where nobody says how many.
const SEEDS: u64 = 2_000;
/// Those of hostile parties: their worlds do twice as much.
const HOSTILE_SEEDS: u64 = 600;
/// Failing seeds after which it is enough.
const FAILURES_MAX: usize = 20;
/// A seed takes some milliseconds: one that takes so long never ends.
const SEED_MAX: Duration = Duration::from_secs(120);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How a world is made from its seed.
type Made = fn(u64, bool) -> World;

/// Plays a seed; a panic of a core is a violation as well.
fn play(made: Made, seed: u64, loud: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| made(seed, loud).play())).unwrap_or_else(|_| Outcome::panicked())
}

/// Plays seeds, as the environment says, and gives what was seen; nothing is seen of a single one.
fn play_all(made: Made, ordinary: u64) -> Option<Seen> {
    if let Some(seed) = from_environment("TRUNKLINE_SIMULATION_SEED") {
        let outcome = play(made, seed, true);
        assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
        return None;
    }
    let first = from_environment("TRUNKLINE_SIMULATION_FIRST").unwrap_or(0);
    let seeds = from_environment("TRUNKLINE_SIMULATION_SEEDS").unwrap_or(ordinary);
    let (mut failed, mut seen) = (Vec::new(), Seen::default());
    let watch = Watch::new(SEED_MAX);
    for seed in first..first + seeds {
        watch.plays(seed);
        let outcome = play(made, seed, false);
        seen.add(&outcome.seen);
        if let Some(broken) = outcome.broken.first() {
            eprintln!("seed {seed}: {broken}");
            failed.push(seed);
        }
        if failed.len() >= FAILURES_MAX {
            break;
        }
    }
    eprintln!("{seen:?}");
    assert!(failed.is_empty(), "TRUNKLINE_SIMULATION_SEED={} replays the first of {failed:?}", failed[0]);
    Some(seen)
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
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        let (first, second) = (play(World::new, seed, false), play(World::new, seed, false));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        let (first, second) = (play(World::besieged, seed, false), play(World::besieged, seed, false));
        assert_eq!(first.digest, second.digest, "besieged seed {seed}");
    }
}
