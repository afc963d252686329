//! The connection that is woken by the writes of others.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use infra::{Line, Matter};
use redis::aio::SendError;
use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::sync::watch;

use super::error::has_code;
use super::{AGAIN_AFTER, Shared, lock};

/// Interval at which a connection that waits to be woken is checked.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// The channel on which scripts announce the streams that they added to.
const WAKE: &str = "trunkline:wake";

/// Waiting readers, by tenant and stream.
pub(super) type WaitingReaders = Arc<Mutex<HashMap<String, watch::Sender<u64>>>>;

/// Listens for wake-ups while the connections exist.
pub(super) async fn listen(shared: Arc<Shared>, waiting: WaitingReaders) {
    let watch = shared.client.watch.clone();
    loop {
        watch.attempted(Line::Wakes);
        let ended = listen_once(&shared, &waiting).await;
        watch.standing(Line::Wakes, 0);
        if let Err(error) = ended {
            watch.failed(Line::Wakes);
            tracing::debug!(%error, "no wake-ups from Redis");
        }
        shared.reconnected.store(true, Ordering::Relaxed);
        // Wake-ups in between were missed.
        wake(&waiting, |_| true);
        // If the server has failed, the other connection has too, and nobody may have used it since.
        let _ = shared.command(&redis::cmd("PING"), Matter::Records).await;
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn listen_once(shared: &Shared, waiting: &WaitingReaders) -> RedisResult<()> {
    let (lost, mut is_lost) = watch::channel(false);
    let (woken, counts) = (waiting.clone(), shared.client.watch.clone());
    let pushed = move |push: PushInfo| -> std::result::Result<(), SendError> {
        match (&push.kind, push.data.get(1)) {
            (PushKind::Message, Some(Value::BulkString(said))) => {
                counts.exchanged(Matter::Facts, 0, said.len());
                wake(&woken, |stream| stream.as_bytes() == said);
            }
            (PushKind::Disconnection, _) => drop(lost.send_replace(true)),
            _ => {}
        }
        Ok(())
    };
    let mut connection = shared.connector.subscribed(&shared.client.wakes, WAKE, pushed).await?;
    shared.client.watch.standing(Line::Wakes, 1);
    wake(waiting, |_| true);
    loop {
        tokio::select! {
            _ = is_lost.changed() => return Ok(()),
            // The other end may have failed silently.
            () = tokio::time::sleep(ASK_AGAIN) => match redis::cmd("PING").exec_async(&mut connection).await {
                // A Redis whose disk is full refuses even this, and is up.
                Err(error) if !has_code(&error, "MISCONF") => return Err(error),
                _ => {}
            },
        }
    }
}

/// Wakes the readers of the matching streams, and forgets streams without readers.
fn wake(waiting: &WaitingReaders, meant: impl Fn(&str) -> bool) {
    lock(waiting).retain(|stream, readers| {
        if meant(stream) {
            readers.send_modify(|count| *count = count.wrapping_add(1));
        }
        readers.receiver_count() > 0
    });
}
