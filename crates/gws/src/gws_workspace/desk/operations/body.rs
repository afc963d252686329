//! The body of an operation: every field is read from `data`, else beside it, for the clients differ in where they put it.

use serde_json::{Map, Value};

use super::pairs::PairList;
use crate::gws_workspace::desk::outputs::OperationRefusal;

/// The most bytes of a text: a number, a name or a key.
const TEXT_BYTES_MAX: usize = 256;
/// The most bytes of an operation's id; clients take UUIDs.
const OPERATION_ID_BYTES_MAX: usize = 100;
/// The most texts of a list.
const TEXTS_MAX: usize = 16;

/// The fields of a body.
pub(super) struct OperationBody<'a> {
    beside: Option<&'a Map<String, Value>>,
    data: Option<&'a Map<String, Value>>,
}

impl<'a> OperationBody<'a> {
    /// Reads a body; null stands for none.
    pub fn read(body: &'a Value) -> Result<Self, OperationRefusal> {
        let beside = match body {
            Value::Null => None,
            Value::Object(fields) => Some(fields),
            _ => return Err(OperationRefusal::parameter("body", "it is not an object")),
        };
        let data = match beside.and_then(|fields| fields.get("data")) {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) => Some(fields),
            Some(_) => return Err(OperationRefusal::parameter("data", "it is not an object")),
        };
        Ok(Self { beside, data })
    }

    fn field(&self, name: &str) -> Option<&'a Value> {
        let places = [self.data, self.beside];
        places.into_iter().flatten().filter_map(|fields| fields.get(name)).find(|value| !value.is_null())
    }

    /// A text that must be there.
    pub fn text(&self, name: &str) -> Result<String, OperationRefusal> {
        self.optional_text(name)?.ok_or_else(|| OperationRefusal::parameter(name, "it is missing"))
    }

    /// A text; an empty one counts as absent, and a whole number as its digits.
    pub fn optional_text(&self, name: &str) -> Result<Option<String>, OperationRefusal> {
        let text = match self.field(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if number.is_u64() => number.to_string(),
            Some(_) => return Err(OperationRefusal::parameter(name, "it is not text")),
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(OperationRefusal::parameter(name, format_args!("it has more than {TEXT_BYTES_MAX} bytes")));
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// One of the names, in letters of any case.
    pub fn one_of(&self, name: &str, names: &'static [&'static str]) -> Result<Option<&'static str>, OperationRefusal> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        let found = names.iter().copied().find(|known| known.eq_ignore_ascii_case(&text));
        let unknown = || OperationRefusal::parameter(name, format_args!("it is not one of {}", names.join(", ")));
        found.map(Some).ok_or_else(unknown)
    }

    /// Refuses a field that is published, and for which there is nothing here.
    pub fn is_without(&self, name: &str, why: &str) -> Result<(), OperationRefusal> {
        match self.optional_text(name)? {
            Some(_) => Err(OperationRefusal::parameter(name, why)),
            None => Ok(()),
        }
    }

    /// True or false.
    pub fn optional_bool(&self, name: &str) -> Result<Option<bool>, OperationRefusal> {
        match self.field(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(OperationRefusal::parameter(name, "it is neither true nor false")),
        }
    }

    /// A list of texts.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, OperationRefusal> {
        let wrong = || OperationRefusal::parameter(name, format_args!("it is no list of at most {TEXTS_MAX} texts"));
        match self.field(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= TEXTS_MAX => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A list of pairs; none if it is absent.
    pub fn pairs(&self, name: &str) -> Result<PairList, OperationRefusal> {
        self.field(name).map_or_else(|| Ok(PairList::default()), |value| PairList::read(name, value))
    }

    /// A list of pairs that must be there.
    pub fn wanted_pairs(&self, name: &str) -> Result<PairList, OperationRefusal> {
        let pairs = self.pairs(name)?;
        if pairs.is_empty() {
            return Err(OperationRefusal::parameter(name, "it is missing"));
        }
        Ok(pairs)
    }

    /// The operation's id, if the client gives one.
    pub fn operation_id(&self) -> Result<Option<String>, OperationRefusal> {
        let id = self.optional_text("operationId")?;
        if id.as_ref().is_some_and(|id| id.len() > OPERATION_ID_BYTES_MAX) {
            let rule = format_args!("it has more than {OPERATION_ID_BYTES_MAX} bytes");
            return Err(OperationRefusal::parameter("operationId", rule));
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_in_data_and_beside_it() {
        for body in [json!({"data": {}, "reasonCode": "Lunch"}), json!({"data": {"reasonCode": "Lunch"}})] {
            assert_eq!(OperationBody::read(&body).unwrap().text("reasonCode").unwrap(), "Lunch");
        }
        let both = json!({"data": {"a": "in"}, "a": "beside"});
        assert_eq!(OperationBody::read(&both).unwrap().text("a").unwrap(), "in");
    }

    #[test]
    fn no_body_an_empty_one_and_one_without_data_have_no_fields() {
        for body in [json!(null), json!({}), json!({"data": null}), json!({"data": {"a": null, "b": ""}})] {
            let body = OperationBody::read(&body).unwrap();
            assert_eq!((body.optional_text("a").unwrap(), body.optional_text("b").unwrap()), (None, None));
            assert!(body.pairs("userData").unwrap().is_empty());
        }
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (body, named) in [
            (json!([]), "body: "),
            (json!({"data": 1}), "data: "),
            (json!({"data": {"a": []}}), "a: "),
            (json!({"data": {"a": "x".repeat(257)}}), "a: "),
            (json!({}), "a: it is missing"),
        ] {
            let refused = OperationBody::read(&body).and_then(|body| body.text("a")).unwrap_err();
            assert!(refused.message.starts_with(named), "{}", refused.message);
            assert_eq!((refused.status, refused.code), (400, 400));
        }
    }
}
