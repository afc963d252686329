//! `GET` and `POST /sign-out`, `GET /ping`: the end of a session, or of all that a person has; and whether there is one.
//! What a person has open, to end it piece by piece: `sessions`. Pages of programs that end with the session: `frontchannel`.

mod frontchannel;
pub(super) mod sessions;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::redirect_uri;
use model::TenantId;
use runtime::token::TokenVerifier;

use super::Auth;
use super::answers::{self, Trouble};
use super::page::signed_out::{self as signed_out_page, LogoutFrame};
use super::people::{Tenants, tenancy, tenant_host};
use super::proofs::client_login;
use super::request::cookies::Cookie;
use super::request::origin;
use super::request::parameters::Parameters;
use super::request::session;
use super::request::source::RequestSource;

/// `GET /ping`: 200 for somebody who is signed in, else 403.
pub(super) async fn ping(State(auth): State<Arc<Auth>>, source: RequestSource, headers: HeaderMap) -> Response {
    let is_signed_in = async {
        Ok::<bool, Trouble>(match session::bearer(&headers) {
            Some(token) => session::of_token(&auth, token).await?.is_some(),
            None => session::of_browser(&auth, &headers, &source).await?.is_some(),
        })
    };
    match is_signed_in.await {
        Ok(true) => answers::done(None),
        Ok(false) => answers::refused(StatusCode::FORBIDDEN, "nobody is signed in"),
        Err(trouble) => axum::response::IntoResponse::into_response(trouble),
    }
}

/// Ends the session of the cookie and the sign-in of the token; with `global=true` all that the person has.
pub(super) async fn sign_out(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
    body: Bytes,
) -> Response {
    // A browser is sent on also from a form (OpenID Connect RP-Initiated Logout section 2); programs that post nothing are not.
    let is_form = method == Method::POST && Parameters::is_form(&headers) && !body.is_empty();
    let query = uri.query().unwrap_or_default().as_bytes();
    let told = if is_form { [query, body.as_ref()].join(&b'&') } else { query.to_vec() };
    let parameters = match Parameters::read(&told) {
        Ok(parameters) => tenant_host::named(&auth, &source, parameters),
        Err(fault) => return answers::refused(StatusCode::BAD_REQUEST, fault),
    };
    let ended = ended(&auth, &headers, &source, &parameters, is_form || method == Method::GET).await;
    ended.unwrap_or_else(axum::response::IntoResponse::into_response)
}

async fn ended(
    auth: &Auth,
    headers: &HeaderMap,
    source: &RequestSource,
    parameters: &Parameters,
    may_redirect: bool,
) -> Result<Response, Trouble> {
    let is_global = parameters.get("global").is_some_and(|global| global.eq_ignore_ascii_case("true"));
    let (mut tenant, mut frames, now) = (None, Vec::new(), auth.now());
    if let Some(token) = session::bearer(headers) {
        let Some((of, claims)) = session::good_claims(auth, token).await? else {
            return Ok(answers::no_token("the token is not valid"));
        };
        // One that is for fewer APIs than its sign-in ends alone, as that of an API key or a client: whoever has got it for one API ends
        // nothing else of the person.
        let user = session::user_of(&claims).filter(|_| !claims.narrowed);
        let is_global = is_global && user.is_some();
        match (user, &claims.sid, &claims.jti) {
            (Some(user), _, _) if is_global => auth.store.end_all(&of, user, now).await?,
            (Some(user), Some(sign_in), _) => auth.store.end_sign_in(&of, user, sign_in, now).await?,
            (_, _, Some(token)) => auth.store.revoke(&of, token, now).await?,
            _ => {}
        }
        let record = SignInRecord { session: claims.sid.clone(), ..signed_out(is_global) };
        auth.note(&of, source, SignInRecord { client: claims.client_id.clone(), ..record }.about(&claims.sub));
        // That of an API key's token is the key itself, which its tokens do not end.
        if let (Some(sign_in), true) = (&claims.sid, is_global) {
            // Its client may have no refresh tokens, and so no family that is listed.
            auth.store.revoke(&of, sign_in, now).await?;
        }
        tenant = Some(of);
    }
    // Whoever may not go on signs out, too; and so does everybody while nobody can say who may.
    if let Some((cookie, session)) = session::of_cookie(auth, headers, source).await? {
        let of = cookie.tenant;
        // A link or a form of another page brings the cookie too: it may end this session, and no other.
        let is_global = is_global && !origin::is_foreign(headers, auth.issuer());
        let sign_ins = frontchannel::sign_ins(auth, &of, &session).await?;
        // Before anything else is asked: who waits no longer is signed out all the same.
        if is_global {
            auth.store.end_all(&of, &session.user, now).await?;
        } else {
            // By its id: who has signed in again by two requests at once has it twice, under two cookies.
            auth.store.end_of(&of, &session.user, &session.id, now).await?;
        }
        auth.store.end_session(&of, cookie.digest).await?;
        let record = signed_out(is_global).about_person(&session.user);
        auth.note(&of, source, record.in_session(&session.id));
        frames = frontchannel::frames(auth, &of, &sign_ins).await;
        tenant = tenant.or(Some(of));
    }
    let shown = ShownAnswer { may_redirect, is_page: wants_page(headers) && !frames.is_empty(), frames };
    let tenant = tenant.or_else(|| tenant_host::of_source(auth, source));
    let mut response = shown.or_own_page(answer(auth, parameters, tenant, &shown).await);
    if let Some(cookie) = Cookie::Session.remove(source) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn signed_out(is_global: bool) -> SignInRecord {
    let record = SignInRecord::of(SignInEvent::SignedOut);
    if is_global { record.by_way(SignInWay::Everywhere) } else { record }
}

/// Whether a person reads the answer.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

/// How the answer is shown.
struct ShownAnswer {
    /// Whether the browser may be sent on.
    may_redirect: bool,
    /// Whether it is a page though nothing asks for one.
    is_page: bool,
    /// The pages of programs that are to be loaded.
    frames: Vec<LogoutFrame>,
}

impl ShownAnswer {
    /// That answer. Where it cannot be said whether the browser may be sent on, it stays at our own page: the person is signed out.
    fn or_own_page(&self, answer: Result<Response, Trouble>) -> Response {
        answer.unwrap_or_else(|_| signed_out_page::page(&self.frames, None))
    }
}

async fn answer(
    auth: &Auth,
    parameters: &Parameters,
    tenant: Option<TenantId>,
    shown: &ShownAnswer,
) -> Result<Response, Trouble> {
    let Some(to) = way_back(parameters).filter(|_| shown.may_redirect) else {
        let is_page = shown.is_page || parameters.get("page").is_some();
        return Ok(if is_page { signed_out_page::page(&shown.frames, None) } else { answers::done(None) });
    };
    let tenants = auth.people.tenants();
    let is_registered = match client_login::find(auth, parameters).await? {
        Some((_, client)) => redirect_uri::find(&client.redirect_uris, to).is_some(),
        // Published programs do not say which one they are. Nobody may have been signed in any more.
        None => {
            match hinted_tenant(&auth.ctx.tokens, &tenants, parameters).or(tenant).or_else(|| tenancy::only(&tenants)) {
                Some(tenant) => {
                    let listed = auth.people.redirect_uris(&tenant).await?;
                    listed.iter().any(|listed| redirect_uri::is_same(&listed.uri, to))
                }
                None => false,
            }
        }
    };
    if !is_registered {
        return Ok(answers::refused(StatusCode::BAD_REQUEST, "the redirect URI is not one that is registered"));
    }
    let on = match parameters.get("state") {
        Some(state) => answers::with_query(to, &[("state", Some(state))]),
        None => to.to_owned(),
    };
    // A redirect would leave before anything is loaded.
    Ok(match shown.frames.as_slice() {
        [] => answers::redirect(&on),
        frames => signed_out_page::page(frames, Some(&on)),
    })
}

/// The tenant that an ID token names by which a client says who has signed out (`id_token_hint`). It may be over, but it must be ours:
/// nobody is to make us look for redirect URIs at any tenant.
fn hinted_tenant(tokens: &TokenVerifier, tenants: &Tenants, parameters: &Parameters) -> Option<TenantId> {
    let claims = tokens.hinted_claims(parameters.get("id_token_hint")?).ok()?;
    tenants.get(claims["tenant"].as_str()?).cloned()
}

/// Where the browser is to go on to: as published programs say it, or as OpenID Connect RP-Initiated Logout does (section 2).
fn way_back(parameters: &Parameters) -> Option<&str> {
    parameters.get("redirectUri").or_else(|| parameters.get("post_logout_redirect_uri"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use infra::SystemClock;
    use runtime::token::{ACCESS_TOKEN, ID_TOKEN, ISSUER, TokenIssuer};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn nobody_is_told_to_sign_out_again_since_nobody_can_say_where_to_go_on() {
        let shown = ShownAnswer { may_redirect: true, is_page: false, frames: Vec::new() };
        let stays = shown.or_own_page(Err(Trouble::Away));
        assert!(stays.status() == StatusCode::OK && !stays.headers().contains_key(header::LOCATION));
        let goes_on = shown.or_own_page(Ok(answers::redirect("https://desk.example/")));
        assert_eq!(goes_on.status(), StatusCode::SEE_OTHER);
    }

    #[test]
    fn an_id_token_of_ours_names_the_tenant_if_there_is_that_one() {
        let tenants: Tenants = Arc::new(["acme", "globex"].map(|id| TenantId::parse(id).unwrap()).into());
        let [ours, theirs] = [(), ()].map(|()| TokenIssuer::of_new_key(Arc::new(SystemClock::start())).unwrap());
        let tokens = TokenVerifier::of(&ours, &[]);
        let claims = |tenant: Value| json!({ "iss": ISSUER, "sub": "ann", "aud": "app", "exp": 1, "tenant": tenant });
        let named = |token: &str| {
            let parameters = Parameters::read(format!("id_token_hint={token}").as_bytes()).unwrap();
            hinted_tenant(&tokens, &tenants, &parameters).map(|tenant| tenant.to_string())
        };
        let signed = |issuer: &TokenIssuer, tenant: Value, typ| issuer.sign(&claims(tenant), typ).unwrap();
        let good = signed(&ours, json!("globex"), ID_TOKEN);
        assert_eq!(named(&good).as_deref(), Some("globex"), "it may be over");
        let unsigned = good.rsplit_once('.').unwrap().0;
        for other in [
            signed(&ours, json!("nobody"), ID_TOKEN),
            signed(&ours, json!(1), ID_TOKEN),
            signed(&ours, Value::Null, ID_TOKEN),
            signed(&ours, json!("globex"), ACCESS_TOKEN),
            signed(&theirs, json!("globex"), ID_TOKEN),
            format!("{unsigned}."),
            format!("{unsigned}.x"),
            "no.token".to_owned(),
        ] {
            assert_eq!(named(&other), None, "{other}");
        }
        assert_eq!(hinted_tenant(&tokens, &tenants, &Parameters::default()), None);
    }
}
