use std::sync::Arc;

use super::*;
use crate::meter::{ConnectionReport, State};

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 9, 22, 1));
const COLLECTOR: RoleSpec = RoleSpec { opens: &["gws-12", "gws-13"], ..RoleSpec::bare("gws-data-collector", 22) };

const CLUSTER: RoleSpec = RoleSpec {
    opens: &["voice-51", "voice-27", "voice-40", "voice-41", "voice-49", "voice-50"],
    ..RoleSpec::bare("sip-cluster", 2)
};

fn report(meters: &Meters, id: &str) -> ConnectionReport {
    meters.report().into_iter().find(|row| row.id == id).unwrap()
}

#[test]
fn a_client_is_named_for_the_rows_that_it_carries() {
    let clients = Clients::of(&CLUSTER, "sip-cluster-1", ADDRESS, &Meters::new(Arc::new(infra::SystemClock::start())));
    assert_eq!(clients.redis.name, "trunkline/sip-cluster-1/voice-40+voice-41+voice-49");
    assert_eq!(clients.redis.wakes, "trunkline/sip-cluster-1/voice-40/wakes");
    assert_eq!(clients.kafka.name, "trunkline/sip-cluster-1/voice-50");
    assert_eq!(clients.postgresql.name, "trunkline/sip-cluster-1/none");
}

#[test]
fn what_a_client_sees_is_counted_on_its_rows() {
    let meters = Meters::new(Arc::new(infra::SystemClock::start()));
    let watch = Clients::of(&CLUSTER, "sip-cluster-1", ADDRESS, &meters).redis.watch;
    watch.attempted(Line::Commands);
    watch.standing(Line::Commands, 1);
    watch.standing(Line::Wakes, 1);
    watch.exchanged(Matter::Records, 100, 10);
    watch.exchanged(Matter::Work, 7, 0);
    let counted = |id: &str| {
        let row = report(&meters, id);
        (row.state, row.peers[0].open, row.peers[0].bytes_out, row.peers[0].bytes_in)
    };
    assert_eq!(counted("voice-40"), (State::Open, 2, 0, 0));
    assert_eq!(counted("voice-41"), (State::Open, 1, 100, 10));
    assert_eq!(counted("voice-49"), (State::Open, 1, 7, 0));
    watch.failed(Line::Commands);
    watch.standing(Line::Commands, 0);
    assert_eq!(counted("voice-41").0, State::Failing);
    assert_eq!(counted("voice-40").0, State::Open, "the connection for wakes stands");
}

#[test]
fn a_client_of_a_server_without_names_is_known_by_its_address() {
    let meters = Meters::new(Arc::new(infra::SystemClock::start()));
    let clients = Clients::of(&COLLECTOR, "gws-data-collector-1", ADDRESS, &meters);
    assert_eq!((clients.elasticsearch.source, clients.redis.source), (Some(ADDRESS), None));
    clients.elasticsearch.watch.standing(Line::Commands, 1);
    clients.elasticsearch.watch.exchanged(Matter::Records, 9, 7);
    let row = report(&meters, "gws-13");
    assert_eq!((row.state, row.peers[0].bytes_out, row.peers[0].bytes_in), (State::Open, 9, 7));
}

#[test]
fn an_unknown_mode_is_a_fault_of_the_settings() {
    assert!(mode_of("real").is_ok());
    assert!(mode_of("redis").unwrap_err().contains("embedded"));
}
