//! The published names: of events, call types, call states and the roles of DNs.

use std::fmt;

/// The name of an event (domain term: TEvent).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EventName {
    /// A call exists (call-based monitoring).
    CallCreated,
    /// A call is over (call-based monitoring).
    CallDeleted,
    /// The originating DN started an attempt.
    Dialing,
    /// The called DN alerts.
    Ringing,
    /// Answered.
    Established,
    /// The DN put the call on hold.
    Held,
    /// The DN took the call back from hold.
    Retrieved,
    /// The party left after it was established, or was redirected while ringing.
    Released,
    /// The caller left before the answer.
    Abandoned,
    /// Busy or an intercept; [`EventName::Released`] follows.
    DestinationBusy,
    /// The far network was reached; no ringing is known.
    NetworkReached,
    /// The call entered a queue, route point or virtual queue.
    Queued,
    /// The call left the queue, route point or virtual queue for a target.
    Diverted,
    /// A conference grew.
    PartyAdded,
    /// A conference shrank.
    PartyDeleted,
    /// The peer or the call id changed.
    PartyChanged,
    /// The user data changed; carries all of it.
    AttachedDataChanged,
    /// DTMF was sent.
    DtmfSent,
    /// Digits were collected.
    DigitsCollected,
    /// The route point requests a routing instruction.
    RouteRequest,
    /// The route point used the instruction.
    RouteUsed,
    /// A treatment began.
    TreatmentApplied,
    /// A treatment ended; the result is in its attributes.
    TreatmentEnd,
    /// A treatment could not begin.
    TreatmentNotApplied,
    /// An agent logged in.
    AgentLogin,
    /// An agent logged out.
    AgentLogout,
    /// An agent takes calls.
    AgentReady,
    /// An agent takes no calls; the work mode says why.
    AgentNotReady,
    /// An agent was reserved for a call.
    AgentReserved,
    /// A phone registered.
    DNBackInService,
    /// A phone is no longer registered.
    DNOutOfService,
    /// The answer to a registration for events: a snapshot.
    Registered,
    /// The answer to a query about a DN.
    AddressInfo,
    /// The answer to a query about a call.
    PartyInfo,
    /// A free-form message to the clients of a DN.
    UserEvent,
    /// A request without an event of its own was carried out.
    ACK,
    /// A request was refused; carries a number and a text.
    Error,
    /// An application began to run for a call (ours: the published names have none for it).
    SessionStarted,
    /// An application has chosen where its call goes (ours).
    TargetSelected,
    /// An application has finished with its call, or has failed (ours).
    SessionEnded,
}

impl EventName {
    /// All, in the published order.
    pub const ALL: &'static [Self] = &[
        Self::CallCreated,
        Self::CallDeleted,
        Self::Dialing,
        Self::Ringing,
        Self::Established,
        Self::Held,
        Self::Retrieved,
        Self::Released,
        Self::Abandoned,
        Self::DestinationBusy,
        Self::NetworkReached,
        Self::Queued,
        Self::Diverted,
        Self::PartyAdded,
        Self::PartyDeleted,
        Self::PartyChanged,
        Self::AttachedDataChanged,
        Self::DtmfSent,
        Self::DigitsCollected,
        Self::RouteRequest,
        Self::RouteUsed,
        Self::TreatmentApplied,
        Self::TreatmentEnd,
        Self::TreatmentNotApplied,
        Self::AgentLogin,
        Self::AgentLogout,
        Self::AgentReady,
        Self::AgentNotReady,
        Self::AgentReserved,
        Self::DNBackInService,
        Self::DNOutOfService,
        Self::Registered,
        Self::AddressInfo,
        Self::PartyInfo,
        Self::UserEvent,
        Self::ACK,
        Self::Error,
        Self::SessionStarted,
        Self::TargetSelected,
        Self::SessionEnded,
    ];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallCreated => "EventCallCreated",
            Self::CallDeleted => "EventCallDeleted",
            Self::Dialing => "EventDialing",
            Self::Ringing => "EventRinging",
            Self::Established => "EventEstablished",
            Self::Held => "EventHeld",
            Self::Retrieved => "EventRetrieved",
            Self::Released => "EventReleased",
            Self::Abandoned => "EventAbandoned",
            Self::DestinationBusy => "EventDestinationBusy",
            Self::NetworkReached => "EventNetworkReached",
            Self::Queued => "EventQueued",
            Self::Diverted => "EventDiverted",
            Self::PartyAdded => "EventPartyAdded",
            Self::PartyDeleted => "EventPartyDeleted",
            Self::PartyChanged => "EventPartyChanged",
            Self::AttachedDataChanged => "EventAttachedDataChanged",
            Self::DtmfSent => "EventDtmfSent",
            Self::DigitsCollected => "EventDigitsCollected",
            Self::RouteRequest => "EventRouteRequest",
            Self::RouteUsed => "EventRouteUsed",
            Self::TreatmentApplied => "EventTreatmentApplied",
            Self::TreatmentEnd => "EventTreatmentEnd",
            Self::TreatmentNotApplied => "EventTreatmentNotApplied",
            Self::AgentLogin => "EventAgentLogin",
            Self::AgentLogout => "EventAgentLogout",
            Self::AgentReady => "EventAgentReady",
            Self::AgentNotReady => "EventAgentNotReady",
            Self::AgentReserved => "EventAgentReserved",
            Self::DNBackInService => "EventDNBackInService",
            Self::DNOutOfService => "EventDNOutOfService",
            Self::Registered => "EventRegistered",
            Self::AddressInfo => "EventAddressInfo",
            Self::PartyInfo => "EventPartyInfo",
            Self::UserEvent => "EventUserEvent",
            Self::ACK => "EventACK",
            Self::Error => "EventError",
            Self::SessionStarted => "EventSessionStarted",
            Self::TargetSelected => "EventTargetSelected",
            Self::SessionEnded => "EventSessionEnded",
        }
    }

    /// Finds it by its published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.as_str() == name)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The type of a call, not of a party.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CallType {
    /// `Unknown`.
    Unknown,
    /// `Internal`.
    Internal,
    /// `Inbound`.
    Inbound,
    /// `Outbound`.
    Outbound,
    /// `Consult`.
    Consult,
}

impl CallType {
    /// All, in the published order.
    pub const ALL: &'static [Self] = &[Self::Unknown, Self::Internal, Self::Inbound, Self::Outbound, Self::Consult];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Internal => "Internal",
            Self::Inbound => "Inbound",
            Self::Outbound => "Outbound",
            Self::Consult => "Consult",
        }
    }

    /// Finds it by its published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.as_str() == name)
    }
}

impl fmt::Display for CallType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The cause, on released, diverted, party-changed and busy events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CallState {
    /// `Ok`.
    Ok,
    /// `Transferred`.
    Transferred,
    /// `Conferenced`.
    Conferenced,
    /// `GeneralError`.
    GeneralError,
    /// `SystemError`.
    SystemError,
    /// `RemoteRelease`.
    RemoteRelease,
    /// `Busy`.
    Busy,
    /// `NoAnswer`.
    NoAnswer,
    /// `SitDetected`.
    SitDetected,
    /// `AnsweringMachine`.
    AnsweringMachine,
    /// `AllTrunksBusy`.
    AllTrunksBusy,
    /// `SitInvalidNum`.
    SitInvalidNum,
    /// `SitVacant`.
    SitVacant,
    /// `SitIntercept`.
    SitIntercept,
    /// `SitUnknown`.
    SitUnknown,
    /// `SitNoCircuit`.
    SitNoCircuit,
    /// `SitReorder`.
    SitReorder,
    /// `Fax`.
    Fax,
    /// `QueueFull`.
    QueueFull,
    /// `Cleared`.
    Cleared,
    /// `Overflowed`.
    Overflowed,
    /// `Abandoned`.
    Abandoned,
    /// `Redirected`.
    Redirected,
    /// `Forwarded`.
    Forwarded,
    /// `Consult`.
    Consult,
    /// `PickedUp`.
    PickedUp,
    /// `Dropped`.
    Dropped,
    /// `DroppedNoAnswer`.
    DroppedNoAnswer,
    /// `Unknown`.
    Unknown,
    /// `Covered`.
    Covered,
    /// `ConverseOn`.
    ConverseOn,
    /// `Bridged`.
    Bridged,
    /// `Deafened`.
    Deafened,
    /// `Held`.
    Held,
}

impl CallState {
    /// All, in the published order.
    pub const ALL: &'static [Self] = &[
        Self::Ok,
        Self::Transferred,
        Self::Conferenced,
        Self::GeneralError,
        Self::SystemError,
        Self::RemoteRelease,
        Self::Busy,
        Self::NoAnswer,
        Self::SitDetected,
        Self::AnsweringMachine,
        Self::AllTrunksBusy,
        Self::SitInvalidNum,
        Self::SitVacant,
        Self::SitIntercept,
        Self::SitUnknown,
        Self::SitNoCircuit,
        Self::SitReorder,
        Self::Fax,
        Self::QueueFull,
        Self::Cleared,
        Self::Overflowed,
        Self::Abandoned,
        Self::Redirected,
        Self::Forwarded,
        Self::Consult,
        Self::PickedUp,
        Self::Dropped,
        Self::DroppedNoAnswer,
        Self::Unknown,
        Self::Covered,
        Self::ConverseOn,
        Self::Bridged,
        Self::Deafened,
        Self::Held,
    ];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Transferred => "Transferred",
            Self::Conferenced => "Conferenced",
            Self::GeneralError => "GeneralError",
            Self::SystemError => "SystemError",
            Self::RemoteRelease => "RemoteRelease",
            Self::Busy => "Busy",
            Self::NoAnswer => "NoAnswer",
            Self::SitDetected => "SitDetected",
            Self::AnsweringMachine => "AnsweringMachine",
            Self::AllTrunksBusy => "AllTrunksBusy",
            Self::SitInvalidNum => "SitInvalidNum",
            Self::SitVacant => "SitVacant",
            Self::SitIntercept => "SitIntercept",
            Self::SitUnknown => "SitUnknown",
            Self::SitNoCircuit => "SitNoCircuit",
            Self::SitReorder => "SitReorder",
            Self::Fax => "Fax",
            Self::QueueFull => "QueueFull",
            Self::Cleared => "Cleared",
            Self::Overflowed => "Overflowed",
            Self::Abandoned => "Abandoned",
            Self::Redirected => "Redirected",
            Self::Forwarded => "Forwarded",
            Self::Consult => "Consult",
            Self::PickedUp => "PickedUp",
            Self::Dropped => "Dropped",
            Self::DroppedNoAnswer => "DroppedNoAnswer",
            Self::Unknown => "Unknown",
            Self::Covered => "Covered",
            Self::ConverseOn => "ConverseOn",
            Self::Bridged => "Bridged",
            Self::Deafened => "Deafened",
            Self::Held => "Held",
        }
    }

    /// Finds it by its published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.as_str() == name)
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The role that a DN plays in an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DnRole {
    /// `Unknown`.
    Unknown,
    /// `Origination`.
    Origination,
    /// `Destination`.
    Destination,
    /// `ConferenceMember`.
    ConferenceMember,
    /// `NewParty`.
    NewParty,
    /// `AddedBy`.
    AddedBy,
    /// `DeletedBy`.
    DeletedBy,
    /// `TransferredBy`.
    TransferredBy,
    /// `DeletedParty`.
    DeletedParty,
    /// `ConferencedBy`.
    ConferencedBy,
    /// `Observer`.
    Observer,
}

impl DnRole {
    /// All, in the published order.
    pub const ALL: &'static [Self] = &[
        Self::Unknown,
        Self::Origination,
        Self::Destination,
        Self::ConferenceMember,
        Self::NewParty,
        Self::AddedBy,
        Self::DeletedBy,
        Self::TransferredBy,
        Self::DeletedParty,
        Self::ConferencedBy,
        Self::Observer,
    ];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Origination => "Origination",
            Self::Destination => "Destination",
            Self::ConferenceMember => "ConferenceMember",
            Self::NewParty => "NewParty",
            Self::AddedBy => "AddedBy",
            Self::DeletedBy => "DeletedBy",
            Self::TransferredBy => "TransferredBy",
            Self::DeletedParty => "DeletedParty",
            Self::ConferencedBy => "ConferencedBy",
            Self::Observer => "Observer",
        }
    }

    /// Finds it by its published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.as_str() == name)
    }
}

impl fmt::Display for DnRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
