//! What must hold for business attributes.

use std::collections::HashSet;

use contracts::provisioning::{ATTACHED_DEFAULTS_MAX, BusinessAttribute, FaultCode, ObjectKind};

use super::{BrokenRule, Rules};

/// The most values of an attribute that a fault names.
const NAMED_MAX: usize = 20;

impl Rules<'_> {
    pub(super) fn business_attributes(&mut self) {
        let objects = self.objects;
        for attribute in &objects.business_attributes {
            let mut values = HashSet::new();
            for value in attribute.values.iter().map(|one| one.value.as_str()) {
                if !values.insert(value) {
                    let rule = BrokenRule::new(FaultCode::Twice, format!("{value} stands there twice"));
                    self.attribute_fault(attribute, "values", rule.naming("name", value));
                }
            }
            if let Some(default) = attribute.default.as_deref().filter(|default| !values.contains(default)) {
                let names: Vec<&str> = attribute.values.iter().map(|one| one.value.as_str()).take(NAMED_MAX).collect();
                let rule = BrokenRule::new(FaultCode::OneOf, format!("{default} is none of its values"));
                self.attribute_fault(attribute, "default", rule.naming("names", names.join(", ")));
            }
            if attribute.attach_default && attribute.default.is_none() {
                let rule = BrokenRule::needed_with("attach_default", "without it there is nothing to attach");
                self.attribute_fault(attribute, "default", rule);
            }
            if attribute.enforced && attribute.values.is_empty() {
                let rule = BrokenRule::needed_with("enforced", "without values every value would be refused");
                self.attribute_fault(attribute, "values", rule);
            }
        }
        let attached = objects.business_attributes.iter().filter(|attribute| attribute.attach_default);
        for attribute in attached.skip(ATTACHED_DEFAULTS_MAX) {
            let words = format!("calls begin with the defaults of at most {ATTACHED_DEFAULTS_MAX} attributes");
            let rule = BrokenRule::new(FaultCode::TooMany, words).naming("most", ATTACHED_DEFAULTS_MAX.to_string());
            self.attribute_fault(attribute, "attach_default", rule);
        }
    }

    fn attribute_fault(&mut self, attribute: &BusinessAttribute, key: &str, rule: BrokenRule) {
        let key = format!("business_attributes.{}.{key}", attribute.name);
        self.fault(ObjectKind::BusinessAttribute, &attribute.name, key, rule);
    }
}
