//! What must hold for business attributes.

use std::collections::HashSet;

use contracts::provisioning::{BusinessAttribute, ObjectKind};

use super::Rules;

impl Rules<'_> {
    pub(super) fn business_attributes(&mut self) {
        let objects = self.objects;
        for attribute in &objects.business_attributes {
            let mut values = HashSet::new();
            for value in attribute.values.iter().map(|one| one.value.as_str()) {
                if !values.insert(value) {
                    self.attribute_fault(attribute, "values", format!("{value} stands there twice"));
                }
            }
            if let Some(default) = attribute.default.as_deref().filter(|default| !values.contains(default)) {
                self.attribute_fault(attribute, "default", format!("{default} is none of its values"));
            }
        }
    }

    fn attribute_fault(&mut self, attribute: &BusinessAttribute, key: &str, reason: String) {
        let key = format!("business_attributes.{}.{key}", attribute.name);
        self.fault(ObjectKind::BusinessAttribute, &attribute.name, key, reason);
    }
}
