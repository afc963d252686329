//! Who calls, signed for (STIR/SHAKEN): what goes to a carrier is signed with the tenant's key, or keeps the signature with which it came.

use std::sync::Arc;

use call::CallSnapshot;
use model::plan::Caller;
use model::{ConnId, TenantId, Timestamp};
use sip::HeaderName;
use sip::agent::ExtraHeaders;
use sip::stir::{Attestation, CallNumbers, ClaimedIdentity, Passport, Signer, called, telephone};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::leg::Target;
use crate::sip_cluster::node::calls::waiting::verification::Verification;

/// With what calls to a trunk's carrier are signed.
#[derive(Clone, Debug)]
pub enum Signing {
    /// With nothing: the tenant wants no signatures.
    Off,
    /// With nothing: the key cannot be used. Whoever has found that out has said why.
    Unusable,
    /// With this key, until its certificate ends, in seconds since 1970; `None` if that is not known.
    With(Arc<Signer>, Option<u64>),
}

/// What signatures read of a tenant's configuration.
pub trait IdentityConfiguration: Send {
    /// With what calls to a trunk's carrier are signed.
    fn signing(&self, tenant: &TenantId, trunk: &str) -> Signing;
    /// What is done with the signatures of calls that come by a trunk.
    fn verification(&self, tenant: &TenantId, trunk: &str) -> Verification;
    /// Whether a number is one of the tenant's.
    fn owns(&self, tenant: &TenantId, number: &str) -> bool;
}

impl Node {
    /// The `Identity` of an INVITE that goes to a carrier. Nothing here keeps a call from going out: what cannot be signed goes unsigned,
    /// emergency calls too.
    pub(in crate::sip_cluster::node::calls) fn told_identity(
        &self,
        conn_id: ConnId,
        target: &Target,
        state: &CallSnapshot,
        now: Timestamp,
    ) -> ExtraHeaders {
        let (Some(entry), Some(trunk)) = (self.calls.get(&conn_id), &target.trunk) else { return ExtraHeaders::new() };
        let line = |value| (HeaderName::Identity, value);
        let signing = self.identities.signing(&entry.tenant, trunk);
        if matches!(signing, Signing::Off) {
            return ExtraHeaders::new();
        }
        let number = target.shows.as_deref().unwrap_or_else(|| state.presented_number());
        let numbers = CallNumbers { orig: vec![number], dest: vec![target.dn.as_str()] };
        // What another one has signed goes on as long as it is about this call: its caller, who is called, and now.
        let fits = |value: &&String| ClaimedIdentity::still_fits(value, &numbers, now.as_secs());
        let kept: ExtraHeaders = entry.identity.iter().filter(fits).cloned().map(line).collect();
        if !kept.is_empty() && state.conn_id == conn_id {
            return kept;
        }
        let signer = match signing {
            Signing::With(signer, until) if until.is_none_or(|until| now.as_secs() < until) => signer,
            _ => {
                self.metrics.call_unsigned();
                return ExtraHeaders::new();
            }
        };
        let passport = telephone(number).zip(called(target.dn.as_str())).map(|(orig, called)| Passport {
            attest: self.attestation(&entry.tenant, state, number),
            orig,
            dest: vec![called],
            iat: now.as_secs(),
            origid: self.ids.origid(&entry.tenant, trunk),
        });
        let signed = passport.and_then(|passport| signer.sign(&passport));
        match &signed {
            Some(_) => self.metrics.call_signed(),
            None => self.metrics.call_unsigned(),
        }
        signed.map(line).into_iter().collect()
    }

    /// How sure we are of who calls (RFC 8588 section 4): a phone of the tenant has authenticated itself, and who calls from outside has not.
    fn attestation(&self, tenant: &TenantId, state: &CallSnapshot, number: &str) -> Attestation {
        let presented = state.parties.first().filter(|_| !state.rings_at_origin()).map(|party| &party.device);
        match presented.unwrap_or(&state.caller) {
            Caller::Trunk { .. } => Attestation::C,
            Caller::Phone(_) if self.identities.owns(tenant, number) => Attestation::A,
            Caller::Phone(_) => Attestation::B,
        }
    }
}
