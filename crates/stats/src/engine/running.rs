//! The actions in progress on an object.

use std::collections::BTreeMap;

use model::Timestamp;

use crate::action::Action;
use crate::definition::Subject;

/// The actions in progress on an object: by subject and action, oldest first, with the time from which each counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    pub(super) lasting: BTreeMap<(Subject, Action), BTreeMap<(Timestamp, u64), Timestamp>>,
}

impl Running {
    /// When each of them began, and from when it counts.
    pub(super) fn of(&self, subject: Subject, action: Action) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        self.lasting.get(&(subject, action)).into_iter().flatten().map(|((since, _), from)| (*since, *from))
    }

    pub(super) fn count(&self, subject: Subject, action: Action) -> usize {
        self.lasting.get(&(subject, action)).map_or(0, BTreeMap::len)
    }

    pub(super) fn oldest(&self, subject: Subject, action: Action) -> Option<Timestamp> {
        self.lasting.get(&(subject, action))?.first_key_value().map(|((since, _), _)| *since)
    }

    pub(super) fn has(&self, action: Action, of: u64) -> bool {
        self.lasting.get(&(Subject::DNAction, action)).is_some_and(|all| all.keys().any(|(_, one)| *one == of))
    }

    /// The highest action in progress; the talk of a call on hold is hidden.
    pub(super) fn status(&self) -> Option<Action> {
        let actions = self.lasting.iter().filter(|((subject, _), _)| *subject == Subject::DNAction);
        let shown = actions.filter(|((_, action), all)| {
            !action.is_talk() || all.keys().any(|(_, of)| !self.has(Action::CallOnHold, *of))
        });
        shown.map(|((_, action), _)| *action).max_by_key(|action| action.priority())
    }
}
