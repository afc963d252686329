//! A turn's batch for the ledger, and the handling of its answers.

use std::collections::HashMap;

use bytes::Bytes;
use infra::{Change, MediaSessionId, MediaWrite, Written};
use model::{TenantId, Timestamp, Token};
use net::rtp::{LegId, LegSnapshot, Order};
use sip::agent::DialogId;
use tokio::sync::oneshot;

use super::faults::Doing;
use super::leg::Stored;
use super::records;
use super::{Node, note};
use crate::media_server::limits::ENDS_MAX;

/// An ended leg whose record still exists.
#[derive(Debug)]
pub struct Over {
    tenant: TenantId,
    tag: MediaSessionId,
    token: Token,
}

impl Over {
    /// Whether it belongs to that leg.
    pub fn is_of(&self, tag: &MediaSessionId) -> bool {
        self.tag == *tag
    }
}

/// The follow-up of a write that was not carried out.
#[derive(Debug)]
pub enum Undo {
    /// Store the leg again; the record to be created may already exist.
    Store(MediaSessionId, Stored),
    /// The record must still be ended.
    End(Over),
}

impl Undo {
    /// The follow-up for that write.
    pub fn of(write: &MediaWrite) -> Self {
        let MediaWrite { tenant, session, token, .. } = write;
        match write.change {
            Change::Create { .. } => Self::Store(session.clone(), Stored::Perhaps),
            Change::Save { .. } | Change::Keep => Self::Store(session.clone(), Stored::Live),
            Change::End => Self::End(Over { tenant: tenant.clone(), tag: session.clone(), token: *token }),
        }
    }
}

impl Node {
    /// Adds the leg to the next commit.
    pub fn mark(&mut self, dialog: DialogId) {
        self.changed.insert(dialog);
    }

    /// Marks legs whose position is due to be stored; all else is stored when it changes.
    pub(super) fn mark_positions(&mut self, now: Timestamp) {
        for dialog in self.positions.take_due(now) {
            if self.legs.get(&dialog).is_some_and(|leg| leg.has_position()) {
                self.mark(dialog);
            } else {
                self.positions.end(dialog);
            }
        }
    }

    /// A treatment has begun on the leg: its beginning is stored now, and its position later if only the record can tell it.
    pub(super) fn treatment_began(&mut self, dialog: DialogId, now: Timestamp) {
        self.mark(dialog);
        if self.legs.get(&dialog).is_some_and(|leg| leg.has_position()) {
            self.positions.begin(dialog, now);
        } else {
            self.positions.end(dialog);
        }
    }

    /// Ends the record of an ended leg with the next commit.
    pub(super) fn end_record(&mut self, tenant: TenantId, tag: MediaSessionId, token: Token) {
        self.push_over(Over { tenant, tag, token });
    }

    /// Requests snapshots of the changed legs from the RTP threads.
    pub fn request_snapshots(&mut self) -> Vec<oneshot::Receiver<Vec<LegSnapshot>>> {
        let mut wanted: HashMap<usize, Vec<LegId>> = HashMap::new();
        for leg in self.changed.iter().filter_map(|dialog| self.legs.get(dialog)) {
            wanted.entry(leg.shard).or_default().push(leg.id);
        }
        let mut answers = Vec::with_capacity(wanted.len());
        for (shard, legs) in wanted {
            let (reply, answer) = oneshot::channel();
            if self.order(shard, Order::LegSnapshot(legs, reply)) {
                answers.push(answer);
            }
        }
        answers
    }

    /// The changes since the last batch. Pass the answers to [`Node::committed`] in the same order.
    pub fn batch(&mut self, request_snapshots: &[LegSnapshot], now: Timestamp) -> Vec<MediaWrite> {
        let taken: HashMap<LegId, &LegSnapshot> = request_snapshots.iter().map(|p| (p.leg, p)).collect();
        let mut batch = Vec::with_capacity(self.changed.len() + self.over.len());
        for dialog in std::mem::take(&mut self.changed) {
            if self.lacks_audio(dialog, &taken) {
                self.mark(dialog);
                continue;
            }
            let mut state = None;
            self.attempt(Doing::Commit, now, |node| {
                node.set_current(dialog);
                state = node.record_of(dialog, &taken);
            });
            let (Some(state), Some(leg)) = (state, self.legs.get_mut(&dialog)) else { continue };
            if state.len() > infra::bounds::STATE_MAX {
                // Every ledger would refuse it, together with the batch of all other legs.
                tracing::error!(tag = %leg.tag.0, bytes = state.len(), "a leg's record is too large: the leg is ended");
                self.metrics.leg_oversized();
                note("the end of a leg", self.agent.bye(dialog, Vec::new(), now));
                continue;
            }
            let change = match leg.stored {
                Stored::No | Stored::Perhaps => Change::Create { state, intentions: Bytes::new() },
                Stored::Live => Change::Save { state, intentions: Bytes::new() },
            };
            leg.stored = Stored::Live;
            batch.push(MediaWrite {
                tenant: leg.tenant.clone(),
                session: leg.tag.clone(),
                owner: self.owner.clone(),
                token: leg.token,
                change,
                due: None,
            });
        }
        for Over { tenant, tag, token } in self.over.drain(..) {
            let owner = self.owner.clone();
            batch.push(MediaWrite { tenant, session: tag, owner, token, change: Change::End, due: None });
        }
        batch
    }

    /// Whether a stored leg's audio is not known now, because its RTP thread did not answer in time: a record without it would replace a
    /// good one, and a successor would continue the leg in silence.
    fn lacks_audio(&self, dialog: DialogId, taken: &HashMap<LegId, &LegSnapshot>) -> bool {
        let leg = self.legs.get(&dialog);
        leg.is_some_and(|leg| leg.ports.is_none() && leg.stored == Stored::Live && !taken.contains_key(&leg.id))
    }

    fn record_of(&mut self, dialog: DialogId, taken: &HashMap<LegId, &LegSnapshot>) -> Option<Bytes> {
        let leg = self.legs.get(&dialog)?;
        let snapshot = self.agent.snapshot(&[dialog]).pop()?;
        let audio = taken.get(&leg.id).map(|snapshot| &snapshot.session);
        Some(records::encode(leg, &leg.edge, snapshot, audio, &self.cipher))
    }

    /// The batch was not stored: its writes become part of the next commit.
    pub fn not_stored(&mut self, writes: Vec<Undo>) {
        for write in writes {
            match write {
                Undo::Store(tag, stored) => self.store_again(&tag, stored),
                Undo::End(over) => self.push_over(over),
            }
        }
    }

    fn push_over(&mut self, over: Over) {
        if self.over.len() >= ENDS_MAX {
            return tracing::error!(tag = %over.tag.0, "too many records wait to be ended: the next life of this node ends it");
        }
        self.over.push(over);
    }

    fn store_again(&mut self, tag: &MediaSessionId, stored: Stored) {
        let Some((dialog, leg)) = self.legs.iter_mut().find(|(_, leg)| leg.tag == *tag) else { return };
        leg.stored = stored;
        self.changed.insert(*dialog);
    }

    /// Handles the ledger's answers. A leg with another owner is dropped without any message: its new owner sends them.
    pub fn committed(&mut self, answers: impl IntoIterator<Item = (MediaSessionId, Written)>) {
        for (tag, written) in answers {
            let owner = match written {
                // The record was created, but the answer was lost.
                Written::Exists { owner, .. } if owner == self.owner => {
                    self.store_again(&tag, Stored::Live);
                    continue;
                }
                Written::Fenced { owner, .. } | Written::Exists { owner, .. } => owner,
                Written::Unknown => {
                    // The record is lost: create a new one.
                    self.store_again(&tag, Stored::No);
                    continue;
                }
                Written::Refused(refusal) => {
                    // The leg continues; its last stored state stays valid.
                    tracing::error!(tag = %tag.0, %refusal, "a leg's record is not stored");
                    continue;
                }
                Written::Done { .. } | Written::Ended | Written::NotAbsorbed => continue,
            };
            tracing::warn!(tag = %tag.0, %owner, "a leg belongs to somebody else");
            let dialog = self.legs.iter().find(|(_, leg)| leg.tag == tag).map(|(dialog, _)| *dialog);
            if let Some(dialog) = dialog {
                self.drop_leg(dialog);
            }
        }
    }
}
