//! Snapshots of a session. Law: a restored session behaves like the original.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::Timestamp;

use super::{Delayed, Phase, Session};
use crate::datamodel::{Datamodel, EvalError};
use crate::document::{Document, StateIx, StateKind};
use crate::event::Event;

/// A session as plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The session's id.
    pub id: String,
    /// Whether it is over.
    pub over: bool,
    /// Active states.
    pub configuration: Vec<String>,
    /// The states stored by each history.
    pub history: Vec<(String, Vec<String>)>,
    /// States entered before, for late data binding.
    pub entered: Vec<String>,
    /// The data as JSON text.
    pub data: String,
    /// Events in the internal queue.
    pub internal: Vec<Event>,
    /// Events in the external queue.
    pub external: Vec<Event>,
    /// Delayed events.
    pub delayed: Vec<SnapshotDelayed>,
    /// Time up to which the delayed events already delivered count against [`crate::Limits::own_events`].
    pub own_pace: Timestamp,
    /// The number of the next id.
    pub next_id: u64,
}

/// A delayed event.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotDelayed {
    /// When it is due, by the wall clock.
    pub due: Timestamp,
    /// Orders events due at the same time.
    pub order: u64,
    /// The event.
    pub event: Event,
    /// Whether it goes to the internal queue.
    pub internal: bool,
}

/// Why a snapshot cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The document is not the one of the snapshot.
    #[error("the document has no state {0:?}")]
    UnknownState(String),
    /// The active states cannot be active together in this document.
    #[error("the active states do not fit the document")]
    Configuration,
    /// The data model refuses its data.
    #[error("the data cannot be restored")]
    Data(#[source] EvalError),
}

impl Session {
    /// Takes a snapshot. Outputs are not part of it: drain them first.
    pub fn snapshot(&mut self) -> Result<Snapshot, EvalError> {
        let data = self.data.snapshot()?;
        let id = |s: &StateIx| self.document.state(*s).id.clone();
        Ok(Snapshot {
            id: self.id.clone(),
            over: self.phase == Phase::Over,
            configuration: self.configuration.iter().map(id).collect(),
            history: self.history.iter().map(|(h, states)| (id(h), states.iter().map(id).collect())).collect(),
            entered: self.entered.iter().map(id).collect(),
            data,
            internal: self.internal.iter().cloned().collect(),
            external: self.external.iter().cloned().collect(),
            delayed: self.delayed.iter().map(SnapshotDelayed::from).collect(),
            own_pace: self.own_pace,
            next_id: self.next_id,
        })
    }

    /// Continues from a snapshot. Events that became due meanwhile are delivered at the next timeout.
    pub fn restore(
        snapshot: Snapshot,
        document: Arc<Document>,
        data: Box<dyn Datamodel>,
        now: Timestamp,
    ) -> Result<Self, RestoreError> {
        let find = |id: &String| find(&document, id);
        let configuration: BTreeSet<StateIx> = snapshot.configuration.iter().map(find).collect::<Result<_, _>>()?;
        let mut history = std::collections::BTreeMap::new();
        for (id, states) in &snapshot.history {
            history.insert(find(id)?, states.iter().map(find).collect::<Result<_, _>>()?);
        }
        let entered = snapshot.entered.iter().map(find).collect::<Result<_, _>>()?;
        if !snapshot.over && !is_legal(&document, &configuration) {
            return Err(RestoreError::Configuration);
        }
        let mut session = Self::blank(Arc::clone(&document), data, &snapshot.id, now);
        session.configuration = configuration;
        session.history = history;
        session.entered = entered;
        session.phase = if snapshot.over { Phase::Over } else { Phase::Running };
        session.internal = snapshot.internal.into();
        session.external = snapshot.external.into();
        session.delayed = snapshot.delayed.into_iter().map(Delayed::from).collect();
        session.own_pace = snapshot.own_pace;
        session.next_id = snapshot.next_id;
        session.restore_data(&snapshot.data).map_err(RestoreError::Data)?;
        Ok(session)
    }

    fn restore_data(&mut self, text: &str) -> Result<(), EvalError> {
        self.data.begin_input();
        self.data.bind_session(&self.id, &self.document.name)?;
        // Functions are not data: the document's script defines them again. The data then overwrite the script's other variables.
        if let Some(script) = &self.document.script {
            match self.data.execute(script) {
                Ok(()) | Err(EvalError::Execution(_)) => {}
                Err(limit) => return Err(limit),
            }
        }
        self.data.restore(text)
    }
}

fn find(document: &Document, id: &str) -> Result<StateIx, RestoreError> {
    let known = match id.strip_prefix('#').and_then(|n| n.parse::<usize>().ok()) {
        Some(at) => (at < document.states.len() && document.states[at].id == id).then_some(StateIx(at)),
        None => document.find(id),
    };
    known.ok_or_else(|| RestoreError::UnknownState(id.to_owned()))
}

/// W3C SCXML 3.11: one child of each active compound state, all of each parallel one, and every parent is active.
fn is_legal(document: &Document, active: &BTreeSet<StateIx>) -> bool {
    let children = |s: StateIx| document.state(s).children.iter().filter(|c| active.contains(c)).count();
    children(StateIx(0)) == 1
        && active.iter().all(|s| {
            let state = document.state(*s);
            let parent_active = state.parent.is_none_or(|p| p == StateIx(0) || active.contains(&p));
            parent_active
                && match state.kind {
                    StateKind::Compound => children(*s) == 1,
                    StateKind::Parallel => children(*s) == state.children.len(),
                    StateKind::Atomic | StateKind::Final => true,
                    StateKind::Root | StateKind::ShallowHistory | StateKind::DeepHistory => false,
                }
        })
}

impl From<&Delayed> for SnapshotDelayed {
    fn from(d: &Delayed) -> Self {
        Self { due: d.due, order: d.order, event: d.event.clone(), internal: d.internal }
    }
}

impl From<SnapshotDelayed> for Delayed {
    fn from(d: SnapshotDelayed) -> Self {
        Self { due: d.due, order: d.order, event: d.event, internal: d.internal }
    }
}
