//! The OpenAPI document of auth: what programs ask for, and the pages that people are shown.

mod shapes;

use contracts::openapi::OpenApi;
use serde_json::{Value, json};

use crate::described_operation::{Answered, Content, DescribedOperation, Named, described};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const PAGE: Option<Content> = Some(("text/html", "Page"));
const TOKENS: Option<Content> = Some((JSON, "Tokens"));
const CLAIMS: Option<Content> = Some((JSON, "Claims"));
const OAUTH_FAULT: Option<Content> = Some((JSON, "OAuthFault"));
const ENVELOPE: Option<Content> = Some((JSON, "Envelope"));
const METADATA: &[Answered] = &[("200", "what this issuer has and can", Some((JSON, "Metadata")))];
const TYPED: Content = (FORM, "TypedForm");

/// What programs show: their secret by Basic, or what they are in the form, with a secret, an assertion or nothing.
const CLIENT: &[&str] = &["client", "inForm"];
/// What people show: a token, or the cookie of their session.
const PERSON: &[&str] = &["callerToken", "session"];
const TOKEN: &[&str] = &["callerToken"];
const SESSION: &[&str] = &["session"];

/// What every operation may answer too, besides what is its own.
const COMMON: &[Answered] = &[
    ("408", "the body did not come in time", Some(PROBLEM)),
    ("413", "the body is too large", Some(PROBLEM)),
    ("429", "too many attempts: repeat after Retry-After", Some(PROBLEM)),
    ("502", "auth cannot be reached", Some(PROBLEM)),
    ("503", "not available now: repeat after Retry-After", Some(PROBLEM)),
    ("504", "no answer in time", Some(PROBLEM)),
];
const PROBLEM: Content = ("application/problem+json", "Problem");
const SHOWN: &[Answered] = &[
    ("200", "the page", PAGE),
    ("303", "on to where the way leads: the sign-in, the program, a page of ours", None),
    ("400", "the request cannot be read", PAGE),
    ("403", "the form is over, or of another browser", PAGE),
];
const TAKEN: &[Answered] = &[
    ("200", "the next page", PAGE),
    ("303", "on to where the way leads: the program, or a page of ours", None),
    ("400", "the request cannot be read, or what was chosen may not be", PAGE),
    ("401", "what was shown is wrong: the same for whoever does not exist", PAGE),
    ("403", "the form is over, or of another browser", PAGE),
    ("409", "it was changed meanwhile", PAGE),
    ("429", "too much was wrong: repeat after Retry-After", PAGE),
    ("503", "not available now", PAGE),
];
const GRANTED: &[Answered] = &[
    ("200", "the tokens", TOKENS),
    ("400", "the grant is refused: `error` says why", OAUTH_FAULT),
    ("401", "the client has not proved itself: the same for one that does not exist", OAUTH_FAULT),
    ("429", "too many attempts: repeat after Retry-After", OAUTH_FAULT),
    ("503", "not available now: repeat after Retry-After", OAUTH_FAULT),
];
const TOLD: &[Answered] = &[
    ("200", "what is told", CLAIMS),
    ("401", "there is no valid token of a person", ENVELOPE),
    ("503", "not available now: repeat after Retry-After", ENVELOPE),
];
const DONE: &[Answered] = &[
    ("200", "it is done", ENVELOPE),
    ("400", "the request cannot be read, or what was chosen may not be", ENVELOPE),
    ("401", "what was shown is wrong, or nobody is signed in", ENVELOPE),
    ("403", "a page of another host has sent this, or who asks may not", ENVELOPE),
    ("404", "it does not exist", ENVELOPE),
    ("409", "it was changed meanwhile", ENVELOPE),
    ("429", "too many attempts: repeat after Retry-After", ENVELOPE),
    ("503", "not available now: repeat after Retry-After", ENVELOPE),
];
const AUTHORIZATION: &[Named] = &[
    ("response_type", "`code`"),
    ("client_id", "the program"),
    ("redirect_uri", "where it is sent on to"),
    ("scope", "what is asked for"),
    ("state", "what the program gets back"),
    ("nonce", "what the ID token has"),
    ("code_challenge", "of PKCE"),
    ("code_challenge_method", "`S256`"),
    ("prompt", "`none` or `login`"),
    ("max_age", "how many seconds ago somebody may have signed in"),
    ("login_hint", "who is meant"),
    ("tenant", "whose people sign in"),
    ("resource", "for which API the token is (RFC 8707)"),
];
const END_OF_SESSION: &[Named] = &[
    ("id_token_hint", "who is meant"),
    ("post_logout_redirect_uri", "where to go on"),
    ("client_id", "the program"),
    ("state", "what the program gets back"),
    ("global", "`true`: everywhere"),
];

const fn get(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [Answered],
) -> DescribedOperation {
    DescribedOperation::get(path, id, summary, answers)
}

const fn post(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    answers: &'static [Answered],
    body: Content,
) -> DescribedOperation {
    DescribedOperation::get(path, id, summary, answers).by("post").taking(body)
}

/// What programs ask for.
static OF_PROGRAMS: [DescribedOperation; 13] = [
    post("/auth/v3/oauth/token", "token", "A grant for tokens (RFC 6749)", GRANTED, (FORM, "Grant")).proved_by(CLIENT),
    post("/auth/v3/token", "tokenByJson", "The same with the members of a JSON object", GRANTED, (JSON, "Grant"))
        .proved_by(CLIENT),
    post(
        "/auth/v3/oauth/revoke",
        "revoke",
        "Give a token back (RFC 7009)",
        &[
            ("200", "it is good no more, or never was", None),
            ("400", "the request cannot be read", OAUTH_FAULT),
            ("401", "the client has not proved itself", OAUTH_FAULT),
            ("503", "other services cannot be told yet: repeat after Retry-After", OAUTH_FAULT),
        ],
        (FORM, "NamedToken"),
    )
    .proved_by(CLIENT),
    post(
        "/auth/v3/oauth/introspect",
        "introspect",
        "Whether a token is good now, and what it says (RFC 7662)",
        &[
            ("200", "`active`, and what the token says", CLAIMS),
            ("400", "the request cannot be read", OAUTH_FAULT),
            ("401", "the client has not proved itself", OAUTH_FAULT),
            ("503", "not available now: repeat after Retry-After", OAUTH_FAULT),
        ],
        (FORM, "NamedToken"),
    )
    .proved_by(&["client", "inForm", "callerToken"]),
    post(
        "/auth/v3/oauth/device_authorization",
        "deviceAuthorization",
        "A device without a keyboard asks for a code to show (RFC 8628)",
        &[
            ("200", "the codes", Some((JSON, "DeviceCodes"))),
            ("400", "the request is refused: `error` says why", OAUTH_FAULT),
            ("401", "the client has not proved itself", OAUTH_FAULT),
            ("429", "too many codes: repeat after Retry-After", OAUTH_FAULT),
            ("503", "not available now: repeat after Retry-After", OAUTH_FAULT),
        ],
        (FORM, "DeviceRequest"),
    )
    .proved_by(CLIENT),
    get("/auth/v3/userinfo", "user", "The person of a token", TOLD).proved_by(TOKEN),
    get("/auth/v3/openid/userinfo", "userInfo", "The claims about the person of a token (OpenID Connect)", TOLD)
        .proved_by(TOKEN),
    get("/auth/v3/openid/userinfo", "userInfoByPost", "The same", TOLD).by("post").proved_by(TOKEN),
    get("/auth/v3/jwt-userinfo", "userInfoInEnvelope", "The same in an envelope", TOLD).proved_by(TOKEN),
    post(
        "/auth/v3/change-password",
        "changePassword",
        "A person who knows the password chooses another one",
        DONE,
        (JSON, "PasswordChange"),
    )
    .proved_by(PERSON),
    post(
        "/auth/v3/auth-scheme",
        "authScheme",
        "How people sign in",
        &[("200", "by name and password", ENVELOPE)],
        (JSON, "Anything"),
    ),
    get(
        "/auth/v3/ping",
        "ping",
        "Whether somebody is signed in",
        &[
            ("200", "somebody is", ENVELOPE),
            ("403", "nobody is", ENVELOPE),
            ("503", "not available now: repeat after Retry-After", ENVELOPE),
        ],
    )
    .proved_by(PERSON),
    post(
        "/auth/v3/api-keys/uses",
        "takeKeyUses",
        "The web edge tells of uses of API keys; for no others",
        &[
            ("204", "it is noted", None),
            ("400", "it cannot be read", ENVELOPE),
            ("401", "it is not the web edge", ENVELOPE),
        ],
        (JSON, "Anything"),
    )
    .proved_by(TOKEN),
];

/// What is known of the issuer.
static OF_ISSUER: [DescribedOperation; 8] = [
    get(
        "/auth/v3/oauth/jwks",
        "keys",
        "The keys that verify tokens (RFC 7517)",
        &[("200", "the keys", Some((JSON, "KeySet")))],
    ),
    post(
        "/auth/v3/roles/keys",
        "keysForRoles",
        "The keys that verify tokens, those of roles too, and what was revoked; for roles of the installation, by an assertion",
        &[
            ("200", "a statement that auth has signed, and in a second line what it is about", Some(("text/plain", "Page"))),
            ("400", "the request cannot be read", OAUTH_FAULT),
            ("401", "it is no role of the installation", OAUTH_FAULT),
            ("503", "not available now: repeat after Retry-After", OAUTH_FAULT),
        ],
        (JSON, "RoleQuestion"),
    )
    .proved_by(&["inForm"]),
    get("/auth/v3/.well-known/openid-configuration", "openIdConfiguration", "OpenID Connect Discovery", METADATA),
    get("/auth/v3/.well-known/oauth-authorization-server", "serverMetadata", "The same (RFC 8414)", METADATA),
    get("/.well-known/openid-configuration", "openIdConfigurationOfHost", "The same", METADATA),
    get("/.well-known/oauth-authorization-server", "serverMetadataOfHost", "The same", METADATA),
    get("/.well-known/oauth-authorization-server/auth/v3", "serverMetadataOfPath", "The same", METADATA),
    get("/auth/v3/doc", "document", "This document", &[("200", "it", Some((JSON, "Anything")))]),
];

/// Pages for people.
static OF_PEOPLE: [DescribedOperation; 19] = [
    get("/auth/v3/oauth/authorize", "authorize", "Begin a sign-in for a program (RFC 6749)", SHOWN)
        .asking(AUTHORIZATION),
    post("/auth/v3/oauth/authorize", "authorizeByForm", "The same by a form", SHOWN, (FORM, "Authorization")),
    get("/auth/v3/sign-in", "signInPage", "The page of the sign-in", SHOWN).asking(AUTHORIZATION),
    post("/auth/v3/sign-in", "signIn", "What is sent from it: name and password, a code, a new password", TAKEN, TYPED),
    get("/auth/v3/sign-in/provider", "toProvider", "On to the tenant's OpenID Provider", PROVIDER)
        .asking(AUTHORIZATION),
    get("/auth/v3/sign-in/callback/{tenant}", "fromProvider", "Back from it", PROVIDER).asking(&[
        ("code", "what it gives"),
        ("state", "what it was given"),
        ("error", "why it gives nothing"),
        ("iss", "who it is"),
    ]),
    get("/auth/v3/sign-in/passkey", "passkeyPage", "The page of the sign-in by a passkey", SHOWN).asking(AUTHORIZATION),
    post("/auth/v3/sign-in/passkey", "signInByPasskey", "What is sent from it", TAKEN, TYPED),
    get("/auth/v3/device", "devicePage", "The page for the code that a device shows", SHOWN)
        .asking(&[("user_code", "the code")])
        .proved_by(SESSION),
    post("/auth/v3/device", "decideAboutDevice", "What is sent from it", TAKEN, TYPED).proved_by(SESSION),
    get(
        "/auth/v3/sessions",
        "sessions",
        "Where somebody is signed in: a page for browsers, JSON for programs",
        SESSIONS,
    )
    .proved_by(PERSON),
    post("/auth/v3/sessions", "endSessionByForm", "What is sent from the page", TAKEN, TYPED).proved_by(SESSION),
    get("/auth/v3/sessions/{id}", "endSession", "End one", DONE).by("delete").proved_by(PERSON),
    get("/auth/v3/second-factor", "secondFactorPage", "The page of the second factor, and of passkeys", SHOWN)
        .proved_by(SESSION),
    post("/auth/v3/second-factor", "changeSecondFactor", "What is sent from it", TAKEN, TYPED).proved_by(SESSION),
    get("/auth/v3/sign-out", "signOut", "Sign out (OpenID Connect RP-Initiated Logout)", SIGNED_OUT)
        .asking(END_OF_SESSION),
    get("/auth/v3/sign-out", "signOutByForm", "The same", SIGNED_OUT).by("post").asking(END_OF_SESSION),
    get("/auth/v3/sign-in.css", "style", "What the pages look like", &[("200", "it", Some(("text/css", "Page")))]),
    get("/auth/v3/passkey.js", "passkeyScript", "How pages ask for passkeys", SCRIPT),
];
const PROVIDER: &[Answered] = &[
    ("303", "on to the provider, or to where the way leads from it", None),
    ("400", "it cannot be read, or was not begun in this browser", PAGE),
    ("403", "who comes back may not sign in", PAGE),
    ("404", "the tenant has no provider", PAGE),
    ("502", "the provider does not answer as it should", PAGE),
];
const SESSIONS: &[Answered] = &[
    ("200", "they", PAGE),
    ("200", "the same", ENVELOPE),
    ("303", "on to the sign-in", None),
    ("401", "nobody is signed in", ENVELOPE),
];
const SIGNED_OUT: &[Answered] = &[
    ("200", "it is done", ENVELOPE),
    ("200", "a page that tells programs of it", PAGE),
    ("303", "on to the program", None),
    ("400", "the request cannot be read, or its address is not registered", ENVELOPE),
    ("401", "the token is not valid", ENVELOPE),
    ("403", "a page of another host has sent this", ENVELOPE),
];
const SCRIPT: &[Answered] = &[("200", "it", Some(("text/javascript", "Page")))];

/// What pages of the published API ask for beside its paths.
static OF_PUBLISHED_PAGES: [DescribedOperation; 5] = [
    get("/auth/sign-in.html", "publishedSignIn", "The sign-in page", &[("303", "on to it", None)]),
    get("/auth/profile.js", "publishedProfile", "Nothing that differs from the usual", SCRIPT),
    get("/auth/telemetry.js", "publishedTelemetry", "The same", SCRIPT),
    get("/auth/host-mapping", "publishedHosts", "The same", &[("200", "an empty object", Some((JSON, "Anything")))]),
    get("/ui/wwe/profile.js", "publishedDesktopProfile", "The same", SCRIPT),
];

/// The OpenAPI document of auth.
pub fn openapi() -> Value {
    let basic = json!({ "type": "http", "scheme": "basic", "description": "client_id and client_secret of a program" });
    let in_form = json!({
        "type": "oauth2",
        "description": "client_id in the form, with client_secret, with client_assertion (RFC 7523), or alone for public clients",
        "flows": { "clientCredentials": { "tokenUrl": "/auth/v3/oauth/token", "scopes": {} } },
    });
    let session = json!({ "type": "apiKey", "in": "cookie", "name": "trunkline-session" });
    let api = OpenApi::new("Trunkline: sign-in and tokens")
        .proof("client", basic)
        .proof("inForm", in_form)
        .proof("session", session);
    let tables: [&[DescribedOperation]; 4] = [&OF_PROGRAMS, &OF_ISSUER, &OF_PEOPLE, &OF_PUBLISHED_PAGES];
    let api = tables.into_iter().fold(api, |api, table| described(api, table, COMMON));
    shapes::all().into_iter().fold(api, |api, (name, shape)| api.shape(name, shape)).into_json()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::described_operation::faults;

    #[test]
    fn the_document_has_all_that_it_refers_to() {
        let document = openapi();
        assert_eq!(faults(&document), Vec::<String>::new());
        let token = &document["paths"]["/auth/v3/oauth/token"]["post"];
        assert_eq!(token["security"], json!([{ "client": [] }, { "inForm": [] }]));
        assert_eq!(document["paths"]["/auth/v3/oauth/jwks"]["get"]["security"], json!([]), "anybody may have the keys");
        let shown = &document["paths"]["/auth/v3/sessions"]["get"]["responses"]["200"]["content"];
        assert!(shown["text/html"].is_object() && shown[JSON].is_object(), "{shown}");
    }
}
