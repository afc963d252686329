//! The table of roles. A new role is one line here.

use runtime::{Role, RoleSpec};

/// Every role of this binary, in the order in which they start.
pub const ROLES: &[Role] = &[
    tenant::role::ROLE,
    voice::config::ROLE,
    voice::dialplan::ROLE,
    voice::sip_proxy::ROLE,
    voice::registrar::ROLE,
    voice::media_server::ROLE,
    voice::sip_cluster::ROLE,
    voice::agent_state::ROLE,
    voice::call_state::ROLE,
    voice::rq::ROLE,
    voice::sip_vq::ROLE,
    orchestration::ors::ROLE,
    voice::frontend::ROLE,
    voice::webrtc::ROLE,
    pulse::board::ROLE,
    platform::auth::ROLE,
    platform::telemetry::ROLE,
    platform::bds::ROLE,
    platform::wfm_adapter::ROLE,
    platform::agent_setup::ROLE,
    platform::salesforce_adapter::ROLE,
    gws::gws_configuration::ROLE,
    gws::gws_voice::ROLE,
    gws::gws_setting::ROLE,
    gws::gws_statistics::ROLE,
    gws::gws_data_collector::ROLE,
    gws::gws_interaction::ROLE,
    gws::gws_workspace::ROLE,
    gws::gws_provisioning::ROLE,
    gws::gws_proxy::ROLE,
    platform::ingress::ROLE,
];

/// The declarations of all roles.
pub const TABLE: &[&RoleSpec] = &Role::specs::<{ ROLES.len() }>(ROLES);

/// The role of that name.
pub fn find(name: &str) -> Option<Role> {
    ROLES.iter().copied().find(|role| role.spec.name == name)
}

#[cfg(test)]
mod tests {
    use runtime::api_family::{self, TakenFamilies};
    use runtime::process::sections;
    use runtime::{Drains, Listen, Protocol, Starts, connections};

    use super::*;

    #[test]
    fn the_table_agrees_with_the_connections() {
        assert_eq!(runtime::connections::check::check(TABLE), Vec::<String>::new());
        assert_eq!(runtime::connections::coverage::faults(TABLE), Vec::<String>::new());
        assert_eq!(runtime::connections::role_scopes::faults(TABLE), Vec::<String>::new());
    }

    /// Every role but auth itself may ask for keys, and auth has a port for it.
    #[test]
    fn any_role_can_ask_auth_for_keys() {
        let id = runtime::key_files::CONNECTION;
        let askers = TABLE.iter().filter(|spec| connections::opens(spec, id)).count();
        assert_eq!((askers, runtime::key_files::port_of_auth(TABLE)), (TABLE.len() - 1, Some(8080)));
    }

    /// The roles that a connection to the listener gives that scope.
    fn who_may(scope: &str, to: &str, listener: &str) -> Vec<&'static str> {
        let accepts =
            find(to).and_then(|role| role.spec.listen(listener)).map(|listen| listen.accepts).unwrap_or_default();
        let may = |spec: &RoleSpec| {
            let connections = connections::opened_by(TABLE, accepts, spec.name);
            connections.iter().any(|id| connections::role_scopes::given_by(id).contains(&scope))
        };
        names(may)
    }

    #[test]
    fn what_would_do_the_most_harm_is_given_to_those_who_need_it_alone() {
        let given: [(&str, &str, &str, &[&str]); 11] = [
            ("config:write", "tenant", "configuration", &[]),
            ("config:secrets", "tenant", "configuration", &["auth"]),
            (
                "config:read",
                "tenant",
                "configuration",
                &[
                    "media",
                    "pulse",
                    "auth",
                    "bds",
                    "wfm-adapter",
                    "salesforce-adapter",
                    "gws-configuration",
                    "gws-statistics",
                    "gws-data-collector",
                ],
            ),
            ("calls:control", "tenant", "events", &["gws-voice"]),
            ("calls:read", "tenant", "events", &["pulse", "wfm-adapter", "gws-voice", "ingress"]),
            ("calls:read", "tenant", "statistics", &["gws-statistics", "gws-data-collector"]),
            ("config:secrets", "config", "http", &["sip-proxy", "registrar", "sip-cluster", "webrtc"]),
            ("calls:control", "frontend", "requests", &["tenant", "ors"]),
            ("agents:supervise", "frontend", "requests", &["tenant"]),
            ("routing", "rq", "routing", &["ors"]),
            ("routing:read", "rq", "routing", &["tenant"]),
        ];
        for (scope, to, listener, who) in given {
            assert_eq!(who_may(scope, to, listener), who, "{scope} at {listener} of {to}");
        }
        // These are for people and programs alone.
        let all = connections::all().iter().flat_map(|row| connections::role_scopes::given_by(row.id));
        for never in all {
            assert!(!["operate", "config:write", "webhooks", "statistics:read"].contains(never), "{never}");
        }
    }

    #[test]
    fn a_role_comes_by_one_connection_to_each_listener() {
        for role in TABLE {
            for listen in role.listens {
                for from in TABLE {
                    let by = connections::opened_by(TABLE, listen.accepts, from.name);
                    assert!(by.len() < 2, "{} to {} of {}: {by:?}", from.name, listen.name, role.name);
                }
            }
        }
    }

    #[test]
    fn the_numbers_of_roles_never_change() {
        let numbers = [
            ("sip-proxy", 1),
            ("sip-cluster", 2),
            ("sip-vq", 3),
            ("registrar", 4),
            ("dialplan", 5),
            ("config", 6),
            ("frontend", 7),
            ("agent-state", 8),
            ("call-state", 9),
            ("rq", 10),
            ("ors", 11),
            ("voicemail", 12),
            ("media", 13),
            ("webrtc", 14),
            ("designer", 15),
            ("tenant", 16),
            ("gws-proxy", 20),
            ("gws-configuration", 21),
            ("gws-data-collector", 22),
            ("gws-interaction", 23),
            ("gws-voice", 24),
            ("gws-statistics", 25),
            ("gws-setting", 26),
            ("gws-workspace", 27),
            ("gws-provisioning", 28),
            ("pulse", 30),
            ("ingress", 40),
            ("auth", 41),
            ("telemetry", 42),
            ("bds", 43),
            ("wfm-adapter", 44),
            ("agent-setup", 45),
            ("salesforce-adapter", 46),
        ];
        assert_eq!(runtime::address::numbers(TABLE), numbers);
    }

    fn names(which: impl Fn(&RoleSpec) -> bool) -> Vec<&'static str> {
        TABLE.iter().filter(|spec| which(spec)).map(|spec| spec.name).collect()
    }

    #[test]
    fn every_listener_that_asks_for_tokens_says_for_which_apis_and_no_other_does() {
        let asks = |listen: &&Listen| matches!(listen.protocol, Protocol::Http | Protocol::Https | Protocol::Grpc);
        let of_role = |spec: &&'static RoleSpec| {
            let role = spec.name;
            spec.listens.iter().filter(asks).map(move |listen| (role, listen.name)).collect::<Vec<_>>()
        };
        let mut asking: Vec<_> = TABLE.iter().flat_map(of_role).collect();
        let mut told: Vec<_> = api_family::guarded_listeners().collect();
        asking.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, asking, "see the table in crates/runtime/src/api_family.rs");
        let for_roles_alone = [
            ("gws-configuration", "configuration"),
            ("gws-voice", "voice"),
            ("gws-setting", "setting"),
            ("gws-statistics", "statistics"),
            ("gws-data-collector", "collector"),
            ("gws-interaction", "interaction"),
        ];
        for of in told {
            for path in ["/", "/api/nothing", "/wfm/v1/acme/agents"] {
                let takes_none = TakenFamilies::of_listener(of.0, of.1).at(path).is_empty();
                assert_eq!(takes_none, for_roles_alone.contains(&of), "{of:?} {path}");
            }
        }
    }

    #[test]
    fn configuration_starts_first_in_the_order_in_which_it_is_passed_on() {
        assert_eq!(names(|spec| spec.starts == Starts::First), ["tenant", "config"]);
        assert_eq!(names(|_| true)[..2], ["tenant", "config"], "both are first in the table too");
    }

    #[test]
    fn calls_end_before_the_roles_that_they_need() {
        assert_eq!(names(|spec| spec.drains == Drains::Signalling), ["sip-proxy", "registrar"]);
        assert_eq!(names(|spec| spec.drains == Drains::CallOwner), ["sip-cluster"]);
        assert_eq!(names(|spec| spec.drains == Drains::CallService), ["media", "rq", "ors"]);
    }

    #[test]
    fn the_option_replicas_multiplies_roles_that_can_lose_one() {
        let settings = sections::replica_settings(TABLE, 2);
        assert_eq!(
            settings,
            [
                "replicas.sip_cluster=2",
                "replicas.sip_vq=2",
                "replicas.dialplan=2",
                "replicas.config=2",
                "replicas.frontend=2",
                "replicas.webrtc=2",
                "replicas.gws_proxy=2",
                "replicas.gws_configuration=2",
                "replicas.gws_data_collector=2",
                "replicas.gws_interaction=2",
                "replicas.gws_voice=2",
                "replicas.gws_statistics=2",
                "replicas.gws_setting=2",
                "replicas.gws_workspace=2",
                "replicas.gws_provisioning=2",
                "replicas.salesforce_adapter=2"
            ]
        );
    }

    #[test]
    fn no_key_is_declared_twice_in_a_section() {
        for section in sections::all(TABLE) {
            for (i, setting) in section.settings.iter().enumerate() {
                let again = section.settings[..i].iter().any(|other| other.key == setting.key);
                assert!(!again, "{}.{}", section.name, setting.key);
                assert!(!setting.doc.is_empty(), "{}.{} says nothing", section.name, setting.key);
            }
        }
    }
}
