//! Bounds of what clients and servers of Bayeux send.

use std::time::Duration;

/// The largest batch of a client, in bytes: what it sends are subscriptions and connects, each some hundred bytes.
pub const BATCH_BYTES_MAX: usize = 256 << 10;
/// The most messages of a batch.
pub const MESSAGES_MAX: usize = 64;
/// The longest name of a channel, and the longest pattern, in bytes.
pub const CHANNEL_BYTES_MAX: usize = 200;
/// The longest id of a message or of a client, in bytes.
pub const ID_BYTES_MAX: usize = 100;
/// The most patterns of one message that subscribes or unsubscribes.
pub const PATTERNS_MAX: usize = 64;
/// The longest `ext` of a message, in bytes of JSON: extensions carry numbers and positions.
pub const EXT_BYTES_MAX: usize = 4 << 10;

/// For how long a held message that nobody has subscribed to counts as owed (`Hub::confirmed`). Clients subscribe
/// within seconds of their handshake; a channel that nobody wants must not stop the count for good.
pub const HELD_COUNTS_FOR: Duration = Duration::from_secs(60);
/// Clients that ended which a hub remembers, so that a late message does not bring one back.
pub const GONE_MAX: usize = 16;
/// Connects in a row that may ask again for an answer that was lost. A client whose connects all look like that polls so, and each of them
/// counts as one that says that all has arrived.
pub const ASKED_AGAIN_MAX: u32 = 3;

/// The largest answer that a consumer reads, in bytes: above the queue of any hub that it reads.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Changes of subscriptions that a consumer keeps until its server has heard of them.
pub const CHANGES_MAX: usize = 10_000;
/// Changes of subscriptions that a consumer sends at once: with the longest `ext` they fit into a batch.
pub const CHANGES_AT_ONCE: usize = 32;
/// A consumer's pause after one failure; it doubles with each further one in a row.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// A consumer's longest pause between two attempts.
pub const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest poll that a consumer takes from a server's advice.
pub const POLL_MAX: Duration = Duration::from_secs(120);
/// The time in which a server answers what it does not hold back; a poll may take as much longer than advised.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);
