//! When a certificate is ordered. What is known and the present time come in, what is to be done goes out.
//!
//! One is ordered where there is none, where the settings name other domains or another server, and once two thirds of the life of the
//! present one are over. After a failure each wait is twice as long as the one before, and never shorter than the server asks for; the
//! present certificate stays meanwhile.

use std::time::Duration;

use model::{Entropy, Timestamp};
use serde::{Deserialize, Serialize};

/// The longest wait after failures, unless the server asks for a longer one.
const WAIT_MAX: Duration = Duration::from_secs(6 * 3_600);
/// The longest wait that a server may ask for: rate limits of public authorities are for a week.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Waits are longer by up to this part of them, so that installations that fail together do not come back together.
const JITTER_OF_WAIT: u64 = 4;
/// A certificate is renewed before two thirds of its life by up to this part of it.
const JITTER_OF_LIFE: u64 = 20;
/// A server that cannot be reached has counted nothing: it is tried again after that part of the first wait.
const UNREACHED_PART: u32 = 10;

/// What certificate the settings want.
#[derive(Clone, Debug)]
pub(super) struct CertificateWish {
    /// The URL of the directory of the ACME server.
    pub directory: String,
    /// The domains that it is for.
    pub domains: Vec<String>,
    /// The id of the account that the authority already knows us by (RFC 8555 section 7.3.4); empty if it needs none.
    pub external_account: String,
    /// With what else it is ordered, as a digest: contact, key of the external account, authorities. With others, what has failed may
    /// succeed at once.
    pub means: String,
    /// The wait after the first failure.
    pub first_wait: Duration,
}

/// The certificate that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldCertificate {
    /// The URL of the directory of who has issued it.
    pub directory: String,
    /// The names in it.
    pub names: Vec<String>,
    pub valid_from: Timestamp,
    pub valid_to: Timestamp,
    /// When it is renewed; zero if that was not kept.
    pub renew_at: Timestamp,
}

/// How the orders of the installation went, as all its processes know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OrderHistory {
    /// What they were for. What is known of others counts for nothing.
    wish: String,
    /// With what they were made: failures with others count for nothing, but for what the server has asked.
    #[serde(default)]
    means: String,
    /// Failures in a row.
    pub failures: u32,
    /// No order before that, in milliseconds of Unix time.
    not_before_ms: u64,
    /// Until when the server wants none, likewise: whatever people change, that counts.
    #[serde(default)]
    asked_until_ms: u64,
    /// Why the last one failed; none after a success.
    last_fault: Option<String>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RenewalStep {
    /// Nothing until then, unless settings or files change.
    Wait(Timestamp),
    /// A certificate is ordered.
    Order(OrderReason),
}

/// Why a certificate is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderReason {
    /// There is none.
    NoneYet,
    /// The present one is of another server, or lacks a domain.
    OtherWish,
    /// Two thirds of its life are over.
    Due,
}

/// How an order has failed.
#[derive(Clone, Debug)]
pub(super) struct OrderFailure {
    /// Whether the server was not reached at all.
    pub is_unreached: bool,
    /// The wait that the server asks for (RFC 9110 section 10.2.3).
    pub retry_after: Option<Duration>,
    /// Why, for people.
    pub why: String,
}

impl CertificateWish {
    /// What tells it from others.
    fn mark(&self) -> String {
        format!("{} {} {}", self.directory, self.external_account, self.domains.join(" "))
    }
}

impl HeldCertificate {
    /// Whether it is what the settings want.
    pub fn fits(&self, wish: &CertificateWish) -> bool {
        let has = |domain: &String| self.names.iter().any(|name| name.eq_ignore_ascii_case(domain));
        self.directory == wish.directory && wish.domains.iter().all(has)
    }

    fn life(&self) -> Duration {
        self.valid_to.since(self.valid_from)
    }

    fn two_thirds(&self) -> Timestamp {
        self.valid_from + self.life() / 3 * 2
    }

    /// When one like this is to be renewed: shortly before two thirds of its life, not all at the same time.
    pub fn renewal_at_random(&self, entropy: &mut dyn Entropy) -> Timestamp {
        self.two_thirds() - part_at_random(self.life(), JITTER_OF_LIFE, entropy)
    }

    /// When this one is renewed.
    pub fn renewal(&self) -> Timestamp {
        // A time outside of its life is none.
        if (self.valid_from..self.valid_to).contains(&self.renew_at) { self.renew_at } else { self.two_thirds() }
    }

    /// Whether none is ordered in its place now.
    pub fn suffices(&self, wish: &CertificateWish, now: Timestamp) -> bool {
        self.fits(wish) && now < self.renewal()
    }
}

impl OrderHistory {
    /// This history, if it is one of the wish; else that of nothing.
    fn of(&self, wish: &CertificateWish) -> Self {
        let means = wish.means.clone();
        if self.wish != wish.mark() {
            return Self { wish: wish.mark(), means, ..Self::default() };
        }
        if self.means != wish.means {
            let (wish, asked_until_ms) = (self.wish.clone(), self.asked_until_ms);
            return Self { wish, means, asked_until_ms, not_before_ms: asked_until_ms, ..Self::default() };
        }
        self.clone()
    }

    /// The same, where people want no wait of ours to be waited for: only what the server has asked counts.
    pub fn at_once(&self, wish: &CertificateWish) -> Self {
        let history = self.of(wish);
        Self { not_before_ms: history.asked_until_ms, ..history }
    }

    /// Why the last order of that wish has failed, and how often one has in a row; none after a success, and none while the present
    /// certificate suffices: then none was due, whatever is remembered.
    pub fn failing(
        &self,
        wish: &CertificateWish,
        held: Option<&HeldCertificate>,
        now: Timestamp,
    ) -> Option<(String, u32)> {
        if held.is_some_and(|held| held.suffices(wish, now)) {
            return None;
        }
        let history = self.of(wish);
        history.last_fault.map(|why| (why, history.failures))
    }

    /// Before when no order may begin.
    fn not_before(&self, now: Timestamp) -> Timestamp {
        let until = Timestamp::from_millis(self.not_before_ms);
        // No wait is longer: the clock has been put back since.
        if until > now + with_most_jitter(RETRY_AFTER_MAX) { Timestamp::ZERO } else { until }
    }

    /// An order begins: if its process ends with it, the next one does not begin at once.
    pub fn begun(&self, wish: &CertificateWish, now: Timestamp) -> Self {
        let history = self.of(wish);
        let wait = backoff(wish.first_wait, history.failures.saturating_add(1));
        Self { not_before_ms: (now + wait).as_millis(), ..history }
    }

    /// An order has failed.
    pub fn failed(
        &self,
        wish: &CertificateWish,
        failure: OrderFailure,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let history = self.of(wish);
        let failures = history.failures.saturating_add(1);
        let first = if failure.is_unreached { wish.first_wait / UNREACHED_PART } else { wish.first_wait };
        let asked = failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let wait = backoff(first, failures).max(asked);
        let wait = wait + part_at_random(wait, JITTER_OF_WAIT, entropy);
        Self {
            failures,
            not_before_ms: (now + wait).as_millis(),
            asked_until_ms: if asked.is_zero() { 0 } else { (now + asked).as_millis() },
            last_fault: Some(failure.why),
            ..history
        }
    }

    /// A certificate has been issued.
    pub fn issued(wish: &CertificateWish, now: Timestamp) -> Self {
        // What is over at once, by a wrong clock here or there, is not ordered all the time.
        let not_before_ms = (now + wish.first_wait).as_millis();
        Self { wish: wish.mark(), means: wish.means.clone(), not_before_ms, ..Self::default() }
    }
}

/// What is to be done now.
pub(super) fn next_step(
    wish: &CertificateWish,
    held: Option<&HeldCertificate>,
    history: &OrderHistory,
    now: Timestamp,
) -> RenewalStep {
    let history = history.of(wish);
    let (reason, due) = match held {
        None => (OrderReason::NoneYet, Timestamp::ZERO),
        Some(held) if !held.fits(wish) => (OrderReason::OtherWish, Timestamp::ZERO),
        Some(held) => (OrderReason::Due, held.renewal()),
    };
    let at = due.max(history.not_before(now));
    if at <= now { RenewalStep::Order(reason) } else { RenewalStep::Wait(at) }
}

/// The wait after so many failures in a row, from 1.
fn backoff(first: Duration, failures: u32) -> Duration {
    model::doubling_pause(first, WAIT_MAX, failures)
}

/// Up to a part of a time, at random.
fn part_at_random(whole: Duration, part: u64, entropy: &mut dyn Entropy) -> Duration {
    let most = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX) / part;
    Duration::from_millis(entropy.below(most.saturating_add(1)))
}

/// The longest that a wait can become.
fn with_most_jitter(wait: Duration) -> Duration {
    wait + wait / u32::try_from(JITTER_OF_WAIT).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const FIRST: Duration = Duration::from_secs(300);
    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn wish(domains: &[&str]) -> CertificateWish {
        CertificateWish {
            directory: "https://ca.example/directory".to_owned(),
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            external_account: String::new(),
            means: "a contact".to_owned(),
            first_wait: FIRST,
        }
    }

    fn held(life: Duration) -> HeldCertificate {
        HeldCertificate {
            directory: "https://ca.example/directory".to_owned(),
            names: vec!["edge.example".to_owned(), "Desk.example".to_owned()],
            valid_from: NOW,
            valid_to: NOW + life,
            renew_at: Timestamp::ZERO,
        }
    }

    fn failure(is_unreached: bool, retry_after: Option<Duration>) -> OrderFailure {
        OrderFailure { is_unreached, retry_after, why: "away".to_owned() }
    }

    fn wait_of(history: &OrderHistory, wish: &CertificateWish, now: Timestamp) -> Duration {
        match next_step(wish, None, history, now) {
            RenewalStep::Wait(until) => until.since(now),
            RenewalStep::Order(_) => Duration::ZERO,
        }
    }

    #[test]
    fn one_is_ordered_where_there_is_none_or_another_one_is_wanted() {
        let (wanted, nothing, present) = (wish(&["edge.example"]), OrderHistory::default(), held(90 * DAY));
        let step = |wish: &CertificateWish, held: Option<&HeldCertificate>| next_step(wish, held, &nothing, NOW);
        assert_eq!(step(&wanted, None), RenewalStep::Order(OrderReason::NoneYet));
        assert_eq!(step(&wanted, Some(&present)), RenewalStep::Wait(NOW + 60 * DAY));
        assert_eq!(step(&wish(&["desk.example"]), Some(&present)), RenewalStep::Wait(NOW + 60 * DAY));
        let more = wish(&["edge.example", "new.example"]);
        assert_eq!(step(&more, Some(&present)), RenewalStep::Order(OrderReason::OtherWish));
        let elsewhere = CertificateWish { directory: "https://other.example/".to_owned(), ..wanted };
        assert_eq!(step(&elsewhere, Some(&present)), RenewalStep::Order(OrderReason::OtherWish));
    }

    #[test]
    fn failures_for_other_domains_hold_nothing_up() {
        let (before, after) = (wish(&["old.example"]), wish(&["edge.example"]));
        let history = OrderHistory::default().failed(&before, failure(false, Some(DAY)), NOW, &mut Seeded::new(1));
        assert!(wait_of(&history, &before, NOW) >= DAY);
        assert_eq!(wait_of(&history, &after, NOW), Duration::ZERO);
    }

    #[test]
    fn failures_with_another_contact_or_key_hold_nothing_up_but_what_the_server_asks_for_does() {
        let before = wish(&["edge.example"]);
        let after = CertificateWish { means: "another contact".to_owned(), ..before.clone() };
        let failed = |asked| OrderHistory::default().failed(&before, failure(false, asked), NOW, &mut Seeded::new(1));
        let (ours, asked) = (failed(None), failed(Some(DAY)));
        assert!(wait_of(&ours, &before, NOW) >= FIRST);
        assert_eq!((wait_of(&ours, &after, NOW), wait_of(&asked, &after, NOW)), (Duration::ZERO, DAY));
        assert_eq!(ours.failing(&after, None, NOW), None, "it has not been tried with that one");
        let begun = asked.begun(&after, NOW + DAY);
        assert_eq!(begun.failures, 0);
    }

    #[test]
    fn people_wait_for_the_server_alone() {
        let wanted = wish(&["edge.example"]);
        let failed = |asked| OrderHistory::default().failed(&wanted, failure(false, asked), NOW, &mut Seeded::new(1));
        let at_once = failed(None).at_once(&wanted);
        assert_eq!((wait_of(&at_once, &wanted, NOW), at_once.failures), (Duration::ZERO, 1));
        assert_eq!(wait_of(&failed(Some(DAY)).at_once(&wanted), &wanted, NOW), DAY);
        assert_eq!(wait_of(&OrderHistory::default().at_once(&wanted), &wanted, NOW), Duration::ZERO);
    }

    #[test]
    fn a_failure_counts_for_its_wish_and_until_there_is_a_certificate() {
        let (wanted, present) = (wish(&["edge.example"]), held(90 * DAY));
        let failed = OrderHistory::default().failed(&wanted, failure(false, None), NOW, &mut Seeded::new(1));
        let failing = |wish: &CertificateWish, held, now| failed.failing(wish, held, now);
        assert_eq!(failing(&wanted, None, NOW), Some(("away".to_owned(), 1)));
        assert_eq!(failing(&wish(&["new.example"]), None, NOW), None, "of other domains");
        // The process ended after it had kept the certificate, and before it could keep that all is well.
        assert_eq!(failing(&wanted, Some(&present), NOW), None);
        assert_eq!(failing(&wanted, Some(&present), NOW + 61 * DAY), Some(("away".to_owned(), 1)));
    }

    #[test]
    fn a_history_of_the_release_before_is_read() {
        let kept = r#"{"wish":"w","failures":2,"not_before_ms":7,"renew_at_ms":9,"last_fault":"away"}"#;
        assert_eq!(serde_json::from_str::<OrderHistory>(kept).unwrap().failures, 2);
    }

    #[test]
    fn whoever_ends_within_an_order_does_not_begin_the_next_one_at_once() {
        let wanted = wish(&["edge.example"]);
        let begun = OrderHistory::default().begun(&wanted, NOW);
        assert_eq!(wait_of(&begun, &wanted, NOW), FIRST);
        assert_eq!(wait_of(&begun, &wanted, NOW + FIRST), Duration::ZERO);
        assert_eq!(begun.failures, 0, "it has not failed");
    }

    #[test]
    fn a_wait_of_a_clock_that_was_wrong_is_none() {
        let (wanted, later) = (wish(&["edge.example"]), NOW + 1_000 * DAY);
        let history = OrderHistory::default().failed(&wanted, failure(false, None), later, &mut Seeded::new(1));
        assert_eq!(wait_of(&history, &wanted, NOW), Duration::ZERO);
    }

    #[test]
    fn a_server_that_was_not_reached_is_tried_again_sooner() {
        let wanted = wish(&["edge.example"]);
        let mut entropy = Seeded::new(1);
        let history = OrderHistory::default().failed(&wanted, failure(true, None), NOW, &mut entropy);
        assert!(wait_of(&history, &wanted, NOW) < FIRST / 4);
    }

    proptest! {
        #[test]
        fn each_wait_is_as_long_as_the_server_asks_for_and_grows_up_to_a_bound(
            asked in prop::collection::vec((any::<bool>(), prop::option::of(0_u64..2_000_000)), 1..40),
            seed in any::<u64>(),
        ) {
            let (wanted, mut entropy) = (wish(&["edge.example"]), Seeded::new(seed));
            let (mut history, mut now) = (OrderHistory::default(), NOW);
            for (count, (is_unreached, asked)) in asked.into_iter().enumerate() {
                let asked = asked.map(Duration::from_secs);
                history = history.failed(&wanted, failure(is_unreached, asked), now, &mut entropy);
                let wait = wait_of(&history, &wanted, now);
                let least = if is_unreached { FIRST / UNREACHED_PART } else { FIRST };
                prop_assert!(wait >= backoff(least, 1 + count as u32));
                prop_assert!(wait >= asked.unwrap_or_default().min(RETRY_AFTER_MAX));
                prop_assert!(wait <= with_most_jitter(WAIT_MAX.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))));
                prop_assert_eq!(history.failures as usize, count + 1);
                now = now + wait;
                prop_assert_eq!(next_step(&wanted, None, &history, now), RenewalStep::Order(OrderReason::NoneYet));
            }
        }

        #[test]
        fn one_is_renewed_shortly_before_two_thirds_of_its_life_whatever_failed_before(
            life_s in 3_000_u64..40_000_000,
            failures in 0_u32..9,
            seed in any::<u64>(),
        ) {
            let (wanted, mut entropy) = (wish(&["edge.example"]), Seeded::new(seed));
            let life = Duration::from_secs(life_s);
            let renew_at = held(life).renewal_at_random(&mut entropy);
            let present = HeldCertificate { renew_at, ..held(life) };
            let mut history = OrderHistory::default();
            for _ in 0..failures {
                history = history.failed(&wanted, failure(false, None), NOW, &mut entropy);
            }
            prop_assert_eq!(history.failures, failures);
            history = OrderHistory::issued(&wanted, NOW);
            prop_assert_eq!((history.failures, history.last_fault.clone()), (0, None));
            let step = next_step(&wanted, Some(&present), &history, NOW);
            let RenewalStep::Wait(at) = step else { return Err(TestCaseError::fail(format!("{step:?}"))) };
            let after = at.since(NOW);
            prop_assert!(after <= life / 3 * 2 && after + Duration::from_millis(2) >= life / 3 * 2 - life / 20);
            prop_assert_eq!(next_step(&wanted, Some(&present), &history, at), RenewalStep::Order(OrderReason::Due));
        }

        #[test]
        fn what_is_over_when_it_comes_is_not_ordered_all_the_time(life_s in 0_u64..300, late_s in 0_u64..1_000) {
            let (wanted, present) = (wish(&["edge.example"]), held(Duration::from_secs(life_s)));
            let now = NOW + Duration::from_secs(life_s + late_s);
            let history = OrderHistory::issued(&wanted, now);
            prop_assert_eq!(next_step(&wanted, Some(&present), &history, now), RenewalStep::Wait(now + FIRST));
        }
    }
}
