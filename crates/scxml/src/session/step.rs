//! A session's steps, recorded for people who want to know why it did something.

use super::{Action, Output, Session};
use crate::document::StateIx;
use crate::event::Event;

/// Steps waiting for [`Session::poll_step`]; if they are not polled, the oldest are dropped.
const STEPS_MAX: usize = 128;

/// One step of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An event was processed.
    Event {
        /// The event.
        event: Event,
        /// Whether a transition was taken.
        taken: bool,
    },
    /// A state was exited, by its id.
    Left(String),
    /// A state was entered, by its id.
    Entered(String),
    /// An element of the host was reached.
    Action(Action),
    /// `<log>`: label and text.
    Log(String),
}

/// A step as stored: names are looked up when it is polled.
pub(super) enum Taken {
    Event(Event, bool),
    Left(StateIx),
    Entered(StateIx),
    Action(Action),
    Log(String),
}

impl Session {
    /// The next step that was taken. Steps are no part of a snapshot, and a host that does not ask loses the oldest.
    pub fn poll_step(&mut self) -> Option<Step> {
        let name = |state: StateIx| self.document.state(state).id.clone();
        Some(match self.steps.pop_front()? {
            Taken::Event(event, taken) => Step::Event { event, taken },
            Taken::Left(state) => Step::Left(name(state)),
            Taken::Entered(state) => Step::Entered(name(state)),
            Taken::Action(action) => Step::Action(action),
            Taken::Log(text) => Step::Log(text),
        })
    }

    pub(super) fn note(&mut self, step: Taken) {
        if self.steps.len() == STEPS_MAX {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
    }

    pub(super) fn note_event(&mut self, event: &Event, taken: bool) {
        self.note(Taken::Event(event.clone(), taken));
    }

    pub(super) fn note_output(&mut self, output: &Output) {
        match output {
            Output::Action(action) => self.note(Taken::Action(action.clone())),
            Output::Log { label, text, .. } => self.note(Taken::Log(format!("{label} {text}").trim().to_owned())),
            Output::UnhandledError(_) | Output::Done(_) => {}
        }
    }
}
