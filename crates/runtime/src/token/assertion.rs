//! How a role proves to auth who it is where it has no token to show: by an assertion that it signs with its own key (`private_key_jwt`, RFC
//! 7523 section 3). It is of another type than tokens, and good for a minute.

use std::time::Duration;

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

/// What it says.
#[derive(Serialize, Deserialize)]
struct AssertedClaims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
}

impl ServiceIssuer {
    /// An assertion that `node`, of this role, shows to the role `aud`.
    ///
    /// # Errors
    /// If the role's key does not work.
    pub fn assertion(&self, node: &str, aud: &str) -> Result<String, TokenError> {
        let (now, who) = (self.now(), format!("{SERVICE}{}/{node}", self.spec().name));
        let (iat, exp) = (now.as_secs(), (now + LIFE).as_secs());
        let claims = AssertedClaims { iss: who.clone(), sub: who, aud: aud.to_owned(), iat, exp };
        self.sign_other(&claims, ASSERTION)
    }
}

impl TokenVerifier {
    /// The role that has signed this assertion for the role `aud`.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn asserting_role(&self, assertion: &str, aud: &str) -> Result<String, TokenError> {
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
        match is_own && is_usual && self.knows_role(&role) {
            true => Ok(role),
            false => Err(TokenError::Bearer),
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
        let auth = TokenVerifier::of(&people, &[&ors, &rq]);
        let assertion = ors.assertion("ors-1", "auth").unwrap();
        assert_eq!(auth.asserting_role(&assertion, "auth"), Ok("ors".to_owned()));
        assert!(matches!(auth.asserting_role(&assertion, "tenant"), Err(TokenError::Audience(_))));
        assert_eq!(
            auth.asserting_role(&stranger.assertion("ors-1", "auth").unwrap(), "auth"),
            Err(TokenError::Signature)
        );
        // Neither is taken for the other.
        assert_eq!(auth.verify(&assertion, "auth", &[]).unwrap_err(), TokenError::Malformed, "its issuer is the role");
        assert_eq!(auth.asserting_role(&ors.token("ors-1", "rq").unwrap(), "auth"), Err(TokenError::Type));
        let claims = |sub: &str, exp: u64| AssertedClaims {
            iss: sub.to_owned(),
            sub: sub.to_owned(),
            aud: "auth".to_owned(),
            iat: clock.now().as_secs(),
            exp,
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
            assert_eq!(auth.asserting_role(&forged, "auth"), Err(refused), "{sub} {exp}");
        }
        let of_people = people.sign(&claims("service/ors/ors-1", soon), ASSERTION).unwrap();
        assert_eq!(auth.asserting_role(&of_people, "auth"), Err(TokenError::Bearer));
        assert_eq!(auth.asserting_role(&"a".repeat(ASSERTION_BYTES_MAX + 1), "auth"), Err(TokenError::Malformed));
    }
}
