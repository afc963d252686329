//! Discovery (OpenID Connect Discovery 1.0, RFC 8414) and the keys that verify tokens (RFC 7517).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use identity::client::GrantType;
use identity::public_key::SignatureAlgorithm;
use identity::{pkce, scope};
use serde_json::{Value, json};

use super::super::Auth;
use super::super::request::cors;
use super::resource;

/// How long clients may keep both: a key is announced longer than that before it signs.
const CACHED: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=300");

/// The endpoints and what they can.
pub(in crate::auth) async fn document(State(auth): State<Arc<Auth>>) -> Response {
    ([CACHED, cors::ANYBODY], Json(described(auth.issuer()))).into_response()
}

/// The keys.
pub(in crate::auth) async fn keys(State(auth): State<Arc<Auth>>) -> Response {
    let keys: Vec<_> = auth.token_issuer.public_keys().into_iter().map(|(jwk, _)| jwk).collect();
    ([CACHED, cors::ANYBODY], Json(json!({ "keys": keys }))).into_response()
}

fn described(issuer: &str) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    let of_tenants = runtime::scope::TABLE.iter().map(|scope| scope.name).filter(|name| scope::is_of_tenant(name));
    let scopes = scope::OF_IDENTITY.into_iter().chain(of_tenants);
    let by = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let signed_by = SignatureAlgorithm::NAMES;
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "device_authorization_endpoint": at("/oauth/device_authorization"),
        "introspection_endpoint": at("/oauth/introspect"),
        "revocation_endpoint": at("/oauth/revoke"),
        "userinfo_endpoint": at("/openid/userinfo"),
        "end_session_endpoint": at("/sign-out"),
        "jwks_uri": at("/oauth/jwks"),
        "scopes_supported": scopes.collect::<Vec<_>>(),
        // RFC 9728 section 4: what `resource` may name (RFC 8707), besides the families.
        "protected_resources": resource::addresses(issuer),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": [by[0], by[1], by[2], "none"],
        "token_endpoint_auth_signing_alg_values_supported": signed_by,
        "introspection_endpoint_auth_methods_supported": by,
        "introspection_endpoint_auth_signing_alg_values_supported": signed_by,
        "revocation_endpoint_auth_methods_supported": [by[0], by[1], by[2], "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": signed_by,
        "code_challenge_methods_supported": [pkce::METHOD],
        "prompt_values_supported": ["none", "login"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "nonce", "sid", "tenant",
            "preferred_username", "name", "given_name", "family_name", "email"
        ],
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_below_the_issuer() {
        let issuer = "https://centre.example/auth/v3";
        let document = described(issuer);
        assert_eq!(document["issuer"], issuer);
        for (name, value) in document.as_object().unwrap() {
            if name.ends_with("_endpoint") || name.ends_with("_uri") {
                assert!(value.as_str().is_some_and(|url| url.starts_with(&format!("{issuer}/"))), "{name}");
            }
        }
        let resources = document["protected_resources"].as_array().unwrap();
        assert!(resources.contains(&json!("https://centre.example/api/voice/v1")), "{resources:?}");
        let scopes = document["scopes_supported"].as_array().unwrap();
        assert!(scopes.contains(&json!("openid")) && !scopes.contains(&json!(runtime::token::ROLE_SCOPE)));
        assert!(scopes.contains(&json!("webhooks")) && !scopes.contains(&json!("operate")));
        // RFC 8414 section 2: who announces private_key_jwt says which algorithms, and none is not one of them.
        for endpoint in ["token", "introspection", "revocation"] {
            let methods = &document[format!("{endpoint}_endpoint_auth_methods_supported")];
            let algorithms = &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            assert!(methods.as_array().unwrap().contains(&json!("private_key_jwt")), "{methods}");
            assert_eq!(*algorithms, json!(["ES256", "RS256", "PS256", "EdDSA", "Ed25519"]));
        }
    }
}
