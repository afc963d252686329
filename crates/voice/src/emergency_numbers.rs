//! The emergency numbers of a tenant, which sip-proxy lets in where it refuses other calls, and for which sip-cluster asks the dial plan before
//! others.

use call::dial_plan::{DialRules, EMERGENCY_SERVICE, EmergencyNumber, Pattern, Translation};
use contracts::provisioning::{DialAction, DialRule, Object, ObjectKind};
use net::configuration::TenantConfig;

/// The longest number that is looked up before others, in bytes: a rule may be about all numbers that begin so.
const FIRST_MAX: usize = 6;

/// The numbers of two or three digits that reach the emergency service of a tenant, as they are typed. Longer ones get no preference: a
/// rule may be about all numbers that begin so.
pub(crate) fn of_tenant(config: &TenantConfig) -> Vec<Box<str>> {
    of_rules(&rules_of(config))
}

/// Whether a phone of the tenant that dials this calls for help, and by a number that gets preference.
pub(crate) fn is_one(config: &TenantConfig, dialled: &str) -> bool {
    is_first(&rules_of(config), dialled)
}

fn is_first(rules: &[&DialRule], dialled: &str) -> bool {
    dialled == EMERGENCY_SERVICE || (dialled.len() <= FIRST_MAX && is_emergency(&plan_of(rules), dialled))
}

/// The rules of a tenant, in their order.
fn rules_of(config: &TenantConfig) -> Vec<&DialRule> {
    let rules = config.of_kind(ObjectKind::DialRule).filter_map(|object| match object {
        Object::DialRule(rule) => Some(rule),
        _ => None,
    });
    let mut rules: Vec<&DialRule> = rules.collect();
    rules.sort_by_key(|rule| rule.place);
    rules
}

/// What of the rules says which numbers are emergency numbers.
fn plan_of(rules: &[&DialRule]) -> DialRules {
    let mut plan = DialRules::default();
    for rule in rules {
        // One that cannot be read is reported by dialplan.
        let Ok(pattern) = Pattern::parse(&rule.pattern) else { continue };
        let name = rule.name.clone();
        match &rule.action {
            DialAction::Emergency { trunk } => {
                plan.emergency.push(EmergencyNumber { name, pattern, trunk: trunk.clone() });
            }
            DialAction::Translate { remove, add } => {
                let remove = usize::try_from(*remove).unwrap_or(usize::MAX);
                plan.translations.push(Translation { name, pattern, remove, add: add.clone() });
            }
            _ => {}
        }
    }
    plan
}

fn of_rules(rules: &[&DialRule]) -> Vec<Box<str>> {
    let plan = plan_of(rules);
    if plan.emergency.is_empty() {
        return Vec::new();
    }
    short_numbers().filter(|number| is_emergency(&plan, number)).map(String::into_boxed_str).collect()
}

fn is_emergency(plan: &DialRules, typed: &str) -> bool {
    let translated = || plan.translation(typed).map(|translation| translation.apply(typed));
    plan.emergency(typed).is_some() || translated().is_some_and(|number| plan.emergency(&number).is_some())
}

fn short_numbers() -> impl Iterator<Item = String> {
    let of_two = (0..100).map(|number| format!("{number:02}"));
    of_two.chain((0..1_000).map(|number| format!("{number:03}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(place: u32, pattern: &str, action: DialAction) -> DialRule {
        DialRule { name: format!("rule {place}"), place, pattern: pattern.to_owned(), action }
    }

    fn numbers(rules: &[DialRule]) -> Vec<Box<str>> {
        of_rules(&rules.iter().collect::<Vec<_>>())
    }

    #[test]
    fn emergency_numbers_are_those_of_the_rules_and_what_is_translated_to_one() {
        let rules = [
            rule(1, "11[02]", DialAction::Emergency { trunk: None }),
            rule(2, "not a pattern", DialAction::Emergency { trunk: None }),
            rule(3, "911", DialAction::Translate { remove: 3, add: "112".to_owned() }),
            rule(4, "2xx", DialAction::Translate { remove: 0, add: "7".to_owned() }),
            rule(5, "7xx", DialAction::Block { reason: "not this one".to_owned() }),
        ];
        assert_eq!(numbers(&rules), ["110", "112", "911"].map(Box::<str>::from));
        assert_eq!(numbers(&rules[2..]), [] as [Box<str>; 0], "without a rule about emergencies there are none");
    }

    #[test]
    fn a_number_for_help_is_one_by_a_rule_or_a_translation_and_no_long_one() {
        let rules = [
            rule(1, "11[02]", DialAction::Emergency { trunk: None }),
            rule(2, "0.", DialAction::Translate { remove: 1, add: String::new() }),
            rule(3, "116117", DialAction::Emergency { trunk: None }),
            rule(4, "7.", DialAction::Emergency { trunk: None }),
        ];
        let rules: Vec<&DialRule> = rules.iter().collect();
        for (dialled, is_one) in [
            ("112", true),
            ("0112", true),
            ("116117", true),
            (EMERGENCY_SERVICE, true),
            ("113", false),
            ("7101", true),
            ("+4930123456", false),
            ("71234567", false),
        ] {
            assert_eq!(is_first(&rules, dialled), is_one, "{dialled}");
        }
    }
}
