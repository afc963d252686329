//! Tags as earlier releases have issued them: `<connid>.<leg>.<tenant>.<node>.<epoch>.<seal>`, authenticated and readable by everybody.
//! Further fields may precede the seal.

use model::{Epoch, LegId, NodeId, Owner, TenantId};

use super::LocalTag;
use crate::seal::{Purpose, SEAL_BYTES, Seal};

/// Whether `text` could be such a tag, judged by its shape alone.
pub(super) fn looks_like_one(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.get(16) == Some(&b'.') && bytes.iter().take(16).all(u8::is_ascii_hexdigit)
}

/// Reads such a tag; `None` for any that is not ours.
pub(super) fn decode(text: &str, seal: &Seal) -> Option<LocalTag> {
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
    Some(LocalTag { call, leg: LegId(leg), tenant: TenantId::parse(&name(tenant)?).ok()?, owner })
}

/// A name within a tag: letters, digits, `-` and `_` as they are, every other byte as `~` and two hex digits.
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

fn hex(text: &str) -> Option<[u8; SEAL_BYTES]> {
    let ours = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * SEAL_BYTES || !ours {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(u64::to_be_bytes)
}
