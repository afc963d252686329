//! The proxy's counters; its role exports them as metrics.

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counts since start.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counts {
            /// The names, each with its description.
            pub const TABLE: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($name), &[$($doc),+])),+];

            /// Every count with its name.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name)),+]
            }
        }
    };
}

counts! {
    /// Requests that were forwarded.
    requests_forwarded,
    /// Responses that were forwarded.
    responses_forwarded,
    /// Requests repeated to another node because theirs failed.
    requests_repeated,
    /// Responses that belong to no transaction.
    responses_stray,
    /// ACKs without a destination.
    acks_stray,
    /// Unreadable messages that were answered.
    malformed_answered,
    /// Unreadable messages that could not be answered.
    malformed_dropped,
    /// Requests refused because their source sends too many.
    rate_refused,
    /// Messages dropped because their source sends far too many.
    rate_dropped,
    /// Messages admitted although their source sends too many: they belong to a transaction, dialog or flow of ours.
    rate_known,
    /// Seals verified for messages whose source sends too many.
    seals_checked,
    /// Requests of the edge dropped because they named a transaction of a node.
    transactions_foreign,
    /// Challenges sent.
    challenges,
    /// Wrong passwords.
    wrong_passwords,
    /// Passwords refused unchecked after too many wrong ones of that phone at its source, or of its source.
    wrong_password_refused,
    /// Challenges because credentials were made for another Request-URI than that of their request.
    credentials_misdirected,
    /// Requests of unknown sources.
    unknown_sources,
    /// Requests refused because they came from a trunk's address without its certificate, or with its certificate from another address.
    trunks_unproved,
    /// Requests refused because they may have been for several tenants, whose trunks name the same account or the same carrier.
    calls_contested,
    /// Requests within a dialog that waited for the next run of its owner.
    requests_waited,
    /// Requests refused because no node was live.
    no_node,
    /// Requests to a name that leads nowhere, or that nobody has resolved in time.
    names_unresolved,
    /// Requests that one address of a place did not take and that went to the next one.
    hops_failed_over,
    /// Requests for a flow that has closed or was never ours.
    dead_flows,
    /// Requests that had looped, or had been forwarded too often.
    loops,
    /// Requests refused because they had more Routes, Record-Routes or Paths than are processed.
    requests_too_long,
    /// Responses not forwarded because there were too many to one request.
    responses_limited,
    /// Requests and responses that nodes had passed to each other too often.
    handovers_limited,
    /// Turns that left timers to the next one because too many were due.
    turns_cut,
    /// Requests whose user was not looked up in time.
    lookups_late,
    /// Requests refused because a table was full.
    overloads,
    /// Times the proxy became overloaded.
    overloads_begun,
    /// Initial requests refused unchecked during overload.
    overload_refused,
    /// Nodes that joined.
    nodes_joined,
    /// Nodes that failed or disconnected.
    nodes_lost,
    /// Peers on the nodes' port that are not nodes.
    nodes_refused,
}
