//! Digits that a party sends by request: to the menu of another company, for instance.

use model::event::ErrorCode;
use model::{EventName, Timestamp};

use super::asked::Asked;
use super::facts::answering;
use super::party::LegProgress;
use super::state::Stage;
use super::{Call, Output};

/// The most digits of one request.
pub const DIGITS_MAX: usize = 32;
/// The same in a call of more than two parties: what is mixed stops while a key sounds.
pub const DIGITS_IN_MIX_MAX: usize = 2;

impl Call {
    /// Sends digits for the requester. Facts do not have them: they may be a card's number.
    pub(super) fn send_dtmf(
        &mut self,
        digits: String,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let party = self.s.party_at(&asked.this_dn).filter(|party| {
            party.progress == LegProgress::Answered && !party.away && !party.held && !party.is_silent()
        });
        let (Stage::Talking, Some(party)) = (&self.s.stage, party) else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        };
        let is_key = |key: char| key.is_ascii_digit() || matches!(key, '*' | '#' | 'A'..='D');
        let most = if self.s.parties.len() > 2 { DIGITS_IN_MIX_MAX } else { DIGITS_MAX };
        if digits.is_empty() || !digits.chars().all(is_key) {
            return Err((ErrorCode::INVALID_DTMF, "Digits must be of 0 to 9, *, # and A to D"));
        }
        if digits.len() > most {
            let text = "too many digits: 32 at a time, 2 in a call of more than two parties";
            return Err((ErrorCode::INVALID_DTMF, text));
        }
        let (leg, sent) = (party.leg, self.party_event(EventName::DtmfSent, party));
        self.push(Output::SendKeys { leg, digits });
        if let Some(sent) = sent {
            self.fact(answering(sent, asked), now);
        }
        Ok(())
    }
}
