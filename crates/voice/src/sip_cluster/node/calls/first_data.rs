//! The user data with which a call begins, and those that it has.

use model::plan::Caller;
use model::{ConnId, TenantId, UserData};

use super::verdict::CallerVerdict;
use crate::sip_cluster::node::Node;

/// Reads the defaults with which a tenant's calls from outside begin.
pub type ReadDefaults = Box<dyn Fn(&TenantId) -> UserData + Send>;

impl Node {
    /// What a call has before anybody has attached anything: a call from outside the tenant's defaults, and what is known of who calls.
    pub(super) fn first_data(&self, tenant: &TenantId, caller: &Caller, verdict: Option<&CallerVerdict>) -> UserData {
        let mut data = match caller {
            Caller::Trunk { .. } => (self.defaults)(tenant),
            Caller::Phone(_) => UserData::new(),
        };
        if let Some(verdict) = verdict {
            data.update(&verdict.user_data());
        }
        data
    }

    /// The user data of a call; none if it is not here.
    pub fn user_data(&self, tenant: &TenantId, conn_id: ConnId) -> Option<UserData> {
        let thread = self.calls.thread_of(conn_id)?;
        let entry = self.calls.get(&thread).filter(|entry| entry.tenant == *tenant)?;
        entry.thread.call(conn_id).map(|call| call.user_data.clone())
    }
}
