//! What a call shares with the other calls of its thread.

use model::event::ErrorCode;
use model::{CallType, CallUuid, ConnId, UserData};

/// A consultation that is about to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewConsultation {
    /// Its id, never used before.
    pub conn_id: ConnId,
    /// Its global id.
    pub uuid: CallUuid,
    /// Pairs that it has beyond those of the call that it is about.
    pub user_data: UserData,
    /// Whether the call is transferred to it as soon as it begins.
    pub mute: bool,
}

/// The call that a consultation is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsultsFor {
    /// Its id.
    pub conn_id: ConnId,
    /// Its type.
    pub call_type: CallType,
    /// The thread of both.
    pub thread: CallUuid,
}

/// The next numbers of what the calls of a thread share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextNumbers {
    /// The next leg.
    pub leg: u16,
    /// The next treatment.
    pub treatment: u32,
    /// The next question to the dial plan.
    pub ask: u32,
    /// The next call.
    pub call: u16,
}

/// The most legs that a thread has had while phones and requests may still add some: whoever calls and hangs up again and again must not use
/// up the numbers, which stand in tags of 15 bits.
pub(super) const LEGS_MAX: u16 = 0x4000;
/// The most calls that a thread has had while further ones are added. Each of them leads to its record for as long as that lives.
const CALLS_EVER_MAX: u16 = 256;

impl NextNumbers {
    /// Whether a phone may add a leg by itself, or a request.
    pub const fn has_legs_left(self) -> bool {
        self.leg < LEGS_MAX
    }

    /// Whether a further call may be added, with a leg of its own.
    pub const fn has_calls_left(self) -> bool {
        self.call < CALLS_EVER_MAX && self.has_legs_left()
    }
}

impl super::Call {
    /// Refuses a request that needs a further leg when the thread has had as many as requests may add.
    pub(super) fn check_legs_left(&self) -> Result<(), (ErrorCode, &'static str)> {
        match self.s.numbers.has_legs_left() {
            true => Ok(()),
            false => Err((ErrorCode::INVALID_CALL_STATE, "the call has had as many legs as it may have")),
        }
    }
}

impl Default for NextNumbers {
    fn default() -> Self {
        Self { leg: super::CALLER_LEG.0 + 1, treatment: 1, ask: 1, call: 1 }
    }
}
