//! The connections to Redis: one for commands, which is replaced when it breaks, and one that is woken by the writes of others.
//!
//! Both are made at the first use, on the executor of the user, and carry the client's name from the start.

mod check;
mod connector;
mod error;
pub(super) mod reply;
mod settings;
mod traffic;
mod wakeups;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infra::{Client, Line, Matter, Result, StoreError};
use model::TenantId;
use redis::{Cmd, RedisResult, Value};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use connector::{Connection, Connector};
use error::{has_code, store_error};
use traffic::size_of_arg;
use wakeups::{WaitingReaders, listen};

pub use check::{Examined, Unusable, examine};
pub use settings::RedisSettings;
pub(super) use traffic::SentBytes;

/// Delay before the next attempt to connect. Until then, requests fail at once as unavailable.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Late answers in a row after which a connection is replaced.
const LATE_MAX: u64 = 4;

/// The connections of one role.
pub(super) struct Connections {
    shared: Arc<Shared>,
    waiting: WaitingReaders,
    subscriber: Mutex<Option<AbortHandle>>,
}

struct Shared {
    connector: Connector,
    client: Client,
    held: Mutex<Option<CurrentConnection>>,
    /// One attempt at a time; when the last one failed, and why.
    connecting: tokio::sync::Mutex<Option<(Instant, String)>>,
    generations: AtomicU64,
    reconnected: AtomicBool,
    /// Late answers in a row.
    late: AtomicU64,
}

/// A connection and its number: a failure of an old one does not concern its successor.
#[derive(Clone)]
pub(super) struct CurrentConnection {
    pub(super) connection: Connection,
    generation: u64,
}

impl Connections {
    pub(super) fn open(settings: &RedisSettings, client: Client) -> Result<Self> {
        let shared = Shared {
            connector: Connector::new(settings)?,
            client,
            held: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            generations: AtomicU64::new(0),
            reconnected: AtomicBool::new(false),
            late: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), waiting: WaitingReaders::default(), subscriber: Mutex::default() })
    }

    /// The connection, made if there is none.
    pub(super) async fn connection(&self) -> Result<CurrentConnection> {
        self.shared.connection().await
    }

    /// Counts the result of a request; a connection that failed is not used again.
    pub(super) fn settled(
        &self,
        held: &CurrentConnection,
        sent: SentBytes,
        answer: RedisResult<Value>,
    ) -> Result<Value> {
        self.shared.settled(held, sent, answer)
    }

    /// A command about records.
    pub(super) async fn command(&self, command: &Cmd) -> Result<Value> {
        self.shared.command(command, Matter::Records).await
    }

    /// Changes whenever a client has added to the stream.
    pub(super) fn wakes(&self, tenant: &TenantId, stream: &str) -> watch::Receiver<u64> {
        self.listens();
        let mut waiting = lock(&self.waiting);
        let name = format!("{{{tenant}}} {stream}");
        waiting.entry(name).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Whether a connection was lost and is back: Redis may have lost its data.
    pub(super) fn reconnected(&self) -> bool {
        self.shared.reconnected.load(Ordering::Relaxed)
    }

    /// The same, and resets it.
    pub(super) fn take_reconnected(&self) -> bool {
        self.shared.reconnected.swap(false, Ordering::Relaxed)
    }

    /// Starts to listen for wake-ups, once.
    fn listens(&self) {
        let mut subscriber = lock(&self.subscriber);
        if subscriber.as_ref().is_none_or(AbortHandle::is_finished) {
            *subscriber = Some(tokio::spawn(listen(self.shared.clone(), self.waiting.clone())).abort_handle());
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        if let Some(subscriber) = lock(&self.subscriber).take() {
            subscriber.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    async fn connection(&self) -> Result<CurrentConnection> {
        if let Some(held) = &*lock(&self.held) {
            return Ok(held.clone());
        }
        let mut last = self.connecting.lock().await;
        if let Some(held) = &*lock(&self.held) {
            return Ok(held.clone());
        }
        if let Some((at, reason)) = &*last
            && at.elapsed() < AGAIN_AFTER
        {
            return Err(StoreError::Unavailable { reason: reason.clone() });
        }
        self.client.watch.attempted(Line::Commands);
        match self.connector.connect(&self.client.name).await {
            Ok(connection) => {
                let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
                if generation > 1 {
                    self.reconnected.store(true, Ordering::Relaxed);
                }
                let held = CurrentConnection { connection, generation };
                *lock(&self.held) = Some(held.clone());
                *last = None;
                self.client.watch.standing(Line::Commands, 1);
                Ok(held)
            }
            Err(error) => {
                self.client.watch.failed(Line::Commands);
                let error = store_error(error);
                *last = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    fn settled(&self, held: &CurrentConnection, sent: SentBytes, answer: RedisResult<Value>) -> Result<Value> {
        match answer {
            Ok(value) => {
                self.late.store(0, Ordering::Relaxed);
                sent.tell(&self.client, reply::size(&value));
                Ok(value)
            }
            Err(error) => {
                // Not at once if an answer is only late: later commands must not overtake what was sent. But a connection whose other
                // end has failed looks the same.
                let is_silent = error.is_timeout() && self.late.fetch_add(1, Ordering::Relaxed) >= LATE_MAX;
                // A demoted master may keep its connections: only a new one finds its successor.
                let is_useless = error.is_unrecoverable_error() || is_silent || has_code(&error, "READONLY");
                if matches!(held.connection, Connection::Single(_)) && is_useless {
                    self.broke(held.generation);
                }
                self.client.watch.failed(Line::Commands);
                Err(store_error(error))
            }
        }
    }

    fn broke(&self, generation: u64) {
        let mut held = lock(&self.held);
        if held.as_ref().is_some_and(|held| held.generation == generation) {
            *held = None;
            self.late.store(0, Ordering::Relaxed);
            self.client.watch.standing(Line::Commands, 0);
        }
    }

    async fn command(&self, command: &Cmd, about: Matter) -> Result<Value> {
        let mut held = self.connection().await?;
        let answer = command.query_async(&mut held.connection).await;
        let mut sent = SentBytes::default();
        sent.add(about, command.args_iter().map(|arg| size_of_arg(&arg)).sum());
        self.settled(&held, sent, answer)
    }
}
