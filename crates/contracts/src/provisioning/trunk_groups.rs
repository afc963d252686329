//! Groups of trunks.

use serde::{Deserialize, Serialize};

use super::dn_groups::weight;

/// Trunks that take the calls to some numbers together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkGroup {
    /// Its name.
    pub name: String,
    /// What the numbers begin with.
    pub prefix: String,
    /// Its trunks. One may be in several groups.
    pub members: Vec<TrunkGroupMember>,
}

/// A trunk of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkGroupMember {
    /// The trunk.
    pub trunk: String,
    /// Its place: the lowest is tried first.
    #[serde(default)]
    pub order: u32,
    /// Its share of the calls among those of the same place; 0 takes those that no other takes.
    #[serde(default = "weight")]
    pub weight: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_a_weight_may_be_left_out() {
        let json = r#"{"name":"World","prefix":"+","members":[{"trunk":"a"},{"trunk":"b","order":2,"weight":0}]}"#;
        let group: TrunkGroup = serde_json::from_str(json).unwrap();
        let members: Vec<_> =
            group.members.iter().map(|member| (&*member.trunk, member.order, member.weight)).collect();
        assert_eq!(members, [("a", 0, 1), ("b", 2, 0)]);
    }
}
