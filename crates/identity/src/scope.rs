//! Scopes: which ones people have by their privileges, and what of them a token gets.

use std::collections::BTreeSet;

/// The scopes of OpenID Connect: they say what a client learns of a person, and give no rights.
pub const OF_IDENTITY: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// Asks for an ID token.
pub const OPENID: &str = "openid";
/// Asks for a refresh token.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// Begins the session of a desktop.
pub const WORKSPACE: &str = "workspace:use";
/// Reads the configuration: begins the session of a program that changes it.
pub const READS_CONFIGURATION: &str = "config:read";
/// Published programs ask for this alone: all that there is.
const EVERYTHING: &str = "*";

/// What a person is in the contact centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Privilege {
    /// Takes calls.
    Agent,
    /// Looks after agents.
    Supervisor,
    /// Changes the configuration.
    Administrator,
    /// Writes applications.
    Designer,
    /// Connects programs.
    Integrator,
    /// Changes the configuration as far as the permissions of folders go.
    FolderAdministrator,
    /// Sees dashboards.
    ViewDashboard,
    /// Sees dashboards, in a session that is not kept by leaving them open.
    ViewDashboardRestricted,
    /// Opens and arranges dashboards.
    ManageTabs,
    /// Changes how widgets look.
    EditWidgetDisplay,
    /// Makes and removes widgets.
    ManageWidgets,
    /// Shares dashboards.
    ManageSharedDashboards,
    /// Makes templates of widgets.
    ManageTemplates,
    /// Has no limit of dashboards.
    AddDashboardsWithoutLimit,
    /// Has no limit of widgets.
    AddWidgetsWithoutLimit,
    /// Looks after the dashboards of others.
    ManageUsers,
}

impl Privilege {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Agent,
        Self::Supervisor,
        Self::Administrator,
        Self::Designer,
        Self::Integrator,
        Self::FolderAdministrator,
        Self::ViewDashboard,
        Self::ViewDashboardRestricted,
        Self::ManageTabs,
        Self::EditWidgetDisplay,
        Self::ManageWidgets,
        Self::ManageSharedDashboards,
        Self::ManageTemplates,
        Self::AddDashboardsWithoutLimit,
        Self::AddWidgetsWithoutLimit,
        Self::ManageUsers,
    ];

    /// Whether it gives a say over the calls and agents of the whole tenant: a tie to one DN would take that away. The scopes of all others
    /// are about no DN, and an agent who has them too stays tied. A privilege that is added must be named, so that this is thought of.
    pub const fn is_over_all_agents(self) -> bool {
        match self {
            Self::Supervisor | Self::Administrator => true,
            Self::Agent
            | Self::Designer
            | Self::Integrator
            | Self::FolderAdministrator
            | Self::ViewDashboard
            | Self::ViewDashboardRestricted
            | Self::ManageTabs
            | Self::EditWidgetDisplay
            | Self::ManageWidgets
            | Self::ManageSharedDashboards
            | Self::ManageTemplates
            | Self::AddDashboardsWithoutLimit
            | Self::AddWidgetsWithoutLimit
            | Self::ManageUsers => false,
        }
    }

    /// The scopes that come with it.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &["calls:read", "calls:control", "agents:control", WORKSPACE],
            Self::Supervisor => &[
                "calls:read",
                "calls:control",
                "agents:control",
                "agents:supervise",
                "calls:monitor",
                "statistics:read",
                WORKSPACE,
            ],
            // Not `topology:read`: it shows what the roles of all tenants have in common.
            Self::Administrator => &["config:read", "config:write", "trace:read", "webhooks", "statistics:read"],
            Self::Designer => &["config:read", "trace:read", "statistics:read"],
            Self::Integrator => &["config:read", "webhooks", "statistics:read"],
            // What of the configuration that is, tenant decides for each object.
            Self::FolderAdministrator => &["config:read", "config:write"],
            Self::ViewDashboard | Self::ViewDashboardRestricted => &["statistics:read"],
            // Nothing that is there yet asks for them.
            Self::ManageTabs
            | Self::EditWidgetDisplay
            | Self::ManageWidgets
            | Self::ManageSharedDashboards
            | Self::ManageTemplates
            | Self::AddDashboardsWithoutLimit
            | Self::AddWidgetsWithoutLimit
            | Self::ManageUsers => &[],
        }
    }
}

/// Whether the tokens of such a person are tied to one DN: those of an agent who is neither supervisor nor administrator. Whoever may see
/// dashboards, or the configuration, gets no say over the calls of others by it: a folder administrator may make agents, and folder
/// administrators, and would have the calls of the whole tenant through somebody who is both.
pub fn is_tied(privileges: &[Privilege]) -> bool {
    privileges.contains(&Privilege::Agent) && !privileges.iter().any(|privilege| privilege.is_over_all_agents())
}

/// The scopes of a person, sorted. An agent whose tokens are tied and who has no DN has none of an agent's that are about a DN: without a tie
/// they would be valid for every one. A desktop such an agent may open, but take no DN there.
pub fn of_person(privileges: &[Privilege], has_dn: bool) -> BTreeSet<&'static str> {
    let lacks_tie = is_tied(privileges) && !has_dn;
    let counts = |of: Privilege, scope: &str| !lacks_tie || of != Privilege::Agent || scope == WORKSPACE;
    let scopes = privileges.iter().flat_map(|of| of.scopes().iter().map(move |scope| (*of, *scope)));
    scopes.filter(|&(of, scope)| counts(of, scope)).map(|(_, scope)| scope).collect()
}

/// Whether a program of a tenant may have that scope: some person of a tenant may have it. Others are for who runs the installation, so
/// that nobody who configures a tenant hands out more than the tenant has.
pub fn is_of_tenant(name: &str) -> bool {
    Privilege::ALL.iter().any(|privilege| privilege.scopes().contains(&name))
}

/// What is granted of `may`: those that are asked for, or all of them. Unknown ones and those that the bearer may not have are left
/// out (RFC 6749 section 3.3); `None` if nothing of what was asked for is left.
pub fn granted<'a>(may: impl IntoIterator<Item = &'a str>, asked: Option<&str>) -> Option<String> {
    let may: BTreeSet<&str> = may.into_iter().collect();
    let wanted: BTreeSet<&str> = asked.unwrap_or(EVERYTHING).split_whitespace().collect();
    let all = wanted.is_empty() || wanted.contains(EVERYTHING);
    let mut granted: Vec<&str> = wanted.iter().copied().filter(|scope| OF_IDENTITY.contains(scope)).collect();
    granted.extend(may.iter().copied().filter(|scope| all || wanted.contains(scope)));
    (all || !granted.is_empty()).then(|| granted.join(" "))
}

/// Whether the scope contains that name.
pub fn contains(scope: &str, name: &str) -> bool {
    scope.split_whitespace().any(|one| one == name)
}

/// What of an earlier grant is granted again (RFC 6749 section 6): never more than then, and never more than the bearer may have by now.
pub fn narrowed<'a>(before: &str, may: impl IntoIterator<Item = &'a str>, asked: Option<&str>) -> Option<String> {
    let still: BTreeSet<&str> = may.into_iter().filter(|scope| contains(before, scope)).collect();
    let identity: Vec<&str> = OF_IDENTITY.into_iter().filter(|scope| contains(before, scope)).collect();
    let wanted: Option<BTreeSet<&str>> = asked
        .map(|asked| asked.split_whitespace().collect())
        .filter(|wanted: &BTreeSet<&str>| !wanted.is_empty() && !wanted.contains(EVERYTHING));
    let is_wanted = |scope: &&str| wanted.as_ref().is_none_or(|wanted| wanted.contains(scope));
    let granted: Vec<&str> = identity.into_iter().chain(still).filter(is_wanted).collect();
    (wanted.is_none() || !granted.is_empty()).then(|| granted.join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_agent_is_tied_and_has_nothing_about_dns_without_one() {
        let agent = [Privilege::Agent];
        assert!(is_tied(&agent) && !is_tied(&[]) && !is_tied(&[Privilege::Agent, Privilege::Supervisor]));
        assert_eq!(
            of_person(&agent, true).into_iter().collect::<Vec<_>>(),
            ["agents:control", "calls:control", "calls:read", "workspace:use"]
        );
        assert_eq!(of_person(&agent, false).into_iter().collect::<Vec<_>>(), ["workspace:use"]);
        let both = of_person(&[Privilege::Agent, Privilege::Administrator], false);
        assert!(both.contains("webhooks") && both.contains("calls:control"));
    }

    #[test]
    fn an_agent_who_sees_dashboards_is_tied_still() {
        for view in [Privilege::ViewDashboard, Privilege::ViewDashboardRestricted] {
            let both = [Privilege::Agent, view, Privilege::ManageTabs];
            assert!(is_tied(&both) && !is_tied(&[view]));
            let scopes = |has_dn| of_person(&both, has_dn).into_iter().collect::<Vec<_>>();
            let of_agent = ["agents:control", "calls:control", "calls:read", "statistics:read", "workspace:use"];
            assert_eq!(scopes(true), of_agent);
            assert_eq!(scopes(false), ["statistics:read", "workspace:use"]);
            assert_eq!(of_person(&[view], false).into_iter().collect::<Vec<_>>(), ["statistics:read"]);
        }
    }

    #[test]
    fn an_agent_is_untied_by_supervisor_and_administrator_alone() {
        let of_agent = Privilege::Agent.scopes();
        for other in Privilege::ALL.into_iter().filter(|other| *other != Privilege::Agent) {
            let is_over_all = matches!(other, Privilege::Supervisor | Privilege::Administrator);
            let both = [Privilege::Agent, other];
            assert_eq!(is_tied(&both), !is_over_all, "{other:?}");
            if is_over_all {
                continue;
            }
            assert!(other.scopes().iter().all(|scope| !of_agent.contains(scope)), "{other:?} has calls without a tie");
            let own: BTreeSet<&str> = other.scopes().iter().copied().collect();
            let without_dn: BTreeSet<&str> = own.iter().copied().chain([WORKSPACE]).collect();
            assert_eq!(of_person(&both, false), without_dn, "{other:?}");
            assert!(of_agent.iter().chain(&own).all(|scope| of_person(&both, true).contains(scope)), "{other:?}");
        }
        let all = [Privilege::FolderAdministrator, Privilege::Designer, Privilege::Integrator, Privilege::Agent];
        assert!(is_tied(&all) && !is_tied(&all[..3]));
    }

    #[test]
    fn what_is_of_the_installation_is_not_of_a_tenant() {
        for scope in [
            "operate",
            "role",
            "config:secrets",
            "trace:numbers",
            "topology:read",
            "dialplan",
            "routing",
            "openid",
            "*",
            "",
        ] {
            assert!(!is_of_tenant(scope), "{scope}");
        }
        for scope in ["calls:read", "calls:monitor", "config:write", "webhooks", "trace:read", "workspace:use"] {
            assert!(is_of_tenant(scope), "{scope}");
        }
    }

    #[test]
    fn nobody_gets_more_than_there_is() {
        let may = ["calls:read", "webhooks"];
        assert_eq!(granted(may, None).as_deref(), Some("calls:read webhooks"));
        assert_eq!(granted(may, Some("*")).as_deref(), Some("calls:read webhooks"));
        assert_eq!(granted(may, Some("openid webhooks operate")).as_deref(), Some("openid webhooks"));
        assert_eq!(granted(may, Some("operate role")), None);
        assert_eq!(granted([], None).as_deref(), Some(""));
    }

    #[test]
    fn a_refresh_narrows_and_never_widens() {
        let may = ["calls:read", "webhooks"];
        assert_eq!(narrowed("openid calls:read", may, None).as_deref(), Some("openid calls:read"));
        assert_eq!(narrowed("openid calls:read", may, Some("*")).as_deref(), Some("openid calls:read"));
        assert_eq!(narrowed("openid calls:read", may, Some("calls:read webhooks")).as_deref(), Some("calls:read"));
        assert_eq!(narrowed("calls:read operate", may, None).as_deref(), Some("calls:read"), "a lost privilege");
        assert_eq!(narrowed("calls:read", may, Some("webhooks")), None);
    }

    proptest! {
        #[test]
        fn what_is_granted_was_allowed_and_asked_for(
            may in proptest::collection::btree_set("[a-d]", 0..4), asked in proptest::option::of("([a-f*] ?){0,5}"),
            before in "([a-f] ?){0,5}",
        ) {
            let all = |asked: &str| asked.trim().is_empty() || asked.contains('*');
            for scope in granted(may.iter().map(String::as_str), asked.as_deref()).unwrap_or_default().split_whitespace() {
                prop_assert!(may.contains(scope));
                prop_assert!(asked.as_deref().is_none_or(|asked| all(asked) || contains(asked, scope)));
            }
            let again = narrowed(&before, may.iter().map(String::as_str), asked.as_deref());
            for scope in again.unwrap_or_default().split_whitespace() {
                prop_assert!(may.contains(scope) && contains(&before, scope));
            }
        }
    }
}
