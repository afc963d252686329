//! The book of what is spent in a day on calls outside. No I/O: what is to be stored is taken out, and what the store says comes in.

pub mod day_end;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use model::plan::{DayLimit, OutsideLimits};
use model::{AgentId, ConnId, Dn, TenantId, Timestamp};

/// How long the sums of a day are kept after its end, for calls that still go on.
const KEPT_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// The part of a limit, in percent, from which there is a warning.
const WARNED_AT: u64 = 80;
/// How often it is told that clocks differ.
const CLOCKS_TOLD_EVERY: Duration = Duration::from_secs(3_600);
/// How long a node that ends waits for the store to take what its calls have spent: two sweeps, and an answer.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// Calls and seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Calls.
    pub calls: u64,
    /// Seconds of answered calls.
    pub seconds: u64,
}

impl Amount {
    const fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.seconds = self.seconds.saturating_add(other.seconds);
    }
}

/// Who spends, and on which day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spender {
    /// The tenant.
    pub tenant: TenantId,
    /// Its phone; none: all its calls, or those of the agent.
    pub phone: Option<Dn>,
    /// Its agent, at whichever phone.
    pub agent: Option<AgentId>,
    /// When the day ends.
    pub day_ends: Timestamp,
}

impl Spender {
    fn of(tenant: &TenantId, limit: &DayLimit) -> Self {
        // Who moves to another phone has the same day there.
        let phone = limit.phone.clone().filter(|_| limit.agent.is_none());
        Self { tenant: tenant.clone(), phone, agent: limit.agent.clone(), day_ends: limit.day_ends }
    }
}

/// Amounts by rule.
pub type Amounts = BTreeMap<String, Amount>;

/// Amounts that are added to a spender's day together. Until the store has answered, it is the same ones that are sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentBatch {
    /// Who has spent it.
    pub spender: Spender,
    /// How much.
    pub amounts: Amounts,
    /// Its number in this run of the node: with that the store knows it again.
    pub sequence: u64,
    /// When it is sent.
    pub sent_at: Timestamp,
}

/// What became of amounts that were to be added to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// They are in these sums.
    Sums(Amounts),
    /// The spender has begun another day: this node alone goes on counting the former one.
    DayOver,
    /// The store did not answer, and why.
    Unknown(String),
}

/// What is new about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreNews {
    /// It did not answer about a spender; before, it had about all.
    Away,
    /// It has answered about all again.
    Back,
}

/// What was spent.
#[derive(Debug, Default)]
pub struct Spendings {
    days: HashMap<Spender, Day>,
    /// How many batches there were.
    batches: u64,
    /// A call whose first trunk did not take it, and that has not been counted: the next trunk's turn counts it.
    pub(super) uncounted: Option<(ConnId, Dn)>,
    /// The spenders about whom the store did not answer when it was asked last. A part of it may be away, with some of them.
    unanswered: HashSet<Spender>,
    /// Until when the time of calls has been counted.
    pub(super) counted_until: Timestamp,
    /// When it was told last that a day cannot end when the dial plan says.
    clocks_told: Option<Timestamp>,
    /// Until when a node that ends waits for the store.
    waits_until: Option<Timestamp>,
}

/// Amounts that the store has not confirmed.
#[derive(Debug)]
struct SentBatch {
    sequence: u64,
    amounts: Amounts,
    /// Whether the store is being asked; else it has not answered.
    is_asked: bool,
}

/// The day of a spender.
#[derive(Debug, Default)]
struct Day {
    /// The sums of all nodes, as far as the store has told them.
    stored: Amounts,
    /// Being added to the store.
    under_way: Option<SentBatch>,
    /// What has come since.
    unstored: Amounts,
    /// Whether the store has another day, so that this node alone goes on counting.
    is_alone: bool,
    /// What the rules allow, as the last call of the spender had it: who raises a limit means the calls in progress too.
    allowed: BTreeMap<String, Allowed>,
    /// The rules whose warning, and whose end, was logged.
    warned: Vec<String>,
    used_up: Vec<String>,
}

/// What a rule allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) calls: Option<u32>,
    pub(super) minutes: Option<u32>,
}

impl Allowed {
    const fn of(limit: &DayLimit) -> Self {
        Self { calls: limit.calls, minutes: limit.minutes }
    }
}

impl Day {
    pub(super) fn sum(&self, rule: &str) -> Amount {
        let mut sum = Amount::default();
        let under_way = self.under_way.as_ref().map(|under_way| &under_way.amounts);
        for part in [Some(&self.stored), under_way, Some(&self.unstored)].into_iter().flatten() {
            sum.add(part.get(rule).copied().unwrap_or_default());
        }
        sum
    }

    /// Takes what the store says. Sums of a day only grow: a store that has lost some gives nobody a second day.
    fn learn(&mut self, sums: Amounts) {
        for (rule, sum) in sums {
            let known = self.stored.entry(rule).or_default();
            *known = Amount { calls: known.calls.max(sum.calls), seconds: known.seconds.max(sum.seconds) };
        }
    }

    /// Whether there is something that the store has not confirmed.
    fn is_owed(&self) -> bool {
        self.under_way.is_some() || !self.unstored.is_empty()
    }

    /// Whether the store is to be asked, and is not being asked.
    fn is_to_store(&self) -> bool {
        self.under_way.as_ref().map_or(!self.unstored.is_empty(), |under_way| !under_way.is_asked)
    }
}

/// What a limit has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Fine,
    Warned,
    UsedUp,
}

impl Spendings {
    pub(super) fn sum(&self, tenant: &TenantId, limit: &DayLimit) -> Amount {
        self.days.get(&Spender::of(tenant, limit)).map(|day| day.sum(&limit.rule)).unwrap_or_default()
    }

    pub(super) fn add(&mut self, tenant: &TenantId, limit: &DayLimit, amount: Amount) {
        let day = self.days.entry(Spender::of(tenant, limit)).or_default();
        day.unstored.entry(limit.rule.clone()).or_default().add(amount);
    }

    /// Notes what the rules allow now. What is told of a limit is told anew once it has changed.
    pub(super) fn allow(&mut self, tenant: &TenantId, limit: &DayLimit) {
        let day = self.days.entry(Spender::of(tenant, limit)).or_default();
        let allowed = Allowed::of(limit);
        if day.allowed.insert(limit.rule.clone(), allowed).is_some_and(|before| before != allowed) {
            day.warned.retain(|rule| *rule != limit.rule);
            day.used_up.retain(|rule| *rule != limit.rule);
        }
    }

    /// What a rule allows, as far as is known now.
    pub(super) fn allowed(&self, tenant: &TenantId, limit: &DayLimit) -> Allowed {
        let known = self.days.get(&Spender::of(tenant, limit)).and_then(|day| day.allowed.get(&limit.rule));
        known.copied().unwrap_or_else(|| Allowed::of(limit))
    }

    /// The first limit that leaves nothing for another call.
    pub(super) fn used_up<'a>(&self, tenant: &TenantId, limits: &'a OutsideLimits) -> Option<&'a DayLimit> {
        limits.a_day.iter().find(|limit| level(Allowed::of(limit), self.sum(tenant, limit)) == Level::UsedUp)
    }

    /// Whether a call in progress has used up the minutes.
    pub(super) fn is_out_of_time<'a>(&self, tenant: &TenantId, limits: &'a OutsideLimits) -> Option<&'a DayLimit> {
        limits.a_day.iter().find(|limit| {
            let minutes = self.allowed(tenant, limit).minutes;
            minutes.is_some_and(|minutes| self.sum(tenant, limit).seconds >= u64::from(minutes) * 60)
        })
    }

    /// What is to be added to the store now. Days that nobody needs any more are forgotten.
    pub(super) fn take_unstored(&mut self, now: Timestamp) -> Vec<SpentBatch> {
        self.days.retain(|spender, day| now < spender.day_ends + KEPT_AFTER || day.is_owed());
        let mut batches = Vec::new();
        for (spender, day) in self.days.iter_mut().filter(|(_, day)| day.is_to_store()) {
            let under_way = day.under_way.get_or_insert_with(|| {
                self.batches += 1;
                let amounts = std::mem::take(&mut day.unstored);
                SentBatch { sequence: self.batches, amounts, is_asked: false }
            });
            under_way.is_asked = true;
            let (spender, amounts) = (spender.clone(), under_way.amounts.clone());
            batches.push(SpentBatch { spender, amounts, sequence: under_way.sequence, sent_at: now });
        }
        batches
    }

    /// What became of the amounts under way. Without an answer the same ones are sent again.
    pub(super) fn stored(&mut self, spender: &Spender, added: Added) {
        let Some(day) = self.days.get_mut(spender) else { return };
        match added {
            Added::Sums(sums) => {
                (day.under_way, day.is_alone) = (None, false);
                day.learn(sums);
            }
            Added::DayOver => {
                let amounts = day.under_way.take().map(|under_way| under_way.amounts).unwrap_or_default();
                for (rule, amount) in amounts {
                    day.stored.entry(rule).or_default().add(amount);
                }
            }
            Added::Unknown(_) => {
                if let Some(under_way) = &mut day.under_way {
                    under_way.is_asked = false;
                }
            }
        }
    }

    /// Notes whether the store has answered about a spender.
    pub(super) fn news_of_store(&mut self, spender: &Spender, added: &Added) -> Option<StoreNews> {
        let was_away = !self.unanswered.is_empty();
        if matches!(added, Added::Unknown(_)) && self.days.contains_key(spender) {
            self.unanswered.insert(spender.clone());
        } else {
            self.unanswered.remove(spender);
        }
        match (was_away, !self.unanswered.is_empty()) {
            (false, true) => Some(StoreNews::Away),
            (true, false) => Some(StoreNews::Back),
            (true, true) | (false, false) => None,
        }
    }

    /// Whether something is to be stored that is not on its way.
    pub(super) fn is_one_unstored(&self) -> bool {
        self.days.values().any(Day::is_to_store)
    }

    /// Whether the store has not confirmed everything.
    pub(super) fn is_one_owed(&self) -> bool {
        self.days.values().any(Day::is_owed)
    }

    /// Whether a node that ends has waited for the store for as long as it does; it begins now if it has not.
    pub(super) fn has_waited(&mut self, now: Timestamp) -> bool {
        *self.waits_until.get_or_insert(now + LAST_WITHIN) <= now
    }

    /// The store has another day of a spender. Returns whether that is new: it is told once.
    pub(super) fn is_newly_alone(&mut self, spender: &Spender) -> bool {
        self.days.get_mut(spender).is_some_and(|day| !std::mem::replace(&mut day.is_alone, true))
    }

    /// Whether it is to be told now that a day cannot end when the dial plan says.
    pub(super) fn is_to_tell_of_clocks(&mut self, now: Timestamp) -> bool {
        let is_told = self.clocks_told.is_some_and(|told| now.since(told) < CLOCKS_TOLD_EVERY);
        if !is_told {
            self.clocks_told = Some(now);
        }
        !is_told
    }

    /// Whether that level of a limit is new: it is told once.
    pub(super) fn is_new(&mut self, tenant: &TenantId, limit: &DayLimit, level: Level) -> bool {
        let Some(day) = self.days.get_mut(&Spender::of(tenant, limit)) else { return false };
        let told = match level {
            Level::Fine => return false,
            Level::Warned => &mut day.warned,
            Level::UsedUp => &mut day.used_up,
        };
        let is_new = !told.contains(&limit.rule);
        if is_new {
            told.push(limit.rule.clone());
        }
        is_new
    }
}

pub(super) fn level(allowed: Allowed, spent: Amount) -> Level {
    let of = |spent: u64, most: u64| match most {
        most if spent >= most => Level::UsedUp,
        most if spent.saturating_mul(100) >= most * WARNED_AT => Level::Warned,
        _ => Level::Fine,
    };
    let calls = allowed.calls.map_or(Level::Fine, |most| of(spent.calls, most.into()));
    let time = allowed.minutes.map_or(Level::Fine, |most| of(spent.seconds, u64::from(most) * 60));
    calls.max(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId::parse("case").expect("a tenant")
    }

    fn limit(calls: Option<u32>, minutes: Option<u32>) -> DayLimit {
        let (rule, day_ends) = ("premium".to_owned(), Timestamp::from_micros(9));
        DayLimit { rule, phone: None, per_agent: false, agent: None, calls, minutes, day_ends }
    }

    fn spent(calls: u64, seconds: u64) -> Amount {
        Amount { calls, seconds }
    }

    #[test]
    fn a_limit_is_near_at_four_fifths_and_used_up_at_its_value() {
        let levels = |limit: DayLimit, amounts: &[(u64, u64)]| -> Vec<Level> {
            amounts.iter().map(|(calls, seconds)| level(Allowed::of(&limit), spent(*calls, *seconds))).collect()
        };
        let by_calls = levels(limit(Some(10), None), &[(0, 9_999), (7, 0), (8, 0), (10, 0), (11, 0)]);
        assert_eq!(by_calls, [Level::Fine, Level::Fine, Level::Warned, Level::UsedUp, Level::UsedUp]);
        let by_time = levels(limit(None, Some(1)), &[(9_999, 47), (0, 48), (0, 60)]);
        assert_eq!(by_time, [Level::Fine, Level::Warned, Level::UsedUp]);
        assert_eq!(level(Allowed::of(&limit(Some(0), None)), spent(0, 0)), Level::UsedUp, "nobody calls there");
    }

    #[test]
    fn what_the_store_did_not_confirm_is_sent_again_as_it_was_and_apart_from_what_has_come_since() {
        let (mut spendings, limit) = (Spendings::default(), limit(Some(10), None));
        let amounts = |calls, seconds| Amounts::from([("premium".to_owned(), spent(calls, seconds))]);
        let take = |spendings: &mut Spendings| spendings.take_unstored(Timestamp::ZERO).pop();
        spendings.add(&tenant(), &limit, spent(2, 0));
        let first = take(&mut spendings).expect("an amount");
        assert_eq!((first.sequence, &first.amounts), (1, &amounts(2, 0)));
        for seconds in 1..5 {
            spendings.add(&tenant(), &limit, spent(0, 1));
            assert_eq!(take(&mut spendings), None, "one at a time");
            spendings.stored(&first.spender, Added::Unknown("away".to_owned()));
            assert_eq!(take(&mut spendings).as_ref(), Some(&first));
            assert_eq!(spendings.sum(&tenant(), &limit), spent(2, seconds), "once each");
        }
        // Other nodes have spent too.
        spendings.stored(&first.spender, Added::Sums(amounts(9, 40)));
        assert_eq!(spendings.sum(&tenant(), &limit), spent(9, 44));
        let second = take(&mut spendings).expect("what has come since");
        assert_eq!((second.sequence, &second.amounts), (2, &amounts(0, 4)));
        spendings.stored(&first.spender, Added::Sums(amounts(10, 44)));
        assert!(!spendings.is_one_owed());
        let limits = OutsideLimits { at_once: None, a_day: vec![limit], counts: true };
        assert!(spendings.used_up(&tenant(), &limits).is_some());
    }

    #[test]
    fn a_day_that_the_store_does_not_have_is_counted_here_until_it_is_over() {
        let (mut spendings, limit) = (Spendings::default(), limit(Some(10), None));
        let amounts = |calls, seconds| Amounts::from([("premium".to_owned(), spent(calls, seconds))]);
        spendings.add(&tenant(), &limit, spent(3, 0));
        let spender = spendings.take_unstored(Timestamp::ZERO).pop().expect("an amount").spender;
        assert!(spendings.is_one_owed() && !spendings.is_one_unstored());
        spendings.stored(&spender, Added::DayOver);
        assert!(spendings.is_newly_alone(&spender) && !spendings.is_newly_alone(&spender), "told once");
        assert_eq!(spendings.sum(&tenant(), &limit), spent(3, 0));
        spendings.add(&tenant(), &limit, spent(0, 2));
        assert_eq!(spendings.take_unstored(Timestamp::ZERO).len(), 1);
        // The store has begun anew meanwhile.
        spendings.stored(&spender, Added::Sums(amounts(0, 2)));
        assert_eq!(spendings.sum(&tenant(), &limit), spent(3, 2), "no second day");
        let later = Timestamp::from_micros(9) + KEPT_AFTER;
        assert!(spendings.take_unstored(later).is_empty() && spendings.days.is_empty(), "the day is over");
    }

    #[test]
    fn the_store_is_away_while_it_does_not_answer_about_any_spender() {
        let (mut spendings, limit) = (Spendings::default(), limit(Some(10), None));
        let of_phone = DayLimit { phone: Dn::parse("7101").ok(), ..limit.clone() };
        for limit in [&limit, &of_phone] {
            spendings.add(&tenant(), limit, spent(1, 0));
        }
        let [reached, lost] = [&limit, &of_phone].map(|limit| Spender::of(&tenant(), limit));
        let (sums, no_answer) = (Added::Sums(Amounts::new()), Added::Unknown("away".to_owned()));
        let mut news = Vec::new();
        for _ in 0..3 {
            news.extend(spendings.news_of_store(&lost, &no_answer));
            news.extend(spendings.news_of_store(&reached, &sums));
        }
        assert_eq!(news, [StoreNews::Away], "told once, and not as if it were back");
        assert_eq!(spendings.news_of_store(&lost, &Added::DayOver), Some(StoreNews::Back), "that is an answer");
        assert_eq!(spendings.news_of_store(&reached, &sums), None);
    }

    #[test]
    fn it_is_told_once_an_hour_that_clocks_differ() {
        let (mut spendings, now) = (Spendings::default(), Timestamp::from_millis(1_000_000));
        assert!(spendings.is_to_tell_of_clocks(now) && !spendings.is_to_tell_of_clocks(now));
        assert!(spendings.is_to_tell_of_clocks(now + CLOCKS_TOLD_EVERY));
    }

    #[test]
    fn each_level_is_told_once() {
        let (mut spendings, limit) = (Spendings::default(), limit(Some(1), None));
        assert!(!spendings.is_new(&tenant(), &limit, Level::Fine));
        spendings.add(&tenant(), &limit, spent(1, 0));
        assert!(spendings.is_new(&tenant(), &limit, Level::UsedUp));
        assert!(!spendings.is_new(&tenant(), &limit, Level::UsedUp));
        // The operator has raised it.
        spendings.allow(&tenant(), &limit);
        assert!(!spendings.is_new(&tenant(), &limit, Level::UsedUp));
        spendings.allow(&tenant(), &DayLimit { calls: Some(2), ..limit.clone() });
        assert!(spendings.is_new(&tenant(), &limit, Level::UsedUp));
    }
}
