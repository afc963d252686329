//! Values: the data of a state, the payload of an event, expressions with their syntax checked.

use std::sync::Arc;

use super::{Loader, Required, is_core, is_name};
use crate::document::{Data, Expr, Payload, StateIx, Syntax, ValueSource};
use crate::xml::Element;

impl Loader<'_> {
    pub(super) fn datamodel(&mut self, element: &Element, at: StateIx) {
        for child in &element.children {
            if !is_core(child) || child.name != "data" {
                self.fault(child, "is not supported inside <datamodel>");
                continue;
            }
            self.attributes(child, &["id", "expr"]);
            let Some(id) = child.attribute("id").filter(|id| is_name(id)) else {
                self.fault(child, "needs an id that is a variable's name");
                continue;
            };
            if !self.data_ids.insert(id.to_owned()) {
                self.fault(child, &format!("the data {id:?} is declared twice"));
            }
            let value = self.value_source(child, Required::No);
            self.states[at.0].data.push(Data { id: id.to_owned(), value, line: child.line });
        }
    }

    /// The value of `<data>`, `<assign>` or `<content>`: its `expr`, or the text inside it.
    pub(in crate::document) fn value_source(&mut self, element: &Element, required: Required) -> Option<ValueSource> {
        if let Some(child) = element.children.first() {
            self.fault(child, "XML as a value is not supported; use an expression or JSON");
        }
        let expr = self.expr(element, "expr", Syntax::Expression);
        let inline = element.text.trim();
        match (expr, inline.is_empty()) {
            (Some(_), false) => {
                self.fault(element, "has both expr and text inside");
                None
            }
            (Some(expr), true) => Some(ValueSource::Expr(expr)),
            (None, false) => Some(ValueSource::Inline(inline.to_owned())),
            (None, true) => {
                if required == Required::Yes && element.attribute("expr").is_none() {
                    self.fault(element, "needs expr or text inside");
                }
                None
            }
        }
    }

    pub(in crate::document) fn payload(&mut self, element: &Element) -> Payload {
        let mut payload = Payload::default();
        for child in &element.children {
            match child.name.as_str() {
                "param" if is_core(child) => payload.params.extend(self.param(child)),
                "content" if is_core(child) => {
                    self.attributes(child, &["expr"]);
                    payload.content =
                        self.value_source(child, Required::No).or(Some(ValueSource::Inline(String::new())));
                }
                _ => self.fault(child, &format!("is not supported inside <{}>", element.name)),
            }
        }
        if payload.content.is_some() && !payload.params.is_empty() {
            self.fault(element, "has both <content> and <param>");
        }
        payload
    }

    pub(in crate::document) fn param(&mut self, element: &Element) -> Option<(String, Expr)> {
        self.attributes(element, &["name", "expr", "location"]);
        let expr = self.expr(element, "expr", Syntax::Expression);
        let location = self.expr(element, "location", Syntax::Expression);
        if expr.is_some() && location.is_some() {
            self.fault(element, "has both expr and location");
        }
        match (element.attribute("name"), expr.or(location)) {
            (Some(name), Some(expr)) => Some((name.to_owned(), expr)),
            _ => {
                self.fault(element, "needs name, and expr or location");
                None
            }
        }
    }

    pub(in crate::document) fn script(&mut self, element: &Element) -> Option<Expr> {
        self.attributes(element, &[]);
        self.checked(element, &element.text, Syntax::Script)
    }

    /// The attribute as an expression, location or script, with its syntax checked.
    pub(in crate::document) fn expr(&mut self, element: &Element, attribute: &str, syntax: Syntax) -> Option<Expr> {
        let text = element.attribute(attribute)?;
        self.checked(element, text, syntax)
    }

    pub(in crate::document) fn checked(&mut self, element: &Element, text: &str, syntax: Syntax) -> Option<Expr> {
        if let Some(check) = self.check.as_mut()
            && let Err(reason) = check(syntax, text)
        {
            self.fault(element, &format!("{text:?} is not valid: {reason}"));
            return None;
        }
        Some(Expr { text: Arc::from(text), line: element.line })
    }
}
