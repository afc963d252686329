//! Operations of the Provisioning API that are published and not served, each with the reason (503), as the book has it.

use axum::http::Method;
use axum::response::{IntoResponse as _, Response};

use super::PATH;
use crate::sessions::answers::ApiRefusal;
use crate::sessions::unserved::{self, Unserved, UnservedOperation};

const MAILBOXES: &str = "Trunkline neither reads nor sends mail";
const CERTIFICATES: &str = "recordings of calls are not encrypted by certificates";
const FILES: &str = "no operation takes a file from there";

/// All of them. A few others have routes of their own, which say that they are asked for in another way (501).
#[rustfmt::skip]
pub(super) const OPERATIONS: &[UnservedOperation<&str>] = &[
    ("DELETE", "/email-settings/inbound", "deleteInboundSettings", MAILBOXES),
    ("GET", "/email-settings/inbound", "getInboundSettings", MAILBOXES),
    ("GET", "/email-settings/outbound", "getOutboundSettings", MAILBOXES),
    ("POST", "/email-settings/inbound", "modifyInboundSettings", MAILBOXES),
    ("POST", "/email-settings/outbound", "modifyOutboundSettings", MAILBOXES),
    ("POST", "/recording/certificates/check", "recCertCheck", CERTIFICATES),
    ("POST", "/recording/certificates/check-key", "recCertCheckKey", CERTIFICATES),
    ("DELETE", "/recording/certificates", "recCertDelete", CERTIFICATES),
    ("GET", "/recording/certificates", "recCertGet", CERTIFICATES),
    ("POST", "/recording/certificates", "recCertPost", CERTIFICATES),
    ("POST", "/temporary-storage", "updateStorage", FILES),
];

/// The answer to what no route answers: with what it comes, 405, or that there is no such operation.
pub(super) fn answer(method: &Method, path: &str) -> Response {
    match unserved::found(OPERATIONS, method, path.strip_prefix(PATH).unwrap_or_default()) {
        Unserved::Operation(when) => ApiRefusal::unavailable(when).into_response(),
        Unserved::OtherMethods(methods) => unserved::without_method(&methods),
        Unserved::Unknown => ApiRefusal::unknown_operation().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::openapi;
    use super::*;
    use crate::test_published::{faults, of_client};

    #[test]
    fn all_that_is_published_is_described_or_listed_here() {
        let faults = faults("provisioning", PATH, &openapi::openapi(), OPERATIONS);
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(of_client("provisioning"), 89);
    }

    #[test]
    fn what_comes_later_says_with_what_and_a_wrong_method_which_there_are() {
        let answered = |method: Method, path: &str| answer(&method, &format!("{PATH}{path}")).status().as_u16();
        assert_eq!(answered(Method::GET, "/email-settings/inbound"), 503);
        assert_eq!(answered(Method::PATCH, "/email-settings/inbound"), 405);
        assert_eq!(answered(Method::GET, "/nothing"), 501);
    }
}
