//! Takes over sessions of failed nodes, and moves records that cannot be restored to quarantine.
//!
//! A record counts its claims since it was last written. A record claimed before is processed alone, after all
//! others, so that a further crash can be attributed to it. At the third claim it is not restored any more.

use std::collections::{BTreeSet, HashSet};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use contracts::v1;
use infra::{Claim, Claimed, LedgerKind, Loaded, QuarantineRequest, Record, SessionId, bounds};
use model::{Owner, Stamped, Timestamp};
use tokio::time::Instant;

use super::TenantLoop;
use crate::ors::call_session::{Command, Ended, Fault, cancellation};
use crate::ors::intentions::{self, Intention};
use crate::ors::quarantine::put_aside;
use crate::ors::session_facts::SessionFacts;
use crate::ors::worker::{Restore, Work};
use crate::ors::{SPEC, records};

/// A record with this number of claims since its last write was being processed when two processes crashed.
const CLAIMS_MAX: u32 = 3;
/// How long other records wait for one that is processed alone: until it is written, at most this long.
const ALONE_FOR: Duration = Duration::from_secs(10);
/// How often to check whether it is written.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl TenantLoop {
    /// Takes over the sessions of failed owners.
    pub(super) async fn take_over(&self, owner: &Owner) -> infra::Result<()> {
        let stores = &self.shared.ctx.stores;
        let live: HashSet<Owner> = stores.leases.live(SPEC.name).await?.into_iter().map(|lease| lease.owner).collect();
        self.take_unsure(owner).await?;
        let mut suspects = Vec::new();
        for holding in stores.sessions.owners(&self.tenant).await? {
            if !is_left(&holding.owner, owner, &live) {
                continue;
            }
            let orphans = stores.sessions.orphans(&self.tenant, &holding.owner, bounds::CLAIM_BATCH).await?;
            let (suspect, others): (Vec<_>, Vec<_>) = orphans.into_iter().partition(|record| record.claims > 0);
            suspects.extend(suspect);
            for record in self.claim(owner, others).await? {
                self.restore(record).await;
            }
        }
        for suspect in suspects {
            self.take_alone(owner, suspect).await?;
        }
        Ok(())
    }

    async fn claim(&self, owner: &Owner, orphans: Vec<Record<SessionId>>) -> infra::Result<Vec<Record<SessionId>>> {
        let claims = orphans.into_iter().map(|r| Claim { tenant: r.tenant, key: r.key, seen: Some(r.token) });
        let claims: Vec<_> = claims.collect();
        // Kept until the claim has been answered.
        *self.unsure() = claims.iter().map(|claim| claim.key.clone()).collect();
        let claimed = self.shared.ctx.stores.sessions.claim(owner, claims).await?;
        self.unsure().clear();
        let ours = claimed.into_iter().filter_map(|claimed| match claimed {
            Claimed::Yours(record) => Some(record),
            Claimed::Raced { .. } | Claimed::Ended | Claimed::Unknown => None,
        });
        Ok(ours.collect())
    }

    /// Continues the sessions of a claim whose answer was lost: they are ours, so no other node claims them.
    async fn take_unsure(&self, owner: &Owner) -> infra::Result<()> {
        let unsure = self.unsure().clone();
        for session in unsure {
            let loaded = self.shared.ctx.stores.sessions.load(&self.tenant, &session).await?;
            self.unsure().remove(&session);
            match loaded {
                Loaded::Live(record) if record.owner != *owner => {}
                Loaded::Live(record) if record.claims > 1 => {
                    let _alone = self.shared.alone.lock().await;
                    self.go_on_alone(owner, record).await?;
                }
                Loaded::Live(record) => self.restore(record).await,
                Loaded::Ended | Loaded::Unknown => {}
            }
        }
        Ok(())
    }

    fn unsure(&self) -> MutexGuard<'_, BTreeSet<SessionId>> {
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a record that may have crashed a process: no other such record of any tenant is processed meanwhile.
    async fn take_alone(&self, owner: &Owner, suspect: Record<SessionId>) -> infra::Result<()> {
        let _alone = self.shared.alone.lock().await;
        for record in self.claim(owner, vec![suspect]).await? {
            self.go_on_alone(owner, record).await?;
        }
        Ok(())
    }

    /// Restores such a record, now that it is ours.
    async fn go_on_alone(&self, owner: &Owner, record: Record<SessionId>) -> infra::Result<()> {
        if record.claims >= CLAIMS_MAX {
            self.put_aside(record, "two processes ended abnormally while processing it".to_owned(), Vec::new()).await;
            return Ok(());
        }
        let key = record.key.clone();
        self.restore(record).await;
        self.is_written(&key, owner).await
    }

    /// Waits until this node has written a session, or the session is over.
    async fn is_written(&self, session: &SessionId, owner: &Owner) -> infra::Result<()> {
        let until = Instant::now() + ALONE_FOR;
        while let Loaded::Live(record) = self.shared.ctx.stores.sessions.load(&self.tenant, session).await? {
            if record.owner != *owner || record.claims == 0 || Instant::now() >= until {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    async fn restore(&self, record: Record<SessionId>) {
        let (conn_id, decoded) = match records::read(&record.state) {
            Ok((caller, decoded)) => (caller.call.conn_id, decoded),
            Err(error) => {
                self.shared.metrics.record_unreadable();
                let ends = ends_of(&record, self.shared.ctx.clock.now());
                return self.put_aside(record, format!("it cannot be read: {error}"), ends).await;
            }
        };
        tracing::info!(call = %conn_id, session = record.key.0, "session taken over");
        let application = self.shared.applications.load(&self.tenant, &decoded.application).await;
        let application = application.inspect_err(|error| tracing::error!(%error, "application not loaded")).ok();
        let position = records::position(&decoded);
        let mut owes_default = false;
        for intention in intentions::decode(&record.intentions) {
            match intention {
                Intention::Request(reference, frame) => {
                    self.frontend_tasks.send(&self.tenant, conn_id, &record.key.0, reference, frame).await;
                }
                Intention::DefaultRoute => owes_default = true,
            }
        }
        let restore = Restore {
            tenant: self.tenant.clone(),
            session: record.key,
            record: decoded,
            token: record.token,
            application,
            owes_default,
        };
        self.shared.workers.send(conn_id, Work::Restore(Box::new(restore))).await;
        // Once the session is there, the facts since its position are read again.
        let mut rewind = self.rewind();
        *rewind = Some(rewind.map_or(position, |before| before.min(position)));
    }

    /// Moves a record to quarantine, with these facts; then its call takes its default, as far as the record is readable.
    async fn put_aside(&self, record: Record<SessionId>, why: String, events: Vec<Stamped>) {
        let put = QuarantineRequest {
            tenant: self.tenant.clone(),
            ledger: LedgerKind::Session,
            key: record.key.0.clone(),
            owner: record.owner.clone(),
            token: record.token,
            why,
            report: bytes::Bytes::new(),
            events,
        };
        if put_aside(&self.shared, put).await {
            self.end_from_snapshot(&record).await;
        }
    }

    /// If the record is unreadable, the call's owner notices by itself that the call gets no instructions.
    async fn end_from_snapshot(&self, record: &Record<SessionId>) {
        let Some((caller, session)) = records::legible(&record.state) else { return };
        let commands = last_words(&session);
        let (tenant, session) = (self.tenant.clone(), record.key.clone());
        self.shared.workers.send(caller.call.conn_id, Work::Farewell { tenant, session, caller, commands }).await;
    }
}

/// The commands for a session that no node continues.
fn last_words(session: &v1::SessionRecord) -> Vec<Command> {
    let queued = records::queue_requests(session).map(|id| Command::Queue(cancellation(id)));
    let default = records::waits(session).then_some(Command::DefaultRoute);
    let reason = "its record is in quarantine".to_owned();
    queued.chain(default).chain([Command::Ended(Ended::Failed { fault: Fault::Quarantined, reason })]).collect()
}

/// The facts of a session's end, as far as its record is readable.
fn ends_of(record: &Record<SessionId>, now: Timestamp) -> Vec<Stamped> {
    let Some((caller, session)) = records::legible(&record.state) else { return Vec::new() };
    let mut facts = SessionFacts::new(&record.key, record.token);
    facts.of_commands(&record.tenant, &caller, None, &last_words(&session), now)
}

/// Whether no node continues an owner's sessions: it holds no lease, or it is a previous run of this node, whose lease may outlive it.
fn is_left(holder: &Owner, us: &Owner, live: &HashSet<Owner>) -> bool {
    let former = holder.node == us.node && holder.epoch < us.epoch;
    holder != us && (former || !live.contains(holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_life_has_left_its_sessions_before_its_lease_runs_out() {
        let owner = |text: &str| -> Owner { text.parse().unwrap() };
        let live = ["ors-1.1", "ors-1.2", "ors-2.1"].map(owner).into();
        for (holder, left) in [("ors-1.1", true), ("ors-1.2", false), ("ors-2.1", false), ("ors-3.1", true)] {
            assert_eq!(is_left(&owner(holder), &owner("ors-1.2"), &live), left, "{holder}");
        }
    }
}
