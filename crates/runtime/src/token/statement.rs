//! What role auth says of the keys that verify tokens and of what was revoked, to processes that ask it. Auth signs it with the key of its
//! role, of which each of them has the public half beforehand: whoever else answers at the address of auth is not believed, and neither is
//! what auth said to another question. What is signed is the digest of all that is stated, which stands behind it: one signature is made for
//! each process that asks, and the content once for all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
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
/// Parts what is signed from the content behind it.
const BETWEEN: char = '\n';

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

/// What is signed.
#[derive(Deserialize)]
struct StatementClaims {
    iss: String,
    nonce: String,
    iat: u64,
    /// The digest of the content.
    version: String,
}

fn version_of(content: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, content))
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
    /// How many changes were seen.
    changes: u64,
    /// As of which of them `content` is.
    stated: u64,
    content: Arc<SerialisedContent>,
}

/// All that is stated, as it is sent.
struct SerialisedContent {
    version: String,
    bytes: Bytes,
}

impl SerialisedContent {
    fn of(believed: &Believed) -> Self {
        let bytes = Bytes::from(stated(believed).to_string());
        Self { version: version_of(&bytes), bytes }
    }
}

/// A statement.
pub struct KeyStatement {
    signed: String,
    content: Option<Bytes>,
}

impl KeyStatement {
    /// Its parts, in the order in which they are sent.
    pub fn parts(self) -> impl Iterator<Item = Bytes> + Send + 'static {
        [Bytes::from(self.signed)].into_iter().chain(self.content)
    }
}

impl KeyStatements {
    /// Of what is believed there, signed by that role.
    pub fn new(service: ServiceIssuer, mut believed: watch::Receiver<Believed>) -> Self {
        let content = Arc::new(SerialisedContent::of(&believed.borrow_and_update()));
        Self { service, stated: Mutex::new(StatedNow { believed, changes: 0, stated: 0, content }) }
    }

    /// The statement for who asks with that nonce, and knows that version of it already.
    ///
    /// # Errors
    /// If the role's key does not work.
    pub fn answer(&self, nonce: &str, known: &str) -> Result<KeyStatement, TokenError> {
        let content = self.content();
        let (iat, exp) = (self.service.now().as_secs(), (self.service.now() + LIFE).as_secs());
        let claims = json!({ "iss": ISSUER, "nonce": nonce, "iat": iat, "exp": exp, "version": content.version });
        let mut signed = self.service.sign_other(&claims, STATEMENT)?;
        if known == content.version {
            return Ok(KeyStatement { signed, content: None });
        }
        signed.push(BETWEEN);
        Ok(KeyStatement { signed, content: Some(content.bytes.clone()) })
    }

    /// What is stated now. Whoever sees a change first serialises it; whoever asks meanwhile is told what was stated before.
    fn content(&self) -> Arc<SerialisedContent> {
        let (believed, change) = {
            let mut stated = self.locked();
            if !stated.believed.has_changed().unwrap_or(false) {
                return stated.content.clone();
            }
            stated.believed.mark_unchanged();
            stated.changes += 1;
            (stated.believed.clone(), stated.changes)
        };
        let content = Arc::new(SerialisedContent::of(&believed.borrow()));
        let mut stated = self.locked();
        // A later change may be stated by now.
        if change > stated.stated {
            (stated.stated, stated.content) = (change, content);
        }
        stated.content.clone()
    }

    fn locked(&self) -> MutexGuard<'_, StatedNow> {
        self.stated.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// It is not signed by the key of auth that this process has, or its content is another one than was signed.
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
    /// When auth has said so.
    pub issued: Timestamp,
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
        let (signed, content) =
            statement.split_once(BETWEEN).map_or((statement, None), |(signed, content)| (signed, Some(content)));
        let signed = verifier::decoded(signed, &self.keys, now, &verifier::rules());
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
        let believed = content.map(|content| believed(content, &claims.version)).transpose()?;
        let issued = Timestamp::from_millis(claims.iat.saturating_mul(1_000));
        Ok(ReadStatement { version: claims.version, issued, believed })
    }
}

/// The content of a statement, which was signed as that version.
fn believed(content: &str, version: &str) -> Result<Believed, StatementFault> {
    if version_of(content.as_bytes()) != version {
        return Err(StatementFault::Signature);
    }
    let content: StatedContent = serde_json::from_str(content).map_err(|_| StatementFault::Malformed)?;
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

    impl KeyStatement {
        /// It as who has asked receives it.
        pub(crate) fn text(self) -> String {
            String::from_utf8(self.parts().flatten().collect()).unwrap()
        }
    }

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

        let first = reader.read(&statements.answer("one", "").unwrap().text(), Some("one"), now).unwrap();
        let believed = first.believed.unwrap();
        assert!(refuses(&believed, "ann") && !refuses(&believed, "bob"));
        let (_, believed) = watch::channel(believed);
        let verifier = TokenVerifier::new(believed, &[&ORS], clock());
        let token = people.issue(None, "operator/ann", "operate", Duration::from_secs(60)).unwrap();
        assert!(verifier.verify(&token, "rq", OPERATIONS).is_ok());
        let of_role = verifier.verify(&ors.token("ors-1", "rq").unwrap(), "rq", OPERATIONS).unwrap();
        assert_eq!(of_role.role(), Some("ors"), "a key stays that of its role");

        // Whoever knows it is told so, and of the next revocation at once.
        let again = reader.read(&statements.answer("two", &first.version).unwrap().text(), Some("two"), now).unwrap();
        assert!(again.believed.is_none() && again.version == first.version);
        tell.send_modify(|believed| believed.revoked = revoked("bob"));
        let next =
            reader.read(&statements.answer("three", &first.version).unwrap().text(), Some("three"), now).unwrap();
        assert!(next.version != first.version && refuses(&next.believed.unwrap(), "bob"));
    }

    #[test]
    fn what_another_key_has_signed_and_what_answers_another_question_is_not_believed() {
        let [auth, other] = [(); 2].map(|()| ServiceIssuer::of_new_key(&AUTH, clock()).unwrap());
        let (_tell, believed) = watch::channel(Believed::default());
        let reader = StatementReader::of(std::slice::from_ref(auth.jwk()));
        let now = clock().now();
        let read = |statement: &str, nonce| reader.read(statement, nonce, now).err();
        let own = KeyStatements::new(auth.clone(), believed.clone()).answer("one", "").unwrap().text();
        assert_eq!((read(&own, Some("one")), read(&own, None)), (None, None));
        assert_eq!(read(&own, Some("two")), Some(StatementFault::OtherQuestion));
        let foreign = KeyStatements::new(other, believed).answer("one", "").unwrap().text();
        assert_eq!(read(&foreign, Some("one")), Some(StatementFault::Signature));
        // The same key signs other things.
        let assertion = auth.assertion("auth-1", "auth").unwrap();
        for statement in [assertion.as_str(), "", "a.b.c"] {
            assert_eq!(read(statement, None), Some(StatementFault::Malformed), "{statement}");
        }
    }

    #[test]
    fn the_content_is_made_once_for_all_who_ask_and_no_other_one_is_believed() {
        let auth = ServiceIssuer::of_new_key(&AUTH, clock()).unwrap();
        let (tell, at_auth) = watch::channel(Believed { revoked: revoked("ann"), ..Believed::default() });
        let statements = KeyStatements::new(auth.clone(), at_auth);
        let content = |nonce| statements.answer(nonce, "").unwrap().content.unwrap();
        let first = content("one");
        assert_eq!(first.as_ptr(), content("two").as_ptr());
        tell.send_modify(|believed| believed.revoked = revoked("bob"));
        let next = content("three");
        assert!(next != first && next.as_ptr() == content("four").as_ptr());

        let reader = StatementReader::of(std::slice::from_ref(auth.jwk()));
        let now = clock().now();
        let answer = statements.answer("five", "").unwrap().text();
        let read = reader.read(&answer, Some("five"), now).unwrap();
        assert!(refuses(&read.believed.unwrap(), "bob") && read.issued <= now);
        let forged = answer.replace("\"bob\"", "\"eve\"");
        assert_eq!(reader.read(&forged, Some("five"), now).err(), Some(StatementFault::Signature));
    }
}
