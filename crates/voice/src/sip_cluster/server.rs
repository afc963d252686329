//! HTTP 11300: requests, from frontend alone (voice-39). Requests about calls go to the loop, those about agents to agent-state.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use call::call::{classifies, no_answer_ms};
use contracts::json::read_request;
use http::StatusCode;
use infra::{Posted, Recipient, RequestStream, StoreError, Stores};
use model::event::ErrorCode;
use model::request::Concern;
use model::{NodeId, Owner, Request, TenantId, UserData};
use net::configuration::Configuration;
use net::http::{Caller, Client, JsonBody, Problem};
use runtime::spans::{Spans, TRACE_RESPONSE};
use serde::Deserialize;
use tokio::sync::watch;

use super::attributes;
use super::inbox::Inbox;
use super::ledger::find;
use super::login_password;
use super::node::lookup::{FailureReport, Found, Lookup, SeenLive};
use super::searches::Searches;

/// How long a request waits until the owner of its call is known; frontend waits a little longer.
const FIND_WITHIN: Duration = Duration::from_millis(1_500);

/// What frontend sends: a client's frame, and the identity of that client.
#[derive(Deserialize)]
struct Forwarded {
    tenant: String,
    requester: String,
    frame: serde_json::Value,
    /// A node to which frontend cannot connect: this node may claim its calls on request.
    #[serde(default)]
    unreachable: Option<String>,
}

/// What the handler of requests needs.
#[derive(Clone)]
pub struct RequestContext {
    /// The loop that owns the calls.
    pub inbox: Inbox,
    /// The ledger of calls, and the request stream to agent-state.
    pub stores: Stores,
    /// The owner in whose name calls are claimed.
    pub owner: Owner,
    /// The owners that proxies see live.
    pub live: watch::Receiver<SeenLive>,
    /// Permits for searches for the owner of a call. A request without one is answered 503.
    pub searches: Arc<Searches>,
    /// Finds the span of a call.
    pub spans: Spans,
    /// Config, which checks passwords (voice-28).
    pub config: Client,
    /// What tenants allow as user data of calls.
    pub configuration: Configuration,
}

/// The routes.
pub fn router(ways: RequestContext) -> Router {
    Router::new().route("/requests", post(request)).with_state(ways)
}

async fn request(
    caller: Caller,
    State(ways): State<RequestContext>,
    JsonBody(forwarded): JsonBody<Forwarded>,
) -> Result<Response, Problem> {
    if caller.role() != Some("frontend") {
        return Err(Problem::forbidden("requests come from frontend alone"));
    }
    let tenant = TenantId::parse(&forwarded.tenant).map_err(|error| Problem::unprocessable(error.to_string()))?;
    let read = read_request(&forwarded.frame, &tenant, &forwarded.requester)
        .map_err(|error| Problem::unprocessable(error.to_string()).code(u32::from(error.code.0)))?;
    if let Some(why) = ways.refusal(&read.request).await {
        return Err(Problem::unprocessable(why).code(u32::from(ErrorCode::INVALID_ATTRIBUTE.0)));
    }
    let Some(conn_id) = read.request.kind.conn_id() else {
        if read.request.kind.request_type().concern == Concern::NewCall {
            return new_call(&ways.inbox, read.request).await.map(StatusCode::into_response);
        }
        let checked = login_password::check(&ways.config, read.request).await?;
        return post_to_agent_state(&*ways.stores.requests, checked).await.map(StatusCode::into_response);
    };
    // Read first: the request may end the call.
    let call = ways.spans.context_of(conn_id);
    let mut outcome = ways.ask(read.request.clone()).await;
    if outcome == Some(Err(ErrorCode::INVALID_CONN_ID)) {
        let gone = forwarded.unreachable.and_then(|node| NodeId::parse(&node).ok()).map(FailureReport::Node);
        match ways.find(Lookup::of_call(tenant, conn_id, gone)).await {
            Some(Found::Ours(_)) => outcome = ways.ask(read.request).await,
            // Not reported as a missing call: a client must not abandon the call for that.
            None | Some(Found::Unanswered) => {
                return Err(Problem::unavailable("the owner of the call cannot be found now"));
            }
            // Without the code, frontend does not take this answer as final.
            Some(Found::Elsewhere(_)) => return Err(Problem::not_found("another node has the call")),
            Some(Found::Ended | Found::Unknown) => {}
        }
    }
    match outcome {
        Some(Ok(())) => {
            let mut accepted = StatusCode::ACCEPTED.into_response();
            if let Some(call) = call {
                accepted.headers_mut().insert(TRACE_RESPONSE, call.header());
            }
            Ok(accepted)
        }
        Some(Err(ErrorCode::INVALID_CONN_ID)) => {
            Err(Problem::not_found("no such call here").code(u32::from(ErrorCode::INVALID_CONN_ID.0)))
        }
        Some(Err(code)) => Err(Problem::unprocessable("not a request about a call").code(u32::from(code.0))),
        None => Err(Problem::unavailable("too many requests wait")),
    }
}

impl RequestContext {
    /// Why the tenant does not let a request attach what it would. What a call of this node has is asked for where that may count.
    async fn refusal(&self, request: &Request) -> Option<String> {
        let config = self.configuration.tenant(&request.tenant)?;
        let why = attributes::refusal(&config, &request.kind, &UserData::new())?;
        let Some(conn_id) = request.kind.conn_id() else { return Some(why) };
        let Some(held) = self.inbox.user_data(request.tenant.clone(), conn_id).await else { return Some(why) };
        attributes::refusal(&config, &request.kind, &held)
    }

    /// Gives a request to the loop. The other call of one about two is brought here first; if that fails, the call itself refuses.
    async fn ask(&self, request: Request) -> Option<Result<(), ErrorCode>> {
        if let Some(other) = self.inbox.lacks(&request).await {
            self.find(Lookup::to_join(request.tenant.clone(), other)).await;
        }
        self.inbox.request(request).await
    }

    /// Looks a call up and takes it over if this node may have it. Returns the result, if it came in time and a permit was free.
    async fn find(&self, sought: Lookup) -> Option<Found> {
        let room = self.searches.permit(&sought.tenant)?;
        let ways = self.clone();
        // The search continues after the timeout: a call that it claims must come to this loop.
        let finding = tokio::spawn(async move {
            let live = || ways.live.borrow().clone();
            let found = find::find(&ways.stores, &ways.owner, live, &sought).await;
            if matches!(found, Found::Ours(_)) {
                ways.inbox.found(sought.named, found.clone()).await;
            }
            drop(room);
            found
        });
        tokio::time::timeout(FIND_WITHIN, finding).await.ok()?.ok()
    }
}

/// A request for a call: this node opens it.
async fn new_call(inbox: &Inbox, request: Request) -> Result<StatusCode, Problem> {
    let faulty = no_answer_ms(&request).err().or(classifies(&request).err());
    if let Some((code, text)) = faulty {
        return Err(Problem::unprocessable(format!("Extensions: {text}")).code(u32::from(code.0)));
    }
    match inbox.request(request).await {
        Some(Ok(())) => Ok(StatusCode::ACCEPTED),
        Some(Err(ErrorCode::OUT_OF_SERVICE)) => Err(Problem::unavailable("this node takes no new calls")),
        Some(Err(code)) => Err(Problem::unprocessable("UserData: too much of it").code(u32::from(code.0))),
        None => Err(Problem::unavailable("too many requests wait")),
    }
}

/// A request without a call concerns an agent; its outcome is the event that carries its reference.
async fn post_to_agent_state(stream: &dyn RequestStream, request: Request) -> Result<StatusCode, Problem> {
    let tenant = request.tenant.clone();
    match stream.post(&tenant, &Recipient::AgentState, None, Posted::Request(request)).await {
        Ok(_) => Ok(StatusCode::ACCEPTED),
        Err(error @ StoreError::Full { .. }) => Err(Problem::unavailable(error.to_string())),
        // It may have been posted all the same, and whoever repeats it would have it carried out twice.
        Err(error @ StoreError::Unavailable { .. }) => {
            tracing::warn!(%tenant, %error, "a request about an agent may not have been posted");
            Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "agents-silent", "The store of requests does not answer")
                .code(57))
        }
        Err(error) => {
            tracing::warn!(%tenant, %error, "a request about an agent was not posted");
            Err(Problem::unavailable("agent-state cannot be reached now"))
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Dn, Epoch, NodeId, Owner, ReferenceId, RequestKind, UserData};

    use super::*;
    use crate::test_stores::{set_clock, stores};

    #[tokio::test]
    async fn a_request_about_an_agent_reaches_agent_state() {
        let stores = stores(set_clock());
        let request = Request {
            tenant: TenantId::parse("t1").unwrap(),
            requester: "desk".to_owned(),
            reference: ReferenceId(3),
            this_dn: Dn::parse("7101").unwrap(),
            kind: RequestKind::AgentLogout,
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        assert_eq!(post_to_agent_state(&*stores.requests, request.clone()).await.unwrap(), StatusCode::ACCEPTED);
        let by = Owner { node: NodeId::parse("agent-state-1").unwrap(), epoch: Epoch(1) };
        let taken = stores.requests.take(&request.tenant, &Recipient::AgentState, &by, 10, Duration::ZERO).await;
        let posted: Vec<Posted> = taken.unwrap().into_iter().map(|entry| entry.posted).collect();
        assert_eq!(posted, [Posted::Request(request)]);
    }
}
