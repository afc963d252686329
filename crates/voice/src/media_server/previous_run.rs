//! The legs of a previous run of this node: claimed, read and continued.

use std::collections::VecDeque;
use std::time::Duration;

use infra::{MediaLedger, MediaSessionId, Record};
use media::session::Session;
use model::{Owner, TenantId, Timestamp};
use net::http::Client;
use net::rtp::{Order, PortsError};
use runtime::RoleContext;
use sip::Flow;
use sip::agent::{CommandError, DialogId, Restore};
use tokio::sync::mpsc;

use super::faults::Doing;
use super::leg::{Leg, Stored};
use super::node::{Node, note};
use super::records::{self, Decoded};
use crate::dialog_records::RecordError;
use crate::quarantine::is_suspect;

/// How long config may take to name the tenants at start before the node continues without its earlier legs.
const TENANTS_WITHIN: Duration = Duration::from_secs(15);
/// The pause between queries until then.
const TENANTS_AGAIN: Duration = Duration::from_millis(100);

/// How often legs released from quarantine are searched for.
const RELEASED_EVERY: Duration = Duration::from_secs(5);

/// How often the owner of a leg is queried until it has answered.
const ASK_OWNER_EVERY: Duration = Duration::from_secs(10);

/// Why a leg of a previous run cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The record stays unchanged.
    #[error("its record cannot be read")]
    Record(#[from] RecordError),
    /// The record stays unchanged.
    #[error("there is no proxy by which it could go on")]
    NoProxy,
    /// The record stays unchanged.
    #[error("its dialog cannot be restored")]
    Dialog(#[source] CommandError),
    /// Without its port the phone cannot be heard. Its owner is notified, and the record ends with the next commit.
    #[error("its ports are lost")]
    Ports(#[source] PortsError),
}

impl RestoreError {
    /// Whether the record is the cause, so that every later run would fail, too.
    pub const fn is_of_record(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Dialog(_))
    }
}

impl Node {
    /// Continues a claimed leg. Needs a connection to a proxy for its messages.
    ///
    /// # Errors
    /// Why the leg cannot be continued; other legs are not affected.
    pub fn restore(&mut self, record: &Record<MediaSessionId>, now: Timestamp) -> Result<(), RestoreError> {
        let decoded = records::decode(&record.state, self.advertise)?;
        self.go_on(record, decoded, now)
    }

    fn go_on(&mut self, record: &Record<MediaSessionId>, decoded: Decoded, now: Timestamp) -> Result<(), RestoreError> {
        let Decoded { dialog, edge, request_uri, service, connection, local, described, secret, treatments, audio } =
            decoded;
        let link = self.link_at(&edge).ok_or(RestoreError::NoProxy)?;
        let how = Restore { stream: Some(Flow::Stream { connection: link }), resend: true, cseq_jump: 0 };
        let restored = self.agent.restore(vec![dialog], how, now).map_err(RestoreError::Dialog)?;
        let Some(dialog) = restored.into_iter().next() else { return Ok(()) };
        self.set_current(dialog);
        let ports = match self.driver.ports().bind_again(local.port) {
            Ok(ports) => ports,
            Err(error) => {
                // Let the owner start a new leg.
                note("the end of a leg", self.agent.bye(dialog, Vec::new(), now));
                self.end_record(record.tenant.clone(), record.key.clone(), record.token);
                return Err(RestoreError::Ports(error));
            }
        };
        let id = self.new_leg_id();
        let echo = connection.snapshot().echo;
        let key = service.conference().map_or_else(|| id.0.to_string(), str::to_owned);
        let tenant = record.tenant.clone();
        let stream = audio.as_ref().and_then(|audio| audio.stream.clone());
        let prompts = std::cell::RefCell::new(&mut self.prompts);
        let session = audio.map(|audio| Session::restore(audio, now, |name| prompts.borrow_mut().find(&tenant, name)));
        let mut leg = Leg {
            id,
            shard: self.driver.shard_of(&key),
            tenant,
            service,
            request_uri,
            party: stream.as_ref().and_then(|stream| stream.party),
            edge,
            tag: record.key.clone(),
            token: record.token,
            stored: Stored::Live,
            connection,
            local,
            described,
            stream,
            secret,
            treatments,
            ports: None,
        };
        let shard = leg.shard;
        let conference = leg.conference().map(str::to_owned);
        match session {
            Some(session) => {
                self.order(shard, Order::Open { leg: id, ports, session: Box::new(session) });
                if let Some(conference) = conference {
                    self.order(shard, Order::Join(id, conference));
                }
                self.order(shard, Order::Echo(id, echo));
            }
            None => leg.ports = Some(ports),
        }
        self.legs.insert(dialog, leg);
        self.by_id.insert(id, dialog);
        self.unowned.insert(dialog, now);
        self.mark(dialog);
        self.secret_lost(dialog, now);
        Ok(())
    }

    /// Queries the owners of legs of a previous run whether they still have them: the BYE may have come while this node was down. An owner
    /// that does not know the dialog answers 481, and the leg ends.
    pub(super) fn ask_owners(&mut self, now: Timestamp) {
        let due: Vec<DialogId> = self.unowned.iter().filter(|(_, at)| **at <= now).map(|(dialog, _)| *dialog).collect();
        for dialog in due {
            self.unowned.insert(dialog, now + ASK_OWNER_EVERY);
            self.mark(dialog);
            self.attempt(Doing::Events, now, |node| {
                node.set_current(dialog);
                note("a question", node.agent.options(dialog, Vec::new(), now).map(drop));
            });
        }
    }
}

/// The legs that previous runs of this node have left.
#[derive(Default)]
pub struct PreviousRunLegs {
    /// Legs that this run has claimed.
    pub claimed: Vec<Record<MediaSessionId>>,
    /// Records that may have ended a process. Each is claimed only when its turn comes: if this process fails, the ledger shows which
    /// record caused it.
    pub suspects: VecDeque<Record<MediaSessionId>>,
}

/// Searches for legs that an operator has released from quarantine. They belong to no run of any node: the first node that claims one gets
/// it. Ends with the role.
///
/// # Errors
/// When no client of config can be created.
pub async fn watch_released(ctx: RoleContext, found: mpsc::Sender<Record<MediaSessionId>>) -> anyhow::Result<()> {
    let config = Client::new(&ctx, "own-04")?;
    loop {
        tokio::time::sleep(RELEASED_EVERY).await;
        let Ok(names) = config.get("/tenants").idempotent().fetch::<Vec<String>>().await else { continue };
        for tenant in names.iter().filter_map(|name| TenantId::parse(name).ok()) {
            for record in released_of(&*ctx.stores.media, &tenant).await.unwrap_or_default() {
                if found.send(record).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// The legs of a tenant that were released from quarantine and are claimed by no node.
///
/// # Errors
/// Errors of the ledger.
pub async fn released_of(ledger: &dyn MediaLedger, tenant: &TenantId) -> infra::Result<Vec<Record<MediaSessionId>>> {
    ledger.orphans(tenant, &infra::released(), infra::bounds::CLAIM_BATCH).await
}

/// Claims the legs that previous runs of this node have left in the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn claim(ctx: &RoleContext) -> anyhow::Result<PreviousRunLegs> {
    let config = Client::new(ctx, "own-04")?;
    let asking = async {
        loop {
            match config.get("/tenants").idempotent().fetch::<Vec<String>>().await {
                Ok(names) => return names,
                Err(_) => tokio::time::sleep(TENANTS_AGAIN).await,
            }
        }
    };
    let names = tokio::select! {
        names = tokio::time::timeout(TENANTS_WITHIN, asking) => names,
        () = ctx.drain.begun() => return Ok(PreviousRunLegs::default()),
    };
    let Ok(names) = names else {
        tracing::error!("config does not name the tenants: legs of the previous run are not restored");
        return Ok(PreviousRunLegs::default());
    };
    let tenants: Vec<TenantId> = names.iter().filter_map(|name| TenantId::parse(name).ok()).collect();
    let former = claim_of(&*ctx.stores.media, &ctx.owner(), &tenants).await?;
    let (legs, suspects) = (former.claimed.len(), former.suspects.len());
    if legs + suspects > 0 {
        tracing::info!(legs, suspects, "legs of the previous run are restored");
    }
    Ok(former)
}

/// As [`claim`], for these tenants.
///
/// # Errors
/// Errors of the ledger.
pub async fn claim_of(ledger: &dyn MediaLedger, us: &Owner, tenants: &[TenantId]) -> infra::Result<PreviousRunLegs> {
    let mut former = PreviousRunLegs::default();
    for tenant in tenants {
        for holding in ledger.owners(tenant).await? {
            if holding.owner.node != us.node || holding.owner.epoch >= us.epoch {
                continue;
            }
            let listed = || ledger.orphans(tenant, &holding.owner, infra::bounds::CLAIM_BATCH);
            let sound = || -> infra::Answer<'_, Vec<Record<MediaSessionId>>> {
                let listed = listed();
                Box::pin(async move { Ok(listed.await?.into_iter().filter(|record| !is_suspect(record)).collect()) })
            };
            former.claimed.extend(infra::claim_all(tenant, sound, |claims| ledger.claim(us, claims)).await?);
            former.suspects.extend(listed().await?.into_iter().filter(is_suspect));
        }
    }
    Ok(former)
}
