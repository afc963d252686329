//! Looks up the owner of one call in the ledger.

use std::time::Duration;

use infra::{CallIndex, Claim, Claimed, HandOver, Loaded, Posted, Recipient, Stores};
use model::{ConnId, Owner, TenantId};

use crate::sip_cluster::limits::HANDED_WITHIN;
use crate::sip_cluster::node::lookup::{FailureReport, Found, Lookup, ROLE, SeenLive};

/// How long a lookup is repeated while the ledger gives no clear answer; the call's messages wait as long.
pub const FIND_WITHIN: Duration = Duration::from_secs(20);
/// Interval of these attempts.
pub const FIND_AGAIN: Duration = Duration::from_millis(250);

/// Until when the owner still hands it over, by its own clock.
pub const WANTED_WITHIN: Duration = Duration::from_secs(3);
/// Interval of the looks for it: it begins here, and doubles up to [`HANDED_AGAIN_MAX`].
pub const HANDED_AGAIN: Duration = Duration::from_millis(25);
/// The longest of these intervals.
const HANDED_AGAIN_MAX: Duration = Duration::from_millis(400);

/// Looks up the owner of a call, and claims the call if that owner has failed. If the call is to be joined with one that is here, a living
/// owner is asked to hand it over. `live` gives the owners that proxies see live.
pub async fn find(stores: &Stores, us: &Owner, live: impl Fn() -> SeenLive, sought: &Lookup) -> Found {
    let began = stores.clock.now();
    let until = began + FIND_WITHIN;
    let (mut asked, mut pause) = (None, HANDED_AGAIN);
    loop {
        let live = live();
        let sought = sought.after(stores.clock.now().since(began), &live);
        let unknown = match find_once(stores, us, &live, &sought).await {
            Ok(Some(Found::Elsewhere(owner))) if sought.joins && stores.clock.now().since(began) < HANDED_WITHIN => {
                if asked.as_ref() != Some(&owner) && ask_for(stores, us, &sought, owner.clone()).await {
                    asked = Some(owner);
                }
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(HANDED_AGAIN_MAX);
                continue;
            }
            Ok(Some(found)) => return found,
            Ok(None) => "who has it is changing".to_owned(),
            Err(error) => error.to_string(),
        };
        if stores.clock.now() >= until {
            tracing::error!(named = ?sought.named, why = unknown, "the owner of a call cannot be found");
            return Found::Unanswered;
        }
        tracing::debug!(named = ?sought.named, why = unknown, "the owner of a call is not known yet");
        tokio::time::sleep(FIND_AGAIN).await;
    }
}

/// Asks a call's owner to hand the call over. It answers by doing so. Returns whether it is asked.
async fn ask_for(stores: &Stores, us: &Owner, sought: &Lookup, owner: Owner) -> bool {
    let CallIndex::Call(conn_id) = sought.named else { return true };
    let wanted = Posted::HandOver(HandOver { conn_id, to: us.clone() });
    let posted = stores.requests.post(&sought.tenant, &Recipient::Owner(owner), None, wanted).await;
    if let Err(error) = &posted {
        tracing::warn!(%conn_id, %error, "a call that is to be joined cannot be asked for yet");
    }
    posted.is_ok()
}

/// One lookup. None if another node claimed the call at the same time (the next lookup finds it), or if the reports about its
/// owner contradict each other.
///
/// # Errors
/// Those of the store.
pub async fn find_once(stores: &Stores, us: &Owner, live: &SeenLive, sought: &Lookup) -> infra::Result<Option<Found>> {
    let Lookup { tenant, named, gone, .. } = sought;
    let seen = match load(stores, tenant, named).await? {
        Loaded::Live(record) => record,
        Loaded::Ended => return Ok(Some(Found::Ended)),
        Loaded::Unknown => return Ok(Some(Found::Unknown)),
    };
    let conn_id = seen.key;
    let owner = &seen.owner;
    let is_seen = live.contains(owner);
    let is_gone = match gone.as_ref().filter(|gone| gone.is(owner)) {
        _ if owner == us => true,
        // The node that could not connect may itself be cut off.
        Some(FailureReport::Node(_)) if is_seen => return Ok(None),
        // And so may this one be: without a proxy it sees no node live.
        Some(FailureReport::Node(_)) if live.0.is_empty() => !is_live(stores, owner).await?,
        Some(_) => true,
        None => !is_seen && !is_live(stores, owner).await?,
    };
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

/// Reads the record that holds a call: its own, or that of the thread to which it belongs.
///
/// # Errors
/// Those of the store.
pub async fn load(stores: &Stores, tenant: &TenantId, named: &CallIndex) -> infra::Result<Loaded<ConnId>> {
    if let CallIndex::Call(conn_id) = named {
        let loaded = stores.calls.load(tenant, *conn_id).await?;
        if loaded != Loaded::Unknown {
            return Ok(loaded);
        }
    }
    match stores.calls.lookup(tenant, named).await? {
        Some(conn_id) => stores.calls.load(tenant, conn_id).await,
        None => Ok(Loaded::Unknown),
    }
}

async fn is_live(stores: &Stores, owner: &Owner) -> infra::Result<bool> {
    Ok(stores.leases.live(ROLE).await?.iter().any(|lease| lease.owner == *owner))
}
