//! Feature codes, and codes of reasons.

use serde::{Deserialize, Serialize};

use super::wire_names::wire_names;

/// A code that an agent dials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureCode {
    /// The dialled code, as `*50`.
    pub code: String,
    /// What it does.
    pub action: FeatureAction,
    /// Whether the agent must enter the PIN first.
    pub ask_pin: bool,
}

/// The most reasons of a tenant: an agent chooses among them.
pub const ACTION_CODES_MAX: usize = 500;

/// The most finer reasons of one reason.
pub const SUBCODES_MAX: usize = 100;

/// A reason for an action, as for which an agent is not ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionCode {
    /// What requests and events have as `ReasonCode`.
    pub code: String,
    /// What people read.
    pub name: String,
    /// Its place where they choose among them, the lowest first; those without one come last.
    #[serde(default)]
    pub order: Option<u32>,
    /// What it is a reason for.
    #[serde(default)]
    pub action: CodedAction,
    /// Finer reasons, in the order in which people choose among them.
    #[serde(default)]
    pub subcodes: Vec<Subcode>,
}

/// A finer reason within a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subcode {
    /// What requests and events have as `SubReasonCode`.
    pub code: String,
    /// What people read.
    pub name: String,
}

wire_names! {
    /// What a reason is for.
    #[derive(Default)]
    CodedAction {
        /// A call from outside.
        InboundCall "inbound_call",
        /// A call to outside.
        OutboundCall "outbound_call",
        /// A call within the tenant.
        InternalCall "internal_call",
        /// A transfer.
        Transfer "transfer",
        /// A conference.
        Conference "conference",
        /// An agent logs in.
        Login "login",
        /// An agent logs out.
        Logout "logout",
        /// An agent takes calls.
        Ready "ready",
        /// An agent takes no calls.
        #[default]
        NotReady "not_ready",
        /// No call is to ring at a phone.
        BusyOn "busy_on",
        /// Calls ring at a phone again.
        BusyOff "busy_off",
        /// Calls go on to another number.
        ForwardOn "forward_on",
        /// Calls go on nowhere any more.
        ForwardOff "forward_off",
    }
}

/// What a feature code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureAction {
    /// Logs in the agent whose default place contains the phone.
    Login,
    /// Logs out the agent on the phone.
    Logout,
    /// The agent takes calls.
    Ready,
    /// The agent takes no calls.
    NotReady,
    /// No call rings at the phone.
    DndOn,
    /// Calls ring at the phone again.
    DndOff,
    /// Every call goes on to the number that follows the code.
    ForwardAlways,
    /// Calls go on to that number while the phone is busy.
    ForwardBusy,
    /// Calls go on to that number when nobody answers.
    ForwardNoAnswer,
    /// Calls go on to that number while the phone is not registered.
    ForwardUnregistered,
    /// Calls go nowhere else any more.
    ForwardOff,
    /// Takes the call that rings at the phone whose number follows the code.
    Pickup,
    /// The code and a number behind it are a slot: a call that is transferred there waits until the slot is dialled.
    Park,
}

impl FeatureAction {
    /// All actions, with their names in the tenant's file and in the store.
    pub const ALL: [(Self, &str); 13] = [
        (Self::Login, "login"),
        (Self::Logout, "logout"),
        (Self::Ready, "ready"),
        (Self::NotReady, "not_ready"),
        (Self::DndOn, "dnd_on"),
        (Self::DndOff, "dnd_off"),
        (Self::ForwardAlways, "forward_always"),
        (Self::ForwardBusy, "forward_busy"),
        (Self::ForwardNoAnswer, "forward_no_answer"),
        (Self::ForwardUnregistered, "forward_unregistered"),
        (Self::ForwardOff, "forward_off"),
        (Self::Pickup, "pickup"),
        (Self::Park, "park"),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| name)
    }

    /// Whether a number is dialled behind the code.
    pub const fn takes_number(self) -> bool {
        match self {
            Self::ForwardAlways
            | Self::ForwardBusy
            | Self::ForwardNoAnswer
            | Self::ForwardUnregistered
            | Self::Pickup
            | Self::Park => true,
            Self::Login
            | Self::Logout
            | Self::Ready
            | Self::NotReady
            | Self::DndOn
            | Self::DndOff
            | Self::ForwardOff => false,
        }
    }

    /// Finds it by its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(action, _)| *action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_says_nothing_of_an_action_is_one_for_being_not_ready() {
        let reason: ActionCode = serde_json::from_str(r#"{"code":"1","name":"Lunch"}"#).unwrap();
        assert_eq!((reason.action, reason.subcodes), (CodedAction::NotReady, Vec::new()));
        let json =
            r#"{"code":"9","name":"Shift","order":null,"action":"logout","subcodes":[{"code":"a","name":"Early"}]}"#;
        let reason: ActionCode = serde_json::from_str(json).unwrap();
        assert_eq!((reason.action, &*reason.subcodes[0].name), (CodedAction::Logout, "Early"));
        assert_eq!(serde_json::to_string(&reason).unwrap(), json);
        for action in CodedAction::ALL {
            assert_eq!(CodedAction::parse(action.as_str()), Some(*action));
        }
    }
}
