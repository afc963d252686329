//! Whether each process knows the keys by which tokens are verified, and what was revoked.

use runtime::key_files;

use super::finding::{Finding, some_of};
use super::situation::Situation;

/// Each process looks each second: older than this, in seconds, is what it cannot read.
const OLD: f64 = 30.0;

/// Reports files that cannot be read, and nodes that have not read them for a while.
pub fn tokens(situation: &Situation) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Err(fault) = key_files::check_public(&situation.data_dir, situation.now) {
        let place = situation.data_dir.join("keys/public").display().to_string();
        let remedy = "let the service's user read there, and see whether the disk is full. A broken file is written anew: issuer.json by \
                      auth within a minute, revoked.json when auth revokes next, that of a role when the role starts";
        found.push(Finding::error(place, fault.message, remedy));
    }
    for (name, consequence) in [
        ("token_keys_age_seconds", "the keys that verify tokens: tokens of later keys are refused"),
        ("token_revocations_age_seconds", "what was revoked: what is revoked now is good there until it runs out"),
    ] {
        let old = situation.nodes_above(name, OLD);
        if old.is_empty() {
            continue;
        }
        let longest = old.iter().map(|(_, age)| *age).fold(0.0, f64::max);
        let nodes: Vec<String> = old.into_iter().map(|(node, _)| node).collect();
        let what = format!("for {longest:.0} s nobody there could read {consequence}");
        let remedy = "its log says each minute what it cannot read; if it says nothing, a disk hangs: see to that, or start it again";
        found.push(Finding::error(some_of(&nodes), what, remedy));
    }
    found
}
