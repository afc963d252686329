//! Checks by its caller token that a peer on the nodes' port is the node that it announces, and one of a role that comes there.

use model::Timestamp;
use runtime::{RoleContext, RoleSpec, TokenVerifier, connections};
use sip::proxy::{Announcement, NodeAuthority};
use tracing::warn;

use super::SPEC;

/// The listener for nodes.
const NODES: &str = "nodes";

pub(super) struct TokenAuthority {
    tokens: TokenVerifier,
    table: &'static [&'static RoleSpec],
    /// The connections that the listener accepts.
    accepts: &'static [&'static str],
}

impl TokenAuthority {
    pub(super) fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        Ok(Self { tokens: ctx.tokens.clone(), table: ctx.table, accepts: ctx.listen(NODES)?.accepts })
    }

    /// Whether nodes of that role come here: others have connections to other listeners of sip-proxy.
    fn has_nodes(&self, role: &str) -> bool {
        !connections::opened_by(self.table, self.accepts, role).is_empty()
    }
}

impl NodeAuthority for TokenAuthority {
    /// The token must belong to this installation, and name the announced role and node.
    fn accepts(&self, token: &str, announcement: &Announcement, _: Timestamp) -> bool {
        let owner = &announcement.owner;
        match self.tokens.verify(token, SPEC.name, &[]) {
            Ok(caller) if !self.has_nodes(caller.kind()) => {
                warn!(%owner, caller = caller.subject(), "a peer without a connection to the nodes' port says it is a node");
                false
            }
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
