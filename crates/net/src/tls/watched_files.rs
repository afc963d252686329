//! What is made of certificate files is made again when one of them changes, so that a renewal needs no restart.

use std::time::Duration;

use anyhow::Result;
use runtime::RoleContext;
use tokio::sync::watch;

/// Files with certificates, and what is made of them. `now` is in seconds of Unix time.
pub trait WatchedFiles: Send + 'static {
    /// What is made of them.
    type Made: Send + Sync + 'static;

    /// What a role begins with.
    ///
    /// # Errors
    /// If the role cannot begin with these files.
    fn first(&mut self, now: i64) -> Result<Self::Made>;

    /// A new one, if a file has changed and they can be used; else the old one stays.
    fn renewed(&mut self, now: i64) -> Option<Self::Made>;
}

/// Looks at the files each so often, until the role ends.
///
/// # Errors
/// If the role cannot begin with these files.
pub fn watch<F: WatchedFiles>(
    ctx: &RoleContext,
    task: &'static str,
    each: Duration,
    mut files: F,
) -> Result<watch::Receiver<F::Made>> {
    let clock = ctx.clock.clone();
    let now = move || i64::try_from(clock.now().as_millis() / 1_000).unwrap_or(i64::MAX);
    let (sender, receiver) = watch::channel(files.first(now())?);
    let drain = ctx.drain.clone();
    ctx.spawn(task, async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(each) => {}
                () = drain.ended() => return Ok(()),
            }
            let at = now();
            // A disk may be slow, and this thread serves calls and requests.
            let looked = tokio::task::spawn_blocking(move || {
                let renewed = files.renewed(at);
                (files, renewed)
            });
            let renewed;
            (files, renewed) = looked.await?;
            if let Some(made) = renewed {
                sender.send_replace(made);
            }
        }
    });
    Ok(receiver)
}
