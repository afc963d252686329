//! The caller of a request: whom its token names, and what that caller may do.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use infra::Clock;
use model::request::Concern;
use model::{AgentId, Dn, Request as Asked, RequestKind, TenantId, Timestamp};

use crate::claims::{ANY_TENANT, Claims, ROLE_SCOPE, SERVICE};
use crate::connections::role_scopes;
use crate::problem::Problem;
use crate::refused_roles;
use crate::scope;

/// How often the expiry of a token is checked for an open connection or stream.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The kind of callers who are people of a tenant.
const PERSON: &str = "person";

/// A caller whose token was verified. It is in the request's extensions; handlers can extract it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    tenant: Option<TenantId>,
    subject: String,
    scopes: Vec<String>,
    believed_until: Timestamp,
    tie: Option<Tie>,
    session: Option<String>,
    client: Option<String>,
    /// Of a tied token: whether it may follow the facts of its own DN and agent.
    follows_own: bool,
    /// Of a role: the connections by which it has come, by their ids. They say what it may, its token does not.
    connections: Vec<&'static str>,
}

/// Binds a token to one DN and, optionally, one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The only DN for which the bearer may make requests.
    pub dn: Dn,
    /// The only agent who may be logged in there.
    pub agent: Option<AgentId>,
}

impl Caller {
    /// From verified claims; `None` if tenant, DN or agent is invalid, or if an agent is named without a DN.
    pub(crate) fn from_claims(claims: Claims) -> Option<Self> {
        let tenant = if claims.tenant == ANY_TENANT { None } else { Some(TenantId::parse(&claims.tenant).ok()?) };
        let agent = claims.agent.map(|agent| AgentId::parse(&agent)).transpose().ok()?;
        let tie = match claims.dn {
            Some(dn) => Some(Tie { dn: Dn::parse(&dn).ok()?, agent }),
            None if agent.is_some() => return None,
            None => None,
        };
        let follows_own = tie.is_some() && claims.scope.split_whitespace().any(|scope| scope == scope::CALLS_READ);
        // The other scopes that apply to one DN are those of requests: a tied token has no further one, whatever it claims, but for what is
        // about no DN.
        let opens =
            |scope: &&str| tie.is_none() || scope::REQUESTS.contains(scope) || scope::BESIDE_TIE.contains(scope);
        let scopes = claims.scope.split_whitespace().filter(opens).map(str::to_owned).collect();
        let believed_until = crate::claims::believed_until(claims.exp);
        // Within the installation a role is named as in logs and facts.
        let subject = claims.sub.strip_prefix(SERVICE).map_or_else(|| claims.sub.clone(), str::to_owned);
        let (session, client) = (claims.sid, claims.client_id);
        let connections = Vec::new();
        Some(Self { tenant, subject, scopes, believed_until, tie, session, client, follows_own, connections })
    }

    /// The role that has come by these connections, and may what they give.
    #[must_use]
    pub(crate) fn by_connections(self, connections: Vec<&'static str>) -> Self {
        Self { connections, ..self }
    }

    /// When the token expires, including the tolerated clock difference.
    pub const fn believed_until(&self) -> Timestamp {
        self.believed_until
    }

    /// Waits until the token expires; streams that it opened end then. Never resolves for a role, which issues its own
    /// tokens.
    pub fn ends(&self, clock: Arc<dyn Clock>) -> impl Future<Output = ()> + Send + use<> {
        let until = self.role().is_none().then_some(self.believed_until);
        async move {
            let Some(until) = until else { return std::future::pending().await };
            // Timers stop while a machine sleeps, the clock does not.
            while clock.now() < until {
                tokio::time::sleep(until.since(clock.now()).min(LOOK_AGAIN)).await;
            }
        }
    }

    /// The tenant that the caller is bound to; `None` for roles and operators of the installation.
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The subject as in the token; of a role `<role>/<node>`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The sign-in that the token came from (`sid`): a browser's session, a sign-in at a program, or the id of an API key.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The client to which the token was issued.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The kind of caller: a role's name, `operator`, `wallboard`, ...
    pub fn kind(&self) -> &str {
        self.subject.split_once('/').map_or(self.subject.as_str(), |(kind, _)| kind)
    }

    /// The caller's name within its kind: a node for roles.
    pub fn name(&self) -> &str {
        self.subject.split_once('/').map_or("", |(_, name)| name)
    }

    /// The user name, if the caller is a person of a tenant: what such a one sees of its objects, folders say.
    pub fn person(&self) -> Option<&str> {
        (self.role().is_none() && self.kind() == PERSON).then(|| self.name())
    }

    /// The role, if the caller is one of the installation's own.
    pub fn role(&self) -> Option<&str> {
        self.has_scope(ROLE_SCOPE).then(|| self.kind())
    }

    /// Whether the caller has that scope: by its token or, if it is a role, by the connection by which it has come.
    pub fn has_scope(&self, scope: &str) -> bool {
        let is_given = |id: &&'static str| role_scopes::given_by(id).contains(&scope);
        self.scopes.iter().any(|own| own == scope) || self.connections.iter().any(is_given)
    }

    /// Refuses (403) a caller that is bound to another tenant. Call it before any data of a tenant is looked up.
    pub fn may_act_for(&self, tenant: &TenantId) -> Result<(), Problem> {
        match &self.tenant {
            Some(own) if own != tenant => Err(Problem::forbidden("the token is for another tenant")),
            _ => Ok(()),
        }
    }

    /// Refuses (403) a caller without that scope.
    pub fn needs_scope(&self, scope: &str) -> Result<(), Problem> {
        debug_assert!(scope::find(scope).is_some(), "{scope:?} is not in the table of scopes");
        if self.has_scope(scope) {
            return Ok(());
        }
        Err(match self.role() {
            Some(role) => self.refusal_of_role(role, &format!("the scope {scope:?}")),
            None => Problem::forbidden(format!("the token does not have the scope {scope:?}")),
        })
    }

    /// The refusal of a role, which is told in the log too: either its key is in other hands, or a connection gives too little.
    fn refusal_of_role(&self, role: &str, lacking: &str) -> Problem {
        let connection = match self.connections.as_slice() {
            [] => "no connection".to_owned(),
            ids => ids.join(", "),
        };
        if refused_roles::is_told_now(role, &format!("{connection} {lacking}")) {
            let node = self.name();
            tracing::warn!(
                role,
                node,
                connection,
                lacking,
                "a role is refused: its connection does not give what it asks for"
            );
        }
        Problem::forbidden(format!("the role {role} has come by {connection}, which does not give {lacking}"))
    }

    /// Refuses (403) a caller who may not follow calls and agents; returns the tie that limits what it may see.
    pub fn may_follow(&self) -> Result<Option<&Tie>, Problem> {
        if !self.follows_own {
            self.needs_scope(scope::CALLS_READ)?;
        }
        Ok(self.tie.as_ref())
    }

    /// Refuses (403), before the body is read, a caller who may make no requests at all.
    pub fn may_ask_at_all(&self) -> Result<(), Problem> {
        if scope::REQUESTS.iter().any(|scope| self.has_scope(scope)) {
            return Ok(());
        }
        let scopes = scope::REQUESTS.join(", ");
        Err(match self.role() {
            Some(role) => self.refusal_of_role(role, &format!("one of the scopes {scopes}")),
            None => Problem::forbidden(format!("the token has none of the scopes {scopes}")),
        })
    }

    /// Refuses (403) a request for which the caller lacks the scope, or whose DN is not the one that the token is tied
    /// to. The tenant is checked before.
    pub fn may_ask(&self, asked: &Asked) -> Result<(), Problem> {
        self.needs_scope(scope::of_request(&asked.kind))?;
        let Some(tie) = &self.tie else { return Ok(()) };
        if asked.this_dn != tie.dn {
            return Err(Problem::forbidden(format!("the token is tied to the DN {}", tie.dn)));
        }
        // Its effect is not limited to the DN that makes it.
        if asked.kind.request_type().concern == Concern::WholeCall {
            let reason = format!("the token is tied to the DN {}, and this concerns a whole call", tie.dn);
            return Err(Problem::forbidden(reason));
        }
        match (&tie.agent, &asked.kind) {
            // Without a name, the place's own agent would be logged in, whoever that is.
            (Some(own), RequestKind::AgentLogin(agent, ..)) if agent.as_ref() != Some(own) => {
                Err(Problem::forbidden(format!("the token is tied to the agent {own}, whom AgentID must name")))
            }
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("no caller token"))
    }
}
