//! The notifications of a session: batches of Bayeux messages, by requests or by a WebSocket. Which of them is in a request, its channels
//! say; the path does not.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use bayeux::{Batch, Exchange};
use net::http::{Turn, WebClient};

use super::super::Provisioning;
use super::super::request::{ProvisioningRequest, check_page};
use super::super::session::ProvisioningSession;
use crate::bayeux_socket::{self, AwaitedAnswer, SocketDoor, SocketEnd, SocketSession};
use crate::session_cookie::PROVISIONING;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::HeldSession as _;
use crate::sessions::notifications::{self, BayeuxSession as _};

/// `POST /notifications`, with whatever the client writes behind it.
pub(in crate::gws_provisioning) async fn take(
    request: ProvisioningRequest,
    Extension(turn): Extension<Turn>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let batch = Batch::read(&body).map_err(|fault| ApiRefusal::bad_request(fault.to_string()))?;
    let waits = request.session.bayeux(batch).await?;
    notifications::answer(request.session, waits, &turn).await
}

/// `GET /notifications/handshake`: a handshake is sent as every other message is.
pub(in crate::gws_provisioning) async fn unposted(_: ProvisioningRequest) -> ApiRefusal {
    ApiRefusal::not_implemented("a handshake is a message of Bayeux: POST it, or open a WebSocket at /notifications")
}

/// `GET /notifications`, which opens a WebSocket: messages go by that in both directions.
pub(in crate::gws_provisioning) async fn open(
    State(provisioning): State<Arc<Provisioning>>,
    client: Option<Extension<WebClient>>,
    Extension(turn): Extension<Turn>,
    Extension(door): Extension<Arc<SocketDoor>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiRefusal> {
    // A browser sends the cookie for whatever page opens a socket, and lets that page read what comes: more than a GET else may.
    check_page(&provisioning, &Method::POST, &headers, client.as_deref())?;
    let cookie = PROVISIONING.session_in(&headers).ok_or_else(ApiRefusal::without_session)?;
    let session = match provisioning.session(&cookie).await {
        Ok(session) => session,
        Err(refusal) => return door.tell_over(refusal, upgrade, &turn),
    };
    let upgrade = bayeux_socket::asked(upgrade)?;
    let place = door.place(&cookie.tenant, &turn)?.of(&cookie)?;
    Ok(place.open(upgrade, SocketOfProgram(session)))
}

/// The session of a socket that has shown its cookie.
struct SocketOfProgram(Arc<ProvisioningSession>);

impl SocketSession for SocketOfProgram {
    async fn goes_on(&self) -> Result<(), SocketEnd> {
        // Where another replica has it, nobody takes it back: the next socket is led there.
        if !self.0.is_still_held().await {
            return Err(SocketEnd::Moved);
        }
        self.0.is_used().await.then_some(()).ok_or(SocketEnd::Over)
    }

    async fn takes(&self, batch: Batch) -> Result<AwaitedAnswer, SocketEnd> {
        self.0.bayeux(batch).await.map_err(|_| SocketEnd::NotNow)
    }

    fn hung_up(&self, exchange: Exchange) {
        self.0.hung_up(exchange);
    }
}
