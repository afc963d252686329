//! Metrics of gws-provisioning.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterBy, Label};

use crate::bayeux_socket::{SocketCounts, SocketEnd};
use crate::sessions::parts::SessionCounts;

runtime::metrics! {
    /// The metrics of gws-provisioning.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Sessions of the Provisioning API that this replica has in memory.
        pub(super) sessions: Gauge = "gws_provisioning_sessions";
        /// Sessions that have begun.
        pub(super) begun: Counter = "gws_provisioning_sessions_begun";
        /// Sessions that this replica has taken over from the store.
        pub(super) adopted: Counter = "gws_provisioning_sessions_adopted";
        /// Sessions that have ended, by why.
        pub(super) ended: CounterBy<SessionEnd> = "gws_provisioning_sessions_ended";
        /// Times that a session could not be written to the store.
        pub(super) unwritten: Counter = "gws_provisioning_sessions_unwritten";
        /// Requests by cookie that were refused, since a page of another host has sent them.
        pub(super) foreign: Counter = "gws_provisioning_requests_foreign";
        /// Requests to gws-configuration, by what came of them.
        pub(super) asks: CounterBy<AskOutcome> = "gws_provisioning_configuration_requests";
        /// Questions to auth about tokens: answered, where the token is good, and refused, where it is over.
        pub(super) auth_calls: CounterBy<AskOutcome> = "gws_provisioning_auth_calls";
        /// Imports of people whose end could not be noted in the database.
        pub(super) imports_unnoted: Counter = "gws_provisioning_imports_unnoted";
        /// WebSockets of programs that are open.
        pub(super) sockets: Gauge = "gws_provisioning_sockets";
        /// WebSockets of programs that have ended, by why.
        pub(super) sockets_ended: CounterBy<SocketEnd> = "gws_provisioning_sockets_ended";
    }
}

impl Metrics {
    /// Those of sockets.
    pub(super) fn of_sockets(&self) -> SocketCounts {
        SocketCounts { open: self.sockets.clone(), ended: self.sockets_ended.clone() }
    }
}

impl Metrics {
    /// Those of sessions.
    pub(super) fn counts(&self) -> SessionCounts {
        SessionCounts {
            sessions: self.sessions.clone(),
            begun: self.begun.clone(),
            adopted: self.adopted.clone(),
            unwritten: self.unwritten.clone(),
        }
    }
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionEnd {
    /// The program has logged out.
    Logout,
    /// Nobody has asked for anything for too long.
    Idle,
    /// Its sign-in was ended.
    Revoked,
    /// It has gone on by one token for as long as it may.
    Old,
    /// The person has begun too many others.
    Replaced,
    /// Another replica has it.
    Moved,
}

impl Label for SessionEnd {
    const NAME: &'static str = "why";
    const ALL: &'static [Self] = &[Self::Logout, Self::Idle, Self::Revoked, Self::Old, Self::Replaced, Self::Moved];

    fn text(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::Old => "old",
            Self::Replaced => "replaced",
            Self::Moved => "moved",
        }
    }
}

/// What came of a request to another role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskOutcome {
    /// It was answered.
    Answered,
    /// It was refused.
    Refused,
    /// Nobody has answered.
    Unanswered,
}

impl Label for AskOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Answered, Self::Refused, Self::Unanswered];

    fn text(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}
