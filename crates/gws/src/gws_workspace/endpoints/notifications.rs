//! The events of a desktop: batches of Bayeux messages, by requests or by a WebSocket. Which of them is in a request, its channels say;
//! the path does not.

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

use super::super::Workspace;
use super::super::request::{DeskRequest, check_page};
use super::super::session::DeskSession;
use crate::bayeux_socket::{self, AwaitedAnswer, SocketDoor, SocketEnd, SocketSession};
use crate::session_cookie::WORKSPACE;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::HeldSession as _;
use crate::sessions::notifications::{self, BayeuxSession as _};

/// `POST /notifications`, with whatever the client writes behind it.
pub(in crate::gws_workspace) async fn take(
    request: DeskRequest,
    Extension(turn): Extension<Turn>,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let batch = Batch::read(&body).map_err(|fault| ApiRefusal::bad_request(fault.to_string()))?;
    let waits = request.session.bayeux(batch)?;
    notifications::answer(request.session, waits, &turn).await
}

/// `GET /notifications`, which opens a WebSocket: messages go by that in both directions.
pub(in crate::gws_workspace) async fn open(
    State(workspace): State<Arc<Workspace>>,
    client: Option<Extension<WebClient>>,
    Extension(turn): Extension<Turn>,
    Extension(door): Extension<Arc<SocketDoor>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiRefusal> {
    // A browser sends the cookie for whatever page opens a socket, and lets that page read what comes: more than a GET else may.
    check_page(&workspace, &Method::POST, &headers, client.as_deref())?;
    let cookie = WORKSPACE.session_in(&headers).ok_or_else(ApiRefusal::without_session)?;
    let session = match workspace.session(&cookie).await {
        Ok(session) => session,
        Err(refusal) => return door.tell_over(refusal, upgrade, &turn),
    };
    let upgrade = bayeux_socket::asked(upgrade)?;
    let place = door.place(&cookie.tenant, &turn)?.of(&cookie)?;
    Ok(place.open(upgrade, SocketOfDesk(session)))
}

/// The session of a socket that has shown its cookie.
struct SocketOfDesk(Arc<DeskSession>);

impl SocketSession for SocketOfDesk {
    async fn goes_on(&self) -> Result<(), SocketEnd> {
        // Where another replica has it, nobody takes it back: the next socket is led there.
        if !self.0.is_still_held().await {
            return Err(SocketEnd::Moved);
        }
        if self.0.is_used() {
            return Ok(());
        }
        Err(if self.0.is_gone() { SocketEnd::Moved } else { SocketEnd::Over })
    }

    async fn takes(&self, batch: Batch) -> Result<AwaitedAnswer, SocketEnd> {
        self.0.bayeux(batch).map_err(|_| SocketEnd::NotNow)
    }

    fn hung_up(&self, exchange: Exchange) {
        self.0.hung_up(exchange);
    }
}
