//! What a form of our pages sends: its fields, and the browser that they come from.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;
use super::super::{Auth, page};
use super::browser::RequestBrowser;

/// A form that was sent.
pub(in crate::auth) struct FormRequest {
    /// Where it comes from.
    pub source: RequestSource,
    pub headers: HeaderMap,
    /// Its fields.
    pub typed: Parameters,
}

/// Why it is none.
pub(in crate::auth) enum FormFault {
    /// Its body cannot be read.
    Body(BytesRejection),
    /// It is of another form.
    Fields(&'static str),
}

impl FormRequest {
    /// The browser that has sent it.
    pub fn browser(&self) -> RequestBrowser<'_> {
        RequestBrowser { headers: &self.headers, source: &self.source }
    }
}

impl FromRequest<Arc<Auth>> for FormRequest {
    type Rejection = FormFault;

    async fn from_request(request: Request, auth: &Arc<Auth>) -> Result<Self, FormFault> {
        let (mut parts, body) = request.into_parts();
        let Ok(source) = RequestSource::from_request_parts(&mut parts, auth).await;
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), auth).await.map_err(FormFault::Body)?;
        let typed = Parameters::of_form(&headers, &body).map_err(FormFault::Fields)?;
        Ok(Self { source, headers, typed })
    }
}

impl IntoResponse for FormFault {
    fn into_response(self) -> Response {
        match self {
            Self::Body(rejection) => rejection.into_response(),
            Self::Fields(fault) => page::fault(StatusCode::BAD_REQUEST, fault),
        }
    }
}
