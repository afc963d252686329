//! Continues the legs of a previous run of this node from their records, or quarantines a record that cannot be continued.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use infra::{LedgerKind, MediaSessionId, QuarantineRequest, Record};
use media::session::Session;
use model::{AddressFamily, Encryption, Timestamp};
use net::rtp::{Order, PortPair, PortsError};
use sip::Flow;
use sip::agent::{CommandError, DialogId, Restore};

use super::faults::Doing;
use super::leg::{Leg, Stored};
use super::records::{self, Decoded};
use super::service::base_of;
use super::{Node, note};
use crate::dialog_records::RecordError;
use crate::quarantine::CLAIMS_MAX;

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
        let name = records::name(&record.tenant, &record.key);
        let fingerprint = self.identity.fingerprint();
        let decoded = records::decode(&record.state, &name, &self.addresses, fingerprint, &self.cipher)?;
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
        let family = AddressFamily::of(local.address);
        let ports = match self.driver.ports().bind_again(family, local.port) {
            Ok(ports) => ports,
            Err(error) => {
                // Let the owner start a new leg.
                note("the end of a leg", self.agent.bye(dialog, Vec::new(), now));
                self.end_record(record.tenant.clone(), record.key.clone(), record.token);
                return Err(RestoreError::Ports(error));
            }
        };
        let id = self.new_leg_id();
        let conference = connection.membership().map(|membership| membership.conference.as_str());
        let key =
            conference.or_else(|| service.conference()).map_or_else(|| id.0.to_string(), |it| base_of(it).to_owned());
        let tenant = record.tenant.clone();
        let stream = audio.as_ref().and_then(|audio| audio.stream.clone());
        let fresh = (self.entropy.next_u64(), local.encryption.policy() != Encryption::Off);
        let prompts = std::cell::RefCell::new(&mut self.prompts);
        let session =
            audio.map(|audio| Session::restore(audio, fresh, now, |name| prompts.borrow_mut().find(&tenant, name)));
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
        let is_heard = match session {
            Some(session) => self.sound_again(&leg, ports, session),
            None => {
                leg.ports = Some(ports);
                true
            }
        };
        self.legs.insert(dialog, Box::new(leg));
        self.by_id.insert(id, dialog);
        if !is_heard {
            self.give_up(dialog, now);
            return Ok(());
        }
        self.unowned.insert(dialog, now);
        self.treatment_began(dialog, now);
        self.secret_lost(dialog, now);
        self.recording_lost(dialog, now);
        // They waited for the call's data.
        for (request, message) in self.agent.waiting_infos(dialog) {
            self.info(dialog, request, &message, now);
        }
        Ok(())
    }

    /// Gives a restored session to its thread; returns whether the thread takes it.
    fn sound_again(&self, leg: &Leg, ports: PortPair, mut session: Session) -> bool {
        session.set_identity(self.identity.clone());
        if leg.signals_keys() {
            session.signal_keys();
        }
        let (id, shard, echo) = (leg.id, leg.shard, leg.connection.snapshot().echo);
        self.order(shard, Order::Open { leg: id, ports, session: Box::new(session) })
            && leg.join().is_none_or(|join| self.order(shard, join))
            && self.order(shard, Order::Echo(id, echo))
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

    /// Continues a claimed leg, or quarantines its record. Needs a connection to a proxy.
    pub fn take_over(&mut self, record: &Record<MediaSessionId>, now: Timestamp) {
        if record.claims >= CLAIMS_MAX {
            let why = format!("{} processes ended abnormally while processing it", record.claims - 1);
            return self.put_aside(record, why);
        }
        let mut fault = Some("restoring it failed".to_owned());
        self.attempt(Doing::Record, now, |node| {
            fault = node.restore(record, now).err().and_then(|error| node.not_restored(record, &error));
        });
        if let Some(why) = fault {
            self.tell_owner(record);
            self.put_aside(record, why);
        }
    }

    /// The defect of a record that cannot be continued; `None` if the record is not the cause.
    fn not_restored(&self, record: &Record<MediaSessionId>, error: &RestoreError) -> Option<String> {
        self.metrics.leg_not_restored();
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::error!(tag = %record.key.0, %error, cause, "a leg of the previous run is not restored");
        error.is_of_record().then(|| format!("{error}: {}", cause.unwrap_or_default()))
    }

    fn put_aside(&mut self, record: &Record<MediaSessionId>, why: String) {
        self.metrics.record_put_aside();
        tracing::error!(tag = %record.key.0, why, "the record of a leg is quarantined: see `trunkline quarantine`");
        // A queued end of the record would leave nothing to quarantine.
        self.over.retain(|over| !over.is_of(&record.key));
        self.faults.quarantine(QuarantineRequest {
            tenant: record.tenant.clone(),
            ledger: LedgerKind::Media,
            key: record.key.0.clone(),
            owner: self.owner.clone(),
            token: record.token,
            why,
            report: Bytes::new(),
            events: Vec::new(),
        });
    }

    /// Notifies the owner of a leg that cannot be continued, as far as its record is readable: the owner starts a new leg.
    fn tell_owner(&mut self, record: &Record<MediaSessionId>) {
        let said = catch_unwind(AssertUnwindSafe(|| {
            let name = records::name(&record.tenant, &record.key);
            let Some((dialog, edge)) = records::legible_dialog(&record.state, &name, &self.cipher) else { return };
            let Some(connection) = self.link_at(&edge) else { return };
            let how = Restore { stream: Some(Flow::Stream { connection }), resend: false, cseq_jump: 0 };
            self.agent.end_from_snapshot(dialog, how);
        }));
        if said.is_err() {
            tracing::error!(tag = %record.key.0, "the owner of a quarantined leg cannot be notified of its end");
        }
    }
}
