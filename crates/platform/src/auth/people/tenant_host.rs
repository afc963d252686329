//! The tenant of a host name: where one is configured, whoever asks there means that tenant and need not name it.
//!
//! The issuer is the installation's, and our pages are at its host: a sign-in that begins at the host of a tenant goes on there, so that its
//! request carries the host along.

use model::TenantId;

use super::super::Auth;
use super::super::request::parameters::Parameters;
use super::super::request::source::{RequestSource, host_name};

/// The parameter that says at which host a sign-in began.
const HOST: &str = "host";
const TENANT: &str = "tenant";

/// The tenant that is meant at the host that was asked.
pub(in crate::auth) fn of_source(auth: &Auth, source: &RequestSource) -> Option<TenantId> {
    auth.people.tenant_at(&source.host)
}

/// The tenant of the host at which a sign-in began, as its request says it.
pub(in crate::auth) fn said(auth: &Auth, parameters: &Parameters) -> Option<TenantId> {
    parameters.get(HOST).and_then(|host| auth.people.tenant_at(&host_name(host)))
}

/// The request with the tenant of its host, where it names none itself. One that says `tenant` without a value has the person asked.
pub(in crate::auth) fn named(auth: &Auth, source: &RequestSource, parameters: Parameters) -> Parameters {
    if parameters.has(TENANT) {
        return parameters;
    }
    match said(auth, &parameters) {
        Some(tenant) => parameters.with_default(TENANT, tenant.as_str()),
        None => match of_source(auth, source) {
            Some(tenant) => {
                parameters.without(HOST).with_default(HOST, &source.host).with_default(TENANT, tenant.as_str())
            }
            None => parameters,
        },
    }
}
