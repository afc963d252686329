//! What is kept of the access token of a person by which a session has begun. The token itself is over long before the session.

use model::TenantId;
use runtime::ApiFamily;
use runtime::token::{ANY_TENANT, Claims, TokenVerifier};

use super::answers::ApiRefusal;

/// What subjects of people begin with.
pub(crate) const PERSON: &str = "person/";

/// The sign-in of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PersonSignIn {
    /// The tenant.
    pub tenant: TenantId,
    /// The person's user name.
    pub user: String,
    /// What the token opens.
    pub scopes: Vec<String>,
    /// The sign-in (`sid`), by which it is revoked.
    pub sign_in: Option<String>,
    /// The token (`jti`).
    pub token_id: Option<String>,
    /// When the token was issued, in seconds since the Unix epoch.
    pub issued_at: u64,
}

/// The claims of a token that was shown to that role, which takes those for these families of APIs.
///
/// # Errors
/// 401 if the token is not good here.
pub(crate) fn verified(
    tokens: &TokenVerifier,
    role: &str,
    families: &[ApiFamily],
    token: &str,
) -> Result<Claims, ApiRefusal> {
    tokens.verified_claims(token, role, families).map_err(|error| ApiRefusal::unauthorized(error.to_string()))
}

impl PersonSignIn {
    /// That of claims which were verified.
    ///
    /// # Errors
    /// 403 if they are of no person of a tenant, or lack that scope.
    pub(crate) fn of_claims(claims: &Claims, scope: &str) -> Result<Self, ApiRefusal> {
        let user = claims.sub.strip_prefix(PERSON).filter(|user| !user.is_empty());
        let Some(user) = user.filter(|_| claims.tenant != ANY_TENANT) else {
            return Err(ApiRefusal::forbidden("the token is of no person of a tenant"));
        };
        let tenant = TenantId::parse(&claims.tenant).map_err(|error| ApiRefusal::forbidden(error.to_string()))?;
        let sign_in = Self {
            tenant,
            user: user.to_owned(),
            scopes: claims.scope.split_whitespace().map(str::to_owned).collect(),
            sign_in: claims.sid.clone(),
            token_id: claims.jti.clone(),
            issued_at: claims.iat.unwrap_or_default(),
        };
        sign_in.needs(scope)?;
        Ok(sign_in)
    }

    /// Refuses what the token that the session has begun by does not open.
    ///
    /// # Errors
    /// 403 if it lacks the scope.
    pub(crate) fn needs(&self, scope: &str) -> Result<(), ApiRefusal> {
        if self.scopes.iter().any(|own| own == scope) {
            return Ok(());
        }
        Err(ApiRefusal::forbidden(format!("the token lacks the scope {scope}")))
    }

    /// The person's subject.
    pub(crate) fn subject(&self) -> String {
        format!("{PERSON}{}", self.user)
    }

    /// Whether it is the same person's.
    pub(crate) fn is_of_same_person(&self, other: &Self) -> bool {
        self.tenant == other.tenant && self.user == other.user
    }

    /// What of its claims says whether it was revoked.
    pub(crate) fn claims(&self) -> Claims {
        Claims {
            tenant: self.tenant.as_str().to_owned(),
            sub: self.subject(),
            sid: self.sign_in.clone(),
            jti: self.token_id.clone(),
            iat: Some(self.issued_at),
            ..Claims::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    const SCOPE: &str = "workspace:use";

    impl PersonSignIn {
        /// Somebody's of the tenant acme.
        pub(crate) fn of_test(user: &str, scopes: &[&str]) -> Self {
            Self {
                tenant: TenantId::parse("acme").unwrap(),
                user: user.to_owned(),
                scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
                sign_in: Some(format!("sign-in of {user}")),
                token_id: None,
                issued_at: 1_700_000_000,
            }
        }
    }

    fn claims(tenant: &str, sub: &str, scope: &str) -> Claims {
        Claims {
            tenant: tenant.to_owned(),
            sub: sub.to_owned(),
            scope: scope.to_owned(),
            sid: Some("s".to_owned()),
            iat: Some(7),
            ..Claims::default()
        }
    }

    #[test]
    fn a_person_with_the_scope_signs_in_and_nobody_else_does() {
        let ann = PersonSignIn::of_claims(&claims("acme", "person/ann", "calls:control workspace:use"), SCOPE).unwrap();
        assert_eq!((ann.user.as_str(), ann.subject().as_str()), ("ann", "person/ann"));
        assert_eq!(ann.scopes, ["calls:control", "workspace:use"]);
        assert!(ann.needs("calls:control").is_ok());
        assert_eq!(ann.needs("operate").unwrap_err().status(), StatusCode::FORBIDDEN);
        for (tenant, sub, scope) in [
            ("acme", "person/ann", "calls:control"),
            ("acme", "person/ann", "workspace:used"),
            ("acme", "client/crm", "workspace:use"),
            ("acme", "person/", "workspace:use"),
            ("*", "person/ann", "workspace:use"),
        ] {
            let refused = PersonSignIn::of_claims(&claims(tenant, sub, scope), SCOPE).unwrap_err();
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{tenant} {sub} {scope}");
        }
    }

    #[test]
    fn what_is_revoked_is_known_by_sign_in_token_and_person() {
        let ann = PersonSignIn::of_claims(&claims("acme", "person/ann", SCOPE), SCOPE).unwrap();
        let claims = ann.claims();
        assert_eq!((claims.tenant.as_str(), claims.sub.as_str()), ("acme", "person/ann"));
        assert_eq!((claims.sid.as_deref(), claims.iat), (Some("s"), Some(7)));
    }
}
