//! The table of connections as data: who opens each, to whom. Read by metering and by the topology.

pub mod check;

use std::sync::LazyLock;

/// The published connections.
const PUBLISHED: &str = include_str!("../../../data/connections.tsv");
/// Our own connections.
const OWN: &str = include_str!("../../../data/own-connections.tsv");
/// Every name in them.
const PARTIES: &str = include_str!("../../../data/parties.tsv");

/// One connection of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Id, as `voice-27` or `own-16`.
    pub id: &'static str,
    /// Who opens it.
    pub from: &'static str,
    /// To whom.
    pub to: &'static str,
    /// Protocol as the drawing names it.
    pub protocol: &'static str,
    /// Port or ports, as text.
    pub port: &'static str,
}

/// A name in the table.
#[derive(Clone, Copy, Debug)]
struct Party {
    name: &'static str,
    kind: &'static str,
    members: &'static str,
}

static CONNECTIONS: LazyLock<Vec<Connection>> = LazyLock::new(|| {
    let rows = PUBLISHED.lines().skip(1).chain(OWN.lines().skip(1));
    rows.filter_map(|row| {
        let mut cells = row.split('\t');
        Some(Connection {
            id: cells.next()?,
            from: cells.next()?,
            to: cells.next()?,
            protocol: cells.next()?,
            port: cells.next()?,
        })
    })
    .collect()
});

static PARTIES_READ: LazyLock<Vec<Party>> = LazyLock::new(|| {
    PARTIES
        .lines()
        .skip(1)
        .filter_map(|row| {
            let mut cells = row.split('\t');
            let (name, kind, _) = (cells.next()?, cells.next()?, cells.next());
            Some(Party { name, kind, members: cells.next().unwrap_or_default() })
        })
        .collect()
});

/// Every connection: the published ones, then ours.
pub fn all() -> &'static [Connection] {
    &CONNECTIONS
}

/// The connection with that id.
pub fn find(id: &str) -> Option<&'static Connection> {
    CONNECTIONS.iter().find(|c| c.id == id)
}

/// Whether `party`, a name in the table, stands for `role`: it is the role, or a group that it belongs to.
pub fn stands_for(party: &str, role: &str) -> bool {
    if party == role || party == "every role" {
        return true;
    }
    if party == "cx-contact" {
        return role == "outbound";
    }
    let Some(row) = PARTIES_READ.iter().find(|p| p.name == party && p.kind == "group") else { return false };
    match row.name {
        "gws" => role.starts_with("gws-"),
        "ingress-controller" => role == "ingress",
        _ => row.members.split_whitespace().any(|m| m == role),
    }
}

/// Which of `ids` the role `from` opens: the connection that a request of that caller belongs to.
pub fn from_caller(ids: &[&'static str], from: &str) -> Option<&'static str> {
    ids.iter().copied().find(|id| find(id).is_some_and(|c| stands_for(c.from, from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_published_rows_and_ours() {
        assert_eq!(all().iter().filter(|c| !c.id.starts_with("own-")).count(), 146);
        assert_eq!(find("voice-27").map(|c| (c.from, c.to, c.port)), Some(("sip-cluster", "dialplan", "8800")));
    }

    #[test]
    fn a_caller_is_found_among_the_accepted_rows() {
        assert_eq!(from_caller(&["voice-22", "voice-23", "own-04"], "sip-proxy"), Some("voice-23"));
        assert_eq!(from_caller(&["voice-22"], "ors"), None);
        assert!(stands_for("gws", "gws-voice") && stands_for("every role", "rq"));
    }
}
