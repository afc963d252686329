//! What the proxy counts; its role shows it as metrics.

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counts since start.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct Counts {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counts {
            /// The names, each with what it counts.
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
    /// Requests repeated to another node because theirs was lost.
    requests_repeated,
    /// Responses that belong to no transaction.
    responses_stray,
    /// ACKs that lead nowhere.
    acks_stray,
    /// Messages that could not be read and were answered.
    malformed_answered,
    /// Messages that could not be read, nor answered.
    malformed_dropped,
    /// Requests refused because their source sends too many.
    rate_refused,
    /// Messages dropped because their source sends far too many.
    rate_dropped,
    /// Messages let in though their source sends too many: they belong to a transaction, dialog or flow of ours.
    rate_known,
    /// Seals verified of messages whose source sends too many.
    seals_checked,
    /// Requests of the edge dropped because they named a transaction of a node.
    transactions_foreign,
    /// Challenges sent.
    challenges,
    /// Wrong passwords.
    wrong_passwords,
    /// Passwords refused unseen because there were too many wrong ones: of that phone at its source, or of its source.
    wrong_password_refused,
    /// Challenges because credentials were made for another Request-URI than they came with.
    credentials_misdirected,
    /// Requests of sources that nobody knows.
    unknown_sources,
    /// Requests within a dialog that waited for the next life of its owner.
    requests_waited,
    /// Requests refused because no node was live.
    no_node,
    /// Requests for a flow that is dead or was never ours.
    dead_flows,
    /// Requests that came round in a loop, or had been forwarded too often.
    loops,
    /// Requests refused because they carried more Routes, Record-Routes or Paths than are followed.
    requests_too_long,
    /// Responses that went no further because there were too many of one request.
    responses_limited,
    /// Requests and responses that nodes had given to each other too often.
    handovers_limited,
    /// Turns that left timers to the next one because there were too many.
    turns_cut,
    /// Requests that nobody said in time of whom they are.
    lookups_late,
    /// Requests refused because a table was full.
    overloads,
    /// How often more came than could be done in time.
    overloads_begun,
    /// Requests refused unseen meanwhile.
    overload_refused,
    /// Nodes that joined.
    nodes_joined,
    /// Nodes that were lost.
    nodes_lost,
    /// Peers on the nodes' port that are no nodes.
    nodes_refused,
}
