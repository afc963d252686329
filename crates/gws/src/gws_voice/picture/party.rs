//! A call as one DN has it: what the facts at that DN have told of it.

use std::sync::Arc;

use contracts::json::rfc3339;
use model::event::CallRef;
use model::request::MonitorMode;
use model::{ConnId, Dn, DnRole, Event, EventName, Timestamp, UserData};

use crate::voice_api::CallPhase;

/// The most others that are shown of a call. The switch has 50 parties in one, supervisors included.
pub(super) const PARTICIPANTS_MAX: usize = 64;
/// The extension that says how a supervisor monitors a call.
const MONITOR_MODE: &str = "MonitorMode";

/// A DN's part in a call.
#[derive(Clone, Debug)]
pub(super) struct DnInCall {
    pub call: CallRef,
    pub user_data: Arc<UserData>,
    pub extensions: UserData,
    pub phase: CallPhase,
    /// Since when it is in that phase.
    pub phase_since: Timestamp,
    pub role: Option<DnRole>,
    /// Those who talk with it: who observes, and this DN itself, are not among them.
    pub others: Vec<Talker>,
    pub observes: Option<Observed>,
    /// The call in which the DN was before it came into this one.
    pub previous: Option<ConnId>,
    pub began: Timestamp,
    /// When it was last told.
    pub told: Timestamp,
}

/// Somebody who talks in a call: a DN, or a number outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Talker {
    pub number: String,
    pub role: DnRole,
}

/// Whom a supervisor monitors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Observed {
    pub dn: String,
    pub mode: MonitorMode,
}

impl DnInCall {
    pub fn new(call: &CallRef, phase: CallPhase, at: Timestamp) -> Self {
        Self {
            call: call.clone(),
            user_data: Arc::default(),
            extensions: UserData::new(),
            phase,
            phase_since: at,
            role: None,
            others: Vec::new(),
            observes: None,
            previous: None,
            began: at,
            told: at,
        }
    }

    /// Takes over what a fact at this DN says of the call itself. Returns whether its data are others.
    pub fn take_call(&mut self, call: &CallRef, data: Arc<UserData>) -> bool {
        if self.call != *call {
            self.call = call.clone();
        }
        let has_changed = self.user_data != data;
        self.user_data = data;
        has_changed
    }

    /// It is in that phase from then on, unless it is in it already.
    pub fn comes_to(&mut self, phase: CallPhase, at: Timestamp) {
        if self.phase != phase {
            (self.phase, self.phase_since) = (phase, at);
        }
    }

    /// Takes over what a fact at this DN says of it and of the others.
    pub fn take_parties(&mut self, event: &Event) {
        self.role = event.this_role.or(self.role);
        if let Some(mode) = self.monitors_by(event) {
            let dn = event.other_dn.clone().or_else(|| self.observes.as_ref().map(|observed| observed.dn.clone()));
            self.others = dn.iter().map(|dn| talker(dn, event.other_role)).collect();
            self.observes = dn.map(|dn| Observed { dn, mode });
            return;
        }
        let Some(other) = &event.other_dn else { return };
        match event.name {
            EventName::Dialing
            | EventName::NetworkReached
            | EventName::Ringing
            | EventName::Established
            | EventName::Held
            | EventName::Retrieved => self.others = vec![talker(other, event.other_role)],
            EventName::PartyAdded if event.other_role == Some(DnRole::NewParty) && self.observes.is_none() => {
                self.add(talker(other, event.other_role));
            }
            EventName::PartyDeleted if self.observes.is_none() => self.others.retain(|there| there.number != *other),
            _ => {}
        }
    }

    /// How the DN monitors the call, where a fact tells it. That its phone rings for it does not say how.
    fn monitors_by(&self, event: &Event) -> Option<MonitorMode> {
        let rings = event.name == EventName::Ringing && event.this_role == Some(DnRole::Observer);
        if !rings && !matches!(event.name, EventName::Established | EventName::ACK) {
            return None;
        }
        let before = || self.observes.as_ref().map(|observed| observed.mode).unwrap_or_default();
        event.extensions.text(MONITOR_MODE).and_then(MonitorMode::parse).or_else(|| rings.then(before))
    }

    /// Somebody joins, as far as there is room.
    pub fn add(&mut self, new: Talker) {
        let is_there = self.others.iter().any(|there| there.number == new.number);
        if !is_there && self.others.len() < PARTICIPANTS_MAX {
            self.others.push(new);
        }
    }
}

/// Somebody as a fact names them.
pub(super) fn talker(number: &str, role: Option<DnRole>) -> Talker {
    Talker { number: number.to_owned(), role: role.unwrap_or(DnRole::Unknown) }
}

/// The state after a fact at the DN; none if it stays what it was.
pub(super) fn phase_after(event: &Event, before: Option<CallPhase>) -> Option<CallPhase> {
    match event.name {
        EventName::Dialing => Some(CallPhase::Dialing),
        // Somebody who talks brings a number outside into the call.
        EventName::NetworkReached if before.is_none_or(|phase| phase == CallPhase::Dialing) => Some(CallPhase::Dialing),
        EventName::Ringing => Some(CallPhase::Ringing),
        EventName::Established | EventName::Retrieved => Some(CallPhase::Established),
        EventName::Held => Some(CallPhase::Held),
        // Who took a party in has come back to the call without a fact of its own.
        EventName::PartyAdded if event.third_party_dn.as_deref() == event.this_dn.as_ref().map(Dn::as_str) => {
            before.map(|_| CallPhase::Established)
        }
        _ => None,
    }
}

/// A time as clients in browsers write it: RFC 3339 with milliseconds.
pub(super) fn milliseconds(at: Timestamp) -> String {
    let text = rfc3339(at);
    format!("{}Z", text.get(.."1970-01-01T00:00:00.000".len()).unwrap_or(&text))
}
