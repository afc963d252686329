//! What must hold for lists in which programs look values up.

use contracts::provisioning::{LookupList, ObjectKind};

use super::Rules;

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
                self.list_fault(list, reason);
            }
            let keys = list.sections.iter().flat_map(|(name, values)| std::iter::once(name).chain(values.keys()));
            for key in keys.filter(|key| !is_key(key)) {
                let begin: String = key.chars().take(16).collect();
                let rule = format!("a name has 1 to {KEY_BYTES_MAX} bytes and no control character, not so {begin:?}");
                self.list_fault(list, rule);
            }
        }
    }

    fn list_fault(&mut self, list: &LookupList, reason: String) {
        self.fault(ObjectKind::List, &list.name, format!("lists.{}.sections", list.name), reason);
    }
}

fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
}
