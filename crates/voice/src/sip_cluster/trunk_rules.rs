//! What a tenant has set for its trunks, from config's copy.

use contracts::provisioning::{Object, ObjectKind};
use net::configuration::Configuration;

use super::node::calls::trunk_limits::{ReadTrunks, TrunkRules};

/// Reads it from config's copy; until config has answered nothing is set.
pub(super) fn from(configuration: Configuration) -> ReadTrunks {
    Box::new(move |tenant, name| {
        let config = configuration.tenant(tenant);
        let of = |object: &Object| match object {
            Object::Trunk(trunk) if trunk.name == name => {
                Some(TrunkRules { calls_max: trunk.calls_max, early_speech: trunk.early_speech })
            }
            _ => None,
        };
        config.as_deref().and_then(|config| config.of_kind(ObjectKind::Trunk).find_map(of)).unwrap_or_default()
    })
}
