//! Reasons for which agents are not ready: their declaration, reading and writing.

use contracts::provisioning::{ACTION_CODES_MAX, ActionCode};

use super::scalar::text as scalar;
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, field};
use super::tree::{Node, number, text};

static ORDER: Shape = Shape::Number { min: 0, max: 65_535 };

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
    ]),
    max: ACTION_CODES_MAX,
};

pub(super) const ACTION_CODES: Field =
    field("action_codes", Optional, &ACTION_CODE_LIST, "Reasons for which agents are not ready, as a lunch.");

pub(super) fn action_code(item: &Node) -> Option<ActionCode> {
    Some(ActionCode { code: text(item, "code")?, name: text(item, "name")?, order: number(item, "order") })
}

pub(super) fn action_code_line(reason: &ActionCode) -> String {
    let ActionCode { code, name, order } = reason;
    let order = order.map(|order| format!(", order: {order}")).unwrap_or_default();
    format!("- {{code: {}, name: {}{order}}}", scalar(code), scalar(name))
}

#[cfg(test)]
mod tests {
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
