//! The processes of a previous supervisor. A killed supervisor leaves them draining; they hold their ports until they
//! have ended.

use std::path::Path;
use std::time::Duration;

use runtime::data_dir;
use tokio::time::Instant;

/// How often they are checked.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until none of them holds its folder any more, at most `limit`: a process that still holds it then does not
/// drain.
pub(super) async fn have_ended(data_dir: &Path, limit: Duration) {
    let deadline = Instant::now() + limit;
    let mut told = false;
    loop {
        let nodes = data_dir::in_use_below(&data_dir.join("processes"));
        if nodes.is_empty() || Instant::now() >= deadline {
            return;
        }
        if !told {
            let nodes = nodes.join(", ");
            tracing::warn!(
                nodes,
                limit_s = limit.as_secs(),
                "processes of the previous supervisor still drain: waiting for them"
            );
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}
