//! The client of our own pages, which is built in. Ingress holds its tokens and proves itself by the key of its role, so that a code or a
//! refresh token that somebody else gets hold of is worth nothing.

use axum::http::HeaderMap;
use contracts::provisioning::{Grant, OAuthClient};
use identity::client::ClientRules;
use identity::login_name;

use super::super::Auth;
use super::super::request::session;
use crate::pages_client::{self, CALLBACK, CLIENT, HOLDER};

/// Whether that client is meant.
pub(in crate::auth) fn is_meant(id: &str) -> bool {
    login_name::is_same(id, CLIENT)
}

/// The client, as it would be configured: public, so that its codes need PKCE.
pub(in crate::auth) fn client(issuer: &str) -> OAuthClient {
    let base = issuer.strip_suffix(runtime::issuer::PATH).unwrap_or(issuer);
    OAuthClient {
        id: CLIENT.to_owned(),
        name: "Trunkline".to_owned(),
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        redirect_uris: vec![format!("{base}{CALLBACK}")],
        ..OAuthClient::default()
    }
}

/// Its rules for a request that asks for that redirect URI: without TLS the web edge is at any address of the browser's own machine.
pub(in crate::auth) fn at_this_machine(mut rules: ClientRules, asked: Option<&str>) -> ClientRules {
    let is_own = |uri: &&str| {
        let authority = uri.strip_prefix("http://").and_then(|rest| rest.strip_suffix(CALLBACK));
        authority.is_some_and(pages_client::is_this_machine)
    };
    rules.redirect_uris.extend(asked.filter(is_own).map(str::to_owned));
    rules
}

/// Whether the role that holds its tokens asks.
pub(in crate::auth) fn has_proof(auth: &Auth, headers: &HeaderMap) -> bool {
    is_role(auth, headers, HOLDER)
}

/// Whether that role asks, by its own key.
pub(in crate::auth) fn is_role(auth: &Auth, headers: &HeaderMap, role: &str) -> bool {
    let token = session::bearer(headers);
    let caller = token.and_then(|token| auth.ctx.tokens.verify(token, auth.ctx.spec.name, &[]).ok());
    caller.is_some_and(|caller| caller.role() == Some(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_our_pages_go_to_the_edge_alone() {
        let client = client("https://centre.example/auth/v3");
        let rules = ClientRules {
            id: client.id,
            is_confidential: false,
            grants: Vec::new(),
            redirect_uris: client.redirect_uris,
            scopes: Vec::new(),
            bounds_people: false,
        };
        let uris = |asked: &str| at_this_machine(rules.clone(), Some(asked)).redirect_uris;
        assert_eq!(uris("https://evil.example/session/callback"), ["https://centre.example/session/callback"]);
        assert_eq!(uris("http://127.3.0.1:8080/session/callback").len(), 2);
        for other in [
            "http://127.0.0.1:8080/other",
            "http://127.0.0.1:80@evil.example/session/callback",
            "http://evil.example/session/callback",
            "http://127.0.0.1/x/session/callback",
        ] {
            assert_eq!(uris(other).len(), 1, "{other}");
        }
    }
}
