//! Comparison of URIs (RFC 3261 §19.1.4).

use super::Uri;

pub(super) fn equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.as_str() == b.as_str()
}
