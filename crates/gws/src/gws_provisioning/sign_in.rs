//! Whose a session is: what it has begun by, an access token of a person for APIs of the configuration.

use net::http::WebClient;
use net::requester::RequesterGrant;
use runtime::ApiFamily;
use runtime::token::{Claims, TokenVerifier};

use super::requesting_person::RequestingPerson;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::person_sign_in::{self, PersonSignIn};

/// The scope that a session needs: who reads the configuration may open one.
pub(super) const READS: &str = "config:read";
/// The scope that a change needs.
pub(super) const CHANGES: &str = "config:write";

/// The sign-in that a session has begun by. Its scopes bound what the session asks for; what the person may besides, tenant looks at with
/// each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProvisioningSignIn {
    /// The person's.
    pub person: PersonSignIn,
    /// The client to which the token was issued.
    pub client: Option<String>,
}

impl ProvisioningSignIn {
    /// The sign-in of a token that was shown to that role.
    ///
    /// # Errors
    /// 401 if the token is not good here, 403 if it is of no person or does not open the API.
    pub fn of_token(tokens: &TokenVerifier, role: &str, token: &str) -> Result<Self, ApiRefusal> {
        Self::of_claims(&person_sign_in::verified(tokens, role, ApiFamily::Tenant.taken(), token)?)
    }

    fn of_claims(claims: &Claims) -> Result<Self, ApiRefusal> {
        Ok(Self { person: PersonSignIn::of_claims(claims, READS)?, client: claims.client_id.clone() })
    }

    /// For whom the configuration is asked: the person, as far as the token opened it. `client` is from where the person asks.
    pub fn asker(&self, client: Option<WebClient>) -> RequestingPerson {
        let PersonSignIn { tenant, scopes, sign_in, .. } = self.person.clone();
        let grant = RequesterGrant { scopes, client: self.client.clone(), session: sign_in };
        RequestingPerson { tenant, subject: self.person.subject(), grant, client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ProvisioningSignIn {
        /// Somebody's of the tenant acme.
        pub fn of_test(user: &str) -> Self {
            Self { person: PersonSignIn::of_test(user, &[READS, CHANGES]), client: Some("crm".to_owned()) }
        }
    }

    #[test]
    fn a_person_who_reads_the_configuration_has_a_session_bounded_by_the_token() {
        let claims = |scope: &str| Claims {
            tenant: "acme".to_owned(),
            sub: "person/ada".to_owned(),
            scope: scope.to_owned(),
            client_id: Some("crm".to_owned()),
            ..Claims::default()
        };
        let ada = ProvisioningSignIn::of_claims(&claims("config:read config:write")).unwrap();
        assert!(ada.person.needs(CHANGES).is_ok() && ada.person.needs("operate").is_err());
        let asked = ada.asker(None);
        assert_eq!((asked.subject.as_str(), asked.grant.scopes.len()), ("person/ada", 2));
        assert_eq!(asked.grant.client.as_deref(), Some("crm"));
        assert!(ProvisioningSignIn::of_claims(&claims("config:read")).unwrap().person.needs(CHANGES).is_err());
        assert!(ProvisioningSignIn::of_claims(&claims("workspace:use")).is_err());
    }
}
