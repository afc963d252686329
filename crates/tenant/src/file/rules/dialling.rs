//! What must hold for schedules and rules about dialled numbers.

use call::dial_plan::{OpeningHours as Hours, Pattern};
use contracts::provisioning::{DialAction, DialRule, ObjectKind};

use super::Rules;

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
            if let Some(name) =
                trunk.filter(|name| !name.is_empty() && !self.objects.trunks.iter().any(|trunk| trunk.name == *name))
            {
                self.rule_fault(rule, "trunk", format!("there is no trunk {name}"));
            }
            match (&rule.action, pattern) {
                (DialAction::Emergency { trunk }, Ok(pattern)) => self.emergency(rule, trunk.as_deref(), &pattern),
                (DialAction::CallerId { shows, .. }, _) if !is_shown(shows) => {
                    let reason =
                        if shows.is_empty() { "it is needed" } else { "it may have digits and + at its beginning" };
                    self.rule_fault(rule, "caller_id", reason.to_owned());
                }
                (DialAction::Route { trunk, schedule, .. }, _) => self.route(rule, trunk, schedule.as_deref()),
                (
                    DialAction::Translate { add, .. } | DialAction::Send { add, .. } | DialAction::Receive { add, .. },
                    _,
                ) if !add.bytes().all(is_dialled) => {
                    self.rule_fault(rule, "add", "it may have digits, +, * and #".to_owned());
                }
                (DialAction::Limit { calls: None, minutes: None, .. }, _) => {
                    self.rule_fault(
                        rule,
                        "calls",
                        "it or minutes is needed: how much may be spent in a day".to_owned(),
                    );
                }
                _ => {}
            }
        }
    }

    /// Calls must go out by the trunk of a route, and its schedule must exist.
    fn route(&mut self, rule: &DialRule, trunk: &str, schedule: Option<&str>) {
        let objects = self.objects;
        let known = objects.trunks.iter().find(|known| known.name == trunk);
        if trunk.is_empty() {
            self.rule_fault(rule, "trunk", "it is needed".to_owned());
        } else if known.is_some_and(|trunk| trunk.outgoing().is_none()) {
            self.rule_fault(rule, "trunk", "no call goes out by it: it needs `contact` and `prefix`".to_owned());
        }
        if let Some(name) = schedule.filter(|name| !objects.schedules.iter().any(|known| known.name == *name)) {
            self.rule_fault(rule, "schedule", format!("there is no schedule {name}"));
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
