//! Requests that make a party mute or deaf, and undo it: it stays in the call, and media changes who hears whom.

use model::event::ErrorCode;
use model::{Dn, EventName, Timestamp};

use super::Call;
use super::asked::Asked;
use super::facts::answering;
use super::party::{LegProgress, Party};
use super::state::Stage;

/// What is changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sense {
    /// Whether the others hear the party.
    Voice,
    /// Whether the party hears the others.
    Hearing,
}

impl Call {
    /// Makes the party at `other`, or else the requester, mute or deaf, or undoes it.
    pub(super) fn set_sense(
        &mut self,
        (sense, off): (Sense, bool),
        other: Option<&Dn>,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let is_connected = |party: &&Party| party.progress == LegProgress::Answered;
        let Some(by) = self.s.party_at(&asked.this_dn).filter(is_connected).filter(|_| self.s.stage == Stage::Talking)
        else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        };
        let by = by.number;
        let number = match other.filter(|other| **other != asked.this_dn) {
            None => by,
            // A supervisor decides alone how it takes part.
            Some(other) => {
                let meant = self.s.talker_named(other).filter(is_connected);
                meant.ok_or((ErrorCode::INVALID_CALLED_DN, "OtherDN is not connected in the call"))?.number
            }
        };
        let Some(party) = self.s.parties.iter_mut().find(|party| party.number == number) else { return Ok(()) };
        let state = match sense {
            Sense::Voice => &mut party.muted,
            Sense::Hearing => &mut party.deaf,
        };
        if std::mem::replace(state, off) == off {
            return Err((ErrorCode::INVALID_CALL_STATE, "the party is in that state already"));
        }
        let name = match (sense, off) {
            (Sense::Voice, true) => EventName::MuteOn,
            (Sense::Voice, false) => EventName::MuteOff,
            (Sense::Hearing, true) => EventName::ListenDisconnected,
            (Sense::Hearing, false) => EventName::ListenReconnected,
        };
        let event_of = |name, number| self.s.party(number).and_then(|party| self.party_event(name, party));
        // Who is outside has no events.
        let Some(mut event) = event_of(name, number).or_else(|| event_of(EventName::ACK, by)) else { return Ok(()) };
        if event.this_dn.as_ref() != Some(&asked.this_dn) {
            event.third_party_dn = Some(asked.this_dn.to_string());
        }
        self.fact(answering(event, asked), now);
        Ok(())
    }
}
