//! A recording of the call: what its parties say to all, from a request until another one or the end of the call.
//!
//! Who is interested finds in the user data what is recorded; media does it for as long as a seat of the call says so.

use model::event::ErrorCode;
use model::{ConnId, Timestamp};

use super::asked::Asked;
use super::party::{LegProgress, Party};
use super::state::Stage;
use super::{Call, CallSnapshot};

/// The key of the user data that names the last recording: files of media begin with it.
pub const RECORDING_ID: &str = "RecordingID";
/// The key of the user data that tells its state.
pub const RECORDING_STATE: &str = "RecordingState";

/// The last recording of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recording {
    /// Counts the call's recordings from 1.
    pub number: u16,
    /// Whether the parties hear a tone now and then that says so.
    pub beep: bool,
    /// Its state.
    pub state: RecordingState,
}

/// The state of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingState {
    /// What is said is recorded.
    Recording,
    /// It goes on later.
    Paused,
    /// It is over.
    Stopped,
}

/// That who is in a room is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The number of the recording in its call.
    pub number: u16,
    /// Whether the parties hear a tone now and then that says so.
    pub beep: bool,
}

impl RecordingState {
    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "Recording",
            Self::Paused => "Paused",
            Self::Stopped => "Stopped",
        }
    }
}

impl Recorded {
    /// The id of the recording of that call.
    pub fn id(self, call: ConnId) -> String {
        format!("rec-{call}-{}", self.number)
    }
}

impl CallSnapshot {
    /// What the parties are recorded as, while they are.
    pub(super) fn recorded(&self) -> Option<Recorded> {
        let is_on = |own: &&Recording| self.stage == Stage::Talking && own.state == RecordingState::Recording;
        self.recording.as_ref().filter(is_on).map(|own| Recorded { number: own.number, beep: own.beep })
    }
}

impl Call {
    /// Begins a recording.
    pub(super) fn start_recording(
        &mut self,
        beep: bool,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let number = match self.s.recording {
            None => 1,
            Some(Recording { state: RecordingState::Stopped, number, .. }) => number.saturating_add(1),
            Some(_) => return Err((ErrorCode::INVALID_CALL_STATE, "the call is recorded already")),
        };
        self.record(Recording { number, beep, state: RecordingState::Recording }, asked, now)
    }

    /// Changes the state of the recording, from one of those to another one.
    pub(super) fn change_recording(
        &mut self,
        (from, to): (&[RecordingState], RecordingState),
        asked: &Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        match self.s.recording {
            Some(recording) if from.contains(&recording.state) => {
                self.record(Recording { state: to, ..recording }, asked, now)
            }
            _ => Err((ErrorCode::INVALID_CALL_STATE, "the recording is not in a state for that")),
        }
    }

    fn record(&mut self, recording: Recording, asked: &Asked, now: Timestamp) -> Result<(), (ErrorCode, &'static str)> {
        let takes_part = |party: &Party| party.progress == LegProgress::Answered && !party.is_silent();
        if self.s.stage != Stage::Talking || !self.s.party_at(&asked.this_dn).is_some_and(takes_part) {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        }
        self.s.recording = Some(recording);
        let id = Recorded { number: recording.number, beep: recording.beep }.id(self.s.conn_id);
        let mut data = self.s.user_data.clone();
        // Two pairs have room whatever a client has attached.
        data.update(&[(RECORDING_ID, id.as_str()), (RECORDING_STATE, recording.state.as_str())].into_iter().collect());
        self.set_data(data, asked, now);
        Ok(())
    }
}
