//! The pages of the second factor: the code or the passkey after the password, an app that is taken over, passkeys that are made, recovery
//! codes. What is gone: `given_up`.

mod given_up;

use axum::http::StatusCode;
use axum::response::Response;

use super::super::request::parameters::Parameters;
use super::passkey::{self, AskedOfBrowser, PasskeyToMake};
use super::{SIGN_IN, error_line, escaped, form_begin, form_fields, html, html_with_script, qr, sessions, titled};

pub(in crate::auth) use given_up::{passkey_removed_alone, removed};

/// The path of the page of who is signed in, below the issuer and below the host.
pub(in crate::auth) const BELOW_ISSUER: &str = "/second-factor";
pub(in crate::auth) const PATH: &str = "/auth/v3/second-factor";

/// What the forms of a page are of: they come back together, or not at all.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::auth) struct ShownTexts<'a> {
    /// Of the app that may be taken over; empty where none may.
    pub secret: &'a str,
    /// Of the passkey that may be made, or is asked for; empty where neither is so.
    pub challenge: &'a str,
    /// Of the passkey that may be made.
    pub handle: &'a str,
}

impl<'a> ShownTexts<'a> {
    /// Those that a form has brought back.
    pub fn read(typed: &'a Parameters) -> Self {
        let [secret, challenge, handle] =
            ["secret", "challenge", "handle"].map(|name| typed.get(name).unwrap_or_default());
        Self { secret, challenge, handle }
    }

    /// As one text. None of them has the sign between them where it is ours.
    pub fn text(self) -> String {
        [self.secret, self.challenge, self.handle].join("/")
    }
}

/// A form of the sign-in after the password.
#[derive(Clone, Copy)]
pub(in crate::auth) struct StepForm<'a> {
    /// The query that the sign-in goes on with.
    pub query: &'a str,
    /// The token that binds it to the browser.
    pub token: &'a str,
    /// Who has shown the password.
    pub half: &'a str,
    /// What is wrong with what was sent.
    pub error: Option<&'a str>,
    /// Where the answer may lead besides this server, as a source of the policy (CSP).
    pub leads_to: Option<&'a str>,
}

/// An app that is to be taken over.
#[derive(Clone, Copy)]
pub(in crate::auth) struct NewApp<'a> {
    /// Its secret, in Base32.
    pub secret: &'a str,
    /// The same as an address.
    pub uri: &'a str,
}

/// A passkey of somebody.
pub(in crate::auth) struct PasskeyRow {
    /// Its id.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// When it was made, and when it was shown last, if it was: dates.
    pub created: String,
    pub last_used: Option<String>,
}

/// The passkeys of somebody who is signed in.
pub(in crate::auth) struct OwnPasskeys<'a> {
    pub rows: &'a [PasskeyRow],
    /// What another one would be.
    pub to_make: PasskeyToMake<'a>,
    /// Whether the person has signed in so lately that passkeys may be made and removed.
    pub may_change: bool,
    /// Whether there may be another one.
    pub has_room: bool,
}

/// What somebody who is signed in sees.
pub(in crate::auth) struct OwnSecondFactor<'a> {
    /// The person's name.
    pub person: &'a str,
    /// The token that binds the forms to the browser.
    pub token: &'a str,
    /// The app that may be taken over.
    pub app: NewApp<'a>,
    /// Whether there is an app already.
    pub has_app: bool,
    /// How many recovery codes are left; none for who has no second factor.
    pub recovery_left: Option<usize>,
    /// Whether changes need a code.
    pub needs_code: bool,
    /// Whether the tenant lets the person do without.
    pub may_remove: bool,
    /// The passkeys; none where there may be none.
    pub passkeys: Option<OwnPasskeys<'a>>,
    /// The sign-in at which the person signs in again.
    pub again: &'a str,
    /// What is wrong with what was sent.
    pub error: Option<&'a str>,
}

/// Recovery codes, which are shown this once.
pub(in crate::auth) struct ShownCodes<'a> {
    pub codes: &'a [String],
    /// Whether something is open that was to end.
    pub left_open: bool,
    /// The way on.
    pub to: &'a str,
    /// Whether nobody is signed in by it: the second factor is there, and the sign-in has failed.
    pub signs_in_again: bool,
}

/// Asks for the code, after the password.
pub(in crate::auth) fn code(status: StatusCode, form: &StepForm<'_>) -> Response {
    let title = "Enter your code";
    let body = format!(
        "<h1>{title}</h1>\n{}<p>Your authenticator app shows it. Without the app, enter one of your recovery codes.</p>\n{}{}\
         <button type=\"submit\">Sign in</button>\n</form>\n",
        error_line(form.error),
        step_begin(form),
        code_field("code", "code", "Code"),
    );
    html(status, &titled(title, form.error), &body, form.leads_to)
}

/// Asks for a passkey, after the password, and for a code of who does not have it here.
pub(in crate::auth) fn passkey_or_code(
    status: StatusCode,
    form: &StepForm<'_>,
    asked: AskedOfBrowser<'_>,
    has_app: bool,
) -> Response {
    let title = "Use your passkey";
    let fields = form_fields(form.token) + &hidden("half", form.half);
    let which = if has_app { "a code of your authenticator app, or a recovery code" } else { "a recovery code" };
    let body = format!(
        "<h1>{title}</h1>\n{}{}<h2>Without a passkey</h2>\n<p>Enter {which}.</p>\n{}{}{}\
         <button type=\"submit\">Sign in</button>\n</form>\n",
        error_line(form.error),
        passkey::show_form(&step_action(form), &fields, asked, " data-verification=\"preferred\""),
        step_begin(form),
        hidden("challenge", asked.challenge),
        code_field("code", "code", "Code"),
    );
    html_with_script(status, &titled(title, form.error), &body, form.leads_to)
}

/// Asks somebody who must have a second factor and has none to make a passkey or to take an app over, after the password. Without a script
/// the app is set up all the same.
pub(in crate::auth) fn first_factor(
    status: StatusCode,
    form: &StepForm<'_>,
    app: NewApp<'_>,
    to_make: Option<PasskeyToMake<'_>>,
) -> Response {
    let title = "Set up a second factor";
    let mut body = format!("<h1>{title}</h1>\n{}<p>For you a password alone is not enough.", error_line(form.error));
    // The token is of both: whichever form is sent, the page that follows has the same app.
    let mut of_both = hidden("secret", app.secret);
    if let Some(to_make) = &to_make {
        let fields = form_fields(form.token) + &hidden("half", form.half) + &of_both;
        let fields = fields + &hidden("handle", to_make.handle);
        body.push_str(
            " Use a passkey or an authenticator app: the other one can follow.</p>\n<h2>A passkey</h2>\n\
             <p>This device, your phone or a security key shows it for you, by a finger, a PIN or a touch. There is nothing to type.</p>\n\
             <noscript><p>Your browser runs no scripts here: use an app.</p></noscript>\n",
        );
        body.push_str(&passkey::make_form(&step_action(form), &fields, to_make, "Add a passkey and sign in"));
        body.push_str("<h2>An authenticator app</h2>\n");
        of_both += &(hidden("challenge", to_make.asked.challenge) + &hidden("handle", to_make.handle));
    } else {
        body.push_str("</p>\n");
    }
    body.push_str(&format!(
        "{}{}{of_both}{}<button type=\"submit\">Set up the app and sign in</button>\n</form>\n",
        app_lines(app),
        step_begin(form),
        code_field("code", "code", "Code that the app shows"),
    ));
    let title = titled(title, form.error);
    match to_make {
        Some(_) => html_with_script(status, &title, &body, form.leads_to),
        None => html(status, &title, &body, form.leads_to),
    }
}

/// The page of somebody who is signed in.
pub(in crate::auth) fn own(status: StatusCode, page: &OwnSecondFactor<'_>) -> Response {
    let title = "Second factor";
    let mut body = format!("<h1>{title}</h1>\n{}<p>of {}.</p>\n", error_line(page.error), escaped(page.person));
    let with = match (page.has_app, page.passkeys.as_ref().is_some_and(|passkeys| !passkeys.rows.is_empty())) {
        (true, true) => "and an authenticator app or a passkey",
        (false, true) => "and a passkey",
        _ => "and an authenticator app",
    };
    match page.recovery_left {
        None => body.push_str("<p>You sign in with your password alone.</p>\n"),
        Some(left) => {
            body.push_str(&format!("<p>You sign in with your password {with}. Recovery codes left: {left}.</p>\n"));
        }
    }
    if let Some(passkeys) = &page.passkeys {
        body.push_str(&passkeys_part(page, passkeys));
    }
    body.push_str(if page.has_app { "<h2>Another app</h2>\n" } else { "<h2>Set up an app</h2>\n" });
    body.push_str(&app_lines(page.app));
    body.push_str(&own_begin(page, "enrol"));
    body.push_str(
        "<label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>\n",
    );
    if page.needs_code {
        let which =
            if page.has_app { "Code of the app that you have now, or a recovery code" } else { "A recovery code" };
        body.push_str(&code_field("present-app", "present", which));
    }
    body.push_str(&code_field("code", "code", "Code that the new app shows"));
    body.push_str("<button type=\"submit\">Use this app</button>\n</form>\n");
    if page.recovery_left.is_some() {
        let which = if page.has_app { "Code of your app, or a recovery code" } else { "A recovery code" };
        let code = |id| if page.needs_code { code_field(id, "present", which) } else { String::new() };
        body.push_str("<h2>Other recovery codes</h2>\n<p>Those that you have end.</p>\n");
        body.push_str(&own_begin(page, "codes"));
        body.push_str(&code("present-codes"));
        body.push_str("<button type=\"submit\">Get other recovery codes</button>\n</form>\n");
        if page.may_remove {
            body.push_str("<h2>Without a second factor</h2>\n");
            body.push_str(&own_begin(page, "remove"));
            body.push_str(&code("present-remove"));
            body.push_str("<button type=\"submit\">Sign in with the password alone</button>\n</form>\n");
        }
    }
    match &page.passkeys {
        Some(_) => html_with_script(status, &titled(title, page.error), &body, None),
        None => html(status, &titled(title, page.error), &body, None),
    }
}

/// The passkeys that there are, each with a button that removes it, and the form that makes another one.
fn passkeys_part(page: &OwnSecondFactor<'_>, passkeys: &OwnPasskeys<'_>) -> String {
    let mut part = "<h2>Passkeys</h2>\n".to_owned();
    if !passkeys.rows.is_empty() {
        part.push_str("<ul>\n");
    }
    for row in passkeys.rows {
        let name = escaped(&row.name);
        let used = row.last_used.as_ref().map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
        part.push_str(&format!("<li><strong>{name}</strong>, made {}, {used}", escaped(&row.created)));
        if passkeys.may_change {
            part.push_str(&format!(
                "\n{}{}<button type=\"submit\">Remove {name}</button>\n</form>",
                own_begin(page, "remove-passkey"),
                hidden("id", &row.id)
            ));
        }
        part.push_str("</li>\n");
    }
    if !passkeys.rows.is_empty() {
        part.push_str("</ul>\n");
    }
    match (passkeys.may_change, passkeys.has_room) {
        (false, _) => part.push_str(&format!(
            "<p><a href=\"{}\">Sign in again</a> to add or remove passkeys.</p>\n",
            escaped(page.again)
        )),
        (true, false) => part.push_str("<p>You have as many passkeys as there may be.</p>\n"),
        (true, true) => {
            let fields = own_fields(page, "make-passkey");
            part.push_str(&passkey::make_form(PATH, &fields, &passkeys.to_make, "Add a passkey"));
        }
    }
    part
}

/// Recovery codes and the way on.
pub(in crate::auth) fn recovery_codes(shown: &ShownCodes<'_>) -> Response {
    let rows: String = shown.codes.iter().map(|code| format!("<li><code>{}</code></li>\n", escaped(code))).collect();
    let left_open = still_open(shown.left_open);
    let (failed, way_on) = match shown.signs_in_again {
        true => (
            "<p><strong>Your second factor is set up, but you could not be signed in now.</strong></p>\n",
            "Sign in again",
        ),
        false => ("", "Go on"),
    };
    let body = format!(
        "<h1>Your recovery codes</h1>\n{failed}{left_open}<p>Each signs you in once when you do not have your app or passkey. Print them \
         or write them down: they are not shown again.</p>\n<ul>\n{rows}</ul>\n<p><a href=\"{}\">{way_on}</a></p>\n",
        escaped(shown.to)
    );
    html(StatusCode::OK, "Your recovery codes", &body, None)
}

/// What is said of what was to end, and has not.
fn still_open(left_open: bool) -> String {
    match left_open {
        true => format!(
            "<p><strong>What else you have open could not be ended.</strong> <a href=\"{}\">End it yourself</a></p>\n",
            sessions::PATH
        ),
        false => String::new(),
    }
}

fn step_action(form: &StepForm<'_>) -> String {
    if form.query.is_empty() { SIGN_IN.to_owned() } else { format!("{SIGN_IN}?{}", form.query) }
}

fn step_begin(form: &StepForm<'_>) -> String {
    form_begin(&step_action(form), form.token) + &hidden("half", form.half)
}

/// Every form of the page has the app's secret, and what another passkey would be: the token is of the page as a whole.
fn own_begin(page: &OwnSecondFactor<'_>, action: &str) -> String {
    let challenge = page.passkeys.as_ref().map(|passkeys| hidden("challenge", passkeys.to_make.asked.challenge));
    format!("<form method=\"post\" action=\"{PATH}\">\n{}{}", own_fields(page, action), challenge.unwrap_or_default())
}

/// The hidden fields of a form, but for the challenge.
fn own_fields(page: &OwnSecondFactor<'_>, action: &str) -> String {
    let handle = page.passkeys.as_ref().map(|passkeys| hidden("handle", passkeys.to_make.handle));
    let fields = form_fields(page.token) + &hidden("secret", page.app.secret) + &hidden("action", action);
    fields + &handle.unwrap_or_default()
}

fn app_lines(app: NewApp<'_>) -> String {
    let groups: Vec<&str> = app.secret.as_bytes().chunks(4).filter_map(|group| str::from_utf8(group).ok()).collect();
    format!(
        "<p>Open an authenticator app and let it read this picture, or add an account by the key, as one that depends on the time. Then \
         enter the code that it shows.</p>\n{}<p><code>{}</code></p>\n\
         <p>On the device that has the app: <a href=\"{}\">open it there</a>.</p>\n",
        qr::picture(app.uri, "The key for the app, as a QR code").unwrap_or_default(),
        escaped(&groups.join(" ")),
        escaped(app.uri)
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value))
}

fn code_field(id: &str, name: &str, label: &str) -> String {
    format!(
        "<label for=\"{id}\">{label}</label>\n<input id=\"{id}\" name=\"{name}\" autocomplete=\"one-time-code\" autocapitalize=\"none\" \
         spellcheck=\"false\" required>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    const APP: NewApp<'static> = NewApp { secret: "GEZDGNBV", uri: "otpauth://totp/x?secret=GEZDGNBV&issuer=x" };

    #[tokio::test]
    async fn the_page_offers_what_there_is_to_change_and_each_field_has_its_label() {
        let page = |recovery_left: Option<usize>, may_remove| OwnSecondFactor {
            person: "<Ann>",
            token: "t",
            app: APP,
            has_app: recovery_left.is_some(),
            recovery_left,
            needs_code: recovery_left.is_some(),
            may_remove,
            passkeys: None,
            again: "/auth/v3/sign-in?tenant=acme&then=second-factor&prompt=login",
            error: None,
        };
        let none = text(own(StatusCode::OK, &page(None, true))).await;
        assert!(none.contains("&lt;Ann&gt;") && none.contains("GEZD GNBV") && none.contains("&amp;issuer=x"), "{none}");
        assert!(!none.contains("name=\"present\"") && none.contains("value=\"enrol\""), "{none}");
        let all = text(own(StatusCode::OK, &page(Some(9), true))).await;
        assert!(
            all.contains("Recovery codes left: 9.")
                && all.contains("value=\"codes\"")
                && all.contains("value=\"remove\"")
        );
        for id in ["password", "present-app", "code", "present-codes", "present-remove"] {
            assert_eq!(all.matches(&format!("for=\"{id}\"")).count(), 1, "{id}");
            assert_eq!(all.matches(&format!(" id=\"{id}\"")).count(), 1, "{id}");
        }
        let must = text(own(StatusCode::OK, &page(Some(9), false))).await;
        assert!(!must.contains("value=\"remove\""), "{must}");
    }

    #[tokio::test]
    async fn passkeys_are_listed_and_changed_by_who_has_signed_in_lately() {
        let asked = AskedOfBrowser { challenge: "ch", host: "centre.example", ids: "id1" };
        let to_make = PasskeyToMake { asked, handle: "ha", user: "ann", person: "Ann" };
        let row = |name: &str| PasskeyRow {
            id: "id1".to_owned(),
            name: name.to_owned(),
            created: "2026-01-01".to_owned(),
            last_used: None,
        };
        let rows = [row("<Phone>")];
        let page = |may_change: bool, has_room: bool| OwnSecondFactor {
            person: "Ann",
            token: "t",
            app: APP,
            has_app: false,
            recovery_left: Some(9),
            needs_code: !may_change,
            may_remove: true,
            passkeys: Some(OwnPasskeys { rows: &rows, to_make, may_change, has_room }),
            again: "/auth/v3/sign-in?tenant=acme&then=second-factor&prompt=login",
            error: None,
        };
        let lately = text(own(StatusCode::OK, &page(true, true))).await;
        assert!(lately.contains("Remove &lt;Phone&gt;") && lately.contains("value=\"make-passkey\""), "{lately}");
        assert!(lately.contains("your password and a passkey.") && !lately.contains("name=\"present\""), "{lately}");
        // Each form of the page has what its token is of.
        for field in ["name=\"secret\"", "name=\"challenge\"", "name=\"handle\"", "name=\"form_token\""] {
            assert_eq!(lately.matches(field).count(), lately.matches("<form").count(), "{field}: {lately}");
        }
        let long_ago = text(own(StatusCode::OK, &page(false, true))).await;
        assert!(!long_ago.contains("remove-passkey") && !long_ago.contains("make-passkey"), "{long_ago}");
        assert!(long_ago.contains("sign-in?tenant=acme&amp;then=second-factor&amp;prompt=login"), "{long_ago}");
        assert!(!text(own(StatusCode::OK, &page(true, false))).await.contains("make-passkey"));
    }

    #[tokio::test]
    async fn who_must_have_a_second_factor_chooses_one_and_both_forms_are_of_one_page() {
        let form = StepForm { query: "", token: "t", half: "h", error: None, leads_to: None };
        let asked = AskedOfBrowser { challenge: "ch", host: "centre.example", ids: "" };
        let to_make = PasskeyToMake { asked, handle: "ha", user: "acme/ann", person: "<Ann>" };
        let both = first_factor(StatusCode::OK, &form, APP, Some(to_make));
        let policy = both.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self'"), "{policy}");
        let both = text(both).await;
        assert!(both.contains("data-passkey=\"make\"") && both.contains("data-person=\"&lt;Ann&gt;\""), "{both}");
        for field in ["secret", "challenge", "handle", "half", "form_token"] {
            assert_eq!(both.matches(&format!("name=\"{field}\"")).count(), 2, "{field}: {both}");
        }
        for id in ["passkey-name", "code"] {
            let label = format!("for=\"{id}\"");
            assert!(both.matches(&label).count() == 1 && both.matches(&format!(" id=\"{id}\"")).count() == 1, "{id}");
        }
        let app = first_factor(StatusCode::OK, &form, APP, None);
        assert!(!app.headers()["content-security-policy"].to_str().unwrap().contains("script-src"));
        let app = text(app).await;
        assert!(!app.contains("passkey") && app.contains("name=\"secret\"") && app.contains("name=\"code\""), "{app}");
    }

    #[tokio::test]
    async fn recovery_codes_are_shown_and_what_is_still_open_is_said() {
        let codes = ["aaaa-bbbb".to_owned()];
        for left_open in [false, true] {
            let shown = ShownCodes { codes: &codes, left_open, to: "/on", signs_in_again: false };
            let page = text(recovery_codes(&shown)).await;
            assert!(page.contains("<code>aaaa-bbbb</code>") && page.contains("href=\"/on\""), "{page}");
            assert_eq!(page.contains("href=\"/auth/v3/sessions\""), left_open, "{page}");
        }
    }

    #[tokio::test]
    async fn the_steps_of_a_sign_in_carry_it_on() {
        let form =
            StepForm { query: "state=1&x=2", token: "t", half: "h", error: Some("No."), leads_to: Some("https://a") };
        let asked = AskedOfBrowser { challenge: "ch", host: "centre.example", ids: "id1" };
        for page in [
            code(StatusCode::OK, &form),
            first_factor(StatusCode::OK, &form, APP, None),
            passkey_or_code(StatusCode::OK, &form, asked, true),
        ] {
            let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
            let page = text(page).await;
            assert!(policy.contains("form-action 'self' https://a;"), "{policy}");
            assert!(page.contains("action=\"/auth/v3/sign-in?state=1&amp;x=2\"") && page.contains("Error:"), "{page}");
            assert!(page.contains("name=\"half\" value=\"h\"") && page.contains("name=\"code\""), "{page}");
        }
    }
}
