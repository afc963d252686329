//! Repairs that the auditor found necessary, from the request stream.

use std::time::Duration;

use call::Input;
use infra::{Posted, Recipient, Repair, RepairAction};
use model::request::RequestKind;
use model::{ReferenceId, Request, Subject, Timestamp, UserData};
use runtime::RoleContext;

use super::clients::Clients;
use super::entry::Stored;
use super::inbox::Inbox;
use super::node::Node;

/// How long one read of the stream waits.
const WAIT: Duration = Duration::from_secs(2);
/// How often the tenants are asked for again.
const TENANTS_EVERY: Duration = Duration::from_secs(10);
/// Repairs that one read takes.
const BATCH: usize = 64;
/// Tenants whose repairs are followed.
const TENANTS_MAX: usize = 10_000;

impl Node {
    /// Carries a repair out; the events that follow say why.
    pub fn repair(&mut self, repair: &Repair, now: Timestamp) {
        let Subject::Call(conn_id) = repair.subject else {
            return;
        };
        let Some(entry) = self.calls.get(&conn_id).filter(|entry| entry.stored == Stored::Live) else {
            return;
        };
        tracing::warn!(%conn_id, why = %repair.why, action = ?repair.action, "a repair");
        let kind = match repair.action {
            RepairAction::Clear | RepairAction::Free => RequestKind::ClearCall(conn_id),
            RepairAction::Restate => RequestKind::QueryCall(conn_id),
        };
        let Some(this_dn) = model::Dn::parse("auditor").ok() else {
            return;
        };
        let reasons: UserData = [("Repair", repair.why.as_str())].into_iter().collect();
        let request = Request {
            tenant: entry.tenant.clone(),
            requester: "auditor".to_owned(),
            reference: ReferenceId(0),
            this_dn,
            kind,
            reasons,
            extensions: UserData::new(),
        };
        self.feed(conn_id, Input::Request(request), now);
        self.settle(now);
    }
}

/// Follows the repairs of every tenant for this owner.
pub fn watch(ctx: &RoleContext, clients: Clients, inbox: Inbox) {
    let followed = ctx.clone();
    ctx.spawn("repairs", async move {
        let ctx = followed;
        let mut known = std::collections::HashSet::new();
        loop {
            // Config may not be up yet: it is asked again.
            for tenant in clients.tenants().await.unwrap_or_default() {
                if known.len() < TENANTS_MAX && known.insert(tenant.clone()) {
                    let (of_tenant, inbox) = (ctx.clone(), inbox.clone());
                    ctx.spawn("repairs of a tenant", follow(of_tenant, tenant, inbox));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(TENANTS_EVERY) => {}
                () = ctx.drain.ended() => return Ok(()),
            }
        }
    });
}

async fn follow(ctx: RoleContext, tenant: model::TenantId, inbox: Inbox) -> anyhow::Result<()> {
    let owner = ctx.owner();
    let to = Recipient::Owner(owner.clone());
    loop {
        let taken = tokio::select! {
            taken = ctx.stores.requests.take(&tenant, &to, &owner, BATCH, WAIT) => taken,
            () = ctx.drain.ended() => return Ok(()),
        };
        let entries = match taken {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(%tenant, %error, "the request stream cannot be read");
                tokio::time::sleep(WAIT).await;
                continue;
            }
        };
        for entry in entries {
            let stored = match entry.posted {
                Posted::Repair(repair) => inbox.repair(repair).await,
                Posted::Request(request) => inbox.request(request).await.is_some(),
            };
            if stored && let Err(error) = ctx.stores.requests.ack(&tenant, &to, &[entry.position]).await {
                tracing::warn!(%tenant, %error, "a repair was carried out but not acknowledged");
            }
        }
    }
}
