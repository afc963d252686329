//! The targets of transitions: states by name, and the rules for a set of them (W3C SCXML 3.11).

use super::{Loader, kind_word};
use crate::document::{Fault, StateIx, StateKind, TransitionIx};
use crate::xml::Element;

impl Loader<'_> {
    pub(super) fn targets_by_name(&mut self, at: TransitionIx, names: &str, element: &Element) {
        let mut any = false;
        for (place, name) in names.split_ascii_whitespace().enumerate() {
            if place >= self.targets_max {
                return self.fault(element, &format!("names more than {} targets", self.targets_max));
            }
            any = true;
            self.pending.push((at, name.to_owned(), element.line, element.written.clone()));
        }
        if !any {
            self.fault(element, "names no target state");
        }
    }

    pub(super) fn resolve_targets(&mut self) {
        for (at, name, line, written) in std::mem::take(&mut self.pending) {
            match self.ids.get(&name) {
                Some(state) if self.transitions[at.0].targets.contains(state) => {}
                Some(state) => self.transitions[at.0].targets.push(*state),
                None => self.faults.push(Fault { line, element: written, rule: format!("there is no state {name:?}") }),
            }
        }
    }

    /// W3C SCXML 3.11: the targets of one transition form a legal state specification, and an initial or history
    /// transition stays inside its state.
    pub(super) fn check_legal_targets(&mut self) {
        let mut broken = Vec::new();
        for transition in &self.transitions {
            for (at, one) in transition.targets.iter().enumerate() {
                for other in &transition.targets[at + 1..] {
                    let Some(why) = self.conflict(*one, *other) else { continue };
                    let (one, other) = (&self.states[one.0].id, &self.states[other.0].id);
                    let rule = format!("the targets {one:?} and {other:?} {why} (W3C SCXML 3.11)");
                    broken.push((transition.source, rule));
                }
            }
        }
        for (at, state) in self.states.iter().enumerate() {
            let Some(initial) = state.initial else { continue };
            let within = match state.kind {
                StateKind::ShallowHistory | StateKind::DeepHistory => state.parent.unwrap_or(StateIx(0)),
                _ => StateIx(at),
            };
            let last = self.states[within.0].last_descendant;
            for target in &self.transitions[initial.0].targets {
                let history = matches!(self.states[target.0].kind, StateKind::ShallowHistory | StateKind::DeepHistory);
                if history && within.0 != at {
                    broken.push((StateIx(at), "its default is a history".to_owned()));
                }
                if target.0 <= within.0 || target.0 > last {
                    broken.push((StateIx(at), format!("begins outside itself, in {:?}", self.states[target.0].id)));
                }
            }
        }
        for (source, rule) in broken {
            let element = kind_word(self.states[source.0].kind).trim_matches(['<', '>']).to_owned();
            let rule = format!("state {:?}: {rule}", self.states[source.0].id);
            self.faults.push(Fault { line: 1, element, rule });
        }
    }

    /// Why two states cannot both be targets of one transition.
    fn conflict(&self, one: StateIx, other: StateIx) -> Option<&'static str> {
        let path = |from: StateIx| {
            let mut path: Vec<StateIx> = std::iter::successors(Some(from), |s| self.states[s.0].parent).collect();
            path.reverse();
            path
        };
        // A history stands for any states inside its parent, so another target inside that parent may contradict it.
        let (one, other) = (path(self.stands_for(one)), path(self.stands_for(other)));
        let shared = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        if shared == one.len() || shared == other.len() {
            return Some("contain each other");
        }
        let parallel = self.states[one[shared - 1].0].kind == StateKind::Parallel;
        (!parallel).then_some("cannot be active together")
    }

    /// The state itself; for a history, the parent whose states it stores.
    fn stands_for(&self, target: StateIx) -> StateIx {
        let state = &self.states[target.0];
        match state.kind {
            StateKind::ShallowHistory | StateKind::DeepHistory => state.parent.unwrap_or(target),
            _ => target,
        }
    }
}
