//! The host's elements of a document, wherever they stand.

use super::{ActionTemplate, Content, ContentKind, Document, Expr};

impl Document {
    /// What an attribute has at each of the host's elements of a name, as `queue`, `target`, `name`; in no particular order.
    pub fn attributes(&self, module: &str, element: &str, attribute: &str) -> Vec<&Expr> {
        let of_states = self.states.iter().flat_map(|state| state.onentry.iter().chain(&state.onexit));
        let of_transitions = self.transitions.iter().map(|transition| &transition.content);
        let mut contents: Vec<&Content> = of_states.chain(of_transitions).flatten().collect();
        let mut actions: Vec<&ActionTemplate> = Vec::new();
        while let Some(content) = contents.pop() {
            match &content.kind {
                ContentKind::If(branches) => contents.extend(branches.iter().flat_map(|(_, body)| body)),
                ContentKind::Foreach { body, .. } => contents.extend(body),
                ContentKind::Action(action) => actions.push(action),
                _ => {}
            }
        }
        let mut found = Vec::new();
        while let Some(action) = actions.pop() {
            actions.extend(&action.children);
            if action.module == module && action.name == element {
                let of_name = action.attributes.iter().filter(|(name, _)| name == attribute);
                found.extend(of_name.map(|(_, expression)| expression));
            }
        }
        found
    }
}
