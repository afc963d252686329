//! Whose a call is, asked of the ledger; and what dead nodes have left.

use std::collections::HashMap;
use std::time::Duration;

use infra::{Claim, Claimed, Loaded, Record, Stores, bounds};
use model::{ConnId, Owner, TenantId, Timestamp};

use super::heirs::{Found, LEFT_TO_OTHERS, Named, Sought, is_heir};

/// The role, under whose name its nodes hold their leases.
const ROLE: &str = "sip-cluster";
/// How long a ledger that does not answer is asked; its messages wait as long.
const FIND_WITHIN: Duration = Duration::from_secs(20);
/// How often it is asked until then.
pub const FIND_AGAIN: Duration = Duration::from_millis(250);
/// How often the tenants are asked for again.
const TENANTS_EVERY: Duration = Duration::from_secs(10);
/// Calls of a tenant that are looked through after a claim without an answer: more than a node may have.
const OWN_MAX: usize = 10_000;
/// Dead owners that are remembered.
const DEAD_MAX: usize = 1_000;

/// Whose a call is. One of an owner that is gone becomes ours.
pub async fn find(stores: &Stores, us: &Owner, sought: &Sought) -> Found {
    let until = stores.clock.now() + FIND_WITHIN;
    loop {
        match find_once(stores, us, sought).await {
            Ok(Some(found)) => return found,
            // Somebody was faster: the next look says who.
            Ok(None) => {}
            Err(error) if stores.clock.now() >= until => {
                tracing::error!(named = ?sought.named, %error, "nobody knows whose a call is");
                return Found::Unanswered;
            }
            Err(error) => tracing::debug!(named = ?sought.named, %error, "whose a call is cannot be found out yet"),
        }
        tokio::time::sleep(FIND_AGAIN).await;
    }
}

/// Asks once; nothing is known when somebody was faster in this moment.
///
/// # Errors
/// Those of the store.
pub async fn find_once(stores: &Stores, us: &Owner, sought: &Sought) -> infra::Result<Option<Found>> {
    let Sought { tenant, named, gone } = sought;
    let conn_id = match named {
        Named::Call(conn_id) => *conn_id,
        Named::Invite(dialog) => match stores.calls.lookup(tenant, dialog).await? {
            Some(conn_id) => conn_id,
            None => return Ok(Some(Found::Unknown)),
        },
    };
    let seen = match stores.calls.load(tenant, conn_id).await? {
        Loaded::Live(record) => record,
        Loaded::Ended => return Ok(Some(Found::Ended)),
        Loaded::Unknown => return Ok(Some(Found::Unknown)),
    };
    let is_gone = seen.owner == *us
        || gone.as_ref().is_some_and(|gone| gone.is(&seen.owner))
        || !is_live(stores, &seen.owner).await?;
    if !is_gone {
        return Ok(Some(Found::Elsewhere(seen.owner)));
    }
    let claim = Claim { tenant: tenant.clone(), key: conn_id, seen: Some(seen.token) };
    let claimed = stores.calls.claim(us, vec![claim]).await?.pop();
    Ok(match claimed {
        Some(Claimed::Yours(record)) => Some(Found::Ours(Box::new(record))),
        Some(Claimed::Ended) => Some(Found::Ended),
        Some(Claimed::Unknown) => Some(Found::Unknown),
        Some(Claimed::Raced { .. }) | None => None,
    })
}

async fn is_live(stores: &Stores, owner: &Owner) -> infra::Result<bool> {
    Ok(stores.leases.live(ROLE).await?.iter().any(|lease| lease.owner == *owner))
}

/// What is known of dead owners from one look to the next.
#[derive(Debug, Default)]
pub struct Dead {
    since: HashMap<Owner, Timestamp>,
    tenants: Vec<TenantId>,
    /// Whether a claim has had no answer: it may have been done.
    unsure: bool,
    /// When they were asked for.
    asked_at: Option<Timestamp>,
}

impl Dead {
    /// The tenants, asked for now and then; those that are known where nobody answers.
    ///
    /// # Errors
    /// When nobody answers and none are known.
    pub async fn tenants<Asked>(&mut self, now: Timestamp, ask: impl FnOnce() -> Asked) -> anyhow::Result<Vec<TenantId>>
    where
        Asked: Future<Output = anyhow::Result<Vec<TenantId>>>,
    {
        if self.asked_at.is_none_or(|at| now.since(at) >= TENANTS_EVERY) {
            match ask().await {
                Ok(tenants) => (self.tenants, self.asked_at) = (tenants, Some(now)),
                Err(error) if self.asked_at.is_none() => return Err(error),
                Err(error) => tracing::debug!(%error, "the tenants that are known are gone on with"),
            }
        }
        Ok(self.tenants.clone())
    }

    /// Claims calls of owners that hold no lease and that no proxy sees: those that the proxies would bring here too, and after a
    /// while those that nobody has taken.
    ///
    /// # Errors
    /// Those of the store; what was claimed before is in `claimed`.
    pub async fn inherit(
        &mut self,
        stores: &Stores,
        us: &Owner,
        live: &[Owner],
        tenants: &[TenantId],
        claimed: &mut Vec<Record<ConnId>>,
    ) -> infra::Result<()> {
        if self.unsure {
            for tenant in tenants {
                claimed.extend(stores.calls.orphans(tenant, us, OWN_MAX).await?);
            }
        }
        // Until the claims of this look have been answered.
        self.unsure = true;
        self.claim_left(stores, us, live, tenants, claimed).await?;
        self.unsure = false;
        Ok(())
    }

    async fn claim_left(
        &mut self,
        stores: &Stores,
        us: &Owner,
        live: &[Owner],
        tenants: &[TenantId],
        claimed: &mut Vec<Record<ConnId>>,
    ) -> infra::Result<()> {
        let now = stores.clock.now();
        let leases = stores.leases.live(ROLE).await?;
        let lives = |owner: &Owner| live.contains(owner) || leases.iter().any(|lease| lease.owner == *owner);
        let mut left = Vec::new();
        for tenant in tenants {
            for holding in stores.calls.owners(tenant).await? {
                if holding.owner != *us && !lives(&holding.owner) {
                    left.push((tenant, holding.owner));
                }
            }
        }
        self.since.retain(|owner, _| left.iter().any(|(_, dead)| dead == owner));
        for (tenant, owner) in left {
            if self.since.len() >= DEAD_MAX && !self.since.contains_key(&owner) {
                continue;
            }
            let since = *self.since.entry(owner.clone()).or_insert(now);
            let any = now.since(since) >= LEFT_TO_OTHERS;
            loop {
                let records = stores.calls.orphans(tenant, &owner, bounds::CLAIM_BATCH).await?;
                let wanted = records.iter().filter(|record| any || is_heir(us, live, record.key));
                let claims: Vec<_> = wanted
                    .map(|record| Claim { tenant: tenant.clone(), key: record.key, seen: Some(record.token) })
                    .collect();
                let before = claimed.len();
                if !claims.is_empty() {
                    let outcomes = stores.calls.claim(us, claims).await?;
                    claimed.extend(outcomes.into_iter().filter_map(|outcome| match outcome {
                        Claimed::Yours(record) => Some(record),
                        _ => None,
                    }));
                }
                // What is left is for others, or they are just taking it.
                if claimed.len() == before {
                    break;
                }
            }
        }
        Ok(())
    }
}
