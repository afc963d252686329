//! The connections to Redis: one for commands, which is replaced when it breaks, and one that is woken by the writes of others.
//!
//! Both are made at the first use, on the executor of the user, and carry the client's name from the start.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infra::{Client, Line, Matter, Result, StoreError};
use model::TenantId;
use redis::aio::SendError;
use redis::{Cmd, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::failure::{failed, says};
use super::reply;
use super::server::{RedisSettings, Way, Wire};

/// Interval at which a connection that waits to be woken is checked.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Delay before the next attempt to connect. Until then, requests fail at once as unavailable.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Late answers in a row after which a connection is replaced.
const LATE_MAX: u64 = 4;
/// The channel on which scripts announce the streams that they added to.
const WAKE: &str = "trunkline:wake";

/// Waiting readers, by tenant and stream.
type Waiting = Arc<Mutex<HashMap<String, watch::Sender<u64>>>>;

/// The connections of one role.
pub(super) struct Link {
    shared: Arc<Shared>,
    waiting: Waiting,
    subscriber: Mutex<Option<AbortHandle>>,
}

struct Shared {
    way: Way,
    client: Client,
    held: Mutex<Option<Held>>,
    /// One attempt at a time; when the last one failed, and why.
    connecting: tokio::sync::Mutex<Option<(Instant, String)>>,
    generations: AtomicU64,
    reconnected: AtomicBool,
    /// Late answers in a row.
    late: AtomicU64,
}

/// A connection and its number: a failure of an old one does not concern its successor.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) wire: Wire,
    generation: u64,
}

impl Link {
    pub(super) fn open(settings: &RedisSettings, client: Client) -> Result<Self> {
        let shared = Shared {
            way: Way::new(settings)?,
            client,
            held: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            generations: AtomicU64::new(0),
            reconnected: AtomicBool::new(false),
            late: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), waiting: Waiting::default(), subscriber: Mutex::default() })
    }

    /// The connection, made if there is none.
    pub(super) async fn connection(&self) -> Result<Held> {
        self.shared.connection().await
    }

    /// Counts the result of a request; a connection that failed is not used again.
    pub(super) fn settled(&self, held: &Held, sent: Sent, answer: RedisResult<Value>) -> Result<Value> {
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

impl Drop for Link {
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
    async fn connection(&self) -> Result<Held> {
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
        match self.way.connect(&self.client.name).await {
            Ok(wire) => {
                let generation = self.generations.fetch_add(1, Ordering::Relaxed) + 1;
                if generation > 1 {
                    self.reconnected.store(true, Ordering::Relaxed);
                }
                let held = Held { wire, generation };
                *lock(&self.held) = Some(held.clone());
                *last = None;
                self.client.watch.standing(Line::Commands, 1);
                Ok(held)
            }
            Err(error) => {
                self.client.watch.failed(Line::Commands);
                let error = failed(error);
                *last = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    fn settled(&self, held: &Held, sent: Sent, answer: RedisResult<Value>) -> Result<Value> {
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
                let is_useless = error.is_unrecoverable_error() || is_silent || says(&error, "READONLY");
                if matches!(held.wire, Wire::Single(_)) && is_useless {
                    self.broke(held.generation);
                }
                self.client.watch.failed(Line::Commands);
                Err(failed(error))
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
        let answer = command.query_async(&mut held.wire).await;
        let mut sent = Sent::default();
        sent.add(about, command.args_iter().map(|arg| size_of_arg(&arg)).sum());
        self.settled(&held, sent, answer)
    }
}

fn size_of_arg(arg: &redis::Arg<&[u8]>) -> usize {
    match arg {
        redis::Arg::Simple(bytes) => bytes.len(),
        _ => 1,
    }
}

/// Bytes of a request, by subject.
#[derive(Clone, Copy, Default)]
pub(super) struct Sent([usize; Matter::ALL.len()]);

impl Sent {
    pub(super) fn add(&mut self, about: Matter, bytes: usize) {
        for (matter, held) in Matter::ALL.iter().zip(&mut self.0) {
            if *matter == about {
                *held += bytes;
            }
        }
    }

    /// The answer is counted with the largest part of the request.
    fn tell(&self, client: &Client, received: usize) {
        let most = self.0.iter().copied().max().unwrap_or_default();
        let mut received = Some(received);
        for (matter, sent) in Matter::ALL.iter().zip(self.0).filter(|(_, sent)| *sent > 0) {
            let answer = if sent == most { received.take() } else { None };
            client.watch.exchanged(*matter, sent, answer.unwrap_or_default());
        }
    }
}

/// Listens for wake-ups while the link exists.
async fn listen(shared: Arc<Shared>, waiting: Waiting) {
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

async fn listen_once(shared: &Shared, waiting: &Waiting) -> RedisResult<()> {
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
    let mut wire = shared.way.subscribed(&shared.client.wakes, WAKE, pushed).await?;
    shared.client.watch.standing(Line::Wakes, 1);
    wake(waiting, |_| true);
    loop {
        tokio::select! {
            _ = is_lost.changed() => return Ok(()),
            // The other end may have failed silently.
            () = tokio::time::sleep(ASK_AGAIN) => match redis::cmd("PING").exec_async(&mut wire).await {
                // A Redis whose disk is full refuses even this, and is up.
                Err(error) if !says(&error, "MISCONF") => return Err(error),
                _ => {}
            },
        }
    }
}

/// Wakes the readers of the matching streams, and forgets streams without readers.
fn wake(waiting: &Waiting, meant: impl Fn(&str) -> bool) {
    lock(waiting).retain(|stream, readers| {
        if meant(stream) {
            readers.send_modify(|count| *count = count.wrapping_add(1));
        }
        readers.receiver_count() > 0
    });
}
