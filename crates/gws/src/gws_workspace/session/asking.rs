//! Requests of a session on their way to gws-voice: each in its turn, so that they reach it in their order. The release of a call and the
//! logout of the agent go before others: where gws-voice hangs, they would come when nobody expects them any more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use serde_json::Value;

use super::super::desk::AskFault;
use super::super::metrics::AskOutcome;
use super::{DeskSession, SessionState};

/// The most requests of a session that wait until gws-voice has taken those before, and as many that go before others.
const ASKS_MAX: usize = 64;
/// How long a request may wait for its turn: as long as whoever has asked for it waits for the answer. Later it is made no more.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// One after the other in each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskLane {
    /// Most.
    InTurn,
    /// What goes before others.
    Urgent,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq)]
struct WaitingAsk {
    reference: u64,
    frame: Value,
    until: Timestamp,
}

#[derive(Debug, Default)]
struct AskRow {
    waiting: VecDeque<WaitingAsk>,
    is_asking: bool,
}

/// The requests of a session.
#[derive(Debug, Default)]
pub(super) struct AskQueue {
    in_turn: AskRow,
    urgent: AskRow,
    /// Whether the one under way is a login.
    is_logging_in: bool,
}

/// What is to be done next.
#[derive(Debug, PartialEq)]
enum NextAsk {
    /// This request is to be made.
    Due(u64, Value),
    /// This one has waited for too long.
    Late(u64),
}

fn is_named(frame: &Value, name: &str) -> bool {
    frame.get("req").and_then(Value::as_str) == Some(name)
}

fn is_login(frame: &Value) -> bool {
    is_named(frame, "TAgentLogin")
}

impl AskQueue {
    fn row(&mut self, lane: AskLane) -> &mut AskRow {
        match lane {
            AskLane::InTurn => &mut self.in_turn,
            AskLane::Urgent => &mut self.urgent,
        }
    }

    /// A logout stays behind a login: before it, it would be in vain.
    fn lane_of(&self, frame: &Value) -> AskLane {
        let logs_in = || self.is_logging_in || self.in_turn.waiting.iter().any(|ask| is_login(&ask.frame));
        if is_named(frame, "TReleaseCall") || is_named(frame, "TAgentLogout") && !logs_in() {
            AskLane::Urgent
        } else {
            AskLane::InTurn
        }
    }

    /// Takes a request, and says where it waits and whether somebody is to begin with it; none if there is no room.
    fn push(&mut self, reference: u64, frame: Value, now: Timestamp) -> Option<(AskLane, bool)> {
        let lane = self.lane_of(&frame);
        let row = self.row(lane);
        if row.waiting.len() >= ASKS_MAX {
            return None;
        }
        row.waiting.push_back(WaitingAsk { reference, frame, until: now + SENT_WITHIN });
        Some((lane, !std::mem::replace(&mut row.is_asking, true)))
    }

    /// The next one of a lane; none if nobody asks there any more.
    fn next(&mut self, lane: AskLane, now: Timestamp) -> Option<NextAsk> {
        let row = self.row(lane);
        let next = row.waiting.pop_front();
        row.is_asking = next.is_some();
        let is_due = next.as_ref().is_some_and(|ask| now < ask.until);
        if lane == AskLane::InTurn {
            self.is_logging_in = is_due && next.as_ref().is_some_and(|ask| is_login(&ask.frame));
        }
        next.map(|ask| if is_due { NextAsk::Due(ask.reference, ask.frame) } else { NextAsk::Late(ask.reference) })
    }

    /// Nothing that waits is made any more.
    pub(super) fn clear(&mut self) {
        self.in_turn.waiting.clear();
        self.urgent.waiting.clear();
    }
}

impl DeskSession {
    /// Makes a request in its turn.
    pub(super) fn ask(&self, state: &mut SessionState, reference: u64, frame: Value) {
        let Some((lane, begins)) = state.asks.push(reference, frame, self.parts.now()) else {
            let fault = AskFault { status: 503, code: None, message: "too many requests wait".to_owned() };
            self.parts.metrics.asks.inc(AskOutcome::Refused);
            state.desk.asked(reference, Err(fault), self.parts.now());
            return;
        };
        if begins && let Some(session) = self.me.upgrade() {
            tokio::spawn(session.ask_all(lane));
        }
    }

    async fn ask_all(self: Arc<Self>, lane: AskLane) {
        while let Some((next, requester)) = self.next_ask(lane) {
            match next {
                NextAsk::Due(reference, frame) => {
                    let answer = self.parts.voice.ask(self.cookie.tenant.clone(), requester, frame).await;
                    self.turn(|desk, now| desk.asked(reference, answer, now));
                }
                NextAsk::Late(reference) => {
                    self.parts.metrics.asks.inc(AskOutcome::Late);
                    self.turn(|desk, now| desk.ask_late(reference, now));
                }
            }
        }
    }

    fn next_ask(&self, lane: AskLane) -> Option<(NextAsk, String)> {
        let mut state = self.lock();
        let requester = state.sign_in.person.subject();
        state.asks.next(lane, self.parts.now()).map(|next| (next, requester))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn frame(name: &str) -> Value {
        json!({ "req": name })
    }

    #[test]
    fn what_has_waited_for_too_long_is_not_made_any_more() {
        let mut asks = AskQueue::default();
        assert_eq!(asks.push(1, frame("TMakeCall"), NOW), Some((AskLane::InTurn, true)));
        assert_eq!(asks.push(2, frame("TAgentSetReady"), NOW), Some((AskLane::InTurn, false)));
        assert_eq!(asks.next(AskLane::InTurn, NOW), Some(NextAsk::Due(1, frame("TMakeCall"))));
        assert_eq!(asks.next(AskLane::InTurn, NOW + SENT_WITHIN), Some(NextAsk::Late(2)));
        assert_eq!(asks.next(AskLane::InTurn, NOW + SENT_WITHIN), None);
        assert_eq!(asks.push(3, frame("THoldCall"), NOW), Some((AskLane::InTurn, true)), "somebody begins anew");
    }

    #[test]
    fn a_release_and_a_logout_go_before_others_and_no_logout_before_its_login() {
        let mut asks = AskQueue::default();
        asks.push(1, frame("TMakeCall"), NOW);
        assert_eq!(asks.push(2, frame("TReleaseCall"), NOW), Some((AskLane::Urgent, true)));
        assert_eq!(asks.push(3, frame("TAgentLogout"), NOW), Some((AskLane::Urgent, false)));
        asks.push(4, frame("TAgentLogin"), NOW);
        assert_eq!(asks.push(5, frame("TAgentLogout"), NOW), Some((AskLane::InTurn, false)));
        asks.next(AskLane::InTurn, NOW);
        assert_eq!(asks.next(AskLane::InTurn, NOW), Some(NextAsk::Due(4, frame("TAgentLogin"))));
        asks.clear();
        assert_eq!(asks.push(6, frame("TAgentLogout"), NOW), Some((AskLane::InTurn, false)), "it is under way");
        asks.next(AskLane::InTurn, NOW);
        assert_eq!(asks.push(7, frame("TAgentLogout"), NOW).unwrap().0, AskLane::Urgent);
    }

    #[test]
    fn what_waits_is_bounded_and_others_leave_room_for_what_is_urgent() {
        let mut asks = AskQueue::default();
        for reference in 0..ASKS_MAX as u64 {
            assert!(asks.push(reference, frame("THoldCall"), NOW).is_some());
        }
        assert!(asks.push(99, frame("THoldCall"), NOW).is_none());
        assert!(asks.push(100, frame("TReleaseCall"), NOW).is_some());
    }
}
