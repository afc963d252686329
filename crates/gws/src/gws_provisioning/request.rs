//! A request of a program: whose it is, and whether a page of another host has sent it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use net::http::WebClient;

use super::Provisioning;
use super::configuration_client::ConfigurationSide;
use super::import_history::ImportHistory;
use super::requesting_person::RequestingPerson;
use super::session::ProvisioningSession;
use super::sign_in::{CHANGES, ProvisioningSignIn};
use crate::page_origin;
use crate::session_cookie::PROVISIONING;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::bearer::bearer;

/// A request with the cookie of a session.
pub(super) struct ProvisioningRequest {
    /// The session.
    pub session: Arc<ProvisioningSession>,
    sign_in: ProvisioningSignIn,
    client: Option<WebClient>,
    imports: ImportHistory,
}

impl ProvisioningRequest {
    /// For whom the configuration is read.
    pub fn reads(&self) -> RequestingPerson {
        self.sign_in.asker(self.client)
    }

    /// For whom it is changed.
    ///
    /// # Errors
    /// 403 if the token that the session has begun by opens no changes.
    pub fn changes(&self) -> Result<RequestingPerson, ApiRefusal> {
        self.sign_in.person.needs(CHANGES)?;
        Ok(self.reads())
    }

    /// The sign-in that the session goes by.
    pub fn sign_in(&self) -> &ProvisioningSignIn {
        &self.sign_in
    }

    /// Tables of people that were sent.
    pub fn imports(&self) -> &ImportHistory {
        &self.imports
    }

    /// gws-configuration.
    pub fn configuration(&self) -> &dyn ConfigurationSide {
        &*self.session.parts.configuration
    }
}

impl FromRequestParts<Arc<Provisioning>> for ProvisioningRequest {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<Provisioning>) -> Result<Self, ApiRefusal> {
        let client = parts.extensions.get::<WebClient>().copied();
        check_page(state, &parts.method, &parts.headers, client.as_ref())?;
        let cookie = PROVISIONING.session_in(&parts.headers).ok_or_else(ApiRefusal::without_session)?;
        let session = state.session(&cookie).await?;
        let sign_in = session.sign_in().await;
        Ok(Self { session, sign_in, client, imports: state.imports.clone() })
    }
}

/// Refuses what may change something and was sent by a page of another host.
pub(super) fn check_page(
    state: &Provisioning,
    method: &Method,
    headers: &HeaderMap,
    client: Option<&WebClient>,
) -> Result<(), ApiRefusal> {
    page_origin::checked(method, headers, client, &state.base, &state.parts.metrics.foreign)
}

/// Somebody who has a session, or a token that could begin one.
pub(super) struct KnownAsker;

impl FromRequestParts<Arc<Provisioning>> for KnownAsker {
    type Rejection = ApiRefusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<Provisioning>) -> Result<Self, ApiRefusal> {
        match bearer(&parts.headers) {
            Some(token) => ProvisioningSignIn::of_token(&state.tokens, state.sessions.role, token).map(|_| Self),
            None => ProvisioningRequest::from_request_parts(parts, state).await.map(|_| Self),
        }
    }
}
