//! Who asked for something.

use model::{Dn, ReferenceId, Request};

/// The origin of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The DN that the request names as its own (`ThisDN`).
    pub this_dn: Dn,
    /// The subject of the client's token.
    pub requester: String,
    /// The reference number that the client chose.
    pub reference: ReferenceId,
}

impl Asked {
    /// The origin of this request.
    pub(crate) fn by(request: &Request) -> Self {
        Self { this_dn: request.this_dn.clone(), requester: request.requester.clone(), reference: request.reference }
    }
}
