//! What a call is recorded as.

use model::ConnId;

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

/// That who is in a room is recorded, or is not any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordedAs {
    /// The number of the recording in its call.
    pub number: u16,
    /// Whether the parties hear a tone now and then that says so.
    pub beep: bool,
    /// Whether they are recorded now. That they are not overrides what other members were told before.
    pub is_on: bool,
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

impl RecordedAs {
    /// The id of the recording of that call.
    pub fn id(self, call: ConnId) -> String {
        format!("rec-{call}-{}", self.number)
    }
}
