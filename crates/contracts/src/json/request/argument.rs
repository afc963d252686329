//! The arguments of requests.

use model::request::{
    DigitsWanted, ForcedState, ForwardMode, FrameField, LoginPassword, MonitorMode, MonitorType, RouteTo, Shape,
    Treatment,
};
use model::{AgentId, ConnId, Dn, UserData, WorkMode};
use serde_json::{Map, Value as Json, json};

use super::fields::Fields;
use super::treatment::{read_collect, read_treatment, treatment_to_json};
use crate::json::FrameError;
use crate::json::user_data::{user_data_from_json, user_data_to_json};
use crate::wire;

/// An argument of a request, as one or more fields of the frame.
pub(super) trait FrameArgument: Sized {
    /// Reads it; `field` is the first of its fields.
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError>;

    /// Writes it as [`Self::read`] takes it.
    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>);
}

impl FrameArgument for Dn {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let wrong = |rule: &dyn std::fmt::Display| FrameError::new(field.name, field.fault, rule);
        let text = fields.optional_text(field.name)?.ok_or_else(|| wrong(&"it is absent"))?;
        Self::parse(text).map_err(|e| wrong(&e))
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self.as_str()));
    }
}

impl FrameArgument for ConnId {
    /// The other call of a request belongs to the same thread, so its owner is not needed.
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        fields.conn_id(field).map(|(id, _)| id)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self.to_string()));
    }
}

impl FrameArgument for String {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        fields.text(field.name).map(str::to_owned).map_err(|error| FrameError { code: field.fault, ..error })
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self));
    }
}

impl FrameArgument for Option<AgentId> {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let text = fields.optional_text(field.name)?;
        text.map(AgentId::parse).transpose().map_err(|e| FrameError::new(field.name, field.fault, e))
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        if let Some(agent) = self {
            frame.insert(field.name.into(), json!(agent.as_str()));
        }
    }
}

impl FrameArgument for Option<Dn> {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let text = fields.optional_text(field.name)?;
        text.map(Dn::parse).transpose().map_err(|e| FrameError::new(field.name, field.fault, e))
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        if let Some(dn) = self {
            dn.put(field, frame);
        }
    }
}

impl FrameArgument for bool {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        match fields.optional(field.name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(_) => Err(FrameError::new(field.name, field.fault, "it is neither true nor false")),
        }
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self));
    }
}

impl FrameArgument for MonitorMode {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let Some(text) = fields.optional_text(field.name)? else { return Ok(Self::default()) };
        let unknown = || FrameError::new(field.name, field.fault, format_args!("{text} is not mute, coach or connect"));
        Self::parse(text).ok_or_else(unknown)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self.as_str()));
    }
}

impl FrameArgument for ForwardMode {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let Some(text) = fields.optional_text(field.name)? else { return Ok(Self::default()) };
        let names = Self::ALL.map(Self::as_str).join(", ");
        let unknown = || FrameError::new(field.name, field.fault, format_args!("{text} is not one of {names}"));
        Self::parse(text).ok_or_else(unknown)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self.as_str()));
    }
}

impl FrameArgument for MonitorType {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let Some(text) = fields.optional_text(field.name)? else { return Ok(Self::default()) };
        let unknown =
            || FrameError::new(field.name, field.fault, format_args!("{text} is not OneCall, AllCalls or Current"));
        Self::parse(text).ok_or_else(unknown)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self.as_str()));
    }
}

impl FrameArgument for ForcedState {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let text = fields.text(field.name)?;
        let unknown =
            || FrameError::new(field.name, field.fault, format_args!("{text} is not LoggedOut, NotReady or Ready"));
        Self::parse(text).ok_or_else(unknown)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(self.as_str()));
    }
}

impl FrameArgument for WorkMode {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let Some(text) = fields.optional_text(field.name)? else {
            return Ok(Self::Unknown);
        };
        let unknown = || FrameError::new(field.name, field.fault, format_args!("{text} is not a work mode"));
        wire::work_mode_by_name(text).ok_or_else(unknown)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), json!(wire::work_mode_name(*self)));
    }
}

impl FrameArgument for LoginPassword {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        match fields.optional_text(field.name)? {
            None => Ok(Self::Absent),
            Some(text) if text.len() <= Self::BYTES_MAX => Ok(Self::Typed(text.to_owned())),
            Some(_) => {
                let rule = format_args!("it has more than {} bytes", Self::BYTES_MAX);
                Err(FrameError::new(field.name, field.fault, rule))
            }
        }
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        if let Self::Typed(text) = self {
            frame.insert(field.name.into(), json!(text));
        }
    }
}

impl FrameArgument for UserData {
    /// No pairs if the field is absent.
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        let key = field.name;
        let Some(json) = fields.optional(key) else { return Ok(Self::new()) };
        let list = user_data_from_json(json, key)?;
        let Shape::Pairs { pairs_max, bytes_max } = field.shape else { return Ok(list) };
        if list.pairs() > pairs_max {
            let rule = format_args!("it has more than {pairs_max} pairs, those of nested lists included");
            return Err(FrameError::new(key, field.fault, rule));
        }
        if list.bytes() > bytes_max {
            let rule = format_args!("it has more than {bytes_max} bytes of keys and values");
            return Err(FrameError::new(key, field.fault, rule));
        }
        Ok(list)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        frame.insert(field.name.into(), user_data_to_json(self));
    }
}

impl FrameArgument for Treatment {
    fn read(fields: &Fields<'_>, _: &FrameField) -> Result<Self, FrameError> {
        read_treatment(fields)
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        let (name, parameters) = treatment_to_json(self);
        frame.insert(field.name.into(), json!(name));
        frame.insert(FrameField::PARAMETERS.name.into(), parameters);
    }
}

impl FrameArgument for DigitsWanted {
    fn read(fields: &Fields<'_>, field: &FrameField) -> Result<Self, FrameError> {
        read_collect(&Fields(&fields.object(field.name)?))
    }

    fn put(&self, field: &FrameField, frame: &mut Map<String, Json>) {
        let (_, parameters) = treatment_to_json(&self.clone().into());
        frame.insert(field.name.into(), parameters);
    }
}

impl FrameArgument for RouteTo {
    fn read(fields: &Fields<'_>, destination: &FrameField) -> Result<Self, FrameError> {
        let (route_type, status) = (FrameField::ROUTE_TYPE.name, FrameField::STATUS.name);
        match fields.optional_text(route_type)?.unwrap_or("Unknown") {
            "Unknown" | "Default" => Ok(Self::Dn {
                dn: Dn::read(fields, destination)?,
                agent: FrameArgument::read(fields, &FrameField::AGENT_ID)?,
            }),
            "Reject" => match u16::try_from(fields.number(status)?.unwrap_or(603)) {
                Ok(status @ 400..=699) => Ok(Self::Reject(status)),
                _ => Err(FrameError::invalid(status, "it is not a SIP status from 400 to 699")),
            },
            "CallDisconnect" => Ok(Self::Disconnect),
            other => {
                Err(FrameError::invalid(route_type, format_args!("{other} is not Unknown, Reject or CallDisconnect")))
            }
        }
    }

    fn put(&self, destination: &FrameField, frame: &mut Map<String, Json>) {
        match self {
            Self::Dn { dn, agent } => {
                dn.put(destination, frame);
                agent.put(&FrameField::AGENT_ID, frame);
            }
            Self::Reject(status) => {
                frame.insert(FrameField::ROUTE_TYPE.name.into(), json!("Reject"));
                frame.insert(FrameField::STATUS.name.into(), json!(status));
            }
            Self::Disconnect => {
                frame.insert(FrameField::ROUTE_TYPE.name.into(), json!("CallDisconnect"));
            }
        }
    }
}
