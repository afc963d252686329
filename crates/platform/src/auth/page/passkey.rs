//! The forms by which people make passkeys and show them. A script of ours, the only one of these pages, asks the browser for them.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use identity::passkey::ALGORITHMS;

use super::{SIGN_IN, error_line, escaped, form_fields, html_with_script, served, titled};

/// The path of the page at which a passkey signs in alone, below the issuer and below the host.
pub(in crate::auth) const BELOW_ISSUER: &str = "/sign-in/passkey";
pub(in crate::auth) const PATH: &str = "/auth/v3/sign-in/passkey";
/// The path of the script, below the issuer and below the host.
pub(in crate::auth) const SCRIPT_BELOW_ISSUER: &str = "/passkey.js";
pub(super) const SCRIPT: &str = "/auth/v3/passkey.js";
const JAVASCRIPT: &str = include_str!("passkey.js");

/// What a browser is asked for.
#[derive(Clone, Copy)]
pub(in crate::auth) struct AskedOfBrowser<'a> {
    /// What is to be signed.
    pub challenge: &'a str,
    /// The host for which the passkey is.
    pub host: &'a str,
    /// The ids of the person's passkeys, with blanks between; none where it is not known who it is.
    pub ids: &'a str,
}

/// A passkey that somebody makes.
#[derive(Clone, Copy)]
pub(in crate::auth) struct PasskeyToMake<'a> {
    pub asked: AskedOfBrowser<'a>,
    /// What the authenticator calls the person, what it shows as the name, and the person's own name.
    pub handle: &'a str,
    pub user: &'a str,
    pub person: &'a str,
}

/// The page at which a passkey signs in alone.
pub(in crate::auth) struct PasskeyPage<'a> {
    /// The query that the sign-in goes on with.
    pub query: &'a str,
    /// The token that binds it to the browser.
    pub token: &'a str,
    pub asked: AskedOfBrowser<'a>,
    /// What is wrong with what was sent.
    pub error: Option<&'a str>,
    /// Where the answer may lead besides this server, as a source of the policy (CSP).
    pub leads_to: Option<&'a str>,
}

/// The script.
pub(in crate::auth) fn script() -> Response {
    (served("text/javascript; charset=utf-8"), JAVASCRIPT).into_response()
}

/// Asks for a passkey, and for nothing else.
pub(in crate::auth) fn alone(status: StatusCode, page: &PasskeyPage<'_>) -> Response {
    let (title, query) = ("Sign in with a passkey", page.query);
    let [action, back] = [PATH, SIGN_IN].map(|path| match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    });
    let further = if page.error.is_some() { "" } else { " data-start" };
    let body = format!(
        "<h1>{title}</h1>\n{}{}<p><a href=\"{}\">Sign in another way</a></p>\n",
        error_line(page.error),
        show_form(&action, &form_fields(page.token), page.asked, &format!(" data-verification=\"required\"{further}")),
        escaped(&back)
    );
    html_with_script(status, &titled(title, page.error), &body, page.leads_to)
}

/// The form that shows a passkey; `hidden` are its own fields.
pub(super) fn show_form(action: &str, hidden: &str, asked: AskedOfBrowser<'_>, attributes: &str) -> String {
    let mut form = form_begin(action, hidden, "show", asked, attributes);
    form.push_str(&empty(&["credential", "client_data", "authenticator_data", "signature", "user_handle"]));
    form.push_str("<button type=\"submit\">Use a passkey</button>\n<p role=\"status\"></p>\n</form>\n");
    form
}

/// The form that makes one, with a field for its name and a button that says so.
pub(super) fn make_form(action: &str, hidden: &str, make: &PasskeyToMake<'_>, button: &str) -> String {
    let algorithms: Vec<String> = ALGORITHMS.iter().map(i64::to_string).collect();
    let attributes = format!(
        " data-handle=\"{}\" data-user=\"{}\" data-person=\"{}\" data-algorithms=\"{}\"",
        escaped(make.handle),
        escaped(make.user),
        escaped(make.person),
        algorithms.join(" ")
    );
    let mut form = form_begin(action, hidden, "make", make.asked, &attributes);
    form.push_str(&empty(&["client_data", "attestation"]));
    let _ = writeln!(
        form,
        "<label for=\"passkey-name\">Name of the passkey, as \"Phone\"</label>\n<input id=\"passkey-name\" name=\"name\" \
         maxlength=\"64\" autocomplete=\"off\">\n<button type=\"submit\">{}</button>\n<p role=\"status\"></p>\n</form>",
        escaped(button)
    );
    form
}

fn form_begin(action: &str, hidden: &str, what: &str, asked: AskedOfBrowser<'_>, attributes: &str) -> String {
    let AskedOfBrowser { challenge, host, ids } = asked;
    let challenge = escaped(challenge);
    format!(
        "<form method=\"post\" action=\"{}\" data-passkey=\"{what}\" data-challenge=\"{challenge}\" data-host=\"{}\" \
         data-ids=\"{}\"{attributes}>\n{hidden}<input type=\"hidden\" name=\"challenge\" value=\"{challenge}\">\n\
         <input type=\"hidden\" name=\"passkey\" value=\"{what}\">\n",
        escaped(action),
        escaped(host),
        escaped(ids)
    )
}

/// Fields that the script fills in.
fn empty(names: &[&str]) -> String {
    names.iter().fold(String::new(), |mut fields, name| {
        let _ = writeln!(fields, "<input type=\"hidden\" name=\"{name}\" value=\"\">");
        fields
    })
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    #[tokio::test]
    async fn the_page_has_one_script_of_this_host_and_what_it_needs() {
        let asked = AskedOfBrowser { challenge: "c\"h", host: "centre.example", ids: "" };
        let page = PasskeyPage { query: "state=\"&x=1", token: "t", asked, error: None, leads_to: Some("https://a") };
        let response = alone(StatusCode::OK, &page);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(body.matches("<script").count(), 1, "{body}");
        assert!(body.contains("<script src=\"/auth/v3/passkey.js\" defer></script>"), "{body}");
        for part in [
            "data-challenge=\"c&quot;h\"",
            "data-host=\"centre.example\"",
            "data-verification=\"required\" data-start",
            "action=\"/auth/v3/sign-in/passkey?state=&quot;&amp;x=1\"",
            "name=\"signature\"",
            "href=\"/auth/v3/sign-in?state=&quot;&amp;x=1\"",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
        let script = script();
        assert_eq!(script.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
    }

    #[test]
    fn a_passkey_is_made_with_the_algorithms_that_are_verified() {
        let asked = AskedOfBrowser { challenge: "c", host: "h", ids: "a b" };
        let make = PasskeyToMake { asked, handle: "u", user: "ann", person: "<Ann>" };
        let form = make_form("/x", "", &make, "Add & go");
        assert!(form.contains("<button type=\"submit\">Add &amp; go</button>"), "{form}");
        for part in [
            "data-algorithms=\"-7 -8 -257\"",
            "data-ids=\"a b\"",
            "data-person=\"&lt;Ann&gt;\"",
            "name=\"attestation\"",
        ] {
            assert!(form.contains(part), "{part}: {form}");
        }
    }
}
