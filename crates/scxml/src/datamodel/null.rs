//! The null data model (W3C SCXML B.1): no data, and `In('state')` as the only condition.

use super::{Datamodel, EvalError};
use crate::document::Expr;
use crate::event::Event;
use crate::value::Value;

/// The null data model.
#[derive(Debug, Default)]
pub struct NullDatamodel {
    active: Vec<String>,
}

impl Datamodel for NullDatamodel {
    fn begin_input(&mut self) {}

    fn bind_session(&mut self, _: &str, _: &str) -> Result<(), EvalError> {
        Ok(())
    }

    fn bind_event(&mut self, _: &Event) -> Result<(), EvalError> {
        Ok(())
    }

    fn set_active(&mut self, ids: Vec<String>) {
        self.active = ids;
    }

    fn declare(&mut self, _: &str) -> Result<(), EvalError> {
        Err(unsupported("data"))
    }

    fn evaluate(&mut self, _: &Expr) -> Result<Value, EvalError> {
        Err(unsupported("expressions"))
    }

    fn condition(&mut self, expr: &Expr) -> Result<bool, EvalError> {
        let inner = expr.text.trim().strip_prefix("In(").and_then(|rest| rest.strip_suffix(')'));
        let id = inner.map(|text| text.trim().trim_matches(['\'', '"']));
        let id = id.ok_or_else(|| unsupported("conditions other than In('state')"))?;
        Ok(self.active.iter().any(|a| a == id))
    }

    fn assign(&mut self, _: &Expr, _: &Expr) -> Result<(), EvalError> {
        Err(unsupported("data"))
    }

    fn assign_value(&mut self, _: &Expr, _: &Value) -> Result<(), EvalError> {
        Err(unsupported("data"))
    }

    fn execute(&mut self, _: &Expr) -> Result<(), EvalError> {
        Err(unsupported("scripts"))
    }

    fn literal(&mut self, text: &str) -> Value {
        Value::Text(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn open_loop(&mut self, _: &Expr) -> Result<usize, EvalError> {
        Err(unsupported("loops"))
    }

    fn bind_item(&mut self, _: usize, _: &str, _: Option<&str>) -> Result<(), EvalError> {
        Err(unsupported("loops"))
    }

    fn close_loop(&mut self) {}

    fn snapshot(&mut self) -> Result<String, EvalError> {
        Ok("{}".to_owned())
    }

    fn restore(&mut self, _: &str) -> Result<(), EvalError> {
        Ok(())
    }
}

fn unsupported(what: &str) -> EvalError {
    EvalError::Execution(format!("the null data model has no {what}"))
}
