//! Who may send: clients of a tenant that may, not too often, with a token that is still good.

use ::telemetry::rate::{ClientName, TokenDigest};
use axum::http::HeaderMap;
use model::TenantId;
use net::http::{Caller, Problem};

use super::Telemetry;
use super::answers::BatchRefusal;
use super::metrics::BatchOutcome;
use super::standing::digest_of_bearer;

/// Somebody whose batches are taken.
pub(super) struct BatchSender {
    /// The tenant.
    pub tenant: TenantId,
    /// The name that it has in lines and metrics.
    pub tenant_name: String,
    /// The person or program.
    pub user: String,
    /// Its token, by which its allowance is told from those of others.
    token: TokenDigest,
    /// The person, if it is one: all tokens of a person have an allowance together.
    person: Option<String>,
}

impl BatchSender {
    /// As it is told from others.
    pub fn client(&self) -> ClientName<'_> {
        ClientName { tenant: &self.tenant, token: self.token, person: self.person.as_deref() }
    }
}

/// Who sends, if that is somebody who may, and not too often.
///
/// # Errors
/// Why nothing of it is taken.
pub(super) async fn admitted(
    telemetry: &Telemetry,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<BatchSender, BatchRefusal> {
    let refused = |detail: &str| BatchRefusal::new(Problem::forbidden(detail), BatchOutcome::NotAllowed);
    let tenant = caller.tenant().ok_or_else(|| refused("tenant: the token names none"))?;
    let name = match telemetry.tenants.get(tenant.as_str()) {
        Some(name) => name.as_str(),
        None if telemetry.tenants.is_empty() => tenant.as_str(),
        None => return Err(refused("tenant: its clients may not send, see the setting telemetry.tenants")),
    };
    let sender = BatchSender {
        tenant: tenant.clone(),
        tenant_name: name.to_owned(),
        user: caller.subject().to_owned(),
        token: digest_of_bearer(headers),
        person: caller.person().map(str::to_owned),
    };
    telemetry.rates().take(sender.client(), telemetry.now())?;
    if !telemetry.standing.is_good(headers, &telemetry.ctx).await {
        let problem = Problem::unauthorized("the token is not good any more");
        return Err(BatchRefusal::new(problem, BatchOutcome::NotAllowed));
    }
    Ok(sender)
}
