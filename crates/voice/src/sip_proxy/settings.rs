//! The settings of sip-proxy.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use net::tls::identity::IdentityFiles;
use sip::digest::Algorithm;
use sip::proxy::Network;

use super::certificates::CertificateFiles;

runtime::settings! {
    /// Settings of sip-proxy.
    pub struct Settings {
        /// The hash that phones must use: `md5`, `sha-256` or `both`. Many phones support MD5 only, and some stop at a challenge
        /// that offers more.
        digest: String = "md5".to_owned(), |v| algorithms(v).map(drop);
        /// Destination of calls from trunks, as `192.0.2.1:5060`. If it is empty, they go to sip-cluster.
        static_route: String = String::new(), |v| super::optional_address(v).map(drop);
        /// Name servers that are asked for carriers' names, as `["192.0.2.53:53"]`. If there is none, those of the machine.
        name_servers: Vec<String> = Vec::new(), |v| v.iter().try_for_each(|one| super::optional_address(one).map(drop));
        /// Requests a second from a source that is on no trunk's list.
        source_requests_per_s: u32 = 200, |v| positive(*v);
        /// Requests a second from a source that is on a trunk's list.
        trunk_requests_per_s: u32 = 24_000, |v| positive(*v);
        /// Wrong passwords for one phone from one source before that phone has to wait there.
        wrong_passwords_free: u8 = 5, |v| if *v <= 100 { Ok(()) } else { Err("it must be at most 100".to_owned()) };
        /// TCP connections at once: of each listener, and of all outgoing ones together.
        connections: usize = 10_000, |v| at_least_one(*v);
        /// TCP connections at once of a listener from one address on which no phone has authenticated; for IPv6, from one /64.
        connections_per_source: usize = 256, |v| at_least_one(*v);
        /// How long a TCP connection on which a phone has authenticated may be silent. Phones ping every two minutes.
        idle: Duration = Duration::from_secs(600), |v| a_second(*v);
        /// Web servers in front of the ports for WebSocket, as `["192.0.2.80"]` or `["192.0.2.0/24"]`: from whom a WebSocket comes is read
        /// in their `X-Forwarded-For`. They must write that header themselves, whatever a client has sent. Our own ingress need not be named.
        web_proxies: Vec<String> = Vec::new(), |v| networks(v).map(drop);
        /// Certificates for SIP over TLS, each a PEM file with the certificate, those of its authorities and the private key, or two
        /// files as `chain.pem:key.pem`. The first is the usual one and is shown to carriers; another is used for who asks for a
        /// name in it. If there is none, sip-proxy makes one that nobody vouches for. Changed files are read without a restart.
        certificates: Vec<String> = Vec::new(), |v| paths(v);
        /// PEM files of the authorities that vouch for carriers called over TLS. If there is none, those of the system.
        server_authorities: Vec<String> = Vec::new(), |v| paths(v);
        /// PEM files of the authorities that vouch for who connects over TLS with a certificate. If there is none, nobody is asked for
        /// one. Each of them can vouch for any name, so for any trunk with `certificate_names`; `allow` beside the names confines that.
        client_authorities: Vec<String> = Vec::new(), |v| paths(v);
        /// Phones whose credentials are cached.
        credentials_cache: usize = 20_000;
    }
}

impl Settings {
    pub(super) fn socket_limits(&self) -> net::sip::Limits {
        net::sip::Limits {
            connections: self.connections,
            connections_per_source: self.connections_per_source,
            idle: self.idle,
            ..net::sip::Limits::default()
        }
    }

    pub(super) fn proxy_limits(&self) -> sip::proxy::Limits {
        sip::proxy::Limits {
            source_requests_per_s: self.source_requests_per_s,
            trunk_requests_per_s: self.trunk_requests_per_s,
            wrong_passwords_free: self.wrong_passwords_free,
            ..sip::proxy::Limits::default()
        }
    }

    pub(super) fn certificate_files(&self) -> CertificateFiles {
        let paths = |texts: &[String]| texts.iter().map(Into::into).collect();
        CertificateFiles {
            identities: self.certificates.iter().map(|text| IdentityFiles::parse(text)).collect(),
            servers: paths(&self.server_authorities),
            clients: paths(&self.client_authorities),
        }
    }

    pub(super) fn static_route(&self) -> Result<Option<SocketAddr>> {
        super::optional_address(&self.static_route).map_err(|reason| anyhow!("static_route: {reason}"))
    }

    pub(super) fn name_servers(&self) -> Result<Vec<SocketAddr>> {
        let parsed = self.name_servers.iter().filter_map(|one| super::optional_address(one).transpose());
        parsed.collect::<Result<_, _>>().map_err(|reason| anyhow!("name_servers: {reason}"))
    }

    pub(super) fn web_proxies(&self) -> Result<Vec<Network>> {
        networks(&self.web_proxies).map_err(|reason| anyhow!("web_proxies: {reason}"))
    }

    pub(super) fn algorithms(&self) -> Result<Vec<Algorithm>> {
        algorithms(&self.digest).map_err(|reason| anyhow!("digest: {reason}"))
    }
}

fn algorithms(text: &str) -> Result<Vec<Algorithm>, String> {
    match text {
        "md5" => Ok(vec![Algorithm::Md5]),
        "sha-256" => Ok(vec![Algorithm::Sha256]),
        // The stronger one first (RFC 8760 §2.3).
        "both" => Ok(vec![Algorithm::Sha256, Algorithm::Md5]),
        _ => Err(format!("{text:?} is none of md5, sha-256, both")),
    }
}

fn networks(texts: &[String]) -> Result<Vec<Network>, String> {
    let parsed = texts.iter().map(|text| Network::parse(text).ok_or(text));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|text| format!("{text:?} is no address and no network such as 192.0.2.0/24"))
}

fn paths(texts: &[String]) -> Result<(), String> {
    if texts.iter().any(String::is_empty) { Err("each must be a path".to_owned()) } else { Ok(()) }
}

fn at_least_one(value: usize) -> Result<(), String> {
    if value > 0 { Ok(()) } else { Err("must be at least 1".to_owned()) }
}

fn a_second(value: Duration) -> Result<(), String> {
    if value >= Duration::from_secs(1) { Ok(()) } else { Err("must be at least 1 s".to_owned()) }
}

fn positive(value: u32) -> Result<(), String> {
    if value > 0 { Ok(()) } else { Err("must be at least 1".to_owned()) }
}
