//! The right of a page to be the phone of its DN: it is the session's for as long as its agent has that DN. With it the tickets end that were
//! given for the phone, and what was begun by them: webrtc hears of it as of a sign-in that was revoked, by auth.

use std::time::Duration;

use identity::secret::Digest;

use super::super::desk::{DeskSnapshot, DnAdmission};
use super::{DeskSession, SessionState};

/// The pause before auth is asked again, doubled each time up to the second one.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);
/// How often it is asked: for ten minutes.
const TRIES_MAX: u32 = 24;

/// The DN whose phone a page may have by a session that goes on here: the replica before has told nobody whether it gave a ticket, nor
/// whether it has ended the right of a session that ends.
pub(super) fn left_with(desk: &DeskSnapshot) -> Option<String> {
    let channel = desk.channel.as_ref().filter(|channel| channel.admission == DnAdmission::Admitted);
    desk.ending.as_ref().map(|ending| &ending.dn).or(channel.map(|channel| &channel.dn)).cloned()
}

impl DeskSession {
    /// The name of the right to the phone at that DN, for a ticket; none where the agent has the DN no more.
    pub fn phone_right(&self, dn: &str) -> Option<String> {
        let mut state = self.lock();
        if state.desk.held_dn() != Some(dn) {
            return None;
        }
        state.phone = Some(dn.to_owned());
        Some(self.right_to(dn))
    }

    /// The same at every replica, and nothing that opens the session.
    fn right_to(&self, dn: &str) -> String {
        Digest::of(&format!("{} {dn}", self.cookie.digest.text())).text()
    }

    /// Ends the right where the DN is not the agent's any more.
    pub(super) fn end_phone_right(&self, state: &mut SessionState) {
        let held = state.desk.held_dn();
        if state.phone.as_deref().is_none_or(|dn| held == Some(dn)) {
            return;
        }
        let Some(dn) = state.phone.take() else { return };
        let (authority, tenant, right) = (self.parts.authority.clone(), self.cookie.tenant.clone(), self.right_to(&dn));
        // What was given in this second was given before.
        let before = self.parts.now().as_secs() + 1;
        tokio::spawn(async move {
            let mut pause = AGAIN_AFTER;
            for _ in 0..TRIES_MAX {
                if authority.end_phone_right(tenant.clone(), right.clone(), before).await {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(AGAIN_AFTER_MAX);
            }
            tracing::warn!(%tenant, dn, "the right to the phone of a page has ended, and auth cannot be told of it");
        });
    }
}
