//! For whom gws-configuration is asked.

use model::TenantId;
use net::http::WebClient;
use net::requester::RequesterGrant;

/// For whom is asked.
#[derive(Clone, Debug)]
pub(super) struct RequestingPerson {
    /// The tenant.
    pub tenant: TenantId,
    /// The person's subject.
    pub subject: String,
    /// What the token opened that the session has begun by: it bounds what the person may.
    pub grant: RequesterGrant,
    /// From where the person asks, if that is known.
    pub client: Option<WebClient>,
}
