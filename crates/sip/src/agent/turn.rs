//! Timers of dialogs: the only place where they are armed and served.

use model::Timestamp;

use super::UserAgent;
use super::command::DialogId;
use super::event::Release;

/// The most steps of one dialog in one turn: all requests that may wait in it, sixteen each way, at once, and as much again.
const STEPS_MAX: u32 = 64;

impl UserAgent {
    /// Runs the timers that are due. Each transaction and each dialog is served at most once: a timer due again at once comes
    /// in the next turn, as [`crate::transaction::TimerQueue`] ensures.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.turn += 1;
        self.in_hand = None;
        self.layer.handle_timeout(now);
        self.follow_transactions(now);
        while let Some((due, id)) = self.timers.pop_due(now) {
            let Some(leg) = self.dialogs.get_mut(id.0) else { continue };
            if leg.armed != due {
                continue;
            }
            leg.armed = Timestamp::MAX;
            self.in_hand = Some(id);
            if leg.next_due().is_some_and(|next| next <= now) {
                self.dialog_due(id, now);
            }
            self.arm(id);
        }
        self.follow_transactions(now);
    }

    /// Counts a step of a dialog; a dialog with too many in this turn is ended. Returns false when it is over.
    pub(super) fn spend_step(&mut self, id: DialogId, now: Timestamp) -> bool {
        let Some(leg) = self.dialogs.get_mut(id.0) else { return true };
        let (turn, steps) = leg.steps;
        leg.steps = (self.turn, if turn == self.turn { steps + 1 } else { 1 });
        if leg.steps.1 <= STEPS_MAX {
            return true;
        }
        self.bounds_reached.overruns += 1;
        self.leave(id, Release::Overrun, now);
        false
    }

    /// The dialog whose timers ran last: a caller that catches a panic of [`Self::handle_timeout`] learns from this which
    /// dialog caused it.
    pub const fn in_hand(&self) -> Option<DialogId> {
        self.in_hand
    }

    fn dialog_due(&mut self, id: DialogId, now: Timestamp) {
        if !self.spend_step(id, now) {
            return;
        }
        self.repeat_due_responses(id, now);
        let Some(leg) = self.dialogs.get(id.0) else { return };
        let glare = leg.state.glare.as_ref().is_some_and(|g| g.due <= now);
        let session = leg.state.session.due.is_some_and(|due| due <= now);
        if glare {
            self.glare_due(id, now);
        }
        if session {
            self.session_due(id, now);
        }
    }

    /// Ensures that a dialog is woken for its next timer.
    pub(super) fn arm(&mut self, id: DialogId) {
        if let Some(leg) = self.dialogs.get_mut(id.0)
            && let Some(due) = leg.next_due()
        {
            self.timers.arm(id, due, &mut leg.armed);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;
    use crate::agent::{AgentConfig, Event, Invite, LocalIdentity, Provisionals};
    use crate::{Flow, Method};

    #[test]
    fn a_dialog_that_takes_too_many_steps_in_one_turn_is_ended_alone() {
        let now = Timestamp::from_millis(1_000);
        let mut agent = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(1)));
        let mut call = |tag: &str| {
            let invite = Invite {
                flow: Flow::Stream { connection: 1 },
                target: "sip:a@example.com".into(),
                from: "<sip:b@example.com>".into(),
                to: "<sip:a@example.com>".into(),
                call_id: tag.into(),
                local: LocalIdentity { tag: tag.into(), contact: "<sip:b@example.com>".into() },
                routes: Vec::new(),
                headers: Vec::new(),
                offer: None,
                provisionals: Provisionals::Plain,
            };
            agent.invite(invite, now).unwrap()
        };
        let (busy, quiet) = (call("busy"), call("quiet"));
        let invite = agent.poll_transmit().and_then(|sent| crate::Message::parse(sent.bytes).ok()).unwrap();
        let ringing = crate::Message::response_to(&invite, crate::StatusCode::RINGING).to_tag("a").build();
        agent.receive(ringing, Flow::Stream { connection: 1 }, now);
        while agent.poll_event().is_some() {}
        for _ in 0..3 {
            agent.turn += 1;
            assert!((0..STEPS_MAX).all(|_| agent.spend_step(busy, now)), "each turn has its steps");
        }
        assert!(agent.spend_step(quiet, now));
        assert!(!agent.spend_step(busy, now));
        assert!(
            matches!(agent.poll_event(), Some(Event::Released { dialog, reason: Release::Overrun }) if dialog == busy)
        );
        assert_eq!((agent.bounds_reached().overruns, agent.dialogs()), (1, 1));
        let last =
            std::iter::from_fn(|| agent.poll_transmit()).last().and_then(|sent| crate::Message::parse(sent.bytes).ok());
        assert_eq!(last.map(|message| message.method()), Some(Method::Cancel));
    }
}
