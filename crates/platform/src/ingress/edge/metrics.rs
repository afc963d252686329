//! The counts of the edge: requests by what they were for and how they were answered.

use axum::http::StatusCode;
use net::tls::web_certificates::CertificateGauges;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterByTwo, Label};

use crate::ingress::routes::RouteFamily;

runtime::metrics! {
    /// Metrics of the web edge's listeners.
    #[derive(Clone)]
    pub(in crate::ingress) struct Metrics {
        /// Requests at the web edge, by what they were for and by the class of the answer's status.
        pub(super) requests: CounterByTwo<RouteFamily, StatusClass> = "ingress_requests";
        /// The end of the web edge's certificate that ends first, in seconds of Unix time.
        certificate_ends: Gauge = "ingress_certificate_ends_seconds";
        /// 1 while a certificate that the settings name cannot be used, and an earlier one, another or one of our own is used instead.
        certificates_unusable: Gauge = "ingress_certificates_unusable";
    }
}

impl Metrics {
    /// The gauges of the certificates.
    pub fn certificates(&self) -> CertificateGauges {
        CertificateGauges { ends: self.certificate_ends.clone(), unusable: self.certificates_unusable.clone() }
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
