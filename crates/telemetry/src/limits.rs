//! Bounds of what clients send and of what is configured for them.

use std::time::Duration;

/// The largest batch, in bytes, as sent and after it is unpacked.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// The most items of a batch, and the most spans, log records or data points of metrics of one that came by OTLP.
pub const ITEMS_MAX: usize = 1_000;
/// The most resources of a batch that came by OTLP.
pub const RESOURCES_MAX: usize = 1_000;
/// The longest name of an application, a version, a session, an item or a property, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// The longest text that is kept, in bytes; the rest is cut off.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// The most properties of an item, and the most attributes of a batch, that are kept.
pub const PROPERTIES_MAX: usize = 64;
/// A time further from ours than this is brought within it.
pub const SKEW_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The most faults of items that an answer names.
pub const FAULTS_TOLD_MAX: usize = 5;

/// The most contracts.
pub const CONTRACTS_MAX: usize = 64;
/// The most properties of a contract.
pub const CONTRACT_PROPERTIES_MAX: usize = 256;
/// The most monitored events of a contract, the most monitored metrics, and the most with an Apdex.
pub const MONITORED_MAX: usize = 64;
/// The longest pattern of monitored events, in bytes.
pub const PATTERN_BYTES_MAX: usize = 256;
/// The most memory of one compiled pattern, in bytes.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 << 10;

/// The most clients that are told apart at a time.
pub const CLIENTS_MAX: usize = 32_768;
/// A client that was silent for so long counts as gone.
pub const CLIENT_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Batches that a client may send at once after a pause.
pub const BATCHES_AT_ONCE: u32 = 10;

/// Desks that a person has at most: all tokens of a person together send as many batches as so many clients, and cause as many lines.
pub const PERSON_DESKS: u32 = 8;
/// New tokens by which a person may send at once; then as many in the time after which a silent client counts as gone.
pub const PERSON_TOKENS_AT_ONCE: u32 = 64;

/// Lines that a client may cause in a second, in bytes.
pub const CLIENT_LINES_PER_S: u64 = 64 << 10;
/// Lines that a client may be ahead of that, in bytes: the longest lines of one batch fit in, however little they matter.
pub const CLIENT_LINES_ROOM: usize = 6 << 20;
/// Lines that a person may cause in a second with all tokens, in bytes.
pub const PERSON_LINES_PER_S: u64 = PERSON_DESKS as u64 * CLIENT_LINES_PER_S;
/// Lines that a person may be ahead of that, in bytes.
pub const PERSON_LINES_ROOM: usize = PERSON_DESKS as usize * CLIENT_LINES_ROOM;
/// Lines that all clients of a tenant may cause in a second, in bytes: more than twice what ten thousand cause that send ten items each ten
/// seconds, in lines of 2 KiB.
pub const TENANT_LINES_PER_S: u64 = 48 << 20;
/// Lines that a tenant may be ahead of that, in bytes.
pub const TENANT_LINES_ROOM: usize = 384 << 20;

/// The most tenants with origins of their own, and the most origins of one.
pub const ORIGINS_MAX: usize = 1_024;
