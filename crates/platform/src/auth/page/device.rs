//! The pages on which a person lets a device in.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;

use super::{error_line, escaped, form_begin, html};

/// The path of the page, below the issuer and below the host.
pub(in crate::auth) const BELOW_ISSUER: &str = "/device";
pub(in crate::auth) const PATH: &str = "/auth/v3/device";

const TITLE: &str = "Let a device in";

/// The form for the code that the device shows.
pub(in crate::auth) fn code(status: StatusCode, token: &str, typed: &str, error: Option<&str>) -> Response {
    let mut body = format!("<h1>{TITLE}</h1>\n");
    body.push_str(&error_line(error));
    let described = if error.is_some() { " aria-describedby=\"error hint\"" } else { " aria-describedby=\"hint\"" };
    let _ = writeln!(
        body,
        "{}<label for=\"user_code\">Code that the device shows</label>\n\
         <input id=\"user_code\" name=\"user_code\" value=\"{}\" autocomplete=\"off\" autocapitalize=\"characters\" \
         spellcheck=\"false\" required{described}>\n<p id=\"hint\">Eight letters, as WDJB-MJHT.</p>\n\
         <button type=\"submit\">Continue</button>\n</form>",
        form_begin(PATH, token),
        escaped(typed)
    );
    let title = if error.is_some() { "Error: Let a device in" } else { TITLE };
    html(status, title, &body, None)
}

/// What a person is asked about a device.
pub(in crate::auth) struct DeviceQuestion<'a> {
    /// The code that was entered.
    pub code: &'a str,
    /// The program that runs on the device.
    pub client: &'a str,
    /// The person's name.
    pub person: &'a str,
    /// What it would be granted.
    pub scopes: &'a [&'a str],
}

/// Whether it may.
pub(in crate::auth) fn question(token: &str, asked: &DeviceQuestion<'_>) -> Response {
    let mut body = format!(
        "<h1>{TITLE}?</h1>\n<p>The device shows the code <strong>{}</strong> and runs <strong>{}</strong>. It would act as {}:</p>\n<ul>\n",
        escaped(asked.code),
        escaped(asked.client),
        escaped(asked.person)
    );
    for scope in asked.scopes {
        let _ = writeln!(body, "<li>{}</li>", escaped(scope));
    }
    let _ = writeln!(
        body,
        "</ul>\n<p>Go on only if the device is before you and shows that code.</p>\n{}\
         <input type=\"hidden\" name=\"user_code\" value=\"{}\">\n\
         <button type=\"submit\" name=\"decision\" value=\"allow\">Let it in</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"deny\">Refuse it</button>\n</form>",
        form_begin(PATH, token),
        escaped(asked.code)
    );
    html(StatusCode::OK, TITLE, &body, None)
}

/// What was decided.
pub(in crate::auth) fn decided(is_allowed: bool) -> Response {
    let (title, text) = match is_allowed {
        true => ("The device is let in", "It goes on by itself within a few seconds. You may close this page."),
        false => ("The device is refused", "It gets nothing. You may close this page."),
    };
    html(StatusCode::OK, title, &format!("<h1>{title}</h1>\n<p>{text}</p>\n"), None)
}
