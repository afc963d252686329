//! The state of a row over all replicas, and the reason if it is missing.

use super::{ReplicaReport, RowState};
use crate::admin::TopologyReport;
use crate::connections::coverage::{self, Kept};
use crate::connections::{self, Connection};
use crate::meter::{ConnectionReport, Side, State};
use crate::spec::RoleSpec;

/// The state of the row, and the reasons if it is missing or failing.
pub(super) fn judge(table: &[&'static RoleSpec], c: &Connection, heard: &[ReplicaReport]) -> (RowState, Vec<String>) {
    let openers: Vec<&TopologyReport> = running(heard).filter(|report| opens(table, &report.role, c.id)).collect();
    if openers.is_empty() {
        return (accepted(table, c, heard), Vec::new());
    }
    let mut why = Vec::new();
    for opener in &openers {
        why.extend(missing(c, opener, heard));
    }
    if !why.is_empty() {
        return (RowState::Missing, why);
    }
    let reports: Vec<(&str, &ConnectionReport)> =
        openers.iter().filter_map(|opener| Some((opener.node.as_str(), of(opener, c.id, Side::Opens)?))).collect();
    for (node, report) in reports.iter().filter(|(_, report)| report.state == State::Failing) {
        let failing = report.peers.iter().filter(|peer| peer.failing).map(|peer| peer.peer.as_str());
        why.push(format!("{node}: the last attempt failed towards {}", failing.collect::<Vec<_>>().join(", ")));
    }
    let any = |state: State| reports.iter().any(|(_, report)| report.state == state);
    let state = match () {
        () if !why.is_empty() => RowState::Failing,
        () if any(State::Open) => RowState::Open,
        () if any(State::Embedded) => RowState::Embedded,
        () if any(State::Idle) => RowState::Idle,
        () => RowState::Unused,
    };
    (state, why)
}

/// The state of a row that no role of ours opens: as the accepting side reports it.
fn accepted(table: &[&'static RoleSpec], c: &Connection, heard: &[ReplicaReport]) -> RowState {
    // A row between two roles is absent while the opening role is not running, whatever was before.
    if !coverage::is_declared(table, c) || table.iter().any(|spec| connections::opens(spec, c.id)) {
        return RowState::Absent;
    }
    let accepts =
        |report: &&TopologyReport| table.iter().any(|spec| spec.name == report.role && coverage::accepts(spec, c));
    let acceptors: Vec<&TopologyReport> = running(heard).filter(accepts).collect();
    let peers = || {
        let reports = acceptors.iter().filter_map(|report| of(report, c.id, Side::Accepts));
        reports.flat_map(|report| &report.peers)
    };
    match () {
        () if acceptors.is_empty() => RowState::Absent,
        () if peers().any(|peer| peer.open > 0) => RowState::Open,
        () if peers().any(|peer| peer.last_use_ms.is_some()) => RowState::Idle,
        () => RowState::Unused,
    }
}

/// Connections that the opener should have on this row but has not.
fn missing(c: &Connection, opener: &TopologyReport, heard: &[ReplicaReport]) -> Vec<String> {
    if connections::is_by_settings(c.id) {
        return Vec::new();
    }
    let targets: Vec<&ReplicaReport> = heard.iter().filter(|one| one.listener.role == c.to).collect();
    let mut why = Vec::new();
    for target in &targets {
        if let Err(reason) = &target.report {
            why.push(format!("{} needs {}: {reason}", opener.node, target.listener.node));
        }
    }
    let Some(kept) = coverage::kept(c.id).filter(|_| !targets.is_empty() && why.is_empty()) else { return why };
    let report = of(opener, c.id, Side::Opens);
    let stands =
        |node: &str| report.is_some_and(|report| report.peers.iter().any(|peer| peer.peer == node && peer.open > 0));
    match kept {
        Kept::ToEach => {
            let without = targets.iter().filter(|target| !stands(&target.listener.node));
            why.extend(without.map(|target| format!("{} has no connection to {}", opener.node, target.listener.node)));
        }
        Kept::ToOne if !targets.iter().any(|target| stands(&target.listener.node)) => {
            why.push(format!("{} has no connection to {}", opener.node, c.to));
        }
        Kept::ToOne => {}
    }
    why
}

fn running(heard: &[ReplicaReport]) -> impl Iterator<Item = &TopologyReport> {
    heard.iter().filter_map(|one| one.report.as_ref().ok())
}

fn opens(table: &[&'static RoleSpec], role: &str, id: &str) -> bool {
    table.iter().any(|spec| spec.name == role && connections::opens(spec, id))
}

fn of<'a>(report: &'a TopologyReport, id: &str, side: Side) -> Option<&'a ConnectionReport> {
    report.connections.iter().find(|connection| connection.id == id && connection.side == side)
}
