//! Rules of the dial plan that a tenant lacks.

use contracts::provisioning::DialAction;

use crate::command::doctor::finding::Finding;
use crate::command::doctor::situation::TenantSituation;

/// Rules of the dial plan that a tenant should have whose calls go out.
pub fn missing_rules(one: &TenantSituation) -> Vec<Finding> {
    let objects = &one.objects;
    if !objects.trunks.iter().any(|trunk| trunk.outgoing().is_some()) {
        return Vec::new();
    }
    let place = format!("tenant {}", one.tenant);
    let has = |is_meant: fn(&DialAction) -> bool| objects.dial_rules.iter().any(|rule| is_meant(&rule.action));
    let mut found = Vec::new();
    if !has(|action| matches!(action, DialAction::Emergency { .. })) {
        found.push(Finding::notice(
            &place,
            "its calls go out, and no number is an emergency number: one that a phone dials is not found, or is stopped as any other",
            "add a rule `action: emergency` with the emergency numbers of your country to `dial_rules` of the tenant's file (docs/dial-plan.md)",
        ));
    }
    if !has(|action| matches!(action, DialAction::Limit { .. })) {
        found.push(Finding::notice(
            &place,
            "nothing limits what is spent in a day on calls outside: a stolen password may call the whole night",
            "add a rule `action: limit` to `dial_rules` of the tenant's file (docs/dial-plan.md)",
        ));
    }
    found
}
