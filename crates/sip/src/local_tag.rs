//! The tag of a dialog owned by a node: it names call, leg, tenant and owner, and cannot be forged.
//!
//! The form is `<connid>.<leg>.<tenant>.<node>.<epoch>.<seal>`. It is also the user part of the node's Contact, so that any
//! message within the dialog leads to the call's owner, or to its record if that owner has failed, without an index, with or
//! without Route headers.
//!
//! A dialog outlives the release that began it, and its peer always sends our tag as it first got it. So this form must stay
//! readable for ever, and it can be extended: further fields may precede the seal, and readers that do not know them skip them.
//! Changes beyond new fields take a version in front of the ConnID (`2.`), which all readers of tags must understand one
//! release before it is issued.

use std::fmt::Write as _;

use model::{ConnId, Epoch, LegId, NodeId, Owner, TenantId};

use crate::seal::{Purpose, SEAL_BYTES, Seal};

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

// 16 for the ConnID, 5 for the leg, 3 for each of 255 bytes of the tenant, 63 for the node, 20 for the epoch, 16 for the seal,
// 5 dots: 890; plus room for additions of later releases.
const TEXT_MAX: usize = 1_024;
/// Room for the tag of a tenant with a short name.
const TEXT_USUAL: usize = 124;

impl LocalTag {
    /// The sealed text.
    pub fn seal(&self, seal: &Seal) -> String {
        let mut text = String::with_capacity(TEXT_USUAL);
        // Writing to a String cannot fail.
        let _ = write!(text, "{}.{}.", self.call, self.leg);
        push_name(&mut text, self.tenant.as_str());
        let _ = write!(text, ".{}", self.owner);
        let mac = seal.sign(Purpose::LocalTag, text.as_bytes());
        text.push('.');
        push_hex(&mut text, &mac);
        text
    }

    /// Whether `text` could be a local tag, judged by its shape alone.
    pub fn looks_like_one(text: &str) -> bool {
        let bytes = text.as_bytes();
        text.len() <= TEXT_MAX && bytes.get(16) == Some(&b'.') && bytes.iter().take(16).all(u8::is_ascii_hexdigit)
    }

    /// Reads a sealed text; `None` for any tag that is not ours.
    pub fn open(text: &str, seal: &Seal) -> Option<Self> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (signed, mac) = text.rsplit_once('.')?;
        let mut fields = signed.split('.');
        let (call, leg, tenant) = (fields.next()?, fields.next()?, fields.next()?);
        let (node, epoch) = (fields.next()?, fields.next()?);
        let call = call.parse().ok().filter(|_| call.len() == 16)?;
        let leg = leg.parse().ok()?;
        let mac = hex(mac)?;
        if !seal.verifies(Purpose::LocalTag, signed.as_bytes(), &mac) {
            return None;
        }
        let owner = Owner { node: NodeId::parse(node).ok()?, epoch: Epoch(epoch.parse().ok()?) };
        Some(Self { call, leg: LegId(leg), tenant: TenantId::parse(&name(tenant)?).ok()?, owner })
    }
}

/// Appends a name as a part of a tag: letters, digits, `-` and `_` as they are, every other byte as `~` and two hex digits. All
/// of these are allowed unescaped in a token and in the user part of a URI (RFC 3261 section 25.1).
fn push_name(text: &mut String, name: &str) {
    for b in name.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') {
            text.push(char::from(b));
        } else {
            text.push('~');
            push_hex(text, &[b]);
        }
    }
}

fn name(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(b) = rest.next() {
        bytes.push(match b {
            b'~' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b => b,
        });
    }
    String::from_utf8(bytes).ok()
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for b in bytes {
        for digit in [b >> 4, b & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

fn hex(text: &str) -> Option<[u8; SEAL_BYTES]> {
    let ours = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * SEAL_BYTES || !ours {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(u64::to_be_bytes)
}

#[cfg(test)]
mod tests;
