//! Asks auth from time to time what the people may whose sessions are here.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt as _;
use runtime::Drain;
use tokio::time::{Interval, MissedTickBehavior};

use super::Workspace;
use super::session::DeskSession;

/// How often it is looked of whom.
const EACH: Duration = Duration::from_secs(5);
/// The most questions at a time: half of those that there may be, for others ask about tokens.
const ASKED_AT_ONCE: usize = 32;

/// Goes on until the role is to end.
pub(super) async fn run(workspace: Arc<Workspace>, drain: Drain) -> Result<()> {
    let mut tick = tokio::time::interval(EACH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = drain.begun() => return Ok(()),
            () = turn(&mut tick, &workspace) => {}
        }
    }
}

async fn turn(tick: &mut Interval, workspace: &Workspace) {
    tick.tick().await;
    check_all(workspace).await;
}

/// Asks about each session of which it is time to.
pub(super) async fn check_all(workspace: &Workspace) {
    let sessions = futures::stream::iter(workspace.sessions.held.all());
    sessions.for_each_concurrent(ASKED_AT_ONCE, |session| async move { check(workspace, &session, false).await }).await;
}

/// Asks about one, if it is time to; `is_asked_for`: whoever has the session wants to know.
pub(super) async fn check(workspace: &Workspace, session: &DeskSession, is_asked_for: bool) {
    let Some(sign_in) = session.standing_due(is_asked_for) else { return };
    let standing = workspace.authority.standing(&sign_in).await;
    session.stands(&sign_in, standing);
}
