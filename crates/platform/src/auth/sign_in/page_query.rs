//! A request for a page of the sign-in, as handlers take it: its browser, its query, and what stands around the page's form.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::answers::Trouble;
use super::super::oauth::authorize;
use super::super::page::browser::RequestBrowser;
use super::super::people::tenant_host;
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::super::{Auth, page};
use super::{PageRequest, Setting, setting};

/// What somebody asks for.
pub(in crate::auth) struct PageQuery {
    source: RequestSource,
    headers: HeaderMap,
    parameters: Parameters,
    setting: Setting,
}

/// Why there is no page.
pub(in crate::auth) enum PageQueryFault {
    /// The query is none of a sign-in.
    Query(&'static str),
    /// It cannot be said now what stands around the form.
    Trouble(Trouble),
}

impl PageQuery {
    /// The same, lent to those who answer it.
    pub(super) fn request<'a>(&'a self, auth: &'a Auth) -> PageRequest<'a> {
        let browser = RequestBrowser { headers: &self.headers, source: &self.source };
        PageRequest { auth, browser, parameters: &self.parameters, setting: &self.setting }
    }
}

impl FromRequestParts<Arc<Auth>> for PageQuery {
    type Rejection = PageQueryFault;

    async fn from_request_parts(parts: &mut Parts, auth: &Arc<Auth>) -> Result<Self, PageQueryFault> {
        let Ok(source) = RequestSource::from_request_parts(parts, auth).await;
        let parameters = authorize::query(&parts.uri).map_err(PageQueryFault::Query)?;
        let parameters = tenant_host::named(auth, &source, parameters);
        let setting = setting(auth, &parameters).await.map_err(PageQueryFault::Trouble)?;
        Ok(Self { source, headers: parts.headers.clone(), parameters, setting })
    }
}

impl IntoResponse for PageQueryFault {
    fn into_response(self) -> Response {
        match self {
            Self::Query(fault) => page::fault(StatusCode::BAD_REQUEST, fault),
            Self::Trouble(trouble) => page::trouble(trouble),
        }
    }
}
