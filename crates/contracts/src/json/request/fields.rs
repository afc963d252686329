//! The fields of a frame, read with errors that name them.

use model::request::{FrameField, Treatment};
use model::{ConnId, Owner};
use serde_json::{Map, Value as Json};

use super::conn_id_with_owner;
use crate::json::FrameError;

/// A frame's fields, read with errors that name them.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Json>);

impl<'a> Fields<'a> {
    pub(super) fn text(&self, key: &str) -> Result<&'a str, FrameError> {
        self.optional_text(key)?.ok_or_else(|| FrameError::invalid(key, "it is absent"))
    }

    pub(super) fn optional_text(&self, key: &str) -> Result<Option<&'a str>, FrameError> {
        match self.0.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(FrameError::invalid(key, "it is not text")),
        }
    }

    /// The field, unless it is absent or null.
    pub(super) fn optional(&self, key: &str) -> Option<&'a Json> {
        self.0.get(key).filter(|json| !json.is_null())
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, FrameError> {
        match self.0.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(json) => {
                json.as_u64().map(Some).ok_or_else(|| FrameError::invalid(key, "it is not a whole number from 0"))
            }
        }
    }

    /// Whether something holds; not where nothing is said.
    pub(super) fn flag(&self, key: &str) -> Result<bool, FrameError> {
        match self.optional(key) {
            None => Ok(false),
            Some(Json::Bool(holds)) => Ok(*holds),
            Some(_) => Err(FrameError::invalid(key, "it is neither true nor false")),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, FrameError> {
        let wrong = || FrameError::invalid(key, "it is not a list of texts");
        match self.0.get(key) {
            Some(Json::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
            None => Err(FrameError::invalid(key, "it is absent")),
        }
    }

    pub(super) fn object(&self, key: &str) -> Result<Map<String, Json>, FrameError> {
        match self.0.get(key) {
            None | Some(Json::Null) => Ok(Map::new()),
            Some(Json::Object(object)) => Ok(object.clone()),
            Some(_) => Err(FrameError::invalid(key, "it is not an object")),
        }
    }

    /// The names of prompts.
    pub(super) fn prompts(&self) -> Result<Vec<String>, FrameError> {
        let prompts = self.texts("prompts")?;
        if prompts.len() > Treatment::PROMPTS_MAX {
            return Err(FrameError::invalid("prompts", format_args!("there are more than {}", Treatment::PROMPTS_MAX)));
        }
        prompts.into_iter().map(|prompt| prompt_name("prompts", prompt)).collect()
    }

    pub(super) fn conn_id(&self, field: &FrameField) -> Result<(ConnId, Option<Owner>), FrameError> {
        let wrong = |rule: &dyn std::fmt::Display| FrameError::new(field.name, field.fault, rule);
        let text = self.optional_text(field.name)?.ok_or_else(|| wrong(&"it is absent"))?;
        conn_id_with_owner(text).map_err(|e| wrong(&e))
    }
}

/// The name of a prompt, unless it is too long.
pub(super) fn prompt_name(field: &str, name: String) -> Result<String, FrameError> {
    if name.len() > Treatment::PROMPT_BYTES_MAX {
        let rule = format_args!("a name has more than {} bytes", Treatment::PROMPT_BYTES_MAX);
        return Err(FrameError::invalid(field, rule));
    }
    Ok(name)
}
