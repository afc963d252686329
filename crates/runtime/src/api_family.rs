//! The families of APIs: for which of them a token of a person or a program is (`aud`, RFC 9068 section 2.2), at which paths of the web
//! edge they are, and which listener of which role takes tokens of which. Which family a scope is of stands in the table of scopes.

/// A family of APIs. A token is for some of them, and opens no interface of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiFamily {
    /// Calls and agents: requests, events, webhooks, routing.
    Voice,
    /// A tenant's configuration.
    Tenant,
    /// The wallboard's numbers, and what workforce tools read.
    Statistics,
    /// The published APIs for desktops of agents.
    Gws,
    /// The running installation: topology, traces, metrics, what operators do.
    Operations,
    /// What clients tell of themselves.
    Telemetry,
}

impl ApiFamily {
    /// All of them, in the order in which tokens name them.
    pub const ALL: [Self; 6] =
        [Self::Voice, Self::Tenant, Self::Statistics, Self::Gws, Self::Operations, Self::Telemetry];

    /// Its name in tokens and requests for them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Tenant => "tenant",
            Self::Statistics => "statistics",
            Self::Gws => "gws",
            Self::Operations => "operations",
            Self::Telemetry => "telemetry",
        }
    }

    /// The family of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.as_str() == name)
    }

    /// What its paths at the web edge begin with.
    pub const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Voice => &["/api/voice/v1"],
            Self::Tenant => &["/agent-setup/api", "/scim/v2", "/provisioning/v3", "/salesforce/v1"],
            Self::Statistics => &["/pulse", "/wfm"],
            Self::Gws => &["/workspace/v3", "/statistics/v3"],
            Self::Operations => &["/api/operations/v1"],
            Self::Telemetry => &["/telemetry"],
        }
    }

    /// The family of a path of the web edge.
    pub fn of_path(path: &str) -> Option<Self> {
        let is_below =
            |base: &&str| path.strip_prefix(*base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        Self::ALL.into_iter().find(|family| family.paths().iter().any(is_below))
    }

    /// The families of whose tokens its interfaces take one: its own. Those of telemetry ask for no scope, and take one of any.
    pub const fn taken(self) -> &'static [Self] {
        match self {
            Self::Voice => &[Self::Voice],
            Self::Tenant => &[Self::Tenant],
            Self::Statistics => &[Self::Statistics],
            Self::Gws => &[Self::Gws],
            Self::Operations => &[Self::Operations],
            Self::Telemetry => &Self::ALL,
        }
    }
}

/// The families whose tokens a listener takes. Tokens of roles name the role that they call, and no family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenFamilies {
    /// Those.
    Of(&'static [ApiFamily]),
    /// What the family of the path takes. At a path of none there is nothing to protect: whoever has a token is told so.
    ByPath,
}

impl TakenFamilies {
    /// Those of every role's admin HTTP.
    pub const OF_ADMIN: Self = Self::Of(ApiFamily::Operations.taken());
    /// None: only roles have anything to do there.
    pub const ROLES_ALONE: Self = Self::Of(&[]);

    /// Those of a role's listener. One that is not in the table takes tokens of roles alone.
    pub fn of_listener(role: &str, listener: &str) -> Self {
        let found = LISTENERS.iter().find(|(of, name, _)| (*of, *name) == (role, listener));
        found.map_or(Self::ROLES_ALONE, |(_, _, taken)| *taken)
    }

    /// Those at a path of the listener.
    pub fn at(self, path: &str) -> &'static [ApiFamily] {
        match self {
            Self::Of(families) => families,
            Self::ByPath => match ApiFamily::of_path(path) {
                Some(family) => family.taken(),
                None => &ApiFamily::ALL,
            },
        }
    }
}

/// Every listener of a role that asks for tokens, by its role and its name, with the families of its interfaces.
const LISTENERS: &[(&str, &str, TakenFamilies)] = &[
    ("tenant", "configuration", TakenFamilies::Of(ApiFamily::Tenant.taken())),
    ("tenant", "events", TakenFamilies::Of(ApiFamily::Voice.taken())),
    // Of calls and agents, as the scope that it asks for.
    ("tenant", "statistics", TakenFamilies::Of(ApiFamily::Voice.taken())),
    ("config", "http", TakenFamilies::Of(ApiFamily::Tenant.taken())),
    ("dialplan", "http", TakenFamilies::Of(ApiFamily::Voice.taken())),
    // Carriers' registrations.
    ("registrar", "http", TakenFamilies::Of(ApiFamily::Operations.taken())),
    // The quarantine; requests come from frontend alone.
    ("sip-cluster", "http", TakenFamilies::Of(ApiFamily::Operations.taken())),
    ("sip-cluster", "events", TakenFamilies::Of(ApiFamily::Voice.taken())),
    ("sip-vq", "events", TakenFamilies::Of(ApiFamily::Voice.taken())),
    ("rq", "routing", TakenFamilies::Of(ApiFamily::Voice.taken())),
    ("ors", "http", TakenFamilies::Of(ApiFamily::Voice.taken())),
    ("frontend", "requests", TakenFamilies::Of(ApiFamily::Voice.taken())),
    ("pulse", "web", TakenFamilies::Of(ApiFamily::Statistics.taken())),
    // Both are open at the gate: a desktop has a session, and gws-workspace verifies the token that begins it.
    ("gws-proxy", "web", TakenFamilies::Of(ApiFamily::Gws.taken())),
    ("gws-workspace", "workspace", TakenFamilies::Of(ApiFamily::Gws.taken())),
    // Open at the gate but for what is for roles: clients show a token that gws-statistics verifies.
    ("gws-statistics", "statistics", TakenFamilies::ROLES_ALONE),
    // It is open at the gate, too: a token begins a session there. What programs change is the configuration.
    ("gws-provisioning", "provisioning", TakenFamilies::Of(ApiFamily::Tenant.taken())),
    ("wfm-adapter", "workforce", TakenFamilies::Of(ApiFamily::Statistics.taken())),
    ("agent-setup", "agent-setup", TakenFamilies::Of(ApiFamily::Tenant.taken())),
    // The page is open at the gate: a frame of another site sends no cookie. What it says of a tenant's configuration asks for a token.
    ("salesforce-adapter", "softphone", TakenFamilies::Of(ApiFamily::Tenant.taken())),
    ("telemetry", "telemetry", TakenFamilies::Of(ApiFamily::Telemetry.taken())),
    // Desktops come by gws-workspace.
    ("gws-configuration", "configuration", TakenFamilies::ROLES_ALONE),
    ("gws-voice", "voice", TakenFamilies::ROLES_ALONE),
    ("gws-setting", "setting", TakenFamilies::ROLES_ALONE),
    ("gws-data-collector", "collector", TakenFamilies::ROLES_ALONE),
    ("gws-interaction", "interaction", TakenFamilies::ROLES_ALONE),
    // Who has issued a token says whose it is, whatever it is for.
    ("auth", "auth", TakenFamilies::Of(&ApiFamily::ALL)),
    ("ingress", "web", TakenFamilies::ByPath),
    ("ingress", "webs", TakenFamilies::ByPath),
];

/// The listeners that ask for tokens, each behind its role.
pub fn guarded_listeners() -> impl Iterator<Item = (&'static str, &'static str)> {
    LISTENERS.iter().map(|(role, listener, _)| (*role, *listener))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_has_one_name_and_paths_of_its_own() {
        for family in ApiFamily::ALL {
            assert_eq!(ApiFamily::parse(family.as_str()), Some(family));
            assert!(family.taken().contains(&family), "{family:?}");
            for path in family.paths() {
                assert_eq!(ApiFamily::of_path(path), Some(family), "{path}");
                assert_eq!(ApiFamily::of_path(&format!("{path}/acme/x")), Some(family), "{path}");
                assert_ne!(ApiFamily::of_path(&format!("{path}x")), Some(family), "{path}");
            }
        }
        for none in ["", "/", "/api", "/api/nothing", "/auth/v3/oauth/token", "/agent-setup/people", "/topology"] {
            assert_eq!(ApiFamily::of_path(none), None, "{none}");
        }
        assert_eq!(ApiFamily::parse("Voice"), None);
    }

    #[test]
    fn a_listener_takes_its_families_and_one_that_is_not_known_takes_none() {
        let at = |role, listener, path| TakenFamilies::of_listener(role, listener).at(path);
        assert_eq!(at("tenant", "configuration", "/x"), [ApiFamily::Tenant]);
        assert_eq!(at("tenant", "events", "/x"), [ApiFamily::Voice]);
        assert!(at("tenant", "other", "/x").is_empty());
        assert!(at("gws-voice", "voice", "/voice/v3/acme/requests").is_empty());
        assert_eq!(at("ingress", "webs", "/wfm/v1/acme/agents"), [ApiFamily::Statistics]);
        assert_eq!(at("ingress", "web", "/telemetry/v1/traces"), ApiFamily::ALL);
        assert_eq!(at("ingress", "web", "/api/nothing"), ApiFamily::ALL);
        assert_eq!(TakenFamilies::OF_ADMIN.at("/metrics"), [ApiFamily::Operations]);
    }
}
