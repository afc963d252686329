//! The arguments of requests.

use model::request::{
    DigitsWanted, ForcedState, ForwardMode, LoginPassword, MonitorMode, MonitorType, RouteTo, Treatment,
};
use model::{AgentId, ConnId, Dn, UserData, WorkMode};

use crate::v1;
use crate::wire::event::{user_data_from_wire, user_data_to_wire};
use crate::wire::request::{digits_from_wire, digits_to_wire};
use crate::wire::{WireError, names, treatment_from_wire, treatment_to_wire};

/// An argument of a request, as a field of the request's message.
pub(super) trait WireArgument: Sized {
    /// The field's type in `proto/`.
    type Wire;

    fn to_wire(&self) -> Self::Wire;

    /// Reads it; an error names `field`.
    fn from_wire(value: Self::Wire, field: &'static str) -> Result<Self, WireError>;
}

impl WireArgument for ConnId {
    type Wire = u64;

    fn to_wire(&self) -> u64 {
        self.0
    }

    fn from_wire(value: u64, _: &'static str) -> Result<Self, WireError> {
        Ok(Self(value))
    }
}

impl WireArgument for bool {
    type Wire = bool;

    fn to_wire(&self) -> bool {
        *self
    }

    fn from_wire(value: bool, _: &'static str) -> Result<Self, WireError> {
        Ok(value)
    }
}

impl WireArgument for Dn {
    type Wire = String;

    fn to_wire(&self) -> String {
        self.to_string()
    }

    fn from_wire(value: String, field: &'static str) -> Result<Self, WireError> {
        Self::parse(&value).map_err(|e| WireError::field(field, e))
    }
}

impl WireArgument for String {
    type Wire = String;

    fn to_wire(&self) -> String {
        self.clone()
    }

    fn from_wire(value: String, _: &'static str) -> Result<Self, WireError> {
        Ok(value)
    }
}

impl WireArgument for Option<AgentId> {
    type Wire = Option<String>;

    fn to_wire(&self) -> Option<String> {
        self.as_ref().map(ToString::to_string)
    }

    fn from_wire(value: Option<String>, field: &'static str) -> Result<Self, WireError> {
        value.map(|text| AgentId::parse(&text)).transpose().map_err(|e| WireError::field(field, e))
    }
}

impl WireArgument for LoginPassword {
    type Wire = i32;

    /// A password that was not checked logs nobody in, and is not written.
    fn to_wire(&self) -> i32 {
        let check = match self {
            Self::Absent => v1::PasswordCheck::None,
            Self::Right => v1::PasswordCheck::Right,
            Self::Wrong | Self::Typed(_) => v1::PasswordCheck::Wrong,
        };
        check.into()
    }

    fn from_wire(value: i32, field: &'static str) -> Result<Self, WireError> {
        Ok(match v1::PasswordCheck::try_from(value).map_err(|e| WireError::field(field, e))? {
            v1::PasswordCheck::None => Self::Absent,
            v1::PasswordCheck::Right => Self::Right,
            v1::PasswordCheck::Wrong => Self::Wrong,
        })
    }
}

impl WireArgument for WorkMode {
    type Wire = i32;

    fn to_wire(&self) -> i32 {
        names::work_mode_to_wire(*self)
    }

    fn from_wire(value: i32, _: &'static str) -> Result<Self, WireError> {
        names::work_mode_from_wire(value)
    }
}

impl WireArgument for Option<Dn> {
    type Wire = Option<String>;

    fn to_wire(&self) -> Option<String> {
        self.as_ref().map(ToString::to_string)
    }

    fn from_wire(value: Option<String>, field: &'static str) -> Result<Self, WireError> {
        value.map(|text| Dn::parse(&text)).transpose().map_err(|e| WireError::field(field, e))
    }
}

impl WireArgument for MonitorMode {
    type Wire = i32;

    fn to_wire(&self) -> i32 {
        names::monitor_mode_to_wire(*self)
    }

    fn from_wire(value: i32, _: &'static str) -> Result<Self, WireError> {
        names::monitor_mode_from_wire(value)
    }
}

impl WireArgument for ForwardMode {
    type Wire = i32;

    fn to_wire(&self) -> i32 {
        names::forward_mode_to_wire(*self)
    }

    fn from_wire(value: i32, _: &'static str) -> Result<Self, WireError> {
        names::forward_mode_from_wire(value)
    }
}

impl WireArgument for MonitorType {
    type Wire = i32;

    fn to_wire(&self) -> i32 {
        names::monitor_type_to_wire(*self)
    }

    fn from_wire(value: i32, _: &'static str) -> Result<Self, WireError> {
        names::monitor_type_from_wire(value)
    }
}

impl WireArgument for ForcedState {
    type Wire = i32;

    fn to_wire(&self) -> i32 {
        names::forced_state_to_wire(*self)
    }

    fn from_wire(value: i32, _: &'static str) -> Result<Self, WireError> {
        names::forced_state_from_wire(value)
    }
}

impl WireArgument for UserData {
    type Wire = Option<v1::UserData>;

    fn to_wire(&self) -> Option<v1::UserData> {
        Some(user_data_to_wire(self))
    }

    fn from_wire(value: Option<v1::UserData>, _: &'static str) -> Result<Self, WireError> {
        user_data_from_wire(value)
    }
}

impl WireArgument for Treatment {
    type Wire = Option<v1::Treatment>;

    fn to_wire(&self) -> Option<v1::Treatment> {
        Some(treatment_to_wire(self))
    }

    fn from_wire(value: Option<v1::Treatment>, field: &'static str) -> Result<Self, WireError> {
        treatment_from_wire(value.ok_or_else(|| WireError::field(field, "it is absent"))?)
    }
}

impl WireArgument for DigitsWanted {
    type Wire = Option<v1::PlayAndCollect>;

    fn to_wire(&self) -> Option<v1::PlayAndCollect> {
        Some(digits_to_wire(self))
    }

    fn from_wire(value: Option<v1::PlayAndCollect>, field: &'static str) -> Result<Self, WireError> {
        digits_from_wire(value.ok_or_else(|| WireError::field(field, "it is absent"))?)
    }
}

impl WireArgument for RouteTo {
    type Wire = Option<v1::route_call::To>;

    fn to_wire(&self) -> Option<v1::route_call::To> {
        use v1::route_call::To;
        Some(match self {
            Self::Dn { dn, agent } => To::Dn(v1::RouteToDn { dn: dn.to_string(), agent: agent.to_wire() }),
            Self::Reject(status) => To::Reject((*status).into()),
            Self::Disconnect => To::Disconnect(v1::Nothing {}),
        })
    }

    fn from_wire(value: Option<v1::route_call::To>, field: &'static str) -> Result<Self, WireError> {
        use v1::route_call::To;
        Ok(match value.ok_or_else(|| WireError::field(field, "it is absent"))? {
            To::Dn(to) => {
                Self::Dn { dn: Dn::from_wire(to.dn, "dn")?, agent: WireArgument::from_wire(to.agent, "agent")? }
            }
            To::Reject(status) => Self::Reject(u16::try_from(status).map_err(|e| WireError::field("reject", e))?),
            To::Disconnect(_) => Self::Disconnect,
        })
    }
}
