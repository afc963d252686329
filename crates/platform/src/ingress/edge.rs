//! What every request passes at the web edge, by either listener: who asks and how, its id, the way to HTTPS, the headers of its
//! answer, the access log and the counts.

mod access_log;
mod answer_headers;
mod metrics;
mod plain;
mod request_id;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use net::http::{TrustedProxies, WebClient};
use runtime::around::{Answering, Entrance, answered, around};
use runtime::server::Accepted;
use tokio::time::Instant;

pub(super) use metrics::Metrics;
pub(super) use plain::PlainOffLoopback;
pub(super) use request_id::RequestIds;

use super::routes::RouteFamily;
use access_log::AccessLine;
use metrics::StatusClass;

/// What requests pass.
#[derive(Clone)]
pub(super) struct Edge {
    /// Who is believed from whom a request is.
    pub trusted: TrustedProxies,
    /// What becomes of requests without TLS from other machines.
    pub plain: PlainOffLoopback,
    /// The port of HTTPS, as clients are told it.
    pub https_port: u16,
    /// Whether each request is logged.
    pub is_logged: bool,
    /// Ids for requests without one.
    pub ids: Arc<RequestIds>,
    /// The counts.
    pub metrics: Metrics,
}

impl Edge {
    /// All that in front of a router, for the listener that is bound to this address.
    pub fn around(&self, behind: impl Into<Entrance>, bound: IpAddr) -> Entrance {
        let edge = Arc::new(self.clone());
        around(behind, move |request: Request, behind: &Entrance| pass(&edge, bound, request, behind))
    }

    fn client(&self, request: &Request) -> Option<WebClient> {
        let accepted = request.extensions().get::<Accepted>()?;
        let client = self.trusted.client(accepted, request.headers());
        if client.is_passed_on {
            // The connection carries the requests of many: none of them is its owner, and it may stay without a token.
            accepted.mark_authenticated();
            accepted.takes(());
        }
        Some(client)
    }
}

fn pass(edge: &Arc<Edge>, bound: IpAddr, mut request: Request, behind: &Entrance) -> Answering {
    names_its_host(&mut request);
    let id = edge.ids.of(request.headers_mut());
    let client = edge.client(&request);
    if let Some(client) = client {
        request.extensions_mut().insert(client);
    }
    let family = RouteFamily::of(request.uri().path());
    let line = edge.is_logged.then(|| AccessLine::of(&request, client, &id, Instant::now()));
    let peer = request.extensions().get::<Accepted>().map(|accepted| accepted.peer.ip());
    let is_secure = client.is_some_and(|client| client.is_secure);
    let goes_on = match (client, peer) {
        (Some(client), Some(peer)) => {
            // Whom a web server that is believed lets in without TLS is its own matter.
            edge.trusted.contains(peer.to_canonical()) || edge.plain.lets_in(client, &[bound, peer], family)
        }
        // Without a connection there is nothing that could be listened to.
        _ => true,
    };
    let answer = if goes_on { behind.enter(request) } else { answered(plain::to_https(&request, edge.https_port)) };
    let edge = edge.clone();
    Box::pin(async move {
        let mut response = answer.await;
        answer_headers::add(response.headers_mut(), is_secure);
        response.headers_mut().insert(request_id::HEADER, id);
        edge.metrics.requests.inc(family, StatusClass::of(response.status()));
        match line {
            Some(line) => line.until_the_end_of(response),
            None => response,
        }
    })
}

/// HTTP/2 names the host beside the headers (RFC 9113 section 8.3.1). Handlers find it in one place.
fn names_its_host(request: &mut Request) {
    if request.headers().contains_key(header::HOST) {
        return;
    }
    let host = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
}

#[cfg(test)]
mod tests;
