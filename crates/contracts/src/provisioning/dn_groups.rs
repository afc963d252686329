//! Groups of DNs.

use serde::{Deserialize, Serialize};

use super::DnKind;
use super::wire_names::wire_names;

/// The weight of a member where nothing is said.
pub const DEFAULT_WEIGHT: u32 = 1;

/// DNs that are meant together, as the queues of a department.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnGroup {
    /// Its name.
    pub name: String,
    /// What its members are.
    #[serde(rename = "type")]
    pub group_type: DnGroupType,
    /// Its members. A DN may be in several groups.
    #[serde(default)]
    pub members: Vec<DnGroupMember>,
}

/// A member of a group of DNs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnGroupMember {
    /// The DN, by its number.
    pub dn: String,
    /// Its share among the members; 0 is none.
    #[serde(default = "weight")]
    pub weight: u32,
}

pub(super) const fn weight() -> u32 {
    DEFAULT_WEIGHT
}

wire_names! {
    /// What the members of a group of DNs are.
    DnGroupType {
        /// Phones.
        SinglePorts "single_ports",
        /// DNs in which calls wait.
        AcdQueues "acd_queues",
        /// DNs at which applications decide.
        RoutingPoints "routing_points",
        /// Entries from another network: DNs of any type.
        NetworkPorts "network_ports",
        /// What callers from outside reach: DNs of any type.
        ServiceNumbers "service_numbers",
    }
}

impl DnGroupType {
    /// The types of the DNs that may be in it, by their names on the wire.
    pub const fn dn_types(self) -> &'static [&'static str] {
        match self {
            Self::SinglePorts => &["extension"],
            Self::AcdQueues => &["virtual_queue", "route_point"],
            Self::RoutingPoints => &["route_point"],
            Self::NetworkPorts | Self::ServiceNumbers => &DnKind::NAMES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_members_are_types_of_dns_and_a_weight_may_be_left_out() {
        for of in DnGroupType::ALL {
            assert!(of.dn_types().iter().all(|name| DnKind::NAMES.contains(name)), "{of:?}");
            assert_eq!(DnGroupType::parse(of.as_str()), Some(*of));
        }
        let json = r#"{"name":"Entry","type":"routing_points","members":[{"dn":"9000"},{"dn":"9001","weight":0}]}"#;
        let group: DnGroup = serde_json::from_str(json).unwrap();
        assert_eq!(group.members.iter().map(|member| member.weight).collect::<Vec<_>>(), [DEFAULT_WEIGHT, 0]);
        assert!(serde_json::to_string(&group).unwrap().contains(r#""type":"routing_points""#));
    }
}
