//! What must hold for schedules and rules about dialled numbers.

use call::dial_plan::{OpeningHours as Hours, Pattern};
use contracts::provisioning::{DialAction, DialRule, FaultCode, ObjectKind};

use super::{BrokenRule, Rules};

impl Rules<'_> {
    pub(super) fn schedules(&mut self) {
        for schedule in &self.objects.schedules {
            let mut fault = |key: &str, rule: BrokenRule| {
                self.fault(ObjectKind::Schedule, &schedule.name, format!("schedules.{}.{key}", schedule.name), rule);
            };
            for line in &schedule.open {
                if let Err(error) = Hours::check_hours(line) {
                    fault("open", BrokenRule::new(FaultCode::Hours, error.to_string()).naming("line", line));
                }
            }
            for line in &schedule.exceptions {
                if let Err(error) = Hours::check_exception(line) {
                    fault("exceptions", BrokenRule::new(FaultCode::Exception, error.to_string()).naming("line", line));
                }
            }
            if let Err(error) = Hours::parse::<&str>(schedule.time_zone.as_deref(), &[], &[]) {
                let zone = schedule.time_zone.as_deref().unwrap_or_default();
                fault("time_zone", BrokenRule::time_zone(zone, error.to_string()));
            }
        }
        let objects = self.objects;
        for number in &objects.numbers {
            let mut fault = |key: &str, rule: BrokenRule| {
                self.fault(ObjectKind::Number, &number.number, format!("numbers.{}.{key}", number.number), rule);
            };
            match (&number.schedule, &number.closed_dn) {
                (Some(name), _) if !objects.schedules.iter().any(|schedule| schedule.name == *name) => {
                    fault("schedule", BrokenRule::unknown(ObjectKind::Schedule, name));
                }
                (Some(_), None) => {
                    fault("closed_dn", BrokenRule::needed_with("schedule", "it is needed beside schedule"));
                }
                (None, Some(_)) => {
                    let rule = BrokenRule::new(FaultCode::OnlyWith, "it has a meaning beside schedule alone");
                    fault("closed_dn", rule.naming("field", "schedule"));
                }
                _ => {}
            }
            if let Some(dn) = number.closed_dn.as_ref().filter(|dn| !self.dns.contains(dn.as_str())) {
                let key = format!("numbers.{}.closed_dn", number.number);
                self.fault(ObjectKind::Number, &number.number, key, BrokenRule::unknown(ObjectKind::Dn, dn));
            }
        }
    }

    pub(super) fn dial_rules(&mut self) {
        for rule in &self.objects.dial_rules {
            let pattern = Pattern::parse(&rule.pattern);
            if let Err(error) = &pattern {
                let why = error.to_string();
                self.rule_fault(rule, "pattern", BrokenRule::new(FaultCode::Pattern, why.as_str()).naming("why", why));
            }
            let trunk = rule.action.trunk();
            if let Some(name) =
                trunk.filter(|name| !name.is_empty() && !self.objects.trunks.iter().any(|trunk| trunk.name == *name))
            {
                self.rule_fault(rule, "trunk", BrokenRule::unknown(ObjectKind::Trunk, name));
            }
            match (&rule.action, pattern) {
                (DialAction::Emergency { trunk }, Ok(pattern)) => self.emergency(rule, trunk.as_deref(), &pattern),
                (DialAction::CallerId { shows, .. }, _) if !is_shown(shows) => {
                    let shown = || BrokenRule::new(FaultCode::ShownNumber, "it may have digits and + at its beginning");
                    self.rule_fault(rule, "caller_id", if shows.is_empty() { BrokenRule::needed() } else { shown() });
                }
                (DialAction::Route { trunk, schedule, .. }, _) => self.route(rule, trunk, schedule.as_deref()),
                (
                    DialAction::Translate { add, .. } | DialAction::Send { add, .. } | DialAction::Receive { add, .. },
                    _,
                ) if !add.bytes().all(is_dialled) => {
                    let broken = BrokenRule::new(FaultCode::Dialled, "it may have digits, +, * and #");
                    self.rule_fault(rule, "add", broken);
                }
                (DialAction::Limit { calls: None, minutes: None, .. }, _) => {
                    let words = "it or minutes is needed: how much may be spent in a day";
                    let broken = BrokenRule::new(FaultCode::NeededOr, words).naming("field", "minutes");
                    self.rule_fault(rule, "calls", broken);
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
            self.rule_fault(rule, "trunk", BrokenRule::needed());
        } else if known.is_some_and(|trunk| trunk.outgoing().is_none()) {
            self.rule_fault(rule, "trunk", no_way_out());
        }
        if let Some(name) = schedule.filter(|name| !objects.schedules.iter().any(|known| known.name == *name)) {
            self.rule_fault(rule, "schedule", BrokenRule::unknown(ObjectKind::Schedule, name));
        }
    }

    /// An emergency call must find a way out, and must not be one of the tenant's own numbers.
    fn emergency(&mut self, rule: &DialRule, trunk: Option<&str>, pattern: &Pattern) {
        let objects = self.objects;
        let leads_out = |name: Option<&str>| {
            objects.trunks.iter().any(|trunk| name.is_none_or(|name| trunk.name == name) && trunk.outgoing().is_some())
        };
        if !leads_out(None) {
            let words = "no call goes out by any trunk: a trunk needs `contact` and `prefix`";
            self.rule_fault(rule, "action", BrokenRule::new(FaultCode::NoWayOut, words));
        } else if trunk.is_some_and(|name| objects.trunks.iter().any(|t| t.name == name) && !leads_out(Some(name))) {
            self.rule_fault(rule, "trunk", no_way_out());
        }
        let dns = objects.dns.iter().map(|dn| (ObjectKind::Dn, "DN", &dn.number));
        let numbers = objects.numbers.iter().map(|number| (ObjectKind::Number, "number", &number.number));
        let codes = objects.feature_codes.iter().map(|code| (ObjectKind::FeatureCode, "feature code", &code.code));
        if let Some((kind, what, own)) = dns.chain(numbers).chain(codes).find(|(_, _, own)| pattern.matches(own)) {
            let broken = BrokenRule::new(FaultCode::OwnNumber, format!("nobody could call the {what} {own} any more"));
            self.rule_fault(rule, "pattern", broken.naming("kind", kind.as_str()).naming("id", own));
        }
    }

    fn rule_fault(&mut self, rule: &DialRule, key: &str, broken: BrokenRule) {
        self.fault(ObjectKind::DialRule, &rule.name, format!("dial_rules.{}.{key}", rule.name), broken);
    }
}

fn no_way_out() -> BrokenRule {
    BrokenRule::new(FaultCode::NoWayOut, "no call goes out by it: it needs `contact` and `prefix`")
}

pub(super) const fn is_dialled(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'*' | b'#')
}

fn is_shown(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or(number);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
