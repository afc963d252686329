//! A cluster in one thread, on virtual time: two nodes, two proxies, media, the ledger, a carrier, phones, an application.
//!
//! Everything of ours that runs here is the real thing: [`sip::proxy::Proxy`], the node with its ledger, `inheritance`, the user
//! agent on the other side. A seed decides who calls whom and when, what the edge's network does to datagrams, and which node is
//! killed, stopped or cut off, from a proxy or from the ledger, at which step. What must hold is in `invariants`, each rule by a name.
//! Not played, since a call may be lost by it: the death of a node whose commits wait for the ledger, and one that the ledger alone
//! and one proxy cannot reach.
//!
//! `TRUNKLINE_SIMULATION_SEED=17` plays one seed with a line for everything that happens; `TRUNKLINE_SIMULATION_SEEDS=100000`
//! plays more of them.

mod carrier;
mod desk;
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

use outcome::{Outcome, Seen};
use world::World;

/// Seeds that are played where nobody says how many.
const SEEDS: u64 = 2_000;
/// Failing seeds after which it is enough.
const FAILURES_MAX: usize = 20;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a seed; a panic of a core is a violation as well.
fn play(seed: u64, loud: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| World::new(seed, loud).play())).unwrap_or_else(|_| Outcome::panicked())
}

#[test]
fn no_seed_breaks_a_rule() {
    if let Some(seed) = from_environment("TRUNKLINE_SIMULATION_SEED") {
        let outcome = play(seed, true);
        assert!(outcome.broken.is_empty(), "seed {seed}: {:#?}", outcome.broken);
        return;
    }
    let first = from_environment("TRUNKLINE_SIMULATION_FIRST").unwrap_or(0);
    let seeds = from_environment("TRUNKLINE_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (mut failed, mut seen) = (Vec::new(), Seen::default());
    for seed in first..first + seeds {
        let outcome = play(seed, false);
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
    seen.assert_everything_happened();
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..20 {
        let (first, second) = (play(seed, false), play(seed, false));
        assert_eq!(first.digest, second.digest, "seed {seed}");
    }
}
