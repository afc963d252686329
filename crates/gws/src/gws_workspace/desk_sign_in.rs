//! Whose a session is: what it has begun by, an access token of a person for the published APIs.

use runtime::ApiFamily;
use runtime::token::{Claims, TokenVerifier};

use super::desk::DeskPerson;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::person_sign_in::{self, PersonSignIn};
use crate::whose_numbers::{NumbersSight, OF_OTHERS, OwnNames};

/// The scope that a desktop needs.
pub(super) const SCOPE: &str = "workspace:use";

/// The sign-in that a session has begun by. It says what the person may for as long as the session lasts: the token itself is over long
/// before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeskSignIn {
    /// The person's.
    pub person: PersonSignIn,
    /// The only DN for which it is, if it is tied to one.
    pub dn: Option<String>,
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
        Ok(Self { person: PersonSignIn::of_claims(claims, SCOPE)?, dn: claims.dn.clone() })
    }

    /// As the desk knows the person.
    pub fn desk_person(&self) -> DeskPerson {
        DeskPerson { user: self.person.user.clone(), scopes: self.person.scopes.clone() }
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
            Self { person: PersonSignIn::of_test(user, &[SCOPE, "agents:control", "calls:control"]), dn: None }
        }
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
