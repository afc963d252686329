//! Via branches of this proxy: the magic cookie, our own mark, a loop mark and a random number.

use std::fmt::{self, Display};

use super::rendezvous;
use crate::header::HeaderName;
use crate::message::Message;

/// The prefix of every branch of this proxy core: the magic cookie, and our own mark.
pub(super) const OUR_BRANCHES: &str = "z9hG4bKtk";

/// A branch: cookie, loop mark, and a random number that no stranger can guess.
pub(super) struct Branch {
    pub mark: u32,
    pub random: u64,
}

impl Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OUR_BRANCHES}{:08x}{:016x}", self.mark, self.random)
    }
}

/// The loop mark of a branch, if the branch is ours.
pub(super) fn branch_loop_mark(branch: &str) -> Option<u32> {
    let ours = branch.strip_prefix(OUR_BRANCHES)?;
    u32::from_str_radix(ours.get(..8)?, 16).ok()
}

/// A hash of everything that decides a request's route: a request that returns with all of it unchanged has looped (RFC
/// 3261 §16.6 step 8).
pub(super) fn loop_mark(message: &Message) -> u32 {
    let tag = |name| message.header(&name).unwrap_or_default();
    let parts = [message.request_uri().unwrap_or_default(), tag(HeaderName::CallId), tag(HeaderName::CSeq)];
    let hash = parts.iter().fold(0_u64, |h, part| h.rotate_left(7) ^ rendezvous::hash(part.as_bytes()));
    (rendezvous::weight(hash, 1) >> 32) as u32
}
