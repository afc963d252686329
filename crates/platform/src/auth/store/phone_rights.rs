//! Rights of pages to phones: they end with what gws-workspace says, which keeps who works where. Nothing of them is stored here, for auth
//! itself is never asked about them.

use identity::browser_phone_ticket::{ENDED_RIGHT_KEPT, right_subject};
use model::{TenantId, Timestamp};

use super::SignInStore;

impl SignInStore {
    /// Tells every role that what was given under a right before that second is good no longer.
    pub fn end_phone_right(&self, tenant: &TenantId, right: &str, before: u64, now: Timestamp) {
        self.revoker.revoke_given_before(tenant, &right_subject(right), before, now + ENDED_RIGHT_KEPT);
    }
}
