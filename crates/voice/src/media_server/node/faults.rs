//! Fault isolation: a fault of one leg costs only that leg.
//!
//! The node processes every input in a [`Node::attempt`]. A panic there ends the leg being processed: its owner gets a BYE and starts a new
//! leg. A record that cannot be continued is quarantined (`docs/quarantine.md`). The loop, the batch and every other leg continue.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use infra::QuarantineRequest;
use model::Timestamp;
use net::rtp::LegId;
use runtime::fault::{Cause, FaultReport, InARow};
use sip::agent::{DialogId, Event, Reply};
use sip::{ConnectionId, Flow, Message, Method, StatusCode};

use super::{Node, note};
use crate::media_server::limits::FAULTS_REPORTED_MAX;

/// The node's current task, as named in the report of a fault.
#[derive(Clone)]
pub enum Doing {
    /// It processes a message from that connection.
    Message(Bytes, ConnectionId),
    /// It processes news of that leg's audio.
    LegEvent(LegId),
    /// It continues a request that waited for call data.
    CallData,
    /// It handles due timers of the dialogs.
    Time,
    /// It processes events of the dialogs.
    Events,
    /// It sends or records audio figures.
    Figures,
    /// It restores a leg from the ledger.
    Record,
    /// It stores a leg.
    Commit,
}

/// The state for attributing faults.
#[derive(Default)]
pub(super) struct Faults {
    current: Option<DialogId>,
    in_a_row: InARow,
    reports: VecDeque<FaultReport>,
    asides: VecDeque<QuarantineRequest>,
}

impl Faults {
    /// The shell must move that record to quarantine.
    pub(super) fn quarantine(&mut self, request: QuarantineRequest) {
        self.asides.push_back(request);
    }
}

impl Node {
    /// Processes one input, isolated from faults.
    pub fn attempt(&mut self, doing: Doing, now: Timestamp, work: impl FnOnce(&mut Self)) {
        self.faults.current = None;
        let before = self.faults.in_a_row;
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(()) => {
                // A timer turn proves nothing: time passes in each turn.
                let shows = matches!(doing, Doing::Message(..) | Doing::LegEvent(_) | Doing::CallData);
                if shows && self.faults.in_a_row == before {
                    self.faults.in_a_row.went_well();
                }
            }
            Err(panic) => {
                self.faults.in_a_row.failed();
                self.pay(&doing, Cause::of_panic(&*panic), now);
            }
        }
    }

    /// Whether nothing works any more: this run must end, and the next one continues from the stored state.
    pub const fn is_beyond_help(&self) -> bool {
        self.faults.in_a_row.are_too_many()
    }

    /// Marks the leg as being processed from here on.
    pub const fn set_current(&mut self, dialog: DialogId) {
        self.faults.current = Some(dialog);
    }

    /// As [`Node::set_current`], by an event of the leg's dialog.
    pub(super) const fn set_current_by(&mut self, event: &Event) {
        self.faults.current = dialog_of(event);
    }

    /// The thread has dropped the leg's audio: ends the leg, which is useless without audio.
    pub(super) fn audio_failed(&mut self, leg: LegId, cause: Cause, now: Timestamp) {
        self.pay(&Doing::LegEvent(leg), cause, now);
    }

    fn pay(&mut self, doing: &Doing, cause: Cause, now: Timestamp) {
        self.metrics.fault();
        let leg = self.faults.current.take().or_else(|| self.leg_of(doing));
        self.report(leg, cause, doing, now);
        match leg.filter(|dialog| self.legs.contains_key(dialog)) {
            Some(dialog) => self.end_faulty(dialog, now),
            None => {
                self.refuse(doing);
                if let Some(dialog) = leg {
                    self.forget_dialog(dialog);
                }
            }
        }
    }

    /// The leg that the input concerned.
    fn leg_of(&self, doing: &Doing) -> Option<DialogId> {
        match doing {
            Doing::LegEvent(leg) => self.by_id.get(leg).copied(),
            Doing::Time => self.agent.in_hand(),
            Doing::Message(bytes, _) => {
                let message = Message::parse(bytes.clone()).ok()?;
                let ours = if message.is_request() { message.to() } else { message.from() };
                let tag = ours.ok()?.tag()?;
                self.legs.iter().find(|(_, leg)| leg.tag.0 == tag).map(|(dialog, _)| *dialog)
            }
            Doing::CallData | Doing::Events | Doing::Figures | Doing::Record | Doing::Commit => None,
        }
    }

    /// Ends a leg whose state is unreliable.
    fn end_faulty(&mut self, dialog: DialogId, now: Timestamp) {
        let reply = Reply::new(StatusCode::SERVER_INTERNAL_ERROR);
        let said = catch_unwind(AssertUnwindSafe(|| {
            let hung_up = self.agent.bye(dialog, Vec::new(), now);
            note("the end of a leg", hung_up.or_else(|_| self.agent.reject(dialog, reply, now)));
        }));
        if said.is_err() {
            self.forget_dialog(dialog);
        }
        if catch_unwind(AssertUnwindSafe(|| self.close(dialog))).is_err()
            && let Some(leg) = self.legs.remove(&dialog)
        {
            self.by_id.remove(&leg.id);
        }
    }

    fn forget_dialog(&mut self, dialog: DialogId) {
        if catch_unwind(AssertUnwindSafe(|| self.agent.forget(dialog))).is_err() {
            tracing::error!(?dialog, "a dialog cannot even be forgotten");
        }
    }

    /// Refuses a request that would otherwise stay without an answer.
    fn refuse(&mut self, doing: &Doing) {
        let Doing::Message(bytes, link) = doing else { return };
        let Ok(message) = Message::parse(bytes.clone()) else { return };
        if message.is_request() && message.method() != Method::Ack {
            let reply = Reply::new(StatusCode::SERVER_INTERNAL_ERROR);
            self.agent.answer_once(&message, reply, Flow::Stream { connection: *link });
        }
    }

    fn report(&mut self, leg: Option<DialogId>, cause: Cause, doing: &Doing, now: Timestamp) {
        let subject = leg.and_then(|dialog| self.legs.get(&dialog)).map(|leg| leg.tag.0.clone());
        tracing::error!(leg = subject, %cause, "a fault while a leg was dealt with: it ends, all others go on");
        if self.faults.reports.len() >= FAULTS_REPORTED_MAX {
            return;
        }
        let (name, input) = match doing {
            Doing::Message(bytes, _) => (runtime::fault::MESSAGE, String::from_utf8_lossy(bytes).into_owned()),
            Doing::LegEvent(_) => ("news of audio", String::new()),
            Doing::CallData => ("call data", String::new()),
            Doing::Time => ("time", String::new()),
            Doing::Events => ("events", String::new()),
            Doing::Figures => ("figures", String::new()),
            Doing::Record => ("record", String::new()),
            Doing::Commit => ("commit", String::new()),
        };
        self.faults.reports.push_back(FaultReport { at: now, subject, cause, name, input });
    }

    /// The next report; the shell stores it.
    pub fn poll_report(&mut self) -> Option<FaultReport> {
        self.faults.reports.pop_front()
    }

    /// The next record that the shell must move to quarantine.
    pub fn poll_aside(&mut self) -> Option<QuarantineRequest> {
        self.faults.asides.pop_front()
    }
}

/// The dialog that an event concerns.
const fn dialog_of(event: &Event) -> Option<DialogId> {
    match event {
        Event::Incoming { dialog, .. }
        | Event::Progress { dialog, .. }
        | Event::Answered { dialog, .. }
        | Event::Failed { dialog, .. }
        | Event::LocationRefused { dialog, .. }
        | Event::Acknowledged { dialog, .. }
        | Event::Offered { dialog, .. }
        | Event::Renegotiated { dialog, .. }
        | Event::GlareOver { dialog }
        | Event::Proposed { dialog, .. }
        | Event::OfferWanted { dialog }
        | Event::Refused { dialog, .. }
        | Event::Info { dialog, .. }
        | Event::Referred { dialog, .. }
        | Event::Notified { dialog, .. }
        | Event::Refreshed { dialog }
        | Event::Released { dialog, .. } => Some(*dialog),
        Event::Responded { dialog, .. } => *dialog,
        Event::Request { .. } => None,
    }
}
