//! Keeps the keys that sign: a new one each 30 days, published before it signs.

use std::time::Duration;

use anyhow::Result;
use runtime::token::TokenIssuer;
use runtime::{RoleContext, key_files};

use super::metrics::Metrics;

/// How often it is looked whether a key is to be made or dropped.
const EACH: Duration = Duration::from_secs(60);

/// Looks after the keys until the role ends.
pub(super) async fn run(ctx: RoleContext, issuer: TokenIssuer, metrics: Metrics) -> Result<()> {
    loop {
        let (data_dir, issuer) = (ctx.data_dir.clone(), issuer.clone());
        let rotated = tokio::task::spawn_blocking(move || key_files::rotate(&data_dir, &issuer)).await?;
        if let Err(error) = rotated {
            // Those that there are go on signing.
            metrics.key_failures.inc();
            tracing::error!(
                %error,
                "the next key of tokens cannot be made and published, those that there are go on: let this process write the \
                 folders keys and keys/public of the data directory, and see whether the disk is full"
            );
        }
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(EACH) => {}
        }
    }
}
