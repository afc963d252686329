//! Credentials for our requests that are challenged (RFC 3261 §22, RFC 8760).
//!
//! Each request that fails with 401 or 407 is sent once more with credentials for the realms that ask for them. A realm that asks
//! again has refused them, unless it says that only the nonce was too old. An ACK gets no response and a CANCEL takes no
//! challenge, so neither is ever repeated; an ACK carries the credentials of its INVITE.

use super::UserAgent;
use super::command::{AgentCredentials, DialogId};
use super::state::{LegState, NonceUse};
use crate::digest::{self, Challenge, Unanswered};
use crate::{Message, StatusCode};

/// The most retries of one request with credentials: one for a proxy, one for the server behind it, and one after a stale nonce. An INVITE
/// that needs another session interval shares them.
pub(super) const CHALLENGES_MAX: u8 = 3;

/// The most nonces of one dialog whose uses are counted: that of a proxy and that of the server behind it.
const NONCES_MAX: usize = 2;

impl UserAgent {
    /// Adds credentials to a challenged request of a dialog, or of none; returns whether that was possible.
    pub(super) fn authorize(
        &mut self,
        dialog: Option<DialogId>,
        request: &mut Message,
        status: StatusCode,
        response: &Message,
    ) -> bool {
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            return false;
        }
        let Some(credentials) = self.credentials(dialog) else { return false };
        let answered = digest::authorize(request, response, |challenge, request| {
            self.answer_to(challenge, dialog, &credentials, request)
        });
        if answered == Err(Unanswered::TooLong) {
            self.count_oversized();
        }
        answered.is_ok()
    }

    fn credentials(&self, dialog: Option<DialogId>) -> Option<AgentCredentials> {
        match dialog.and_then(|id| self.dialogs.get(id.0)?.state.account.as_deref()) {
            Some(account) => self.config.accounts.credentials(account),
            None => self.config.credentials.clone(),
        }
    }

    fn answer_to(
        &mut self,
        challenge: &Challenge,
        dialog: Option<DialogId>,
        credentials: &AgentCredentials,
        request: &Message,
    ) -> String {
        let cnonce = format!("{:016x}", self.entropy.next_u64());
        let leg = dialog.and_then(|id| self.dialogs.get_mut(id.0));
        let count = leg.map_or(1, |leg| leg.state.uses(&challenge.nonce));
        let uri = request.request_uri().unwrap_or_default();
        let AgentCredentials { user, password } = credentials;
        digest::respond(challenge, user, password, request.method().as_str(), uri, &cnonce, count).to_string()
    }
}

impl LegState {
    /// Counts another use of a nonce.
    fn uses(&mut self, nonce: &str) -> u32 {
        let known = self.nonces.iter().position(|used| *used.nonce == *nonce);
        let count = known.map_or(0, |at| self.nonces.remove(at).count).saturating_add(1);
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.remove(0);
        }
        self.nonces.push(NonceUse { nonce: nonce.into(), count });
        count
    }
}
