//! What must hold for reasons for which agents are not ready.

use std::collections::HashMap;

use contracts::provisioning::ObjectKind;

use super::{BrokenRule, Rules};
use crate::names::reason_words;

impl Rules<'_> {
    /// A request has a code or a name: both must mean one reason.
    pub(super) fn action_codes(&mut self) {
        let objects = self.objects;
        let mut taken: HashMap<String, &str> = HashMap::new();
        for reason in &objects.action_codes {
            for other in reason_words(reason).into_iter().filter_map(|word| taken.insert(word, &reason.code)) {
                let key = format!("action_codes.{}.name", reason.code);
                let words = format!("the reason {other} has that code or name already");
                let rule = BrokenRule::held(ObjectKind::ActionCode, other, &reason.name, words);
                self.fault(ObjectKind::ActionCode, &reason.code, key, rule);
            }
        }
    }
}
