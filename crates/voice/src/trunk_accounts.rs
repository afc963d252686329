//! The credentials of trunks, with which carriers that ask for a password are answered: calls by sip-cluster, registrations by registrar.
//! And the keys with which sip-cluster signs calls to them.
//!
//! The copy of the configuration that every role follows has no passwords. This one reads them for the trunks that have a user or sign, and
//! keeps them in memory alone: records, events and traces have the trunk's name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::configuration::{TrunkAccount, TrunkCredentials};
use contracts::provisioning::{Object, ObjectKind, Secret, Trunk};
use model::TenantId;
use net::configuration::{Configuration, TenantConfig, Tenants, is_up_to};
use net::http::Client;
use runtime::RoleContext;
use sip::agent::{Accounts, AgentCredentials};
use tokio::sync::watch;

/// Deadline for config's answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Pause before what config did not tell is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a role is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// Passwords.
    Passwords,
    /// The keys too with which calls are signed.
    PasswordsAndKeys,
}

impl Secrets {
    /// Whether all of them are there for the trunks of a tenant.
    fn are_all(self, config: &TenantConfig, keys: &HashMap<String, Secret>) -> bool {
        self == Self::Passwords || has_keys(config, keys)
    }

    /// Whether a trunk has any.
    fn are_of(self, trunk: &Trunk) -> bool {
        trunk.user.is_some() || (self == Self::PasswordsAndKeys && trunk.stir.sign.is_some())
    }
}

/// The name of a trunk's account.
pub(crate) fn name(tenant: &TenantId, trunk: &str) -> String {
    format!("{tenant}/{trunk}")
}

/// The trunk of an account's name.
pub(crate) fn trunk_of(account: &str) -> Option<(TenantId, &str)> {
    let (tenant, trunk) = account.split_once('/')?;
    Some((TenantId::parse(tenant).ok()?, trunk))
}

/// The secrets of a tenant's trunks.
pub(crate) struct TenantAccounts {
    version: String,
    accounts: HashMap<String, AgentCredentials>,
    keys: HashMap<String, Secret>,
}

impl TenantAccounts {
    /// The version of the configuration that they are of.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The key with which calls by a trunk are signed.
    pub(crate) fn key_of(&self, trunk: &str) -> Option<&Secret> {
        self.keys.get(trunk)
    }
}

/// Those of the tenants that have any.
type AccountsByTenant = HashMap<TenantId, Arc<TenantAccounts>>;

/// The accounts of all trunks, as last read.
#[derive(Clone)]
pub(crate) struct TrunkAccounts(watch::Receiver<AccountsByTenant>);

impl TrunkAccounts {
    /// Follows the accounts from now on, over the role's connection `id` to config.
    pub(crate) fn follow(
        ctx: &RoleContext,
        id: &str,
        configuration: Configuration,
        asks_for: Secrets,
    ) -> anyhow::Result<Self> {
        let client = Client::new(ctx, id)?;
        let (publish, held) = watch::channel(AccountsByTenant::new());
        let drain = ctx.drain.clone();
        ctx.spawn("trunk accounts", async move {
            let mut changes = configuration.changes();
            loop {
                let tenants = changes.borrow_and_update().clone();
                let is_whole = read(&client, &tenants, &publish, asks_for).await;
                tokio::select! {
                    () = drain.ended() => return Ok(()),
                    () = tokio::time::sleep(AGAIN), if !is_whole => {}
                    changed = changes.changed() => if changed.is_err() { return Ok(()) },
                }
            }
        });
        Ok(Self(held))
    }

    /// Waits for the configuration to change; forever once it is followed no more. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// The credentials of a trunk.
    pub(crate) fn of(&self, tenant: &TenantId, trunk: &str) -> Option<AgentCredentials> {
        self.0.borrow().get(tenant)?.accounts.get(trunk).cloned()
    }

    /// The secrets of a tenant's trunks; the same ones until config has told others.
    pub(crate) fn of_tenant(&self, tenant: &TenantId) -> Option<Arc<TenantAccounts>> {
        self.0.borrow().get(tenant).cloned()
    }

    /// For a look-up by the account's name.
    pub(crate) fn by_name(self) -> Accounts {
        Accounts::new(move |account| {
            let (tenant, trunk) = trunk_of(account)?;
            self.of(&tenant, trunk)
        })
    }
}

/// Reads the accounts that have changed; returns whether all are known. Those that cannot be read stay as they were. Whoever follows them is
/// woken, since what else belongs to a trunk may have changed.
async fn read(client: &Client, tenants: &Tenants, held: &watch::Sender<AccountsByTenant>, asks_for: Secrets) -> bool {
    let has_any = |config: &TenantConfig| {
        let mut trunks = config.of_kind(ObjectKind::Trunk);
        trunks.any(|object| matches!(object, Object::Trunk(trunk) if asks_for.are_of(trunk)))
    };
    let mut next = held.borrow().clone();
    next.retain(|tenant, _| tenants.get(tenant).is_some_and(|config| has_any(config)));
    let mut is_whole = true;
    for (tenant, config) in tenants.iter().filter(|(_, config)| has_any(config)) {
        let is_known = |known: &Arc<TenantAccounts>| {
            is_up_to(&known.version, &config.version) && asks_for.are_all(config, &known.keys)
        };
        if next.get(tenant).is_some_and(is_known) {
            continue;
        }
        let call = client.get(&format!("/tenants/{tenant}/trunk-credentials")).idempotent().deadline(ANSWER_TIME);
        match call.fetch::<TrunkCredentials>().await {
            Ok(told) => {
                // Another replica of config may not have this version yet.
                is_whole &= is_up_to(&told.version, &config.version);
                let accounts = told.trunks.into_iter().map(account).collect();
                let keys = told.keys.into_iter().map(|key| (key.trunk, key.private_key)).collect();
                // Or it is of the release before, and tells no keys.
                is_whole &= asks_for.are_all(config, &keys);
                next.insert(tenant.clone(), Arc::new(TenantAccounts { version: told.version, accounts, keys }));
            }
            Err(error) => {
                tracing::warn!(%tenant, %error, "config does not tell the passwords of trunks: those that were known are used");
                is_whole = false;
            }
        }
    }
    held.send_replace(next);
    is_whole
}

/// Whether there is a key for each trunk that signs.
fn has_keys(config: &TenantConfig, keys: &HashMap<String, Secret>) -> bool {
    let has_key = |object: &Object| match object {
        Object::Trunk(trunk) => trunk.stir.sign.is_none() || keys.contains_key(&trunk.name),
        _ => true,
    };
    config.of_kind(ObjectKind::Trunk).all(has_key)
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
        let keys = HashMap::from([("signs".to_owned(), Secret("key".to_owned()))]);
        let of_tenant = TenantAccounts { version: "1-1".to_owned(), accounts, keys };
        let held = AccountsByTenant::from([(tenant.clone(), Arc::new(of_tenant))]);
        let accounts = TrunkAccounts(watch::channel(held).1);
        let of_tenant = accounts.of_tenant(&tenant).expect("there are some");
        assert_eq!(of_tenant.key_of("signs").map(Secret::reveal), Some("key"));
        assert_eq!(of_tenant.key_of("carrier / one").map(Secret::reveal), None);
        let accounts = accounts.by_name();
        assert!(accounts.credentials(&name(&tenant, "carrier / one")).is_some_and(|found| found.user == "trunk-user"));
        for other in ["acme/carrier", "other/carrier / one", "acme", "/"] {
            assert!(accounts.credentials(other).is_none(), "{other}");
        }
    }
}
