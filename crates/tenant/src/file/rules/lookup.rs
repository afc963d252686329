//! What must hold for lists in which programs look values up.

use std::collections::BTreeMap;

use contracts::provisioning::{FaultCode, ObjectKind};

use super::{BrokenRule, Rules};

/// The most bytes of the names, keys and values of a list: its document stays far below what an object's may have.
const LIST_BYTES_MAX: usize = 256 << 10;
/// The most bytes of the names, keys and values of an application's options: each session has them while it runs.
const OPTION_BYTES_MAX: usize = 64 << 10;
/// The longest name of a section, and the longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

impl Rules<'_> {
    pub(super) fn lists(&mut self) {
        let objects = self.objects;
        for list in &objects.lists {
            for rule in sections_faults(&list.sections, list.bytes(), LIST_BYTES_MAX) {
                self.fault(ObjectKind::List, &list.name, format!("lists.{}.sections", list.name), rule);
            }
        }
    }

    pub(super) fn application_options(&mut self) {
        let objects = self.objects;
        for application in objects.applications.iter().filter(|one| !one.options.is_empty()) {
            for rule in sections_faults(&application.options, application.option_bytes(), OPTION_BYTES_MAX) {
                let key = format!("applications.{}.options", application.name);
                self.fault(ObjectKind::Application, &application.name, key, rule);
            }
        }
    }
}

/// What is wrong with values by section and key that have so many bytes, and may have `most`.
pub(super) fn sections_faults(
    sections: &BTreeMap<String, BTreeMap<String, String>>,
    bytes: usize,
    most: usize,
) -> Vec<BrokenRule> {
    let mut faults = Vec::new();
    if bytes > most {
        let reason = format!("all its names, keys and values have more than {most} bytes");
        faults.push(BrokenRule::new(FaultCode::TooLarge, reason).naming("most", most.to_string()));
    }
    let keys = sections.iter().flat_map(|(name, values)| std::iter::once(name).chain(values.keys()));
    for key in keys.filter(|key| !is_key(key)) {
        let begin: String = key.chars().take(16).collect();
        let words = format!("a name has 1 to {KEY_BYTES_MAX} bytes and no control character, not so {begin:?}");
        let rule = BrokenRule::new(FaultCode::ListKey, words).naming("most", KEY_BYTES_MAX.to_string());
        faults.push(rule.naming("key", begin));
    }
    faults
}

fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
}
