//! What must hold for lists in which programs look values up.

use contracts::provisioning::{FaultCode, LookupList, ObjectKind};

use super::{BrokenRule, Rules};

/// The most bytes of the names, keys and values of a list: its document stays far below what an object's may have.
const LIST_BYTES_MAX: usize = 256 << 10;
/// The longest name of a section, and the longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

impl Rules<'_> {
    pub(super) fn lists(&mut self) {
        let objects = self.objects;
        for list in &objects.lists {
            if list.bytes() > LIST_BYTES_MAX {
                let reason = format!("all its names, keys and values have more than {LIST_BYTES_MAX} bytes");
                let rule = BrokenRule::new(FaultCode::TooLarge, reason).naming("most", LIST_BYTES_MAX.to_string());
                self.list_fault(list, rule);
            }
            let keys = list.sections.iter().flat_map(|(name, values)| std::iter::once(name).chain(values.keys()));
            for key in keys.filter(|key| !is_key(key)) {
                let begin: String = key.chars().take(16).collect();
                let words = format!("a name has 1 to {KEY_BYTES_MAX} bytes and no control character, not so {begin:?}");
                let rule = BrokenRule::new(FaultCode::ListKey, words).naming("most", KEY_BYTES_MAX.to_string());
                self.list_fault(list, rule.naming("key", begin));
            }
        }
    }

    fn list_fault(&mut self, list: &LookupList, rule: BrokenRule) {
        self.fault(ObjectKind::List, &list.name, format!("lists.{}.sections", list.name), rule);
    }
}

fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
}
