//! Against what the passwords of those are checked who call by trunks, as config tells it: hashes, in the realm of the tenant's phones.
//!
//! They are read before anybody calls, and again with each version of the tenant's configuration. Until they are there, nobody calls by such a
//! trunk.

mod follower;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::configuration::{TrunkDigest, TrunkDigests};
use contracts::provisioning::{Object, ObjectKind, Trunk as TrunkObject};
use futures::FutureExt as _;
use model::TenantId;
use net::configuration::{Configuration, TenantConfig};
use net::http::Client;
use runtime::RoleContext;
use sip::proxy::{Hashes, InboundAccount, InboundPassword};
use tokio::sync::watch;

use follower::DigestFollower;

/// Deadline for config's answer about a tenant.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The accounts of a tenant's trunks.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct TenantDigests {
    accounts: HashMap<String, Arc<InboundAccount>>,
}

/// Those of the tenants that have any.
pub(super) type DigestsByTenant = HashMap<TenantId, Arc<TenantDigests>>;

impl TenantDigests {
    pub(super) fn of(told: TrunkDigests) -> Self {
        let account = |TrunkDigest { trunk, user, realm, md5, sha256 }| {
            (trunk, Arc::new(InboundAccount { user, realm, hashes: Hashes { md5, sha256 } }))
        };
        Self { accounts: told.trunks.into_iter().map(account).collect() }
    }
}

/// What who calls by a trunk has to give. Hashes of a former user are none of the present one.
pub(super) fn inbound(trunk: &TrunkObject, digests: Option<&TenantDigests>) -> InboundPassword {
    let Some(user) = trunk.inbound_user.as_deref() else { return InboundPassword::NotAsked };
    let account = digests.and_then(|digests| digests.accounts.get(&trunk.name)).filter(|account| account.user == user);
    account.cloned().map_or(InboundPassword::Unread, InboundPassword::Asked)
}

/// Follows the digests from now on.
pub(super) fn follow(ctx: &RoleContext, configuration: &Configuration) -> Result<watch::Receiver<DigestsByTenant>> {
    let client = Client::new(ctx, "voice-23")?;
    let ask = move |tenant: &TenantId| {
        let call = client.get(&format!("/tenants/{tenant}/trunk-digests")).idempotent().deadline(ANSWER_TIME);
        call.fetch::<TrunkDigests>().boxed()
    };
    let (follower, held) = DigestFollower::new(Box::new(ask));
    ctx.spawn("digests of trunks", follower.run(configuration.changes(), ctx.drain.clone()));
    Ok(held)
}

/// Whether who calls by any of a tenant's trunks has to give a password.
fn asks(config: &TenantConfig) -> bool {
    let mut trunks = config.of_kind(ObjectKind::Trunk);
    trunks.any(|object| matches!(object, Object::Trunk(trunk) if trunk.inbound_user.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_calls_by_a_trunk_whose_user_has_no_hashes_yet() {
        let trunk = |user: Option<&str>| TrunkObject {
            name: "carrier".to_owned(),
            inbound_user: user.map(str::to_owned),
            ..TrunkObject::default()
        };
        let digest = TrunkDigest {
            trunk: "carrier".to_owned(),
            user: "pbx".to_owned(),
            realm: "acme.example".to_owned(),
            md5: "m".to_owned(),
            sha256: "s".to_owned(),
        };
        let told = TenantDigests::of(TrunkDigests { version: "1-1".to_owned(), trunks: vec![digest] });
        assert_eq!(inbound(&trunk(None), Some(&told)), InboundPassword::NotAsked);
        assert_eq!(inbound(&trunk(Some("pbx")), None), InboundPassword::Unread);
        assert_eq!(inbound(&trunk(Some("other")), Some(&told)), InboundPassword::Unread);
        let InboundPassword::Asked(account) = inbound(&trunk(Some("pbx")), Some(&told)) else { panic!("it is known") };
        assert_eq!((account.realm.as_str(), account.hashes.sha256.as_str()), ("acme.example", "s"));
        let elsewhere = TrunkObject { name: "other".to_owned(), ..trunk(Some("pbx")) };
        assert_eq!(inbound(&elsewhere, Some(&told)), InboundPassword::Unread);
    }
}
