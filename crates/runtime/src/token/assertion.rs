//! How a role proves to auth who it is where it has no token to show: by an assertion that it signs with its own key (`private_key_jwt`, RFC
//! 7523 section 3). It is of another type than tokens, good for a minute, and good once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::key_set::KeyOwner;
use super::service::ServiceIssuer;
use super::verifier::{self, SignedClaims, TokenVerifier};
use super::{Audience, TokenError};
use crate::claims::{SERVICE, believed_until};

/// What requests call it (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Its `typ`.
const ASSERTION: &str = "client-authentication+jwt";
/// How long it is good.
const LIFE: Duration = Duration::from_secs(60);
/// Longer ones are refused before anything is parsed: ours have about 350 bytes.
const ASSERTION_BYTES_MAX: usize = 2_048;
/// The longest `jti`, in bytes; ours have 22.
const ID_BYTES_MAX: usize = 64;
/// The most assertions that are remembered: of 170 processes that ask each second. Of more, the first ones are forgotten.
const SHOWN_MAX: usize = 16_384;

/// What it says.
#[derive(Serialize, Deserialize)]
struct AssertedClaims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
    jti: String,
}

/// The assertions that were shown to a role, each until it is over.
#[derive(Default)]
pub struct ShownAssertions {
    shown: Mutex<ShownIds>,
}

#[derive(Default)]
struct ShownIds {
    ids: HashSet<String>,
    /// The same in the order in which they came, with their ends.
    ends: VecDeque<(Timestamp, String)>,
}

impl ShownAssertions {
    /// Whether nobody has shown it yet. From now on somebody has.
    fn is_first(&self, id: String, until: Timestamp, now: Timestamp) -> bool {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.ids.contains(&id) {
            return false;
        }
        while shown.ends.len() >= SHOWN_MAX || shown.ends.front().is_some_and(|(until, _)| *until < now) {
            let Some((_, over)) = shown.ends.pop_front() else { break };
            shown.ids.remove(&over);
        }
        shown.ids.insert(id.clone());
        shown.ends.push_back((until, id));
        true
    }
}

impl ServiceIssuer {
    /// An assertion that `node`, of this role, shows to the role `aud`.
    ///
    /// # Errors
    /// If the role's key does not work, or the machine has no randomness.
    pub fn assertion(&self, node: &str, aud: &str) -> Result<String, TokenError> {
        let (now, who) = (self.now(), format!("{SERVICE}{}/{node}", self.spec().name));
        let (iat, exp) = (now.as_secs(), (now + LIFE).as_secs());
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).map_err(|_| TokenError::Key)?;
        let jti = URL_SAFE_NO_PAD.encode(id);
        let claims = AssertedClaims { iss: who.clone(), sub: who, aud: aud.to_owned(), iat, exp, jti };
        self.sign_other(&claims, ASSERTION)
    }
}

impl TokenVerifier {
    /// The role that has signed this assertion for the role `aud`, to which those were shown before.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn asserting_role(&self, assertion: &str, aud: &str, shown: &ShownAssertions) -> Result<String, TokenError> {
        if assertion.len() > ASSERTION_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let (now, believed) = (self.now(), self.believed());
        let believed = believed.borrow();
        let SignedClaims { claims, typ, owner, .. } =
            verifier::decoded(assertion, &believed.keys, now, &verifier::rules())?;
        if typ.as_deref() != Some(ASSERTION) {
            return Err(TokenError::Type);
        }
        let KeyOwner::Role(role) = owner else { return Err(TokenError::Bearer) };
        let claims: AssertedClaims = serde_json::from_value(claims).map_err(|_| TokenError::Malformed)?;
        if claims.aud != aud {
            return Err(TokenError::Audience(Audience::of_names([claims.aud.as_str()]).to_string()));
        }
        if now > believed_until(claims.exp) {
            return Err(TokenError::Expired);
        }
        let node =
            claims.sub.strip_prefix(SERVICE).and_then(|rest| rest.strip_prefix(role.as_str())?.strip_prefix('/'));
        let is_own = node.is_some_and(|node| !node.is_empty()) && claims.iss == claims.sub;
        // Whoever has the key could sign more: it counts for no longer than we sign.
        let is_usual = claims.exp <= (now + 2 * LIFE).as_secs();
        if !(is_own && is_usual && self.knows_role(&role)) {
            return Err(TokenError::Bearer);
        }
        if claims.jti.is_empty() || claims.jti.len() > ID_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        // Those of one role are no matter of another.
        match shown.is_first(format!("{role}/{}", claims.jti), believed_until(claims.exp), now) {
            true => Ok(role),
            false => Err(TokenError::ShownBefore),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use infra::{Clock, SystemClock};

    use super::super::TokenIssuer;
    use super::*;
    use crate::spec::RoleSpec;

    static ORS: RoleSpec = RoleSpec { opens: &["voice-30"], ..RoleSpec::bare("ors", 12) };
    static RQ: RoleSpec = RoleSpec::bare("rq", 11);

    #[test]
    fn a_role_proves_itself_by_its_own_key_and_by_no_token() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let people = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let [ors, stranger] = [(); 2].map(|()| ServiceIssuer::of_new_key(&ORS, clock.clone()).unwrap());
        let rq = ServiceIssuer::of_new_key(&RQ, clock.clone()).unwrap();
        let (auth, shown) = (TokenVerifier::of(&people, &[&ors, &rq]), ShownAssertions::default());
        let assertion = ors.assertion("ors-1", "auth").unwrap();
        assert_eq!(auth.asserting_role(&assertion, "auth", &shown), Ok("ors".to_owned()));
        assert!(matches!(auth.asserting_role(&assertion, "tenant", &shown), Err(TokenError::Audience(_))));
        assert_eq!(
            auth.asserting_role(&stranger.assertion("ors-1", "auth").unwrap(), "auth", &shown),
            Err(TokenError::Signature)
        );
        // Neither is taken for the other.
        assert_eq!(auth.verify(&assertion, "auth", &[]).unwrap_err(), TokenError::Malformed, "its issuer is the role");
        assert_eq!(auth.asserting_role(&ors.token("ors-1", "rq").unwrap(), "auth", &shown), Err(TokenError::Type));
        let claims = |sub: &str, exp: u64| AssertedClaims {
            iss: sub.to_owned(),
            sub: sub.to_owned(),
            aud: "auth".to_owned(),
            iat: clock.now().as_secs(),
            exp,
            jti: "one".to_owned(),
        };
        let soon = clock.now().as_secs() + 60;
        for (sub, exp, refused) in [
            ("service/rq/rq-1", soon, TokenError::Bearer),
            ("service/ors/", soon, TokenError::Bearer),
            ("person/ann", soon, TokenError::Bearer),
            ("service/ors/ors-1", soon + 3_600, TokenError::Bearer),
            ("service/ors/ors-1", soon - 600, TokenError::Expired),
        ] {
            let forged = ors.sign_other(&claims(sub, exp), ASSERTION).unwrap();
            assert_eq!(auth.asserting_role(&forged, "auth", &shown), Err(refused), "{sub} {exp}");
        }
        let of_people = people.sign(&claims("service/ors/ors-1", soon), ASSERTION).unwrap();
        assert_eq!(auth.asserting_role(&of_people, "auth", &shown), Err(TokenError::Bearer));
        assert_eq!(
            auth.asserting_role(&"a".repeat(ASSERTION_BYTES_MAX + 1), "auth", &shown),
            Err(TokenError::Malformed)
        );
    }

    #[test]
    fn an_assertion_is_good_once_and_of_a_flood_the_first_ones_are_forgotten() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let people = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let ors = ServiceIssuer::of_new_key(&ORS, clock.clone()).unwrap();
        let (auth, shown) = (TokenVerifier::of(&people, &[&ors]), ShownAssertions::default());
        let [one, other] = [(); 2].map(|()| ors.assertion("ors-1", "auth").unwrap());
        assert_eq!(auth.asserting_role(&one, "auth", &shown), Ok("ors".to_owned()));
        assert_eq!(auth.asserting_role(&one, "auth", &shown), Err(TokenError::ShownBefore));
        assert_eq!(auth.asserting_role(&other, "auth", &shown), Ok("ors".to_owned()));

        let shown = ShownAssertions::default();
        let at = |secs: u64| Timestamp::from_millis(secs * 1_000);
        assert!(shown.is_first("a".to_owned(), at(90), at(0)) && !shown.is_first("a".to_owned(), at(90), at(90)));
        assert!(shown.is_first("b".to_owned(), at(200), at(91)));
        assert_eq!(shown.shown.lock().unwrap().ids.len(), 1, "what is over is forgotten");
        for n in 0..SHOWN_MAX {
            assert!(shown.is_first(n.to_string(), at(200), at(91)));
        }
        let kept = shown.shown.lock().unwrap();
        assert_eq!((kept.ids.len(), kept.ends.len()), (SHOWN_MAX, SHOWN_MAX));
    }
}
