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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use infra::{Clock as _, SystemClock};
    use runtime::token::{ServiceIssuer, TokenIssuer};

    use super::*;

    static MEDIA: RoleSpec = RoleSpec { opens: &["voice-58"], ..RoleSpec::bare("media", 13) };
    /// It has a connection to sip-proxy: to another listener.
    static INGRESS: RoleSpec = RoleSpec { opens: &["own-24"], ..RoleSpec::bare("ingress", 40) };
    static TABLE: [&RoleSpec; 2] = [&MEDIA, &INGRESS];

    #[test]
    fn a_node_is_of_a_role_that_comes_to_the_port_of_nodes_and_names_itself() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let [media, ingress] = TABLE.map(|spec| ServiceIssuer::of_new_key(spec, clock.clone()).unwrap());
        let authority = TokenAuthority {
            tokens: TokenVerifier::of(&issuer, &[&media, &ingress]),
            table: &TABLE,
            accepts: SPEC.listen(NODES).unwrap().accepts,
        };
        let accepts = |of: &ServiceIssuer, announced: &str| {
            let token = of.token(&format!("{}-1", of.spec().name), SPEC.name).unwrap();
            authority.accepts(&token, &Announcement::parse(announced).unwrap(), clock.now())
        };
        assert!(accepts(&media, "media;node=media-1;epoch=5"));
        assert!(!accepts(&media, "media;node=media-2;epoch=5"));
        assert!(!accepts(&media, "sip-cluster;node=media-1;epoch=5"));
        assert!(!accepts(&ingress, "ingress;node=ingress-1;epoch=5"));
        assert!(!accepts(&ingress, "media;node=media-1;epoch=5"));
    }
}
