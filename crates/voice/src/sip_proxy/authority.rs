//! Checks by its caller token that a peer on the nodes' port is the node that it announces.

use model::Timestamp;
use runtime::TokenVerifier;
use sip::proxy::{Announcement, NodeAuthority};
use tracing::warn;

use super::SPEC;

pub(super) struct TokenAuthority(TokenVerifier);

impl TokenAuthority {
    pub(super) const fn new(tokens: TokenVerifier) -> Self {
        Self(tokens)
    }
}

impl NodeAuthority for TokenAuthority {
    /// The token must belong to this installation, and name the announced role and node.
    fn accepts(&self, token: &str, announcement: &Announcement, _: Timestamp) -> bool {
        let owner = &announcement.owner;
        match self.0.verify(token, SPEC.name, &[]) {
            Ok(caller) => {
                let is = caller.role() == Some(&announcement.role) && caller.name() == owner.node.as_str();
                if !is {
                    warn!(%owner, role = %announcement.role, caller = caller.subject(), "a node says it is another");
                }
                is
            }
            Err(error) => {
                warn!(%owner, %error, "a peer without a valid token on the nodes' port");
                false
            }
        }
    }
}
