//! The trunks that want to be registered, with their passwords, as config tells them.

use std::collections::BTreeMap;

use contracts::provisioning::{Object, ObjectKind};
use model::TenantId;
use net::configuration::Configuration;
use sip::agent::AgentCredentials;
use sip::own_registration::Account;
use sip::{Instance, Seal};

use crate::trunk_accounts::TrunkAccounts;

/// Accounts by tenant and trunk.
pub(super) type Accounts = BTreeMap<(TenantId, String), Account>;

/// Follows the trunks.
pub(super) struct Trunks {
    configuration: Configuration,
    accounts: TrunkAccounts,
    seal: Seal,
}

impl Trunks {
    /// `seal` has the installation's key: it makes the instances of the accounts.
    pub const fn new(configuration: Configuration, accounts: TrunkAccounts, seal: Seal) -> Self {
        Self { configuration, accounts, seal }
    }

    /// Waits until they may have changed. Cancel-safe.
    pub async fn changed(&mut self) {
        self.accounts.changed().await;
    }

    /// All of them now.
    pub fn all(&self) -> Accounts {
        let mut all = Accounts::new();
        for (tenant, config) in self.configuration.tenants().iter() {
            for object in config.of_kind(ObjectKind::Trunk) {
                let Object::Trunk(trunk) = object else { continue };
                if let Some((registrar, user)) = trunk.registers()
                    && let Some(AgentCredentials { user: of, password }) = self.accounts.of(tenant, &trunk.name)
                    // Else the password is that of the former user.
                    && trunk.authenticates_as() == Some(of.as_str())
                {
                    let domain = trunk.domain.as_deref().unwrap_or(registrar);
                    let account = Account {
                        instance: Instance::of_account(&self.seal, tenant.as_str(), domain, user),
                        registrar: registrar.to_owned(),
                        domain: trunk.domain.clone(),
                        user: user.to_owned(),
                        credentials: AgentCredentials { user: of, password },
                    };
                    all.insert((tenant.clone(), trunk.name.clone()), account);
                }
            }
        }
        all
    }
}
