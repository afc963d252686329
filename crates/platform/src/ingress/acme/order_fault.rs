//! Why an order has not ended in a certificate, and what whoever reads that in the log can do about it.

use std::time::Duration;

use instant_acme::{Error, Problem};
use runtime::metrics::Label;

use super::schedule::OrderFailure;

/// The longest reason that is kept, in bytes.
const WHY_BYTES_MAX: usize = 600;
/// What the types of problems of ACME begin with (RFC 8555 section 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";
/// Its account is unknown at the server.
const NO_ACCOUNT: &str = "accountDoesNotExist";

const REACH_SERVER: &str =
    "see ingress.acme_directory and ingress.acme_authorities, and whether this machine reaches that server";
const SEE_SERVER: &str = "see what the authority says of it, and whether ingress.acme_directory is what you mean";

/// How orders end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderOutcome {
    /// With a certificate.
    Issued,
    /// The server has refused something, or did not come to an end in time.
    Refused,
    /// The server was not reached.
    Unreached,
}

impl Label for OrderOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Issued, Self::Refused, Self::Unreached];

    fn text(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Refused => "refused",
            Self::Unreached => "unreached",
        }
    }
}

/// Why there is no certificate.
#[derive(Debug)]
pub(super) struct OrderFault {
    /// Whether the server was not reached.
    pub is_unreached: bool,
    /// The wait that it asks for.
    pub retry_after: Option<Duration>,
    /// For people. The words of the server are in it, and no secret of ours.
    pub why: String,
    /// What can be done about it.
    pub remedy: &'static str,
    /// Whether the server does not know our account any more.
    pub lacks_account: bool,
}

impl OrderFault {
    /// The server has refused something, or it is no use.
    pub fn refused(why: impl Into<String>, remedy: &'static str) -> Self {
        let mut why = why.into();
        why.truncate(why.floor_char_boundary(WHY_BYTES_MAX));
        Self { is_unreached: false, retry_after: None, why, remedy, lacks_account: false }
    }

    /// Something of ours cannot be done: no server is to blame.
    pub fn own(why: &dyn std::fmt::Display) -> Self {
        Self::refused(why.to_string(), "see whether the data directory can be written, and the disk has room")
    }

    /// The server did not come to an end.
    pub fn late(within: Duration) -> Self {
        Self::refused(format!("the server did not come to an end within {} s", within.as_secs()), SEE_SERVER)
    }

    /// The server has said so, perhaps of a domain.
    pub fn said(problem: &Problem, domain: Option<&str>) -> Self {
        let kind = problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(PROBLEM)).unwrap_or_default();
        let why = domain.map_or_else(|| problem.to_string(), |domain| format!("{domain}: {problem}"));
        Self { lacks_account: kind == NO_ACCOUNT, ..Self::refused(why, remedy(kind)) }
    }

    /// As it counts for when to try again.
    pub fn failure(&self) -> OrderFailure {
        OrderFailure { is_unreached: self.is_unreached, retry_after: self.retry_after, why: self.why.clone() }
    }

    /// As it is counted.
    pub const fn outcome(&self) -> OrderOutcome {
        if self.is_unreached { OrderOutcome::Unreached } else { OrderOutcome::Refused }
    }
}

impl From<Error> for OrderFault {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) => Self::said(&problem, None),
            Error::Timeout(_) => Self::refused("the server has not looked at the challenges in time", SEE_SERVER),
            Error::Other(cause) => Self { is_unreached: true, ..Self::refused(with_causes(&*cause), REACH_SERVER) },
            other => Self::refused(with_causes(&other), SEE_SERVER),
        }
    }
}

/// What can be done about a type of problem (RFC 8555 section 6.7).
fn remedy(kind: &str) -> &'static str {
    match kind {
        "connection" | "dns" | "tls" | "unauthorized" | "incorrectResponse" => {
            "let each name of ingress.acme_domains lead to this machine, and port 443 there to the listener webs of ingress"
        }
        "rateLimited" => {
            "wait: it is tried again when the authority allows it; meanwhile change nothing to make it order more"
        }
        "externalAccountRequired" => {
            "set ingress.acme_external_account and ingress.acme_external_key as the authority has told you"
        }
        "userActionRequired" => "agree to the authority's new terms, at the address that it names",
        "rejectedIdentifier" | "unsupportedIdentifier" | "caa" => {
            "the authority issues nothing for a name of ingress.acme_domains: correct it, or the CAA records of its domain"
        }
        "invalidContact" | "unsupportedContact" => "correct ingress.acme_contact",
        NO_ACCOUNT => "nothing: another account is made at the next try",
        _ => SEE_SERVER,
    }
}

/// An error with its causes.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str) -> Problem {
        let detail = Some("says the server".to_owned());
        Problem { r#type: Some(format!("{PROBLEM}{kind}")), detail, status: Some(403), subproblems: Vec::new() }
    }

    #[test]
    fn what_a_server_says_comes_with_what_to_do() {
        for (kind, does) in [
            ("unauthorized", "port 443"),
            ("rateLimited", "wait"),
            ("externalAccountRequired", "ingress.acme_external_account"),
            ("caa", "CAA"),
            ("serverInternal", "ingress.acme_directory"),
        ] {
            let fault = OrderFault::from(Error::Api(problem(kind)));
            assert!(fault.remedy.contains(does), "{kind}: {}", fault.remedy);
            assert!(fault.why.contains("says the server"), "{}", fault.why);
            assert_eq!(fault.outcome(), OrderOutcome::Refused);
            assert!(!fault.lacks_account);
        }
        assert!(OrderFault::said(&problem(NO_ACCOUNT), Some("edge.example")).lacks_account);
        let away = OrderFault::from(Error::Other("no route".into()));
        assert_eq!((away.outcome(), away.why.as_str()), (OrderOutcome::Unreached, "no route"));
    }

    #[test]
    fn a_long_speech_is_cut_between_two_letters() {
        let fault = OrderFault::refused("ü".repeat(WHY_BYTES_MAX), SEE_SERVER);
        assert_eq!(fault.why.len(), WHY_BYTES_MAX);
        assert_eq!(OrderFault::refused(format!("a{}", "ü".repeat(400)), SEE_SERVER).why.len(), WHY_BYTES_MAX - 1);
    }
}
