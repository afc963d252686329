//! From whom a web server in front of us got a request, as it writes it (`X-Forwarded-For`), and what else it writes of it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

/// Where a web server writes from whom it got a request, each behind what the one before it has written. Ingress alone is believed by other
/// roles, and drops what it was sent.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Where it writes by which scheme it got a request.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Where it writes by which name it was asked.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The most of these that are read, from the last: a few web servers may stand in a row.
pub(crate) const FORWARDERS_MAX: usize = 8;

/// The addresses that web servers have written, the last first, up to the first that is none: what stands before that says nothing.
pub(crate) fn forwarded_for(headers: &HeaderMap) -> Vec<IpAddr> {
    let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let written = lines.into_iter().rev().flat_map(|line| line.rsplit(',')).take(FORWARDERS_MAX);
    written.map_while(|one| address(one.trim())).collect()
}

/// `203.0.113.7`, `2001:db8::7`, or one of them with a port, as some write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}
