//! Whose a session is: what it has begun by, an access token of a person for the published APIs.

use std::time::Duration;

use identity::grant::SIGN_IN_LIFE;
use model::Timestamp;
use runtime::ApiFamily;
use runtime::token::{Claims, TokenVerifier};

use super::desk::DeskPerson;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::person_sign_in::{self, PersonSignIn};
use crate::whose_numbers::{NumbersSight, OF_OTHERS, OwnNames};

/// The scope that a desktop needs.
pub(super) const SCOPE: &str = "workspace:use";

/// The sign-in that a session has begun by. The token itself is over long before the session: what the person may, auth says from time to
/// time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeskSignIn {
    /// The person's. Its scopes are what of those of the token the person may now.
    pub person: PersonSignIn,
    /// The only DN for which it is, if it is tied to one.
    pub dn: Option<String>,
    /// All that the token opened. It never becomes more.
    pub granted: Vec<String>,
    /// The client for which the token was.
    pub client: Option<String>,
    /// Another one once the person has another password; not known before auth has said it.
    pub credential: Option<String>,
}

/// What a person may now by a sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SignInNow {
    /// What of its scopes.
    pub scopes: Vec<String>,
    /// The only DN for which it is, if it is tied to one.
    pub dn: Option<String>,
    /// Another one once the person has another password.
    pub credential: Option<String>,
}

/// What auth says of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignInStanding {
    /// It goes on.
    GoesOn(SignInNow),
    /// It does not.
    Over,
    /// It was not asked, or has not answered.
    Unanswered,
}

impl DeskSignIn {
    /// The sign-in of a token that was shown to that role.
    ///
    /// # Errors
    /// 401 if the token is not good here, 403 if it is of no person or does not open the API.
    pub fn of_token(tokens: &TokenVerifier, role: &str, token: &str) -> Result<Self, ApiRefusal> {
        Self::of_claims(&person_sign_in::verified(tokens, role, ApiFamily::Gws.taken(), token)?)
    }

    fn of_claims(claims: &Claims) -> Result<Self, ApiRefusal> {
        let person = PersonSignIn::of_claims(claims, SCOPE)?;
        let granted = person.scopes.clone();
        Ok(Self { person, dn: claims.dn.clone(), granted, client: claims.client_id.clone(), credential: None })
    }

    /// The same as auth says it now; none if no desktop goes on by it.
    pub fn as_of_now(&self, now: SignInNow) -> Option<Self> {
        let SignInNow { mut scopes, dn, credential } = now;
        scopes.retain(|scope| self.granted.contains(scope));
        let is_of_before = self.credential.is_none() || self.credential == credential;
        let person = PersonSignIn { scopes, ..self.person.clone() };
        let goes_on = is_of_before && person.needs(SCOPE).is_ok();
        goes_on.then(|| Self { person, dn, credential, ..self.clone() })
    }

    /// Whether it has lasted for as long as any sign-in does, however much it is used.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.since(Timestamp::ZERO + Duration::from_secs(self.person.issued_at)) > SIGN_IN_LIFE
    }

    /// As the desk knows the person.
    pub fn desk_person(&self) -> DeskPerson {
        DeskPerson { user: self.person.user.clone(), scopes: self.person.scopes.clone(), dn: self.dn.clone() }
    }

    /// Whether it is for that DN. One that is tied to none has the scopes that are about DNs for every one of the tenant, or not at all.
    pub fn is_for_dn(&self, dn: &str) -> bool {
        self.dn.as_ref().is_none_or(|own| own == dn)
    }

    /// Whose numbers the person sees, of whose agent these are the names.
    pub fn numbers_sight<'a>(&'a self, own: Option<&'a OwnNames>) -> NumbersSight<'a> {
        let sees_others = self.person.scopes.iter().any(|scope| OF_OTHERS.contains(&scope.as_str()));
        NumbersSight { sees_others, dn: self.dn.as_deref(), agent: None, own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl DeskSignIn {
        /// Somebody's of the tenant acme.
        pub fn of_test(user: &str) -> Self {
            let person = PersonSignIn::of_test(user, &[SCOPE, "agents:control", "calls:control"]);
            let person = PersonSignIn { issued_at: 1_800_000_000, ..person };
            let granted = person.scopes.clone();
            Self { person, dn: None, granted, client: None, credential: None }
        }
    }

    #[test]
    fn a_sign_in_has_what_auth_says_and_never_more_than_its_token_opened() {
        let ann = DeskSignIn::of_test("ann");
        let said = |scopes: &[&str], credential: Option<&str>| SignInNow {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            dn: Some("7101".to_owned()),
            credential: credential.map(str::to_owned),
        };
        let less = ann.as_of_now(said(&[SCOPE, "agents:supervise"], Some("one"))).unwrap();
        assert_eq!((less.person.scopes.as_slice(), less.dn.as_deref()), (&[SCOPE.to_owned()][..], Some("7101")));
        let again = less.as_of_now(said(&["calls:control", SCOPE], Some("one"))).unwrap();
        assert_eq!(again.person.scopes, ["calls:control", SCOPE], "what was lost comes back");
        assert_eq!(less.as_of_now(said(&[SCOPE], Some("two"))), None, "there is another password");
        assert_eq!(less.as_of_now(said(&["calls:control"], Some("one"))), None, "it is for no desktop");
    }

    #[test]
    fn no_sign_in_lasts_for_ever() {
        let ann = DeskSignIn::of_test("ann");
        let begun = Timestamp::from_millis(1_800_000_000_000);
        assert!(!ann.is_over(begun + SIGN_IN_LIFE) && ann.is_over(begun + SIGN_IN_LIFE + Duration::from_secs(1)));
    }

    #[test]
    fn a_sign_in_that_is_tied_to_a_dn_is_for_that_one_alone() {
        let claims = Claims {
            tenant: "acme".to_owned(),
            sub: "person/ann".to_owned(),
            scope: SCOPE.to_owned(),
            dn: Some("7101".to_owned()),
            ..Claims::default()
        };
        let tied = DeskSignIn::of_claims(&claims).unwrap();
        assert!(tied.is_for_dn("7101") && !tied.is_for_dn("7102"));
        assert!(DeskSignIn::of_test("ann").is_for_dn("7102"));
        let without = Claims { scope: "calls:control".to_owned(), ..claims };
        assert!(DeskSignIn::of_claims(&without).is_err());
    }
}
