//! The counts of the edge: requests by what they were for and how they were answered.

use axum::http::StatusCode;
use net::tls::web_certificates::CertificateGauges;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterByTwo, Label};

use crate::ingress::{page_session, phones, sign_in};

runtime::metrics! {
    /// Metrics of the web edge's listeners.
    #[derive(Clone)]
    pub(in crate::ingress) struct Metrics {
        /// Requests at the web edge, by what they were for and by the class of the answer's status.
        pub(super) requests: CounterByTwo<RouteFamily, StatusClass> = "ingress_requests";
        /// The end of the web edge's certificate that ends first, in seconds of Unix time.
        certificate_ends: Gauge = "ingress_certificate_ends_seconds";
        /// 1 while the certificates that the settings name cannot be used, and earlier ones or one of our own are used instead.
        certificates_unusable: Gauge = "ingress_certificates_unusable";
    }
}

impl Metrics {
    /// The gauges of the certificates.
    pub fn certificates(&self) -> CertificateGauges {
        CertificateGauges { ends: self.certificate_ends.clone(), unusable: self.certificates_unusable.clone() }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteFamily {
    /// Pages and their files, and every unknown path.
    Pages,
    /// The wallboard's numbers.
    Wallboard,
    /// Calls and agents: requests, events, webhooks.
    Voice,
    /// The topology and traces.
    Operations,
    /// Objects of the configuration.
    Configuration,
    /// Signing in, and tokens.
    Auth,
    /// The WebSocket of phones.
    Phones,
    /// Whether the role lives and is ready.
    Probes,
}

impl RouteFamily {
    /// That of a path.
    pub fn of(path: &str) -> Self {
        let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        match path {
            "/live" | "/ready" => Self::Probes,
            phones::PATH => Self::Phones,
            _ if sign_in::is_open(path) || page_session::is_open(path) => Self::Auth,
            _ if below("/api/voice") => Self::Voice,
            _ if below("/api/operations") => Self::Operations,
            _ if below("/agent-setup/api") => Self::Configuration,
            _ if below("/pulse") => Self::Wallboard,
            _ => Self::Pages,
        }
    }
}

impl Label for RouteFamily {
    const NAME: &'static str = "route";
    const ALL: &'static [Self] = &[
        Self::Pages,
        Self::Wallboard,
        Self::Voice,
        Self::Operations,
        Self::Configuration,
        Self::Auth,
        Self::Phones,
        Self::Probes,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Wallboard => "wallboard",
            Self::Voice => "voice",
            Self::Operations => "operations",
            Self::Configuration => "configuration",
            Self::Auth => "auth",
            Self::Phones => "phones",
            Self::Probes => "probes",
        }
    }
}

/// The class of a status (RFC 9110 section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusClass {
    /// 1xx: a WebSocket was opened.
    Informational,
    /// 2xx.
    Success,
    /// 3xx.
    Redirection,
    /// 4xx.
    ClientError,
    /// 5xx, and what is no status.
    ServerError,
}

impl StatusClass {
    /// That of a status.
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

impl Label for StatusClass {
    const NAME: &'static str = "status";
    const ALL: &'static [Self] =
        &[Self::Informational, Self::Success, Self::Redirection, Self::ClientError, Self::ServerError];

    fn text(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_of_one_family() {
        for (path, family) in [
            ("/", RouteFamily::Pages),
            ("/pulsed", RouteFamily::Pages),
            ("/pulse/api/v1/example/wallboard", RouteFamily::Wallboard),
            ("/api/voice/v1/example/events", RouteFamily::Voice),
            ("/api/operations/v1/topology", RouteFamily::Operations),
            ("/api/other", RouteFamily::Pages),
            ("/auth/v3/oauth/token", RouteFamily::Auth),
            ("/.well-known/openid-configuration", RouteFamily::Auth),
            ("/sip", RouteFamily::Phones),
            ("/live", RouteFamily::Probes),
        ] {
            assert_eq!(RouteFamily::of(path), family, "{path}");
        }
    }
}
