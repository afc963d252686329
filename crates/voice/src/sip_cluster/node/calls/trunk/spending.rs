//! What is spent in a day on calls outside, against the rules of the dial plan that limit it: a stolen password must not call for a whole
//! night.
//!
//! A call counts when it goes out by a trunk, its time while it is answered, with each sweep. All nodes add to the same sums in the store and
//! learn the sums by adding: what others have spent is known here after the next sweep. A node that has just begun learns them with its
//! first call. A call counts for the day on which it began. A day that cannot end when the dial plan says is not believed: the nodes count
//! together while they have the same day.

use std::time::Duration;

use call::Input;
use model::plan::{DayLimit, Destination, OutsideLimits};
use model::{ConnId, LegId, TenantId, Timestamp};
use runtime::trace::What;

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::leg::{LegStage, Target};
use crate::sip_cluster::node::calls::table::Calls;
use crate::sip_cluster::node::order::Order;
use crate::sip_cluster::node::spending::{Added, Allowed, Amount, Level, Spender, StoreNews, day_end, level};

/// The longest time that is counted at once.
const LATE_MAX: Duration = Duration::from_secs(10);

impl Node {
    /// Corrects days of limits that cannot end when the dial plan says: the clock of that process is wrong, or ours.
    pub(in crate::sip_cluster::node) fn believe_days(
        &mut self,
        conn_id: ConnId,
        destination: &mut Destination,
        now: Timestamp,
    ) {
        let Destination::Outside(outside) = destination else { return };
        let ways = std::iter::once(&mut outside.way).chain(&mut outside.further);
        for limit in ways.flat_map(|way| &mut way.limits.a_day) {
            let said = limit.day_ends;
            limit.day_ends = day_end::believed(said, now);
            if said != limit.day_ends && self.spendings.is_to_tell_of_clocks(now) {
                tracing::error!(
                    %conn_id, rule = %limit.rule, day_ends = %said, %now,
                    "the dial plan says that the day of a limit ends when it cannot: the clock of a dialplan is wrong, or that of this \
                     node. Once the clocks are right, restart all processes of the installation together"
                );
            }
        }
    }

    /// The rule by which nothing is left today for a call, if there is one.
    pub(in crate::sip_cluster::node::calls) fn rule_used_up(
        &mut self,
        tenant: &TenantId,
        limits: &OutsideLimits,
    ) -> Option<String> {
        let limit = self.spendings.used_up(tenant, limits).cloned()?;
        self.tell_level(tenant, &limit, Level::UsedUp);
        Some(limit.rule)
    }

    /// A call goes out, or its first trunk does not take it: then the next one's turn counts it.
    pub(in crate::sip_cluster::node::calls) fn count_call(
        &mut self,
        conn_id: ConnId,
        tenant: &TenantId,
        target: &Target,
        goes_out: bool,
    ) {
        let owed = self.spendings.uncounted.take().is_some_and(|(call, dn)| call == conn_id && dn == target.dn);
        if !target.limits.counts && !owed {
            return;
        }
        if !goes_out {
            self.spendings.uncounted = Some((conn_id, target.dn.clone()));
            return;
        }
        for limit in &target.limits.a_day {
            self.spendings.allow(tenant, limit);
            self.spendings.add(tenant, limit, Amount { calls: 1, seconds: 0 });
            self.look_at(tenant, limit);
        }
    }

    /// Counts the time of answered calls, ends those that have none left, and sends what is new to the store.
    pub(in crate::sip_cluster::node) fn count_time(&mut self, now: Timestamp) {
        // A turn that comes late counts what has passed. After a time without calls there is nothing to count.
        let passed = now.since(self.spendings.counted_until);
        let seconds = passed.min(LATE_MAX).as_secs();
        let is_late = passed > LATE_MAX;
        self.spendings.counted_until =
            if is_late { now } else { self.spendings.counted_until + Duration::from_secs(seconds) };
        let Self { calls, spendings, .. } = self;
        let (mut reached, mut out_of_time) = (Vec::new(), Vec::new());
        for (tenant, conn_id, leg, limits) in calls_outside(calls) {
            for limit in &limits.a_day {
                spendings.add(tenant, limit, Amount { calls: 0, seconds });
                let level = level(spendings.allowed(tenant, limit), spendings.sum(tenant, limit));
                if spendings.is_new(tenant, limit, level) {
                    reached.push((tenant.clone(), limit.clone(), level));
                }
            }
            if let Some(limit) = spendings.is_out_of_time(tenant, limits) {
                out_of_time.push((conn_id, leg, limit.clone()));
            }
        }
        for (tenant, limit, level) in reached {
            self.tell_reached(&tenant, &limit, level);
        }
        for (conn_id, leg, limit) in out_of_time {
            self.end_outside(conn_id, leg, &limit, now);
        }
        let to_store = self.spendings.take_unstored(now);
        self.orders.extend(to_store.into_iter().map(Order::Spend));
    }

    /// What became of amounts that were to be added to the store.
    pub fn spent(&mut self, spender: &Spender, added: Added, now: Timestamp) {
        match (self.spendings.news_of_store(spender, &added), &added) {
            (Some(StoreNews::Away), Added::Unknown(why)) => {
                let (tenant, phone, agent) = (&spender.tenant, &spender.phone, &spender.agent);
                tracing::warn!(
                    %tenant, ?phone, ?agent, why,
                    "what is spent on calls outside is counted at this node alone, until the store answers: of this spender, perhaps of others"
                );
            }
            (Some(StoreNews::Back), _) => {
                tracing::info!("what is spent on calls outside is counted with the other nodes again");
            }
            _ => {}
        }
        if added == Added::DayOver && self.spendings.is_newly_alone(spender) {
            tell_of_day_over(spender, now);
        }
        self.spendings.stored(spender, added);
    }

    /// Whether the store has what calls have spent, or a node that ends has waited for that long enough.
    pub fn has_handed_in_spending(&mut self, now: Timestamp) -> bool {
        if !self.spendings.is_one_owed() {
            return true;
        }
        let has_waited = self.spendings.has_waited(now);
        if has_waited {
            tracing::warn!("this node ends although the store has not taken all that its calls have spent outside");
        }
        has_waited
    }

    /// Whether something is to be stored although no call is left.
    pub(in crate::sip_cluster::node) fn has_unstored_spending(&self) -> bool {
        self.spendings.is_one_unstored()
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
        let level = level(self.spendings.allowed(tenant, limit), self.spendings.sum(tenant, limit));
        self.tell_level(tenant, limit, level);
    }

    /// Tells the operator once a day when a limit is nearly, and when it is wholly used up.
    fn tell_level(&mut self, tenant: &TenantId, limit: &DayLimit, level: Level) {
        if self.spendings.is_new(tenant, limit, level) {
            self.tell_reached(tenant, limit, level);
        }
    }

    fn tell_reached(&self, tenant: &TenantId, limit: &DayLimit, level: Level) {
        let who = match (&limit.agent, &limit.phone) {
            (Some(agent), _) => format!("agent {agent}"),
            (None, Some(phone)) => format!("phone {phone}"),
            (None, None) => "all phones".to_owned(),
        };
        let Amount { calls, seconds } = self.spendings.sum(tenant, limit);
        let (rule, minutes) = (&limit.rule, seconds / 60);
        let Allowed { calls: calls_max, minutes: minutes_max } = self.spendings.allowed(tenant, limit);
        match level {
            Level::Fine => {}
            Level::Warned => {
                self.metrics.day_limit_near();
                tracing::warn!(
                    %tenant, who, rule, calls, calls_max, minutes, minutes_max,
                    "most of what a rule allows for a day on calls outside is spent: calls are refused once all is"
                );
            }
            Level::UsedUp => {
                self.metrics.day_limit_used_up();
                tracing::error!(
                    %tenant, who, rule, calls, calls_max, minutes, minutes_max,
                    "what a rule allows for a day on calls outside is spent: further calls are refused. If nobody should have called that \
                     much, change the phone's password; else raise the rule's limit"
                );
            }
        }
    }
}

/// The answered calls that count for a day, leg by leg.
fn calls_outside(calls: &Calls) -> impl Iterator<Item = (&TenantId, ConnId, LegId, &OutsideLimits)> {
    let legs = calls.iter().flat_map(|(id, entry)| entry.legs.iter().map(move |leg| (*id, entry, leg)));
    legs.filter_map(|(id, entry, leg)| {
        let limits = &leg.target.as_ref()?.limits;
        let counts = leg.stage == LegStage::Up && !limits.a_day.is_empty();
        counts.then_some((&entry.tenant, id, leg.id, limits))
    })
}

/// A spender has begun another day at another node.
fn tell_of_day_over(spender: &Spender, now: Timestamp) {
    let Spender { tenant, phone, agent, day_ends } = spender;
    if *day_ends + day_end::CLOCKS_APART < now {
        tracing::info!(%tenant, ?phone, ?agent, "calls of a day that is over go on: their time is counted at this node alone");
    } else {
        tracing::warn!(
            %tenant, ?phone, ?agent, %day_ends,
            "another node counts what is spent on calls outside for a later day: this one counts alone until its day ends. Compare the clocks \
             of the nodes"
        );
    }
}
