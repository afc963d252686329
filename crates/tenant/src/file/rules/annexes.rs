//! What must hold for what objects of any kind may have: their folders, their own properties, and who may do what with them.

use std::collections::HashSet;

use contracts::provisioning::{FaultCode, ObjectKey, ObjectKind};

use super::permissions::{RuledEntry, entry_faults};
use super::{BrokenRule, Rules};
use crate::file::annexes::section_of;

/// The most bytes of the names, keys and texts of an object's own properties.
const PROPERTY_BYTES_MAX: usize = 16 << 10;
/// The longest name of a section, and the longest key, in bytes.
const NAME_BYTES_MAX: usize = 255;

impl Rules<'_> {
    pub(super) fn annexes(&mut self) {
        let objects = self.objects;
        if objects.annexes.is_empty() {
            return;
        }
        let folders: HashSet<&str> = objects.folders.iter().map(|folder| folder.path.as_str()).collect();
        for (of, annex) in &objects.annexes {
            if let Some(folder) = annex.folder.as_deref().filter(|folder| !folders.contains(folder)) {
                self.annex_fault(of, "folder", BrokenRule::unknown(ObjectKind::Folder, folder));
            }
            if annex.property_bytes() > PROPERTY_BYTES_MAX {
                let words = format!("all its names, keys and texts have more than {PROPERTY_BYTES_MAX} bytes");
                let rule = BrokenRule::new(FaultCode::TooLarge, words).naming("most", PROPERTY_BYTES_MAX.to_string());
                self.annex_fault(of, "user_properties", rule);
            }
            for name in annex.names().filter(|name| !is_name(name)) {
                let begin: String = name.chars().take(16).collect();
                let words =
                    format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control character, not so {begin:?}");
                let rule = BrokenRule::new(FaultCode::ListKey, words).naming("most", NAME_BYTES_MAX.to_string());
                self.annex_fault(of, "user_properties", rule.naming("key", begin));
            }
        }
    }

    /// Those who are named must be there.
    pub(super) fn own_permissions(&mut self) {
        let objects = self.objects;
        let mut ruled = objects.annexes.iter().filter(|(_, annex)| !annex.own_permissions.is_empty()).peekable();
        if ruled.peek().is_none() {
            return;
        }
        let members = self.members();
        for (of, annex) in ruled {
            if matches!(of.kind, ObjectKind::Tenant | ObjectKind::Folder) {
                let words = "the tenant itself and folders have none: what a folder says is its permissions";
                self.annex_fault(of, "own_permissions", BrokenRule::other(words));
            }
            for (index, entry) in annex.own_permissions.iter().enumerate() {
                for (key, rule) in entry_faults(RuledEntry::of_object(entry), &members) {
                    self.annex_fault(of, &format!("own_permissions[{index}]{key}"), rule);
                }
            }
        }
    }

    fn annex_fault(&mut self, of: &ObjectKey, field: &str, rule: BrokenRule) {
        let key = match of.kind {
            ObjectKind::Tenant => field.to_owned(),
            ObjectKind::Dn => format!("{}.{field}", of.id),
            kind => format!("{}.{}.{field}", section_of(kind), of.id),
        };
        self.fault(of.kind, &of.id, key, rule);
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}
