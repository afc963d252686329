//! Counters of SIP sockets; a role reads them when its metrics are requested.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counts of SIP sockets since start. One instance per role, shared by its sockets.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: Counter,)+
        }

        impl Counters {
            /// The names, each with its description.
            pub const TABLE: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($name), &[$($doc),+])),+];

            /// Every count with its name.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.value())),+]
            }
        }
    };
}

counters! {
    /// Messages and datagrams received.
    messages_in,
    /// Bytes received.
    bytes_in,
    /// Messages and datagrams sent.
    messages_out,
    /// Bytes sent.
    bytes_out,
    /// Keep-alives (CRLF, empty datagrams, STUN) received.
    keep_alives_in,
    /// Datagrams that the kernel did not take.
    datagrams_unsent,
    /// Datagrams that the kernel dropped because they came faster than they were read.
    datagrams_dropped,
    /// Connections that were opened, both directions.
    connections_opened,
    /// Connections refused because all places, or those of their source, were taken.
    connections_refused,
    /// Connections on which nobody had authenticated, closed because another one needed their place.
    connections_displaced,
    /// Connections that could not be opened.
    connects_failed,
    /// Connections closed because they were silent for too long.
    closed_idle,
    /// Connections closed because the peer did not read.
    closed_unread,
    /// Connections closed because their input was not SIP, too long, or too slow.
    closed_bad_input,
    /// TLS handshakes completed, both directions.
    tls_handshakes,
    /// TLS connections refused because their source begins too many a second.
    tls_refused_rate,
    /// TLS connections that failed because the handshake took too long.
    tls_failed_late,
    /// TLS connections that failed because what came was no TLS.
    tls_failed_not_tls,
    /// TLS connections that failed because there was no version or algorithm in common.
    tls_failed_incompatible,
    /// TLS connections that failed because a certificate was not accepted, here or by the peer.
    tls_failed_certificate,
    /// TLS connections that failed for another reason; most peers just hung up.
    tls_failed_other,
    /// Connections at the listeners for WebSocket that asked for no WebSocket for SIP.
    web_sockets_refused,
}

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn one(&self) {
        self.more(1);
    }

    /// Adds `n`.
    pub fn more(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
