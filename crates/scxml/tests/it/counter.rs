//! A data model of named whole numbers: enough to test the interpreter without a scripting engine.
//!
//! Expressions: `n`, `name`, `_event` (the event's name), `In(id)`, two operands joined by one of `+ - < == !=`,
//! `range n` (a list 0..n), `busy` (reaches the time limit). Scripts: `name = expression`.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Timestamp;
use scxml::{Datamodel, Document, EvalError, Event, Expr, LimitKind, Limits, Output, Session, Value, Vocabulary};

#[derive(Default)]
pub struct Counters {
    vars: BTreeMap<String, Value>,
    active: Vec<String>,
    event: Option<Event>,
    loops: Vec<Vec<Value>>,
}

impl Counters {
    fn value(&self, text: &str) -> Result<Value, EvalError> {
        let text = text.trim();
        for operator in ["==", "!=", "<", "+", "-"] {
            if let Some((left, right)) = text.split_once(operator) {
                return operate(operator, self.value(left)?, self.value(right)?);
            }
        }
        if let Some(id) = text.strip_prefix("In(").and_then(|rest| rest.strip_suffix(')')) {
            return Ok(Value::Bool(self.active.iter().any(|a| a == id)));
        }
        if let Some(count) = text.strip_prefix("range ") {
            let count = self.value(count)?.as_number().unwrap_or(0.0) as usize;
            return Ok(Value::List((0..count).map(|n| Value::Number(n as f64)).collect()));
        }
        if let Some(text) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return Ok(Value::from(text));
        }
        match text {
            "busy" => Err(EvalError::Limit(LimitKind::ScriptTime)),
            "_event" => Ok(Value::from(self.event.as_ref().map_or("", |e| e.name.as_str()))),
            "_sendid" => Ok(Value::from(self.event.as_ref().and_then(|e| e.send_id.as_deref()).unwrap_or_default())),
            "_data" => Ok(self.event.as_ref().map(|e| e.data.clone()).unwrap_or_default()),
            _ => match text.parse::<f64>() {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => self.vars.get(text).cloned().ok_or_else(|| unknown(text)),
            },
        }
    }
}

fn operate(operator: &str, left: Value, right: Value) -> Result<Value, EvalError> {
    let numbers = || match (left.as_number(), right.as_number()) {
        (Some(l), Some(r)) => Ok((l, r)),
        _ => Err(EvalError::Execution("not a number".into())),
    };
    Ok(match operator {
        "==" => Value::Bool(left == right),
        "!=" => Value::Bool(left != right),
        "<" => numbers().map(|(l, r)| Value::Bool(l < r))?,
        "+" => numbers().map(|(l, r)| Value::Number(l + r))?,
        _ => numbers().map(|(l, r)| Value::Number(l - r))?,
    })
}

fn unknown(name: &str) -> EvalError {
    EvalError::Execution(format!("{name} is not declared"))
}

impl Datamodel for Counters {
    fn begin_input(&mut self) {}

    fn bind_session(&mut self, _: &str, _: &str) -> Result<(), EvalError> {
        Ok(())
    }

    fn bind_event(&mut self, event: &Event) -> Result<(), EvalError> {
        self.event = Some(event.clone());
        Ok(())
    }

    fn set_active(&mut self, ids: Vec<String>) {
        self.active = ids;
    }

    fn declare(&mut self, id: &str) -> Result<(), EvalError> {
        self.vars.insert(id.to_owned(), Value::Undefined);
        Ok(())
    }

    fn evaluate(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        self.value(&expr.text)
    }

    fn condition(&mut self, expr: &Expr) -> Result<bool, EvalError> {
        Ok(self.value(&expr.text)? == Value::Bool(true))
    }

    fn assign(&mut self, location: &Expr, expr: &Expr) -> Result<(), EvalError> {
        let value = self.value(&expr.text)?;
        self.assign_value(location, &value)
    }

    fn assign_value(&mut self, location: &Expr, value: &Value) -> Result<(), EvalError> {
        let slot = self.vars.get_mut(&*location.text).ok_or_else(|| unknown(&location.text))?;
        *slot = value.clone();
        Ok(())
    }

    fn execute(&mut self, script: &Expr) -> Result<(), EvalError> {
        let (name, expr) = script.text.split_once('=').ok_or_else(|| EvalError::Execution("not a script".into()))?;
        let value = self.value(expr)?;
        self.vars.insert(name.trim().to_owned(), value);
        Ok(())
    }

    fn literal(&mut self, text: &str) -> Value {
        text.parse().map_or_else(|_| Value::from(text), Value::Number)
    }

    fn open_loop(&mut self, array: &Expr) -> Result<usize, EvalError> {
        match self.value(&array.text)? {
            Value::List(items) => {
                self.loops.push(items);
                Ok(self.loops.last().map_or(0, Vec::len))
            }
            _ => Err(EvalError::Execution("not a list".into())),
        }
    }

    fn bind_item(&mut self, at: usize, item: &str, index: Option<&str>) -> Result<(), EvalError> {
        let value = self.loops.last().and_then(|items| items.get(at)).cloned().unwrap_or_default();
        self.vars.insert(item.to_owned(), value);
        if let Some(index) = index {
            self.vars.insert(index.to_owned(), Value::Number(at as f64));
        }
        Ok(())
    }

    fn close_loop(&mut self) {
        self.loops.pop();
    }

    fn snapshot(&mut self) -> Result<String, EvalError> {
        let lines = self.vars.iter().map(|(name, value)| match value {
            Value::Undefined => name.clone(),
            value => format!("{name}={}", value.to_display()),
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    fn restore(&mut self, text: &str) -> Result<(), EvalError> {
        for line in text.lines() {
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name, self.literal(value)),
                None => (line, Value::Undefined),
            };
            self.vars.insert(name.to_owned(), value);
        }
        Ok(())
    }
}

// ---- driving ----

pub const T0: Timestamp = Timestamp::from_millis(1_000_000);

pub fn document(body: &str) -> Arc<Document> {
    limited(body, Limits::default())
}

pub fn limited(body: &str, limits: Limits) -> Arc<Document> {
    Arc::new(Document::load(body, &Vocabulary::NONE, limits, None).expect("the test's document is valid"))
}

pub fn start(body: &str) -> Session {
    Session::start(document(body), Box::new(Counters::default()), "s1", T0)
}

/// Texts of the logs since the last call, and how the session ended.
pub fn logs(session: &mut Session) -> Vec<String> {
    std::iter::from_fn(|| session.poll_output())
        .map(|output| match output {
            Output::Log { label, text, .. } => format!("{label}{text}"),
            Output::UnhandledError(event) => format!("!{}", event.name),
            Output::Done(end) => format!("{end:?}"),
            Output::Action(action) => format!("action {}", action.node.name),
        })
        .collect()
}

pub fn tell(session: &mut Session, name: &str) {
    session.handle(Event::external(name, Value::Undefined), T0);
}
