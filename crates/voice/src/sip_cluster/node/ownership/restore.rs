//! Continues a claimed call from its record.

use std::collections::BTreeSet;

use infra::Record;
use model::{ConnId, LegId, Timestamp};
use sip::Flow;
use sip::agent::{DialogSnapshot, Restore};

use crate::dialog_records::RecordError;
use crate::quarantine::CLAIMS_MAX;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::explain::TraceBegin;
use crate::sip_cluster::node::calls::leg::{Leg, LegStage, Place, Side};
use crate::sip_cluster::node::calls::records::{self, Decoded};
use crate::sip_cluster::node::faults::Doing;

impl Node {
    /// Continues a claimed call. Needs the connection to its proxy, so that its messages find their way.
    ///
    /// A record that does not decode, panics or exceeds its steps is quarantined; all others are continued.
    pub fn restore(&mut self, record: &Record<ConnId>, now: Timestamp) -> bool {
        if self.is_aside(record.key) {
            return false;
        }
        if record.claims >= CLAIMS_MAX {
            let why = format!("{} processes ended abnormally while processing it", record.claims - 1);
            self.quarantine_record(record, why, now);
            return false;
        }
        let mut outcome = Err("restoring it failed".to_owned());
        self.attempt(Doing::Record, now, |node| {
            node.set_current(record.key);
            outcome = node.go_on_with(record, now).map_err(|error| format!("it cannot be read: {error}"));
        });
        match outcome {
            // The fault handling has quarantined or ended it already.
            _ if self.is_aside(record.key) => false,
            Ok(()) => true,
            Err(why) => {
                self.quarantine_record(record, why, now);
                false
            }
        }
    }

    /// As [`Node::restore`], if this node does not have the call. A request may have brought one of the previous run here before the first
    /// proxy came, and it has gone on since; and a record of this node may be left of a call that it no longer knows.
    pub fn restore_absent(&mut self, record: &Record<ConnId>, now: Timestamp) {
        if self.calls.thread_of(record.key).is_none() && !self.hand_overs.has(record.key) {
            self.restore(record, now);
        }
    }

    fn go_on_with(&mut self, record: &Record<ConnId>, now: Timestamp) -> Result<(), RecordError> {
        let conn_id = record.key;
        let name = records::name(&record.tenant, &record.key);
        let Decoded { mut entry, dialogs } =
            records::decode(&record.state, &name, |edge| self.proxies.link_at(edge, now), &self.cipher)?;
        if entry.thread.token() != record.token {
            entry.thread.claim(record.token);
        }
        self.forget_outdated(conn_id, &dialogs);
        // Inserted before its dialogs, so that a fault from here on finds every part of the call.
        self.calls.insert(conn_id, entry);
        let mut broken = Vec::new();
        for (at, (phone, media)) in dialogs.into_iter().enumerate() {
            broken.extend(self.restore_leg(at, conn_id, phone, media, now));
        }
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
        self.metrics.call_claimed();
        if let Some(entry) = self.calls.get(&conn_id) {
            self.trace_call(entry, TraceBegin::Takeover, now);
        }
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.thread.ask_again();
        }
        self.watch_flows(conn_id, now);
        self.go_on_asking(conn_id, now);
        self.inherit_monitoring(conn_id, now);
        self.doubt_recorded_seats(conn_id);
        self.call_changed(conn_id, now);
        for leg in broken {
            self.end_without_audio(conn_id, leg, now);
        }
        self.ask_again(conn_id, now);
        self.settle(now);
        Ok(())
    }

    /// Drops other calls that have one of these dialogs here: this node has lost them without knowing, and they are part of this one now.
    fn forget_outdated(&mut self, conn_id: ConnId, dialogs: &[(Option<DialogSnapshot>, Option<DialogSnapshot>)]) {
        let snapshots = dialogs.iter().flat_map(|(phone, media)| [phone, media]).flatten();
        let ours = snapshots.filter_map(|snapshot| self.agent.dialog_by_tag(&snapshot.leg.dialog.local_tag));
        let outdated: BTreeSet<ConnId> = ours
            .filter_map(|dialog| self.calls.place_of(dialog))
            .map(|place| place.conn_id)
            .filter(|of| *of != conn_id)
            .collect();
        for conn_id in outdated {
            tracing::debug!(%conn_id, "a call here is outdated: it has become part of another one");
            self.drop_outdated(conn_id);
        }
    }

    /// Restores a leg's dialogs. Returns the leg if one of a connected party cannot be restored.
    fn restore_leg(
        &mut self,
        at: usize,
        conn_id: ConnId,
        phone: Option<DialogSnapshot>,
        media: Option<DialogSnapshot>,
        now: Timestamp,
    ) -> Option<LegId> {
        let (id, link) = self.leg_at(conn_id, at).map(|leg| (leg.id, leg.link))?;
        let mut is_whole = true;
        // Every commit came before its messages, so the sequence numbers are right; the messages sent last may be lost.
        let how = Restore { stream: Some(Flow::Stream { connection: link }), resend: true, cseq_jump: 0 };
        for (side, snapshot) in [(Side::Phone, phone), (Side::Media, media)] {
            let Some(snapshot) = snapshot else {
                continue;
            };
            match self.agent.restore(vec![snapshot], how, now).map(|mut ids| ids.pop()) {
                Ok(Some(dialog)) => {
                    self.calls.bind(dialog, Place { conn_id, leg: id, side });
                    self.know_origin(conn_id, dialog);
                    match (self.leg_at(conn_id, at), side) {
                        (Some(leg), Side::Phone) => leg.phone = Some(dialog),
                        (Some(leg), Side::Media) => leg.media = Some(dialog),
                        (None, _) => {}
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    is_whole = false;
                    tracing::error!(%conn_id, %error, "a dialog cannot be restored");
                }
            }
        }
        let leg = self.leg_at(conn_id, at)?;
        // Silence is counted from here: the party could not reach this node while it was away.
        leg.heard_at = now;
        let is_lost = leg.stage == LegStage::Up && (leg.phone.is_none() || !is_whole);
        is_lost.then_some(id)
    }

    /// A leg of a record by its place there: a damaged record may name two legs alike.
    fn leg_at(&mut self, conn_id: ConnId, at: usize) -> Option<&mut Leg> {
        self.calls.get_mut(&conn_id)?.legs.get_mut(at)
    }
}
