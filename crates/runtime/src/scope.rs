//! The scopes of caller tokens: the rights of the bearer. The book's page and `trunkline token` are made from this
//! table.

use std::fmt::Write;

use model::request::{Concern, RequestKind};

use crate::api_family::ApiFamily;
use crate::settings::nearest;

/// A scope with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Name, as in the token.
    pub name: &'static str,
    /// The family of the interfaces that ask for it.
    pub family: ApiFamily,
    /// The rights of the bearer, one string per source line.
    doc: &'static [&'static str],
}

macro_rules! scopes {
    ($( $(#[doc = $doc:literal])+ $constant:ident = $name:literal of $family:ident; )+) => {
        $( $(#[doc = $doc])+ pub const $constant: &str = $name; )+

        /// Every scope that is issued to people and programs.
        pub const TABLE: &[Scope] = &[ $(
            Scope { name: $name, family: ApiFamily::$family, doc: &[$($doc),+] }
        ),+ ];
    };
}

scopes! {
    /// Operate a running installation: log levels, quarantined records.
    OPERATE = "operate" of Operations;
    /// Follow the events of calls and agents and request snapshots of them; with the phone numbers of callers.
    CALLS_READ = "calls:read" of Voice;
    /// Make requests about calls: answer, hold, release, route.
    CALLS_CONTROL = "calls:control" of Voice;
    /// Make requests about agents: log in and out, ready, not ready.
    AGENTS_CONTROL = "agents:control" of Voice;
    /// Listen to calls of others, speak to their agents or join them.
    CALLS_MONITOR = "calls:monitor" of Voice;
    /// Set the state of other agents, as a supervisor: log them out, make them ready or not.
    AGENTS_SUPERVISE = "agents:supervise" of Voice;
    /// Begin the session of a desktop for oneself. It gives no right over a DN: what the session may there, its other scopes say.
    WORKSPACE_USE = "workspace:use" of Gws;
    /// Read a tenant's configuration, without its secrets.
    CONFIG_READ = "config:read" of Tenant;
    /// Read its secrets too: passwords of phones and trunks; have PINs checked. For roles; rarely for other callers.
    CONFIG_SECRETS = "config:secrets" of Tenant;
    /// Change a tenant's configuration: put, delete and restore its objects.
    CONFIG_WRITE = "config:write" of Tenant;
    /// Query the destination of a dialled number.
    DIALPLAN = "dialplan" of Voice;
    /// Request an agent for a call, and follow the request.
    ROUTING = "routing" of Voice;
    /// Read queues and the reason for each call's agent.
    ROUTING_READ = "routing:read" of Voice;
    /// Read the wallboard's numbers: queues, agents by name and state; no call and no phone number.
    STATISTICS_READ = "statistics:read" of Statistics;
    /// Read the connections between the roles and their counts, of all tenants together: for who runs the installation.
    TOPOLOGY_READ = "topology:read" of Operations;
    /// Make, change and remove webhooks, and read what they did not take: all events of calls and agents, with the phone numbers of callers.
    WEBHOOKS = "webhooks" of Voice;
    /// Read what happened to a call, with phone numbers masked.
    TRACE_READ = "trace:read" of Operations;
    /// See its phone numbers in full.
    TRACE_NUMBERS = "trace:numbers" of Operations;
}

/// The scope that a request needs: decided by whom it concerns, never by other fields.
pub const fn of_request(kind: &RequestKind) -> &'static str {
    match kind.request_type().concern {
        Concern::Party | Concern::WholeCall | Concern::NewCall => CALLS_CONTROL,
        Concern::Monitoring | Concern::MonitoredAgent => CALLS_MONITOR,
        Concern::Agent => AGENTS_CONTROL,
        Concern::SupervisedAgent => AGENTS_SUPERVISE,
    }
}

/// The scopes of requests: a caller without any of them may make none.
pub const REQUESTS: [&str; 4] = [CALLS_CONTROL, CALLS_MONITOR, AGENTS_CONTROL, AGENTS_SUPERVISE];

/// The scopes that are about no DN, which the tied token of an agent may have besides, most of them by other privileges: they open there what
/// they open without a tie.
pub const BESIDE_TIE: [&str; 6] = [STATISTICS_READ, CONFIG_READ, CONFIG_WRITE, TRACE_READ, WEBHOOKS, WORKSPACE_USE];

/// The scopes that a token may have that is tied to one DN.
pub const OF_ONE_DN: [&str; 5] = [CALLS_READ, CALLS_CONTROL, CALLS_MONITOR, AGENTS_CONTROL, AGENTS_SUPERVISE];

impl Scope {
    /// The rights of the bearer, in one line.
    pub fn meaning(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
}

/// The scope of that name.
pub fn find(name: &str) -> Option<&'static Scope> {
    TABLE.iter().find(|scope| scope.name == name)
}

/// The families of the interfaces that the scopes of a token open, separated by blanks there; one may come several times.
pub fn families(scope: &str) -> impl Iterator<Item = ApiFamily> {
    scope.split_whitespace().filter_map(find).map(|scope| scope.family)
}

/// The known name that was probably intended.
pub fn near(name: &str) -> Option<&'static str> {
    nearest(name, TABLE.iter().map(|scope| scope.name))
}

/// The table as a page of the book.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for scope in TABLE {
        let _ = writeln!(page, "| `{}` | `{}` | {} |", scope.name, scope.family.as_str(), scope.meaning());
    }
    page.push_str(AFTER);
    page
}

/// The text before the table.
const HEAD: &str = "\
# Caller tokens

Generated by `cargo xtask docs` from the table of scopes (`trunkline specs --scopes`).

Every interface except SIP, `/live`, `/ready` and the files of the web pages requires a caller token: `Authorization: Bearer <token>`. A token
names its bearer (`sub`), tenant, APIs (`aud`), scopes (`scope`) and expiry. It is signed with a key of the installation: `keys/signing.keys` in
the data directory has these keys, sealed with `keys/installation.key` beside it. Role auth makes a new one each 30 days, and each verifies for
60 days more. Everybody who can read that directory can issue tokens. In production, give the command the same `--settings` and `--data-dir` as
the installation. The roles' own tokens are signed with a key of each role, `keys/services/<role>.p8`, which makes nobody else: a process reads
those of the roles that it runs, and that is what proves who it is. Every process verifies tokens by the keys in `keys/public`.

    trunkline token --tenant example --scope calls:read --scope agents:control --sub adapter/crm --life 8h

- `--tenant` binds the token to one tenant, which must exist; for others it gets 403. A token without it is valid for all tenants: for operators.
- `--scope` may be repeated. A scope that is not in the table is refused.
- `aud` says for which families of APIs the token is, as one name or a list: those of its scopes, as the table says. With `config:read` alone it is
  `tenant`. Interfaces of other families answer 401. Those of `telemetry` ask for no scope and take a token of any family; so does auth, which has issued it.
  `--aud` names fewer families, and all scopes must be of them, or a role, as `--aud frontend`; it may be repeated.
- `--dn` ties the token to one DN of the tenant: it is valid for requests of that DN alone, and for none about a call as a whole (`TClearCall`, `TQueryCall`
  and those for user data). `--agent` also names the only agent who may be logged in there. Such a token has only the scopes `calls:read`, `calls:control`,
  `calls:monitor`, `agents:control` and `agents:supervise`; with `calls:read` it follows the events of that DN and that agent alone. That of an agent who
  has signed in has besides what is about no DN, as it is: `workspace:use`, and by other privileges `statistics:read`, `config:read`, `config:write`,
  `trace:read` and `webhooks`.
- `--life` is at most 31 days. Such tokens cannot be revoked: keep lifetimes short and scopes few. Those of people who sign in can ([signing in](sign-in.md)).
- A program of others shows an [API key](api-keys.md) in the place of a token: the web edge exchanges it.
- 401: there is no valid token, or it is for other APIs; where a token was shown, `WWW-Authenticate` has `error=\"invalid_token\"`. 403: it is for another
  tenant, is tied to another DN, or lacks the scope that the answer names.

| scope | API | rights |
|---|---|---|
";

/// The text after the table.
const AFTER: &str = "
## How a process knows

Each process looks at `keys/public` in the data directory each second: the public keys by `kid`, and what was revoked, which auth writes within
250 ms. So a new key is known an hour before it signs, and what is revoked is refused everywhere within two seconds; auth need not run for
that. What happens [when the files cannot be read](sign-in-keys.md#when-keys-cannot-be-read) stands with the keys.

With `process.keys_from_auth = true` a process asks auth for the same by HTTP (`own-15`), each second, and reads no files of other roles
([processes that ask auth](sign-in-keys.md#processes-that-ask-auth)). A role proves itself by an assertion that it signs with its own key
(`private_key_jwt`, RFC 7523). Roles have no certificates, so whoever answered at the address of auth could name keys of its own: auth proves
itself by the key of its role, of which each process has the public half, `keys/public/auth.json`, beforehand. A copy of the whole directory is
no way round: its processes take tokens that were revoked since, and refuse keys that were made since ([what is supported](production.md)).
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_named_once_and_explained() {
        for (i, scope) in TABLE.iter().enumerate() {
            assert!(!TABLE[..i].iter().any(|other| other.name == scope.name), "{}", scope.name);
            assert!(scope.meaning().len() > 10 && scope.meaning().ends_with('.'), "{}", scope.name);
            assert_ne!(scope.name, crate::token::ROLE_SCOPE);
        }
    }

    #[test]
    fn a_mistyped_scope_finds_the_one_that_was_meant() {
        assert_eq!(near("call:read"), Some("calls:read"));
        assert_eq!(near("statistic:read"), Some("statistics:read"));
        assert_eq!(near("everything"), None);
        assert!(find("calls:read").is_some() && find("calls").is_none());
    }
}
