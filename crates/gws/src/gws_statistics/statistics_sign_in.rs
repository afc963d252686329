//! Whose a request is: an access token of a person or a program of a tenant, which stands in each of them.

use axum::http::HeaderMap;
use model::TenantId;
use runtime::ApiFamily;
use runtime::scope::{CALLS_READ, WORKSPACE_USE};
use runtime::token::{ANY_TENANT, Claims, TokenVerifier};

use crate::sessions::answers::ApiRefusal;
use crate::sessions::bearer::bearer;
use crate::sessions::person_sign_in::{self, PERSON};
use crate::whose_numbers::OF_OTHERS;

/// Of which of these scopes a token must have one.
const SCOPES: [&str; 2] = [WORKSPACE_USE, CALLS_READ];
/// Of which APIs it must be for one: those of these scopes.
const FAMILIES: &[ApiFamily] = &[ApiFamily::Gws, ApiFamily::Voice];
/// What subjects of roles begin with.
const SERVICE: &str = "service/";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatisticsSignIn {
    /// The tenant.
    pub tenant: TenantId,
    /// The person or program.
    pub subject: String,
    /// The only DN for which the token is, if it is tied to one.
    pub dn: Option<String>,
    /// The only agent for whom it is then.
    pub agent: Option<String>,
    /// Whether it may see the numbers of other agents and their phones.
    pub sees_others: bool,
    /// What of its claims says whether it was revoked.
    pub claims: Claims,
}

impl StatisticsSignIn {
    /// The sign-in of a request to that role, and the token.
    ///
    /// # Errors
    /// 401 if there is no token that is good here, 403 if it does not open the API.
    pub fn of_request<'h>(
        tokens: &TokenVerifier,
        role: &str,
        headers: &'h HeaderMap,
    ) -> Result<(Self, &'h str), ApiRefusal> {
        let token = bearer(headers).ok_or_else(|| ApiRefusal::unauthorized("there is no token in Authorization"))?;
        Ok((Self::of_claims(&person_sign_in::verified(tokens, role, FAMILIES, token)?)?, token))
    }

    fn of_claims(claims: &Claims) -> Result<Self, ApiRefusal> {
        if claims.tenant == ANY_TENANT || claims.sub.starts_with(SERVICE) {
            return Err(ApiRefusal::forbidden("the token is of nobody of a tenant"));
        }
        let tenant = TenantId::parse(&claims.tenant).map_err(|error| ApiRefusal::forbidden(error.to_string()))?;
        let has_one_of = |scopes: &[&str]| claims.scope.split_whitespace().any(|scope| scopes.contains(&scope));
        if !has_one_of(&SCOPES) {
            return Err(ApiRefusal::forbidden(format!("the token has no scope of {}", SCOPES.join(", "))));
        }
        Ok(Self {
            tenant,
            subject: claims.sub.clone(),
            dn: claims.dn.clone(),
            agent: claims.agent.clone(),
            sees_others: has_one_of(&OF_OTHERS),
            claims: Claims {
                tenant: claims.tenant.clone(),
                sub: claims.sub.clone(),
                sid: claims.sid.clone(),
                jti: claims.jti.clone(),
                iat: claims.iat,
                ..Claims::default()
            },
        })
    }

    /// The person's user name, if it is a person.
    pub fn user(&self) -> Option<&str> {
        self.subject.strip_prefix(PERSON)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    impl StatisticsSignIn {
        /// A person of the tenant acme whose token has these scopes.
        pub fn of_test(user: &str, scope: &str) -> Self {
            Self::of_claims(&claims("acme", &format!("person/{user}"), scope)).unwrap()
        }
    }

    fn claims(tenant: &str, sub: &str, scope: &str) -> Claims {
        Claims { tenant: tenant.to_owned(), sub: sub.to_owned(), scope: scope.to_owned(), ..Claims::default() }
    }

    #[test]
    fn people_and_programs_with_one_of_the_scopes_are_let_in() {
        let ann = StatisticsSignIn::of_test("ann", "workspace:use");
        assert_eq!((ann.user(), ann.sees_others), (Some("ann"), false));
        let program = StatisticsSignIn::of_claims(&claims("acme", "client/board", "calls:read statistics:read"));
        let program = program.unwrap();
        assert_eq!((program.user(), program.sees_others), (None, true));
        assert!(StatisticsSignIn::of_test("sue", "workspace:use agents:supervise").sees_others);
        for (tenant, sub, scope) in [
            ("acme", "person/ann", "calls:control"),
            ("acme", "person/ann", "workspace:used"),
            ("*", "person/ann", "workspace:use"),
            ("acme", "service/ors/ors-1", "calls:read"),
        ] {
            let refused = StatisticsSignIn::of_claims(&claims(tenant, sub, scope)).unwrap_err();
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{tenant} {sub} {scope}");
        }
    }
}
