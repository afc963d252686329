//! Conference: more than two parties talk. Each may leave, or be removed; the call goes on while two stay.

use model::event::ErrorCode;
use model::{CallState, ConnId, DnRole, EventName, LegId, Timestamp, UserData};

use super::asked::Asked;
use super::consultation::came_from;
use super::ending::Ending;
use super::facts::answering;
use super::party::{LegProgress, Party, PartyNo};
use super::state::Stage;
use super::{Call, Output};

impl Call {
    /// A party leaves by itself. Unless two others stay, that ends the call.
    pub(crate) fn party_leaves(&mut self, number: PartyNo, how: CallState, asked: Option<Asked>, now: Timestamp) {
        let stays = |party: &&Party| party.number != number && party.progress == LegProgress::Answered;
        let observes = self.s.party(number).is_some_and(Party::is_silent);
        if self.s.stage == Stage::Talking && (observes || self.s.talkers().filter(stays).count() >= 2) {
            self.observers_stay(number);
            self.observers_leave(Some(number), CallState::RemoteRelease, now);
            return self.leave_conference(number, how, asked.as_ref(), None, now);
        }
        let ending = Ending::left(number, how);
        self.end(
            match asked {
                Some(asked) => ending.asked(asked),
                None => ending,
            },
            now,
        );
    }

    /// A request to remove another party. The event of the requester answers it.
    pub(super) fn remove_party(
        &mut self,
        address: &str,
        asked: Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        if self.s.stage != Stage::Talking || self.s.talkers().count() < 3 {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is no conference"));
        }
        let by = self.s.party_at(&asked.this_dn).filter(|party| !party.is_silent()).map(|party| party.number);
        let by = by.ok_or((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"))?;
        let last = |is_meant: &dyn Fn(&Party) -> bool| {
            let meant = self.s.parties.iter().rev().find(|party| party.observes.is_none() && is_meant(party));
            meant.map(|party| party.number)
        };
        // Who has that number as its DN, before who only shows it, as a caller from outside may.
        let at_dn = last(&|party| party.dn().is_some_and(|dn| dn.as_str() == address));
        let removed = at_dn.or_else(|| last(&|party| party.address() == address));
        match removed {
            Some(removed) if removed != by => {
                self.observers_stay(removed);
                self.observers_leave(Some(removed), CallState::RemoteRelease, now);
                self.leave_conference(removed, CallState::RemoteRelease, None, Some((by, &asked)), now);
                Ok(())
            }
            _ => Err((ErrorCode::INVALID_CALLED_DN, "OtherDN is no other party of the call")),
        }
    }

    fn leave_conference(
        &mut self,
        number: PartyNo,
        how: CallState,
        asked: Option<&Asked>,
        removed: Option<(PartyNo, &Asked)>,
        now: Timestamp,
    ) {
        let Some(party) = self.s.party(number).cloned() else { return };
        if self.s.transfer.as_ref().is_some_and(|open| open.party == number) {
            self.refuse_transfer(now);
        }
        if self.s.invitation.as_ref().is_some_and(|open| open.by == number) {
            self.cancel_invitation(now);
        }
        self.drop_hold_request(party.leg, now);
        match removed {
            Some(_) => self.stop_playing(party.leg, now),
            None => self.stop_for_good(party.leg, now),
        }
        if let Some(mut released) = self.party_event(EventName::Released, &party) {
            released.call_state = Some(how);
            if let Some(by) = removed.and_then(|(by, _)| self.s.party(by)) {
                released.third_party_dn = Some(by.address().to_owned());
                released.third_party_role = Some(DnRole::DeletedBy);
            }
            let released = match asked {
                Some(asked) => answering(released, asked),
                None => released,
            };
            self.fact(released, now);
        }
        self.s.parties.retain(|other| other.number != number);
        if party.progress == LegProgress::Answered {
            self.push(Output::ReleaseLeg(party.leg));
        }
        self.tell_deleted(&party, removed, now);
        self.observers_become_parties();
        self.refresh_hold_music(now);
    }

    /// Tells the others of a party that has left, or that one of them has removed.
    pub(super) fn tell_deleted(&mut self, party: &Party, removed: Option<(PartyNo, &Asked)>, now: Timestamp) {
        let by = removed.and_then(|(by, _)| self.s.party(by)).map(|by| by.address().to_owned());
        for other in self.s.parties.clone() {
            let Some(mut deleted) = self.party_event(EventName::PartyDeleted, &other) else { continue };
            deleted.other_dn = Some(party.address().to_owned());
            deleted.other_role = Some(DnRole::DeletedParty);
            deleted.third_party_dn.clone_from(&by);
            deleted.third_party_role = by.as_ref().map(|_| DnRole::DeletedBy);
            let deleted = match removed {
                Some((by, asked)) if by == other.number => answering(deleted, asked),
                _ => deleted,
            };
            self.fact(deleted, now);
        }
    }

    /// The party on this leg speaks by another one of its phone from now on.
    pub(crate) fn speak_by(&mut self, leg: LegId, other: LegId, now: Timestamp) {
        if leg != other {
            self.drop_hold_request(leg, now);
            self.stop_playing(leg, now);
            if let Some(party) = self.s.party_on_mut(leg) {
                party.leg = other;
            }
        }
    }

    /// The party on this leg, which has held the call to consult, comes back with whom it has consulted.
    pub(crate) fn confer(
        &mut self,
        leg: LegId,
        (new, from, data): (Party, ConnId, &UserData),
        asked: &Asked,
        now: Timestamp,
    ) {
        let Some(by) = self.s.party_on_mut(leg) else { return };
        (by.away, by.held) = (false, false);
        let (by, dn, point) = (by.number, by.dn().cloned(), by.point.clone());
        let Some(dn) = dn else { return };
        let number = self.adopt(new, point, now);
        self.tell_added(number, by, asked, now);
        let changed = self.s.party(number).and_then(|party| self.party_event(EventName::PartyChanged, party));
        if let Some(mut changed) = changed {
            came_from(&mut changed, from, &dn);
            changed.call_state = Some(CallState::Conferenced);
            changed.third_party_role = Some(DnRole::ConferencedBy);
            self.fact(changed, now);
        }
        self.take_data(data, dn.as_str(), now);
        self.refresh_hold_music(now);
    }
}
