//! Feature codes, and codes of reasons.

use serde::{Deserialize, Serialize};

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

/// A reason for which an agent is not ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionCode {
    /// What requests and events have as `ReasonCode`.
    pub code: String,
    /// What people read.
    pub name: String,
    /// Its place where they choose among them, the lowest first; those without one come last.
    #[serde(default)]
    pub order: Option<u32>,
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
