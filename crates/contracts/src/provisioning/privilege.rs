//! What people may do: by the part that they play, and with the dashboards of Pulse.

use serde::{Deserialize, Serialize};

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    /// Takes calls, at the person's own place.
    Agent,
    /// Watches agents and queues, listens to calls, sets the states of agents.
    Supervisor,
    /// Reads and changes the configuration, and watches the installation's work for the tenant.
    Administrator,
    /// Makes routing applications.
    Designer,
    /// Connects other programs.
    Integrator,
    /// Reads and changes the objects of folders whose permissions say so, and no others.
    FolderAdministrator,
    /// Sees dashboards and wallboards; stays signed in while one is open.
    ViewDashboard,
    /// Sees them, and does not stay signed in by leaving one open.
    ViewDashboardRestricted,
    /// Opens, closes and arranges dashboards and wallboards, and expands their widgets.
    ManageTabs,
    /// Changes how widgets look.
    EditWidgetDisplay,
    /// Makes and removes widgets, with all that they may have.
    ManageWidgets,
    /// Shares dashboards with others; exports and imports them.
    ManageSharedDashboards,
    /// Makes, changes and removes the templates of widgets; exports and imports them.
    ManageTemplates,
    /// Has as many dashboards as the person likes, where others have a limit.
    AddDashboardsWithoutLimit,
    /// Has as many widgets as the person likes, where others have a limit.
    AddWidgetsWithoutLimit,
    /// Looks after the dashboards and widgets of others.
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

    /// Those that are about the dashboards of Pulse alone.
    pub const OF_DASHBOARDS: [Self; 10] = [
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

    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 16] = {
        let mut names = [""; 16];
        let mut at = 0;
        while at < names.len() {
            names[at] = Self::ALL[at].as_str();
            at += 1;
        }
        names
    };

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Administrator => "administrator",
            Self::Designer => "designer",
            Self::Integrator => "integrator",
            Self::FolderAdministrator => "folder_administrator",
            Self::ViewDashboard => "view_dashboard",
            Self::ViewDashboardRestricted => "view_dashboard_restricted",
            Self::ManageTabs => "manage_tabs",
            Self::EditWidgetDisplay => "edit_widget_display",
            Self::ManageWidgets => "manage_widgets",
            Self::ManageSharedDashboards => "manage_shared_dashboards",
            Self::ManageTemplates => "manage_templates",
            Self::AddDashboardsWithoutLimit => "add_dashboards_without_limit",
            Self::AddWidgetsWithoutLimit => "add_widgets_without_limit",
            Self::ManageUsers => "manage_users",
        }
    }

    /// Finds it by its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// Those that come with it: whoever has it has them, too. They bring no further ones.
    pub const fn implied(self) -> &'static [Self] {
        match self {
            Self::Supervisor => &[Self::ViewDashboard, Self::ManageTabs, Self::EditWidgetDisplay, Self::ManageWidgets],
            Self::Administrator => &Self::OF_DASHBOARDS,
            // Their pages are among the dashboards.
            Self::Designer | Self::Integrator => &[Self::ViewDashboard],
            _ => &[],
        }
    }

    /// Those of which one is needed beside it; none for one that needs no other.
    pub const fn needs_one_of(self) -> &'static [Self] {
        match self {
            Self::ManageTabs => &[Self::ViewDashboard, Self::ViewDashboardRestricted],
            Self::EditWidgetDisplay => &[Self::ManageTabs],
            Self::ManageWidgets => &[Self::EditWidgetDisplay],
            Self::ManageSharedDashboards | Self::ManageTemplates => &[Self::ManageWidgets],
            _ => &[],
        }
    }

    /// These, then those that come with them, each once.
    pub fn with_implied(own: &[Self]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::with_capacity(own.len());
        let implied = own.iter().flat_map(|one| one.implied());
        for one in own.iter().chain(implied) {
            if !all.contains(one) {
                all.push(*one);
            }
        }
        all
    }

    /// Those of a list that need another one, which is neither in it nor comes with what is. A list of which none is so, together with
    /// another such list, has none either: what roles give can be added up.
    pub fn lacking(own: &[Self]) -> Vec<Self> {
        let has = |needed: &Self| own.iter().any(|one| one == needed || one.implied().contains(needed));
        let lacks = |one: &&Self| !one.needs_one_of().is_empty() && !one.needs_one_of().iter().any(has);
        own.iter().filter(lacks).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_has_one_name_everywhere() {
        for (one, name) in Privilege::ALL.into_iter().zip(Privilege::NAMES) {
            assert_eq!((one.as_str(), Privilege::parse(name)), (name, Some(one)));
            assert_eq!(serde_json::to_value(one).unwrap(), name);
        }
        assert_eq!(Privilege::parse("pilot"), None);
    }

    #[test]
    fn nobody_loses_the_dashboards_who_has_seen_them_and_an_agent_gets_none() {
        for one in [Privilege::Supervisor, Privilege::Administrator, Privilege::Designer, Privilege::Integrator] {
            assert!(one.implied().contains(&Privilege::ViewDashboard), "{one:?}");
        }
        for one in [Privilege::Agent, Privilege::FolderAdministrator] {
            assert_eq!(Privilege::with_implied(&[one]), [one]);
        }
        let administrator = Privilege::with_implied(&[Privilege::Administrator]);
        assert!(Privilege::OF_DASHBOARDS.iter().all(|one| administrator.contains(one)));
        assert_eq!(
            Privilege::with_implied(&[Privilege::ManageTabs, Privilege::Supervisor]),
            [
                Privilege::ManageTabs,
                Privilege::Supervisor,
                Privilege::ViewDashboard,
                Privilege::EditWidgetDisplay,
                Privilege::ManageWidgets
            ]
        );
    }

    #[test]
    fn one_that_needs_another_one_is_not_there_alone() {
        use Privilege::{
            EditWidgetDisplay, ManageSharedDashboards, ManageTabs, ManageTemplates, ManageWidgets, Supervisor,
            ViewDashboard, ViewDashboardRestricted,
        };
        for (own, lacking) in [
            (vec![ManageTabs], vec![ManageTabs]),
            (vec![ManageTabs, ViewDashboard], Vec::new()),
            (vec![ViewDashboardRestricted, ManageTabs], Vec::new()),
            (vec![ViewDashboard, EditWidgetDisplay], vec![EditWidgetDisplay]),
            (vec![ViewDashboard, ManageTabs, ManageWidgets], vec![ManageWidgets]),
            (vec![ManageTabs, EditWidgetDisplay, ManageWidgets], vec![ManageTabs]),
            (vec![ManageSharedDashboards, ManageTemplates], vec![ManageSharedDashboards, ManageTemplates]),
            (vec![Supervisor, ManageSharedDashboards, ManageTemplates], Vec::new()),
            (vec![Privilege::AddWidgetsWithoutLimit, Privilege::ManageUsers], Vec::new()),
        ] {
            assert_eq!(Privilege::lacking(&own), lacking, "{own:?}");
        }
    }

    fn some() -> impl Strategy<Value = Vec<Privilege>> {
        proptest::sample::subsequence(Privilege::ALL.to_vec(), 0..=Privilege::ALL.len())
    }

    /// Some that lack nothing.
    fn whole() -> impl Strategy<Value = Vec<Privilege>> {
        some().prop_map(|mut own| {
            for _ in 0..Privilege::ALL.len() {
                let lacking = Privilege::lacking(&own);
                own.retain(|one| !lacking.contains(one));
            }
            own
        })
    }

    proptest! {
        #[test]
        fn lists_that_lack_nothing_lack_nothing_together(one in whole(), other in whole()) {
            let both: Vec<Privilege> = one.iter().chain(&other).copied().collect();
            prop_assert!(Privilege::lacking(&both).is_empty());
        }

        #[test]
        fn what_comes_with_privileges_brings_nothing_further_and_lacks_nothing(own in some()) {
            let all = Privilege::with_implied(&own);
            prop_assert_eq!(&Privilege::with_implied(&all), &all);
            prop_assert!(own.iter().all(|one| all.contains(one)));
            prop_assert_eq!(Privilege::lacking(&all), Privilege::lacking(&own));
        }
    }
}
