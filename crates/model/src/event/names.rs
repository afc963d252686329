//! The published names: of events, call types, call states and the roles of DNs.

use std::fmt;

/// Declares an enum by its published names: a variant's name behind the prefix. Numbers on the wire are places in `ALL`: append, never
/// insert.
macro_rules! published_names {
    ($(#[doc = $doc:literal])+ $type:ident: $prefix:literal { $( $(#[doc = $meaning:literal])* $name:ident, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $type {
            $( $(#[doc = $meaning])* #[doc = concat!(" `", $prefix, stringify!($name), "`.")] $name, )+
        }

        impl $type {
            /// All, in the published order.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )+ ];

            /// The published name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => concat!($prefix, stringify!($name)), )+
                }
            }

            /// Finds it by its published name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

published_names! {
    /// The name of an event.
    EventName: "Event" {
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
        /// Nobody hears the party any more.
        MuteOn,
        /// The others hear the party again.
        MuteOff,
        /// The party hears nobody any more.
        ListenDisconnected,
        /// The party hears the others again.
        ListenReconnected,
        /// A supervisor will monitor calls of an agent.
        MonitoringNextCall,
        /// It will not.
        MonitoringCancelled,
        /// No call rings at the DN any more.
        DNDOn,
        /// Calls ring at the DN again.
        DNDOff,
        /// Calls to the DN go on to another number.
        ForwardSet,
        /// They go there no more.
        ForwardCancel,
        /// The answer to the end of a registration for events.
        Unregistered,
        /// The answer to a query about the server.
        ServerInfo,
    }
}

published_names! {
    /// The type of a call, not of a party.
    CallType: "" {
        Unknown,
        Internal,
        Inbound,
        Outbound,
        Consult,
    }
}

published_names! {
    /// The cause, on released, diverted, party-changed and busy events.
    CallState: "" {
        Ok,
        Transferred,
        Conferenced,
        GeneralError,
        SystemError,
        RemoteRelease,
        Busy,
        NoAnswer,
        SitDetected,
        AnsweringMachine,
        AllTrunksBusy,
        SitInvalidNum,
        SitVacant,
        SitIntercept,
        SitUnknown,
        SitNoCircuit,
        SitReorder,
        Fax,
        QueueFull,
        Cleared,
        Overflowed,
        Abandoned,
        Redirected,
        Forwarded,
        Consult,
        PickedUp,
        Dropped,
        DroppedNoAnswer,
        Unknown,
        Covered,
        ConverseOn,
        Bridged,
        Deafened,
        Held,
    }
}

published_names! {
    /// The role that a DN plays in an event.
    DnRole: "" {
        Unknown,
        Origination,
        Destination,
        ConferenceMember,
        NewParty,
        AddedBy,
        DeletedBy,
        TransferredBy,
        DeletedParty,
        ConferencedBy,
        Observer,
    }
}
