//! How much of the table is covered: rows that roles declare, and rows on which a test has seen bytes.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Connection, Kind, all, find, kind, of_admin, opens, stands_for};
use crate::spec::RoleSpec;

/// Rows that a system test has seen in the kernel's table, with that test's name. The test fails if one is not seen.
const PROVEN: &str = include_str!("../../../../data/proven.tsv");
/// Rows that are in two drawings: a connection is measured under one id.
const DRAWN_TWICE: &str = include_str!("../../../../data/drawn-twice.tsv");
/// Rows that are opened at start and kept open.
const KEPT: &str = include_str!("../../../../data/kept.tsv");

/// How far a row is implemented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// One of its ends, or its content, does not exist.
    NotYet,
    /// A role declares it and uses it.
    Declared,
    /// A test has seen bytes on it in the kernel's table.
    Proven,
}

impl Coverage {
    /// As printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotYet => "not yet",
            Self::Declared => "declared",
            Self::Proven => "proven",
        }
    }
}

/// Number of published rows by coverage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Proven by a test.
    pub proven: usize,
    /// Declared and used, but not proven.
    pub declared: usize,
    /// Not implemented yet.
    pub not_yet: usize,
    /// All.
    pub total: usize,
}

/// To how many replicas of the other side a row is kept open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// To each.
    ToEach,
    /// To at least one.
    ToOne,
}

type Rows = Vec<(&'static str, &'static str)>;

static PROVEN_READ: LazyLock<Rows> = LazyLock::new(|| first_two(PROVEN));
static DRAWN_TWICE_READ: LazyLock<Rows> = LazyLock::new(|| first_two(DRAWN_TWICE));
static KEPT_READ: LazyLock<Rows> = LazyLock::new(|| first_two(KEPT));

fn first_two(table: &'static str) -> Rows {
    table.lines().skip(1).filter_map(|row| row.split_once('\t')).map(|(id, rest)| (id, first_cell(rest))).collect()
}

fn first_cell(cells: &'static str) -> &'static str {
    cells.split_once('\t').map_or(cells, |(first, _)| first)
}

fn second(rows: &Rows, id: &str) -> Option<&'static str> {
    rows.iter().find(|(row, _)| *row == id).map(|(_, value)| *value)
}

/// The ids under which a row is measured that is in two drawings; empty for all others.
pub fn drawn_again_as(id: &str) -> Vec<&'static str> {
    second(&DRAWN_TWICE_READ, id).map(|ids| ids.split_whitespace().collect()).unwrap_or_default()
}

/// Whether the row is opened at start and kept open.
pub fn kept(id: &str) -> Option<Kept> {
    second(&KEPT_READ, id).map(|to| if to == "each" { Kept::ToEach } else { Kept::ToOne })
}

/// The test that has seen bytes on the row. One that is in two drawings may have a test of its own, of what that drawing says of it; else
/// it has that of the row under which it is measured.
pub fn proof(id: &str) -> Option<&'static str> {
    let again = drawn_again_as(id);
    let measured = again.first().copied().unwrap_or(id);
    second(&PROVEN_READ, id).or_else(|| second(&PROVEN_READ, measured))
}

/// Every row that is listed as proven.
pub fn proven() -> impl Iterator<Item = &'static str> {
    PROVEN_READ.iter().map(|(id, _)| *id)
}

/// The coverage of a row in a program with those roles.
pub fn of(table: &[&'static RoleSpec], row: &Connection) -> Coverage {
    let again = drawn_again_as(row.id);
    if !again.is_empty() {
        return again.iter().filter_map(|id| find(id)).map(|c| of(table, c)).min().unwrap_or(Coverage::NotYet);
    }
    match (is_declared(table, row), second(&PROVEN_READ, row.id)) {
        (false, _) => Coverage::NotYet,
        (true, None) => Coverage::Declared,
        (true, Some(_)) => Coverage::Proven,
    }
}

/// Whether a role opens the row, or accepts it from outside.
pub fn is_declared(table: &[&'static RoleSpec], row: &Connection) -> bool {
    let is_opened = table.iter().any(|spec| opens(spec, row.id));
    is_opened || kind(row.from) == Some(Kind::Outside) && table.iter().any(|spec| accepts(spec, row))
}

/// Whether the role accepts the row, admin HTTP included.
pub fn accepts(spec: &RoleSpec, row: &Connection) -> bool {
    let listens = spec.listens.iter().any(|listen| listen.accepts.contains(&row.id));
    listens || stands_for(row.to, spec.name) && of_admin(spec.name, spec.admin_port).contains(&row.id)
}

/// The sums over the published rows.
pub fn totals(table: &[&'static RoleSpec]) -> Totals {
    let mut totals = Totals::default();
    for row in all().iter().filter(|row| !row.is_own()) {
        totals.total += 1;
        *match of(table, row) {
            Coverage::Proven => &mut totals.proven,
            Coverage::Declared => &mut totals.declared,
            Coverage::NotYet => &mut totals.not_yet,
        } += 1;
    }
    totals
}

/// Faults of the lists beside the table, as text.
pub fn faults(table: &[&'static RoleSpec]) -> Vec<String> {
    let mut faults = Vec::new();
    for id in proven() {
        match find(id) {
            None => faults.push(format!("data/proven.tsv names {id}, which is not in the table")),
            Some(row) if of(table, row) == Coverage::NotYet => {
                faults.push(format!("data/proven.tsv names {id}, which no role declares"));
            }
            Some(_) => {}
        }
    }
    for (id, is) in DRAWN_TWICE_READ.iter() {
        for id in is.split_whitespace().chain([*id]).filter(|id| find(id).is_none()) {
            faults.push(format!("data/drawn-twice.tsv names {id}, which is not in the table"));
        }
        let opener = table.iter().find(|spec| spec.opens.contains(id));
        faults.extend(opener.map(|spec| format!("{} opens {id}, which is measured as {is}", spec.name)));
    }
    let unknown = KEPT_READ.iter().filter(|(id, _)| find(id).is_none());
    faults.extend(unknown.map(|(id, _)| format!("data/kept.tsv names {id}, which is not in the table")));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Listen, Place, Protocol};

    const fn role(name: &'static str, number: u8, opens: &'static [&'static str]) -> RoleSpec {
        RoleSpec { opens, ..RoleSpec::bare(name, number) }
    }

    fn far(table: &[&'static RoleSpec], id: &str) -> Coverage {
        of(table, find(id).unwrap())
    }

    #[test]
    fn a_row_is_declared_by_whoever_opens_it_and_not_by_whoever_would_accept_it() {
        static CLUSTER: RoleSpec = role("sip-cluster", 2, &["voice-49"]);
        static PULSE: RoleSpec = RoleSpec {
            listens: &[Listen {
                name: "x",
                protocol: Protocol::Http,
                port: 8080,
                place: Place::Cluster,
                accepts: &["pulse-20", "pulse-27"],
            }],
            ..role("pulse", 30, &[])
        };
        assert!(far(&[&CLUSTER], "voice-49") >= Coverage::Declared);
        assert_eq!(far(&[&PULSE], "pulse-20"), Coverage::NotYet);
        // No role of ours opens connections that come from outside.
        assert!(far(&[&PULSE], "pulse-27") >= Coverage::Declared);
    }

    #[test]
    fn prometheus_is_accepted_where_the_published_port_is_the_admin_port() {
        static TENANT: RoleSpec = RoleSpec { admin_port: 15_000, ..role("tenant", 16, &[]) };
        static ELSEWHERE: RoleSpec = role("tenant", 16, &[]);
        assert!(far(&[&TENANT], "tenant-14") >= Coverage::Declared);
        assert_eq!(far(&[&ELSEWHERE], "tenant-14"), Coverage::NotYet);
    }

    #[test]
    fn a_row_that_is_drawn_twice_is_as_far_as_the_least_of_what_it_stands_for() {
        static SOME: RoleSpec = role("tenant", 16, &["voice-13", "voice-16", "voice-31"]);
        assert!(far(&[&SOME], "tenant-15") >= Coverage::Declared);
        assert_eq!(far(&[&SOME], "tenant-18"), Coverage::NotYet);
        static ALL: RoleSpec = role("tenant", 16, &["voice-16", "voice-26", "voice-31"]);
        assert!(far(&[&ALL], "tenant-18") >= Coverage::Declared);
    }

    #[test]
    fn the_sums_are_those_of_the_published_table() {
        static CLUSTER: RoleSpec = role("sip-cluster", 2, &["voice-49", "own-02"]);
        let totals = totals(&[&CLUSTER]);
        assert_eq!((totals.total, totals.proven + totals.declared + totals.not_yet), (146, 146));
        assert_eq!(totals.proven + totals.declared, 1);
    }

    #[test]
    fn a_row_that_is_drawn_twice_may_have_a_test_of_its_own() {
        assert_ne!(proof("tenant-01"), proof("voice-03"));
        assert!(proof("tenant-01").is_some() && proof("tenant-02").is_some());
        assert_eq!(proof("tenant-02"), proof("voice-02"));
        static BDS: RoleSpec = role("bds", 43, &["voice-03"]);
        let is_fault = |table: &[&'static RoleSpec]| faults(table).iter().any(|fault| fault.contains("tenant-01"));
        assert!(!is_fault(&[&BDS]) && is_fault(&[]));
    }

    #[test]
    fn a_role_that_opens_a_row_under_its_second_name_is_a_fault() {
        static TENANT: RoleSpec = role("tenant", 16, &["tenant-15"]);
        let faults = faults(&[&TENANT]);
        assert!(faults.contains(&"tenant opens tenant-15, which is measured as voice-13".to_owned()), "{faults:?}");
    }
}
