//! Who is signed in: by the session's cookie, or by an access token.

use axum::http::{HeaderMap, header};
use contracts::provisioning::Person;
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use model::TenantId;
use runtime::ApiFamily;
use runtime::token::Claims;

use super::super::Auth;
use super::super::answers::Trouble;
use super::super::records::BrowserSession;
use super::cookies::{Cookie, SessionCookie};
use super::source::RequestSource;

/// Somebody who is signed in, in this browser.
pub(in crate::auth) struct SignedIn {
    /// The cookie.
    pub cookie: SessionCookie,
    /// The session.
    pub session: BrowserSession,
    /// The person.
    pub person: Person,
}

/// The session of this browser's cookie, whether its person may go on with it or not: the role tenant is not asked.
pub(in crate::auth) async fn of_cookie(
    auth: &Auth,
    headers: &HeaderMap,
    source: &RequestSource,
) -> Result<Option<(SessionCookie, BrowserSession)>, Trouble> {
    let Some(cookie) = Cookie::Session.of(headers, source).and_then(SessionCookie::read) else { return Ok(None) };
    let session = auth.store.session(&cookie.tenant, cookie.digest).await?;
    Ok(session.filter(|session| auth.now() < session.until).map(|session| (cookie, session)))
}

/// Who is signed in at this browser. The session of a person who is gone, disabled, has another password, or needs a second factor that it
/// was begun without, ends.
pub(in crate::auth) async fn of_browser(
    auth: &Auth,
    headers: &HeaderMap,
    source: &RequestSource,
) -> Result<Option<SignedIn>, Trouble> {
    let Some((cookie, session)) = of_cookie(auth, headers, source).await? else { return Ok(None) };
    // It goes on once the browser is back at an address from which the tenant's people come.
    if !auth.people.come_from(&cookie.tenant, source).await? {
        return Ok(None);
    }
    let (tenant, now) = (&cookie.tenant, auth.now());
    let (user, by_two_factors) = (&session.user, session.by_two_factors);
    let person = auth.people.who_may_go_on(tenant, user, session.credential, by_two_factors).await?;
    match person {
        Some(person) => Ok(Some(SignedIn { cookie, session, person })),
        None => {
            // Whoever is enabled again, or has a new password, signs in anew.
            tracing::info!(%tenant, user = session.user, "a session has ended: its person is disabled, gone, has another password, or needs a second factor");
            auth.store.end_sign_ins_of(tenant, &session, now).await?;
            auth.store.end_session(tenant, cookie.digest).await?;
            let record = SignInRecord::of(SignInEvent::SessionEnded).about_person(&session.user);
            auth.note(tenant, source, record.in_session(&session.id));
            Ok(None)
        }
    }
}

/// Somebody who asks about what is their own.
pub(in crate::auth) struct Requester {
    /// The tenant.
    pub tenant: TenantId,
    /// The person.
    pub person: Person,
    /// The browser's session, if a cookie has shown who it is.
    pub session: Option<String>,
    /// The sign-in at a program, if a token has.
    pub sign_in: Option<String>,
}

/// Who asks, by the token of the request, or by its cookie where there is no token. A token for fewer APIs than its sign-in is none here.
pub(in crate::auth) async fn requester(
    auth: &Auth,
    headers: &HeaderMap,
    source: &RequestSource,
) -> Result<Option<Requester>, Trouble> {
    if let Some(token) = bearer(headers) {
        // Whoever has got it for one API has no say over the person's sign-ins.
        let found = of_token(auth, token).await?.filter(|(_, claims, _)| !claims.narrowed);
        return Ok(found.map(|(tenant, claims, person)| Requester {
            tenant,
            person,
            session: None,
            sign_in: claims.sid,
        }));
    }
    let found = of_browser(auth, headers, source).await?;
    Ok(found.map(|SignedIn { cookie, session, person }| Requester {
        tenant: cookie.tenant,
        person,
        session: Some(session.id),
        sign_in: None,
    }))
}

/// The token of a request, if it has one.
pub(in crate::auth) fn bearer(headers: &HeaderMap) -> Option<&str> {
    // The scheme in any case (RFC 9110 section 11.1).
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The claims of a token that is good now: signed, in time, of a tenant, and not revoked. What is revoked at this moment the store knows
/// alone; the verifier, as those of all roles, hears of it within two seconds.
pub(in crate::auth) async fn good_claims(auth: &Auth, token: &str) -> Result<Option<(TenantId, Claims)>, Trouble> {
    // Who has issued it says whose it is, whatever it is for.
    let (tokens, role) = (&auth.ctx.tokens, auth.ctx.spec.name);
    let Ok(claims) = tokens.verified_claims(token, role, &ApiFamily::ALL) else { return Ok(None) };
    // Those of roles and operators are for every tenant: they are no sign-ins.
    let Some(tenant) = TenantId::parse(&claims.tenant).ok().filter(|_| claims.tenant != runtime::token::ANY_TENANT)
    else {
        return Ok(None);
    };
    let ids = [claims.sid.as_deref(), claims.jti.as_deref()];
    if auth.store.is_revoked(&tenant, ids.into_iter().flatten()).await? {
        return Ok(None);
    }
    Ok(Some((tenant, claims)))
}

/// The user name in a person's claims.
pub(in crate::auth) fn user_of(claims: &Claims) -> Option<&str> {
    claims.sub.strip_prefix("person/")
}

/// The person of a token that is good now.
pub(in crate::auth) async fn of_token(auth: &Auth, token: &str) -> Result<Option<(TenantId, Claims, Person)>, Trouble> {
    let Some((tenant, claims)) = good_claims(auth, token).await? else { return Ok(None) };
    let Some(user) = user_of(&claims) else { return Ok(None) };
    let person = auth.people.active(&tenant, user).await?;
    Ok(person.map(|person| (tenant, claims, person)))
}
