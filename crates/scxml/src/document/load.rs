//! From the XML tree to states and transitions. Collects every fault instead of stopping at the first.

mod targets;
mod values;

use std::collections::{HashMap, HashSet};

use super::{
    Binding, Document, Expr, Fault, LoadError, State, StateIx, StateKind, Syntax, SyntaxCheck, Transition, TransitionIx,
};
use crate::event::Descriptors;
use crate::limits::Limits;
use crate::vocabulary::Vocabulary;
use crate::xml::{self, Element};

/// The namespace of W3C's own elements; an element without a namespace counts as one of them.
const SCXML: &str = "http://www.w3.org/2005/07/scxml";

pub(super) fn load<'a>(
    text: &str,
    vocabulary: &'a Vocabulary,
    limits: Limits,
    check: Option<SyntaxCheck<'a>>,
) -> Result<Document, LoadError> {
    let root = xml::read(text, &limits).map_err(|fault| LoadError { faults: vec![fault] })?;
    let mut loader = Loader {
        vocabulary,
        check,
        faults: Vec::new(),
        states: Vec::new(),
        transitions: Vec::new(),
        ids: HashMap::new(),
        pending: Vec::new(),
        states_max: limits.states,
        targets_max: limits.targets,
        data_ids: HashSet::new(),
    };
    let document = loader.root(&root, limits);
    match loader.faults.is_empty() {
        true => Ok(document),
        false => {
            loader.faults.sort_by_key(|f| f.line);
            loader.faults.truncate(LoadError::FAULTS_MAX);
            Err(LoadError { faults: loader.faults })
        }
    }
}

pub(super) struct Loader<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) check: Option<SyntaxCheck<'a>>,
    pub(super) faults: Vec<Fault>,
    states: Vec<State>,
    transitions: Vec<Transition>,
    ids: HashMap<String, StateIx>,
    /// Targets by name, resolved once every state is known.
    pending: Vec<(TransitionIx, String, u32, String)>,
    states_max: usize,
    targets_max: usize,
    data_ids: HashSet<String>,
}

impl Loader<'_> {
    fn root(&mut self, root: &Element, limits: Limits) -> Document {
        if root.name != "scxml" || !is_core(root) {
            self.fault(root, "the root element must be <scxml>");
        }
        self.attributes(root, &["version", "name", "initial", "datamodel", "binding", "exmode"]);
        if root.attribute("version") != Some("1.0") {
            self.fault(root, "version must be \"1.0\"");
        }
        let datamodel = root.attribute("datamodel").unwrap_or_default().to_owned();
        if !["", "null", "ecmascript"].contains(&datamodel.as_str()) {
            self.fault(root, &format!("the datamodel {datamodel:?} is not supported; use \"ecmascript\" or \"null\""));
        }
        let binding = match root.attribute("binding") {
            None | Some("early") => Binding::Early,
            Some("late") => Binding::Late,
            Some(_) => {
                self.fault(root, "binding must be \"early\" or \"late\"");
                Binding::Early
            }
        };
        let mut script = None;
        let at = self.add_state(root, StateKind::Root, None);
        for child in &root.children {
            match child.name.as_str() {
                "script" if is_core(child) => script = self.script(child),
                _ => self.state_child(child, at),
            }
        }
        self.finish_state(root, at);
        self.resolve_targets();
        self.check_legal_targets();
        Document {
            name: root.attribute("name").unwrap_or_default().to_owned(),
            datamodel,
            binding,
            script,
            states: std::mem::take(&mut self.states),
            transitions: std::mem::take(&mut self.transitions),
            limits,
        }
    }

    // ---- states ----

    fn add_state(&mut self, element: &Element, kind: StateKind, parent: Option<StateIx>) -> StateIx {
        let at = StateIx(self.states.len());
        let id = match element.attribute("id") {
            Some(id) if kind != StateKind::Root => id.to_owned(),
            _ => format!("#{}", at.0),
        };
        if self.states.len() == self.states_max {
            self.fault(element, &format!("the document has more than {} states", self.states_max));
        }
        if id.is_empty()
            || id.contains(char::is_whitespace)
            || (id.starts_with('#') && element.attribute("id").is_some())
        {
            self.fault(element, "an id must be one word that does not begin with #");
        }
        if kind != StateKind::Root && self.ids.insert(id.clone(), at).is_some() {
            self.fault(element, &format!("the id {id:?} is used twice"));
        }
        self.states.push(State {
            id,
            kind,
            parent,
            children: Vec::new(),
            histories: Vec::new(),
            last_descendant: at.0,
            initial: None,
            transitions: Vec::new(),
            onentry: Vec::new(),
            onexit: Vec::new(),
            data: Vec::new(),
            donedata: None,
        });
        at
    }

    fn state_child(&mut self, element: &Element, parent: StateIx) {
        if self.states.len() > self.states_max {
            return;
        }
        let kind = self.states[parent.0].kind;
        let allowed: &[&str] = match kind {
            StateKind::Root => &["state", "parallel", "final", "datamodel"],
            StateKind::Parallel => &["onentry", "onexit", "transition", "state", "parallel", "history", "datamodel"],
            StateKind::Final => &["onentry", "onexit", "donedata"],
            StateKind::ShallowHistory | StateKind::DeepHistory => &["transition"],
            StateKind::Atomic | StateKind::Compound => {
                &["onentry", "onexit", "transition", "initial", "state", "parallel", "final", "history", "datamodel"]
            }
        };
        if is_core(element) && element.name == "invoke" {
            return self.fault(element, "invoke is not supported");
        }
        if !is_core(element) {
            // Foreign elements here are an editor's annotations; W3C SCXML allows a processor to ignore them.
            return;
        }
        if !allowed.contains(&element.name.as_str()) {
            let inside = self.states[parent.0].kind;
            return self.fault(element, &format!("is not supported inside {}", kind_word(inside)));
        }
        match element.name.as_str() {
            "state" => self.state(element, StateKind::Atomic, parent),
            "parallel" => self.state(element, StateKind::Parallel, parent),
            "final" => self.state(element, StateKind::Final, parent),
            "history" => self.history(element, parent),
            "initial" => self.initial_element(element, parent),
            "transition" => self.transition(element, parent),
            "onentry" => {
                let block = self.block(element);
                self.states[parent.0].onentry.push(block);
            }
            "onexit" => {
                let block = self.block(element);
                self.states[parent.0].onexit.push(block);
            }
            "datamodel" => self.datamodel(element, parent),
            "donedata" => {
                let payload = self.payload(element);
                self.states[parent.0].donedata = Some(payload);
            }
            _ => {}
        }
    }

    fn state(&mut self, element: &Element, kind: StateKind, parent: StateIx) {
        let allowed: &[&str] = if kind == StateKind::Atomic { &["id", "initial"] } else { &["id"] };
        self.attributes(element, allowed);
        let at = self.add_state(element, kind, Some(parent));
        self.states[parent.0].children.push(at);
        for child in &element.children {
            self.state_child(child, at);
        }
        self.finish_state(element, at);
    }

    fn finish_state(&mut self, element: &Element, at: StateIx) {
        let last = self.states.len() - 1;
        self.states[at.0].last_descendant = last;
        let has_children = !self.states[at.0].children.is_empty();
        match self.states[at.0].kind {
            StateKind::Atomic if has_children => self.states[at.0].kind = StateKind::Compound,
            StateKind::Atomic if element.attribute("initial").is_some() || self.states[at.0].initial.is_some() => {
                self.fault(element, "a state without children has no initial state");
            }
            StateKind::Root if !has_children => self.fault(element, "there is no state"),
            _ => {}
        }
        let needs_initial = matches!(self.states[at.0].kind, StateKind::Compound | StateKind::Root);
        if !needs_initial || !has_children {
            return;
        }
        if let Some(names) = element.attribute("initial") {
            if self.states[at.0].initial.is_some() {
                self.fault(element, "has both an initial attribute and an <initial> element");
            }
            let transition = self.add_transition(at, Descriptors::parse(""), None, Vec::new());
            self.targets_by_name(transition, names, element);
            self.states[at.0].initial = Some(transition);
        } else if self.states[at.0].initial.is_none() {
            let transition = self.add_transition(at, Descriptors::parse(""), None, Vec::new());
            self.transitions[transition.0].targets = vec![self.states[at.0].children[0]];
            self.states[at.0].initial = Some(transition);
        }
    }

    fn history(&mut self, element: &Element, parent: StateIx) {
        self.attributes(element, &["id", "type"]);
        let kind = match element.attribute("type") {
            None | Some("shallow") => StateKind::ShallowHistory,
            Some("deep") => StateKind::DeepHistory,
            Some(_) => {
                self.fault(element, "type must be \"shallow\" or \"deep\"");
                StateKind::ShallowHistory
            }
        };
        let at = self.add_state(element, kind, Some(parent));
        self.states[parent.0].histories.push(at);
        let transitions: Vec<&Element> = element.children.iter().filter(|c| is_core(c)).collect();
        let [only] = transitions.as_slice() else {
            return self.fault(element, "must have exactly one <transition>: its default");
        };
        if only.attribute("event").is_some() || only.attribute("cond").is_some() || only.attribute("target").is_none() {
            self.fault(only, "a default transition has a target, and neither event nor cond");
        }
        self.transition(only, at);
        self.states[at.0].initial = self.states[at.0].transitions.pop();
    }

    fn initial_element(&mut self, element: &Element, parent: StateIx) {
        let transitions: Vec<&Element> = element.children.iter().filter(|c| is_core(c)).collect();
        let [only] = transitions.as_slice() else {
            return self.fault(element, "must have exactly one <transition>");
        };
        if only.attribute("event").is_some() || only.attribute("cond").is_some() || only.attribute("target").is_none() {
            self.fault(only, "an initial transition has a target, and neither event nor cond");
        }
        if self.states[parent.0].initial.is_some() {
            return self.fault(element, "there is more than one <initial>");
        }
        self.transition(only, parent);
        self.states[parent.0].initial = self.states[parent.0].transitions.pop();
    }

    // ---- transitions ----

    fn transition(&mut self, element: &Element, source: StateIx) {
        self.attributes(element, &["event", "cond", "target", "type"]);
        let internal = match element.attribute("type") {
            None | Some("external") => false,
            Some("internal") => true,
            Some(_) => {
                self.fault(element, "type must be \"internal\" or \"external\"");
                false
            }
        };
        let events = Descriptors::parse(element.attribute("event").unwrap_or_default());
        if element.attribute("event").is_some() && events.is_empty() {
            self.fault(element, "event names no event");
        }
        let cond = self.expr(element, "cond", Syntax::Expression);
        if events.is_empty() && cond.is_none() && element.attribute("target").is_none() {
            self.fault(element, "needs at least one of event, cond and target");
        }
        let content = self.block(element);
        let at = self.add_transition(source, events, cond, content);
        self.transitions[at.0].internal = internal;
        if let Some(names) = element.attribute("target") {
            self.targets_by_name(at, names, element);
        }
        self.states[source.0].transitions.push(at);
    }

    fn add_transition(
        &mut self,
        source: StateIx,
        events: Descriptors,
        cond: Option<Expr>,
        content: Vec<super::Content>,
    ) -> TransitionIx {
        self.transitions.push(Transition { source, events, cond, targets: Vec::new(), internal: false, content });
        TransitionIx(self.transitions.len() - 1)
    }

    /// Refuses attributes that are not on the list, each by name.
    pub(super) fn attributes(&mut self, element: &Element, allowed: &[&str]) {
        for (name, _) in &element.attributes {
            if !allowed.contains(&name.as_str()) {
                self.fault(element, &format!("the attribute {name:?} is not supported"));
            }
        }
    }

    pub(super) fn fault(&mut self, element: &Element, rule: &str) {
        // Above the limit only the count matters; the list is truncated before it is returned.
        if self.faults.len() <= 2 * LoadError::FAULTS_MAX {
            self.faults.push(Fault { line: element.line, element: element.written.clone(), rule: rule.to_owned() });
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    Yes,
    No,
}

pub(super) fn is_core(element: &Element) -> bool {
    element.namespace.is_empty() || element.namespace == SCXML
}

/// Whether the text is a variable name in every data model.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

const fn kind_word(kind: StateKind) -> &'static str {
    match kind {
        StateKind::Root => "<scxml>",
        StateKind::Atomic | StateKind::Compound => "<state>",
        StateKind::Parallel => "<parallel>",
        StateKind::Final => "<final>",
        StateKind::ShallowHistory | StateKind::DeepHistory => "<history>",
    }
}
