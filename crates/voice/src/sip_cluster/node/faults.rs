//! What attributes a fault to a call.

use bytes::Bytes;
use model::{ConnId, Timestamp};
use runtime::fault::InARow;

use crate::sip_cluster::limits::{FAULTS_REPORTED_MAX, STEPS_MAX};
use sip::ConnectionId;

/// What the node is doing, for the report of a fault.
#[derive(Clone, Debug, Default)]
pub enum Doing {
    /// Nothing yet.
    #[default]
    Nothing,
    /// It handles a message from a connection.
    Message {
        /// The bytes as received.
        bytes: Bytes,
        /// The connection.
        link: ConnectionId,
    },
    /// Time has passed.
    Time,
    /// It restores a call from its record.
    Record,
    /// It handles an answer or a request of another role.
    OtherInput(&'static str),
}

/// State that attributes a fault to a call.
#[derive(Debug, Default)]
pub struct Faults {
    /// The work since the outermost attempt began.
    doing: Doing,
    /// The call being processed.
    current: Option<ConnId>,
    /// Steps that the attempt may still take.
    steps: u32,
    /// The limit that was reached.
    exceeded: Option<&'static str>,
    /// Nesting depth of attempts.
    depth: u8,
    /// Reports that the loop has not taken yet.
    reported: usize,
    /// When the last attempt began.
    at: Timestamp,
    in_a_row: InARow,
}

/// State of the attempt around another one.
pub struct Outer {
    current: Option<ConnId>,
    steps: u32,
    exceeded: Option<&'static str>,
}

impl Faults {
    /// Whether an attempt is under way.
    pub const fn is_in_attempt(&self) -> bool {
        self.depth > 0
    }

    /// The node begins with an input. Returns how many faults have followed each other so far, for [`Faults::went_well`].
    pub fn begin(&mut self, doing: Doing) -> InARow {
        self.doing = doing;
        self.in_a_row
    }

    /// An input was handled: if no fault has occurred since `before`, none precedes the next one.
    pub fn went_well(&mut self, before: InARow) {
        if self.in_a_row == before {
            self.in_a_row.went_well();
        }
    }

    /// An attempt begins, with steps of its own.
    pub fn enter(&mut self, call: Option<ConnId>, now: Timestamp) -> Outer {
        let outer = Outer { current: self.current, steps: self.steps, exceeded: self.exceeded.take() };
        self.current = call;
        self.at = now;
        self.steps = STEPS_MAX;
        self.depth += 1;
        outer
    }

    /// An attempt ends. Returns the call that was being processed last, and the limit that was reached.
    pub fn leave(&mut self, outer: Outer) -> (Option<ConnId>, Option<&'static str>) {
        self.depth -= 1;
        let ended = (self.current, self.exceeded.take());
        self.current = outer.current;
        self.steps = outer.steps;
        self.exceeded = outer.exceeded;
        ended
    }

    /// The work has panicked.
    pub fn failed(&mut self) {
        self.in_a_row.failed();
    }

    /// Whether too many faults have followed each other.
    pub const fn are_too_many(&self) -> bool {
        self.in_a_row.are_too_many()
    }

    /// When the last attempt began.
    pub const fn attempted_at(&self) -> Timestamp {
        self.at
    }

    /// From here on, the work is done for this call.
    pub const fn set_current(&mut self, conn_id: ConnId) {
        self.current = Some(conn_id);
    }

    /// Counts one step of a loop that inputs drive; false when the attempt has used up its steps. Outside of attempts nothing is
    /// counted.
    pub fn may_step(&mut self, what: &'static str) -> bool {
        if self.depth == 0 {
            return true;
        }
        let Some(left) = self.steps.checked_sub(1) else {
            self.exceed(what);
            return false;
        };
        self.steps = left;
        true
    }

    /// The call being processed has reached a limit.
    pub const fn exceed(&mut self, what: &'static str) {
        self.exceeded = Some(what);
    }

    /// What the node is doing.
    pub const fn doing(&self) -> &Doing {
        &self.doing
    }

    /// Takes what the node is doing: it is dealt with.
    pub fn take_doing(&mut self) -> Doing {
        std::mem::take(&mut self.doing)
    }

    /// The node does something that is no input.
    pub fn now_does(&mut self, doing: Doing) {
        self.doing = doing;
    }

    /// Counts a report that waits for the loop; false when too many wait.
    pub const fn may_report(&mut self) -> bool {
        if self.reported >= FAULTS_REPORTED_MAX {
            return false;
        }
        self.reported += 1;
        true
    }

    /// The loop has taken a report.
    pub const fn reported(&mut self) {
        self.reported = self.reported.saturating_sub(1);
    }
}
