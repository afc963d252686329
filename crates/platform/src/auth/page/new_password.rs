//! The page at which somebody chooses another password before the session begins.

use axum::http::StatusCode;
use axum::response::Response;

use super::{SIGN_IN, error_line, escaped, form_begin, html, titled};

/// Its form.
pub(in crate::auth) struct NewPasswordForm<'a> {
    /// The query that the sign-in goes on with.
    pub query: &'a str,
    /// The token that binds it to the browser.
    pub token: &'a str,
    /// Who has shown the present password.
    pub half: &'a str,
    /// What else was shown, and when.
    pub steps: &'a str,
    /// The person's user name, for what keeps passwords in the browser.
    pub user: &'a str,
    /// What is wrong with what was sent.
    pub error: Option<&'a str>,
    /// Where the answer may lead besides this server, as a source of the policy (CSP).
    pub leads_to: Option<&'a str>,
}

/// The form as a page.
pub(in crate::auth) fn ask(status: StatusCode, form: &NewPasswordForm<'_>) -> Response {
    let title = "Choose another password";
    let action = if form.query.is_empty() { SIGN_IN.to_owned() } else { format!("{SIGN_IN}?{}", form.query) };
    let described = if form.error.is_some() { " aria-describedby=\"error\"" } else { "" };
    let field = |name: &str, label: &str| {
        format!(
            "<label for=\"{name}\">{label}</label>\n<input id=\"{name}\" name=\"{name}\" type=\"password\" \
             autocomplete=\"new-password\" minlength=\"8\" required{described}>\n"
        )
    };
    let body = format!(
        "<h1>{title}</h1>\n{}<p>Before you go on, choose one that you alone know, with 8 characters at least. \
         What else you have open ends.</p>\n{}\
         <input type=\"hidden\" name=\"half\" value=\"{}\">\n<input type=\"hidden\" name=\"steps\" value=\"{}\">\n\
         <label for=\"username\">User name</label>\n\
         <input id=\"username\" value=\"{}\" autocomplete=\"username\" readonly>\n{}{}\
         <button type=\"submit\">Change the password and sign in</button>\n</form>\n",
        error_line(form.error),
        form_begin(&action, form.token),
        escaped(form.half),
        escaped(form.steps),
        escaped(form.user),
        field("new_password", "New password"),
        field("again", "New password, once more"),
    );
    html(status, &titled(title, form.error), &body, form.leads_to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_from_outside_is_text() {
        let form = NewPasswordForm {
            query: "tenant=acme",
            token: "t",
            half: "h",
            steps: "password.7",
            user: "<ann>",
            error: Some("\"wrong\""),
            leads_to: None,
        };
        let response = ask(StatusCode::BAD_REQUEST, &form);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let page = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(page.contains("&lt;ann&gt;") && page.contains("&quot;wrong&quot;"), "{page}");
        assert!(page.contains("action=\"/auth/v3/sign-in?tenant=acme\"") && page.contains("name=\"steps\""), "{page}");
    }
}
