//! Grants: what a client shows at the token endpoint, and whether it is right.

pub mod code;
pub mod device;
pub mod refresh;

use std::time::Duration;

/// Lifetime of an access token: whoever is disabled keeps what it has for as long; what is revoked ends at once.
pub const ACCESS_LIFE: Duration = Duration::from_secs(600);
/// The end of a sign-in, however often its tokens are refreshed: no session, and no setting of one, goes beyond it.
pub const SIGN_IN_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
