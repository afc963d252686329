//! Sessions that end, and whose replica is gone before their agents were logged out. Nobody asks for them any more, so replicas look for
//! them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use identity::session_cookie::SessionCookie;
use runtime::Drain;

use super::Workspace;
use crate::sessions::replica::SoughtSession;
use crate::sessions::store::{ENDING_LISTS, ReadSession};

/// How often one of the lists is looked at: all of them within 32 s.
const EACH: Duration = Duration::from_secs(2);
/// Time for the store to give a list, or a session.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// Looks for them until the role is to end.
pub(super) async fn run(workspace: Arc<Workspace>, drain: Drain) -> Result<()> {
    let mut tick = tokio::time::interval(EACH);
    let mut list = 0;
    loop {
        tokio::select! {
            () = drain.begun() => return Ok(()),
            _ = tick.tick() => {}
        }
        list = (list + 1) % ENDING_LISTS;
        look(&workspace, list).await;
    }
}

/// Looks at one of the lists.
pub(super) async fn look(workspace: &Workspace, list: usize) {
    let ending = tokio::time::timeout(READ_WITHIN, workspace.parts.replica.store.ending(list)).await;
    let Ok(Ok(cookies)) = ending else { return };
    for cookie in cookies {
        if workspace.sessions.held.find(&cookie).is_none() {
            take_over(workspace, &cookie).await;
        }
    }
}

async fn take_over(workspace: &Workspace, cookie: &SessionCookie) {
    let store = &workspace.parts.replica.store;
    match tokio::time::timeout(READ_WITHIN, store.read(cookie)).await {
        Ok(Ok(Some(ReadSession { kept, .. }))) if kept.is_left_ending(workspace.parts.now()) => {
            if let Ok(SoughtSession::Elsewhere(turn)) = workspace.sessions.sought(cookie).await {
                // It says that there is no session: it ends.
                let _ = workspace.adopted(cookie, turn).await;
            }
        }
        Ok(Ok(None)) => {
            let _ = tokio::time::timeout(READ_WITHIN, store.forget_ending(cookie)).await;
        }
        // Somebody is at it, or the store does not answer.
        _ => {}
    }
}
