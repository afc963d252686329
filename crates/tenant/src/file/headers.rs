//! The rules about headers of a trunk: `headers` of an entry of `trunks`.

use contracts::provisioning::{HeaderRule, HeaderRuleAction, HeaderRuleOn};

use super::scalar::{optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Shape, field};
use super::tree::{Node, list, text};

const HEADER: Shape = Shape::Text { max: 64 };
const VALUE: Shape = Shape::Text { max: 512 };
const PATTERN: Shape = Shape::Text { max: 256 };

/// The list of rules.
pub(super) static HEADERS: Shape = Shape::List {
    of: &Shape::Record(&[
        field(
            "on",
            Required,
            &Shape::OneOf(&HeaderRuleOn::NAMES),
            "Which INVITEs it is about: sent to the carrier, or received from it.",
        ),
        field(
            "action",
            Required,
            &Shape::OneOf(&HeaderRuleAction::NAMES),
            "What it does: add a line, set the only line, remove lines, or rewrite what a pattern finds in each.",
        ),
        field("header", Required, &HEADER, "The header, by its long or compact name."),
        field(
            "value",
            Optional,
            &VALUE,
            "For add and set: the value; {caller}, {called}, {trunk}, {call} and {header:NAME} stand for what they say.",
        ),
        field(
            "pattern",
            Optional,
            &PATTERN,
            "For rewrite and remove: a regular expression. Without it remove is about every line.",
        ),
        field(
            "replace",
            Optional,
            &VALUE,
            "For rewrite: what takes the place of what was found; $1 to $9 are its groups. Without it nothing.",
        ),
    ]),
    max: 32,
};

/// The rules of a trunk; those with faults are left out.
pub(super) fn rules(trunk: &Node) -> Vec<HeaderRule> {
    let rule = |item: &Node| {
        Some(HeaderRule {
            on: HeaderRuleOn::parse(&text(item, "on")?)?,
            action: HeaderRuleAction::parse(&text(item, "action")?)?,
            header: text(item, "header")?,
            value: text(item, "value"),
            pattern: text(item, "pattern"),
            replace: text(item, "replace"),
        })
    };
    list(trunk, "headers").iter().filter_map(rule).collect()
}

/// The key of a trunk's line; nothing if it has no rules.
pub(super) fn line(rules: &[HeaderRule]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let rule = |rule: &HeaderRule| {
        let more = optional("value", rule.value.as_deref())
            + &optional("pattern", rule.pattern.as_deref())
            + &optional("replace", rule.replace.as_deref());
        let (on, action) = (scalar(rule.on.as_str()), scalar(rule.action.as_str()));
        format!("{{on: {on}, action: {action}, header: {}{more}}}", scalar(&rule.header))
    };
    format!(", headers: [{}]", rules.iter().map(rule).collect::<Vec<_>>().join(", "))
}
