//! Two threads meet: the calls of the other one become calls of this one, with their legs, so that a request about calls of both goes on
//! within one thread.

use model::{ConnId, LegId, Timestamp};

use super::*;

impl Thread {
    /// Whether its calls can become those of another thread: nothing that is under way would bring an answer under their present names.
    pub fn is_settled(&self) -> bool {
        let is_settled = |call: &CallSnapshot| match &call.stage {
            Stage::Talking => {
                let waits = call.transfer.is_some() || call.invitation.is_some() || call.replacement.is_some();
                !waits && call.hold_asked.is_none()
            }
            Stage::Over => true,
            _ => false,
        };
        self.calls().all(is_settled)
    }

    /// Whether it has room for the calls of another one.
    pub fn has_room_for(&self, other: &Self) -> bool {
        self.calls.len() + other.calls.len() <= CALLS_MAX && self.numbers_with(other).has_calls_left()
    }

    /// Stops what its legs hear: media knows it by numbers that may mean something else in another thread.
    pub fn fall_silent(&mut self, now: Timestamp) {
        for at in 0..self.calls.len() {
            self.act(at, |call| call.stop_all(now));
        }
    }

    /// Who is left alone hears music again, after [`Self::absorb`] and what was asked for.
    pub fn sound_again(&mut self, now: Timestamp) {
        for at in 0..self.calls.len() {
            self.act(at, |call| call.refresh_hold_music(now));
        }
    }

    /// Takes the calls of a settled thread that has fallen silent. Returns by how much the numbers of their legs have grown.
    pub fn absorb(&mut self, other: Self) -> u16 {
        let (ours, numbers) = (self.first().numbers, self.numbers_with(&other));
        let by = ours.leg.saturating_sub(crate::call::CALLER_LEG.0);
        let alive = other.calls.into_iter().filter(|call| !call.is_over());
        for (mut call, number) in alive.zip(ours.call..) {
            call.s.number = number;
            for party in &mut call.s.parties {
                party.leg = LegId(party.leg.0.saturating_add(by));
            }
            self.calls.push(call);
        }
        self.set_numbers(numbers);
        by
    }

    /// The numbers after it has taken another thread in. The calls that the other one has had count, for they lead here too.
    fn numbers_with(&self, other: &Self) -> NextNumbers {
        let (ours, theirs) = (self.first().numbers, other.first().numbers);
        NextNumbers {
            leg: ours.leg.saturating_sub(crate::call::CALLER_LEG.0).saturating_add(theirs.leg),
            treatment: ours.treatment.max(theirs.treatment),
            ask: ours.ask.max(theirs.ask),
            call: ours.call.saturating_add(theirs.call),
        }
    }

    /// Whether the phone at this DN is connected in that call, by a dialog that no other call shares.
    pub fn has_phone_alone(&self, conn_id: ConnId, dn: &Dn) -> bool {
        let party = self.call(conn_id).and_then(|call| call.party_at(dn));
        let is_connected = |party: &&Party| party.observes.is_none() && party.progress == LegProgress::Answered;
        party.filter(is_connected).is_some_and(|party| !self.is_shared(party.leg))
    }
}
