//! Groups of DNs: their declaration, reading and writing.

use contracts::provisioning::{DEFAULT_WEIGHT, DnGroup, DnGroupMember, DnGroupType, Object};

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, list, number, text};

/// The most groups of DNs of a tenant.
const DN_GROUPS_MAX: usize = 1_000;
/// The most members of one.
const DN_GROUP_MEMBERS_MAX: usize = 10_000;

// === declaration ===

pub(super) static WEIGHT: Shape = Shape::Number { min: 0, max: 1_000 };
static TYPE: Shape = Shape::OneOf(DnGroupType::NAMES);

static MEMBERS: Shape = Shape::List {
    of: &Shape::Record(&[
        field("dn", Required, &NAME, "The DN, by its number."),
        field("weight", Optional, &WEIGHT, "Its share among the members, 0 for none; without it 1."),
    ]),
    max: DN_GROUP_MEMBERS_MAX,
};

static DN_GROUP_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field(
            "type",
            Required,
            &TYPE,
            "What its members are. single_ports: phones. acd_queues: queues and route points. routing_points: route points. network_ports, service_numbers: DNs of any type.",
        ),
        field("members", Optional, &MEMBERS, "Its DNs; one may be in several groups. Without it there are none."),
    ]),
    max: DN_GROUPS_MAX,
};

pub(super) const DN_GROUPS: Field = field(
    "dn_groups",
    Optional,
    &DN_GROUP_LIST,
    "DNs that are meant together, each with a weight, for programs that read them: no call is distributed by it.",
);

// === reading ===

pub(super) fn dn_group(item: &Node) -> Option<Object> {
    let member = |item: &Node| {
        Some(DnGroupMember { dn: text(item, "dn")?, weight: number(item, "weight").unwrap_or(DEFAULT_WEIGHT) })
    };
    Some(Object::DnGroup(DnGroup {
        name: text(item, "name")?,
        group_type: DnGroupType::parse(&text(item, "type")?)?,
        members: list(item, "members").iter().filter_map(member).collect(),
    }))
}

// === writing ===

pub(super) fn dn_group_line(group: &DnGroup) -> String {
    let DnGroup { name, group_type, members } = group;
    let member = |DnGroupMember { dn, weight }: &DnGroupMember| format!("{{dn: {}, weight: {weight}}}", scalar(dn));
    let members: Vec<_> = members.iter().map(member).collect();
    format!("- {{name: {}, type: {}, members: [{}]}}", scalar(name), group_type.as_str(), members.join(", "))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\napplications: {a: a.scxml}\n\
        phones: [{number: \"7101\", password: pw}]\nroute_points: [{number: \"9000\", application: a}]\nqueues: [q]\n";

    #[test]
    fn groups_of_dns_come_back_from_an_export() {
        let text = "dn_groups:\n  - {name: Floor, type: single_ports, members: [{dn: \"7101\"}]}\n  \
                    - {name: Entry, type: acd_queues, members: [{dn: q, weight: 0}, {dn: \"9000\", weight: 7}]}\n  \
                    - {name: Empty, type: service_numbers}\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let of = |at: usize| objects.dn_groups[at].members.iter().map(|one| (&*one.dn, one.weight)).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2)), (vec![("7101", 1)], vec![("q", 0), ("9000", 7)], vec![]));
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.dn_groups, objects.dn_groups);
    }

    #[test]
    fn a_member_is_there_once_and_is_what_the_group_is_about() {
        let text = "dn_groups:\n  - {name: a, type: single_ports, members: [{dn: \"9000\"}, {dn: \"7102\"}]}\n  \
                    - {name: b, type: routing_points, members: [{dn: \"9000\"}, {dn: \"9000\"}, {dn: q}]}\n  \
                    - {name: A, type: network_ports}\n  - {name: d, type: lines}\n  \
                    - {name: e, type: network_ports, members: [{dn: q, weight: 1001}]}\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(
            told,
            [
                ("dn_groups.a.members", FaultCode::DnType),
                ("dn_groups.a.members", FaultCode::Unknown),
                ("dn_groups.b.members", FaultCode::Twice),
                ("dn_groups.b.members", FaultCode::DnType),
                ("dn_groups[2]", FaultCode::Other),
                ("dn_groups[3].type", FaultCode::OneOf),
                ("dn_groups[4].members[0].weight", FaultCode::OutOfRange),
            ]
        );
        let of = faults.iter().find(|fault| fault.rule.code == FaultCode::DnType).expect("it is there");
        assert_eq!(of.rule.values, [("id", "9000".to_owned()), ("names", "extension".to_owned())]);
    }

    #[test]
    fn the_numbers_of_the_members_of_a_group_fit_into_a_document() {
        let member = |number: usize| format!("{{dn: \"{number:0250}\"}}");
        let told = |count: usize| {
            let members: Vec<String> = (0..count).map(member).collect();
            let text = format!("dn_groups:\n  - {{name: a, type: network_ports, members: [{}]}}\n", members.join(", "));
            let Faults(faults) =
                read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("there are no such DNs");
            faults.iter().any(|fault| fault.rule.code == FaultCode::TooLarge)
        };
        assert_eq!((told(2_097), told(2_098)), (false, true));
    }
}
