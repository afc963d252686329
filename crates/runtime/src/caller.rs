//! Who sends a request, and the layer that asks every request for it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::{HeaderMap, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use model::TenantId;

use crate::meter::{Meter, Meters, Side};
use crate::problem::Problem;
use crate::token::{ANY_TENANT, Claims, ROLE_SCOPE, Tokens};

/// A caller whose token was verified. Stands in the request's extensions and can be extracted by handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    tenant: Option<TenantId>,
    subject: String,
    scopes: Vec<String>,
}

impl Caller {
    /// From verified claims; `None` where the tenant is no tenant id.
    pub(crate) fn from_claims(claims: Claims) -> Option<Self> {
        let tenant = if claims.tenant == ANY_TENANT { None } else { Some(TenantId::parse(&claims.tenant).ok()?) };
        let scopes = claims.scope.split_whitespace().map(str::to_owned).collect();
        Some(Self { tenant, subject: claims.sub, scopes })
    }

    /// The tenant that the caller is bound to; `None` for roles and operators of the installation.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The subject as in the token.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What kind of caller: a role's name, `operator`, `wallboard`, ...
    pub fn kind(&self) -> &str {
        self.subject.split_once('/').map_or(self.subject.as_str(), |(kind, _)| kind)
    }

    /// The caller's name within its kind: a node for roles.
    pub fn name(&self) -> &str {
        self.subject.split_once('/').map_or("", |(_, name)| name)
    }

    /// The role, if the caller is one of the installation's own.
    pub fn role(&self) -> Option<&str> {
        self.has_scope(ROLE_SCOPE).then(|| self.kind())
    }

    /// Whether the caller has that scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| s == scope)
    }

    /// Refuses (403) a caller that is bound to another tenant. To be asked before anything of a tenant is looked up.
    pub fn may_act_for(&self, tenant: &TenantId) -> Result<(), Problem> {
        match &self.tenant {
            Some(own) if own != tenant => Err(Problem::forbidden("the token is for another tenant")),
            _ => Ok(()),
        }
    }

    /// Refuses (403) a caller without that scope. The installation's own roles may do everything.
    pub fn needs_scope(&self, scope: &str) -> Result<(), Problem> {
        if self.has_scope(scope) || self.role().is_some() {
            return Ok(());
        }
        Err(Problem::forbidden(format!("the token does not have the scope {scope:?}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("no caller token"))
    }
}

/// What a listener needs to ask who calls and to count it.
#[derive(Clone)]
pub struct Gate {
    /// Verifies tokens.
    pub tokens: Tokens,
    /// The role that listens.
    pub role: &'static str,
    /// Ids of the connections that this listener accepts.
    pub accepts: Arc<[&'static str]>,
    /// Counts them.
    pub meters: Meters,
    /// Which paths answer without a token.
    pub open: fn(&str) -> bool,
}

impl Gate {
    /// The meter of the connection that a caller of that kind comes by, and its id.
    pub fn meter_of(&self, caller: &Caller) -> Option<Meter> {
        let id = crate::connections::from_caller(&self.accepts, caller.kind())?;
        Some(self.meters.meter(id, Side::Accepts))
    }
}

/// The layer: 401 without a valid token (RFC 9457, or gRPC status 16), else the [`Caller`] in the extensions.
pub async fn ask(gate: Gate, mut request: Request, next: Next) -> Response {
    if (gate.open)(request.uri().path()) {
        return next.run(request).await;
    }
    let is_grpc = is_grpc(request.headers());
    let caller = match verified(&gate, request.headers()) {
        Ok(caller) => caller,
        Err(problem) => return refuse(problem, is_grpc),
    };
    let meter = gate.meter_of(&caller).map(|meter| meter.peer(caller.name()));
    if let Some(meter) = &meter {
        if let Some(connection) = request.extensions().get::<crate::server::Accepted>() {
            connection.belongs_to(meter);
        }
        meter.request();
    }
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    if let Some(meter) = meter
        && response.status().is_server_error()
    {
        meter.error();
    }
    response
}

fn verified(gate: &Gate, headers: &HeaderMap) -> Result<Caller, Problem> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(|| Problem::unauthorized("no Authorization header"))?;
    let text = value.to_str().map_err(|_| Problem::unauthorized("the Authorization header is not text"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or(("", text));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized("the Authorization header is not Bearer"));
    }
    gate.tokens.verify(token.trim(), gate.role).map_err(|error| Problem::unauthorized(error.to_string()))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"))
}

/// A refusal in the caller's own protocol.
fn refuse(problem: Problem, is_grpc: bool) -> Response {
    if is_grpc {
        return tonic::Status::unauthenticated(problem.detail.unwrap_or(problem.title)).into_http();
    }
    problem.into_response()
}
