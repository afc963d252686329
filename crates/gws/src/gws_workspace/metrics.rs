//! Metrics of gws-workspace.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterBy, Label};

use crate::bayeux_socket::{SocketCounts, SocketEnd};
use crate::sessions::parts::SessionCounts;
use crate::sessions::token_standing::TokenStanding;

runtime::metrics! {
    /// The metrics of gws-workspace.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Sessions of desktops that this replica has in memory.
        pub(super) sessions: Gauge = "gws_workspace_sessions";
        /// Sessions that have begun: somebody has initialised a desktop.
        pub(super) begun: Counter = "gws_workspace_sessions_begun";
        /// Sessions that this replica has taken over from the store.
        pub(super) adopted: Counter = "gws_workspace_sessions_adopted";
        /// Sessions that have ended, by why.
        pub(super) ended: CounterBy<SessionEnd> = "gws_workspace_sessions_ended";
        /// Sessions that have ended while their agents were not logged out for 10 s: that is tried on.
        pub(super) logouts_late: Counter = "gws_workspace_logouts_late";
        /// Times that a session could not be written to the store.
        pub(super) unwritten: Counter = "gws_workspace_sessions_unwritten";
        /// Requests by cookie that were refused, since a page of another host has sent them.
        pub(super) foreign: Counter = "gws_workspace_requests_foreign";
        /// Requests about calls and agents that gws-voice was asked to make, by what came of them.
        pub(super) asks: CounterBy<AskOutcome> = "gws_workspace_voice_requests";
        /// Calls that gws-setting was asked to note among the recents of agents, by what came of it.
        pub(super) recents: CounterBy<AskOutcome> = "gws_workspace_recents";
        /// Times that following the events of a tenant's DNs broke off, and went on at a replica of gws-voice.
        pub(super) links_broken: Counter = "gws_workspace_voice_links_broken";
        /// Questions to gws-statistics for values, by what came of them.
        pub(super) statistics_asks: CounterBy<AskOutcome> = "gws_workspace_statistics_questions";
        /// Questions to gws-data-collector for targets and states, by what came of them.
        pub(super) collector_asks: CounterBy<AskOutcome> = "gws_workspace_collector_questions";
        /// Searches in directories that gws-configuration has answered, since gws-data-collector did not.
        pub(super) searches_elsewhere: Counter = "gws_workspace_searches_without_collector";
        /// Questions to gws-interaction for what people have open, and operations for it, by what came of them.
        pub(super) interaction_asks: CounterBy<AskOutcome> = "gws_workspace_interaction_questions";
        /// Questions to voicemail, iwd, digital-channels and ucs, where an address of theirs is set, by what came of them.
        pub(super) peer_asks: CounterBy<AskOutcome> = "gws_workspace_peer_questions";
        /// Questions to auth about tokens, by answer.
        pub(super) auth_calls: CounterBy<TokenStanding> = "gws_workspace_auth_calls";
        /// WebSockets of desktops that are open.
        pub(super) sockets: Gauge = "gws_workspace_sockets";
        /// WebSockets of desktops that have ended, by why.
        pub(super) sockets_ended: CounterBy<SocketEnd> = "gws_workspace_sockets_ended";
    }
}

impl Metrics {
    /// Those of sockets.
    pub(super) fn of_sockets(&self) -> SocketCounts {
        SocketCounts { open: self.sockets.clone(), ended: self.sockets_ended.clone() }
    }

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
    /// The desktop has logged out.
    Logout,
    /// Nobody has asked for anything for too long.
    Idle,
    /// Its sign-in was ended, or the person may not sign in any more.
    Revoked,
    /// Another replica has it.
    Moved,
}

impl Label for SessionEnd {
    const NAME: &'static str = "why";
    const ALL: &'static [Self] = &[Self::Logout, Self::Idle, Self::Revoked, Self::Moved];

    fn text(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::Moved => "moved",
        }
    }
}

/// What came of a request to gws-voice, or of a question to another role or service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskOutcome {
    /// It was taken.
    Taken,
    /// It was refused.
    Refused,
    /// Nobody has answered.
    Unanswered,
    /// It has waited for its turn for so long that it was not made.
    Late,
}

impl Label for AskOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Taken, Self::Refused, Self::Unanswered, Self::Late];

    fn text(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Late => "late",
        }
    }
}
