//! What must hold for reasons for actions.

use std::collections::{BTreeSet, HashMap, HashSet};

use contracts::provisioning::{ActionCode, FaultCode, ObjectKind, folded_name};

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
            self.subcodes(reason);
        }
    }

    /// So must be a finer reason within its reason.
    fn subcodes(&mut self, reason: &ActionCode) {
        let mut taken = HashSet::new();
        for finer in &reason.subcodes {
            let words: BTreeSet<String> = [folded_name(&finer.code), folded_name(&finer.name)].into();
            let twice: Vec<_> = words.into_iter().filter(|word| !taken.insert(word.clone())).collect();
            if !twice.is_empty() {
                let words = format!("another finer reason has the code or name of {}", finer.code);
                let rule = BrokenRule::new(FaultCode::Twice, words).naming("name", finer.code.as_str());
                let key = format!("action_codes.{}.subcodes", reason.code);
                self.fault(ObjectKind::ActionCode, &reason.code, key, rule);
            }
        }
    }
}
