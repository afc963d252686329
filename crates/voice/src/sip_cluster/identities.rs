//! With what a tenant's trunks sign and verify who calls (STIR): read from config's copy of the tenant and from its credentials, and made ready
//! for use once for each version of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::provisioning::{Object, ObjectKind, Stir, StirSign, StirVerify};
use model::TenantId;
use net::configuration::{Configuration, TenantConfig, is_up_to};
use sip::stir::Authorities;

use super::node::calls::trunk::identity::{IdentityConfiguration, Signing};
use super::node::calls::waiting::verification::Verification;
use crate::trunk_accounts::{TenantAccounts, TrunkAccounts};

/// Those of all tenants.
pub(super) struct Identities {
    configuration: Configuration,
    accounts: TrunkAccounts,
    ready: Mutex<HashMap<TenantId, TenantIdentities>>,
}

/// What is ready for use of a tenant's trunks: of each that has had a call since config told these versions.
struct TenantIdentities {
    config: Arc<TenantConfig>,
    accounts: Option<Arc<TenantAccounts>>,
    signings: HashMap<String, Signing>,
    authorities: HashMap<String, Arc<Authorities>>,
}

impl Identities {
    /// Nothing is ready yet.
    pub(super) fn new(configuration: Configuration, accounts: TrunkAccounts) -> Self {
        Self { configuration, accounts, ready: Mutex::default() }
    }

    /// Reads what is ready of a tenant, as it is set for a trunk now.
    fn read<T>(
        &self,
        tenant: &TenantId,
        trunk: &str,
        read: impl FnOnce(&mut TenantIdentities, &Stir) -> T,
    ) -> Option<T> {
        let config = self.configuration.tenant(tenant)?;
        let Object::Trunk(of_trunk) = config.get(ObjectKind::Trunk, trunk)? else { return None };
        let accounts = self.accounts.of_tenant(tenant);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.get(tenant).is_some_and(|known| known.is_of(&config, accounts.as_ref())) {
            // Tenants that were removed go with the first change of another one.
            ready.retain(|tenant, _| self.configuration.tenant(tenant).is_some());
            ready.insert(tenant.clone(), TenantIdentities::new(config.clone(), accounts));
        }
        ready.get_mut(tenant).map(|known| read(known, &of_trunk.stir))
    }
}

impl IdentityConfiguration for Identities {
    fn signing(&self, tenant: &TenantId, trunk: &str) -> Signing {
        let signing = self.read(tenant, trunk, |known, stir| match &stir.sign {
            Some(sign) => known.signing(tenant, trunk, stir, sign),
            None => Signing::Off,
        });
        signing.unwrap_or(Signing::Off)
    }

    fn verification(&self, tenant: &TenantId, trunk: &str) -> Verification {
        let verification = self.read(tenant, trunk, |known, stir| match stir.verify {
            StirVerify::Off => Verification::Off,
            StirVerify::Report => Verification::Report(known.authorities(tenant, trunk, stir)),
            StirVerify::Require => Verification::Require(known.authorities(tenant, trunk, stir)),
        });
        verification.unwrap_or(Verification::Off)
    }

    fn owns(&self, tenant: &TenantId, number: &str) -> bool {
        let Some(config) = self.configuration.tenant(tenant) else { return false };
        let Some(digits) = sip::stir::canonical(number) else { return false };
        let forms = [number, &digits, &format!("+{digits}")];
        forms.into_iter().any(|form| config.get(ObjectKind::Number, form).is_some())
    }
}

impl TenantIdentities {
    fn new(config: Arc<TenantConfig>, accounts: Option<Arc<TenantAccounts>>) -> Self {
        Self { config, accounts, signings: HashMap::new(), authorities: HashMap::new() }
    }

    fn is_of(&self, config: &Arc<TenantConfig>, accounts: Option<&Arc<TenantAccounts>>) -> bool {
        let are_same = match (&self.accounts, accounts) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            _ => false,
        };
        are_same && Arc::ptr_eq(&self.config, config)
    }

    fn signing(&mut self, tenant: &TenantId, trunk: &str, stir: &Stir, sign: &StirSign) -> Signing {
        if let Some(signing) = self.signings.get(trunk) {
            return signing.clone();
        }
        let until = net::stir::certificate(stir)
            .and_then(Result::ok)
            .and_then(|certificate| u64::try_from(certificate.valid_until()).ok());
        let key = self.accounts.as_ref().and_then(|accounts| accounts.key_of(trunk));
        let signing = match net::stir::signer(sign, key) {
            Ok(signer) => Signing::With(Arc::new(signer), until),
            Err(fault) if self.are_keys_told() => {
                tracing::warn!(%tenant, trunk, key = fault.key(), %fault,
                    "calls by this trunk go out unsigned: correct `stir.sign` of the trunk and import the tenant again");
                Signing::Unusable
            }
            Err(fault) => {
                tracing::info!(%tenant, trunk, %fault, "calls by this trunk go out unsigned until config has told its key");
                Signing::Unusable
            }
        };
        self.signings.insert(trunk.to_owned(), signing.clone());
        signing
    }

    /// Whether the keys are those of the configuration, or later ones: they are told after it.
    fn are_keys_told(&self) -> bool {
        self.accounts.as_ref().is_some_and(|accounts| is_up_to(accounts.version(), &self.config.version))
    }

    /// Without any that can be read nobody is trusted: an import has refused that, so it came into the store otherwise.
    fn authorities(&mut self, tenant: &TenantId, trunk: &str, stir: &Stir) -> Arc<Authorities> {
        if let Some(authorities) = self.authorities.get(trunk) {
            return authorities.clone();
        }
        let read = net::stir::authorities(stir).unwrap_or_else(|error| {
            tracing::warn!(%tenant, trunk, error, "no signature by this trunk is trusted: correct `stir.authorities` of the trunk and import the tenant again");
            None
        });
        let authorities = Arc::new(read.unwrap_or_default());
        self.authorities.insert(trunk.to_owned(), authorities.clone());
        authorities
    }
}
