//! Executable content (W3C SCXML 4): an error ends its block and raises an error event.

use std::sync::Arc;

use super::{Action, ActionNode, Output, Run, Session};
use crate::document::{ActionTemplate, Content, ContentKind, Expr, Payload, StateIx, ValueSource, Wording};
use crate::event::{Event, EventKind};
use crate::value::Value;

/// Whether a block continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoesOn,
    Stops,
}

impl Session {
    /// Runs a block; the first error skips its rest.
    pub(super) fn block(&mut self, block: &[Content]) -> Run {
        self.sequence(block).map(|_| ())
    }

    fn sequence(&mut self, contents: &[Content]) -> Run<Flow> {
        for content in contents {
            self.charge(1)?;
            if self.element(content)? == Flow::Stops {
                return Ok(Flow::Stops);
            }
        }
        Ok(Flow::GoesOn)
    }

    fn element(&mut self, content: &Content) -> Run<Flow> {
        self.tell_active();
        let line = content.line;
        match &content.kind {
            ContentKind::Raise(name) => {
                self.push_internal(Event::of(EventKind::Internal, name.clone(), Value::Undefined))?;
                Ok(Flow::GoesOn)
            }
            ContentKind::Log { label, level, expr } => self.log(label, level.as_ref(), expr.as_ref(), line),
            ContentKind::Assign { location, value } => {
                let done = match value {
                    ValueSource::Expr(expr) => self.data.assign(location, expr),
                    ValueSource::Inline(text) => {
                        let value = self.data.literal(text);
                        self.data.assign_value(location, &value)
                    }
                };
                self.settle(done, line).map(flow)
            }
            ContentKind::Script(script) => {
                let done = self.data.execute(script);
                self.settle(done, line).map(flow)
            }
            ContentKind::If(branches) => self.if_element(branches, line),
            ContentKind::Foreach { array, item, index, body } => {
                self.foreach(array, (item, index.as_deref()), body, line)
            }
            ContentKind::Send(send) => Ok(match self.send(send, line)? {
                true => Flow::GoesOn,
                false => Flow::Stops,
            }),
            ContentKind::Cancel(id) => self.cancel(id, line),
            ContentKind::Action(template) => self.action(template, line),
        }
    }

    fn log(&mut self, label: &str, level: Option<&Expr>, expr: Option<&Expr>, line: u32) -> Run<Flow> {
        let Some(level) = self.optional(level, line)? else { return Ok(Flow::Stops) };
        let Some(value) = self.optional(expr, line)? else { return Ok(Flow::Stops) };
        let mut text = value.map(|v| v.to_display()).unwrap_or_default();
        text.truncate(text.floor_char_boundary(self.document.limits.log_bytes));
        let level = level.and_then(|v| v.as_number());
        self.emit(Output::Log { label: label.to_owned(), level, text })?;
        Ok(Flow::GoesOn)
    }

    fn if_element(&mut self, branches: &[(Option<Expr>, Vec<Content>)], line: u32) -> Run<Flow> {
        for (cond, body) in branches {
            let holds = match cond {
                None => true,
                Some(cond) => {
                    let truth = self.data.condition(cond);
                    // A condition that cannot be evaluated is false (W3C SCXML 5.9.1).
                    self.settle(truth, line)?.unwrap_or(false)
                }
            };
            if holds {
                return self.sequence(body);
            }
        }
        Ok(Flow::GoesOn)
    }

    fn foreach(&mut self, array: &Expr, names: (&str, Option<&str>), body: &[Content], line: u32) -> Run<Flow> {
        let opened = self.data.open_loop(array);
        let Some(rounds) = self.settle(opened, line)? else { return Ok(Flow::Stops) };
        let mut flow_now = Flow::GoesOn;
        for at in 0..rounds {
            // A round counts as a step, so that an empty body over a huge array is limited too.
            self.charge(1)?;
            let bound = self.data.bind_item(at, names.0, names.1);
            flow_now = flow(self.settle(bound, line)?);
            if flow_now == Flow::GoesOn {
                flow_now = self.sequence(body)?;
            }
            if flow_now == Flow::Stops {
                break;
            }
        }
        self.data.close_loop();
        Ok(flow_now)
    }

    fn cancel(&mut self, id: &Wording, line: u32) -> Run<Flow> {
        let Some(id) = self.wording(id, line)? else { return Ok(Flow::Stops) };
        self.delayed.retain(|d| d.event.send_id.as_deref() != Some(&id));
        Ok(Flow::GoesOn)
    }

    // ---- the host's elements ----

    fn action(&mut self, template: &ActionTemplate, line: u32) -> Run<Flow> {
        let Some(node) = self.action_node(template, line)? else { return Ok(Flow::Stops) };
        let number = self.take_id();
        let request_id = format!("{}.{number}", self.id);
        if let Some(location) = &template.request_location {
            let stored = self.data.assign_value(location, &Value::from(request_id.as_str()));
            if self.settle(stored, line)?.is_none() {
                return Ok(Flow::Stops);
            }
        }
        self.emit(Output::Action(Action { request_id, node, line }))?;
        Ok(Flow::GoesOn)
    }

    fn action_node(&mut self, template: &ActionTemplate, line: u32) -> Run<Option<ActionNode>> {
        let mut node =
            ActionNode { module: template.module.to_owned(), name: template.name.to_owned(), ..ActionNode::default() };
        for (from, to) in [(&template.attributes, &mut node.attributes), (&template.params, &mut node.params)] {
            for (name, expr) in from {
                let value = self.data.evaluate(expr);
                let Some(value) = self.settle(value, line)? else { return Ok(None) };
                self.charge_payload(&value)?;
                to.push((name.clone(), value));
            }
        }
        for child in &template.children {
            let Some(child) = self.action_node(child, line)? else { return Ok(None) };
            node.children.push(child);
        }
        Ok(Some(node))
    }

    // ---- values ----

    /// Initialises a state's variables.
    pub(super) fn initialise(&mut self, state: StateIx) -> Run {
        let document = Arc::clone(&self.document);
        self.tell_active();
        for data in &document.state(state).data {
            let location = Expr { text: Arc::from(data.id.as_str()), line: data.line };
            let done = match &data.value {
                None => continue,
                Some(ValueSource::Expr(expr)) => self.data.assign(&location, expr),
                Some(ValueSource::Inline(text)) => {
                    let value = self.data.literal(text);
                    self.data.assign_value(&location, &value)
                }
            };
            self.settle(done, data.line)?;
        }
        Ok(())
    }

    /// The data of a `send` or `donedata`; `None` if it could not be evaluated.
    pub(super) fn payload(&mut self, payload: &Payload, line: u32) -> Run<Option<Value>> {
        self.tell_active();
        let value = self.payload_value(payload, line)?;
        value.as_ref().map_or(Ok(()), |value| self.charge_payload(value))?;
        Ok(value)
    }

    fn payload_value(&mut self, payload: &Payload, line: u32) -> Run<Option<Value>> {
        match &payload.content {
            Some(ValueSource::Expr(expr)) => {
                let value = self.data.evaluate(expr);
                return self.settle(value, line);
            }
            Some(ValueSource::Inline(text)) if text.is_empty() => return Ok(Some(Value::Text(String::new()))),
            Some(ValueSource::Inline(text)) => return Ok(Some(self.data.literal(text))),
            None => {}
        }
        if payload.params.is_empty() && payload.namelist.is_empty() {
            return Ok(Some(Value::Undefined));
        }
        let mut pairs = Vec::new();
        for (name, expr) in &payload.params {
            // A parameter that cannot be evaluated is omitted (W3C SCXML 5.7).
            let value = self.data.evaluate(expr);
            if let Some(value) = self.settle(value, line)? {
                pairs.push((name.clone(), value));
            }
        }
        for (name, expr) in &payload.namelist {
            // An argument of the message itself: if it cannot be evaluated, nothing is sent (W3C SCXML 6.2.3).
            let value = self.data.evaluate(expr);
            let Some(value) = self.settle(value, line)? else { return Ok(None) };
            pairs.push((name.clone(), value));
        }
        Ok(Some(Value::Map(pairs)))
    }

    /// The text of an attribute that may be an expression; `None` if it could not be evaluated.
    pub(super) fn wording(&mut self, wording: &Wording, line: u32) -> Run<Option<String>> {
        match wording {
            Wording::Fixed(text) => Ok(Some(text.clone())),
            Wording::Expr(expr) => {
                let value = self.data.evaluate(expr);
                Ok(self.settle(value, line)?.map(|v| v.to_display()))
            }
        }
    }

    fn optional(&mut self, expr: Option<&Expr>, line: u32) -> Run<Option<Option<Value>>> {
        let Some(expr) = expr else { return Ok(Some(None)) };
        let value = self.data.evaluate(expr);
        Ok(self.settle(value, line)?.map(Some))
    }
}

fn flow<T>(done: Option<T>) -> Flow {
    if done.is_some() { Flow::GoesOn } else { Flow::Stops }
}
