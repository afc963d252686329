//! INVITEs that are no calls yet, since something must be known first: their trunk, or who calls.

pub mod early_invites;
pub mod verification;

use model::Timestamp;
use sip::agent::DialogId;
use sip::{ConnectionId, Flow};

use crate::sip_cluster::node::Node;

impl Node {
    /// How many INVITEs wait.
    pub(in crate::sip_cluster::node) fn waiting_invites(&self) -> usize {
        self.early_invites.len() + self.verifications.len()
    }

    /// When it must be looked again at those that wait.
    pub(in crate::sip_cluster::node) fn waiting_timeout(&self) -> Option<Timestamp> {
        [self.early_invites.next_timeout(), self.verifications.next_timeout()].into_iter().flatten().min()
    }

    /// Those that wait go by another connection from now on.
    pub(super) fn move_waiting(&mut self, old: Flow, new: ConnectionId) {
        self.early_invites.move_links(old, new);
        self.verifications.move_links(old, new);
    }

    /// The caller of one that waits has given up.
    pub(super) fn forget_waiting(&mut self, dialog: DialogId) {
        self.early_invites.forget(dialog);
        self.forget_verification(dialog);
    }
}
