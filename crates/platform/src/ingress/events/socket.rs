//! `GET /api/voice/v1/{tenant}/events/ws`: the same by WebSocket (RFC 6455). A browser cannot give the token in a header: then it is in
//! the first message.

use std::time::Duration;

use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use contracts::json::snapshot::{EndReason, StreamEnd};
use contracts::v1;
use futures::StreamExt as _;
use model::TenantId;
use net::http::{Caller, Place, Problem, Query, SocketPlace, Turn};
use runtime::ApiFamily;
use runtime::gate::refuse_token;
use runtime::token::TokenError;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::EventRoutes;
use super::follow::{Beginning, FollowRequest, StreamFrame, StreamFrames};
use super::query::{self, Parameters};
use super::sse::bearer;

/// The path, which is open at the gate: the socket itself asks for the token.
pub(super) const PATH: &str = "/api/voice/v1/{tenant}/events/ws";
/// The role that the token is shown to.
const ROLE: &str = "ingress";
/// How long the end of a connection may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long the first message may take, whatever signs of life come before it.
const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// A reader that takes nothing for this time is cut off.
const SEND_WITHIN: Duration = Duration::from_secs(60);
/// For each so many bytes of a message it has a second more: it may read a large snapshot slowly.
const BYTES_PER_S_MIN: usize = 128 << 10;
/// The largest message of a client: a token and a position.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Whether the path is that of a socket.
pub(in crate::ingress) fn is_socket(path: &str) -> bool {
    let tenant = path.strip_prefix("/api/voice/v1/").and_then(|rest| rest.strip_suffix("/events/ws"));
    tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
}

/// The first message of a client that gave no token in the request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    token: String,
    /// The position after which to continue, if the query has none.
    after: Option<String>,
}

pub(super) async fn events(
    State(served): State<EventRoutes>,
    Path(tenant): Path<String>,
    Extension(turn): Extension<Turn>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::not_found(error.to_string()))?;
    served.origins.check(&headers, &tenant)?;
    let request = query::read(parameters)?;
    let begun = match bearer(&headers) {
        Some(token) => match caller_of(&served, token) {
            Ok(caller) => {
                Begun::Followed(follow(&served, &turn, token, caller, tenant.clone(), request.clone()).await?)
            }
            // As at the gate: the edge itself may have lent the token, and goes on with one that is for other APIs.
            Err(error) => return Ok(refuse_token(error)),
        },
        None => Begun::Waiting(turn.waits()?),
    };
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| run(socket, served, turn, tenant, request, begun)))
}

/// How a socket begins.
enum Begun {
    /// With a token in the request.
    Followed(Followed),
    /// Without: it has a place of its address until its token comes.
    Waiting(Place),
}

/// The frames of a caller, and the places of its socket.
type Followed = (StreamFrames, SocketPlace);

/// Whose token it is.
fn caller_of(served: &EventRoutes, token: &str) -> Result<Caller, TokenError> {
    served.tokens.verify(token, ROLE, ApiFamily::Voice.taken())
}

/// Opens the stream of a caller whose token is good for it. From here on the socket counts for this caller and its tenant.
async fn follow(
    served: &EventRoutes,
    turn: &Turn,
    token: &str,
    caller: Caller,
    tenant: TenantId,
    request: v1::SubscribeRequest,
) -> Result<Followed, Problem> {
    caller.may_act_for(&tenant)?;
    caller.may_follow()?;
    let place = turn.socket_of(&caller)?;
    let asked = FollowRequest { tenant, token: Some(token.to_owned()), request, beginning: Beginning::Snapshot };
    Ok((served.upstream.follow(asked).await?, place))
}

async fn run(
    mut socket: WebSocket,
    served: EventRoutes,
    turn: Turn,
    tenant: TenantId,
    request: v1::SubscribeRequest,
    begun: Begun,
) {
    served.metrics.followers.inc();
    let followed = match begun {
        Begun::Followed(followed) => Some(followed),
        Begun::Waiting(_place) => match first(&mut socket, &served, &turn, tenant, request).await {
            Ok(followed) => followed,
            Err(problem) => {
                // A reason has 123 bytes at most (RFC 6455 section 5.5).
                let reason: String = problem.to_string().chars().take(40).collect();
                let _ = timeout(SEND_WITHIN, socket.send(refusal(&problem))).await;
                let _ = timeout(SEND_WITHIN, socket.send(closing(close_code::POLICY, &reason))).await;
                None
            }
        },
    };
    let place = match followed {
        Some((frames, place)) => {
            tell(&mut socket, frames, &served).await;
            Some(place)
        }
        None => None,
    };
    // Reading on sends the answer to the client's Close, or takes its answer to ours (RFC 6455 section 5.5.1).
    let _ = timeout(CLOSE_WITHIN, socket.recv()).await;
    served.metrics.followers.dec();
    drop(place);
}

/// Reads the first message. None: the client has gone.
async fn first(
    socket: &mut WebSocket,
    served: &EventRoutes,
    turn: &Turn,
    tenant: TenantId,
    mut request: v1::SubscribeRequest,
) -> Result<Option<Followed>, Problem> {
    let late = |_| Problem::unauthorized("no token came in time");
    let text = async {
        loop {
            match socket.recv().await {
                Some(Ok(Message::Text(text))) => return Ok(Some(text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(Problem::bad_request("the first message must be text")),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
            }
        }
    };
    let Some(text) = timeout(FIRST_WITHIN, text).await.map_err(late)?? else { return Ok(None) };
    let first: First =
        serde_json::from_str(&text).map_err(|error| Problem::bad_request(format!("the first message: {error}")))?;
    if let Some(after) = first.after {
        request.after = after;
    }
    let caller = caller_of(served, &first.token).map_err(|error| Problem::unauthorized(error.to_string()))?;
    follow(served, turn, &first.token, caller, tenant, request).await.map(Some)
}

/// Tells the client what happens, until either side ends.
async fn tell(socket: &mut WebSocket, mut frames: StreamFrames, served: &EventRoutes) {
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            heard = socket.recv() => match heard {
                // Nothing is asked of us but signs of life, which the protocol answers itself.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let Some(frame) = frame else { return };
        let code = match &frame {
            StreamFrame::End(StreamEnd { reason: EndReason::Token, .. }) => Some(close_code::POLICY),
            StreamFrame::End(StreamEnd { reason: EndReason::Restart, .. }) => Some(close_code::RESTART),
            StreamFrame::End(_) => Some(close_code::AGAIN),
            _ => None,
        };
        let message = text(&frame);
        match timeout(send_within(&message), socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => {
                served.metrics.stuck.inc();
                return;
            }
        }
        if let Some(code) = code {
            let _ = timeout(SEND_WITHIN, socket.send(closing(code, "see the last message"))).await;
            return;
        }
    }
}

fn send_within(message: &Message) -> Duration {
    let bytes = if let Message::Text(text) = message { text.len() } else { 0 };
    SEND_WITHIN + Duration::from_secs((bytes / BYTES_PER_S_MIN) as u64)
}

/// A frame as a message: `{"type": "event", "position": "0-7", "data": {...}}`.
fn text(frame: &StreamFrame) -> Message {
    let mut message = json!({"type": frame.kind()});
    if let Some(position) = frame.position() {
        message["position"] = json!(position);
    }
    message["data"] = frame.data();
    Message::text(message.to_string())
}

fn refusal(problem: &Problem) -> Message {
    Message::text(json!({"type": "refused", "data": problem}).to_string())
}

fn closing(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sockets_path_is_open() {
        assert!(is_socket("/api/voice/v1/example/events/ws"));
        for other in [
            "/api/voice/v1/example/events",
            "/api/voice/v1//events/ws",
            "/api/voice/v1/a/b/events/ws",
            "/api/voice/v1/events/ws",
            "/api/voice/v1/example/events/ws/",
            "/pulse/api/v1/example/events/ws",
        ] {
            assert!(!is_socket(other), "{other}");
        }
    }

    #[test]
    fn a_large_message_may_take_longer() {
        let within = |bytes: usize| send_within(&Message::text("x".repeat(bytes))).as_secs();
        assert_eq!((within(100), within(1 << 20)), (60, 68));
    }

    #[test]
    fn a_frame_is_one_message_with_its_position() {
        let Message::Text(message) = text(&super::super::follow::held("0-7")) else { panic!("it is text") };
        assert!(message.starts_with(r#"{"type":"event","position":"0-7","data":{"id":"EventHeld","#), "{message}");
    }
}
