//! Where a leg is in the rooms of its thread, and who hears it there.

use model::LegId;
use model::request::MonitorMode;

use super::party::Observes;
use super::recorded::{RecordedAs, Recording, RecordingState};
use super::state::{CallSnapshot, Invitation, Stage};

/// The place of a leg in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// The room: the number of the call.
    pub room: u16,
    /// Who hears the leg.
    pub heard_by: HeardBy,
    /// Whether it hears the others.
    pub hears: bool,
    /// What the room is recorded as.
    pub recorded: Option<RecordedAs>,
}

/// Who hears a leg in its room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeardBy {
    /// All others.
    All,
    /// Nobody.
    Nobody,
    /// The leg of the agent that is coached.
    Only(LegId),
}

impl Seat {
    /// One from which a leg speaks to all and hears all.
    pub const fn open(room: u16) -> Self {
        Self { room, heard_by: HeardBy::All, hears: true, recorded: None }
    }
}

impl CallSnapshot {
    /// The seat of a leg that is present in this call.
    pub fn seat_of(&self, leg: LegId) -> Seat {
        let open = Seat::open(self.number);
        let Some(party) = self.live_party_on(leg) else {
            return Seat { heard_by: self.heard_by(self.is_to_monitor()), ..open };
        };
        let heard_by = if party.muted { HeardBy::Nobody } else { self.heard_by(party.observes) };
        Seat { heard_by, hears: !party.deaf, recorded: self.recorded(), ..open }
    }

    /// What the parties are recorded as, or were last.
    fn recorded(&self) -> Option<RecordedAs> {
        let Recording { number, beep, state } = self.recording?;
        let is_on = self.stage == Stage::Talking && state == RecordingState::Recording;
        Some(RecordedAs { number, beep, is_on })
    }

    fn heard_by(&self, observes: Option<Observes>) -> HeardBy {
        match observes {
            None | Some(Observes { mode: MonitorMode::Connect, .. }) => HeardBy::All,
            Some(Observes { mode: MonitorMode::Mute, .. }) => HeardBy::Nobody,
            Some(Observes { mode: MonitorMode::Coach, party }) => {
                self.party(party).map_or(HeardBy::Nobody, |coached| HeardBy::Only(coached.leg))
            }
        }
    }

    /// What the phone that is being brought into the call is to observe.
    pub(super) fn is_to_monitor(&self) -> Option<Observes> {
        let Some(Invitation { by, monitors, .. }) = &self.invitation else { return None };
        monitors.map(|mode| Observes { party: *by, mode })
    }
}
