//! The certificates of HTTPS: those that the settings name, and what an ACME server issues; else one of our own making.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use net::tls::identity::IdentityFiles;
use net::tls::own_identity::OwnIdentity;
use net::tls::web_certificates::{self, CertificateGauges, WebCertificates};
use runtime::RoleContext;
use runtime::listener::Bound;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::acme::AcmeAtEdge;

/// Where none is set: a certificate of our own making, in the data directory.
pub const OWN_FILE: &str = "web-certificate.pem";

/// The files that the setting names.
pub(super) fn files(texts: &[String]) -> Vec<IdentityFiles> {
    texts.iter().map(|text| IdentityFiles::parse(text)).collect()
}

/// Checks the setting.
pub(super) fn check(texts: &[String]) -> Result<(), String> {
    if texts.iter().any(String::is_empty) { Err("each must be a path".to_owned()) } else { Ok(()) }
}

/// Reads them, and again whenever they change.
pub(super) fn watched(
    ctx: &RoleContext,
    set: Vec<IdentityFiles>,
    acme: Option<&AcmeAtEdge>,
    gauges: CertificateGauges,
) -> Result<watch::Receiver<Arc<ServerConfig>>> {
    let names = names(&[ctx.bound("webs")?, ctx.bound("web")?], ctx.tokens.issuer());
    let own = OwnIdentity::new(ctx.data_dir.join(OWN_FILE), names);
    let mut certificates = WebCertificates::new(set, own, gauges);
    if let Some(acme) = acme {
        certificates = certificates.with_issued(acme.issued.clone(), acme.challenges.clone());
    }
    web_certificates::watch(ctx, certificates).context("the certificates of the web edge")
}

/// By what names a browser may know the edge: its addresses, this machine, and the host of the public issuer.
fn names(bounds: &[Bound], issuer: &str) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    let of_edge = bounds.iter().flat_map(|bound| [bound.advertise.host.clone(), bound.listen.ip().to_string()]);
    for name in of_edge.chain(host_of(issuer)) {
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The host of a URL.
fn host_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    if let Ok(address) = authority.parse::<SocketAddr>() {
        return Some(address.ip().to_string());
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_our_own_is_for_every_name_of_the_edge() {
        let listen: SocketAddr = "192.0.2.1:8443".parse().unwrap();
        let bound = Bound { listen, advertise: listen.into() };
        let of = |issuer: &str| names(std::slice::from_ref(&bound), issuer);
        assert_eq!(of("trunkline"), ["localhost", "192.0.2.1"]);
        assert_eq!(of("https://centre.example/auth/v3"), ["localhost", "192.0.2.1", "centre.example"]);
        assert_eq!(of("https://centre.example:8443/auth/v3").last().unwrap(), "centre.example");
        assert_eq!(of("https://[2001:db8::1]:8443/auth/v3").last().unwrap(), "2001:db8::1");
        assert_eq!(of("https://[2001:db8::1]/auth/v3").last().unwrap(), "2001:db8::1");
        assert_eq!(of("https://192.0.2.1:8443/auth/v3").len(), 2);
    }
}
