//! What is set at a DN, as a record and back.

use contracts::{v1, wire};
use model::AgentId;

use super::super::super::position_record::{position, position_of};
use super::{AgentOn, DnSetup, FORWARDS, SetupPositions};
use crate::voice_api::DnAgentState;

impl DnSetup {
    /// What a record has of it.
    pub fn record(&self, told_at: &SetupPositions) -> v1::PicturedDnRecord {
        let agent = self.agent.as_ref().map(|on| v1::PicturedAgentRecord {
            agent: on.id.to_string(),
            ready: on.state == DnAgentState::Ready,
            not_ready: on.state == DnAgentState::NotReady,
            work_mode: wire::work_mode_to_wire(on.mode),
        });
        v1::PicturedDnRecord {
            in_service: self.in_service,
            agent,
            reasons: (!self.reasons.is_empty()).then(|| wire::user_data_to_wire(&self.reasons)),
            dnd: self.dnd,
            forwards: self.forwards.iter().map(|number| number.clone().unwrap_or_default()).collect(),
            in_service_told: Some(position(told_at.in_service)),
            agent_told: Some(position(told_at.agent)),
            dnd_told: Some(position(told_at.dnd)),
            forwards_told: told_at.forwards.iter().map(|at| position(*at)).collect(),
            ..v1::PicturedDnRecord::default()
        }
    }

    /// That of a record, and where its parts were told; none for one that cannot be read.
    pub fn of_record(record: v1::PicturedDnRecord) -> Option<(Self, SetupPositions)> {
        let agent = match record.agent {
            Some(on) => Some(AgentOn {
                id: AgentId::parse(&on.agent).ok()?,
                state: match (on.ready, on.not_ready) {
                    (true, _) => DnAgentState::Ready,
                    (false, true) => DnAgentState::NotReady,
                    (false, false) => DnAgentState::LoggedIn,
                },
                mode: wire::work_mode_from_wire(on.work_mode).ok()?,
            }),
            None => None,
        };
        let forwards: [String; FORWARDS.len()] = record.forwards.try_into().ok()?;
        let forwards_told: [v1::VoicePositionRecord; FORWARDS.len()] = record.forwards_told.try_into().ok()?;
        let told_at = SetupPositions {
            in_service: position_of(record.in_service_told),
            agent: position_of(record.agent_told),
            dnd: position_of(record.dnd_told),
            forwards: forwards_told.map(|at| position_of(Some(at))),
        };
        let setup = Self {
            in_service: record.in_service,
            agent,
            reasons: wire::user_data_from_wire(record.reasons).ok()?,
            dnd: record.dnd,
            forwards: forwards.map(|number| Some(number).filter(|number| !number.is_empty())),
        };
        Some((setup, told_at))
    }
}
