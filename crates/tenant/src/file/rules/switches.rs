//! What must hold for switches, and for DNs that name one.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

use contracts::provisioning::{FaultCode, ObjectKind, Switch};

use super::{BrokenRule, Rules};

/// The feature codes behind which a number is dialled.
struct CodesWithNumber<'a>(BTreeSet<&'a str>);

impl<'a> CodesWithNumber<'a> {
    /// One with which an access code begins alike: what is dialled behind one of both could be meant for the other.
    fn alike(&self, access: &str) -> Option<&'a str> {
        let behind: (Bound<&str>, Bound<&str>) = (Bound::Included(access), Bound::Unbounded);
        let longer = self.0.range::<str, _>(behind).next().copied().filter(|code| code.starts_with(access));
        longer.or_else(|| (1..access.len()).find_map(|end| self.0.get(access.get(..end)?).copied()))
    }
}

impl Rules<'_> {
    pub(super) fn switches(&mut self) {
        let objects = self.objects;
        let known: HashSet<&str> = objects.switches.iter().map(|switch| switch.name.as_str()).collect();
        for dn in &objects.dns {
            if let Some(name) = dn.switch.as_deref().filter(|name| !known.contains(name)) {
                self.dn_fault(&dn.number, "switch", BrokenRule::unknown(ObjectKind::Switch, name));
            }
        }
        let with_number = objects.feature_codes.iter().filter(|code| code.action.takes_number());
        let with_number = CodesWithNumber(with_number.map(|code| code.code.as_str()).collect());
        let mut default: Option<&str> = None;
        for switch in &objects.switches {
            if switch.default
                && let Some(other) = default.replace(&switch.name)
            {
                let rule = BrokenRule::held(ObjectKind::Switch, other, "default", format!("{other} is it already"));
                self.switch_fault(switch, "default", rule);
            }
            self.access_codes(switch, &known, &with_number);
        }
    }

    fn access_codes(&mut self, switch: &Switch, known: &HashSet<&str>, with_number: &CodesWithNumber<'_>) {
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
            } else if let Some(other) = with_number.alike(code) {
                let words =
                    format!("{code} and the feature code {other}, behind which a number is dialled, begin alike");
                let rule = BrokenRule::held(ObjectKind::FeatureCode, other, other, words);
                self.switch_fault(switch, "access_codes", rule);
            }
        }
    }

    fn switch_fault(&mut self, switch: &Switch, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::Switch, &switch.name, format!("switches.{}.{key}", switch.name), rule);
    }
}
