//! Schedules and rules about dialled numbers: their declaration, reading, checks and writing.

use call::dial_plan::{Pattern, RULES_MAX, Schedule as Hours};
use contracts::provisioning::{DialAction, DialRule, ObjectKind, Schedule, TenantObjects};

use super::declaration::{NAME, field};
use super::read::{number, text, texts};
use super::rules::Rules;
use super::shape::Need::{Optional, Required};
use super::shape::Shape;
use super::tree::Node;
use super::write::{flow, optional, text as scalar};

// === declaration ===

const LINES: Shape = Shape::List { of: &NAME, max: call::dial_plan::LINES_MAX };

pub(super) static SCHEDULES: Shape = Shape::List {
    of: &Shape::Record(&[
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
    of: &Shape::Record(&[
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
            &Shape::OneOf(&["emergency", "block", "translate", "caller_id"]),
            "emergency: nothing stops these numbers. block: they are not called. translate: they stand for others. caller_id: who is called there is shown another number.",
        ),
        field("reason", Optional, &NAME, "For block: why, for who calls and in the trace."),
        field(
            "remove",
            Optional,
            &REMOVE,
            "For translate: how many characters are removed at the beginning; without it none.",
        ),
        field("add", Optional, &NAME, "For translate: what is put before the rest."),
        field("caller_id", Optional, &NAME, "For caller_id: the number that is shown."),
        field(
            "trunk",
            Optional,
            &NAME,
            "For emergency: the trunk that is tried first. For caller_id: the trunk for which the rule applies; without it all.",
        ),
    ]),
    max: RULES_MAX,
};

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
    let action = match text(item, "action")?.as_str() {
        "emergency" => DialAction::Emergency { trunk: text(item, "trunk") },
        "block" => DialAction::Block { reason: text(item, "reason").unwrap_or_else(|| BLOCKED.to_owned()) },
        "translate" => DialAction::Translate {
            remove: number(item, "remove").unwrap_or_default(),
            add: text(item, "add").unwrap_or_default(),
        },
        "caller_id" => {
            DialAction::CallerId { shows: text(item, "caller_id").unwrap_or_default(), trunk: text(item, "trunk") }
        }
        _ => return None,
    };
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    Some(DialRule { name: text(item, "name")?, place, pattern: text(item, "pattern")?, action })
}

// === checks ===

impl Rules<'_> {
    pub(super) fn schedules(&mut self) {
        for schedule in &self.objects.schedules {
            let mut fault = |key: &str, reason: String| {
                self.fault(ObjectKind::Schedule, &schedule.name, format!("schedules.{}.{key}", schedule.name), reason);
            };
            for error in schedule.open.iter().filter_map(|line| Hours::check_hours(line).err()) {
                fault("open", error.to_string());
            }
            for error in schedule.exceptions.iter().filter_map(|line| Hours::check_exception(line).err()) {
                fault("exceptions", error.to_string());
            }
            if let Err(error) = Hours::parse::<&str>(schedule.time_zone.as_deref(), &[], &[]) {
                fault("time_zone", error.to_string());
            }
        }
        let objects = self.objects;
        for number in &objects.numbers {
            let mut fault = |key: &str, reason: String| {
                self.fault(ObjectKind::Number, &number.number, format!("numbers.{}.{key}", number.number), reason);
            };
            match (&number.schedule, &number.closed_dn) {
                (Some(name), _) if !objects.schedules.iter().any(|schedule| schedule.name == *name) => {
                    fault("schedule", format!("there is no schedule {name}"));
                }
                (Some(_), None) => fault("closed_dn", "it is needed beside schedule".to_owned()),
                (None, Some(_)) => fault("closed_dn", "it has a meaning beside schedule alone".to_owned()),
                _ => {}
            }
            if let Some(dn) = number.closed_dn.as_ref().filter(|dn| !self.dns.contains(dn.as_str())) {
                let key = format!("numbers.{}.closed_dn", number.number);
                self.fault(ObjectKind::Number, &number.number, key, format!("there is no DN {dn}"));
            }
        }
    }

    pub(super) fn dial_rules(&mut self) {
        for rule in &self.objects.dial_rules {
            let pattern = Pattern::parse(&rule.pattern);
            if let Err(error) = &pattern {
                self.rule_fault(rule, "pattern", error.to_string());
            }
            let trunk = rule.action.trunk();
            if let Some(name) = trunk.filter(|name| !self.objects.trunks.iter().any(|trunk| trunk.name == *name)) {
                self.rule_fault(rule, "trunk", format!("there is no trunk {name}"));
            }
            match (&rule.action, pattern) {
                (DialAction::Emergency { trunk }, Ok(pattern)) => self.emergency(rule, trunk.as_deref(), &pattern),
                (DialAction::CallerId { shows, .. }, _) if !is_shown(shows) => {
                    let reason =
                        if shows.is_empty() { "it is needed" } else { "it may have digits and + at its beginning" };
                    self.rule_fault(rule, "caller_id", reason.to_owned());
                }
                (DialAction::Translate { add, .. }, _) if !add.bytes().all(is_dialled) => {
                    self.rule_fault(rule, "add", "it may have digits, +, * and #".to_owned());
                }
                _ => {}
            }
        }
    }

    /// An emergency call must find a way out, and must not be one of the tenant's own numbers.
    fn emergency(&mut self, rule: &DialRule, trunk: Option<&str>, pattern: &Pattern) {
        let objects = self.objects;
        let leads_out = |name: Option<&str>| {
            objects.trunks.iter().any(|trunk| name.is_none_or(|name| trunk.name == name) && trunk.outgoing().is_some())
        };
        if !leads_out(None) {
            let reason = "no call goes out by any trunk: a trunk needs `contact` and `prefix`".to_owned();
            self.rule_fault(rule, "action", reason);
        } else if trunk.is_some_and(|name| objects.trunks.iter().any(|t| t.name == name) && !leads_out(Some(name))) {
            self.rule_fault(rule, "trunk", "no call goes out by it: it needs `contact` and `prefix`".to_owned());
        }
        let dns = objects.dns.iter().map(|dn| ("DN", &dn.number));
        let numbers = objects.numbers.iter().map(|number| ("number", &number.number));
        let codes = objects.feature_codes.iter().map(|code| ("feature code", &code.code));
        if let Some((what, own)) = dns.chain(numbers).chain(codes).find(|(_, own)| pattern.matches(own)) {
            self.rule_fault(rule, "pattern", format!("nobody could call the {what} {own} any more"));
        }
    }

    fn rule_fault(&mut self, rule: &DialRule, key: &str, reason: String) {
        self.fault(ObjectKind::DialRule, &rule.name, format!("dial_rules.{}.{key}", rule.name), reason);
    }
}

const fn is_dialled(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'*' | b'#')
}

fn is_shown(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
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
            DialAction::Translate { remove, add } => {
                format!(", remove: {remove}{}", optional("add", Some(add.as_str()).filter(|add| !add.is_empty())))
            }
            DialAction::CallerId { shows, trunk } => {
                optional("caller_id", Some(shows)) + &optional("trunk", trunk.as_deref())
            }
        };
        let (name, pattern, action) = (scalar(&rule.name), scalar(&rule.pattern), rule.action.as_str());
        format!("- {{name: {name}, pattern: {pattern}, action: {action}{more}}}")
    };
    (objects.schedules.iter().map(schedule).collect(), objects.dial_rules.iter().map(rule).collect())
}

fn listed(lines: &[String]) -> String {
    flow(lines.iter().map(String::as_str))
}

#[cfg(test)]
mod tests;
