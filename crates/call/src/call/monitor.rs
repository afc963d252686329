//! Monitoring: a supervisor's phone rings, and takes part in a call of others once it answers. It listens, speaks to the agent alone, or
//! to all.
//!
//! A supervisor who only observes does not keep a call alive: it leaves with the party that it monitors. One that speaks to all stays.

use model::event::ErrorCode;
use model::request::MonitorMode;
use model::{CallState, Dn, DnRole, EventName, Timestamp};

use super::asked::Asked;
use super::facts::answering;
use super::party::{LegProgress, Observes, Party, PartyNo};
use super::state::{Invitation, InvitationStep, Stage};
use super::{Call, OBSERVERS_MAX, Output, PARTIES_MAX};

type Outcome = Result<(), (ErrorCode, &'static str)>;

impl Call {
    /// A request to monitor the party at `of`, or to do it in another way.
    pub(super) fn monitor(&mut self, of: &Dn, mode: MonitorMode, asked: Asked, now: Timestamp) -> Outcome {
        let is_connected = |party: &&Party| party.progress == LegProgress::Answered && party.observes.is_none();
        let party = self.s.party_at(of).filter(is_connected).map(|party| party.number);
        let (Stage::Talking, Some(party)) = (&self.s.stage, party) else {
            return Err((ErrorCode::INVALID_CALLED_DN, "OtherDN is not connected in the call"));
        };
        if let Some(there) = self.s.party_at(&asked.this_dn).map(|there| there.number) {
            return self.monitor_otherwise(there, Observes { party, mode }, &asked, now);
        }
        self.check_classified()?;
        self.check_legs_left()?;
        if self.s.invitation.is_some() || self.s.transfer.is_some() {
            let text = "the call is being transferred, or another number is being brought into it";
            return Err((ErrorCode::INVALID_CALL_STATE, text));
        }
        if self.s.parties.len() >= PARTIES_MAX {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the call has as many parties as it may have"));
        }
        if self.s.parties.iter().filter(|party| party.observes.is_some()).count() >= OBSERVERS_MAX {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the call is monitored by as many as may monitor it"));
        }
        let to = asked.this_dn.clone();
        let ask = self.look_up_phone(&to, now);
        let step = InvitationStep::LookingUp { ask, to };
        self.s.invitation = Some(Invitation { by: party, asked, step, monitors: Some(mode) });
        Ok(())
    }

    /// Who monitors already does so in another way.
    fn monitor_otherwise(&mut self, supervisor: PartyNo, observes: Observes, asked: &Asked, now: Timestamp) -> Outcome {
        let party = self.s.parties.iter_mut().find(|party| party.number == supervisor);
        let Some(party) = party.filter(|party| party.observes.is_some()) else {
            return Err((ErrorCode::INVALID_DESTINATION, "this DN is in the call already"));
        };
        party.observes = Some(observes);
        party.role = DnRole::Observer;
        let done = self.s.party(supervisor).and_then(|party| self.party_event(EventName::ACK, party));
        if let Some(done) = done {
            self.fact(answering(done, asked), now);
        }
        self.refresh_hold_music(now);
        Ok(())
    }

    /// The supervisor's phone has answered.
    pub(super) fn observer_joins(&mut self, supervisor: PartyNo, observes: Observes, asked: &Asked, now: Timestamp) {
        for party in self.s.parties.iter_mut().filter(|party| party.number == supervisor) {
            (party.role, party.observes) = (DnRole::Observer, Some(observes));
        }
        let Some(established) =
            self.s.party(supervisor).and_then(|party| self.party_event(EventName::Established, party))
        else {
            return;
        };
        self.fact(answering(established, asked), now);
        for other in self.s.parties.clone().iter().filter(|other| other.number != supervisor) {
            let Some(mut added) = self.party_event(EventName::PartyAdded, other) else { continue };
            added.other_dn = Some(asked.this_dn.to_string());
            added.other_role = Some(DnRole::Observer);
            self.fact(added, now);
        }
        self.refresh_hold_music(now);
    }

    /// Those who observe a party leave the call, because it does; or all of them, because the call ends.
    pub(super) fn observers_leave(&mut self, of: Option<PartyNo>, how: CallState, now: Timestamp) {
        let observes = |party: &Party| party.observes.is_some_and(|observes| of.is_none_or(|of| observes.party == of));
        let leaving: Vec<Party> = self.s.parties.iter().filter(|party| observes(party)).cloned().collect();
        for party in leaving {
            self.drop_hold_request(party.leg, now);
            self.stop_playing(party.leg, now);
            self.tell_party(party.number, EventName::Released, how, now);
            self.s.parties.retain(|other| other.number != party.number);
            self.push(Output::ReleaseLeg(party.leg));
            self.tell_deleted(&party, None, now);
        }
    }

    /// A party is left with those who monitor it and speak to all: they are parties of their own from now on.
    pub(super) fn observers_become_parties(&mut self) {
        if self.s.parties.iter().filter(|party| party.observes.is_none()).count() >= 2 {
            return;
        }
        for party in self.s.parties.iter_mut().filter(|party| !party.is_silent()) {
            party.observes = None;
        }
    }

    /// The party that they monitor has left: those who speak to all stay, as parties of their own.
    pub(super) fn observers_stay(&mut self, of: PartyNo) {
        for party in &mut self.s.parties {
            if party.observes.is_some_and(|observes| observes.party == of && observes.mode == MonitorMode::Connect) {
                party.observes = None;
            }
        }
    }
}
