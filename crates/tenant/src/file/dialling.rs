//! Schedules and rules about dialled numbers: their declaration, reading and writing.

use call::dial_plan::RULES_MAX;
use contracts::provisioning::{DialAction, DialRule, ObjectKind, Schedule, Spender, TenantObjects};

use super::annexes::onto;
use super::scalar::{flow, optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{NAME, Shape, field};
use super::tree::{Node, number, text, texts};

// === declaration ===

const LINES: Shape = Shape::List { of: &NAME, max: call::dial_plan::LINES_MAX };

pub(super) static SCHEDULES: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("time_zone", Optional, &NAME, "The time zone of its clock; without it the tenant's."),
        field("open", Required, &LINES, "When numbers are open: \"Mon-Fri 08:00-18:00\", \"Sat,Sun 10:00-14:00\"."),
        field(
            "exceptions",
            Optional,
            &LINES,
            "Dates with hours of their own: \"2026-12-24 09:00-12:00\", \"2026-12-25 closed\", \"2026-12-27..2026-12-31 closed\".",
        ),
    ]),
    max: 1_000,
};

pub(super) static DIAL_RULES: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name, which a trace shows."),
        field(
            "pattern",
            Required,
            &NAME,
            "The numbers that it is about: digits, +, * and # are themselves, x is any digit, [2-4] one of these, and . at the end whatever follows.",
        ),
        field(
            "action",
            Required,
            &Shape::OneOf(&["emergency", "block", "translate", "caller_id", "limit", "route", "send", "receive"]),
            "emergency: nothing stops these numbers. block: they are not called. translate: they stand for others. caller_id: who is called there is shown another number. limit: only so much is spent on them in a day. route: they are called by a trunk. send: a trunk gets them written otherwise. receive: what they mean in calls of a trunk.",
        ),
        field("reason", Optional, &NAME, "For block: why, for who calls and in the trace."),
        field(
            "remove",
            Optional,
            &REMOVE,
            "For translate, send and receive: how many characters are removed at the beginning; without it none.",
        ),
        field("add", Optional, &NAME, "For translate, send and receive: what is put before the rest."),
        field("caller_id", Optional, &NAME, "For caller_id: the number that is shown."),
        field(
            "trunk",
            Optional,
            &NAME,
            "For emergency: the trunk that is tried first. For route: the trunk. For caller_id, send and receive: the trunk for which the rule applies; without it all.",
        ),
        field(
            "per",
            Optional,
            &Shape::OneOf(&["phone", "agent", "tenant"]),
            "For limit: whether each phone may spend that much, each agent at whichever phone, or all calls of the tenant together; without it phone.",
        ),
        field(
            "cost",
            Optional,
            &SPENT,
            "For route: what a call costs, in a unit of your own. The cheapest trunk is tried first; without it 0.",
        ),
        field(
            "schedule",
            Optional,
            &NAME,
            "For route: the schedule in whose hours the rule applies; without it always.",
        ),
        field("calls", Optional, &SPENT, "For limit: how many calls in a day."),
        field("minutes", Optional, &SPENT, "For limit: how many minutes of calls in a day."),
    ]),
    max: RULES_MAX,
};

static SPENT: Shape = Shape::Number { min: 0, max: 10_000_000 };

static REMOVE: Shape = Shape::Number { min: 0, max: 64 };

/// Why a number is not called, where a rule does not say.
const BLOCKED: &str = "this number is not called";

// === reading ===

pub(super) fn schedule(item: &Node) -> Option<Schedule> {
    Some(Schedule {
        name: text(item, "name")?,
        time_zone: text(item, "time_zone"),
        open: texts(item, "open"),
        exceptions: texts(item, "exceptions"),
    })
}

pub(super) fn dial_rule(item: &Node, place: usize) -> Option<DialRule> {
    let removed = || number(item, "remove").unwrap_or_default();
    let added = || text(item, "add").unwrap_or_default();
    let action = match text(item, "action")?.as_str() {
        "emergency" => DialAction::Emergency { trunk: text(item, "trunk") },
        "block" => DialAction::Block { reason: text(item, "reason").unwrap_or_else(|| BLOCKED.to_owned()) },
        "translate" => DialAction::Translate { remove: removed(), add: added() },
        "caller_id" => {
            DialAction::CallerId { shows: text(item, "caller_id").unwrap_or_default(), trunk: text(item, "trunk") }
        }
        "route" => DialAction::Route {
            trunk: text(item, "trunk").unwrap_or_default(),
            cost: number(item, "cost").unwrap_or_default(),
            schedule: text(item, "schedule"),
        },
        "send" => DialAction::Send { remove: removed(), add: added(), trunk: text(item, "trunk") },
        "receive" => DialAction::Receive { remove: removed(), add: added(), trunk: text(item, "trunk") },
        "limit" => DialAction::Limit {
            per: text(item, "per").and_then(|per| Spender::parse(&per)).unwrap_or(Spender::Phone),
            calls: number(item, "calls"),
            minutes: number(item, "minutes"),
        },
        _ => return None,
    };
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    Some(DialRule { name: text(item, "name")?, place, pattern: text(item, "pattern")?, action })
}

// === writing ===

/// The lines of the sections `schedules` and `dial_rules`.
pub(super) fn lines(objects: &TenantObjects) -> (Vec<String>, Vec<String>) {
    let schedule = |schedule: &Schedule| {
        let zone = optional("time_zone", schedule.time_zone.as_deref());
        let (open, exceptions) = (listed(&schedule.open), listed(&schedule.exceptions));
        format!("- {{name: {}{zone}, open: {open}, exceptions: {exceptions}}}", scalar(&schedule.name))
    };
    let rule = |rule: &DialRule| {
        let more = match &rule.action {
            DialAction::Emergency { trunk } => optional("trunk", trunk.as_deref()),
            DialAction::Block { reason } => optional("reason", Some(reason)),
            DialAction::Translate { remove, add } => rewrites(*remove, add),
            DialAction::Send { remove, add, trunk } | DialAction::Receive { remove, add, trunk } => {
                rewrites(*remove, add) + &optional("trunk", trunk.as_deref())
            }
            DialAction::Route { trunk, cost, schedule } => {
                optional("trunk", Some(trunk)) + &format!(", cost: {cost}") + &optional("schedule", schedule.as_deref())
            }
            DialAction::CallerId { shows, trunk } => {
                optional("caller_id", Some(shows)) + &optional("trunk", trunk.as_deref())
            }
            DialAction::Limit { per, calls, minutes } => {
                let most = |key: &str, most: &Option<u32>| most.map(|most| format!(", {key}: {most}"));
                let per = optional("per", Some(per.as_str()));
                per + &[most("calls", calls), most("minutes", minutes)].into_iter().flatten().collect::<String>()
            }
        };
        let (name, pattern, action) = (scalar(&rule.name), scalar(&rule.pattern), rule.action.as_str());
        format!("- {{name: {name}, pattern: {pattern}, action: {action}{more}}}")
    };
    let schedules = objects.schedules.iter().map(|o| onto(objects, ObjectKind::Schedule, &o.name, schedule(o)));
    let rules = objects.dial_rules.iter().map(|o| onto(objects, ObjectKind::DialRule, &o.name, rule(o)));
    (schedules.collect(), rules.collect())
}

fn rewrites(remove: u32, add: &str) -> String {
    format!(", remove: {remove}{}", optional("add", Some(add).filter(|add| !add.is_empty())))
}

fn listed(lines: &[String]) -> String {
    flow(lines.iter().map(String::as_str))
}

#[cfg(test)]
mod tests;
