//! The fields of a frame, read with errors that name them.

use model::event::ErrorCode;
use model::request::{FrameField, Shape, Treatment};
use model::{AgentId, ConnId, Dn, Owner, UserData, WorkMode};
use serde_json::{Map, Value as Json};

use super::{conn_id_with_owner, prompt_name};
use crate::json::FrameError;
use crate::json::user_data::user_data_from_json;
use crate::wire;

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

    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, FrameError> {
        match self.0.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(json) => {
                json.as_u64().map(Some).ok_or_else(|| FrameError::invalid(key, "it is not a whole number from 0"))
            }
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

    /// The pairs of a list; none if the field is absent.
    pub(super) fn pairs(&self, field: &FrameField) -> Result<UserData, FrameError> {
        let key = field.name;
        let list = match self.0.get(key) {
            None | Some(Json::Null) => return Ok(UserData::new()),
            Some(json) => user_data_from_json(json, key)?,
        };
        let Shape::Pairs { pairs_max, bytes_max } = field.shape else { return Ok(list) };
        if list.pairs() > pairs_max {
            let rule = format_args!("it has more than {pairs_max} pairs, those of nested lists included");
            return Err(FrameError::invalid(key, rule));
        }
        if list.bytes() > bytes_max {
            let rule = format_args!("it has more than {bytes_max} bytes of keys and values");
            return Err(FrameError::invalid(key, rule));
        }
        Ok(list)
    }

    /// The names of prompts.
    pub(super) fn prompts(&self) -> Result<Vec<String>, FrameError> {
        let prompts = self.texts("prompts")?;
        if prompts.len() > Treatment::PROMPTS_MAX {
            return Err(FrameError::invalid("prompts", format_args!("there are more than {}", Treatment::PROMPTS_MAX)));
        }
        prompts.into_iter().map(|prompt| prompt_name("prompts", prompt)).collect()
    }

    pub(super) fn dn(&self, key: &str, code: ErrorCode) -> Result<Dn, FrameError> {
        let text = self.optional_text(key)?.ok_or_else(|| FrameError::new(key, code, "it is absent"))?;
        Dn::parse(text).map_err(|e| FrameError::new(key, code, e))
    }

    pub(super) fn agent(&self) -> Result<Option<AgentId>, FrameError> {
        let text = self.optional_text("AgentID")?;
        text.map(AgentId::parse).transpose().map_err(|e| FrameError::invalid("AgentID", e))
    }

    pub(super) fn conn_id(&self) -> Result<(ConnId, Option<Owner>), FrameError> {
        let wrong = |rule: &dyn std::fmt::Display| FrameError::new("ConnID", ErrorCode::INVALID_CONN_ID, rule);
        let text = self.optional_text("ConnID")?.ok_or_else(|| wrong(&"it is absent"))?;
        conn_id_with_owner(text).map_err(|e| wrong(&e))
    }

    pub(super) fn work_mode(&self) -> Result<WorkMode, FrameError> {
        let Some(text) = self.optional_text("AgentWorkMode")? else {
            return Ok(WorkMode::Unknown);
        };
        wire::work_mode_by_name(text)
            .ok_or_else(|| FrameError::invalid("AgentWorkMode", format_args!("{text} is not a work mode")))
    }
}
