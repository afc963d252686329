//! A session that is being taken over: until it is held here, whoever has asked for it may be gone.

use std::sync::Arc;

use super::DeskSession;
use super::phase::SessionPhase;

/// A session that is not held yet. Where it never is, since the request that takes it over is dropped, nothing of it stays: its DNs are
/// followed no more, and whoever takes it over next is told what came meanwhile.
pub(in crate::gws_workspace) struct AdoptedSession {
    /// The session.
    pub session: Arc<DeskSession>,
    is_held: bool,
}

impl AdoptedSession {
    /// Of a session that has been read.
    pub fn new(session: Arc<DeskSession>) -> Self {
        Self { session, is_held: false }
    }

    /// The session, which is held from now on.
    pub fn held(mut self) -> Arc<DeskSession> {
        self.is_held = true;
        self.session.clone()
    }
}

impl Drop for AdoptedSession {
    fn drop(&mut self) {
        if !self.is_held {
            self.session.abandon();
        }
    }
}

impl DeskSession {
    /// Nothing of it goes on here, and its record says so of nobody: the next request takes it over anew.
    fn abandon(&self) {
        let mut state = self.lock();
        if !state.phase.is_over() {
            (state.phase, state.is_gone) = (SessionPhase::Over, true);
            state.asks.clear();
            self.unfollow_all(&mut state);
        }
    }
}
