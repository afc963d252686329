//! What was revoked before its time was over.

use std::collections::HashMap;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claims::Claims;

/// Maximum of what is remembered as revoked: more than sign out in ten minutes.
const REVOKED_MAX: usize = 16_384;

/// Something revoked, of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose it was.
    pub tenant: String,
    /// A sign-in (`sid`), a token (`jti`) or a subject (`sub`).
    pub id: String,
    /// Of a subject: only tokens issued before this second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// Until this second; no token that it concerns lives longer.
    pub until: u64,
}

/// What is revoked now, by tenant and id.
#[derive(Clone, Debug, Default)]
pub struct RevokedSet {
    tenants: HashMap<String, HashMap<String, Revocation>>,
}

impl RevokedSet {
    /// Adds one. Where there are too many, the one that ends first is forgotten. Returns whether there was room.
    pub fn add(&mut self, revocation: Revocation, now: Timestamp) -> bool {
        let mut has_room = self.len() < REVOKED_MAX;
        if !has_room {
            self.drop_ended(now);
            has_room = self.len() < REVOKED_MAX;
        }
        if !has_room {
            self.forget_first();
        }
        let of = self.tenants.entry(revocation.tenant.clone()).or_default();
        of.insert(revocation.id.clone(), revocation);
        has_room
    }

    /// Forgets what is over.
    pub fn drop_ended(&mut self, now: Timestamp) {
        self.tenants.retain(|_, of| {
            of.retain(|_, revocation| revocation.until > now.as_secs());
            !of.is_empty()
        });
    }

    fn forget_first(&mut self) {
        let first = self.iter().min_by_key(|revocation| revocation.until).cloned();
        if let Some(first) = first
            && let Some(of) = self.tenants.get_mut(&first.tenant)
        {
            of.remove(&first.id);
        }
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.tenants.values().flat_map(HashMap::values)
    }

    fn len(&self) -> usize {
        self.tenants.values().map(HashMap::len).sum()
    }

    /// Whether a token with those claims was revoked.
    pub fn contains(&self, claims: &Claims) -> bool {
        let Some(of) = self.tenants.get(&claims.tenant) else { return false };
        let ids = [claims.sid.as_deref(), claims.jti.as_deref(), Some(claims.sub.as_str())];
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
    fn what_is_over_is_forgotten_first_and_then_what_ends_first() {
        let mut revoked = RevokedSet::default();
        revoked.add(revocation("over", None, 100), at(50));
        for n in 1..REVOKED_MAX as u64 {
            assert!(revoked.add(revocation(&n.to_string(), None, 1_000 + n), at(50)));
        }
        assert!(revoked.add(revocation("further", None, 9_999_999), at(100)), "one is over");
        assert!(!revoked.add(revocation("too many", None, 9_999_999), at(100)));
        assert_eq!(revoked.len(), REVOKED_MAX);
        assert!(!revoked.iter().any(|revocation| ["over", "1"].contains(&revocation.id.as_str())));
        revoked.drop_ended(at(9_999_999));
        assert_eq!(revoked.len(), 0);
    }
}
