//! Switches, and which DN is of which: their declaration, reading and writing.

use contracts::provisioning::{Object, Switch, SwitchAccessCode};

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, flag, list, text};

/// The most switches of a tenant.
const SWITCHES_MAX: usize = 1_000;

// === declaration ===

static DIGITS: Shape = Shape::Text { max: 16 };

static ACCESS_CODES: Shape = Shape::List {
    of: &Shape::Record(&[
        field("switch", Required, &NAME, "The other switch."),
        field("code", Required, &DIGITS, "What is dialled, of digits, * and #; the DN's number comes behind it."),
    ]),
    max: SWITCHES_MAX,
};

static SWITCH_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field(
            "default",
            Optional,
            &Shape::Flag,
            "Whether it is that of the DNs that name none; one switch at most is. Without it false.",
        ),
        field(
            "access_codes",
            Optional,
            &ACCESS_CODES,
            "What its DNs dial before the number of a DN of another switch. They reach it by its number alone, too.",
        ),
    ]),
    max: SWITCHES_MAX,
};

pub(super) const SWITCHES: Field = field(
    "switches",
    Optional,
    &SWITCH_LIST,
    "Names for parts of the DNs, as other systems tell their switches apart.",
);

/// That of a DN.
pub(super) const DNS_SWITCH: Field =
    field("switch", Optional, &NAME, "Its switch; without it the one that is the default, if any.");

// === reading ===

pub(super) fn switch(item: &Node) -> Option<Object> {
    let code = |item: &Node| Some(SwitchAccessCode { switch: text(item, "switch")?, code: text(item, "code")? });
    Some(Object::Switch(Switch {
        name: text(item, "name")?,
        default: flag(item, "default").unwrap_or_default(),
        access_codes: list(item, "access_codes").iter().filter_map(code).collect(),
    }))
}

// === writing ===

pub(super) fn switch_line(switch: &Switch) -> String {
    let Switch { name, default, access_codes } = switch;
    let default = if *default { ", default: true" } else { "" };
    let code = |of: &SwitchAccessCode| {
        let SwitchAccessCode { switch, code } = of;
        format!("{{switch: {}, code: {}}}", scalar(switch), scalar(code))
    };
    let codes = match access_codes.as_slice() {
        [] => String::new(),
        codes => format!(", access_codes: [{}]", codes.iter().map(code).collect::<Vec<_>>().join(", ")),
    };
    format!("- {{name: {}{default}{codes}}}", scalar(name))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n";

    #[test]
    fn switches_and_who_is_of_one_come_back_from_an_export() {
        let text = "applications: {a: a.scxml}\n\
                    switches: [{name: Berlin, default: true, access_codes: [{switch: Paris, code: \"*33\"}]}, {name: Paris}]\n\
                    phones: [{number: \"1\", password: secret, switch: Paris}, {number: \"2\", password: secret}]\n\
                    route_points: [{number: \"3\", application: a, switch: Paris}]\n\
                    services: [{number: \"4\", type: echo, switch: Paris}]\n\
                    queues: [q, {name: r, switch: Paris, folder: F}]\nfolders: [{path: F}]\n";
        let objects = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect("a tenant");
        let of_paris = objects.dns.iter().filter(|dn| dn.switch.as_deref() == Some("Paris")).count();
        assert_eq!((of_paris, objects.switches[0].access_codes[0].code.as_str()), (4, "*33"));
        let exported = write(&objects).yaml;
        let again = read(&exported, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again, objects, "{exported}");
    }

    #[test]
    fn a_switch_that_is_named_is_there_and_a_code_leads_to_one() {
        let text = "switches:\n  - {name: a, default: true, access_codes: [{switch: x, code: \"1\"}, {switch: a, code: \"2\"}]}\n  \
                    - {name: b, default: true, access_codes: [{switch: a, code: \"1\"}, {switch: c, code: \"1\"}]}\n  \
                    - {name: c, access_codes: [{switch: a, code: x}]}\n\
                    phones: [{number: \"1\", password: secret, switch: Nowhere}]\n";
        let Faults(faults) = read(&format!("{HEAD}{text}"), |_| Ok(String::new())).expect_err("faults");
        let mut told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        told.sort();
        assert_eq!(
            told,
            [
                ("1.switch", FaultCode::Unknown),
                ("switches.a.access_codes", FaultCode::Unknown),
                ("switches.a.access_codes", FaultCode::Circle),
                ("switches.b.access_codes", FaultCode::Twice),
                ("switches.b.default", FaultCode::Held),
                ("switches.c.access_codes", FaultCode::Dialled),
            ]
        );
    }

    #[test]
    fn no_access_code_begins_as_a_feature_code_behind_which_a_number_is_dialled() {
        let with = |access: &str, feature: &str, action: &str| {
            let text = format!(
                "switches: [{{name: a, access_codes: [{{switch: b, code: \"{access}\"}}]}}, {{name: b}}]\n\
                 feature_codes: [{{code: \"{feature}\", action: {action}}}]\n"
            );
            let read = read(&format!("{HEAD}{text}"), |_| Ok(String::new()));
            let Faults(faults) = read.err().unwrap_or(Faults(Vec::new()));
            faults.into_iter().map(|fault| (fault.key, fault.rule.code)).collect::<Vec<_>>()
        };
        let refused = [("switches.a.access_codes".to_owned(), FaultCode::Held)];
        for (access, feature) in [("*8", "*8"), ("*81", "*8"), ("*", "*8"), ("*8", "*89")] {
            for action in ["pickup", "park", "forward_always"] {
                assert_eq!(with(access, feature, action), refused, "{access} {feature} {action}");
            }
            assert!(with(access, feature, "login").is_empty(), "{access} {feature}");
        }
        assert!(with("*9", "*8", "pickup").is_empty() && with("8", "*8", "pickup").is_empty());
    }
}
