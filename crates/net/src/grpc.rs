//! gRPC between roles: the same listeners, gate and connector as HTTP.

mod object_faults;
mod origin;
mod streams;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::Request as HttpRequest;
use futures::{Stream, StreamExt as _};
use infra::Clock;
use runtime::around::{Entrance, around};
use runtime::{PeerMeter, RoleContext};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::service::{Interceptor, Routes};
use tonic::transport::Endpoint;

pub use object_faults::{object_faults, with_object_faults};
pub use origin::{RequestOrigin, coming_from, origin};
pub use streams::{Permit, STREAMS_MAX, STREAMS_OF_CALLER_MAX, Streams};

use crate::connector::Connector;

/// Silence after which the peer of an open stream is pinged.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the peer may take to answer the ping.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The metadata with the caller token.
const AUTHORIZATION: &str = "authorization";
/// Bytes of one of many streams that may be on their way unread.
const UNREAD_PER_STREAM: u32 = 65_535;
/// Bytes of all streams of one connection: more than all of them have unread together.
const UNREAD_PER_CONNECTION: u32 = 64 << 20;
/// Time until an answer begins; a stream may go on after that.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Serves gRPC services on the declared listener `name`, behind the caller-token gate.
///
/// Returns when the listener is bound. Handlers find the [`runtime::Caller`] in the request's extensions:
/// [`caller`].
pub async fn serve(ctx: &RoleContext, name: &str, routes: Routes) -> anyhow::Result<()> {
    let gate = ctx.gate(ctx.listen(name)?, |_, _| false);
    let gate = std::sync::Arc::new(gate);
    let ask = move |request: HttpRequest, behind: &Entrance| {
        runtime::gate::ask(&gate, request, |request| behind.enter(request))
    };
    crate::http::bind_and_serve(ctx, name, around(routes.into_axum_router(), ask)).await
}

/// The caller of a gRPC request.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub fn caller<T>(request: &tonic::Request<T>) -> Result<&runtime::Caller, tonic::Status> {
    request.extensions().get().ok_or_else(|| tonic::Status::unauthenticated("no caller token"))
}

/// A handler's stream of answers.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, tonic::Status>> + Send>>;

/// Ends the answers with UNAUTHENTICATED when the caller's token expires.
pub fn until_token_expires<T: 'static>(
    answers: impl Stream<Item = Result<T, tonic::Status>> + Send + 'static,
    caller: &runtime::Caller,
    clock: Arc<dyn Clock>,
) -> Answers<T> {
    let mut answers = Box::pin(answers).take_until(Box::pin(caller.ends(clock)));
    Box::pin(futures::stream::poll_fn(move |cx| match answers.poll_next_unpin(cx) {
        Poll::Ready(None) => Poll::Ready(answers.take_result().map(|()| Err(over()))),
        polled => polled,
    }))
}

fn over() -> tonic::Status {
    tonic::Status::unauthenticated("the token is over: ask with another one for what comes next")
}

/// A channel that adds the role's token and counts its requests.
pub type Channel = InterceptedService<tonic::transport::Channel, Bearer>;

/// A channel for the connection `id` to the first replica of its target on `port`. Connects on first use and again after failures.
pub fn channel(ctx: &RoleContext, id: &str, port: u16) -> anyhow::Result<Channel> {
    channel_answering_within(ctx, id, port, ANSWER_WITHIN)
}

/// The same for requests whose answers may take so long.
pub fn channel_answering_within(ctx: &RoleContext, id: &str, port: u16, within: Duration) -> anyhow::Result<Channel> {
    let (role, first) = first_replica(ctx, id, port)?;
    channel_with(ctx, id, role, first, ChannelTerms { within, windows: None })
}

fn first_replica(ctx: &RoleContext, id: &str, port: u16) -> anyhow::Result<(&'static str, SocketAddr)> {
    let row = runtime::connections::find(id).with_context(|| format!("no connection {id} in the table"))?;
    let replicas = ctx.directory.addresses(row.to, port);
    Ok((row.to, *replicas.first().with_context(|| format!("no replica of {} is known", row.to))?))
}

/// Channels for the connection `id`, for many streams at once of which each may be read slowly: what one of them leaves unread takes
/// nothing from the others.
pub fn channels_of_streams(ctx: &RoleContext, id: &str, port: u16, count: usize) -> anyhow::Result<Vec<Channel>> {
    let (role, first) = first_replica(ctx, id, port)?;
    let windows = Some(Windows { stream: UNREAD_PER_STREAM, connection: UNREAD_PER_CONNECTION });
    let terms = ChannelTerms { within: ANSWER_WITHIN, windows };
    (0..count).map(|_| channel_with(ctx, id, role, first, terms)).collect()
}

/// How much may be on its way unread (RFC 9113 section 5.2).
#[derive(Clone, Copy)]
struct Windows {
    stream: u32,
    connection: u32,
}

/// How a channel is used.
#[derive(Clone, Copy)]
struct ChannelTerms {
    /// Time until an answer begins.
    within: Duration,
    windows: Option<Windows>,
}

/// A channel for the connection `id` to this replica of `role`.
fn channel_with(
    ctx: &RoleContext,
    id: &str,
    role: &'static str,
    replica: SocketAddr,
    ChannelTerms { within, windows }: ChannelTerms,
) -> anyhow::Result<Channel> {
    let connector = Connector::new(ctx, id)?;
    let bearer = Bearer { ctx: ctx.clone(), role, peer: connector.peer(replica) };
    let channel = Endpoint::from_shared(format!("http://{replica}"))?
        .timeout(within)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(windows.map(|windows| windows.stream))
        .initial_connection_window_size(windows.map(|windows| windows.connection))
        .connect_with_connector_lazy(connector);
    Ok(InterceptedService::new(channel, bearer))
}

/// Adds the role's token to each request that has none, and counts it.
#[derive(Clone)]
pub struct Bearer {
    ctx: RoleContext,
    role: &'static str,
    peer: PeerMeter,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        // What is asked on behalf of another caller must have that caller's rights alone.
        if request.metadata().contains_key(AUTHORIZATION) {
            self.peer.request();
            return Ok(request);
        }
        let token = self.ctx.token_for(self.role).map_err(|error| tonic::Status::internal(error.to_string()))?;
        let value = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|error| tonic::Status::internal(error.to_string()))?;
        request.metadata_mut().insert(AUTHORIZATION, value);
        self.peer.request();
        Ok(request)
    }
}

/// Metadata of OUT_OF_RANGE for a position that is no longer kept: the last position that is gone. All that is left comes after it.
pub const TRIMMED_METADATA: &str = "trunkline-trimmed-to";

/// OUT_OF_RANGE for a position of a stream of which everything up to `gone` is no longer kept.
pub fn trimmed(gone: infra::Position, message: impl Into<String>) -> tonic::Status {
    let mut status = tonic::Status::out_of_range(message);
    if let Ok(value) = MetadataValue::try_from(gone.to_string()) {
        status.metadata_mut().insert(TRIMMED_METADATA, value);
    }
    status
}

/// After which position a stream still has all that came, if a status says so.
pub fn trimmed_to(status: &tonic::Status) -> Option<&str> {
    status.metadata().get(TRIMMED_METADATA)?.to_str().ok()
}

/// Metadata of a refusal of port 8000's `Ask`: the number that an `EventError` would carry.
pub const ERROR_CODE_METADATA: &str = "trunkline-error-code";

/// A refusal with its published error number.
pub fn with_error_code(mut status: tonic::Status, code: u32) -> tonic::Status {
    status.metadata_mut().insert(ERROR_CODE_METADATA, MetadataValue::from(code));
    status
}

/// The published error number of a refusal, if it names one.
pub fn error_code(status: &tonic::Status) -> Option<u32> {
    status.metadata().get(ERROR_CODE_METADATA)?.to_str().ok()?.parse().ok()
}

/// Whether a request may have been carried out though no answer has come: it was in the peer's hands by then, or on its way there. It was
/// not if nobody was reached; of what the peer itself refuses, the refusal says it.
pub fn is_answer_lost(status: &tonic::Status) -> bool {
    let first = std::error::Error::source(status);
    let was_connected =
        || !std::iter::successors(first, |error| (**error).source()).any(|error| error.is::<tonic::ConnectError>());
    match status.code() {
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => true,
        // Those of the peer have no cause here.
        tonic::Code::Unavailable | tonic::Code::Unknown => first.is_some() && was_connected(),
        _ => false,
    }
}

/// Metadata that names the tenant of a role's request, whose token is valid for any tenant.
pub const TENANT_METADATA: &str = "trunkline-tenant";

/// The tenant of a gRPC request: the token's, or for a role the one named in its metadata.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub fn tenant<T>(request: &tonic::Request<T>) -> Result<model::TenantId, tonic::Status> {
    let named = request.metadata().get(TENANT_METADATA).and_then(|value| value.to_str().ok());
    if let Some(tenant) = caller(request)?.tenant() {
        return match named {
            Some(named) if named != tenant.as_str() => {
                Err(tonic::Status::permission_denied("the token is for another tenant"))
            }
            _ => Ok(tenant.clone()),
        };
    }
    let named = named.ok_or_else(|| tonic::Status::invalid_argument("no metadata trunkline-tenant"))?;
    model::TenantId::parse(named).map_err(|error| tonic::Status::invalid_argument(error.to_string()))
}

/// Adds the token of another caller, for which a request is made.
///
/// # Errors
/// UNAUTHENTICATED if no token looks like that.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub fn on_behalf<T>(mut request: tonic::Request<T>, token: &str) -> Result<tonic::Request<T>, tonic::Status> {
    let value = MetadataValue::try_from(format!("Bearer {token}"));
    let value = value.map_err(|_| tonic::Status::unauthenticated("the token cannot be read"))?;
    request.metadata_mut().insert(AUTHORIZATION, value);
    Ok(request)
}

/// Writes the tenant of a role's request into its metadata.
pub fn for_tenant<T>(mut request: tonic::Request<T>, tenant: &model::TenantId) -> tonic::Request<T> {
    if let Ok(value) = MetadataValue::try_from(tenant.as_str()) {
        request.metadata_mut().insert(TENANT_METADATA, value);
    }
    request
}

#[cfg(test)]
mod tests;
