//! Metrics of gws-statistics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterBy, Label};

use crate::bayeux_socket::{SocketCounts, SocketEnd};
use crate::sessions::parts::SessionCounts;
use crate::sessions::token_standing::TokenStanding;

runtime::metrics! {
    /// The metrics of gws-statistics.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Sessions of the Statistics API that this replica has in memory.
        pub(super) sessions: Gauge = "gws_statistics_sessions";
        /// Sessions that have begun: somebody has shaken hands.
        pub(super) begun: Counter = "gws_statistics_sessions_begun";
        /// Sessions that this replica has taken over from the store.
        pub(super) adopted: Counter = "gws_statistics_sessions_adopted";
        /// Sessions that have ended, by why.
        pub(super) ended: CounterBy<StatisticsSessionEnd> = "gws_statistics_sessions_ended";
        /// Times that a session could not be written to the store.
        pub(super) unwritten: Counter = "gws_statistics_sessions_unwritten";
        /// Tenants whose statistics are followed.
        pub(super) tenants: Gauge = "gws_statistics_tenants";
        /// Statistics that are open at tenant.
        pub(super) statistics: Gauge = "gws_statistics_open";
        /// Values that tenant has told.
        pub(super) values: Counter = "gws_statistics_values";
        /// Statistics that tenant has refused.
        pub(super) refused: Counter = "gws_statistics_refused";
        /// Streams of statistics that broke off; they are opened again.
        pub(super) streams_broken: Counter = "gws_statistics_streams_broken";
        /// Faults that ended the reading of a tenant; it began anew.
        pub(super) faults: Counter = "gws_statistics_tenant_faults";
        /// Questions to auth whether a token is still good, by the answer.
        pub(super) auth_calls: CounterBy<TokenStanding> = "gws_statistics_auth_calls";
        /// WebSockets of clients that are open.
        pub(super) sockets: Gauge = "gws_statistics_sockets";
        /// WebSockets of clients that have ended, by why.
        pub(super) sockets_ended: CounterBy<SocketEnd> = "gws_statistics_sockets_ended";
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
pub(super) enum StatisticsSessionEnd {
    /// Its last client has disconnected.
    Disconnected,
    /// Nobody has asked for anything for too long.
    Idle,
    /// Somebody else has begun one in that browser, or the person has too many.
    Replaced,
    /// Its sign-in was ended.
    Revoked,
    /// Another replica has it.
    Moved,
}

impl Label for StatisticsSessionEnd {
    const NAME: &'static str = "why";
    const ALL: &'static [Self] = &[Self::Disconnected, Self::Idle, Self::Replaced, Self::Revoked, Self::Moved];

    fn text(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Idle => "idle",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::Moved => "moved",
        }
    }
}
