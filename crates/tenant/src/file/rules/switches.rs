//! What must hold for switches, and for DNs that name one.

use std::collections::HashSet;

use contracts::provisioning::{FaultCode, ObjectKind, Switch};

use super::{BrokenRule, Rules};

impl Rules<'_> {
    pub(super) fn switches(&mut self) {
        let objects = self.objects;
        let known: HashSet<&str> = objects.switches.iter().map(|switch| switch.name.as_str()).collect();
        for dn in &objects.dns {
            if let Some(name) = dn.switch.as_deref().filter(|name| !known.contains(name)) {
                self.dn_fault(&dn.number, "switch", BrokenRule::unknown(ObjectKind::Switch, name));
            }
        }
        let mut default: Option<&str> = None;
        for switch in &objects.switches {
            if switch.default
                && let Some(other) = default.replace(&switch.name)
            {
                let rule = BrokenRule::held(ObjectKind::Switch, other, "default", format!("{other} is it already"));
                self.switch_fault(switch, "default", rule);
            }
            self.access_codes(switch, &known);
        }
    }

    fn access_codes(&mut self, switch: &Switch, known: &HashSet<&str>) {
        let can_be_dialled = |code: &str| code.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
        let mut codes = HashSet::new();
        for to in &switch.access_codes {
            let (name, code) = (to.switch.as_str(), to.code.as_str());
            if name == switch.name {
                let rule = BrokenRule::new(FaultCode::Circle, format!("{name} is the switch itself"));
                self.switch_fault(switch, "access_codes", rule.naming("way", name));
            } else if !known.contains(name) {
                self.switch_fault(switch, "access_codes", BrokenRule::unknown(ObjectKind::Switch, name));
            }
            if !can_be_dialled(code) {
                let words = format!("{code} has something else than digits, * and #");
                let rule = BrokenRule::new(FaultCode::Dialled, words);
                self.switch_fault(switch, "access_codes", rule);
            } else if !codes.insert(code) {
                let rule = BrokenRule::new(FaultCode::Twice, format!("{code} stands there twice"));
                self.switch_fault(switch, "access_codes", rule.naming("name", code));
            }
        }
    }

    fn switch_fault(&mut self, switch: &Switch, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::Switch, &switch.name, format!("switches.{}.{key}", switch.name), rule);
    }
}
