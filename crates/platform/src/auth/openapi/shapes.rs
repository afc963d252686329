//! The shapes in the OpenAPI document of auth: forms, and what they are answered with.

use identity::client::GrantType;
use serde_json::{Value, json};

use crate::described_operation::{Named, object_of_texts};

/// By what a program says who it is, in each form of its.
const CLIENT: [Named; 5] = [
    ("client_id", "the program"),
    ("client_secret", "its secret"),
    ("client_assertion", "what it has signed, in the place of a secret (RFC 7523)"),
    ("client_assertion_type", "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`"),
    ("tenant", "its tenant"),
];

/// All of them.
pub(super) fn all() -> [(&'static str, Value); 17] {
    [
        ("Grant", grant()),
        ("Tokens", tokens()),
        ("NamedToken", form(&[("token", "the token"), ("token_type_hint", "what it is")], &["token"])),
        ("DeviceRequest", form(&[("scope", "what is asked for"), ("resource", "for which API (RFC 8707)")], &[])),
        ("DeviceCodes", device_codes()),
        (
            "OAuthFault",
            object_of_texts(&[("error", "which fault it is"), ("error_description", "for developers")], &["error"]),
        ),
        ("Claims", json!({ "type": "object" })),
        ("Envelope", envelope()),
        ("PasswordChange", password_change()),
        ("KeySet", key_set()),
        ("Metadata", metadata()),
        ("Authorization", authorization()),
        ("TypedForm", typed()),
        ("Page", json!({ "type": "string" })),
        ("Anything", json!({ "type": "object" })),
        ("Key", key()),
        ("RoleQuestion", role_question()),
    ]
}

/// A form of a program.
fn form(fields: &[Named], needed: &[&str]) -> Value {
    object_of_texts(&[fields, &CLIENT].concat(), needed)
}

fn grant() -> Value {
    let mut grant = form(
        &[
            ("code", "of authorization_code"),
            ("redirect_uri", "of authorization_code"),
            ("code_verifier", "of authorization_code, with PKCE"),
            ("refresh_token", "of refresh_token"),
            ("username", "of password"),
            ("password", "of password"),
            ("device_code", "of the grant for devices"),
            ("assertion", "of jwt-bearer"),
            ("subject_token", "of token-exchange: an API key"),
            ("subject_token_type", "of token-exchange"),
            ("requested_token_type", "of token-exchange"),
            ("scope", "what is asked for"),
            ("resource", "for which API the token is (RFC 8707)"),
        ],
        &["grant_type"],
    );
    grant["properties"]["grant_type"] = json!({ "type": "string", "enum": GrantType::ALL.map(GrantType::as_str) });
    grant
}

fn tokens() -> Value {
    let mut tokens = object_of_texts(
        &[
            ("access_token", "for the APIs"),
            ("token_type", "`Bearer`"),
            ("refresh_token", "for the next ones"),
            ("id_token", "who has signed in"),
            ("scope", "what the access token is for"),
            ("issued_token_type", "of token-exchange"),
        ],
        &["access_token", "token_type", "expires_in", "scope"],
    );
    tokens["properties"]["expires_in"] = json!({ "type": "integer", "description": "seconds" });
    tokens
}

fn device_codes() -> Value {
    let mut codes = object_of_texts(
        &[
            ("device_code", "what the device asks with"),
            ("user_code", "what it shows"),
            ("verification_uri", "where that is entered"),
            ("verification_uri_complete", "the same with the code"),
        ],
        &["device_code", "user_code", "verification_uri", "expires_in", "interval"],
    );
    for (name, meaning) in [("expires_in", "seconds"), ("interval", "seconds between two questions")] {
        codes["properties"][name] = json!({ "type": "integer", "description": meaning });
    }
    codes
}

fn envelope() -> Value {
    json!({
        "type": "object",
        "properties": {
            "status": {
                "type": "object",
                "properties": { "code": { "type": "integer", "description": "0: done" }, "message": { "type": "string" } },
                "required": ["code"],
            },
            "data": { "type": "object" },
            "operationId": { "type": "string" },
        },
    })
}

fn password_change() -> Value {
    let data = object_of_texts(
        &[
            ("userName", "who; without it whoever is signed in"),
            ("oldPassword", "the password of before"),
            ("newPassword", "the next one"),
        ],
        &["oldPassword", "newPassword"],
    );
    json!({
        "type": "object",
        "properties": { "data": data, "operationId": { "type": "string" } },
        "required": ["data"],
    })
}

fn key_set() -> Value {
    json!({
        "type": "object",
        "properties": { "keys": { "type": "array", "items": { "$ref": "#/components/schemas/Key" } } },
        "required": ["keys"],
    })
}

fn key() -> Value {
    object_of_texts(
        &[
            ("kty", "`EC`"),
            ("crv", "`P-256`"),
            ("x", "first coordinate"),
            ("y", "second coordinate"),
            ("kid", "its name: its thumbprint (RFC 7638)"),
            ("alg", "`ES256`"),
            ("use", "`sig`"),
        ],
        &["kty", "crv", "x", "y", "kid", "alg", "use"],
    )
}

fn role_question() -> Value {
    object_of_texts(
        &[
            ("client_assertion_type", "`urn:ietf:params:oauth:client-assertion-type:jwt-bearer`"),
            ("client_assertion", "what the role has signed (RFC 7523)"),
            ("nonce", "what the answer repeats"),
            ("known", "the version that the process has"),
        ],
        &["client_assertion_type", "client_assertion", "nonce"],
    )
}

fn metadata() -> Value {
    object_of_texts(
        &[
            ("issuer", "whom tokens name"),
            ("authorization_endpoint", "where a sign-in begins"),
            ("token_endpoint", "where tokens are"),
            ("jwks_uri", "where the keys are"),
        ],
        &["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"],
    )
}

fn authorization() -> Value {
    object_of_texts(super::AUTHORIZATION, &["response_type", "client_id"])
}

/// What the forms of pages send; each has a part of these fields.
fn typed() -> Value {
    object_of_texts(
        &[
            ("form_token", "by which the form is of this browser"),
            ("tenant", "whose people sign in"),
            ("username", "who"),
            ("password", "the password"),
            ("half", "who has shown a password, on the way to the second step"),
            ("code", "of an app, or a recovery code"),
            ("passkey", "which passkey was shown"),
            ("new_password", "a new password"),
            ("again", "the same once more"),
            ("user_code", "what a device shows"),
            ("decision", "whether it may"),
            ("action", "what is to be done"),
            ("id", "with which"),
        ],
        &[],
    )
}
