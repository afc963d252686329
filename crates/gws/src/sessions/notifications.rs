//! How a batch of Bayeux messages is answered: at once, or when there is something to tell.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bayeux::Exchange;
use net::http::{Turn, untaken_tells};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::answers::ApiRefusal;

/// A session that has taken a batch.
pub(crate) trait BayeuxSession: Send + Sync + 'static {
    /// The peer has left before it had its answer, whether that was there or not.
    fn hung_up(&self, exchange: Exchange);
}

/// The answer to a batch that the session has taken, once there is one.
///
/// # Errors
/// 503 if too many requests wait, or the session is not here any more.
pub(crate) async fn answer<S: BayeuxSession>(
    session: Arc<S>,
    (exchange, mut answered): (Exchange, oneshot::Receiver<String>),
    turn: &Turn,
) -> Result<Response, ApiRefusal> {
    // From here on whoever leaves has hung up.
    let caller = WaitingCaller::new(session, exchange);
    let answer = match answered.try_recv() {
        Err(TryRecvError::Empty) => {
            let _place = turn.waits()?;
            answered.await.ok()
        }
        at_once => at_once.ok(),
    };
    // A session that another replica has is asked for again, and found there.
    let messages = answer.ok_or_else(|| ApiRefusal::unavailable("the session is not here any more"))?;
    Ok(caller.answered(messages))
}

/// Somebody who has not taken the answer yet. It is dropped with the request when the connection breaks.
pub(crate) struct WaitingCaller<S: BayeuxSession> {
    session: Arc<S>,
    exchange: Exchange,
    is_answered: bool,
}

impl<S: BayeuxSession> WaitingCaller<S> {
    /// Whoever waits for that exchange.
    pub(crate) fn new(session: Arc<S>, exchange: Exchange) -> Self {
        Self { session, exchange, is_answered: false }
    }

    /// The answer. Whose connection breaks before it is written has hung up, too.
    pub(crate) fn answered(mut self, messages: String) -> Response {
        self.is_answered = true;
        let (session, exchange) = (self.session.clone(), self.exchange);
        let body = untaken_tells(messages.into(), move || session.hung_up(exchange));
        let mut response = (StatusCode::OK, body).into_response();
        let head = response.headers_mut();
        head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
        head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<S: BayeuxSession> Drop for WaitingCaller<S> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.session.hung_up(self.exchange);
        }
    }
}
