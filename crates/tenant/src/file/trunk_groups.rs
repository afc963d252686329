//! Groups of trunks: their declaration, reading and writing.

use contracts::provisioning::{DEFAULT_WEIGHT, Object, TrunkGroup, TrunkGroupMember};

use super::dn_groups::WEIGHT;
use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, list, number, text};

/// The most groups of trunks of a tenant.
const TRUNK_GROUPS_MAX: usize = 1_000;
/// The most trunks of one.
const TRUNK_GROUP_MEMBERS_MAX: usize = 100;

// === declaration ===

static ORDER: Shape = Shape::Number { min: 0, max: 1_000 };

static MEMBERS: Shape = Shape::List {
    of: &Shape::Record(&[
        field("trunk", Required, &NAME, "The trunk."),
        field("order", Optional, &ORDER, "Its place: the lowest is tried first. Without it 0."),
        field(
            "weight",
            Optional,
            &WEIGHT,
            "Its share of the calls among those of the same place; 0 takes those that no other takes. Without it 1.",
        ),
    ]),
    max: TRUNK_GROUP_MEMBERS_MAX,
};

static TRUNK_GROUP_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field(
            "prefix",
            Required,
            &NAME,
            "What the numbers begin with that are called by it, as +49. Of groups and trunks, those with the longest prefix take a call, and groups before trunks of the same prefix.",
        ),
        field(
            "members",
            Required,
            &MEMBERS,
            "Its trunks, each with `contact` and `prefix`; one may be in several groups.",
        ),
    ]),
    max: TRUNK_GROUPS_MAX,
};

pub(super) const TRUNK_GROUPS: Field = field(
    "trunk_groups",
    Optional,
    &TRUNK_GROUP_LIST,
    "Trunks that take the calls to some numbers together, whatever their own order and weight are. Routes of dial_rules go before them.",
);

// === reading ===

pub(super) fn trunk_group(item: &Node) -> Option<Object> {
    let member = |item: &Node| {
        Some(TrunkGroupMember {
            trunk: text(item, "trunk")?,
            order: number(item, "order").unwrap_or_default(),
            weight: number(item, "weight").unwrap_or(DEFAULT_WEIGHT),
        })
    };
    Some(Object::TrunkGroup(TrunkGroup {
        name: text(item, "name")?,
        prefix: text(item, "prefix")?,
        members: list(item, "members").iter().filter_map(member).collect(),
    }))
}

// === writing ===

pub(super) fn trunk_group_line(group: &TrunkGroup) -> String {
    let TrunkGroup { name, prefix, members } = group;
    let member = |TrunkGroupMember { trunk, order, weight }: &TrunkGroupMember| {
        format!("{{trunk: {}, order: {order}, weight: {weight}}}", scalar(trunk))
    };
    let members: Vec<_> = members.iter().map(member).collect();
    format!("- {{name: {}, prefix: {}, members: [{}]}}", scalar(name), scalar(prefix), members.join(", "))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\ntrunks:\n  - {name: main, allow: [203.0.113.0/24], contact: \"203.0.113.9:5060\", prefix: \"+\"}\n  - {name: inward, allow: [198.51.100.0/24]}\n";

    #[test]
    fn groups_of_trunks_come_back_from_an_export() {
        let text = "trunk_groups:\n  - {name: Germany, prefix: \"+49\", members: [{trunk: main}]}\n  \
                    - {name: World, prefix: \"+\", members: [{trunk: main, order: 2, weight: 0}]}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let of = |at: usize| (&*objects.trunk_groups[at].prefix, objects.trunk_groups[at].members[0].clone());
        let ((germany, usual), (world, other)) = (of(0), of(1));
        assert_eq!((germany, usual.order, usual.weight), ("+49", 0, 1));
        assert_eq!((world, other.order, other.weight), ("+", 2, 0));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.trunk_groups, objects.trunk_groups);
    }

    #[test]
    fn a_group_has_trunks_by_which_calls_go_out() {
        let text = "trunk_groups:\n  - {name: a, prefix: \"+49x\", members: [{trunk: main}]}\n  \
                    - {name: b, prefix: \"+\", members: []}\n  \
                    - {name: c, prefix: \"+\", members: [{trunk: main}, {trunk: main}, {trunk: gone}, {trunk: inward}]}\n  \
                    - {name: d, prefix: \"+\", members: [{trunk: main, order: 1001}]}\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(
            told,
            [
                ("trunk_groups.a.prefix", FaultCode::Dialled),
                ("trunk_groups.b.members", FaultCode::Needed),
                ("trunk_groups.c.members", FaultCode::NoWayOut),
                ("trunk_groups.c.members", FaultCode::Twice),
                ("trunk_groups.c.members", FaultCode::Unknown),
                ("trunk_groups[3].members[0].order", FaultCode::OutOfRange),
            ]
        );
    }
}
