//! The tag of a dialog owned by a node: it names call, leg, tenant and owner, shows nobody else any of it, and cannot be forged.
//!
//! The form is `2.<encrypted>`: the version, and in base 32 the ConnID, the leg, the epoch, the tenant and the node, encrypted with the
//! installation's key. It is also the user part of the node's Contact, so that any message within the dialog leads to the call's owner,
//! or to its record if that owner has failed, without an index, with or without Route headers.
//!
//! A dialog outlives the release that began it, and its peer always sends our tag as it first got it. So every form must stay
//! readable for ever: this one, and that of earlier releases (`former`). It can be extended: further fields may follow the node within
//! what is encrypted, and readers that do not know them skip them. Changes beyond new fields take another version. A rolling upgrade
//! needs every reader to understand a version one release before it is issued. `2.` is read and issued from the same release on, so the
//! step to it is not rolling (`docs/upgrading.md`).

use model::{ConnId, Epoch, LegId, NodeId, Owner, TenantId};

use crate::derived_key::{ENCRYPTED_MORE, NONCE_BYTES};
use crate::packed::{bytes_of, is_text, push_name, push_number, push_text, take_name, take_number};
use crate::seal::{Purpose, Seal};

mod former;

/// The content of a local tag.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LocalTag {
    /// The call.
    pub call: ConnId,
    /// The leg of the call that the dialog is.
    pub leg: LegId,
    /// The call's tenant: the call's record is among this tenant's.
    pub tenant: TenantId,
    /// The owner of the call when the dialog began. It may have another owner by now.
    pub owner: Owner,
}

/// What the form begins with.
const VERSION: &str = "2.";
/// Always the same, so that the tag of a dialog is, however often it is made.
const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];
// 8 bytes for the ConnID, 3 for the leg, 10 for the epoch, 257 for the tenant, 64 for the node, 16 to recognise it by: 358, as text 573;
// in the form of earlier releases 890; plus room for additions of later ones.
const TEXT_MAX: usize = 1_024;
/// Characters of a tag whose names and numbers take a byte each.
const TEXT_MIN: usize = VERSION.len() + (8 + 1 + 1 + 2 + 2 + ENCRYPTED_MORE) * 8 / 5;
/// Room for the content of the tag of a tenant with a short name.
const CONTENT_USUAL: usize = 80;

impl LocalTag {
    /// In the number of a leg: the dialog is not with the leg's phone or carrier, but with the node that has its audio.
    pub const WITH_NODE: u16 = 0x8000;

    /// The tag's text.
    pub fn encode(&self, seal: &Seal) -> String {
        let mut content = Vec::with_capacity(CONTENT_USUAL);
        content.extend_from_slice(&self.call.0.to_be_bytes());
        push_number(&mut content, self.leg.0.into());
        push_number(&mut content, self.owner.epoch.0);
        push_name(&mut content, self.tenant.as_str());
        push_name(&mut content, self.owner.node.as_str());
        let encrypted = seal.encrypt(Purpose::LocalTag, NONCE, content);
        let mut text = String::with_capacity(VERSION.len() + encrypted.len() * 8 / 5 + 1);
        text.push_str(VERSION);
        push_text(&mut text, &encrypted);
        text
    }

    /// Whether `text` could be a local tag, judged by its shape alone.
    pub fn looks_like_one(text: &str) -> bool {
        let is_this = |encrypted: &str| text.len() >= TEXT_MIN && is_text(encrypted);
        text.len() <= TEXT_MAX && (text.strip_prefix(VERSION).is_some_and(is_this) || former::looks_like_one(text))
    }

    /// Reads the text of a tag; `None` for any that is not ours.
    pub fn decode(text: &str, seal: &Seal) -> Option<Self> {
        if !Self::looks_like_one(text) {
            return None;
        }
        match text.strip_prefix(VERSION) {
            Some(encrypted) => Self::read(&seal.decrypt(Purpose::LocalTag, NONCE, bytes_of(encrypted)?)?),
            None => former::decode(text, seal),
        }
    }

    fn read(content: &[u8]) -> Option<Self> {
        let (call, mut rest) = content.split_first_chunk::<8>()?;
        let leg = u16::try_from(take_number(&mut rest)?).ok()?;
        let epoch = Epoch(take_number(&mut rest)?);
        let tenant = TenantId::parse(take_name(&mut rest)?).ok()?;
        let node = NodeId::parse(take_name(&mut rest)?).ok()?;
        Some(Self { call: ConnId(u64::from_be_bytes(*call)), leg: LegId(leg), tenant, owner: Owner { node, epoch } })
    }
}

#[cfg(test)]
mod tests;
