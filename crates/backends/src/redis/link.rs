//! The connections to Redis: one for commands, which connects again by itself, and one that is woken by what others write.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use infra::{Result, StoreError};
use model::TenantId;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, IntoConnectionInfo as _, RedisError, Value};
use tokio::sync::{OnceCell, watch};
use tokio::task::AbortHandle;

/// How long a command may take; the slowest script, a claim of 200 large records, takes some milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Attempts to connect for one command; the caller decides whether it asks again.
const ATTEMPTS: usize = 2;
/// Before the subscriber tries again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// The channel on which scripts tell what they added to.
const WAKE: &str = "trunkline:wake";

/// Readers that wait, by tenant and stream.
type Waiting = Arc<Mutex<HashMap<String, watch::Sender<u64>>>>;

/// The connections of one role.
pub(super) struct Link {
    client: Client,
    manager: OnceCell<ConnectionManager>,
    name: String,
    waiting: Waiting,
    reconnected: Arc<AtomicBool>,
    subscriber: AbortHandle,
}

impl Link {
    pub(super) fn open(url: &str, name: &str) -> Result<Self> {
        let info = url.into_connection_info().map_err(|e| StoreError::Invalid(format!("Redis URL: {e}")))?;
        let client = Client::open(info).map_err(|e| StoreError::Invalid(format!("Redis URL: {e}")))?;
        let (waiting, reconnected) = (Waiting::default(), Arc::new(AtomicBool::new(false)));
        let listening = listen(client.clone(), waiting.clone(), reconnected.clone());
        let subscriber = tokio::spawn(listening).abort_handle();
        Ok(Self { client, manager: OnceCell::new(), name: name.to_owned(), waiting, reconnected, subscriber })
    }

    /// The connection, made when it is first needed.
    pub(super) async fn connection(&self) -> Result<ConnectionManager> {
        let connect = || async {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(CONNECT_WITHIN))
                .set_response_timeout(Some(ANSWER_WITHIN))
                .set_number_of_retries(ATTEMPTS)
                .set_max_delay(AGAIN_AFTER);
            let mut manager = ConnectionManager::new_with_config(self.client.clone(), config).await?;
            redis::cmd("CLIENT").arg("SETNAME").arg(&self.name).exec_async(&mut manager).await?;
            Ok::<_, RedisError>(manager)
        };
        self.manager.get_or_try_init(connect).await.cloned().map_err(failed)
    }

    pub(super) async fn command(&self, command: &Cmd) -> Result<Value> {
        command.query_async(&mut self.connection().await?).await.map_err(failed)
    }

    /// Changes whenever somebody has added to the stream.
    pub(super) fn wakes(&self, tenant: &TenantId, stream: &str) -> watch::Receiver<u64> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("{{{tenant}}} {stream}");
        waiting.entry(name).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Whether the wake-up connection was lost and is back: Redis may have lost what it had.
    pub(super) fn reconnected(&self) -> bool {
        self.reconnected.load(Ordering::Relaxed)
    }

    /// The same, once.
    pub(super) fn take_reconnected(&self) -> bool {
        self.reconnected.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.subscriber.abort();
    }
}

/// Listens for wake-ups for as long as the link lives.
async fn listen(client: Client, waiting: Waiting, reconnected: Arc<AtomicBool>) {
    loop {
        if let Err(error) = listen_once(&client, &waiting).await {
            tracing::debug!(%error, "no wake-ups from Redis");
        }
        reconnected.store(true, Ordering::Relaxed);
        // What was said meanwhile was not heard.
        wake(&waiting, |_| true);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn listen_once(client: &Client, waiting: &Waiting) -> std::result::Result<(), RedisError> {
    let connecting = tokio::time::timeout(CONNECT_WITHIN, client.get_async_pubsub()).await;
    let mut subscriber =
        connecting.map_err(|_| RedisError::from((redis::ErrorKind::Io, "no connection in time")))??;
    subscriber.subscribe(WAKE).await?;
    wake(waiting, |_| true);
    let mut messages = subscriber.into_on_message();
    while let Some(message) = messages.next().await {
        let said: String = message.get_payload()?;
        wake(waiting, |stream| stream == said);
    }
    Ok(())
}

/// Wakes the readers of the streams that are meant, and forgets streams that nobody reads any more.
fn wake(waiting: &Waiting, meant: impl Fn(&str) -> bool) {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.retain(|stream, readers| {
        if meant(stream) {
            readers.send_modify(|count| *count = count.wrapping_add(1));
        }
        readers.receiver_count() > 0
    });
}

/// What a failure of Redis means to the caller.
pub(super) fn failed(error: RedisError) -> StoreError {
    if error.code() == Some("OOM") {
        return StoreError::Full { what: "the memory of Redis", bound: 0 };
    }
    StoreError::Unavailable { reason: format!("Redis: {error}") }
}
