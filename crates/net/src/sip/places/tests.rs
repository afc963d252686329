use sip::ConnectionId;
use std::net::Ipv4Addr;

use super::*;

const OFFICE: u32 = 7;

struct Lab {
    places: PlaceTable,
    now: Instant,
    last: u64,
}

impl Lab {
    fn new(connections: usize, connections_per_source: usize, peers: Peers) -> Self {
        let limits = Limits { connections, connections_per_source, ..Limits::default() };
        Self { places: PlaceTable::new(&limits, peers), now: Instant::now(), last: 0 }
    }

    /// A new connection from a host, and the one that gave way to it.
    fn comes(&mut self, host: u32) -> Result<(ConnectionId, Option<ConnectionId>), NoPlace> {
        self.last += 1;
        let id = ConnectionId(self.last);
        self.places.take(id, ip(host), self.now).map(|given_up| (id, given_up))
    }

    fn phone(&mut self, host: u32, number: u64) -> ConnectionId {
        let (id, _) = self.comes(host).unwrap();
        self.places.prove(id, ProvenOwner::Phone(number), self.now);
        id
    }

    fn close_overdue(&mut self) -> Vec<ConnectionId> {
        let mut closed = Vec::new();
        while let Some(id) = self.places.overdue(self.now) {
            self.places.leave(id);
            closed.push(id);
        }
        closed
    }
}

fn ip(host: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xc000_0200 + host).into()
}

#[test]
fn an_office_behind_one_address_has_as_many_phones_as_there_are_places() {
    let mut lab = Lab::new(1_000, 8, Peers::Strangers);
    for number in 0..900 {
        lab.phone(OFFICE, number);
    }
    assert_eq!(lab.places.held.len(), 900);
    assert!(lab.places.strangers.is_empty() && lab.places.crowds.is_empty() && lab.places.due.is_empty());
}

#[test]
fn strangers_of_forty_addresses_hold_no_place_against_an_honest_phone() {
    let mut lab = Lab::new(10_000, 256, Peers::Strangers);
    let desk = lab.phone(OFFICE, 1);
    for host in 100..140 {
        for _ in 0..256 {
            lab.comes(host).unwrap();
        }
    }
    assert_eq!(lab.places.held.len(), 10_000, "all places are taken");
    let (_, given_up) = lab.comes(OFFICE).unwrap();
    let given_up = given_up.unwrap();
    assert!(given_up != desk && !lab.places.held.contains_key(&given_up));
    assert!(lab.places.held.contains_key(&desk), "who has authenticated keeps its place");
}

#[test]
fn the_source_with_the_most_loses_its_oldest() {
    let mut lab = Lab::new(4, 8, Peers::Strangers);
    let (small, _) = lab.comes(1).unwrap();
    let crowd: Vec<_> = (0..3).map(|_| lab.comes(2).unwrap().0).collect();
    assert_eq!(lab.comes(3).unwrap().1, Some(crowd[0]));
    assert_eq!(lab.comes(2).unwrap().1, Some(crowd[1]), "a crowd makes room for its own");
    assert!(lab.places.held.contains_key(&small));
}

#[test]
fn a_newcomer_is_refused_when_all_have_authenticated() {
    let mut lab = Lab::new(2, 8, Peers::Strangers);
    lab.phone(1, 1);
    lab.phone(2, 2);
    assert_eq!(lab.comes(3), Err(NoPlace));
}

#[test]
fn phones_that_reconnect_together_have_time_to_authenticate_and_dead_ones_keep_out_nobody() {
    let mut lab = Lab::new(100, 2, Peers::Strangers);
    let (slow, _) = lab.comes(OFFICE).unwrap();
    lab.comes(OFFICE).unwrap();
    assert_eq!(lab.comes(OFFICE), Err(NoPlace), "the first ones have not had their time");
    lab.now += TIME_TO_PROVE;
    assert_eq!(lab.comes(OFFICE).unwrap().1, Some(slow));
}

#[test]
fn who_says_nothing_is_closed_soon_and_who_authenticates_is_not() {
    let mut lab = Lab::new(100, 100, Peers::Strangers);
    let desk = lab.phone(OFFICE, 1);
    let (silent, _) = lab.comes(1).unwrap();
    let (talks, _) = lab.comes(2).unwrap();
    lab.now += FIRST_MESSAGE_WITHIN.checked_sub(Duration::from_millis(1)).unwrap();
    lab.places.heard(talks, lab.now);
    assert!(lab.close_overdue().is_empty());
    lab.now += Duration::from_millis(1);
    assert_eq!(lab.close_overdue(), [silent]);
    lab.now += NEXT_MESSAGE_WITHIN;
    assert_eq!(lab.close_overdue(), [talks]);
    assert!(lab.places.held.contains_key(&desk) && lab.places.held.len() == 1);
}

#[test]
fn one_password_does_not_take_all_places() {
    let mut lab = Lab::new(100, 50, Peers::Strangers);
    let connections: Vec<_> = (0..=PROVEN_OF_PHONE_MAX).map(|_| lab.phone(1, 1)).collect();
    assert_eq!(lab.places.strangers.get(&ip(1)), Some(&BTreeSet::from([connections[0]])));
    lab.places.prove(connections[0], ProvenOwner::Phone(1), lab.now);
    assert_eq!(lab.places.strangers.get(&ip(1)), Some(&BTreeSet::from([connections[1]])), "it may prove itself again");
    connections.into_iter().for_each(|id| lab.places.leave(id));
    assert!(lab.places.proven.is_empty() && lab.places.strangers.is_empty() && lab.places.due.is_empty());
}

#[test]
fn a_trunk_has_the_share_of_a_source() {
    let mut lab = Lab::new(100, 3, Peers::Strangers);
    for _ in 0..3 {
        let (id, _) = lab.comes(1).unwrap();
        lab.places.prove(id, ProvenOwner::Trunk, lab.now);
    }
    lab.now += Duration::from_secs(3_600);
    assert_eq!((lab.close_overdue(), lab.comes(1)), (Vec::new(), Err(NoPlace)));
    assert_eq!(lab.places.proven.get(&Owned::Source(ip(1))).map(VecDeque::len), Some(3));
}

#[test]
fn phones_at_the_address_of_a_trunk_count_for_themselves() {
    let mut lab = Lab::new(100, 3, Peers::Strangers);
    for number in 0..10 {
        let (id, _) = lab.comes(1).unwrap();
        lab.places.prove(id, ProvenOwner::Trunk, lab.now);
        lab.places.prove(id, ProvenOwner::Phone(number), lab.now);
        lab.places.prove(id, ProvenOwner::Trunk, lab.now);
    }
    assert!(lab.places.strangers.is_empty() && !lab.places.proven.contains_key(&Owned::Source(ip(1))));
}

#[test]
fn our_own_roles_neither_expire_nor_give_way() {
    let mut lab = Lab::new(3, 2, Peers::Ours);
    lab.comes(1).unwrap();
    lab.comes(1).unwrap();
    lab.now += Duration::from_secs(3_600);
    assert_eq!(lab.comes(1), Err(NoPlace));
    lab.comes(2).unwrap();
    assert_eq!(lab.comes(3), Err(NoPlace));
    assert!(lab.close_overdue().is_empty());
}

#[test]
fn one_address_to_which_we_connect_has_as_many_places_as_there_are() {
    let mut lab = Lab::new(3, 2, Peers::Called);
    for _ in 0..3 {
        assert_eq!(lab.comes(1).unwrap().1, None);
    }
    lab.now += Duration::from_secs(3_600);
    assert!(lab.close_overdue().is_empty());
    assert_eq!(lab.comes(2), Err(NoPlace));
}

#[test]
fn a_network_of_ipv6_is_one_source() {
    let mut lab = Lab::new(100, 1, Peers::Strangers);
    let at = |text: &str| text.parse().unwrap();
    lab.places.take(ConnectionId(1), at("2001:db8::1"), lab.now).unwrap();
    assert_eq!(lab.places.take(ConnectionId(2), at("2001:db8::2"), lab.now), Err(NoPlace));
    assert!(lab.places.take(ConnectionId(3), at("2001:db8:0:1::1"), lab.now).is_ok());
}
