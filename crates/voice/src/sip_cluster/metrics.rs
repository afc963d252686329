//! Every metric of this role.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of a node.
    #[derive(Clone, Debug, Default)]
    pub struct Metrics {
        /// Calls that this node owns.
        pub calls: Gauge = "sipcluster_calls";
        /// INVITEs that began a call, and calls made by request.
        offered: Counter = "sipcluster_calls_offered";
        /// Calls that were refused: unknown number, no phone.
        refused: Counter = "sipcluster_calls_refused";
        /// Calls refused because a limit was reached.
        pub overloaded: Counter = "sipcluster_calls_overloaded";
        /// Legs that were answered.
        answered: Counter = "sipcluster_legs_answered";
        /// Calls whose audio went directly, without media.
        direct: Counter = "sipcluster_direct_calls";
        /// Legs whose audio went directly and that came to media.
        direct_ended: Counter = "sipcluster_direct_legs_anchored";
        /// Parties that vanished without ending their call.
        vanished: Counter = "sipcluster_legs_vanished";
        /// Legs that were ended because they made their call's record too large.
        legs_too_large: Counter = "sipcluster_legs_too_large";
        /// Times that media refused to move a leg to another room.
        rooms_refused: Counter = "sipcluster_rooms_refused";
        /// Times that a phone joined calls which had come separately.
        meetings: Counter = "sipcluster_threads_met";
        /// Sessions of phones before their answer that were not heard because they had changed too often.
        early_sessions_refused: Counter = "sipcluster_early_sessions_refused";
        /// Keys that a carrier was not told by INFO: too many waited, they would have come late, or it could not be told.
        keys_lost: Counter = "sipcluster_keys_lost";
        /// Calls that were refused because config had not told of their trunk in time, or too many waited for that.
        early_refused: Counter = "sipcluster_calls_of_unknown_trunks_refused";
        /// Times that a call did not go out by a trunk, or come in, because the trunk had as many calls as it takes.
        pub trunk_full: Counter = "sipcluster_trunk_full";
        /// Times that a call did not go out by a trunk because it had had as many in that second as it takes.
        trunk_fast: Counter = "sipcluster_trunk_fast";
        /// Times that a call did not go out by a trunk because it had been diverted too often on its way.
        diverted_too_often: Counter = "sipcluster_diverted_too_often";
        /// Calls that went out signed (STIR).
        signed: Counter = "sipcluster_calls_signed";
        /// Calls by trunks that sign which went out unsigned: the key cannot be used, or the number that is shown is no telephone number.
        unsigned: Counter = "sipcluster_calls_unsigned";
        /// Emergency calls, by each trunk that was tried, whose carrier was told where the caller is.
        location_told: Counter = "sipcluster_locations_told";
        /// Those whose carrier was to be told, where it is not known.
        location_unknown: Counter = "sipcluster_locations_unknown";
        /// Calls that came in with a signature that holds (STIR), by trunks that verify.
        verified: Counter = "sipcluster_callers_verified";
        /// Calls that came in by trunks that verify and went on although the signature is missing or does not hold.
        unverified: Counter = "sipcluster_callers_unverified";
        /// Calls that were refused because the signature is missing or does not hold.
        unverified_refused: Counter = "sipcluster_callers_unverified_refused";
        /// Times that a call did not go out by a trunk because its carrier wanted no calls for a while, or because it drains.
        trunk_passed_over: Counter = "sipcluster_trunk_passed_over";
        /// Times that a carrier wanted no calls for a while (503 with Retry-After).
        trunk_paused: Counter = "sipcluster_trunk_paused";
        /// Calls outside that were refused because the phone had as many as it may.
        phone_full: Counter = "sipcluster_phone_outgoing_full";
        /// Calls outside that were refused because what a rule allows for a day was spent.
        day_refused: Counter = "sipcluster_day_limit_refused";
        /// Calls outside that ended because the minutes that a rule allows for a day were spent.
        day_ended: Counter = "sipcluster_day_limit_ended";
        /// Times that most of what a rule allows for a day was spent, by a phone or a tenant.
        day_near: Counter = "sipcluster_day_limit_near";
        /// Times that all of it was spent.
        day_used_up: Counter = "sipcluster_day_limit_used_up";
        /// Turns of the loop that did something.
        turns: Counter = "sipcluster_turns";
        /// Records of calls written to the ledger.
        commits: Counter = "sipcluster_call_writes";
        /// Calls lost to a newer owner.
        fenced: Counter = "sipcluster_calls_fenced";
        /// Messages that were not sent because their proxy was away.
        unsent: Counter = "sipcluster_messages_unsent";
        /// Requests about calls.
        requests: Counter = "sipcluster_requests";
        /// Calls taken over from a failed owner.
        claimed: Counter = "sipcluster_calls_claimed";
        /// Messages sent on to the node that owns their call.
        handed_over: Counter = "sipcluster_messages_handed_over";
        /// Faults while a call was being processed: the call ended, all others continued.
        faults: Counter = "sipcluster_faults";
        /// Calls that ended because they reached a limit of work: facts of the call, outputs of an input, timers of a turn.
        limited: Counter = "sipcluster_calls_limited";
        /// Requests of parties that were too large to be kept, and dialogs that took too many steps in one turn.
        bounds_reached: Counter = "sipcluster_dialog_bounds_reached";
        /// Writes of calls that the store refused: the call ended.
        refused_writes: Counter = "sipcluster_call_writes_refused";
        /// Records of calls that were put into quarantine.
        put_aside: Counter = "sipcluster_records_put_aside";
        /// Details of calls that were not sent to rq because it was away for too long.
        details_dropped: Counter = "sipcluster_routing_details_dropped";
    }
}

impl Metrics {
    /// A call came.
    pub fn call_offered(&self) {
        self.offered.inc();
    }

    /// A call was refused before it was stored.
    pub fn call_refused(&self) {
        self.refused.inc();
    }

    /// A call was refused because a limit was reached.
    pub fn call_overloaded(&self) {
        self.overloaded.inc();
    }

    /// A leg was answered.
    pub fn leg_answered(&self) {
        self.answered.inc();
    }

    /// A call was answered whose audio goes directly.
    pub fn answered_directly(&self) {
        self.direct.inc();
    }

    /// A leg whose audio went directly has come to media.
    pub fn came_to_media(&self) {
        self.direct_ended.inc();
    }

    /// A phone's session before its answer was not heard.
    pub fn early_session_refused(&self) {
        self.early_sessions_refused.inc();
    }

    /// So many keys were not told to a carrier.
    pub fn keys_lost(&self, count: usize) {
        self.keys_lost.inc_by(count as u64);
    }

    /// A call was refused: config has not told of its trunk.
    pub fn early_refused(&self) {
        self.early_refused.inc();
    }

    /// A trunk has as many calls as it takes.
    pub fn trunk_full(&self) {
        self.trunk_full.inc();
    }

    /// A trunk has had as many calls in this second as it takes.
    pub fn trunk_fast(&self) {
        self.trunk_fast.inc();
    }

    /// A call does not go out: it has been diverted too often.
    pub fn diverted_too_often(&self) {
        self.diverted_too_often.inc();
    }

    /// A trunk is not tried because its carrier wants no calls, or because it drains.
    pub fn trunk_passed_over(&self) {
        self.trunk_passed_over.inc();
    }

    /// A phone has as many calls outside as it may.
    pub fn phone_full(&self) {
        self.phone_full.inc();
    }

    /// A call is refused because of what was spent today.
    pub fn day_limit_refused(&self) {
        self.day_refused.inc();
    }

    /// A call ends because of what was spent today.
    pub fn day_limit_ended(&self) {
        self.day_ended.inc();
    }

    /// Most of what may be spent today is spent.
    pub fn day_limit_near(&self) {
        self.day_near.inc();
    }

    /// All of it is spent.
    pub fn day_limit_used_up(&self) {
        self.day_used_up.inc();
    }

    /// A call went out signed.
    pub fn call_signed(&self) {
        self.signed.inc();
    }

    /// A call went out unsigned by a trunk that signs.
    pub fn call_unsigned(&self) {
        self.unsigned.inc();
    }

    /// A carrier is told where the caller of an emergency call is.
    pub fn location_told(&self) {
        self.location_told.inc();
    }

    /// A carrier is not told that, since it is not known.
    pub fn location_unknown(&self) {
        self.location_unknown.inc();
    }

    /// A call came in with a signature that holds.
    pub fn caller_verified(&self) {
        self.verified.inc();
    }

    /// A call came in without one, and went on.
    pub fn caller_unverified(&self) {
        self.unverified.inc();
    }

    /// A call came in without one, and was refused.
    pub fn unverified_refused(&self) {
        self.unverified_refused.inc();
    }

    /// A carrier wants no calls for a while.
    pub fn trunk_paused(&self) {
        self.trunk_paused.inc();
    }

    /// A party vanished.
    pub fn leg_vanished(&self) {
        self.vanished.inc();
    }

    /// A turn wrote that many records.
    pub fn turn(&self, writes: usize) {
        self.turns.inc();
        self.commits.inc_by(writes as u64);
    }

    /// A leg made its call's record too large.
    pub fn leg_too_large(&self) {
        self.legs_too_large.inc();
    }

    /// Media refused to move a leg to another room.
    pub fn room_refused(&self) {
        self.rooms_refused.inc();
    }

    /// Two threads have become one.
    pub fn threads_met(&self) {
        self.meetings.inc();
    }

    /// A newer owner has the call.
    pub fn call_fenced(&self) {
        self.fenced.inc();
    }

    /// A message could not be sent.
    pub fn message_unsent(&self) {
        self.unsent.inc();
    }

    /// A request came.
    pub fn request(&self) {
        self.requests.inc();
    }

    /// Details of a call were not sent to rq.
    pub fn detail_dropped(&self) {
        self.details_dropped.inc();
    }

    /// A message was sent on to the owner of its call.
    pub fn message_handed_over(&self) {
        self.handed_over.inc();
    }

    /// A fault while a call was being processed.
    pub fn fault(&self) {
        self.faults.inc();
    }

    /// A call has reached a limit of work.
    pub fn call_limited(&self) {
        self.limited.inc();
    }

    /// Counts the bounds that dialogs have reached; `so_far` is the total of this run.
    pub fn bounds_reached(&self, so_far: u64) {
        self.bounds_reached.inc_by(so_far.saturating_sub(self.bounds_reached.get()));
    }

    /// The store did not take a call's record.
    pub fn write_refused(&self) {
        self.refused_writes.inc();
    }

    /// A record is moved to quarantine.
    pub fn record_put_aside(&self) {
        self.put_aside.inc();
    }

    /// A call was claimed.
    pub fn call_claimed(&self) {
        self.claimed.inc();
    }
}
