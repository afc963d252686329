//! The counts of a row over all replicas.

use super::{Counts, PeerRow, ReplicaReport, Row, RowState};
use crate::connections::Connection;
use crate::meter::{PeerReport, Side};

/// The counts of every replica on the row, for each peer.
pub(super) fn peers(c: &Connection, heard: &[ReplicaReport]) -> Vec<PeerRow> {
    let mut rows = Vec::new();
    for report in heard.iter().filter_map(|one| one.report.as_ref().ok()) {
        for connection in report.connections.iter().filter(|one| one.id == c.id) {
            let row = |peer: &PeerReport| PeerRow {
                node: report.node.clone(),
                side: connection.side,
                peer: peer.peer.clone(),
                counts: counts(peer),
            };
            rows.extend(connection.peers.iter().map(row));
        }
    }
    rows
}

fn counts(peer: &PeerReport) -> Counts {
    Counts {
        open: peer.open,
        attempts: peer.attempts,
        requests: peer.requests,
        bytes_in: peer.bytes_in,
        bytes_out: peer.bytes_out,
        errors: peer.errors,
        last_use: peer.last_use_ms,
    }
}

/// The sums of the side that opens the row if it is ours, else of the side that accepts it.
pub(super) fn sums(peers: &[PeerRow]) -> Counts {
    let side = if peers.iter().any(|peer| peer.side == Side::Opens) { Side::Opens } else { Side::Accepts };
    peers.iter().filter(|peer| peer.side == side).map(|peer| &peer.counts).fold(Counts::default(), add)
}

fn add(sum: Counts, one: &Counts) -> Counts {
    Counts {
        open: sum.open + one.open,
        attempts: sum.attempts + one.attempts,
        requests: sum.requests + one.requests,
        bytes_in: sum.bytes_in + one.bytes_in,
        bytes_out: sum.bytes_out + one.bytes_out,
        errors: sum.errors + one.errors,
        last_use: sum.last_use.max(one.last_use),
    }
}

/// A row that repeats rows of another drawing: it has their worst state.
pub(super) fn again(row: &Row, all: &[Row]) -> Row {
    let stands_for: Vec<&Row> = all.iter().filter(|other| row.same_as.contains(&other.id)).collect();
    let worst = stands_for.iter().map(|other| other.state).min_by_key(|state| rank(*state));
    Row {
        state: worst.unwrap_or(row.state),
        why: stands_for.iter().flat_map(|other| other.why.clone()).collect(),
        sums: stands_for.iter().map(|other| &other.sums).fold(Counts::default(), add),
        ..row.clone()
    }
}

/// Rank of a state, the worst first.
const fn rank(state: RowState) -> u8 {
    match state {
        RowState::Missing => 0,
        RowState::Failing => 1,
        RowState::Absent => 2,
        RowState::Unused => 3,
        RowState::Idle => 4,
        RowState::Embedded => 5,
        RowState::Open => 6,
    }
}
