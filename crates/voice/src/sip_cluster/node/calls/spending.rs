//! What is spent in a day on calls outside, against the rules of the dial plan that limit it: a stolen password must not call for a whole
//! night.
//!
//! A call counts when its first trunk is tried, its time while it is answered, in steps of [`SWEEP_EVERY`]. All nodes add to the same
//! sums in the store and learn the sums by adding: what others have spent is known here after the next step. A node that has just begun
//! learns them with its first call. A call counts for the day on which it began.

use call::Input;
use model::plan::{DayLimit, OutsideLimits};
use model::{ConnId, LegId, TenantId, Timestamp};
use runtime::trace::What;

use super::leg::LegStage;
use crate::sip_cluster::limits::SWEEP_EVERY;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::order::Order;
use crate::sip_cluster::node::spending::{Added, Amount, Level, Spender, level};

impl Node {
    /// Whether a call may not go out because of what was spent today; else it counts.
    pub(super) fn spend_call(&mut self, tenant: &TenantId, limits: &OutsideLimits) -> bool {
        if let Some(limit) = self.spendings.used_up(tenant, limits) {
            self.tell_level(tenant, limit, Level::UsedUp);
            return false;
        }
        // Only the first trunk of a call has limits of calls: its further ones are the same call.
        for limit in limits.a_day.iter().filter(|limit| limit.calls.is_some()) {
            self.spendings.add(tenant, limit, Amount { calls: 1, seconds: 0 });
            self.look_at(tenant, limit);
        }
        true
    }

    /// Counts the time of answered calls, ends those that have none left, and sends what is new to the store.
    pub(in crate::sip_cluster::node) fn count_time(&mut self, now: Timestamp) {
        let seconds = SWEEP_EVERY.as_secs();
        for (tenant, conn_id, leg, limits) in self.calls_outside() {
            for limit in &limits.a_day {
                self.spendings.add(&tenant, limit, Amount { calls: 0, seconds });
                self.look_at(&tenant, limit);
            }
            if let Some(limit) = self.spendings.is_out_of_time(&tenant, &limits) {
                self.end_outside(conn_id, leg, limit, now);
            }
        }
        let to_store = self.spendings.take_unstored(now);
        self.orders.extend(to_store.into_iter().map(|(spender, amounts)| Order::Spend { spender, amounts }));
    }

    /// What became of amounts that were to be added to the store.
    pub fn spent(&mut self, spender: &Spender, added: Added) {
        self.spendings.stored(spender, added);
    }

    /// Whether something is to be stored although no call is left.
    pub(in crate::sip_cluster::node) fn has_unstored_spending(&self) -> bool {
        self.spendings.is_one_unstored()
    }

    fn calls_outside(&self) -> Vec<(TenantId, ConnId, LegId, OutsideLimits)> {
        let legs = self.calls.iter().flat_map(|(id, entry)| entry.legs.iter().map(move |leg| (*id, entry, leg)));
        let outside = legs.filter_map(|(id, entry, leg)| {
            let limits = &leg.target.as_ref()?.limits;
            let counts = leg.stage == LegStage::Up && !limits.a_day.is_empty();
            counts.then(|| (entry.tenant.clone(), id, leg.id, limits.clone()))
        });
        outside.collect()
    }

    fn end_outside(&mut self, conn_id: ConnId, leg: LegId, limit: &DayLimit, now: Timestamp) {
        self.metrics.day_limit_ended();
        if let Some(entry) = self.calls.get(&conn_id) {
            let text = format!("ended: what the rule {} allows for a day is used up", limit.rule);
            self.trace.note_with(&entry.tenant, conn_id, now, || What::Note { text });
        }
        self.attempt_for(Some(conn_id), now, |node| {
            node.hang_up(conn_id, leg, 480, now);
            node.feed(conn_id, Input::LegDead(leg), now);
        });
    }

    fn look_at(&mut self, tenant: &TenantId, limit: &DayLimit) {
        let level = level(limit, self.spendings.sum(tenant, limit));
        self.tell_level(tenant, limit, level);
    }

    /// Tells the operator once a day when a limit is nearly, and when it is wholly used up.
    fn tell_level(&mut self, tenant: &TenantId, limit: &DayLimit, level: Level) {
        if !self.spendings.is_new(tenant, limit, level) {
            return;
        }
        let who = limit.phone.as_ref().map_or_else(|| "all phones".to_owned(), |phone| format!("phone {phone}"));
        let Amount { calls, seconds } = self.spendings.sum(tenant, limit);
        let (rule, minutes) = (&limit.rule, seconds / 60);
        let (calls_max, minutes_max) = (limit.calls, limit.minutes);
        match level {
            Level::Fine => {}
            Level::Warned => {
                self.metrics.day_limit_near();
                tracing::warn!(
                    %tenant, who, rule, calls, ?calls_max, minutes, ?minutes_max,
                    "most of what a rule allows for a day on calls outside is spent: calls are refused once all is"
                );
            }
            Level::UsedUp => {
                self.metrics.day_limit_used_up();
                tracing::error!(
                    %tenant, who, rule, calls, ?calls_max, minutes, ?minutes_max,
                    "what a rule allows for a day on calls outside is spent: further calls are refused. If nobody should have called that \
                     much, change the phone's password; else raise the rule's limit"
                );
            }
        }
    }
}
