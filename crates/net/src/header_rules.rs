//! Rules about headers, from a tenant's configuration to the protocol core that applies them.

use contracts::provisioning::{HeaderRule, HeaderRuleAction, HeaderRuleOn, Trunk};
use sip::header_rules::{EditAction, HeaderEdit, HeaderRuleError, HeaderRules, RuleDirection, RuleText};

/// Makes a rule ready for use.
///
/// # Errors
/// Those of [`HeaderEdit::compile`].
pub fn compile(rule: &HeaderRule) -> Result<HeaderEdit, HeaderRuleError> {
    HeaderEdit::compile(&RuleText {
        on: direction(rule.on),
        action: match rule.action {
            HeaderRuleAction::Add => EditAction::Add,
            HeaderRuleAction::Set => EditAction::Set,
            HeaderRuleAction::Remove => EditAction::Remove,
            HeaderRuleAction::Rewrite => EditAction::Rewrite,
        },
        header: &rule.header,
        value: rule.value.as_deref(),
        pattern: rule.pattern.as_deref(),
        replace: rule.replace.as_deref(),
    })
}

/// The rules of a trunk. An import refuses rules that cannot be used; one that got into the store otherwise is left out.
pub fn of_trunk(trunk: &Trunk) -> HeaderRules {
    HeaderRules::new(&*trunk.name, trunk.headers.iter().filter_map(|rule| compile(rule).ok()).collect())
}

/// The same direction.
pub const fn direction(on: HeaderRuleOn) -> RuleDirection {
    match on {
        HeaderRuleOn::Sent => RuleDirection::Sent,
        HeaderRuleOn::Received => RuleDirection::Received,
    }
}
