//! What role auth says of the keys that verify tokens and of what was revoked, to processes that ask it. Auth signs it with the key of its
//! role, of which each of them has the public half beforehand: whoever else answers at the address of auth is not believed, and neither is
//! what auth said to another question.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::key::PublicJwk;
use super::key_set::{KeyOwner, KeySet};
use super::revoked::{Revocation, RevokedSet};
use super::service::ServiceIssuer;
use super::verifier::{self, Believed, SignedClaims};
use super::{ISSUER, TokenError};

/// Its `typ`: no token has it.
const STATEMENT: &str = "trunkline-keys+jwt";
/// How long one says that it is good. Whoever has asked knows by the nonce that it is new.
const LIFE: Duration = Duration::from_secs(60);

/// A key, with whom it is for; without a role it is the issuer's.
#[derive(Serialize, Deserialize)]
struct StatedKey {
    key: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// In seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// All that a process believes.
#[derive(Serialize, Deserialize)]
struct StatedContent {
    keys: Vec<StatedKey>,
    revoked: Vec<Revocation>,
}

/// What a statement has.
#[derive(Deserialize)]
struct StatementClaims {
    iss: String,
    nonce: String,
    version: String,
    /// Not there where the process has this version already.
    #[serde(default)]
    content: Option<StatedContent>,
}

// === auth ===

/// Makes statements, of what this process believes.
pub struct KeyStatements {
    service: ServiceIssuer,
    stated: Mutex<StatedNow>,
}

/// What is believed, as it is stated.
struct StatedNow {
    believed: watch::Receiver<Believed>,
    version: String,
    content: Arc<Value>,
}

impl StatedNow {
    fn of(mut believed: watch::Receiver<Believed>) -> Self {
        let content = stated(&believed.borrow_and_update());
        let digest = digest::digest(&digest::SHA256, content.to_string().as_bytes());
        Self { believed, version: URL_SAFE_NO_PAD.encode(digest), content: Arc::new(content) }
    }
}

impl KeyStatements {
    /// Of what is believed there, signed by that role.
    pub fn new(service: ServiceIssuer, believed: watch::Receiver<Believed>) -> Self {
        Self { service, stated: Mutex::new(StatedNow::of(believed)) }
    }

    /// The statement for who asks with that nonce, and knows that version of it already.
    ///
    /// # Errors
    /// If the role's key does not work.
    pub fn answer(&self, nonce: &str, known: &str) -> Result<String, TokenError> {
        let (version, content) = self.now();
        let (iat, exp) = (self.service.now().as_secs(), (self.service.now() + LIFE).as_secs());
        let mut claims = json!({ "iss": ISSUER, "nonce": nonce, "iat": iat, "exp": exp, "version": version });
        if known != version {
            claims["content"] = Value::clone(&content);
        }
        self.service.sign_other(&claims, STATEMENT)
    }

    fn now(&self) -> (String, Arc<Value>) {
        let mut stated = self.stated.lock().unwrap_or_else(PoisonError::into_inner);
        if stated.believed.has_changed().unwrap_or(false) {
            *stated = StatedNow::of(stated.believed.clone());
        }
        (stated.version.clone(), stated.content.clone())
    }
}

/// In an order that does not change.
fn stated(believed: &Believed) -> Value {
    let mut keys: Vec<StatedKey> = believed
        .keys
        .iter()
        .map(|(jwk, owner, until)| StatedKey {
            key: json!(jwk),
            role: match owner {
                KeyOwner::Issuer => None,
                KeyOwner::Role(role) => Some(role.clone()),
            },
            until: until.map(Timestamp::as_secs),
        })
        .collect();
    keys.sort_by(|one, other| one.key["kid"].as_str().cmp(&other.key["kid"].as_str()));
    let mut revoked: Vec<Revocation> = believed.revoked.iter().cloned().collect();
    revoked.sort_by(|one, other| (&one.tenant, &one.id).cmp(&(&other.tenant, &other.id)));
    json!(StatedContent { keys, revoked })
}

// === who asks ===

/// Why a statement is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// It is not signed by the key of auth that this process has.
    #[error("the answer is not signed by the key of auth that this process has in keys/public/auth.json")]
    Signature,
    /// It is no statement.
    #[error("the answer cannot be read")]
    Malformed,
    /// It answers another question, perhaps of before.
    #[error("the answer is to another question")]
    OtherQuestion,
}

/// What a statement says.
pub struct ReadStatement {
    /// Which version of the keys and revocations it is about.
    pub version: String,
    /// They; none if they are those that the process knows.
    pub believed: Option<Believed>,
}

/// Reads statements of auth.
pub struct StatementReader {
    /// The keys of auth.
    keys: KeySet,
}

impl StatementReader {
    /// Believes what one of these keys of auth has signed.
    pub fn of(keys: &[PublicJwk]) -> Self {
        let mut known = KeySet::default();
        keys.iter().for_each(|jwk| known.add(jwk, KeyOwner::Issuer, None));
        Self { keys: known }
    }

    /// Reads the answer to a question with that nonce; without one, an answer that was kept.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn read(&self, statement: &str, nonce: Option<&str>, now: Timestamp) -> Result<ReadStatement, StatementFault> {
        let signed = verifier::decoded(statement, &self.keys, now, &verifier::rules());
        let SignedClaims { claims, typ, .. } = signed.map_err(|error| match error {
            TokenError::Signature => StatementFault::Signature,
            _ => StatementFault::Malformed,
        })?;
        let claims: StatementClaims = serde_json::from_value(claims).map_err(|_| StatementFault::Malformed)?;
        if typ.as_deref() != Some(STATEMENT) || claims.iss != ISSUER {
            return Err(StatementFault::Malformed);
        }
        if nonce.is_some_and(|nonce| nonce != claims.nonce) {
            return Err(StatementFault::OtherQuestion);
        }
        let believed = claims.content.map(believed).transpose()?;
        Ok(ReadStatement { version: claims.version, believed })
    }
}

fn believed(content: StatedContent) -> Result<Believed, StatementFault> {
    let mut keys = KeySet::default();
    // The issuer's first: no role can claim one of them.
    let (of_roles, of_issuer): (Vec<StatedKey>, Vec<StatedKey>) =
        content.keys.into_iter().partition(|key| key.role.is_some());
    for StatedKey { key, role, until } in of_issuer.into_iter().chain(of_roles) {
        let jwk = PublicJwk::read(&key).ok_or(StatementFault::Malformed)?;
        let until = until.map(|until| Timestamp::from_millis(until.saturating_mul(1_000)));
        keys.add(&jwk, role.map_or(KeyOwner::Issuer, KeyOwner::Role), until);
    }
    Ok(Believed { keys, revoked: RevokedSet::restored(content.revoked) })
}

#[cfg(test)]
mod tests {
    use infra::{Clock, SystemClock};

    use super::super::{TokenIssuer, TokenVerifier};
    use super::*;
    use crate::api_family::ApiFamily;
    use crate::claims::Claims;
    use crate::spec::RoleSpec;

    static AUTH: RoleSpec = RoleSpec { opens: &["tenant-11"], ..RoleSpec::bare("auth", 41) };
    static ORS: RoleSpec = RoleSpec { opens: &["voice-30"], ..RoleSpec::bare("ors", 12) };
    const OPERATIONS: &[ApiFamily] = &[ApiFamily::Operations];

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock::start())
    }

    fn revoked(id: &str) -> RevokedSet {
        let revocation =
            Revocation { tenant: "acme".to_owned(), id: id.to_owned(), issued_before: None, until: u64::MAX };
        RevokedSet::restored([revocation])
    }

    fn refuses(believed: &Believed, sign_in: &str) -> bool {
        let claims = Claims { tenant: "acme".to_owned(), sid: Some(sign_in.to_owned()), ..Claims::default() };
        believed.revoked.contains(&claims)
    }

    #[test]
    fn a_process_verifies_by_what_auth_says_and_refuses_what_it_has_revoked() {
        let (people, ors) =
            (TokenIssuer::of_new_key(clock()).unwrap(), ServiceIssuer::of_new_key(&ORS, clock()).unwrap());
        let auth = ServiceIssuer::of_new_key(&AUTH, clock()).unwrap();
        let mut keys = KeySet::default();
        people.public_keys().iter().for_each(|(jwk, until)| keys.add(jwk, KeyOwner::Issuer, *until));
        keys.add(ors.jwk(), KeyOwner::Role("ors".to_owned()), None);
        let (tell, at_auth) = watch::channel(Believed { keys, revoked: revoked("ann") });
        let statements = KeyStatements::new(auth.clone(), at_auth);
        let reader = StatementReader::of(std::slice::from_ref(auth.jwk()));
        let now = clock().now();

        let first = reader.read(&statements.answer("one", "").unwrap(), Some("one"), now).unwrap();
        let believed = first.believed.unwrap();
        assert!(refuses(&believed, "ann") && !refuses(&believed, "bob"));
        let (_, believed) = watch::channel(believed);
        let verifier = TokenVerifier::new(believed, &[&ORS], clock());
        let token = people.issue(None, "operator/ann", "operate", Duration::from_secs(60)).unwrap();
        assert!(verifier.verify(&token, "rq", OPERATIONS).is_ok());
        let of_role = verifier.verify(&ors.token("ors-1", "rq").unwrap(), "rq", OPERATIONS).unwrap();
        assert_eq!(of_role.role(), Some("ors"), "a key stays that of its role");

        // Whoever knows it is told so, and of the next revocation at once.
        let again = reader.read(&statements.answer("two", &first.version).unwrap(), Some("two"), now).unwrap();
        assert!(again.believed.is_none() && again.version == first.version);
        tell.send_modify(|believed| believed.revoked = revoked("bob"));
        let next = reader.read(&statements.answer("three", &first.version).unwrap(), Some("three"), now).unwrap();
        assert!(next.version != first.version && refuses(&next.believed.unwrap(), "bob"));
    }

    #[test]
    fn what_another_key_has_signed_and_what_answers_another_question_is_not_believed() {
        let [auth, other] = [(); 2].map(|()| ServiceIssuer::of_new_key(&AUTH, clock()).unwrap());
        let (_tell, believed) = watch::channel(Believed::default());
        let reader = StatementReader::of(std::slice::from_ref(auth.jwk()));
        let now = clock().now();
        let read = |statement: &str, nonce| reader.read(statement, nonce, now).err();
        let own = KeyStatements::new(auth.clone(), believed.clone()).answer("one", "").unwrap();
        assert_eq!((read(&own, Some("one")), read(&own, None)), (None, None));
        assert_eq!(read(&own, Some("two")), Some(StatementFault::OtherQuestion));
        let foreign = KeyStatements::new(other, believed).answer("one", "").unwrap();
        assert_eq!(read(&foreign, Some("one")), Some(StatementFault::Signature));
        // The same key signs other things.
        let assertion = auth.assertion("auth-1", "auth").unwrap();
        for statement in [assertion.as_str(), "", "a.b.c"] {
            assert_eq!(read(statement, None), Some(StatementFault::Malformed), "{statement}");
        }
    }
}
