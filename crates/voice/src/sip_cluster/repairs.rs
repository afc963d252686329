//! What is posted for this node in the request stream: the auditor's repairs, and calls that other nodes want.

use std::time::Duration;

use infra::{Claim, Claimed, HandOver, Loaded, Position, Posted, Recipient, Record, Repair, Stores};
use model::{ConnId, Owner, Subject, TenantId};
use runtime::RoleContext;

use super::clients::Clients;
use super::inbox::Inbox;
use super::ledger::find::WANTED_WITHIN;
use super::node::lookup::ROLE;

/// How long one read of the stream waits.
const WAIT: Duration = Duration::from_secs(2);
/// How often config is asked for the tenants.
const TENANTS_EVERY: Duration = Duration::from_secs(10);
/// The same, while config has not named them.
const TENANTS_AGAIN: Duration = Duration::from_secs(1);
/// Repairs that one read takes.
const BATCH: usize = 64;
/// Tenants whose repairs are followed.
const TENANTS_MAX: usize = 10_000;

/// Follows the repairs of every tenant for this owner; this also keeps the known tenants up to date.
pub fn watch(ctx: &RoleContext, clients: Clients, inbox: Inbox) {
    let followed = ctx.clone();
    ctx.spawn("repairs", async move {
        let ctx = followed;
        let mut known = std::collections::HashSet::new();
        loop {
            let (tenants, next) = match clients.tenants().await {
                Ok(tenants) => (tenants, TENANTS_EVERY),
                // Config may not be up yet.
                Err(error) => {
                    tracing::debug!(%error, "config does not name the tenants");
                    (Vec::new(), TENANTS_AGAIN)
                }
            };
            for tenant in tenants {
                if known.len() < TENANTS_MAX && known.insert(tenant.clone()) {
                    let (of_tenant, inbox) = (ctx.clone(), inbox.clone());
                    ctx.spawn("repairs of a tenant", follow(of_tenant, tenant, inbox));
                }
            }
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = ctx.drain.ended() => return Ok(()),
            }
        }
    });
}

async fn follow(ctx: RoleContext, tenant: model::TenantId, inbox: Inbox) -> anyhow::Result<()> {
    let owner = ctx.owner();
    let to = Recipient::Owner(owner.clone());
    // Carried out, and not acknowledged yet.
    let mut done: Vec<Position> = Vec::new();
    // Whether an answer was lost: what it gave out comes before what is fresh.
    let mut has_lost = false;
    loop {
        let requests = &ctx.stores.requests;
        let next = async {
            match has_lost {
                true => requests.reclaim(&tenant, &to, &owner, Duration::ZERO, BATCH).await,
                false => requests.take(&tenant, &to, &owner, BATCH, WAIT).await,
            }
        };
        let taken = tokio::select! {
            taken = next => taken,
            () = ctx.drain.ended() => return Ok(()),
        };
        has_lost = taken.is_err();
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
                Posted::Repair(repair) => {
                    let orphan = match claim_orphan(&ctx.stores, &tenant, &owner, &repair).await {
                        Ok(orphan) => orphan,
                        Err(error) => {
                            tracing::warn!(%tenant, subject = %repair.subject, %error, "an orphan is not claimed now");
                            None
                        }
                    };
                    inbox.repair(repair, orphan).await
                }
                Posted::Request(request) => inbox.request(request).await.is_some(),
                // Whoever wants it looks for it a little longer than until then, and must not get it unnoticed.
                Posted::HandOver(HandOver { conn_id, to }) => {
                    inbox.hand_over(conn_id, to, entry.at + WANTED_WITHIN).await
                }
            };
            done.extend(stored.then_some(entry.position));
        }
        match requests.ack(&tenant, &to, &done).await {
            Ok(()) => done.clear(),
            Err(error) => {
                tracing::warn!(%tenant, %error, "what was posted was carried out and is not acknowledged yet")
            }
        }
    }
}

/// The record of a repair's call that no other node will repair: it is claimed if its owner holds no lease. Our own is given as it is, for
/// the case that this node no longer knows the call.
async fn claim_orphan(
    stores: &Stores,
    tenant: &TenantId,
    by: &Owner,
    repair: &Repair,
) -> infra::Result<Option<Record<ConnId>>> {
    let Subject::Call(conn_id) = repair.subject else { return Ok(None) };
    let loaded = stores.calls.load(tenant, conn_id).await?;
    let Loaded::Live(seen) = loaded else { return Ok(None) };
    if seen.owner == *by {
        return Ok(Some(seen));
    }
    let live = stores.leases.live(ROLE).await?;
    if live.iter().any(|lease| lease.owner == seen.owner) {
        return Ok(None);
    }
    let claim = Claim { tenant: tenant.clone(), key: conn_id, seen: Some(seen.token) };
    let claimed = stores.calls.claim(by, vec![claim]).await?;
    Ok(claimed.into_iter().find_map(|claimed| match claimed {
        Claimed::Yours(record) => Some(record),
        Claimed::Raced { .. } | Claimed::Ended | Claimed::Unknown => None,
    }))
}

#[cfg(test)]
mod tests {
    use model::{Epoch, NodeId, Token};

    use infra::RepairAction;

    use super::*;
    use crate::test_stores::{beginning, set_clock, stores};

    fn node(number: u8) -> Owner {
        Owner { node: NodeId::parse(&format!("sip-cluster-{number}")).unwrap(), epoch: Epoch(1) }
    }

    #[tokio::test]
    async fn a_call_is_claimed_for_its_repair_only_when_its_owner_is_dead() {
        let clock = set_clock();
        let stores = stores(clock.clone());
        let tenant = TenantId::parse("t1").unwrap();
        stores.calls.commit(vec![beginning(tenant.clone(), ConnId(1), node(1))]).await.unwrap();
        let repair =
            Repair { subject: Subject::Call(ConnId(1)), action: RepairAction::Clear, why: "orphaned".to_owned() };
        stores.leases.renew(&node(1), ROLE, infra::bounds::LEASE).await.unwrap();
        let claimed = claim_orphan(&stores, &tenant, &node(2), &repair).await.unwrap();
        assert_eq!(claimed, None, "the owner lives");
        let own = claim_orphan(&stores, &tenant, &node(1), &repair).await.unwrap();
        assert_eq!(own.map(|record| (record.owner, record.token)), Some((node(1), Token(1))), "as it is");
        clock.advance(infra::bounds::LEASE + Duration::from_millis(1));
        let claimed = claim_orphan(&stores, &tenant, &node(2), &repair).await.unwrap();
        assert_eq!(claimed.map(|record| (record.owner, record.token)), Some((node(2), Token(2))));
    }
}
