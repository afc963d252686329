//! The routes of salesforce-adapter. The page and its files are for everybody: the frame of another site shows no proof. What a tenant's
//! administrator takes to the org asks for a token.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use model::TenantId;
use net::http::{Caller, Problem};
use runtime::scope::CONFIG_READ;

use super::Metrics;
use super::call_center::{self, SoftphoneSize};
use super::softphone_page::{self, SoftphonePage};
use super::tenant_orgs::TenantOrgs;
use crate::asked_origin::asked_origin;

/// Below it is the page of each tenant, and what all of them load.
const OPEN: &str = "/salesforce/softphone/";

/// What the routes share.
pub(super) struct ServedSoftphone {
    pub orgs: TenantOrgs,
    pub open_cti_version: String,
    pub size: SoftphoneSize,
    pub metrics: Metrics,
}

pub(super) fn router(served: ServedSoftphone) -> Router {
    Router::new()
        .route("/salesforce/softphone/{tenant}", get(softphone))
        .route("/salesforce/softphone/files/{name}", get(file))
        .route("/salesforce/v1/{tenant}/call-center.xml", get(call_centre))
        .with_state(Arc::new(served))
}

/// Whether a path is served without a token.
pub(super) fn is_open(path: &str) -> bool {
    let Some(below) = path.strip_prefix(OPEN) else { return false };
    let name = below.strip_prefix("files/").unwrap_or(below);
    !name.is_empty() && !name.contains('/')
}

/// That a tenant lets nobody in looks like that there is no such tenant.
async fn softphone(
    State(served): State<Arc<ServedSoftphone>>,
    Path(tenant): Path<String>,
) -> Result<Response, Problem> {
    let orgs = match TenantId::parse(&tenant) {
        Ok(tenant) => served.orgs.of(&tenant).await?,
        Err(_) => Arc::default(),
    };
    let counted = if orgs.is_empty() { &served.metrics.pages_for_nobody } else { &served.metrics.pages };
    counted.inc();
    let (open_cti_version, height) = (served.open_cti_version.as_str(), served.size.height);
    Ok(SoftphonePage { orgs: &orgs, open_cti_version, height }.answer())
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    softphone_page::file(&name, &headers)
}

async fn call_centre(
    State(served): State<Arc<ServedSoftphone>>,
    Path(tenant): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(CONFIG_READ)?;
    if !served.orgs.is_tenant(&tenant) {
        return Err(Problem::not_found(format!("there is no tenant {tenant}")));
    }
    let Some(origin) = asked_origin(&headers) else {
        return Err(Problem::bad_request("ask by the web edge: the file names its address"));
    };
    let head = [
        (header::CONTENT_TYPE, "application/xml; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"call-center.xml\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, call_center::definition(&tenant, &origin, served.size)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_files_are_open_and_nothing_else_is() {
        for open in ["/salesforce/softphone/acme", "/salesforce/softphone/files/softphone.js"] {
            assert!(is_open(open), "{open}");
        }
        for closed in [
            "/",
            "/metrics",
            "/salesforce/softphone",
            "/salesforce/softphone/",
            "/salesforce/softphone/files/",
            "/salesforce/softphone/acme/x",
            "/salesforce/softphone/files/a/b",
            "/salesforce/v1/acme/call-center.xml",
            "/other/salesforce/softphone/acme",
        ] {
            assert!(!is_open(closed), "{closed}");
        }
    }
}
