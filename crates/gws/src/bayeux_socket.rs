//! WebSockets of Bayeux (RFC 6455), as `CometD` has them: each text of a client is a batch of messages, and each of ours the answer to one.
//!
//! To a session these are exchanges as requests are. So a client may change between sockets and long polls at any time, and what it has
//! confirmed and what not is known in either case: events come with the answer of the connect that waits, as soon as they are there, and
//! the next connect says that they have arrived. A socket is bound to the replica that has the session. Where another one takes that over,
//! it is closed, and the client opens the next one there.

mod client_socket;
mod pace;
mod socket_places;

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocketUpgrade, close_code};
use axum::response::Response;
use bayeux::limits::BATCH_BYTES_MAX;
use bayeux::{Batch, Exchange};
use identity::session_cookie::SessionCookie;
use model::TenantId;
use net::http::{Problem, SocketPlace, Turn};
use prometheus_client::metrics::gauge::Gauge;
use runtime::Drain;
use runtime::metrics::{CounterBy, Label};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

use crate::sessions::answers::ApiRefusal;
use client_socket::ClientSocket;
use socket_places::{SessionPlace, SocketPlaces, TenantPlace};

/// The largest message that is read at all, in bytes: one that is a little too large is told so.
const MESSAGE_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;
/// Sockets at once whose clients are told that their session is over: whoever makes a cookie up opens one.
const TOLD_AT_ONCE_MAX: usize = 64;
/// What is read and written of a socket at once, in bytes: there may be thousands, each with a small message now and then.
const BUFFER_BYTES: usize = 4 << 10;

/// An exchange, and its answer when there is one.
pub(crate) type AwaitedAnswer = (Exchange, oneshot::Receiver<String>);

/// The session of a socket, with the proof by which that was opened.
pub(crate) trait SocketSession: Send + Sync + 'static {
    /// Notes that the session is used, and looks whether it goes on here, for whoever has opened the socket.
    fn goes_on(&self) -> impl Future<Output = Result<(), SocketEnd>> + Send;

    /// Takes a batch.
    fn takes(&self, batch: Batch) -> impl Future<Output = Result<AwaitedAnswer, SocketEnd>> + Send;

    /// The peer has left before it had the answer of that exchange, whether that was there or not.
    fn hung_up(&self, exchange: Exchange);
}

/// Why a socket has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketEnd {
    /// The client has left, or the network has failed.
    Left,
    /// The client has said nothing for too long.
    Silent,
    /// The client has not read what it was told.
    Unread,
    /// It has sent something else than text.
    NoText,
    /// It has sent more than a batch may have.
    TooLarge,
    /// It has sent what is no batch.
    Unreadable,
    /// The session takes nothing now, or too much of what it was told is not taken yet.
    NotNow,
    /// The session is over, or the proof of whoever has opened the socket.
    Over,
    /// Another replica has the session, or this one ends.
    Moved,
}

impl SocketEnd {
    /// With which code the client is told (RFC 6455 section 7.4.1), and in which words; none where it hears nothing.
    const fn told(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Left => None,
            Self::Silent => Some((close_code::AWAY, "nothing has come for too long")),
            Self::Unread => Some((close_code::POLICY, "what was told was not read")),
            Self::NoText => Some((close_code::UNSUPPORTED, "messages of Bayeux are text")),
            Self::TooLarge => Some((close_code::SIZE, "the batch is too large")),
            Self::Unreadable => Some((close_code::INVALID, "it is no batch of messages of Bayeux")),
            Self::NotNow => Some((close_code::AGAIN, "not now")),
            Self::Over => Some((close_code::POLICY, "the session or its token is over")),
            Self::Moved => Some((close_code::RESTART, "another process has the session: open a socket again")),
        }
    }
}

impl Label for SocketEnd {
    const NAME: &'static str = "why";
    const ALL: &'static [Self] = &[
        Self::Left,
        Self::Silent,
        Self::Unread,
        Self::NoText,
        Self::TooLarge,
        Self::Unreadable,
        Self::NotNow,
        Self::Over,
        Self::Moved,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Silent => "silent",
            Self::Unread => "unread",
            Self::NoText => "no_text",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
            Self::NotNow => "not_now",
            Self::Over => "over",
            Self::Moved => "moved",
        }
    }
}

/// How sockets of a role are counted.
#[derive(Clone)]
pub(crate) struct SocketCounts {
    /// Those that are open.
    pub open: Gauge,
    /// Those that have ended.
    pub ended: CounterBy<SocketEnd>,
}

/// Where sockets of a role begin.
pub(crate) struct SocketDoor {
    places: SocketPlaces,
    /// Places of those that are told that their session is over.
    telling: Arc<Semaphore>,
    counts: SocketCounts,
    drain: Drain,
}

/// The places of one socket, among those of its tenant and of the replica. They are free again when it is dropped.
pub(crate) struct AdmittedSocket {
    door: Arc<SocketDoor>,
    of_tenant: TenantPlace,
    of_replica: SocketPlace,
}

/// Those of its session, too.
pub(crate) struct PlacedSocket {
    door: Arc<SocketDoor>,
    of_session: SessionPlace,
    of_replica: SocketPlace,
}

/// The name of the operation that opens a socket, in OpenAPI documents.
pub(crate) const OPERATION: &str = "notificationsSocket";

/// The answers of that operation, made of those that others have.
pub(crate) fn describe_answers(answers: &mut Value) {
    if let Some(answers) = answers.as_object_mut() {
        answers.shift_remove("200");
        answers.insert("101".to_owned(), json!({"description": "the WebSocket is open"}));
    }
}

/// What a request asks for.
///
/// # Errors
/// 400 if it is no WebSocket.
pub(crate) fn asked(upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Result<WebSocketUpgrade, Problem> {
    let refused =
        |why| Problem::bad_request(format!("a WebSocket is opened here, messages of Bayeux are posted: {why}"));
    upgrade.map_err(refused)
}

impl SocketDoor {
    pub fn new(counts: SocketCounts, drain: Drain) -> Arc<Self> {
        Arc::new(Self {
            places: SocketPlaces::default(),
            telling: Arc::new(Semaphore::new(TOLD_AT_ONCE_MAX)),
            counts,
            drain,
        })
    }

    /// Tells whoever opens a socket why that has no session here. Browsers keep from a page how an opening was refused, and a client that
    /// had a socket before opens one for ever: so where the session is over, it is told so by a socket that is opened for that alone.
    ///
    /// # Errors
    /// The refusal, where it says something else, where no socket is asked for, or while too many are told it.
    pub fn tell_over(
        &self,
        refusal: ApiRefusal,
        upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
        turn: &Turn,
    ) -> Result<Response, ApiRefusal> {
        if refusal != ApiRefusal::without_session() {
            return Err(refusal);
        }
        let (Ok(upgrade), Ok(telling)) = (upgrade, self.telling.clone().try_acquire_owned()) else {
            return Err(refusal);
        };
        let of_replica = turn.socket()?;
        let counts = self.counts.clone();
        Ok(bounded(upgrade).on_upgrade(move |socket| async move {
            counts.open.inc();
            let end = client_socket::tell_over(socket).await;
            counts.open.dec();
            counts.ended.inc(end);
            drop((telling, of_replica));
        }))
    }

    /// Places for one more socket of a tenant.
    ///
    /// # Errors
    /// 503 or 429 if there are too many, of the tenant, of the address or in all.
    pub fn place(self: &Arc<Self>, tenant: &TenantId, turn: &Turn) -> Result<AdmittedSocket, Problem> {
        let of_tenant = self.places.of_tenant(tenant);
        let few = || Problem::too_many("the tenant has too many sockets, while few places are left");
        Ok(AdmittedSocket { door: self.clone(), of_tenant: of_tenant.ok_or_else(few)?, of_replica: turn.socket()? })
    }
}

impl AdmittedSocket {
    /// The same for a session of the tenant.
    ///
    /// # Errors
    /// 503 if that has too many.
    pub fn of(self, cookie: &SessionCookie) -> Result<PlacedSocket, Problem> {
        let Self { door, of_tenant, of_replica } = self;
        let of_session = of_tenant.of(cookie);
        let of_session = of_session.ok_or_else(|| Problem::unavailable("the session has too many sockets"))?;
        Ok(PlacedSocket { door, of_session, of_replica })
    }
}

impl PlacedSocket {
    /// Opens it; it goes on by itself.
    pub fn open(self, upgrade: WebSocketUpgrade, session: impl SocketSession) -> Response {
        let Self { door, of_session, of_replica } = self;
        bounded(upgrade).on_upgrade(move |socket| async move {
            let SocketDoor { counts, drain, .. } = &*door;
            counts.open.inc();
            let end = ClientSocket::new(socket, session, drain.clone(), &of_session).serve().await;
            counts.open.dec();
            counts.ended.inc(end);
            tracing::debug!(tenant = %of_session.cookie().tenant, ?end, "a socket of Bayeux has ended");
            // It has these until now.
            drop((of_session, of_replica));
        })
    }
}

fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    upgrade.read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_is_told_at_the_end_fits_into_a_close() {
        for end in SocketEnd::ALL {
            // RFC 6455 section 5.5.
            assert!(end.told().is_none_or(|(code, words)| code >= 1_000 && words.len() <= 123), "{end:?}");
        }
    }
}
