//! `GET /sessions`, `DELETE /sessions/{id}`: what a person has open, in browsers and at programs, and its end. For browsers it is a page,
//! whose form does what `DELETE` does.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::json::rfc3339;
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use identity::grant::refresh::Family;
use model::Timestamp;
use serde_json::{Value, json};

use super::super::Auth;
use super::super::answers::{self, Trouble};
use super::super::oauth::issue;
use super::super::page;
use super::super::page::browser::RequestBrowser;
use super::super::page::form_request::FormRequest;
use super::super::page::sessions::{self as sessions_page, SessionRow};
use super::super::records::BrowserSession;
use super::super::request::origin;
use super::super::request::session::{self, Requester, requester};
use super::super::request::source::RequestSource;

/// The name of the page's form.
const FORM: &str = "sessions";
/// The same for what has ended and what was never there.
const NONE: &str = "you have no session of that id";

/// `GET`: a page for who asks for HTML with a cookie, else JSON.
pub(in crate::auth) async fn list(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
) -> Response {
    let is_page = wants_page(&headers);
    let listed = async {
        let Some(requester) = requester(&auth, &headers, &source).await? else {
            return Ok(if is_page { sign_in() } else { nobody(&headers) });
        };
        if is_page {
            let browser = RequestBrowser { headers: &headers, source: &source };
            return show(&auth, browser, &requester, StatusCode::OK, None).await;
        }
        let open = auth.store.open_of(&requester.tenant, &requester.person.user_name).await?;
        let sessions = open.sessions.iter().map(|session| of_session(&requester, session));
        let programs = open.families.iter().map(|family| of_family(&requester, family));
        let all: Vec<Value> = sessions.chain(programs).collect();
        Ok::<_, Trouble>(answers::done(Some(json!({ "sessions": all }))))
    };
    listed.await.unwrap_or_else(|trouble| if is_page { page::trouble(trouble) } else { trouble.into_response() })
}

/// `DELETE`: ends one.
pub(in crate::auth) async fn end(
    State(auth): State<Arc<Auth>>,
    source: RequestSource,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        if origin::is_foreign(&headers, auth.issuer()) && session::bearer(&headers).is_none() {
            return Ok(answers::refused(StatusCode::FORBIDDEN, "a page of another host has sent this"));
        }
        let Some(requester) = requester(&auth, &headers, &source).await? else { return Ok(nobody(&headers)) };
        Ok::<_, Trouble>(match ended(&auth, &source, &requester, &id).await? {
            true => answers::done(None),
            false => answers::refused(StatusCode::NOT_FOUND, NONE),
        })
    };
    answer.await.unwrap_or_else(Trouble::into_response)
}

/// What the page's form sends.
pub(in crate::auth) async fn submit(State(auth): State<Arc<Auth>>, form: FormRequest) -> Response {
    let (browser, typed) = (form.browser(), &form.typed);
    let submitted = async {
        let requester = requester(&auth, browser.headers, browser.source).await?;
        let Some(requester) = requester else { return Ok(sign_in()) };
        if !browser.has_sent(&auth, &form_of(&requester), typed) {
            return show(&auth, browser, &requester, StatusCode::FORBIDDEN, Some(page::STALE)).await;
        }
        // One that has ended by itself meanwhile is gone as well.
        ended(&auth, browser.source, &requester, typed.get("id").unwrap_or_default()).await?;
        Ok::<_, Trouble>(answers::redirect(sessions_page::PATH))
    };
    submitted.await.unwrap_or_else(page::trouble)
}

/// Ends one of what the person has open; `false` if there is none of that id.
async fn ended(auth: &Auth, source: &RequestSource, requester: &Requester, id: &str) -> Result<bool, Trouble> {
    let (tenant, user) = (&requester.tenant, &requester.person.user_name);
    let is_ended = auth.store.end_of(tenant, user, id, auth.now()).await?;
    if is_ended {
        let subject = issue::subject(&requester.person);
        let record = SignInRecord::of(SignInEvent::SessionEnded).about(&subject).done_by(&subject).in_session(id);
        auth.note(tenant, source, record);
    }
    Ok(is_ended)
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    session::bearer(headers).is_none() && accept.contains("text/html")
}

fn sign_in() -> Response {
    answers::redirect(&answers::with_query(page::SIGN_IN, &[("then", Some(FORM))]))
}

fn nobody(headers: &HeaderMap) -> Response {
    match session::bearer(headers) {
        Some(_) => answers::no_token("there is no valid token of a person, for all APIs of the sign-in"),
        None => answers::refused(StatusCode::UNAUTHORIZED, "nobody is signed in"),
    }
}

/// The form is the session's: one of before it is none of it.
fn form_of(requester: &Requester) -> String {
    format!("{FORM}/{}", requester.session.as_deref().unwrap_or_default())
}

async fn show(
    auth: &Auth,
    browser: RequestBrowser<'_>,
    requester: &Requester,
    status: StatusCode,
    error: Option<&str>,
) -> Result<Response, Trouble> {
    let open = auth.store.open_of(&requester.tenant, &requester.person.user_name).await?;
    let row = |id: &str, what: String, since: Timestamp, until: Timestamp| {
        let is_this = requester.session.as_deref() == Some(id);
        SessionRow { id: id.to_owned(), what, since: minute(since), until: minute(until), is_this }
    };
    let mut rows = Vec::new();
    for session in &open.sessions {
        let what =
            session.provider.as_ref().map_or_else(|| "a browser".to_owned(), |name| format!("a browser, by {name}"));
        rows.push(row(&session.id, what, session.authenticated_at, session.until));
    }
    for family in &open.families {
        let client = auth.people.client(&requester.tenant, &family.client).await?;
        let what = client.map_or_else(|| family.client.clone(), |client| client.name);
        rows.push(row(&family.sign_in, what, family.authenticated_at, family.until));
    }
    let name = issue::full_name(&requester.person);
    let page = |token: &str| sessions_page::list(status, token, &name, &rows, error);
    Ok(browser.with_form(auth, &form_of(requester), page))
}

/// A point in time as people read it, to the minute: `2026-07-01 09:30 UTC`.
fn minute(at: Timestamp) -> String {
    let text = rfc3339(at);
    let minute = text.get(..16).unwrap_or(&text).replace('T', " ");
    format!("{minute} UTC")
}

fn of_session(requester: &Requester, session: &BrowserSession) -> Value {
    let mut told = json!({
        "id": session.id,
        "kind": "browser",
        "authenticatedAt": rfc3339(session.authenticated_at),
        "expiresAt": rfc3339(session.until),
        "current": requester.session.as_ref() == Some(&session.id),
    });
    if let Some(provider) = &session.provider {
        told["provider"] = json!(provider);
    }
    told
}

fn of_family(requester: &Requester, family: &Family) -> Value {
    let mut told = json!({
        "id": family.sign_in,
        "kind": "program",
        "clientId": family.client,
        "scope": family.scope,
        "authenticatedAt": rfc3339(family.authenticated_at),
        "expiresAt": rfc3339(family.until),
        "current": requester.sign_in.as_ref() == Some(&family.sign_in),
    });
    if let Some(session) = &family.session {
        told["browser"] = json!(session);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_minutes() {
        assert_eq!(minute(Timestamp::from_millis(1_763_622_059_000)), "2025-11-20 07:00 UTC");
    }
}
