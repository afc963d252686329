//! What one party of a call hears by request, and the digits that it is asked for. The others hear neither.

use model::event::ErrorCode;
use model::request::Treatment;
use model::{Dn, EventName, LegId, Timestamp};

use super::Call;
use super::asked::Asked;
use super::facts::answering;
use super::party::LegProgress;
use super::playing::{Ended, Playing, Purpose};
use super::state::Stage;
use super::treatment::treatment_type;

type Accepted = Result<(), (ErrorCode, &'static str)>;

impl Call {
    /// Plays a treatment to the party that asks, or to the one at `other`.
    pub(super) fn treat_party(
        &mut self,
        treatment: Treatment,
        other: Option<&Dn>,
        purpose: Purpose,
        now: Timestamp,
    ) -> Accepted {
        let (Purpose::ToParty(asked) | Purpose::Collecting(asked)) = &purpose else { return Ok(()) };
        let leg = self.leg_of_party(asked, other)?;
        if matches!(treatment, Treatment::Echo | Treatment::Silence) {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "echo and silence are for a call on a route point"));
        }
        self.check_classified()?;
        check(&treatment)?;
        self.play(leg, treatment, purpose, now);
        Ok(())
    }

    /// Stops what was applied to a party of the call in the name of this DN.
    pub(super) fn stop_treating(&mut self, asked: &Asked, now: Timestamp) -> Accepted {
        let by = |playing: &&Playing| playing.asked_for().is_some_and(|by| by.this_dn == asked.this_dn);
        let legs: Vec<LegId> = self.s.playing.iter().filter(by).map(|playing| playing.leg).collect();
        if legs.is_empty() {
            return Err((ErrorCode::INVALID_CALL_STATE, "no treatment is in progress"));
        }
        legs.into_iter().for_each(|leg| self.stop_playing(leg, now));
        self.acknowledge(asked, now);
        Ok(())
    }

    /// The leg of a party that is connected.
    fn leg_of_party(&self, asked: &Asked, other: Option<&Dn>) -> Result<LegId, (ErrorCode, &'static str)> {
        let by = self.s.party_at(&asked.this_dn).filter(|party| party.progress == LegProgress::Answered);
        let (Stage::Talking, Some(by)) = (&self.s.stage, by) else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        };
        let party = match other.filter(|other| **other != asked.this_dn) {
            None => by,
            Some(other) => self
                .s
                .talker_named(other)
                .ok_or((ErrorCode::INVALID_CALLED_DN, "OtherDN is not connected in the call"))?,
        };
        let waits = |playing: &Playing| playing.leg == party.leg && playing.purpose == Purpose::HoldMusic;
        let is_held = party.held || self.s.playing.iter().any(waits);
        if party.progress != LegProgress::Answered || is_held || party.away {
            return Err((ErrorCode::INVALID_CALL_STATE, "the party is held, or in another call"));
        }
        Ok(party.leg)
    }

    /// Publishes that a party hears what was asked for.
    pub(super) fn publish_to_party(&mut self, playing: &Playing, now: Timestamp) {
        if let Purpose::ToParty(asked) = &playing.purpose {
            self.publish_about(EventName::TreatmentApplied, playing, asked, None, now);
        }
    }

    /// Publishes that it is over, with the digits.
    pub(super) fn publish_to_party_end(&mut self, playing: &Playing, cause: Ended, digits: &str, now: Timestamp) {
        match &playing.purpose {
            Purpose::ToParty(asked) if !playing.started && matches!(cause, Ended::Failed | Ended::Stopped) => {
                self.publish_about(EventName::TreatmentNotApplied, playing, asked, None, now);
            }
            Purpose::ToParty(asked) => {
                if !playing.started {
                    // Media reports start and end in order. An end alone means that the report of the start was lost.
                    self.publish_about(EventName::TreatmentApplied, playing, asked, None, now);
                }
                let digits = matches!(playing.treatment, Treatment::PlayAndCollect { .. }).then_some(digits);
                self.publish_about(EventName::TreatmentEnd, playing, asked, Some((cause, digits)), now);
            }
            Purpose::Collecting(asked) if cause == Ended::Failed => {
                self.refuse_asked(asked, ErrorCode::INTERNAL, "the digits cannot be collected", now);
            }
            Purpose::Collecting(asked) => {
                let end = Some((cause, Some(digits)));
                self.publish_about(EventName::DigitsCollected, playing, asked, end, now);
            }
            _ => {}
        }
    }

    fn publish_about(
        &mut self,
        name: EventName,
        playing: &Playing,
        asked: &Asked,
        end: Option<(Ended, Option<&str>)>,
        now: Timestamp,
    ) {
        let of_party = self.s.party_at(&asked.this_dn).and_then(|party| self.party_event(name, party));
        let mut event = answering(of_party.unwrap_or_else(|| self.event(name)), asked);
        event.this_dn = Some(asked.this_dn.clone());
        // OtherDN is who hears it, where that is another party.
        let heard_by = self.s.parties.iter().find(|party| party.leg == playing.leg);
        let other = heard_by.filter(|party| party.address() != asked.this_dn.as_str());
        event.other_dn = other.map(|party| party.address().to_owned());
        event.other_role = other.map(|party| party.role);
        event.extensions.push("TreatmentType", treatment_type(&playing.treatment));
        if let Some((cause, digits)) = end {
            self.tell_end(&mut event, playing, cause);
            event.collected_digits = digits.map(str::to_owned);
            event.secret_digits = digits.is_some() && playing.treatment.is_secret();
        }
        self.fact(event, now);
    }
}

impl Playing {
    /// Who asked for what a party hears, if it was asked for.
    fn asked_for(&self) -> Option<&Asked> {
        match &self.purpose {
            Purpose::ToParty(asked) | Purpose::Collecting(asked) => Some(asked),
            _ => None,
        }
    }
}

/// Checks the bounds of a treatment.
pub(super) fn check(treatment: &Treatment) -> Accepted {
    let prompts = treatment.prompts();
    if prompts.len() > Treatment::PROMPTS_MAX {
        return Err((ErrorCode::INVALID_ATTRIBUTE, "too many prompts"));
    }
    if prompts.iter().any(|prompt| prompt.len() > Treatment::PROMPT_BYTES_MAX) {
        return Err((ErrorCode::INVALID_ATTRIBUTE, "a prompt's name is too long"));
    }
    if let Treatment::DeleteUserAnnouncement { announcement } = treatment
        && !Treatment::is_announcement_id(announcement)
    {
        return Err((ErrorCode::INVALID_ATTRIBUTE, "user_ann_id is not the id of a recorded announcement"));
    }
    Ok(())
}
