//! Settings, and the stored configuration of the tenants.

mod addresses;
mod applications;
mod dial_plan;
mod prompts;
mod shared_trunks;
mod tenants;
mod trunks;

use super::finding::Finding;
use super::situation::Situation;

pub use addresses::addresses;
pub use applications::applications;
pub use prompts::prompts;
pub use tenants::tenants;
pub use trunks::trunks;

/// Reports invalid settings.
pub fn settings(situation: &Situation) -> Vec<Finding> {
    let finding = |(key, reason): &(String, String)| {
        Finding::error(key, reason, "mend it: `trunkline settings` lists every setting with its kind and default")
    };
    situation.settings_faults.iter().map(finding).collect()
}
