//! A recording of the call: what its parties say to all, from a request until another one or the end of the call.
//!
//! Who is interested finds in the user data what is recorded; media does it for as long as a seat of the call says so.

use model::Timestamp;
use model::event::ErrorCode;

use super::Call;
use super::asked::Asked;
use super::party::{LegProgress, Party};
use super::recorded::{RecordedAs, Recording, RecordingState};
use super::state::Stage;

/// The key of the user data that names the last recording: files of media begin with it.
pub const RECORDING_ID: &str = "RecordingID";
/// The key of the user data that tells its state.
pub const RECORDING_STATE: &str = "RecordingState";

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
        let id = RecordedAs { number: recording.number, beep: recording.beep, is_on: true }.id(self.s.conn_id);
        let mut data = self.s.user_data.clone();
        // Two pairs have room whatever a client has attached.
        data.update(&[(RECORDING_ID, id.as_str()), (RECORDING_STATE, recording.state.as_str())].into_iter().collect());
        self.set_data(data, asked, now);
        Ok(())
    }
}
