//! The fields of request frames beside `req`, `ReferenceID` and `ThisDN`: names, shapes, limits.

use super::LoginPassword;
use crate::event::ErrorCode;
use crate::userdata::UserData;

/// A field of a request frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameField {
    /// Its key.
    pub name: &'static str,
    /// Its values.
    pub shape: Shape,
    /// Whether a request without it is refused.
    pub required: bool,
    /// The number of the error where it is absent or not valid.
    pub fault: ErrorCode,
    /// Its meaning, in a few words.
    pub meaning: &'static str,
}

/// The values that a field takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Text.
    Text,
    /// A directory number.
    Dn,
    /// The id of an agent.
    Agent,
    /// The ConnID of a call, with or without `@` and its owner.
    ConnId,
    /// A name of [`crate::WorkMode`].
    WorkMode,
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// A whole number of that range.
    Number {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A list of pairs.
    Pairs {
        /// The most pairs, those of nested lists included.
        pairs_max: usize,
        /// The most bytes of keys and values.
        bytes_max: usize,
    },
    /// The parameters of a treatment, an object.
    Parameters,
    /// `true` or `false`, which is what it is without the field.
    Flag,
    /// A password.
    Password {
        /// The most bytes.
        bytes_max: usize,
    },
}

impl FrameField {
    /// The call.
    pub const CONN_ID: Self =
        Self::new("ConnID", Shape::ConnId, "the call").required().refused_by(ErrorCode::INVALID_CONN_ID);
    /// The consultation.
    pub const TRANSFER_CONN_ID: Self = Self::new("TransferConnID", Shape::ConnId, "the consultation")
        .required()
        .refused_by(ErrorCode::INVALID_CONN_ID);
    /// The held call.
    pub const HELD_CONN_ID: Self =
        Self::new("HeldConnID", Shape::ConnId, "the held call").required().refused_by(ErrorCode::INVALID_CONN_ID);
    /// The client's number.
    pub const REFERENCE: Self = Self::new(
        "ReferenceID",
        Shape::Number { least: 0, most: u64::MAX },
        "your number, which comes back in the event",
    );
    /// The DN that the request is for.
    pub const THIS_DN: Self = Self::new("ThisDN", Shape::Dn, "the DN that the request is for")
        .required()
        .refused_by(ErrorCode::DN_NOT_CONFIGURED);
    /// The number that is called, or the party that is meant.
    pub const OTHER_DN: Self =
        Self::new("OtherDN", Shape::Dn, "the destination, or the other DN that the request is about")
            .refused_by(ErrorCode::INVALID_CALLED_DN);
    /// The party that is meant, if not the one at `ThisDN`.
    pub const PARTY: Self =
        Self::new("OtherDN", Shape::Dn, "the party that is meant").refused_by(ErrorCode::INVALID_CALLED_DN);
    /// What a supervisor does in a call of others.
    pub const MONITOR_MODE: Self = Self::new(
        "MonitorMode",
        Shape::OneOf(&["mute", "coach", "connect"]),
        "whether nobody hears this DN (`mute`), only the agent (`coach`), or all (`connect`)",
    );
    /// Whether a recording is heard.
    pub const BEEP: Self = Self::new(
        "Beep",
        Shape::Flag,
        "whether the parties hear a tone at the beginning and every 15 s that says so (`false`)",
    );
    /// Keys of a phone.
    pub const DIGITS: Self = Self::new("Digits", Shape::Text, "up to 32 of `0` to `9`, `*`, `#`, `A` to `D`")
        .required()
        .refused_by(ErrorCode::INVALID_DTMF);
    /// Which calls of an agent a supervisor monitors.
    pub const MONITOR_TYPE: Self = Self::new(
        "MonitorType",
        Shape::OneOf(&["OneCall", "AllCalls", "Current"]),
        "the next call (`OneCall`), all from now on (`AllCalls`), or the one in progress, else the next (`Current`)",
    );
    /// Which calls of a DN are forwarded.
    pub const FORWARD_MODE: Self = Self::new(
        "ForwardMode",
        Shape::OneOf(&[
            "None",
            "Unconditional",
            "OnBusy",
            "OnNoAnswer",
            "OnBusyAndNoAnswer",
            "SendAllCalls",
            "OnUnregistered",
        ]),
        "which calls go on: all (`Unconditional`, `SendAllCalls`), those that find it busy or unanswered, or without a registered phone",
    );
    /// The destination of a routed call.
    pub const DESTINATION: Self = Self::OTHER_DN.refused_by(ErrorCode::INVALID_DESTINATION);
    /// The agent.
    pub const AGENT_ID: Self = Self::new("AgentID", Shape::Agent, "the agent");
    /// The work mode.
    pub const WORK_MODE: Self = Self::new("AgentWorkMode", Shape::WorkMode, "the work mode");
    /// The agent's password.
    pub const PASSWORD: Self = Self::new(
        "Password",
        Shape::Password { bytes_max: LoginPassword::BYTES_MAX },
        "the agent's PIN; it stays out of events, logs and traces",
    );
    /// The state that a supervisor gives an agent.
    pub const AGENT_STATE: Self =
        Self::new("AgentState", Shape::OneOf(&["LoggedOut", "NotReady", "Ready"]), "the state that the agent gets");
    /// How a call is routed.
    pub const ROUTE_TYPE: Self = Self::new(
        "RouteType",
        Shape::OneOf(&["Unknown", "Default", "Reject", "CallDisconnect"]),
        "to the destination (`Unknown`, `Default`), or its end",
    );
    /// The SIP status of a call that is rejected.
    pub const STATUS: Self =
        Self::new("Status", Shape::Number { least: 400, most: 699 }, "the SIP status of `Reject` (603)");
    /// The treatment.
    pub const TREATMENT_TYPE: Self = Self::new(
        "TreatmentType",
        Shape::OneOf(&[
            "PlayAnnouncement",
            "Music",
            "PlayAnnouncementAndDigits",
            "RingBack",
            "Busy",
            "FastBusy",
            "Silence",
            "Echo",
            "RecordUserAnnouncement",
            "DeleteUserAnnouncement",
        ]),
        "the treatment",
    )
    .required();
    /// The treatment's parameters.
    pub const PARAMETERS: Self = Self::new("Parameters", Shape::Parameters, "what the treatment needs");
    /// Business data.
    pub const USER_DATA: Self = Self::new(
        "UserData",
        Shape::Pairs { pairs_max: UserData::PAIRS_MAX, bytes_max: UserData::BYTES_MAX },
        "the pairs, as many as a call may have",
    );
    /// A key of the business data.
    pub const KEY: Self = Self::new("Key", Shape::Text, "the key of the pair").required();
    /// The client's reasons. They are in the agent's record and in the answering fact; a reason has one pair.
    pub const REASONS: Self = Self::new("Reasons", BESIDE, "why, as pairs");
    /// Technical data.
    pub const EXTENSIONS: Self = Self::new("Extensions", BESIDE, "technical data, as pairs");

    const fn new(name: &'static str, shape: Shape, meaning: &'static str) -> Self {
        Self { name, shape, required: false, fault: ErrorCode::INVALID_ATTRIBUTE, meaning }
    }

    /// The same field with another error number.
    const fn refused_by(self, fault: ErrorCode) -> Self {
        Self { fault, ..self }
    }

    /// The same field where a request needs it.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// The pairs of reasons, and of extensions.
const BESIDE: Shape = Shape::Pairs { pairs_max: 64, bytes_max: 8 * 1024 };
