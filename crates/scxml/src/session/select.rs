//! Selects the transitions that an event enables, and resolves conflicts (W3C SCXML Appendix D: selection, exit sets).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Run, Session};
use crate::document::{Document, StateIx, StateKind, TransitionIx};

impl Session {
    /// The transitions to take: for the event of this name, or the eventless ones.
    pub(super) fn select(&mut self, event: Option<&str>) -> Run<Vec<TransitionIx>> {
        let document = Arc::clone(&self.document);
        let atomic: Vec<StateIx> = self
            .configuration
            .iter()
            .copied()
            .filter(|s| matches!(document.state(*s).kind, StateKind::Atomic | StateKind::Final))
            .collect();
        let mut enabled: Vec<TransitionIx> = Vec::new();
        for state in atomic {
            if let Some(found) = self.first_enabled(&document, state, event)?
                && !enabled.contains(&found)
            {
                enabled.push(found);
            }
        }
        self.charge_comparisons(enabled.len() * enabled.len())?;
        Ok(self.without_conflicts(&document, enabled))
    }

    /// The first matching transition of the innermost state, then of its ancestors outwards.
    fn first_enabled(&mut self, document: &Document, state: StateIx, event: Option<&str>) -> Run<Option<TransitionIx>> {
        for level in std::iter::once(state).chain(document.ancestors(state)) {
            self.charge_comparisons(1 + document.state(level).transitions.len())?;
            for at in &document.state(level).transitions {
                let transition = &document.transitions[at.0];
                let matches = match event {
                    None => transition.events.is_empty(),
                    Some(name) => transition.events.matches(name),
                };
                if !matches {
                    continue;
                }
                let Some(cond) = &transition.cond else { return Ok(Some(*at)) };
                self.tell_active();
                self.charge(1)?;
                let truth = self.data.condition(cond);
                if self.settle(truth, cond.line)?.unwrap_or(false) {
                    return Ok(Some(*at));
                }
            }
        }
        Ok(None)
    }

    /// Two transitions with intersecting exit sets cannot both run: the one of the inner state wins, else the earlier one.
    fn without_conflicts(&self, document: &Document, enabled: Vec<TransitionIx>) -> Vec<TransitionIx> {
        let mut kept: Vec<(TransitionIx, BTreeSet<StateIx>)> = Vec::new();
        for candidate in enabled {
            let exits = self.exit_set(document, &[candidate]);
            let source = document.transitions[candidate.0].source;
            let rivals: Vec<TransitionIx> =
                kept.iter().filter(|(_, other)| !other.is_disjoint(&exits)).map(|(at, _)| *at).collect();
            let wins = rivals.iter().all(|at| document.is_descendant(source, document.transitions[at.0].source));
            if wins {
                kept.retain(|(at, _)| !rivals.contains(at));
                kept.push((candidate, exits));
            }
        }
        kept.into_iter().map(|(at, _)| at).collect()
    }

    /// The active states that these transitions exit.
    pub(super) fn exit_set(&self, document: &Document, transitions: &[TransitionIx]) -> BTreeSet<StateIx> {
        let mut exits = BTreeSet::new();
        for at in transitions {
            let Some(domain) = self.domain(document, *at) else { continue };
            exits.extend(self.configuration.iter().copied().filter(|s| document.is_descendant(*s, domain)));
        }
        exits
    }

    /// The innermost state that contains a whole transition; `None` if it has no target.
    pub(super) fn domain(&self, document: &Document, at: TransitionIx) -> Option<StateIx> {
        let transition = &document.transitions[at.0];
        let targets = self.effective_targets(document, at, 0);
        if targets.is_empty() {
            return None;
        }
        let source = transition.source;
        let stays_inside = transition.internal
            && document.state(source).kind == StateKind::Compound
            && targets.iter().all(|t| document.is_descendant(*t, source));
        if stays_inside {
            return Some(source);
        }
        let enclosing = document.ancestors(source).find(|ancestor| {
            matches!(document.state(*ancestor).kind, StateKind::Compound | StateKind::Root)
                && targets.iter().all(|t| document.is_descendant(*t, *ancestor))
        });
        Some(enclosing.unwrap_or(StateIx(0)))
    }

    /// Targets, with histories replaced by the states that they currently stand for.
    pub(super) fn effective_targets(&self, document: &Document, at: TransitionIx, depth: usize) -> Vec<StateIx> {
        let mut found = Vec::new();
        for target in &document.transitions[at.0].targets {
            let state = document.state(*target);
            if !matches!(state.kind, StateKind::ShallowHistory | StateKind::DeepHistory) {
                found.push(*target);
            } else if let Some(stored) = self.history.get(target) {
                found.extend(stored);
            } else if let Some(default) = state.initial
                && depth < document.limits.nesting
            {
                // A default may lead to another history; a cycle of them ends at the nesting limit.
                found.extend(self.effective_targets(document, default, depth + 1));
            }
        }
        found
    }
}
