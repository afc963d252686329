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
    orchestration::ors::ROLE,
    voice::frontend::ROLE,
    pulse::board::ROLE,
    platform::ingress::ROLE,
];

/// The declarations of all roles.
pub const TABLE: &[&RoleSpec] = &Role::specs::<{ ROLES.len() }>(ROLES);

/// The declaration of the role of that name.
pub fn find(name: &str) -> Option<&'static RoleSpec> {
    TABLE.iter().copied().find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_connections() {
        assert_eq!(runtime::connections::check::check(TABLE), Vec::<String>::new());
        assert_eq!(runtime::connections::coverage::faults(TABLE), Vec::<String>::new());
    }

    #[test]
    fn no_key_is_declared_twice_in_a_section() {
        for section in runtime::process::sections::all(TABLE) {
            for (i, setting) in section.settings.iter().enumerate() {
                let again = section.settings[..i].iter().any(|other| other.key == setting.key);
                assert!(!again, "{}.{}", section.name, setting.key);
                assert!(!setting.doc.is_empty(), "{}.{} says nothing", section.name, setting.key);
            }
        }
    }
}
