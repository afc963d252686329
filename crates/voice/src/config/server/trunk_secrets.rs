//! What roles are told of the secrets of a tenant's trunks: passwords where a role answers challenges with them, hashes where it makes the
//! challenges itself.

use contracts::configuration::{TrunkAccount, TrunkCredentials, TrunkDigest, TrunkDigests, TrunkKey};
use contracts::provisioning::{Object, ObjectKind};
use sip::digest::{Algorithm, ha1};

use super::tag;
use crate::config::copies::TenantCopy;

/// What answers the challenges of carriers, and the keys with which calls are signed.
pub(super) fn secrets_of_trunks(copy: &TenantCopy, with_keys: bool) -> TrunkCredentials {
    let trunks = || copy.of_kind(ObjectKind::Trunk);
    let account = |object: &Object| match object {
        Object::Trunk(trunk) => {
            let (user, password) = (trunk.authenticates_as()?.to_owned(), trunk.password.clone()?);
            Some(TrunkAccount { trunk: trunk.name.clone(), user, password })
        }
        _ => None,
    };
    let key = |object: &Object| match object {
        Object::Trunk(trunk) if with_keys => {
            let private_key = trunk.stir.sign.as_ref()?.private_key.clone()?;
            Some(TrunkKey { trunk: trunk.name.clone(), private_key })
        }
        _ => None,
    };
    TrunkCredentials {
        version: tag(copy.version),
        trunks: trunks().filter_map(account).collect(),
        keys: trunks().filter_map(key).collect(),
    }
}

/// Against what the passwords of those are checked who call by trunks, in the realm of the tenant's phones.
pub(super) fn digests_of_trunks(copy: &TenantCopy, realm: &str) -> TrunkDigests {
    let digest = |object: &Object| match object {
        Object::Trunk(trunk) => {
            let (user, password) = (trunk.inbound_user.as_deref()?, trunk.inbound_password.as_ref()?);
            let hash = |algorithm| ha1(algorithm, user, realm, password.reveal());
            let (md5, sha256) = (hash(Algorithm::Md5), hash(Algorithm::Sha256));
            let (trunk, user, realm) = (trunk.name.clone(), user.to_owned(), realm.to_owned());
            Some(TrunkDigest { trunk, user, realm, md5, sha256 })
        }
        _ => None,
    };
    let trunks = copy.of_kind(ObjectKind::Trunk).filter_map(digest).collect();
    TrunkDigests { version: tag(copy.version), trunks }
}
