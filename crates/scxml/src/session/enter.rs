//! Exiting and entering states (W3C SCXML Appendix D: microstep, exit, entry sets, history, done events).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Run, Session};
use crate::document::{Binding, Document, StateIx, StateKind, TransitionIx};
use crate::event::Event;
use crate::value::Value;

/// The states that a set of transitions enters.
#[derive(Default)]
struct Entry {
    states: BTreeSet<StateIx>,
    /// Compound states entered by default: their initial transition's content runs.
    by_default: BTreeSet<StateIx>,
    /// Default history content, by the history's parent.
    history_content: BTreeMap<StateIx, TransitionIx>,
    /// States whose descendants are already added, so that they are visited once.
    descended: BTreeSet<StateIx>,
    /// Parallel states whose regions are all added.
    complete: BTreeSet<StateIx>,
}

impl Session {
    pub(super) fn enter_initial(&mut self) -> Run {
        let document = Arc::clone(&self.document);
        let Some(initial) = document.state(StateIx(0)).initial else { return Ok(()) };
        let content = &document.transitions[initial.0].content;
        self.block(content)?;
        self.enter(&document, &[initial])
    }

    pub(super) fn microstep(&mut self, transitions: &[TransitionIx]) -> Run {
        let document = Arc::clone(&self.document);
        self.exit(&document, transitions)?;
        for at in transitions {
            self.block(&document.transitions[at.0].content)?;
        }
        self.enter(&document, transitions)
    }

    // ---- leaving ----

    fn exit(&mut self, document: &Document, transitions: &[TransitionIx]) -> Run {
        let exits = self.exit_set(document, transitions);
        self.record_history(document, &exits);
        self.charge(exits.len())?;
        for state in exits.iter().rev() {
            for block in &document.state(*state).onexit {
                self.block(block)?;
            }
            self.configuration.remove(state);
            self.note(super::step::Taken::Left(*state));
            self.active_told = false;
        }
        Ok(())
    }

    fn record_history(&mut self, document: &Document, exits: &BTreeSet<StateIx>) {
        for state in exits {
            for history in &document.state(*state).histories {
                let deep = document.state(*history).kind == StateKind::DeepHistory;
                let remembered = self.configuration.iter().copied().filter(|s| match deep {
                    true => {
                        matches!(document.state(*s).kind, StateKind::Atomic | StateKind::Final)
                            && document.is_descendant(*s, *state)
                    }
                    false => document.state(*s).parent == Some(*state),
                });
                let remembered = remembered.collect();
                self.history.insert(*history, remembered);
            }
        }
    }

    /// Exits all states: the session ends. Returns the `donedata` of an active top-level final state.
    pub(super) fn exit_all(&mut self) -> Run<Value> {
        let document = Arc::clone(&self.document);
        let mut donedata = Value::Undefined;
        for state in self.configuration.clone().into_iter().rev() {
            for block in &document.state(state).onexit {
                self.block(block)?;
            }
            let top_final =
                document.state(state).kind == StateKind::Final && document.state(state).parent == Some(StateIx(0));
            if top_final {
                donedata = self.donedata(&document, state)?;
            }
            self.configuration.remove(&state);
            self.active_told = false;
        }
        Ok(donedata)
    }

    // ---- entering ----

    fn enter(&mut self, document: &Document, transitions: &[TransitionIx]) -> Run {
        let mut entry = Entry::default();
        for at in transitions {
            let transition = &document.transitions[at.0];
            let is_initial = document.state(StateIx(0)).initial == Some(*at);
            let domain = if is_initial { Some(StateIx(0)) } else { self.domain(document, *at) };
            let Some(domain) = domain else { continue };
            for target in &transition.targets {
                self.add_descendants(document, *target, &mut entry)?;
            }
            for target in self.effective_targets(document, *at, 0) {
                self.add_ancestors(document, target, domain, &mut entry)?;
            }
        }
        for state in &entry.states {
            // A history may stand for descendants of a state that was not exited.
            if !self.configuration.insert(*state) {
                continue;
            }
            self.note(super::step::Taken::Entered(*state));
            self.active_told = false;
            if document.binding == Binding::Late && self.entered.insert(*state) {
                self.initialise(*state)?;
            }
            for block in &document.state(*state).onentry {
                self.block(block)?;
            }
            if entry.by_default.contains(state)
                && let Some(initial) = document.state(*state).initial
            {
                self.block(&document.transitions[initial.0].content)?;
            }
            if let Some(default) = entry.history_content.get(state) {
                self.block(&document.transitions[default.0].content)?;
            }
            if document.state(*state).kind == StateKind::Final {
                self.entered_final(document, *state)?;
            }
        }
        Ok(())
    }

    /// Adds a state and the states entered inside it. Each visit is charged before it is made, and each state is
    /// visited once: the loader ensures that targets do not contain each other, so every step goes deeper.
    fn add_descendants(&mut self, document: &Document, state: StateIx, entry: &mut Entry) -> Run {
        self.charge(1)?;
        if !entry.descended.insert(state) {
            return Ok(());
        }
        let node = document.state(state);
        match node.kind {
            StateKind::ShallowHistory | StateKind::DeepHistory => self.add_history(document, state, entry),
            StateKind::Compound => {
                entry.states.insert(state);
                entry.by_default.insert(state);
                let Some(initial) = node.initial else { return Ok(()) };
                self.add_targets(document, &document.transitions[initial.0].targets, state, entry)
            }
            StateKind::Parallel => {
                entry.states.insert(state);
                self.add_regions(document, state, entry)
            }
            StateKind::Root => Ok(()),
            StateKind::Atomic | StateKind::Final => {
                entry.states.insert(state);
                Ok(())
            }
        }
    }

    fn add_history(&mut self, document: &Document, history: StateIx, entry: &mut Entry) -> Run {
        let Some(parent) = document.state(history).parent else { return Ok(()) };
        let targets = match self.history.get(&history) {
            Some(stored) => stored.clone(),
            None => {
                let Some(default) = document.state(history).initial else { return Ok(()) };
                entry.history_content.insert(parent, default);
                document.transitions[default.0].targets.clone()
            }
        };
        self.add_targets(document, &targets, parent, entry)
    }

    /// Adds the states entered by the targets of an initial transition or a history. All targets are added before any
    /// ancestors: a region of a parallel state that a later target names must not be entered by default first.
    fn add_targets(&mut self, document: &Document, targets: &[StateIx], parent: StateIx, entry: &mut Entry) -> Run {
        for target in targets {
            self.add_descendants(document, *target, entry)?;
        }
        for target in targets {
            self.add_ancestors(document, *target, parent, entry)?;
        }
        Ok(())
    }

    /// Adds the states between `state` and `domain`, with the other regions of each parallel state on the way.
    fn add_ancestors(&mut self, document: &Document, state: StateIx, domain: StateIx, entry: &mut Entry) -> Run {
        for ancestor in document.ancestors(state).take_while(|a| *a != domain) {
            if document.state(ancestor).kind == StateKind::Root {
                return Ok(());
            }
            // A state visited again costs only this step, which the target has paid for.
            if entry.states.insert(ancestor) {
                self.charge(1)?;
            }
            if document.state(ancestor).kind == StateKind::Parallel {
                self.add_regions(document, ancestor, entry)?;
            }
        }
        Ok(())
    }

    /// Adds the regions of a parallel state in which no state is entered yet.
    fn add_regions(&mut self, document: &Document, parallel: StateIx, entry: &mut Entry) -> Run {
        if !entry.complete.insert(parallel) {
            return Ok(());
        }
        for child in &document.state(parallel).children {
            if !has_entered_within(document, *child, entry) {
                self.add_descendants(document, *child, entry)?;
            }
        }
        Ok(())
    }

    /// Raises `done.state.*` of the parent, and of a parallel grandparent whose regions are all final.
    fn entered_final(&mut self, document: &Document, state: StateIx) -> Run {
        let Some(parent) = document.state(state).parent.filter(|p| *p != StateIx(0)) else { return Ok(()) };
        let data = self.donedata(document, state)?;
        self.push_internal(Event::platform(format!("done.state.{}", document.state(parent).id), data))?;
        let Some(grandparent) = document.state(parent).parent else { return Ok(()) };
        let node = document.state(grandparent);
        let all_done = node.kind == StateKind::Parallel && node.children.iter().all(|c| self.in_final(document, *c));
        if all_done {
            self.push_internal(Event::platform(format!("done.state.{}", node.id), Value::Undefined))?;
        }
        Ok(())
    }

    fn in_final(&self, document: &Document, state: StateIx) -> bool {
        let node = document.state(state);
        match node.kind {
            StateKind::Compound => node
                .children
                .iter()
                .any(|c| document.state(*c).kind == StateKind::Final && self.configuration.contains(c)),
            StateKind::Parallel => node.children.iter().all(|c| self.in_final(document, *c)),
            _ => false,
        }
    }

    fn donedata(&mut self, document: &Document, state: StateIx) -> Run<Value> {
        match &document.state(state).donedata {
            Some(payload) => Ok(self.payload(payload, 0)?.unwrap_or_default()),
            None => Ok(Value::Undefined),
        }
    }
}

/// Whether `state` or a state inside it is entered already.
fn has_entered_within(document: &Document, state: StateIx, entry: &Entry) -> bool {
    entry.states.range(state..=StateIx(document.state(state).last_descendant)).next().is_some()
}
