//! The table of roles. A new role is one line here.

use runtime::RoleSpec;

/// Every role of this binary, in the order in which they start.
pub const TABLE: &[&RoleSpec] = &[
    &tenant::role::SPEC,
    &voice::config::SPEC,
    &voice::dialplan::SPEC,
    &voice::sip_proxy::SPEC,
    &voice::registrar::SPEC,
    &voice::media_server::SPEC,
    &voice::sip_cluster::SPEC,
    &voice::agent_state::SPEC,
    &voice::call_state::SPEC,
    &voice::rq::SPEC,
    &orchestration::ors::SPEC,
    &voice::frontend::SPEC,
    &pulse::board::SPEC,
    &platform::ingress::SPEC,
];

/// The role of that name.
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
