//! A request of a desktop: whose it is, and whether a page of another host has sent it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use net::http::{WebClient, is_meant_for};

use super::desk_sign_in::DeskSignIn;
use super::session::DeskSession;
use super::{Workspace, page_origin};
use crate::session_cookie::WORKSPACE;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::bearer::bearer;

/// A request with the cookie of a session, by a page of the same person.
pub(super) struct DeskRequest {
    /// The session.
    pub session: Arc<DeskSession>,
}

impl FromRequestParts<Arc<Workspace>> for DeskRequest {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, workspace: &Arc<Workspace>) -> Result<Self, ApiRefusal> {
        let client = parts.extensions.get::<WebClient>().copied();
        check_page(workspace, &parts.method, &parts.headers, client.as_ref())?;
        let cookie = WORKSPACE.session_in(&parts.headers).ok_or_else(ApiRefusal::without_session)?;
        let session = workspace.session(&cookie).await?;
        // The page of the person of before does not see either what the one of now does: whatever it asks for is refused.
        if !is_meant_for(&parts.headers, &session.sign_in().person.user) {
            return Err(ApiRefusal::another_person());
        }
        Ok(Self { session })
    }
}

/// Refuses what may change something and was sent by a page of another host.
pub(super) fn check_page(
    workspace: &Workspace,
    method: &Method,
    headers: &HeaderMap,
    client: Option<&WebClient>,
) -> Result<(), ApiRefusal> {
    page_origin::checked(method, headers, client, &workspace.base, &workspace.parts.metrics.foreign)
}

/// Somebody who has a session, or a token that could begin one.
pub(super) struct KnownAsker;

impl FromRequestParts<Arc<Workspace>> for KnownAsker {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, workspace: &Arc<Workspace>) -> Result<Self, ApiRefusal> {
        match bearer(&parts.headers) {
            Some(token) => DeskSignIn::of_token(&workspace.tokens, workspace.sessions.role, token).map(|_| Self),
            None => DeskRequest::from_request_parts(parts, workspace).await.map(|_| Self),
        }
    }
}
