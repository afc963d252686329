//! The table of connections as data: which party opens each, to which. Used by metering and by the topology.

pub mod check;
pub mod coverage;
pub mod role_scopes;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::spec::RoleSpec;

/// The published connections.
const PUBLISHED: &str = include_str!("../../../data/connections.tsv");
/// Our own connections.
const OWN: &str = include_str!("../../../data/own-connections.tsv");
/// Every name in the two tables.
const PARTIES: &str = include_str!("../../../data/parties.tsv");

/// One connection of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Id, as `voice-27` or `own-16`.
    pub id: &'static str,
    /// The party that opens it.
    pub from: &'static str,
    /// The party that accepts it.
    pub to: &'static str,
    /// Protocol as the drawing names it.
    pub protocol: &'static str,
    /// Port or ports, as text.
    pub port: &'static str,
    /// The data that it carries.
    pub carries: &'static str,
    /// A known error in the drawing; for our own rows, the reason.
    pub note: &'static str,
}

impl Connection {
    /// Whether it is our own, counted separately from the published ones.
    pub fn is_own(&self) -> bool {
        self.id.starts_with("own-")
    }

    /// The first part of its id: its drawing.
    pub fn drawing(&self) -> &'static str {
        self.id.split_once('-').map_or(self.id, |(drawing, _)| drawing)
    }
}

/// A name in the table.
#[derive(Debug)]
struct Party {
    kind: &'static str,
    members: Vec<&'static str>,
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
            carries: cells.next()?,
            note: cells.next().unwrap_or_default(),
        })
    })
    .collect()
});

/// By their ids: every request of a role asks by what connection it comes.
static BY_ID: LazyLock<HashMap<&'static str, &'static Connection>> =
    LazyLock::new(|| CONNECTIONS.iter().map(|connection| (connection.id, connection)).collect());

/// The connections to Consul in the drawings.
static TO_CONSUL: LazyLock<Vec<&'static Connection>> =
    LazyLock::new(|| CONNECTIONS.iter().filter(|row| row.to == "consul" && !row.is_own()).collect());

static PARTIES_READ: LazyLock<HashMap<&'static str, Party>> = LazyLock::new(|| {
    PARTIES
        .lines()
        .skip(1)
        .filter_map(|row| {
            let mut cells = row.split('\t');
            let (name, kind, _) = (cells.next()?, cells.next()?, cells.next());
            let members = cells.next().unwrap_or_default().split_whitespace().collect();
            Some((name, Party { kind, members }))
        })
        .collect()
});

/// The kind of a name of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A role of ours, or a job.
    Role,
    /// Several roles under one name.
    Group,
    /// A store or another server that roles use.
    Infrastructure,
    /// A party outside the installation.
    Outside,
}

/// The kind of that name.
pub fn kind(party: &str) -> Option<Kind> {
    PARTIES_READ.get(party).and_then(|p| match p.kind {
        "role" | "job" => Some(Kind::Role),
        "group" => Some(Kind::Group),
        "infrastructure" => Some(Kind::Infrastructure),
        "outside" => Some(Kind::Outside),
        _ => None,
    })
}

/// Every connection: the published ones, then ours.
pub fn all() -> &'static [Connection] {
    &CONNECTIONS
}

/// The connection with that id.
pub fn find(id: &str) -> Option<&'static Connection> {
    BY_ID.get(id).copied()
}

/// Whether `party`, a name in the table, stands for `role`: it is the role, or a group that it belongs to.
pub fn stands_for(party: &str, role: &str) -> bool {
    if party == role || party == "every role" {
        return true;
    }
    if party == "cx-contact" {
        return role == "outbound";
    }
    let Some(group) = PARTIES_READ.get(party).filter(|party| party.kind == "group") else { return false };
    match party {
        "gws" => role.starts_with("gws-"),
        "ingress-controller" => role == "ingress",
        _ => group.members.contains(&role),
    }
}

/// The connection to Consul of every role for which the drawing has none.
const DISCOVERY: &str = "own-13";

/// The connection by which a role registers in Consul and follows other roles there, where Consul is used: that of the drawing, or ours.
pub fn of_discovery(role: &str) -> &'static str {
    TO_CONSUL.iter().find(|row| stands_for(row.from, role)).map_or(DISCOVERY, |row| row.id)
}

/// The connection by which a process asks auth for the keys that verify tokens, where its settings say so.
pub const OF_KEYS: &str = "own-15";
/// Who is asked by it.
pub const TELLS_KEYS: &str = "auth";

/// Whether settings decide if a process opens the connection at all: one of its replicas does so for it, and it is missed nowhere.
pub fn is_by_settings(id: &str) -> bool {
    id == OF_KEYS
}

/// Whether the role opens the connection, or the shell for it. What the shell opens for any role, by its settings, no role declares.
pub fn opens(spec: &RoleSpec, id: &str) -> bool {
    let is_of_shell = id == crate::spans::CONNECTION || id == of_discovery(spec.name);
    spec.opens.contains(&id) || is_of_shell || is_by_settings(id) && spec.name != TELLS_KEYS
}

/// Whether a role declares a connection to the role `to`.
pub fn calls(spec: &RoleSpec, to: &str) -> bool {
    let mut rows = spec.opens.iter().filter_map(|id| find(id));
    rows.any(|row| stands_for(row.from, spec.name) && stands_for(row.to, to))
}

/// Which of `ids` the role `from` opens: the connection that a request of that caller belongs to. If the table has
/// several between the two roles, the declared one.
pub fn from_caller(table: &[&'static RoleSpec], ids: &[&'static str], from: &str) -> Option<&'static str> {
    let fits = |id: &&'static str| find(id).is_some_and(|c| stands_for(c.from, from));
    let declared = table.iter().find(|spec| spec.name == from).map(|spec| spec.opens).unwrap_or_default();
    let mut fitting = ids.iter().copied().filter(fits);
    fitting.clone().find(|id| declared.contains(id)).or_else(|| fitting.next())
}

/// Those of `ids` by which the role `from` comes: it declares them, and the table says that it opens them. Empty for a role that has no
/// connection to where they are accepted.
pub fn opened_by(table: &[&'static RoleSpec], ids: &[&'static str], from: &str) -> Vec<&'static str> {
    let declared = table.iter().find(|spec| spec.name == from).map(|spec| spec.opens).unwrap_or_default();
    let opens = |id: &&'static str| declared.contains(id) && find(id).is_some_and(|row| stands_for(row.from, from));
    ids.iter().copied().filter(opens).collect()
}

/// The connections that admin HTTP of a role accepts: operators, their pages, and Prometheus, by the published row if
/// the drawing has one for this role and port, else by ours.
pub fn of_admin(role: &str, admin_port: u16) -> Vec<&'static str> {
    let port = admin_port.to_string();
    let is_metrics = |c: &&Connection| !c.is_own() && c.from == "prometheus" && c.to == role && c.port == port;
    let metrics = all().iter().find(is_metrics).map_or("own-12", |c| c.id);
    vec!["own-20", "own-21", metrics]
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
        assert_eq!(from_caller(&[], &["voice-22", "voice-23", "own-04"], "sip-proxy"), Some("voice-23"));
        assert_eq!(from_caller(&[], &["voice-22"], "ors"), None);
        assert!(stands_for("gws", "gws-voice") && stands_for("every role", "rq"));
    }

    #[test]
    fn of_two_rows_for_the_same_two_the_declared_one_counts() {
        static PULSE: RoleSpec = RoleSpec { opens: &["tenant-03"], ..RoleSpec::bare("pulse", 30) };
        let accepts = ["voice-02", "tenant-03"];
        assert_eq!(from_caller(&[], &accepts, "pulse"), Some("voice-02"));
        assert_eq!(from_caller(&[&PULSE], &accepts, "pulse"), Some("tenant-03"));
    }

    #[test]
    fn a_role_comes_by_what_it_declares_and_the_table_has_alone() {
        static PULSE: RoleSpec = RoleSpec { opens: &["voice-02", "voice-03"], ..RoleSpec::bare("pulse", 30) };
        static BDS: RoleSpec = RoleSpec { opens: &["voice-03"], ..RoleSpec::bare("bds", 43) };
        let accepts = ["voice-02", "tenant-02", "voice-03", "tenant-11"];
        let by = |from| opened_by(&[&PULSE, &BDS], &accepts, from);
        assert_eq!(by("pulse"), ["voice-02"], "what is drawn for another role is not its own by being declared");
        assert_eq!(by("bds"), ["voice-03"]);
        assert!(by("auth").is_empty(), "what nobody declares is not there, whatever is drawn");
        assert!(opened_by(&[&PULSE], &["tenant-03"], "pulse").is_empty());
    }

    #[test]
    fn a_role_calls_those_to_which_it_declares_a_connection() {
        static TENANT: RoleSpec = RoleSpec { opens: &["voice-14", "voice-16"], ..RoleSpec::bare("tenant", 16) };
        static INGRESS: RoleSpec = RoleSpec { opens: &["own-16", "own-21"], ..RoleSpec::bare("ingress", 40) };
        let called = |spec| ["rq", "tenant", "frontend", "ingress"].map(|role| calls(spec, role));
        assert_eq!(called(&TENANT), [true, false, false, false], "what redis opens in the drawing is not to ourselves");
        assert_eq!(called(&INGRESS), [true; 4], "to every role");
    }

    #[test]
    fn a_role_asks_consul_by_the_drawn_row_where_there_is_one() {
        let rows =
            ["gws-proxy", "gws-voice", "gws-statistics", "gws-workspace", "gws-provisioning", "rq"].map(of_discovery);
        assert_eq!(rows, ["gws-03", "gws-08", "gws-08", "gws-19", "gws-22", "own-13"]);
        let rq = RoleSpec::bare("rq", 10);
        assert!(opens(&rq, "own-13") && opens(&rq, crate::spans::CONNECTION) && !opens(&rq, "gws-03"));
        let auth = RoleSpec::bare("auth", 41);
        assert!(opens(&rq, "own-15") && !opens(&auth, "own-15") && !is_by_settings("own-13"));
    }

    #[test]
    fn metrics_come_by_the_published_row_where_there_is_one() {
        assert_eq!(of_admin("tenant", 15_000), ["own-20", "own-21", "tenant-14"]);
        assert_eq!(of_admin("rq", 9_090), ["own-20", "own-21", "own-12"]);
    }

    #[test]
    fn every_end_of_a_connection_is_a_known_name() {
        let known = ["prometheus", "every role"];
        for c in all() {
            for end in [c.from, c.to] {
                assert!(kind(end).is_some() || known.contains(&end), "{} {end}", c.id);
            }
        }
    }
}
