//! What was revoked before its time was over.

use std::collections::HashMap;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claims::Claims;

/// Maximum of what is remembered as revoked: more than sign out in ten minutes.
const REVOKED_MAX: usize = 16_384;
/// A tenant's share, as a multiple of the places left: it alone has three quarters, and whoever comes new finds some.
const TENANTS_SHARE: usize = 3;

/// The id under which all tokens of a tenant are revoked: no sign-in, token or subject has it.
pub const WHOLE_TENANT: &str = "*";

/// Something revoked, of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose it was.
    pub tenant: String,
    /// A sign-in (`sid`), a token (`jti`), a subject (`sub`) or [`WHOLE_TENANT`].
    pub id: String,
    /// Of a subject, and of a tenant: only tokens issued before this second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// Until this second; no token that it concerns lives longer.
    pub until: u64,
}

impl Revocation {
    /// Takes over what another one of the same says beyond it.
    fn join(&mut self, other: &Self) {
        // None concerns all tokens, and so more than any time does.
        self.issued_before = self.issued_before.zip(other.issued_before).map(|(one, other)| one.max(other));
        self.until = self.until.max(other.until);
    }
}

/// What is revoked now, by tenant and id.
#[derive(Clone, Debug, Default)]
pub struct RevokedSet {
    tenants: HashMap<String, HashMap<String, Revocation>>,
    /// Of all tenants.
    count: usize,
}

impl RevokedSet {
    /// Those that were stored, which were within their tenants' shares when they were added.
    pub fn restored(revocations: impl IntoIterator<Item = Revocation>) -> Self {
        let mut set = Self::default();
        revocations.into_iter().for_each(|revocation| set.keep(revocation));
        set
    }

    /// Adds all of another set, as another process has written it.
    pub fn merge(&mut self, other: Self) {
        other.tenants.into_values().flat_map(HashMap::into_values).for_each(|revocation| self.keep(revocation));
    }

    /// Adds one. Where its tenant has used up its share, what ends first of the tenant with the most is forgotten, which may be another:
    /// what was taken over from other processes is within no share. Returns whether there was room.
    pub fn add(&mut self, revocation: Revocation, now: Timestamp) -> bool {
        let is_known = self.tenants.get(&revocation.tenant).is_some_and(|of| of.contains_key(&revocation.id));
        let mut has_room = is_known || self.has_room(&revocation.tenant);
        if !has_room {
            self.drop_ended(now);
            has_room = self.has_room(&revocation.tenant);
        }
        if !has_room {
            self.forget_first();
        }
        self.keep(revocation);
        has_room
    }

    /// Adds one whatever its tenant's share is; where there is no place at all, the tenant with the most loses one.
    fn keep(&mut self, revocation: Revocation) {
        if let Some(known) = self.tenants.get_mut(&revocation.tenant).and_then(|of| of.get_mut(&revocation.id)) {
            known.join(&revocation);
            return;
        }
        if self.count >= REVOKED_MAX {
            self.forget_first();
        }
        let of = self.tenants.entry(revocation.tenant.clone()).or_default();
        of.insert(revocation.id.clone(), revocation);
        self.count += 1;
    }

    fn has_room(&self, tenant: &str) -> bool {
        let left = REVOKED_MAX.saturating_sub(self.count);
        self.tenants.get(tenant).map_or(0, HashMap::len) < TENANTS_SHARE * left
    }

    /// Forgets what is over.
    pub fn drop_ended(&mut self, now: Timestamp) {
        self.tenants.retain(|_, of| {
            of.retain(|_, revocation| revocation.until > now.as_secs());
            !of.is_empty()
        });
        self.count = self.tenants.values().map(HashMap::len).sum();
    }

    /// Forgets what ends first of the tenant with the most.
    fn forget_first(&mut self) {
        let Some(of) = self.tenants.values_mut().max_by_key(|of| of.len()) else { return };
        let first = of.values().min_by_key(|revocation| revocation.until).map(|revocation| revocation.id.clone());
        if first.is_some_and(|first| of.remove(&first).is_some()) {
            self.count -= 1;
        }
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.tenants.values().flat_map(HashMap::values)
    }

    /// Whether a token with those claims was revoked.
    pub fn contains(&self, claims: &Claims) -> bool {
        let Some(of) = self.tenants.get(&claims.tenant) else { return false };
        let ids = [claims.sid.as_deref(), claims.jti.as_deref(), Some(claims.sub.as_str()), Some(WHOLE_TENANT)];
        let issued = claims.iat.unwrap_or_default();
        let mut revoked = ids.into_iter().flatten().filter_map(|id| of.get(id));
        revoked.any(|revocation| revocation.issued_before.is_none_or(|before| issued < before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn revocation(id: &str, issued_before: Option<u64>, until: u64) -> Revocation {
        Revocation { tenant: "acme".to_owned(), id: id.to_owned(), issued_before, until }
    }

    fn claims(tenant: &str, iat: u64) -> Claims {
        Claims {
            tenant: tenant.to_owned(),
            sub: "person/ann".to_owned(),
            sid: Some("sign-in".to_owned()),
            jti: Some("token".to_owned()),
            iat: Some(iat),
            ..Claims::default()
        }
    }

    #[test]
    fn a_token_is_revoked_by_its_sign_in_its_own_id_or_its_subject() {
        for id in ["sign-in", "token"] {
            let mut revoked = RevokedSet::default();
            revoked.add(revocation(id, None, 900), at(100));
            assert!(revoked.contains(&claims("acme", 200)) && !revoked.contains(&claims("bolt", 200)), "{id}");
        }
        let mut revoked = RevokedSet::default();
        revoked.add(revocation("person/ann", Some(100), 900), at(100));
        assert!(revoked.contains(&claims("acme", 99)), "as all that a person had");
        assert!(!revoked.contains(&claims("acme", 100)), "but not the next sign-in");
        assert!(!revoked.contains(&Claims { sub: "person/bob".to_owned(), ..claims("acme", 99) }));
    }

    #[test]
    fn with_a_tenant_all_tokens_end_that_were_issued_before() {
        let mut revoked = RevokedSet::default();
        revoked.add(revocation(WHOLE_TENANT, Some(100), 900), at(100));
        assert!(revoked.contains(&claims("acme", 99)) && !revoked.contains(&claims("bolt", 99)));
        assert!(!revoked.contains(&claims("acme", 100)), "of a later tenant with its id");
        let bare = Claims { tenant: "acme".to_owned(), sub: "tool/x".to_owned(), iat: None, ..Claims::default() };
        assert!(revoked.contains(&bare), "who does not say when it was issued");
    }

    #[test]
    fn what_is_over_is_forgotten_first_and_then_what_ends_first() {
        const SHARE: usize = REVOKED_MAX / 4 * 3;
        let mut revoked = RevokedSet::default();
        revoked.add(revocation("over", None, 100), at(50));
        for n in 1..SHARE as u64 {
            assert!(revoked.add(revocation(&n.to_string(), None, 1_000 + n), at(50)));
        }
        assert!(revoked.add(revocation("further", None, 9_999_999), at(100)), "one is over");
        assert!(revoked.add(revocation("further", None, 9_999_999), at(100)), "it is there");
        assert!(!revoked.add(revocation("too many", None, 9_999_999), at(100)));
        assert_eq!(revoked.iter().count(), SHARE);
        assert!(!revoked.iter().any(|revocation| ["over", "1"].contains(&revocation.id.as_str())));
        revoked.drop_ended(at(9_999_999));
        assert_eq!((revoked.iter().count(), revoked.count), (0, 0));
    }

    #[test]
    fn a_tenant_that_revokes_without_end_makes_no_other_forget() {
        let of = |tenant: &str, id: usize| Revocation {
            tenant: tenant.to_owned(),
            ..revocation(&id.to_string(), None, 200)
        };
        let mut revoked = RevokedSet::default();
        for id in 0..100 {
            assert!(revoked.add(of("bolt", id), at(50)));
        }
        for id in 0..REVOKED_MAX {
            revoked.add(Revocation { until: 900, ..of("acme", id) }, at(50));
        }
        for id in 100..200 {
            assert!(revoked.add(of("bolt", id), at(50)), "there is room for others");
        }
        let of_bolt = revoked.iter().filter(|revocation| revocation.tenant == "bolt").count();
        assert_eq!(of_bolt, 200);
        for tenant in 0..REVOKED_MAX / 3 {
            revoked.add(of(&tenant.to_string(), 0), at(50));
        }
        assert_eq!((revoked.count, revoked.iter().count()), (REVOKED_MAX, REVOKED_MAX));
        assert!(revoked.tenants.contains_key("0"), "the tenant with the most has made room");
        let mut full = RevokedSet::restored((0..REVOKED_MAX).map(|id| of("acme", id)));
        for id in 0..100 {
            full.add(of("bolt", id), at(50));
        }
        assert_eq!(full.iter().filter(|revocation| revocation.tenant == "bolt").count(), 100);
        let again = RevokedSet::restored(revoked.iter().cloned());
        assert_eq!(again.iter().count(), REVOKED_MAX, "nothing is lost by being stored");
    }

    #[test]
    fn of_the_same_thing_what_concerns_more_and_lasts_longer_stays() {
        for both in [[(Some(100), 900), (Some(300), 600)], [(Some(300), 600), (Some(100), 900)]] {
            let mut revoked = RevokedSet::default();
            for (issued_before, until) in both {
                revoked.merge(RevokedSet::restored([revocation("person/ann", issued_before, until)]));
            }
            let [only] = revoked.iter().collect::<Vec<_>>()[..] else { panic!("{revoked:?}") };
            assert_eq!((only.issued_before, only.until), (Some(300), 900));
        }
        let mut whole = revocation("x", Some(100), 900);
        whole.join(&revocation("x", None, 100));
        assert_eq!(whole.issued_before, None);
    }
}
