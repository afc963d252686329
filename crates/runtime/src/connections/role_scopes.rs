//! What a connection gives the role that opens it: the scopes that its requests need there, and no others.
//!
//! A role's token says who it is. What it may follows from the connection by which it comes, and is judged where it comes to: so a key
//! that somebody has taken from one role opens nothing that this role never asks for.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::coverage::drawn_again_as;
use super::{Connection, Kind, find, kind, of_admin};
use crate::api_family::{self, ApiFamily, TakenFamilies};
use crate::scope;
use crate::spec::RoleSpec;

/// The scopes of every connection that a listener with a gate accepts from a role.
const SCOPES: &str = include_str!("../../../../data/role-scopes.tsv");
/// What stands in place of scopes where there are none.
const NONE: &str = "-";

/// A row of that table.
struct RowScopes {
    id: &'static str,
    scopes: Vec<&'static str>,
    why: &'static str,
}

static ROWS: LazyLock<Vec<RowScopes>> = LazyLock::new(|| {
    let rows = SCOPES.lines().skip(1).filter_map(|row| {
        let mut cells = row.split('\t');
        let (id, scopes, why) = (cells.next()?, cells.next()?, cells.next()?);
        let scopes = scopes.split_whitespace().filter(|scope| *scope != NONE).collect();
        Some(RowScopes { id, scopes, why })
    });
    rows.collect()
});

/// The scopes that the connection gives the role that opens it; none for a connection that is not in the table.
pub fn given_by(id: &str) -> &'static [&'static str] {
    ROWS.iter().find(|row| row.id == id).map(|row| row.scopes.as_slice()).unwrap_or_default()
}

/// A connection at an interface with a gate: the role that accepts it, the name of the interface, and the APIs that are there.
type GuardedRow = (&'static RoleSpec, &'static str, &'static Connection, &'static [ApiFamily]);

/// The connections that gates of these roles accept from roles, at listeners and admin HTTP.
fn guarded(table: &[&'static RoleSpec]) -> Vec<GuardedRow> {
    let is_from_role = |row: &&'static Connection| matches!(kind(row.from), Some(Kind::Role | Kind::Group));
    // What is measured as another row is opened as that one.
    let is_own_line = |row: &&'static Connection| drawn_again_as(row.id).is_empty();
    let mut rows = Vec::new();
    for spec in table.iter().copied() {
        let gated = spec.listens.iter().filter(|listen| {
            api_family::guarded_listeners().any(|(role, listener)| (role, listener) == (spec.name, listen.name))
        });
        let mut interfaces: Vec<(&'static str, Vec<&'static str>, TakenFamilies)> = gated
            .map(|listen| (listen.name, listen.accepts.to_vec(), TakenFamilies::of_listener(spec.name, listen.name)))
            .collect();
        interfaces.push(("admin", of_admin(spec.name, spec.admin_port), TakenFamilies::OF_ADMIN));
        for (name, ids, taken) in interfaces {
            let accepted = ids.into_iter().filter_map(find).filter(is_from_role).filter(is_own_line);
            rows.extend(accepted.map(|row| (spec, name, row, taken.at("/"))));
        }
    }
    rows
}

/// Faults of the table, as text: a connection to a gate about which it says nothing, and what no request needs.
pub fn faults(table: &[&'static RoleSpec]) -> Vec<String> {
    const TABLE: &str = "data/role-scopes.tsv";
    let guarded = guarded(table);
    let mut faults = Vec::new();
    for (spec, name, row, _) in &guarded {
        if !ROWS.iter().any(|said| said.id == row.id) {
            faults.push(format!("{} accepts {} on {name}, and {TABLE} does not say what it gives", spec.name, row.id));
        }
    }
    for (i, RowScopes { id, scopes, why }) in ROWS.iter().enumerate() {
        if ROWS[..i].iter().any(|other| other.id == *id) {
            faults.push(format!("{TABLE} names {id} twice"));
        }
        if why.is_empty() {
            faults.push(format!("{TABLE} does not say why of {id}"));
        }
        let places: Vec<&GuardedRow> = guarded.iter().filter(|(_, _, row, _)| row.id == *id).collect();
        if places.is_empty() {
            faults.push(format!("{TABLE} names {id}, which no gate accepts from a role"));
            continue;
        }
        if !scopes.is_empty() && !table.iter().any(|spec| spec.opens.contains(id)) {
            faults.push(format!("{TABLE} gives {id} scopes, and no role opens it"));
        }
        for scope in scopes {
            let family = scope::find(scope).map(|known| known.family);
            let is_asked_for = |family: ApiFamily| places.iter().any(|(_, _, _, taken)| taken.contains(&family));
            match family {
                None => faults.push(format!("{TABLE} gives {id} {scope}, which is no scope")),
                Some(family) if !is_asked_for(family) => {
                    faults.push(format!("{TABLE} gives {id} {scope}, which nothing asks for where it leads"));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

/// What roles may at each other, for the book's page of tokens.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for RowScopes { id, scopes, why } in ROWS.iter().filter(|row| !row.scopes.is_empty()) {
        let Some(row) = find(id) else { continue };
        let scopes: Vec<String> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
        let _ = writeln!(page, "| `{id}` | {} | {} | {} | {} | {why} |", row.from, row.to, row.port, scopes.join(", "));
    }
    page
}

/// The text before the connections.
const HEAD: &str = "
## What roles may

A role's own token says which role it is and which one it calls. It has none of these scopes: what the role may follows from the
connection by which it comes, as `data/role-scopes.tsv` says, and is judged by the role that it calls. So a key that somebody has taken
from one role opens nothing that this role never asks for. A role that has no connection to a listener is refused there: 403, gRPC
`PERMISSION_DENIED`, with the words *no connection of the table leads from ...*, counted in `http_requests_refused_total` with the reason
`connection`. So is one whose connection does not give what it asks for. The log is told of both, of the same refusal once a minute. A
request that a role passes on for somebody else has that caller's token and that caller's rights alone. Roles act for every tenant.
Connections that are not here give no scope.

| connection | from | to | port | scopes | what for |
|---|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Listen, Place, Protocol};

    #[test]
    fn a_connection_gives_what_the_table_says_and_one_that_is_not_there_nothing() {
        assert_eq!(given_by("voice-03"), ["config:read"]);
        assert_eq!(given_by("tenant-11"), ["config:read", "config:secrets"]);
        assert!(given_by("own-28").is_empty() && given_by("voice-99").is_empty() && given_by("voice-47").is_empty());
    }

    #[test]
    fn every_row_has_its_cells_and_names_a_connection() {
        assert_eq!(ROWS.len(), SCOPES.lines().count() - 1);
        for row in ROWS.iter() {
            assert!(find(row.id).is_some(), "{}", row.id);
        }
    }

    const fn at_8888(accepts: &'static [&'static str]) -> Listen {
        Listen { name: "configuration", protocol: Protocol::Grpc, port: 8888, place: Place::Cluster, accepts }
    }

    #[test]
    fn a_connection_to_a_gate_of_which_nothing_is_said_is_a_fault() {
        // Nothing is said of voice-18: no gate accepts it.
        static TENANT: RoleSpec =
            RoleSpec { listens: &[at_8888(&["voice-03", "voice-18"])], ..RoleSpec::bare("tenant", 16) };
        static BDS: RoleSpec = RoleSpec { opens: &["voice-03"], ..RoleSpec::bare("bds", 43) };
        let told = faults(&[&TENANT, &BDS]);
        let unsaid = "tenant accepts voice-18 on configuration, and data/role-scopes.tsv does not say what it gives";
        assert!(told.contains(&unsaid.to_owned()), "{told:?}");
        assert!(!told.iter().any(|fault| fault.contains("voice-03")), "{told:?}");
        let unknown = "data/role-scopes.tsv names voice-27, which no gate accepts from a role";
        assert!(told.contains(&unknown.to_owned()), "{told:?}");
    }

    #[test]
    fn scopes_that_no_role_needs_and_those_that_nothing_there_asks_for_are_faults() {
        static UNUSED: RoleSpec = RoleSpec { listens: &[at_8888(&["voice-03"])], ..RoleSpec::bare("tenant", 16) };
        let unopened = "data/role-scopes.tsv gives voice-03 scopes, and no role opens it";
        assert!(faults(&[&UNUSED]).contains(&unopened.to_owned()));
        // Here nothing of calls is asked for.
        static TENANT: RoleSpec = RoleSpec { listens: &[at_8888(&["voice-02"])], ..RoleSpec::bare("tenant", 16) };
        static PULSE: RoleSpec = RoleSpec { opens: &["voice-02"], ..RoleSpec::bare("pulse", 30) };
        let elsewhere = "data/role-scopes.tsv gives voice-02 calls:read, which nothing asks for where it leads";
        assert!(faults(&[&TENANT, &PULSE]).contains(&elsewhere.to_owned()));
    }

    #[test]
    fn the_page_has_the_connections_that_give_scopes() {
        let page = markdown();
        assert!(page.contains("| `voice-27` | sip-cluster | dialplan | 8800 | `dialplan` |"), "{page}");
        assert!(!page.contains("own-28"), "{page}");
    }
}
