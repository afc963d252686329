//! What auth has said of tokens, by their digests, for as long as it holds. Tenants share the room, and none takes it from another: where it
//! is full, the one that has most of it gives way. Tokens that are known to be good have a room of their own, so that no flood of others is
//! at their cost.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use identity::grant::ACCESS_LIFE;
use identity::secret::Digest;
use model::{TenantId, Timestamp};

use crate::sessions::token_standing::TokenStanding;

/// For how long nobody asks again where auth does not answer: requests would all wait for that.
const UNANSWERED_FOR: Duration = Duration::from_secs(10);
/// For how long a token is refused without a question once auth has refused it.
const OVER_FOR: Duration = Duration::from_secs(60);
/// The most tokens that are known to be good: two of each session that a replica may have.
const GOOD_MAX: usize = 20_000;
/// The most others, which hold for a minute at most.
const OTHERS_MAX: usize = 2_000;

/// How long what auth has said holds.
const fn lasts(standing: TokenStanding) -> Duration {
    match standing {
        // Longer than the token itself. What is revoked meanwhile is known otherwise.
        TokenStanding::Good => ACCESS_LIFE,
        TokenStanding::Over => OVER_FOR,
        TokenStanding::Unanswered => UNANSWERED_FOR,
    }
}

/// What is known of tokens.
pub(super) struct KnownTokens {
    good: TokenRoom,
    others: TokenRoom,
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self { good: TokenRoom::of(GOOD_MAX), others: TokenRoom::of(OTHERS_MAX) }
    }
}

impl KnownTokens {
    /// What auth has said of a token of a tenant, if that holds.
    pub fn standing(&self, tenant: &TenantId, token: Digest, now: Timestamp) -> Option<TokenStanding> {
        self.good.find(tenant, token, now).or_else(|| self.others.find(tenant, token, now))
    }

    /// Remembers it.
    pub fn note(&mut self, tenant: &TenantId, token: Digest, standing: TokenStanding, now: Timestamp) {
        let room = if standing == TokenStanding::Good { &mut self.good } else { &mut self.others };
        room.note(tenant, token, standing, now);
    }
}

/// The room for some of them.
struct TokenRoom {
    most: usize,
    /// How many there are, of all tenants.
    count: usize,
    by_tenant: HashMap<TenantId, TenantTokens>,
}

/// Those of one tenant.
#[derive(Default)]
struct TenantTokens {
    /// What auth has said, and until when that holds.
    known: HashMap<Digest, (TokenStanding, Timestamp)>,
    /// The same tokens, in the order in which they came.
    in_order: VecDeque<Digest>,
}

impl TenantTokens {
    /// Lets go of the one that came first.
    fn forget_first(&mut self) -> usize {
        let first = self.in_order.pop_front();
        first.map_or(0, |token| usize::from(self.known.remove(&token).is_some()))
    }

    /// Lets go of those at the beginning that hold no more.
    fn forget_old(&mut self, now: Timestamp) -> usize {
        let mut gone = 0;
        while self.in_order.front().and_then(|token| self.known.get(token)).is_some_and(|(_, until)| *until <= now) {
            gone += self.forget_first();
        }
        gone
    }
}

impl TokenRoom {
    fn of(most: usize) -> Self {
        Self { most, count: 0, by_tenant: HashMap::new() }
    }

    fn find(&self, tenant: &TenantId, token: Digest, now: Timestamp) -> Option<TokenStanding> {
        let (standing, until) = self.by_tenant.get(tenant)?.known.get(&token)?;
        (now < *until).then_some(*standing)
    }

    fn note(&mut self, tenant: &TenantId, token: Digest, standing: TokenStanding, now: Timestamp) {
        let held = (standing, now + lasts(standing));
        if let Some(known) = self.by_tenant.get_mut(tenant).and_then(|own| own.known.get_mut(&token)) {
            *known = held;
            return;
        }
        if self.count >= self.most {
            self.make_room(now);
        }
        let own = self.by_tenant.entry(tenant.clone()).or_default();
        own.known.insert(token, held);
        own.in_order.push_back(token);
        self.count += 1;
    }

    /// Makes room for one: what holds no more goes, else the first of the tenant that has most.
    fn make_room(&mut self, now: Timestamp) {
        self.count -= self.by_tenant.values_mut().map(|own| own.forget_old(now)).sum::<usize>();
        if self.count >= self.most
            && let Some(largest) = self.by_tenant.values_mut().max_by_key(|own| own.known.len())
        {
            self.count -= largest.forget_first();
        }
        self.by_tenant.retain(|_, own| !own.known.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn flood(known: &mut KnownTokens, name: &str, count: usize, standing: TokenStanding) {
        for n in 0..count {
            known.note(&tenant(name), Digest::of(&format!("{name} {n}")), standing, NOW);
        }
    }

    #[test]
    fn an_answer_of_auth_holds_for_a_while_and_none_for_a_moment() {
        let mut known = KnownTokens::default();
        let acme = tenant("acme");
        for (token, standing) in
            [("a", TokenStanding::Good), ("b", TokenStanding::Over), ("c", TokenStanding::Unanswered)]
        {
            let digest = Digest::of(token);
            assert_eq!(known.standing(&acme, digest, NOW), None);
            known.note(&acme, digest, standing, NOW);
            let ends = NOW + lasts(standing);
            let before = Timestamp::from_micros(ends.as_micros() - 1);
            let told = (known.standing(&acme, digest, before), known.standing(&acme, digest, ends));
            assert_eq!(told, (Some(standing), None));
        }
        assert!(lasts(TokenStanding::Unanswered) < lasts(TokenStanding::Over));
        known.note(&acme, Digest::of("c"), TokenStanding::Good, NOW);
        assert_eq!(known.standing(&acme, Digest::of("c"), NOW), Some(TokenStanding::Good), "auth answers again");
    }

    #[test]
    fn no_flood_of_one_tenants_tokens_pushes_out_those_of_another() {
        let mut known = KnownTokens::default();
        let (acme, globex) = (tenant("acme"), tenant("globex"));
        let all_of = |known: &KnownTokens, tenant: &TenantId, name: &str, count: usize| {
            (0..count).all(|n| known.standing(tenant, Digest::of(&format!("{name} {n}")), NOW).is_some())
        };
        flood(&mut known, "globex", 500, TokenStanding::Good);
        flood(&mut known, "acme", 2 * GOOD_MAX, TokenStanding::Good);
        assert!(all_of(&known, &globex, "globex", 500), "one that has few loses some");
        assert_eq!(known.good.count, GOOD_MAX);
        // One that comes later gets its part, at the cost of who has most.
        flood(&mut known, "initech", 500, TokenStanding::Good);
        assert!(all_of(&known, &tenant("initech"), "initech", 500));
        assert!(all_of(&known, &globex, "globex", 500));
        let last = Digest::of(&format!("acme {}", 2 * GOOD_MAX - 1));
        assert!(known.standing(&acme, last, NOW).is_some(), "the latest stays");
    }

    #[test]
    fn what_is_no_good_takes_no_room_of_what_is() {
        let mut known = KnownTokens::default();
        let acme = tenant("acme");
        flood(&mut known, "acme", 10, TokenStanding::Good);
        for standing in [TokenStanding::Over, TokenStanding::Unanswered] {
            for n in 0..2 * OTHERS_MAX {
                known.note(&acme, Digest::of(&format!("bad {n}")), standing, NOW);
            }
        }
        assert_eq!((known.good.count, known.others.count), (10, OTHERS_MAX));
        assert!((0..10).all(|n| known.standing(&acme, Digest::of(&format!("acme {n}")), NOW).is_some()));
        // What holds no more gives way first.
        let later = NOW + OVER_FOR;
        known.note(&tenant("globex"), Digest::of("one"), TokenStanding::Over, later);
        assert_eq!(known.others.count, 1);
        let counted = |room: &TokenRoom| room.by_tenant.values().map(|own| own.known.len()).sum::<usize>();
        assert_eq!((counted(&known.good), counted(&known.others)), (10, 1));
    }
}
