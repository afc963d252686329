//! The id of a client: whoever has it speaks for the client, within what the owner of the hub has checked before.

use std::fmt;
use std::sync::Arc;

use model::Entropy;

use crate::limits::ID_BYTES_MAX;

/// The id of a client, as a handshake has given it: 1 to 100 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Reads an id; nothing if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
    }

    /// A new id of 128 random bits, in hex.
    pub(crate) fn new(entropy: &mut dyn Entropy) -> Self {
        Self(format!("{:016x}{:016x}", entropy.next_u64(), entropy.next_u64()).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({:?})", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;

    #[test]
    fn an_id_is_visible_ascii_of_at_most_100_bytes() {
        let id = ClientId::new(&mut Seeded::new(1));
        assert_eq!(id.as_str().len(), 32);
        assert_eq!(ClientId::parse(id.as_str()), Some(id));
        assert_eq!(ClientId::parse(&"a".repeat(100)).map(|id| id.as_str().len()), Some(100));
        for wrong in ["", "a b", "ä", "a\n", &"a".repeat(101)] {
            assert_eq!(ClientId::parse(wrong), None, "{wrong:?}");
        }
    }
}
