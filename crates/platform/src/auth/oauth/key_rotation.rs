//! Keeps the keys that sign: a new one each 30 days, published before it signs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use runtime::key_files;

use super::super::Auth;

/// How often it is looked whether a key is to be made or dropped.
const EACH: Duration = Duration::from_secs(60);

/// Looks after the keys until the role ends.
pub(in crate::auth) async fn run(auth: Arc<Auth>) -> Result<()> {
    loop {
        let (data_dir, issuer) = (auth.ctx.data_dir.clone(), auth.token_issuer.clone());
        match tokio::task::spawn_blocking(move || key_files::rotate(&data_dir, &issuer)).await? {
            Ok(true) => auth.note_of_installation(SignInRecord::of(SignInEvent::KeyRotated)),
            Ok(false) => {}
            Err(error) => {
                // Those that there are go on signing.
                auth.metrics.key_failures.inc();
                tracing::error!(
                    %error,
                    "the next key of tokens cannot be made and published, those that there are go on: let this process write the \
                     folders keys and keys/public of the data directory, and see whether the disk is full"
                );
            }
        }
        tokio::select! {
            () = auth.ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(EACH) => {}
        }
    }
}
