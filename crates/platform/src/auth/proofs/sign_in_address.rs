//! From where somebody signs in, where the tenant lists the addresses of its people.

use contracts::sign_in_audit::SignInRecord;
use model::TenantId;

use super::super::Auth;
use super::super::answers::Trouble;
use super::super::request::source::RequestSource;

/// Lets whoever has shown all else sign in from an address of the tenant's people alone; `refused` is noted otherwise.
///
/// # Errors
/// [`Trouble::Elsewhere`] from another address.
pub(in crate::auth) async fn check(
    auth: &Auth,
    tenant: &TenantId,
    source: &RequestSource,
    refused: SignInRecord,
) -> Result<(), Trouble> {
    if auth.people.come_from(tenant, source).await? {
        return Ok(());
    }
    tracing::info!(%tenant, source = source.address, "a sign-in was refused: the tenant's people come from other addresses");
    auth.note(tenant, source, refused);
    Err(Trouble::Elsewhere)
}
