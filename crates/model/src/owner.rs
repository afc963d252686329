//! Ownership: nodes, epochs, fencing tokens, and the numbers of events.

use std::fmt;
use std::str::FromStr;

use crate::id::InvalidId;

/// A replica of a role, as `sip-cluster-1`: letters, digits and dashes, at most 63.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(std::sync::Arc<str>);

impl NodeId {
    /// Parses the text.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId { kind: "node id", rule: "it must have 1 to 63 letters, digits or dashes" })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of a node: `max(clock in ms, last epoch + 1)`, so that a restarted node never repeats one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

/// A node in one run, which can own a call. Printed as `node.epoch`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner {
    /// The node.
    pub node: NodeId,
    /// Its run.
    pub epoch: Epoch,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.epoch.0)
    }
}

impl FromStr for Owner {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const BAD: InvalidId = InvalidId { kind: "owner", rule: "it is not NODE.EPOCH" };
        let (node, epoch) = text.rsplit_once('.').ok_or(BAD)?;
        let epoch = epoch.parse().map_err(|_| BAD)?;
        Ok(Self { node: NodeId::parse(node)?, epoch: Epoch(epoch) })
    }
}

/// A fencing token: grows by one with each change of a record's owner. A commit with an older one is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Token(pub u64);

/// The number of an event within (subject, token): from 1, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Seq(pub u64);
