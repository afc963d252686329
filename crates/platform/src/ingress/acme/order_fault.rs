//! Why an order has not ended in a certificate, and what whoever reads that in the log can do about it.

use std::time::Duration;

use instant_acme::{Error, Problem};
use runtime::metrics::Label;

use super::schedule::OrderFailure;

/// The longest reason that is kept, in bytes.
const WHY_BYTES_MAX: usize = 600;
/// What the types of problems of ACME begin with (RFC 8555 section 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";
/// Our account is unknown at the server.
const NO_ACCOUNT: &str = "accountDoesNotExist";
/// The account, or who answers for a domain, may not do that.
const UNAUTHORIZED: &str = "unauthorized";
/// Somebody has to do something at an address that the server names (RFC 8555 section 7.3.3).
const USER_ACTION: &str = "userActionRequired";

const REACH_SERVER: &str =
    "see ingress.acme_directory and ingress.acme_authorities, and whether this machine reaches that server";
const EXTERNAL_ACCOUNT: &str = "set ingress.acme_external_account and ingress.acme_external_key as the authority has told you; \
    one that has served once may need to be got anew there";
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
    /// Whether the server does not know our account any more, or has ended it.
    pub lacks_account: bool,
    /// Whether asking for the same order again is of no use: the server has said no to it.
    pub is_final: bool,
}

impl OrderFault {
    /// The server has refused something, or it is no use.
    pub fn refused(why: impl Into<String>, remedy: &'static str) -> Self {
        let mut why = why.into();
        why.truncate(why.floor_char_boundary(WHY_BYTES_MAX));
        Self { is_unreached: false, retry_after: None, why, remedy, lacks_account: false, is_final: false }
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
        let kind = kind(problem);
        let why = domain.map_or_else(|| problem.to_string(), |domain| format!("{domain}: {problem}"));
        let is_for_now = matches!(kind, "rateLimited" | "serverInternal" | "badNonce" | USER_ACTION)
            || problem.status.is_some_and(|status| status == 429 || status >= 500);
        Self { lacks_account: kind == NO_ACCOUNT, is_final: !is_for_now, ..Self::refused(why, remedy(kind)) }
    }

    /// No account could be made.
    pub fn of_new_account(error: Error) -> Self {
        let is_binding = matches!(&error, Error::Api(problem)
            if matches!(kind(problem), UNAUTHORIZED | "malformed" | "externalAccountRequired"));
        let fault = Self::from(error);
        if is_binding { Self { remedy: EXTERNAL_ACCOUNT, ..fault } } else { fault }
    }

    /// Something was asked of the account itself, where no domain is in question.
    pub fn of_account(error: Error) -> Self {
        let is_ended = is_unauthorized(&error);
        let fault = Self::from(error);
        if is_ended { Self { lacks_account: true, remedy: remedy(NO_ACCOUNT), ..fault } } else { fault }
    }

    /// The certificate was requested, and has not come.
    pub fn of_download(error: Error) -> Self {
        match error {
            Error::Timeout(_) => {
                Self::refused("the server has not issued the certificate in time", "nothing: it is asked for again")
            }
            other => Self::from(other),
        }
    }

    /// The server has begun the order, and counts it: whatever fails then, it is not tried again as soon as if it were not reached.
    #[must_use]
    pub fn after_order(self) -> Self {
        Self { is_unreached: false, ..self }
    }

    /// With what the last answer of the server has asked: to wait, and to go to an address.
    #[must_use]
    pub fn with_answer(mut self, retry_after: Option<Duration>, address: Option<&str>) -> Self {
        if let Some(address) = address {
            // The address counts more than the end of a long speech.
            self.why.truncate(self.why.floor_char_boundary(WHY_BYTES_MAX / 2));
            self.why = format!("{}; see {address}", self.why);
            self.why.truncate(self.why.floor_char_boundary(WHY_BYTES_MAX));
        }
        Self { retry_after, ..self }
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

/// The type of a problem, without what all have in common.
fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().and_then(|kind| kind.strip_prefix(PROBLEM)).unwrap_or_default()
}

/// Whether the server says that somebody may not do that.
pub(super) fn is_unauthorized(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if kind(problem) == UNAUTHORIZED)
}

/// What can be done about a type of problem (RFC 8555 section 6.7).
fn remedy(kind: &str) -> &'static str {
    match kind {
        "connection" | "dns" | "tls" | UNAUTHORIZED | "incorrectResponse" => {
            "let each name of ingress.acme_domains lead to this machine, and port 443 there to the listener webs of ingress"
        }
        "rateLimited" => {
            "wait: it is tried again when the authority allows it; meanwhile change nothing to make it order more"
        }
        "externalAccountRequired" => EXTERNAL_ACCOUNT,
        USER_ACTION => "agree to the authority's new terms, at the address that it names",
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
    fn unauthorized_is_of_a_domain_or_of_the_account_itself() {
        let of = |make: fn(Error) -> OrderFault| make(Error::Api(problem(UNAUTHORIZED)));
        let domain = of(OrderFault::from);
        assert!(!domain.lacks_account && domain.remedy.contains("port 443"));
        let account = of(OrderFault::of_account);
        assert!(account.lacks_account && account.remedy.contains("another account"), "{}", account.remedy);
        let new = of(OrderFault::of_new_account);
        assert!(!new.lacks_account && new.remedy.contains("ingress.acme_external_key"), "{}", new.remedy);
        assert!(!OrderFault::of_account(Error::Api(problem("rateLimited"))).lacks_account);
    }

    #[test]
    fn what_is_refused_for_now_may_be_asked_for_again() {
        for (kind, is_final) in
            [("malformed", true), (UNAUTHORIZED, true), ("rateLimited", false), (USER_ACTION, false)]
        {
            assert_eq!(OrderFault::from(Error::Api(problem(kind))).is_final, is_final, "{kind}");
        }
        let busy = Problem { status: Some(503), ..problem("malformed") };
        assert!(!OrderFault::from(Error::Api(busy)).is_final);
        assert!(!OrderFault::from(Error::Other("cut off".into())).is_final);
        assert_eq!(OrderFault::from(Error::Other("cut off".into())).after_order().outcome(), OrderOutcome::Refused);
    }

    #[test]
    fn who_is_late_with_the_certificate_is_not_said_to_be_late_with_the_challenges() {
        let (ready, issued) = (OrderFault::from(Error::Timeout(None)), OrderFault::of_download(Error::Timeout(None)));
        assert!(ready.why.contains("challenges") && issued.why.contains("not issued"), "{} {}", ready.why, issued.why);
    }

    #[test]
    fn the_address_where_people_have_to_do_something_is_told() {
        let fault = OrderFault::from(Error::Api(problem(USER_ACTION)));
        let told = fault.with_answer(None, Some("https://ca.example/agree/7"));
        assert!(told.why.contains("says the server") && told.why.ends_with("see https://ca.example/agree/7"));
        let long = OrderFault::refused("ü".repeat(WHY_BYTES_MAX), SEE_SERVER);
        let told = long.with_answer(Some(Duration::from_secs(7)), Some("https://ca.example/agree/7"));
        assert!(told.why.ends_with("/agree/7") && told.retry_after == Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_long_speech_is_cut_between_two_letters() {
        let fault = OrderFault::refused("ü".repeat(WHY_BYTES_MAX), SEE_SERVER);
        assert_eq!(fault.why.len(), WHY_BYTES_MAX);
        assert_eq!(OrderFault::refused(format!("a{}", "ü".repeat(400)), SEE_SERVER).why.len(), WHY_BYTES_MAX - 1);
    }
}
