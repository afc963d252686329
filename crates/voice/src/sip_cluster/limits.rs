//! The bounds of a node, in one place.

use std::time::Duration;

/// Capacities and waiting times of a node.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls at once; the next one is answered 503.
    pub calls_max: usize,
    /// Calls whose number is being looked up; the next one is answered 503.
    pub asking_max: usize,
    /// The session interval that we ask for (RFC 4028), in seconds.
    pub session_expires_s: u32,
    /// Silence after which a party is probed by OPTIONS within its dialog.
    pub probe_after: Duration,
    /// How long a probed party may take to answer; the proxy repeats the probe in that time.
    pub probe_within: Duration,
    /// A thread's record that is larger loses its largest leg, if others stay: the store takes 1 MiB, and would refuse them all.
    pub record_bytes: usize,
    /// How long a lost proxy may take to come back before requests that wait for it fail. Calls wait as long as they last.
    pub proxy_return: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_max: 5_000,
            // The dial plan answers in a millisecond; a thousand wait only when it is away.
            asking_max: 1_000,
            // A vanished phone fails the refresh at half of this interval; the probe below finds it sooner.
            session_expires_s: 1_800,
            // Media reports a silent phone after 20 s, or 50 s if it was never heard, and the answer has 6 s: a vanished phone is
            // released within 60 s. For one in a browser webrtc answers for as long as it is waited for there, and in 3 to 4 s. This value is for
            // what media does not report.
            probe_after: Duration::from_secs(600),
            probe_within: Duration::from_secs(6),
            // Two dialogs of the largest size fit in beside it.
            record_bytes: 768 << 10,
            proxy_return: Duration::from_secs(5),
        }
    }
}

/// Messages from proxies that one turn takes: enough to fill a batch, few enough to keep the keep-alives on time.
pub const MESSAGES_PER_TURN: usize = 64;

/// The most bytes of facts in one write, of the 4 MiB that the store takes with state and entries; a fact may have 64 KiB of user data.
pub const FACTS_PER_WRITE: usize = 2 << 20;
/// The most batches of a turn beside its first: facts of one call that are still left are stored with the next turn.
pub const BATCHES_PER_TURN: usize = 64;

/// Answers, requests and repairs that wait for the loop.
pub const INBOX_MAX: usize = 4_096;

/// How long a living owner is waited for that is to hand a call over. A request about that call waits less: a call that comes late must be
/// noticed, for nobody else serves it.
pub const HANDED_WITHIN: Duration = Duration::from_secs(8);
/// Calls that other nodes may want at once; further ones are not handed over. As many threads may wait for calls of others at once.
pub const HAND_OVERS_MAX: usize = 256;
/// Those of one tenant.
pub const HAND_OVERS_OF_TENANT_MAX: usize = 64;
/// Messages held until the owner of their call is known: more than what the phones of one failed node send within a second.
pub const FINDING_MAX: usize = 2_048;
/// Those of one tenant.
pub const FINDING_OF_TENANT_MAX: usize = 1_024;
/// Those that name one call.
pub const FINDING_OF_CALL_MAX: usize = 32;

/// Interval of the search for calls of failed nodes, shortly after a node has failed; ten times as long otherwise.
pub const TAKEOVER_SCAN_EVERY: Duration = Duration::from_millis(500);
/// How long after a failure the shorter interval applies.
pub const TAKEOVER_SCAN_FAST_FOR: Duration = Duration::from_secs(30);

/// A longer gap between two turns of the loop puts all calls in doubt: other nodes may have taken them.
pub const GAP_MAX: Duration = Duration::from_millis(1_500);

/// Steps that one piece of work for a call may take: events of its dialogs and outputs of its model. Honest work takes some twenty.
pub const STEPS_MAX: u32 = 2_000;

/// Events per dialog that a turn takes on average; a broken flow brings one or two of each dialog.
pub const EVENTS_PER_DIALOG: usize = 8;

/// Calls whose timers one turn runs; the others follow in the next turn, after keep-alives were answered.
pub const CALLS_DUE_PER_TURN: usize = 1_000;

/// Calls in doubt that one turn confirms beside those that it writes: some milliseconds of the ledger's time.
pub const CONFIRMED_PER_TURN: usize = 250;

/// Fault reports that wait for the loop: more in one turn bring nothing new.
pub const FAULTS_REPORTED_MAX: usize = 16;

/// Records being moved to quarantine at once: as many as a node may have calls, plus those of a node that it takes over.
pub const ASIDE_MAX: usize = 10_000;

/// Interval of the search for silent parties.
pub const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// The longest body of a treatment's report that is read, in bytes.
pub const NOTICE_MAX: usize = 32_768;
