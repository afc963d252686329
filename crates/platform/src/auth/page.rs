//! The pages of auth: the form of the sign-in, and what else a person gets to see. Plain HTML; a script of ours is where passkeys are.
//! A module for each page; `forms` binds forms to the browser that they were sent to, `browser` sends them out, `form_request` takes what
//! comes back; `published_pages` are what pages of the published API look for.

pub(super) mod browser;
pub(super) mod device;
pub(super) mod form_request;
pub(super) mod forms;
pub(super) mod new_password;
pub(super) mod passkey;
pub(super) mod published_pages;
mod qr;
pub(super) mod second_factor;
pub(super) mod sessions;
pub(super) mod signed_out;

use std::fmt::Write as _;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::answers::Trouble;

/// The path of the sign-in page.
pub(super) const SIGN_IN: &str = "/auth/v3/sign-in";
/// The path of the pages' style.
pub(super) const STYLE: &str = "/auth/v3/sign-in.css";
/// A form that was not sent to this browser, or long ago, or that a page of another host has sent.
pub(super) const STALE: &str = "This page was open for too long, or your browser keeps no cookies. Please try again.";
/// The style: readable in light and in dark, at any size; colour is nowhere the only sign.
const CSS: &str = include_str!("page/page.css");

/// The form of the sign-in.
pub(super) struct SignInForm<'a> {
    /// The query that the sign-in goes on with.
    pub query: &'a str,
    /// The token that binds it to the browser.
    pub token: &'a str,
    /// Whether the tenant has to be typed.
    pub asks_tenant: bool,
    /// What was typed as the tenant.
    pub tenant: &'a str,
    /// What the tenant is called, where the host names it.
    pub tenant_name: Option<&'a str>,
    /// What was typed as the user name.
    pub user: &'a str,
    /// What is wrong with what was sent.
    pub error: Option<&'a str>,
    /// Where the answer may lead besides this server, as a source of the policy (CSP).
    pub leads_to: Option<&'a str>,
    /// The way to the tenant's OpenID Provider.
    pub provider: Option<ProviderLink<'a>>,
    /// Whether people may show passwords.
    pub takes_password: bool,
    /// Where people go who have a passkey, if one signs in alone.
    pub passkey_href: Option<&'a str>,
}

/// The way to an OpenID Provider.
#[derive(Clone, Copy)]
pub(super) struct ProviderLink<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where the way begins.
    pub href: &'a str,
}

/// The form as a page.
pub(super) fn sign_in(status: StatusCode, form: &SignInForm<'_>) -> Response {
    let mut body = String::from("<h1>Sign in</h1>\n");
    if let Some(name) = form.tenant_name {
        let _ = writeln!(body, "<p>{}</p>", escaped(name));
    }
    body.push_str(&error_line(form.error));
    if let Some(provider) = form.provider {
        let (name, href) = (escaped(provider.name), escaped(provider.href));
        let _ = writeln!(body, "<p><a class=\"way\" href=\"{href}\">Continue with {name}</a></p>");
    }
    if form.takes_password {
        body.push_str(&password_form(form));
    }
    if let Some(href) = form.passkey_href {
        let _ = writeln!(body, "<p><a class=\"way\" href=\"{}\">Sign in with a passkey</a></p>", escaped(href));
    }
    let title = if form.error.is_some() { "Error: Sign in" } else { "Sign in" };
    html(status, title, &body, form.leads_to)
}

/// The form that takes name and password.
fn password_form(form: &SignInForm<'_>) -> String {
    let action = if form.query.is_empty() { SIGN_IN.to_owned() } else { format!("{SIGN_IN}?{}", form.query) };
    let mut body = form_begin(&action, form.token);
    let described = if form.error.is_some() { " aria-describedby=\"error\"" } else { "" };
    if form.asks_tenant {
        // Not `required`: who types `tenant\user` leaves it empty.
        let _ = writeln!(
            body,
            "<label for=\"tenant\">Tenant</label>\n<input id=\"tenant\" name=\"tenant\" value=\"{}\" autocomplete=\"organization\" \
             autocapitalize=\"none\" spellcheck=\"false\" aria-describedby=\"tenant-hint\">\n\
             <div id=\"tenant-hint\">Not needed with a user name such as tenant\\user.</div>",
            escaped(form.tenant)
        );
    }
    let _ = writeln!(
        body,
        "<label for=\"username\">User name</label>\n<input id=\"username\" name=\"username\" value=\"{}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required{described}>",
        escaped(form.user)
    );
    let _ = writeln!(
        body,
        "<label for=\"password\">Password</label>\n<input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required{described}>\n<button type=\"submit\">Sign in</button>\n</form>"
    );
    body
}

/// The page of somebody who is signed in and goes nowhere.
pub(super) fn signed_in(name: &str) -> Response {
    let body = format!(
        "<h1>You are signed in</h1>\n<p>as {}.</p>\n<form method=\"post\" action=\"/auth/v3/sign-out?page=true\">\n\
         <button type=\"submit\">Sign out</button>\n</form>\n<p><a href=\"{}\">Where you are signed in</a></p>\n\
         <p><a href=\"{}\">Second factor</a></p>\n",
        escaped(name),
        sessions::PATH,
        second_factor::PATH
    );
    html(StatusCode::OK, "Signed in", &body, None)
}

/// A request that goes nowhere, since nobody knows that its sender may be believed.
pub(super) fn fault(status: StatusCode, what: &str) -> Response {
    let body = format!(
        "<h1>This sign-in cannot go on</h1>\n<p role=\"alert\">The program that has sent you here made a mistake: {}.</p>\n",
        escaped(what)
    );
    html(status, "This sign-in cannot go on", &body, None)
}

/// Nobody is signed in now, or from there.
pub(super) fn trouble(trouble: Trouble) -> Response {
    let body =
        format!("<h1>Sign-in is not available</h1>\n<p role=\"alert\">It is {}.</p>\n", escaped(in_words(&trouble)));
    let status = if trouble.is_passing() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN };
    let mut response = html(status, "Sign-in is not available", &body, None);
    if trouble.is_passing() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

const fn in_words(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Away => "not available now. Try again in a moment",
        Trouble::Busy => "busy: too many people sign in at a time. Try again in a moment",
        Trouble::Elsewhere => {
            "not possible from here: your company lists the addresses from which its people sign in, and yours is none of them"
        }
    }
}

/// The style of the pages.
pub(super) fn style() -> Response {
    (served("text/css; charset=utf-8"), CSS).into_response()
}

/// The head of a file that is the same for everybody.
fn served(content_type: &'static str) -> [(HeaderName, &'static str); 3] {
    [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]
}

/// What a page reaches besides this server. Sources are those of its policy (CSP).
#[derive(Clone, Copy, Default)]
struct PageReach<'a> {
    /// Where the answer to its form may lead.
    leads_to: Option<&'a str>,
    /// Whose pages are in its frames.
    frames: &'a [&'a str],
    /// Where it goes on to by itself.
    goes_on_to: Option<&'a str>,
    /// Whether it has the script that asks for passkeys.
    has_script: bool,
}

/// After so long a page goes on: what is in its frames has been loaded by then.
const GOES_ON_AFTER_S: u64 = 3;

/// A page. Browsers hold the redirects that answer a form against `form-action` too: the page's form ends at the program that has asked
/// for the sign-in, so that this origin is named there, and no other.
fn html(status: StatusCode, title: &str, body: &str, leads_to: Option<&str>) -> Response {
    html_reaching(status, title, body, PageReach { leads_to, ..PageReach::default() })
}

/// A page with the script that asks for passkeys.
fn html_with_script(status: StatusCode, title: &str, body: &str, leads_to: Option<&str>) -> Response {
    html_reaching(status, title, body, PageReach { leads_to, has_script: true, ..PageReach::default() })
}

fn html_reaching(status: StatusCode, title: &str, body: &str, reach: PageReach<'_>) -> Response {
    let refresh = |on| format!("<meta http-equiv=\"refresh\" content=\"{GOES_ON_AFTER_S}; url={}\">\n", escaped(on));
    let (script, allowed) = match reach.has_script {
        true => (format!("<script src=\"{}\" defer></script>\n", passkey::SCRIPT), " script-src 'self';"),
        false => (String::new(), ""),
    };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         {}<title>{} · Trunkline</title>\n<link rel=\"stylesheet\" href=\"{STYLE}\">\n{script}</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        reach.goes_on_to.map(refresh).unwrap_or_default(),
        escaped(title)
    );
    let leads_to = reach.leads_to.map(|source| format!(" {source}")).unwrap_or_default();
    let mut policy = format!(
        "default-src 'none';{allowed} style-src 'self'; form-action 'self'{leads_to}; base-uri 'none'; frame-ancestors 'none'"
    );
    if !reach.frames.is_empty() {
        let _ = write!(policy, "; frame-src {}", reach.frames.join(" "));
    }
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Other sites learn nothing of the query; the form still says where it comes from.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    let mut response = (status, head, page).into_response();
    // Sources have only characters of a header's value.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The title of a page, which says at once that something was wrong.
fn titled(title: &str, error: Option<&str>) -> String {
    if error.is_some() { format!("Error: {title}") } else { title.to_owned() }
}

/// What is wrong with what was sent, where a form says it.
fn error_line(error: Option<&str>) -> String {
    let line = |error| {
        format!("<p id=\"error\" class=\"error\" role=\"alert\"><strong>Error:</strong> {}</p>\n", escaped(error))
    };
    error.map(line).unwrap_or_default()
}

/// The beginning of a form.
fn form_begin(action: &str, token: &str) -> String {
    format!("<form method=\"post\" action=\"{}\">\n{}", escaped(action), form_fields(token))
}

/// The field of every form.
fn form_fields(token: &str) -> String {
    format!("<input type=\"hidden\" name=\"form_token\" value=\"{}\">\n", escaped(token))
}

/// A text within HTML, also within an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    fn form() -> SignInForm<'static> {
        SignInForm {
            query: "state=%22%3E&x=1",
            token: "t",
            asks_tenant: true,
            tenant: "",
            tenant_name: None,
            user: "\"><script>alert(1)</script>",
            error: Some("User name or password is wrong."),
            leads_to: Some("https://app.example"),
            provider: None,
            takes_password: true,
            passkey_href: None,
        }
    }

    #[tokio::test]
    async fn a_passkey_is_a_way_where_it_signs_in_alone() {
        let href = "https://centre.example/auth/v3/sign-in/passkey?a=1&b=\"";
        let offered = text(sign_in(StatusCode::OK, &SignInForm { passkey_href: Some(href), ..form() })).await;
        let link =
            "href=\"https://centre.example/auth/v3/sign-in/passkey?a=1&amp;b=&quot;\">Sign in with a passkey</a>";
        assert!(offered.contains(link) && !offered.contains("<script"), "{offered}");
        assert!(!text(sign_in(StatusCode::OK, &form())).await.contains("passkey"));
    }

    #[tokio::test]
    async fn a_provider_is_a_way_beside_the_password_or_the_only_one() {
        let provider = ProviderLink { name: "Acme <ID>", href: "https://centre.example/x?a=1&b=\"" };
        let both = SignInForm { provider: Some(provider), ..form() };
        let page = text(sign_in(StatusCode::OK, &both)).await;
        let link =
            "<a class=\"way\" href=\"https://centre.example/x?a=1&amp;b=&quot;\">Continue with Acme &lt;ID&gt;</a>";
        assert!(page.contains(link) && page.contains("id=\"password\""), "{page}");
        let only = text(sign_in(StatusCode::OK, &SignInForm { takes_password: false, ..both })).await;
        assert!(only.contains(link) && !only.contains("<form") && only.contains("role=\"alert\""), "{only}");
    }

    #[tokio::test]
    async fn what_was_typed_stays_text_and_every_field_has_its_label() {
        let page = text(sign_in(StatusCode::OK, &form())).await;
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
        for field in ["tenant", "username", "password"] {
            assert!(page.contains(&format!("<label for=\"{field}\">")) && page.contains(&format!("id=\"{field}\"")));
        }
        assert!(page.contains("role=\"alert\"") && page.contains("action=\"/auth/v3/sign-in?state=%22%3E&amp;x=1\""));
        let known = text(sign_in(StatusCode::OK, &SignInForm { asks_tenant: false, error: None, ..form() })).await;
        assert!(!known.contains("id=\"tenant\"") && !known.contains("role=\"alert\""));
        let at_host = SignInForm { asks_tenant: false, tenant_name: Some("Acme & Co"), ..form() };
        assert!(text(sign_in(StatusCode::OK, &at_host)).await.contains("<p>Acme &amp; Co</p>"));
    }

    #[tokio::test]
    async fn the_tenant_may_stand_before_the_user_name_in_place_of_its_field() {
        let page = text(sign_in(StatusCode::OK, &form())).await;
        let tag = |id: &str| {
            let (_, rest) = page.split_once(&format!("<input id=\"{id}\"")).unwrap();
            rest.split_once('>').unwrap().0.to_owned()
        };
        assert!(!tag("tenant").contains("required") && page.contains("such as tenant\\user."), "{page}");
        assert!(tag("username").contains(" required") && tag("password").contains(" required"), "{page}");
    }

    #[test]
    fn a_page_runs_nothing_is_framed_nowhere_and_leads_to_one_program() {
        let headers = sign_in(StatusCode::OK, &form()).headers().clone();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let alone = signed_in("Ann").headers()[header::CONTENT_SECURITY_POLICY].clone();
        assert!(alone.to_str().unwrap().contains("form-action 'self';"));
    }
}
