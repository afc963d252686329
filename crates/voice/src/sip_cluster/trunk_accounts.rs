//! The credentials of trunks, with which the node answers carriers that ask for a password.
//!
//! The copy of the configuration that every role follows has no passwords. This one reads them for the trunks that have a user, and
//! keeps them in memory alone: records, events and traces have the trunk's name.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contracts::configuration::{TrunkAccount, TrunkCredentials};
use contracts::provisioning::{Object, ObjectKind};
use model::TenantId;
use net::configuration::{Configuration, TenantConfig, Tenants};
use net::http::Client;
use runtime::RoleContext;
use sip::agent::{Accounts, AgentCredentials};

/// Deadline for config's answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Pause before what config did not tell is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// The name of a trunk's account.
pub(super) fn name(tenant: &TenantId, trunk: &str) -> String {
    format!("{tenant}/{trunk}")
}

/// The accounts of the tenants that have any, each with the version of the configuration that they are of.
type Held = HashMap<TenantId, (String, HashMap<String, AgentCredentials>)>;

/// Follows the accounts from now on.
pub(super) fn follow(ctx: &RoleContext, configuration: Configuration) -> anyhow::Result<Accounts> {
    let client = Client::new(ctx, "voice-28")?;
    let held: Arc<RwLock<Held>> = Arc::default();
    let (accounts, drain) = (look_up(held.clone()), ctx.drain.clone());
    ctx.spawn("trunk accounts", async move {
        let mut changes = configuration.changes();
        loop {
            let tenants = changes.borrow_and_update().clone();
            let is_whole = read(&client, &tenants, &held).await;
            tokio::select! {
                () = drain.ended() => return Ok(()),
                () = tokio::time::sleep(AGAIN), if !is_whole => {}
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    });
    Ok(accounts)
}

fn look_up(held: Arc<RwLock<Held>>) -> Accounts {
    Accounts::new(move |account| {
        let (tenant, trunk) = account.split_once('/')?;
        let held = held.read().unwrap_or_else(PoisonError::into_inner);
        held.get(&TenantId::parse(tenant).ok()?)?.1.get(trunk).cloned()
    })
}

/// Reads the accounts that have changed; returns whether all are known. Those that cannot be read stay as they were.
async fn read(client: &Client, tenants: &Tenants, held: &RwLock<Held>) -> bool {
    held.write().unwrap_or_else(PoisonError::into_inner).retain(|tenant, _| tenants.get(tenant).is_some_and(has_any));
    let mut is_whole = true;
    for (tenant, config) in tenants.iter().filter(|(_, config)| has_any(config)) {
        let known = held.read().unwrap_or_else(PoisonError::into_inner).get(tenant).map(|(version, _)| version.clone());
        if known.as_ref() == Some(&config.version) {
            continue;
        }
        let call = client.get(&format!("/tenants/{tenant}/trunk-credentials")).idempotent().deadline(ANSWER_TIME);
        match call.fetch::<TrunkCredentials>().await {
            Ok(told) => {
                // Another replica of config may not have this version yet.
                is_whole &= told.version == config.version;
                let accounts = told.trunks.into_iter().map(account).collect();
                held.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), (told.version, accounts));
            }
            Err(error) => {
                tracing::warn!(%tenant, %error, "config does not tell the passwords of trunks: those that were known are used");
                is_whole = false;
            }
        }
    }
    is_whole
}

fn has_any(config: &Arc<TenantConfig>) -> bool {
    config.of_kind(ObjectKind::Trunk).any(|object| matches!(object, Object::Trunk(trunk) if trunk.user.is_some()))
}

fn account(TrunkAccount { trunk, user, password }: TrunkAccount) -> (String, AgentCredentials) {
    (trunk, AgentCredentials { user, password: password.reveal().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_tenant_and_trunk() {
        let credentials = || AgentCredentials { user: "trunk-user".to_owned(), password: "hush-hush".to_owned() };
        let tenant = TenantId::parse("acme").unwrap();
        let accounts = HashMap::from([("carrier / one".to_owned(), credentials())]);
        let held = Held::from([(tenant.clone(), ("1-1".to_owned(), accounts))]);
        let accounts = look_up(Arc::new(RwLock::new(held)));
        assert!(accounts.credentials(&name(&tenant, "carrier / one")).is_some_and(|found| found.user == "trunk-user"));
        for other in ["acme/carrier", "other/carrier / one", "acme", "/"] {
            assert!(accounts.credentials(other).is_none(), "{other}");
        }
    }
}
