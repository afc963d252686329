//! Against what the passwords of those are checked who call by trunks, as config tells it: hashes, in the realm of the tenant's phones.
//!
//! They are read before anybody calls, and again with each version of the tenant's configuration. Until they are there, nobody calls by such a
//! trunk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::configuration::{TrunkDigest, TrunkDigests};
use contracts::provisioning::{Object, ObjectKind, Trunk as TrunkObject};
use model::TenantId;
use net::configuration::{Configuration, TenantConfig, Tenants};
use net::http::Client;
use runtime::RoleContext;
use sip::proxy::{Hashes, InboundAccount, InboundPassword};
use tokio::sync::watch;
use tracing::warn;

/// Deadline for config's answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Pause before what config did not tell is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// The accounts of a tenant's trunks.
#[derive(Debug)]
pub(super) struct TenantDigests {
    /// The version of the configuration that they are of.
    version: String,
    accounts: HashMap<String, Arc<InboundAccount>>,
}

/// Those of the tenants that have any.
pub(super) type DigestsByTenant = HashMap<TenantId, Arc<TenantDigests>>;

impl TenantDigests {
    pub(super) fn of(told: TrunkDigests) -> Self {
        let account = |TrunkDigest { trunk, user, realm, md5, sha256 }| {
            (trunk, Arc::new(InboundAccount { user, realm, hashes: Hashes { md5, sha256 } }))
        };
        Self { version: told.version, accounts: told.trunks.into_iter().map(account).collect() }
    }
}

/// What who calls by a trunk has to give. Hashes of a former user are none of the present one.
pub(super) fn inbound(trunk: &TrunkObject, digests: Option<&TenantDigests>) -> InboundPassword {
    let Some(user) = trunk.inbound_user.as_deref() else { return InboundPassword::NotAsked };
    let account = digests.and_then(|digests| digests.accounts.get(&trunk.name)).filter(|account| account.user == user);
    account.cloned().map_or(InboundPassword::Unread, InboundPassword::Asked)
}

/// Follows the digests from now on.
pub(super) fn follow(ctx: &RoleContext, configuration: Configuration) -> Result<watch::Receiver<DigestsByTenant>> {
    let client = Client::new(ctx, "voice-23")?;
    let (publish, held) = watch::channel(DigestsByTenant::new());
    let drain = ctx.drain.clone();
    ctx.spawn("digests of trunks", async move {
        let mut changes = configuration.changes();
        loop {
            let tenants = changes.borrow_and_update().clone();
            let is_whole = read(&client, &tenants, &publish).await;
            tokio::select! {
                () = drain.ended() => return Ok(()),
                () = tokio::time::sleep(AGAIN), if !is_whole => {}
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    });
    Ok(held)
}

/// Reads the digests that have changed; returns whether all are known. Those that cannot be read stay as they were.
async fn read(client: &Client, tenants: &Tenants, held: &watch::Sender<DigestsByTenant>) -> bool {
    let before = held.borrow().clone();
    let mut next = before.clone();
    next.retain(|tenant, _| tenants.get(tenant).is_some_and(|config| asks(config)));
    let (mut is_whole, mut is_changed) = (true, next.len() != before.len());
    for (tenant, config) in tenants.iter().filter(|(_, config)| asks(config)) {
        if next.get(tenant).is_some_and(|known| known.version == config.version) {
            continue;
        }
        let call = client.get(&format!("/tenants/{tenant}/trunk-digests")).idempotent().deadline(ANSWER_TIME);
        match call.fetch::<TrunkDigests>().await {
            Ok(told) => {
                // Another replica of config may not have this version yet.
                is_whole &= told.version == config.version;
                is_changed = true;
                next.insert(tenant.clone(), Arc::new(TenantDigests::of(told)));
            }
            Err(error) => {
                warn!(%tenant, %error, "config does not tell against what passwords of trunks are checked: calls by trunks with new ones are refused");
                is_whole = false;
            }
        }
    }
    if is_changed {
        held.send_replace(next);
    }
    is_whole
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
