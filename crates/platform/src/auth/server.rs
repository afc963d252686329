//! The routes of auth. All are open: each asks for its own proof, a cookie, a secret or a token.

use std::sync::Arc;

use axum::http::Method;
use axum::middleware::from_fn;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use runtime::issuer::{METADATA, PATH, PUBLISHED_PAGES};

use super::Auth;
use super::oauth::{
    api_keys, authorize, device_authorization, device_page, discovery, introspect, revoke, role_keys, token, userinfo,
};
use super::openapi;
use super::page::{self, published_pages};
use super::request::cors;
use super::sign_in::{self, change_password, second_factor_page, upstream};
use super::sign_out::{self, sessions};
use crate::key_uses;

/// Callers without a token are served: it is here that they get one.
pub(super) fn is_open(_: &Method, path: &str) -> bool {
    path.starts_with("/auth/v3/") || METADATA.contains(&path) || PUBLISHED_PAGES.contains(&path)
}

pub(super) fn router(auth: Arc<Auth>) -> Router {
    // What pages of clients ask for from the browser.
    let of_pages = Router::new()
        .route("/oauth/token", post(token::token))
        .route("/token", post(token::by_json))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/userinfo", get(userinfo::record))
        .route("/openid/userinfo", get(userinfo::openid).post(userinfo::openid))
        .route("/jwt-userinfo", get(userinfo::enveloped))
        .layer(from_fn(cors::share));
    let routes = Router::new()
        .merge(of_pages)
        .route("/oauth/authorize", get(authorize::authorize).post(authorize::authorize_by_form))
        .route("/oauth/device_authorization", post(device_authorization::begin))
        .route(page::device::BELOW_ISSUER, get(device_page::show).post(device_page::submit))
        .route(page::sessions::BELOW_ISSUER, get(sessions::list).post(sessions::submit))
        .route(page::second_factor::BELOW_ISSUER, get(second_factor_page::show).post(second_factor_page::submit))
        .route("/sessions/{id}", delete(sessions::end))
        .route("/change-password", post(change_password::change))
        .route("/oauth/introspect", post(introspect::introspect))
        .route(key_uses::BELOW_ISSUER, post(api_keys::take_uses))
        .route("/oauth/jwks", get(discovery::keys))
        .route("/roles/keys", post(role_keys::tell))
        .route("/.well-known/openid-configuration", get(discovery::document))
        .route("/.well-known/oauth-authorization-server", get(discovery::document))
        .route("/auth-scheme", post(sign_in::scheme))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route(upstream::BEGIN, get(sign_in::to_provider))
        .route(&format!("{}/{{tenant}}", upstream::CALLBACK), get(sign_in::from_provider))
        .route(page::passkey::BELOW_ISSUER, get(sign_in::show_passkey).post(sign_in::submit_passkey))
        .route("/sign-in.css", get(async || page::style()))
        .route(page::passkey::SCRIPT_BELOW_ISSUER, get(async || page::passkey::script()))
        .route("/sign-out", get(sign_out::sign_out).post(sign_out::sign_out))
        .route("/ping", get(sign_out::ping))
        .route("/doc", get(async || Json(openapi::openapi())));
    let nested = Router::new().nest(PATH, routes).merge(published_pages::router());
    METADATA.iter().fold(nested, |router, path| router.route(path, get(discovery::document))).with_state(auth)
}
