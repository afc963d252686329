//! Via branches of this proxy: the magic cookie, our own mark, a loop mark, a random number, and the way back of a node's request.

use std::fmt::{self, Display};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::rendezvous;
use crate::derived_key::NONCE_BYTES;
use crate::header::HeaderName;
use crate::message::Message;
use crate::seal::{Purpose, Seal};

/// The prefix of every branch of this proxy core: the magic cookie, and our own mark.
pub(super) const OUR_BRANCHES: &str = "z9hG4bKtk";
/// The characters of a loop mark, and of it with the random number.
const MARK: usize = 8;
const HEAD: usize = MARK + 16;
/// The longest branch: one with the way back to a node that has a long name and an IPv6 address. Peers keep a Via in 512 bytes or more. A
/// way back that does not fit is in the transaction alone.
pub(super) const BRANCH_MAX: usize = 256;

/// A branch: cookie, loop mark, and a random number that no stranger can guess.
pub(super) struct Branch {
    pub mark: u32,
    pub random: u64,
}

impl Branch {
    /// As text, with the way back behind it if there is room.
    pub(super) fn with_path(&self, path: Vec<u8>, seal: &Seal) -> String {
        let mut text = String::with_capacity(BRANCH_MAX);
        text.push_str(&self.to_string());
        let head = text.len();
        URL_SAFE_NO_PAD.encode_string(seal.encrypt(Purpose::ReturnPath, self.nonce(), path), &mut text);
        if text.len() > BRANCH_MAX {
            text.truncate(head);
        }
        text
    }

    /// The way back of one branch cannot be put into another one.
    fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..4].copy_from_slice(&self.mark.to_be_bytes());
        nonce[4..].copy_from_slice(&self.random.to_be_bytes());
        nonce
    }
}

impl Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OUR_BRANCHES}{:08x}{:016x}", self.mark, self.random)
    }
}

/// The loop mark of a branch, if the branch is ours.
pub(super) fn branch_loop_mark(branch: &str) -> Option<u32> {
    let ours = branch.strip_prefix(OUR_BRANCHES)?;
    u32::from_str_radix(ours.get(..MARK)?, 16).ok()
}

/// The way back in a branch; `None` if it has none, or is not one that a proxy of the installation has made.
pub(super) fn path_in(branch: &str, seal: &Seal) -> Option<Vec<u8>> {
    let ours = branch.strip_prefix(OUR_BRANCHES).filter(|_| branch.len() <= BRANCH_MAX)?;
    let (head, path) = ours.split_at_checked(HEAD).filter(|(_, path)| !path.is_empty())?;
    let random = u64::from_str_radix(head.get(MARK..)?, 16).ok()?;
    let branch = Branch { mark: branch_loop_mark(branch)?, random };
    seal.decrypt(Purpose::ReturnPath, branch.nonce(), URL_SAFE_NO_PAD.decode(path).ok()?)
}

/// A hash of everything that decides a request's route: a request that returns with all of it unchanged has looped (RFC
/// 3261 §16.6 step 8).
pub(super) fn loop_mark(message: &Message) -> u32 {
    let tag = |name| message.header(&name).unwrap_or_default();
    let parts = [message.request_uri().unwrap_or_default(), tag(HeaderName::CallId), tag(HeaderName::CSeq)];
    let hash = parts.iter().fold(0_u64, |h, part| h.rotate_left(7) ^ rendezvous::hash(part.as_bytes()));
    (rendezvous::weight(hash, 1) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_read_from_the_whole_branch_alone() {
        let seal = Seal::new(&[9; 32]);
        let branch = Branch { mark: 1, random: 2 };
        let text = branch.with_path(b"back".to_vec(), &seal);
        assert!(crate::parse::is_token(&text) && text.starts_with(&branch.to_string()), "{text}");
        assert_eq!(path_in(&text, &seal).as_deref(), Some(&b"back"[..]));
        assert_eq!(branch_loop_mark(&text), Some(1));
        let moved = text.replacen(&branch.to_string(), &Branch { mark: 1, random: 3 }.to_string(), 1);
        let longer = format!("{text}A");
        for other in [moved, longer, text[..text.len() - 1].to_owned(), branch.to_string(), "z9hG4bKtk".to_owned()] {
            assert_eq!(path_in(&other, &seal), None, "{other}");
        }
        assert_eq!(path_in(&text, &Seal::new(&[8; 32])), None);
    }

    #[test]
    fn no_branch_is_longer_than_the_bound() {
        let (seal, branch) = (Seal::new(&[9; 32]), Branch { mark: 1, random: 2 });
        let lengths: Vec<usize> = (0..400).map(|path| branch.with_path(vec![b'x'; path], &seal).len()).collect();
        assert!(lengths.iter().all(|length| *length <= BRANCH_MAX), "{lengths:?}");
        assert_eq!((lengths[100] > lengths[0], lengths[399]), (true, branch.to_string().len()));
    }
}
