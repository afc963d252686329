//! What must hold for capacity rules, and for who names one.

use std::collections::HashSet;

use contracts::provisioning::{FaultCode, ObjectKind};

use super::{BrokenRule, Rules};

impl Rules<'_> {
    pub(super) fn capacity_rules(&mut self) {
        let objects = self.objects;
        for rule in &objects.capacity_rules {
            if rule.media.named().iter().all(|(_, most)| most.is_none()) {
                let broken = BrokenRule::new(FaultCode::Needed, "it names no medium");
                self.fault(ObjectKind::CapacityRule, &rule.name, format!("capacity_rules.{}.media", rule.name), broken);
            }
        }
        let known: HashSet<&str> = objects.capacity_rules.iter().map(|rule| rule.name.as_str()).collect();
        let is_unknown = |name: &&str| !known.contains(*name);
        for place in &objects.places {
            if let Some(name) = place.capacity_rule.as_deref().filter(is_unknown) {
                let broken = BrokenRule::unknown(ObjectKind::CapacityRule, name);
                self.fault(ObjectKind::Place, &place.name, format!("places.{}.capacity_rule", place.name), broken);
            }
        }
        for person in &objects.people {
            let rule = person.agent.as_ref().and_then(|agent| agent.capacity_rule.as_deref());
            if let Some(name) = rule.filter(is_unknown) {
                let (user, broken) = (&person.user_name, BrokenRule::unknown(ObjectKind::CapacityRule, name));
                self.fault(ObjectKind::Person, user, format!("people.{user}.agent.capacity_rule"), broken);
            }
        }
    }
}
