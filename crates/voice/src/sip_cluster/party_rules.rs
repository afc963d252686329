//! What a tenant has set for its trunks and phones, from config's copy; until config has answered nothing is set.

use contracts::provisioning::{Dn, DnKind, Object, ObjectKind};
use net::configuration::Configuration;

use super::node::calls::direct::{PhoneRules, ReadPhones};
use super::node::calls::trunk_limits::{ReadTrunks, TrunkRules};

/// Reads what is set for trunks.
pub(super) fn trunks(configuration: Configuration) -> ReadTrunks {
    Box::new(move |tenant, name| {
        let config = configuration.tenant(tenant);
        match config.as_deref().and_then(|config| config.get(ObjectKind::Trunk, name)) {
            Some(Object::Trunk(trunk)) => TrunkRules {
                calls_max: trunk.calls_max,
                early_speech: trunk.early_speech,
                direct_media: trunk.direct_media,
                options: trunk.options,
                encryption: trunk.encryption.into(),
            },
            _ => TrunkRules::default(),
        }
    })
}

/// Reads what is set for phones.
pub(super) fn phones(configuration: Configuration) -> ReadPhones {
    Box::new(move |tenant, number| {
        let config = configuration.tenant(tenant);
        match config.as_deref().and_then(|config| config.get(ObjectKind::Dn, number)) {
            Some(Object::Dn(Dn { kind: DnKind::Extension { direct_media, encryption, .. }, .. })) => {
                PhoneRules { direct_media: *direct_media, encryption: (*encryption).into() }
            }
            _ => PhoneRules::default(),
        }
    })
}
