//! Executable content: W3C's elements and the host's.

use super::load::{Loader, Required, is_core, is_name};
use super::{ActionTemplate, Content, ContentKind, Expr, Send, SendId, Syntax, Wording};
use crate::delay::parse_delay;
use crate::vocabulary::{Place, RequestId};
use crate::xml::Element;

impl Loader<'_> {
    /// The executable elements inside `element`, in order.
    pub(super) fn block(&mut self, element: &Element) -> Vec<Content> {
        if !element.text.trim().is_empty() {
            self.fault(element, "has text where only elements may stand");
        }
        element.children.iter().filter_map(|child| self.executable(child)).collect()
    }

    fn executable(&mut self, element: &Element) -> Option<Content> {
        let kind = if is_core(element) { self.core(element)? } else { self.host_element(element)? };
        Some(Content { line: element.line, kind })
    }

    fn core(&mut self, element: &Element) -> Option<ContentKind> {
        match element.name.as_str() {
            "raise" => {
                self.attributes(element, &["event"]);
                let event = self.needed(element, "event")?;
                Some(ContentKind::Raise(event.to_owned()))
            }
            "log" => {
                self.attributes(element, &["label", "expr", "level"]);
                let label = element.attribute("label").unwrap_or_default().to_owned();
                let level = self.expr(element, "level", Syntax::Expression);
                Some(ContentKind::Log { label, level, expr: self.expr(element, "expr", Syntax::Expression) })
            }
            "assign" => self.assign(element),
            "script" => self.script(element).map(ContentKind::Script),
            "if" => Some(self.if_element(element)),
            "foreach" => self.foreach(element),
            "send" => self.send(element),
            "cancel" => {
                self.attributes(element, &["sendid", "sendidexpr"]);
                let wording = self.wording(element, "sendid", "sendidexpr");
                if wording.is_none() {
                    self.fault(element, "needs sendid or sendidexpr");
                }
                wording.map(ContentKind::Cancel)
            }
            "elseif" | "else" => {
                self.fault(element, "stands outside <if>");
                None
            }
            _ => {
                self.fault(element, "is not a known executable element");
                None
            }
        }
    }

    fn assign(&mut self, element: &Element) -> Option<ContentKind> {
        self.attributes(element, &["location", "expr"]);
        self.needed(element, "location")?;
        let value = self.value_source(element, Required::Yes);
        let location = self.expr(element, "location", Syntax::Location)?;
        Some(ContentKind::Assign { location, value: value? })
    }

    fn if_element(&mut self, element: &Element) -> ContentKind {
        self.attributes(element, &["cond"]);
        self.needed(element, "cond");
        let mut branches = vec![(self.expr(element, "cond", Syntax::Expression), Vec::new())];
        let mut after_else = false;
        for child in &element.children {
            let divider = is_core(child) && (child.name == "elseif" || child.name == "else");
            if !divider {
                let content = self.executable(child);
                if let Some((_, body)) = branches.last_mut() {
                    body.extend(content);
                }
                continue;
            }
            if after_else {
                self.fault(child, "comes after <else>");
            }
            let cond = if child.name == "elseif" {
                self.attributes(child, &["cond"]);
                self.needed(child, "cond");
                self.expr(child, "cond", Syntax::Expression)
            } else {
                self.attributes(child, &[]);
                after_else = true;
                None
            };
            branches.push((cond, Vec::new()));
        }
        ContentKind::If(branches)
    }

    fn foreach(&mut self, element: &Element) -> Option<ContentKind> {
        self.attributes(element, &["array", "item", "index"]);
        self.needed(element, "array")?;
        let body = self.block(element);
        let array = self.expr(element, "array", Syntax::Expression)?;
        let item = self.needed(element, "item")?.to_owned();
        let index = element.attribute("index").map(str::to_owned);
        // W3C SCXML 4.6 raises error.execution for an illegal name at run time; here the loader refuses it.
        if !is_name(&item) || index.as_deref().is_some_and(|i| !is_name(i)) {
            self.fault(element, "item and index must be variables' names");
            return None;
        }
        Some(ContentKind::Foreach { array, item, index, body })
    }

    fn send(&mut self, element: &Element) -> Option<ContentKind> {
        self.attributes(
            element,
            &[
                "event",
                "eventexpr",
                "target",
                "targetexpr",
                "type",
                "typeexpr",
                "id",
                "idlocation",
                "delay",
                "delayexpr",
                "namelist",
            ],
        );
        let location = self.expr(element, "idlocation", Syntax::Location);
        let id = match (element.attribute("id"), location) {
            (Some(_), Some(_)) => {
                self.fault(element, "has both id and idlocation");
                None
            }
            (Some(id), None) => Some(SendId::Given(id.to_owned())),
            (None, location) => location.map(SendId::Location),
        };
        let mut payload = self.payload(element);
        for name in element.attribute("namelist").unwrap_or_default().split_ascii_whitespace() {
            if let Some(expr) = self.checked(element, name, Syntax::Expression) {
                payload.namelist.push((name.to_owned(), expr));
            }
        }
        let send = Send {
            event: self.wording(element, "event", "eventexpr"),
            target: self.wording(element, "target", "targetexpr"),
            processor: self.wording(element, "type", "typeexpr"),
            id,
            delay: self.wording(element, "delay", "delayexpr"),
            payload,
        };
        if let Some(Wording::Fixed(delay)) = &send.delay
            && parse_delay(delay).is_none()
        {
            self.fault(element, &format!("{delay:?} is not a time such as \"2.5s\" or \"300ms\""));
        }
        if send.event.is_none() && send.payload.content.is_none() {
            self.fault(element, "needs event, eventexpr or <content>");
        }
        Some(ContentKind::Send(Box::new(send)))
    }

    // ---- the host's elements ----

    fn host_element(&mut self, element: &Element) -> Option<ContentKind> {
        let template = self.host_template(element, Place::Action)?;
        Some(ContentKind::Action(Box::new(template)))
    }

    fn host_template(&mut self, element: &Element, place: Place) -> Option<ActionTemplate> {
        let Some(module) = self.vocabulary.module(&element.namespace) else {
            self.fault(element, &format!("the namespace {:?} is not supported", element.namespace));
            return None;
        };
        let Some(spec) = module.element(&element.name) else {
            self.fault(element, &format!("the element is not supported in the module {:?}", module.name));
            return None;
        };
        if place == Place::Action && spec.place == Place::Child {
            self.fault(element, "stands only inside another element");
            return None;
        }
        self.attributes(element, spec.attributes);
        for name in spec.required {
            self.needed(element, name);
        }
        let mut template = ActionTemplate {
            module: module.name,
            name: spec.name,
            request_location: match spec.request_id {
                RequestId::Stored => self.expr(element, "requestid", Syntax::Location),
                RequestId::Named => None,
            },
            attributes: self.host_attributes(element, spec.request_id),
            params: Vec::new(),
            children: Vec::new(),
        };
        for child in &element.children {
            self.host_child(child, spec.children, &mut template);
        }
        Some(template)
    }

    fn host_attributes(&mut self, element: &Element, request_id: RequestId) -> Vec<(String, Expr)> {
        let mut attributes = Vec::new();
        for (name, text) in
            element.attributes.iter().filter(|(name, _)| request_id == RequestId::Named || name != "requestid")
        {
            let expr = self.checked(element, text, Syntax::Expression);
            attributes.extend(expr.map(|e| (name.clone(), e)));
        }
        attributes
    }

    fn host_child(&mut self, child: &Element, allowed: &[&str], parent: &mut ActionTemplate) {
        if is_core(child) {
            if child.name == "param" && allowed.contains(&"param") {
                parent.params.extend(self.param(child));
            } else {
                self.fault(child, &format!("is not supported inside <{}:{}>", parent.module, parent.name));
            }
            return;
        }
        let full = self.vocabulary.module(&child.namespace).map(|m| format!("{}:{}", m.name, child.name));
        if !full.is_some_and(|full| allowed.contains(&full.as_str())) {
            return self.fault(child, &format!("is not supported inside <{}:{}>", parent.module, parent.name));
        }
        parent.children.extend(self.host_template(child, Place::Child));
    }

    // ---- attributes ----

    fn needed<'e>(&mut self, element: &'e Element, attribute: &str) -> Option<&'e str> {
        let value = element.attribute(attribute).filter(|v| !v.trim().is_empty());
        if value.is_none() {
            self.fault(element, &format!("needs the attribute {attribute:?}"));
        }
        value
    }

    fn wording(&mut self, element: &Element, fixed: &str, expr: &str) -> Option<Wording> {
        match (element.attribute(fixed), element.attribute(expr)) {
            (Some(_), Some(_)) => {
                self.fault(element, &format!("has both {fixed} and {expr}"));
                None
            }
            (Some(text), None) => Some(Wording::Fixed(text.to_owned())),
            (None, _) => self.expr(element, expr, Syntax::Expression).map(Wording::Expr),
        }
    }
}
