//! Reasons for actions, as for being not ready: their declaration, reading and writing.

use contracts::provisioning::{ACTION_CODES_MAX, ActionCode, CodedAction, SUBCODES_MAX, Subcode};

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, list, number, text};

static ORDER: Shape = Shape::Number { min: 0, max: 65_535 };
static ACTION: Shape = Shape::OneOf(CodedAction::NAMES);

static SUBCODES: Shape = Shape::List {
    of: &Shape::Record(&[
        field("code", Required, &NAME, "What requests and events have as SubReasonCode, in quotes."),
        field("name", Required, &NAME, "What people read. A request may have it instead of the code."),
    ]),
    max: SUBCODES_MAX,
};

static ACTION_CODE_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("code", Required, &NAME, "What requests and events have as ReasonCode, in quotes, as \"1\"."),
        field("name", Required, &NAME, "What people read. A request may have it instead of the code."),
        field(
            "order",
            Optional,
            &ORDER,
            "Its place where they choose among them, the lowest first; without it the last.",
        ),
        field(
            "action",
            Optional,
            &ACTION,
            "What it is a reason for; without it not_ready. agent-state knows those of login, logout, ready and not_ready, desktops all.",
        ),
        field(
            "subcodes",
            Optional,
            &SUBCODES,
            "Finer reasons, in the order in which people choose among them. Without it there are none.",
        ),
    ]),
    max: ACTION_CODES_MAX,
};

pub(super) const ACTION_CODES: Field = field(
    "action_codes",
    Optional,
    &ACTION_CODE_LIST,
    "Reasons for what agents do: for being not ready, as a lunch, and for other actions.",
);

pub(super) fn action_code(item: &Node) -> Option<ActionCode> {
    let subcode = |item: &Node| Some(Subcode { code: text(item, "code")?, name: text(item, "name")? });
    Some(ActionCode {
        code: text(item, "code")?,
        name: text(item, "name")?,
        order: number(item, "order"),
        action: text(item, "action").and_then(|action| CodedAction::parse(&action)).unwrap_or_default(),
        subcodes: list(item, "subcodes").iter().filter_map(subcode).collect(),
    })
}

pub(super) fn action_code_line(reason: &ActionCode) -> String {
    let ActionCode { code, name, order, action, subcodes } = reason;
    let order = order.map(|order| format!(", order: {order}")).unwrap_or_default();
    let is_usual = *action == CodedAction::default();
    let action = if is_usual { String::new() } else { format!(", action: {}", action.as_str()) };
    let finer = |Subcode { code, name }: &Subcode| format!("{{code: {}, name: {}}}", scalar(code), scalar(name));
    let finer: Vec<_> = subcodes.iter().map(finer).collect();
    let finer = if finer.is_empty() { String::new() } else { format!(", subcodes: [{}]", finer.join(", ")) };
    format!("- {{code: {}, name: {}{order}{action}{finer}}}", scalar(code), scalar(name))
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::FaultCode;

    use crate::file::{Faults, read, write};

    const HEAD: &str = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\n";

    #[test]
    fn reasons_and_whether_they_are_all_come_back_from_an_export() {
        let codes = "agents: {strict_action_codes: true}\naction_codes:\n  - {code: \"1\", name: Lunch, order: 2}\n  - {code: Call, name: call}\n";
        let objects = read(&format!("{HEAD}{codes}"), |_| Ok(String::new())).expect("a tenant");
        let found: Vec<_> = objects.action_codes.iter().map(|one| (&*one.code, &*one.name, one.order)).collect();
        assert_eq!(found, [("1", "Lunch", Some(2)), ("Call", "call", None)]);
        assert!(objects.tenant.agents.strict_action_codes);
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!((again.action_codes, again.tenant), (objects.action_codes, objects.tenant));
    }

    #[test]
    fn what_a_reason_is_for_and_finer_reasons_come_back_from_an_export() {
        let codes = "action_codes:\n  - {code: \"9\", name: Shift, action: logout, subcodes: [{code: \"1\", name: \"Early: ill\"}, {code: b, name: B}]}\n  - {code: \"1\", name: Lunch}\n";
        let objects = read(&format!("{HEAD}{codes}"), |_| Ok(String::new())).expect("a tenant");
        let found: Vec<_> = objects.action_codes.iter().map(|one| (one.action.as_str(), one.subcodes.len())).collect();
        assert_eq!(found, [("logout", 2), ("not_ready", 0)]);
        let again = read(&write(&objects).yaml, |_| Ok(String::new())).expect("what was exported");
        assert_eq!(again.action_codes, objects.action_codes);
    }

    #[test]
    fn a_finer_reason_is_meant_by_one_code_and_one_name_of_its_reason() {
        let codes = "action_codes:\n  - {code: \"1\", name: Lunch, subcodes: [{code: a, name: a}, {code: b, name: A}, {code: a, name: c}]}\n  - {code: \"2\", name: Tea, subcodes: [{code: a, name: Lunch}]}\n  - {code: \"3\", name: Nap, action: sleeping}\n";
        let Faults(faults) = read(&format!("{HEAD}{codes}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.key, fault.rule.code)).collect();
        assert_eq!(
            told,
            [
                ("action_codes.1.subcodes", FaultCode::Twice),
                ("action_codes.1.subcodes", FaultCode::Twice),
                ("action_codes[2].action", FaultCode::OneOf),
            ]
        );
    }

    #[test]
    fn a_reason_is_meant_by_one_code_and_one_name() {
        let codes = "action_codes:\n  - {code: \"1\", name: Lunch}\n  - {code: \"2\", name: LUNCH}\n  - {code: \"3\", name: \"2\"}\n  - {code: lunch, name: Meal}\n  - {code: \"1\", name: Else}\n";
        let Faults(faults) = read(&format!("{HEAD}{codes}"), |_| Ok(String::new())).expect_err("faults");
        let told: Vec<_> = faults.iter().map(|fault| (fault.line, &*fault.key, &*fault.rule.words)).collect();
        assert_eq!(
            told,
            [
                (8, "action_codes.2.name", "the reason 1 has that code or name already"),
                (9, "action_codes.3.name", "the reason 2 has that code or name already"),
                (10, "action_codes.lunch.code", "the reason 2 has that code or name already"),
                (11, "action_codes[4]", "the name stands on line 7 already"),
            ]
        );
    }
}
