//! Ids: one type each, so that a place cannot be mistaken for a queue.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A text that is not a valid id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidId {
    /// Which id was expected.
    pub kind: &'static str,
    /// Which rule the text breaks.
    pub rule: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}: {}", self.kind, self.rule)
    }
}

impl std::error::Error for InvalidId {}

/// The longest name that any id may have, in bytes.
pub const NAME_MAX: usize = 255;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $kind:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text; it must have 1 to 255 bytes and no control characters.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if text.is_empty() {
                    return Err(InvalidId { kind: $kind, rule: "it is empty" });
                }
                if text.len() > NAME_MAX {
                    return Err(InvalidId { kind: $kind, rule: "it is longer than 255 bytes" });
                }
                if text.chars().any(char::is_control) {
                    return Err(InvalidId { kind: $kind, rule: "it has a control character" });
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )+};
}

names! {
    /// One customer company on the shared platform; in every key, token, topic, label and row.
    TenantId "tenant id",
    /// Directory number: any addressable telephony object of a tenant (phone, route point, queue, trunk).
    Dn "DN",
    /// An agent: a person's employee id, unique in the tenant.
    AgentId "agent id",
    /// A login code of an agent on the switch.
    AgentLoginCode "agent login code",
    /// A seat with its DNs.
    PlaceName "place name",
    /// A skill.
    SkillName "skill name",
    /// A session of an application: the call that it runs for, and its number within that call.
    SessionName "session name",
    /// A virtual queue: counts calls that wait for the same kind of agent.
    QueueName "queue name",
}

/// A call's id: 64 bits, unique per installation for years, never reused. Printed as 16 hex digits.
///
/// It is also the call's key in dialog tags and in the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The share of the call among `shares` equal ones, from 0 on; it is the same while their number is. The last bits of an id
    /// count within a millisecond and are nearly always 0: a remainder would put all calls into one share.
    pub const fn share_of(self, shares: usize) -> usize {
        // 2^64 divided by the golden ratio spreads differences in any bits over the upper ones (Knuth, volume 3, section 6.4).
        let spread = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((spread as u128 * shares as u128) >> u64::BITS) as usize
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({self})")
    }
}

impl FromStr for ConnId {
    type Err = InvalidId;

    /// Reads 16 hex digits; an owner suffix (`@node.epoch`) is allowed and ignored.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits = text.split('@').next().unwrap_or_default();
        if digits.len() != 16 {
            return Err(InvalidId { kind: "ConnID", rule: "it does not have 16 hex digits" });
        }
        u64::from_str_radix(digits, 16)
            .map(Self)
            .map_err(|_| InvalidId { kind: "ConnID", rule: "it does not have 16 hex digits" })
    }
}

/// A call's global id, kept through transfers: 128 bits, printed as 32 upper-case hex digits. Also the trace id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallUuid(pub u128);

impl fmt::Display for CallUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032X}", self.0)
    }
}

impl fmt::Debug for CallUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallUuid({self})")
    }
}

impl FromStr for CallUuid {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const BAD: InvalidId = InvalidId { kind: "CallUUID", rule: "it does not have 32 hex digits" };
        if text.len() != 32 {
            return Err(BAD);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| BAD)
    }
}

/// A leg of a call: one SIP dialog between us and a party. Numbered from 1 within the call, never reused in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub u16);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number by which a client recognises the event that answers its request; 0 is "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ReferenceId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_shared_out_evenly_although_their_ids_end_alike() {
        let mut shares = [0; 8];
        // One a millisecond, of one node: the last 23 bits are the same.
        for ms in 0..8_000_u64 {
            shares[ConnId(((0x1_94eb_0000 + ms) << 23) | 0x8000).share_of(8)] += 1;
        }
        assert!(shares.iter().all(|calls| (900..=1_100).contains(calls)), "{shares:?}");
        assert_eq!(ConnId(u64::MAX).share_of(1), 0);
    }
}
