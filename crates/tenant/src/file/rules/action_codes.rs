//! What must hold for reasons for which agents are not ready.

use std::collections::HashMap;

use contracts::provisioning::{ObjectKind, folded_name};

use super::{BrokenRule, Rules};

impl Rules<'_> {
    /// A request has a code or a name: both must mean one reason.
    pub(super) fn action_codes(&mut self) {
        let objects = self.objects;
        let mut taken: HashMap<String, &str> = HashMap::new();
        for reason in &objects.action_codes {
            for (field, word) in [("code", &reason.code), ("name", &reason.name)] {
                let before = taken.insert(folded_name(word), &reason.code);
                // Its own code may be its name, too.
                let Some(other) = before.filter(|other| *other != reason.code) else { continue };
                let key = format!("action_codes.{}.{field}", reason.code);
                let words = format!("the reason {other} has that code or name already");
                let rule = BrokenRule::held(ObjectKind::ActionCode, other, word, words);
                self.fault(ObjectKind::ActionCode, &reason.code, key, rule);
            }
        }
    }
}
