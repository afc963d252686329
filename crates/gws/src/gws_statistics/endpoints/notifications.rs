//! The updates of a client: batches of Bayeux messages, by requests or by a WebSocket. Which of them is in a request, its channels say; the
//! path does not. A handshake begins the session, or the opening of a WebSocket.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bayeux::{Batch, Exchange, UnknownClient};
use net::http::{Turn, WebClient};
use runtime::token::Claims;

use super::super::ServedStatistics;
use super::super::session::StatisticsSession;
use super::super::statistics_sign_in::StatisticsSignIn;
use super::StatisticsAsker;
use crate::bayeux_socket::{self, AwaitedAnswer, SocketDoor, SocketEnd, SocketSession};
use crate::session_cookie::STATISTICS;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::HeldSession as _;
use crate::sessions::notifications::{self, BayeuxSession as _};

/// `POST /notifications`, with whatever the client writes behind it.
pub(in crate::gws_statistics) async fn take(
    State(served): State<Arc<ServedStatistics>>,
    asker: StatisticsAsker,
    client: Option<Extension<WebClient>>,
    Extension(turn): Extension<Turn>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let batch = Batch::read(&body).map_err(|fault| ApiRefusal::bad_request(fault.to_string()))?;
    let begins = batch.has_handshake().then_some(UnknownClient::Adopt);
    let (session, begins) = session_for(&served, &asker.sign_in, &headers, begins).await?;
    served.sign_ins.goes_on_by(&session.cookie, &asker.sign_in.claims);
    let waits = session.bayeux(batch)?;
    let mut response = notifications::answer(session, waits, &turn).await?;
    if let Some(value) = begins {
        let is_secure = client.is_some_and(|Extension(client)| client.is_secure);
        let cookie = STATISTICS.set(&value, is_secure).ok_or_else(ApiRefusal::internal)?;
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `GET /notifications`, which opens a WebSocket: messages go by that in both directions, for as long as the token of this request is good.
/// Its answer sets the cookie, as a handshake by a request does.
pub(in crate::gws_statistics) async fn open(
    State(served): State<Arc<ServedStatistics>>,
    asker: StatisticsAsker,
    client: Option<Extension<WebClient>>,
    Extension(turn): Extension<Turn>,
    Extension(door): Extension<Arc<SocketDoor>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiRefusal> {
    let upgrade = bayeux_socket::asked(upgrade)?;
    // First the place: a new session ends the one of the same person or program that was used longest ago.
    let place = door.place(&asker.sign_in.tenant, &turn)?;
    // A client of a session before, which is over, does not stay deaf in a new one: it is told to shake hands anew.
    let begins = Some(UnknownClient::Refuse);
    let (session, value) = session_for(&served, &asker.sign_in, &headers, begins).await?;
    served.sign_ins.goes_on_by(&session.cookie, &asker.sign_in.claims);
    let is_secure = client.is_some_and(|Extension(client)| client.is_secure);
    let cookie = value.and_then(|value| STATISTICS.set(&value, is_secure)).ok_or_else(ApiRefusal::internal)?;
    let place = place.of(&session.cookie)?;
    let shown = headers.get(header::AUTHORIZATION).map(|token| (header::AUTHORIZATION, token.clone()));
    let (claims, shown) = (asker.sign_in.claims, shown.into_iter().collect());
    let mut response = place.open(upgrade, SocketOfClient { served, session, claims, shown });
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The session of a socket, and the token that was shown for it.
struct SocketOfClient {
    served: Arc<ServedStatistics>,
    session: Arc<StatisticsSession>,
    claims: Claims,
    shown: HeaderMap,
}

impl SocketSession for SocketOfClient {
    async fn goes_on(&self) -> Result<(), SocketEnd> {
        let sign_in =
            StatisticsAsker::of_headers(&self.served, &self.shown).await.map_err(|_| SocketEnd::Over)?.sign_in;
        // Where another replica has it, nobody takes it back: the next socket is led there.
        if !self.session.is_still_held().await {
            return Err(SocketEnd::Moved);
        }
        if !self.session.is_used() {
            return Err(SocketEnd::Over);
        }
        self.served.judge(&self.session, &sign_in).await.map_err(|_| SocketEnd::NotNow)
    }

    async fn takes(&self, batch: Batch) -> Result<AwaitedAnswer, SocketEnd> {
        self.served.sign_ins.goes_on_by(&self.session.cookie, &self.claims);
        self.session.bayeux(batch).map_err(|_| SocketEnd::NotNow)
    }

    fn hung_up(&self, exchange: Exchange) {
        self.session.hung_up(exchange);
    }
}

/// The session that a batch is for, and the cookie that its answer sets: with a handshake, also where there is a session, for clients want
/// it each time. `begins`: a new one begins where there is none, and does that with clients that it does not know.
async fn session_for(
    served: &ServedStatistics,
    sign_in: &StatisticsSignIn,
    headers: &HeaderMap,
    begins: Option<UnknownClient>,
) -> Result<(Arc<StatisticsSession>, Option<String>), ApiRefusal> {
    let shown = STATISTICS.value_in(headers);
    let cookie = STATISTICS.session_in(headers);
    let Some(unknown_client) = begins else {
        let cookie = cookie.ok_or_else(ApiRefusal::without_session)?;
        return Ok((served.session(&cookie, sign_in).await?, None));
    };
    if let (Some(shown), Some(cookie)) = (shown, cookie)
        && let Ok(session) = served.session(&cookie, sign_in).await
    {
        return Ok((session, Some(shown.to_owned())));
    }
    served.begun(sign_in, unknown_client).await.map(|(session, value)| (session, Some(value)))
}
