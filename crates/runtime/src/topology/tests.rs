use super::*;
use crate::meter::{ConnectionReport, PeerReport, State};
use crate::spec::{Listen, Place, Protocol};

const fn role(name: &'static str, number: u8, opens: &'static [&'static str]) -> RoleSpec {
    RoleSpec { opens, ..RoleSpec::bare(name, number) }
}

static PROXY: RoleSpec = RoleSpec {
    listens: &[Listen {
        name: "sip-cluster",
        protocol: Protocol::SipTcp,
        port: 5080,
        place: Place::Cluster,
        accepts: &["voice-51"],
    }],
    ..role("sip-proxy", 1, &[])
};
static CLUSTER: RoleSpec = role("sip-cluster", 2, &["voice-51", "voice-27", "voice-41"]);
static DIALPLAN: RoleSpec = role("dialplan", 5, &[]);
static TABLE: [&RoleSpec; 3] = [&PROXY, &CLUSTER, &DIALPLAN];

fn listener(node: &str) -> AdminListener {
    let role = TABLE.iter().find(|spec| node.starts_with(spec.name)).map(|spec| spec.name);
    AdminListener { role: role.unwrap(), node: node.to_owned(), address: "127.0.1.1:9090".parse().unwrap() }
}

fn runs(node: &str, connections: Vec<ConnectionReport>) -> ReplicaReport {
    let listener = listener(node);
    let report = TopologyReport {
        role: listener.role.to_owned(),
        node: node.to_owned(),
        ready: true,
        missing: Vec::new(),
        pid: 7,
        lives: 1,
        since_ms: 5,
        clock_ms: 6,
        connections,
    };
    ReplicaReport { listener, report: Ok(report) }
}

fn away(node: &str) -> ReplicaReport {
    ReplicaReport { listener: listener(node), report: Err("it does not run".to_owned()) }
}

fn counted(id: &str, side: Side, state: State, peers: &[(&str, u64)]) -> ConnectionReport {
    let peer = |(name, open): &(&str, u64)| PeerReport {
        peer: (*name).to_owned(),
        open: *open,
        attempts: 1,
        requests: 2,
        bytes_in: 30,
        bytes_out: 40,
        errors: u64::from(state == State::Failing),
        failing: state == State::Failing,
        last_use_ms: Some(9),
    };
    ConnectionReport { id: id.to_owned(), side, state, peers: peers.iter().map(peer).collect() }
}

fn row(heard: &[ReplicaReport], id: &str) -> Row {
    let whole = Topology::of(Timestamp::from_millis(10), 0, &TABLE, heard);
    whole.connections.into_iter().find(|row| row.id == id).unwrap()
}

#[test]
fn a_kept_connection_must_stand_to_each_replica() {
    let open =
        |peers: &[(&str, u64)]| runs("sip-cluster-1", vec![counted("voice-51", Side::Opens, State::Open, peers)]);
    let both =
        [open(&[("sip-proxy-1", 1), ("sip-proxy-2", 1)]), runs("sip-proxy-1", vec![]), runs("sip-proxy-2", vec![])];
    assert_eq!(row(&both, "voice-51").state, RowState::Open);
    let one = [open(&[("sip-proxy-1", 1)]), runs("sip-proxy-1", vec![]), runs("sip-proxy-2", vec![])];
    let one = row(&one, "voice-51");
    assert_eq!(one.state, RowState::Missing);
    assert_eq!(one.why, ["sip-cluster-1 has no connection to sip-proxy-2"]);
}

#[test]
fn a_connection_whose_target_does_not_run_is_missing_and_says_so() {
    let heard = [runs("sip-cluster-1", vec![]), runs("sip-proxy-1", vec![]), away("dialplan-1")];
    let missing = row(&heard, "voice-27");
    assert_eq!(missing.state, RowState::Missing);
    assert_eq!(missing.why, ["sip-cluster-1 needs dialplan-1: it does not run"]);
    let faults = Topology::of(Timestamp::from_millis(10), 0, &TABLE, &heard).faults();
    assert!(faults.contains(&"dialplan-1 is not ready: it does not run".to_owned()), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("voice-27 (sip-cluster → dialplan) is missing")), "{faults:?}");
}

#[test]
fn a_connection_opened_when_needed_may_be_unused() {
    let heard = [runs("sip-cluster-1", vec![]), runs("dialplan-1", vec![])];
    assert_eq!(row(&heard, "voice-27").state, RowState::Unused);
    assert_eq!(row(&heard, "voice-28").state, RowState::Absent);
}

#[test]
fn the_opening_side_is_summed_and_both_sides_are_shown() {
    let heard = [
        runs("sip-cluster-1", vec![counted("voice-51", Side::Opens, State::Open, &[("sip-proxy-1", 1)])]),
        runs("sip-proxy-1", vec![counted("voice-51", Side::Accepts, State::Open, &[("sip-cluster-1", 1)])]),
    ];
    let shown = row(&heard, "voice-51");
    assert_eq!((shown.sums.open, shown.sums.bytes_in, shown.sums.bytes_out, shown.sums.last_use), (1, 30, 40, Some(9)));
    assert_eq!(shown.peers.len(), 2);
}

#[test]
fn a_failing_connection_names_the_peer() {
    let failing = counted("voice-27", Side::Opens, State::Failing, &[("dialplan-1", 0)]);
    let heard = [runs("sip-cluster-1", vec![failing]), runs("dialplan-1", vec![])];
    let shown = row(&heard, "voice-27");
    assert_eq!(shown.state, RowState::Failing);
    assert_eq!(shown.why, ["sip-cluster-1: the last attempt failed towards dialplan-1"]);
}

#[test]
fn a_role_that_does_not_run_takes_its_connections_with_it() {
    let accepts = counted("voice-51", Side::Accepts, State::Idle, &[("sip-cluster-1", 0)]);
    let heard = [away("sip-cluster-1"), runs("sip-proxy-1", vec![accepts])];
    assert_eq!(row(&heard, "voice-51").state, RowState::Absent);
}

#[test]
fn what_comes_from_outside_is_as_the_accepting_side_sees_it() {
    let scraped = counted("own-12", Side::Accepts, State::Open, &[("main", 1)]);
    let heard = [runs("dialplan-1", vec![scraped])];
    assert_eq!(row(&heard, "own-12").state, RowState::Open);
    assert_eq!(row(&heard, "own-20").state, RowState::Unused);
}

#[test]
fn the_document_has_the_agreed_names() {
    let heard = [runs("sip-cluster-1", vec![counted("voice-51", Side::Opens, State::Open, &[("sip-proxy-1", 1)])])];
    let whole = serde_json::to_value(Topology::of(Timestamp::from_millis(10), 3, &TABLE, &heard)).unwrap();
    let row = whole["connections"].as_array().unwrap().iter().find(|row| row["id"] == "voice-51").unwrap();
    for name in ["from", "to", "protocol", "port", "carries", "note", "own", "coverage", "proof", "state", "open"] {
        assert!(row.get(name).is_some(), "{name}");
    }
    assert_eq!((&row["bytesIn"], &row["lastUse"], &row["peers"][0]["side"]), (&30.into(), &9.into(), &"opens".into()));
    assert_eq!((&whole["coverage"]["total"], &whole["instance"]), (&146.into(), &3.into()));
    assert!(whole["coverage"]["notYet"].is_number());
    let back: Topology = serde_json::from_value(whole).unwrap();
    assert_eq!(back.roles[0].node, "sip-cluster-1");
}
