use std::time::Duration;

use model::entropy::Seeded;
use sip::StatusCode;
use sip::agent::AgentCredentials;

use super::ways::STORED_AGAIN;
use super::*;

const EDGE: &str = "198.51.100.7:5060";
const LINK: ConnectionId = ConnectionId(1);

fn edge(plain: &str) -> EdgeAddresses {
    EdgeAddresses { plain: plain.to_owned(), secure: Some(plain.replace("5060", "5061")), places: Vec::new() }
}

fn owner(replica: u8) -> Owner {
    format!("registrar-{replica}.17").parse().unwrap()
}

fn account(number: usize) -> Account {
    let credentials = AgentCredentials { user: format!("user-{number}"), password: "hush-hush".to_owned() };
    let (user, instance) = (credentials.user.clone(), sip::Instance::nobody());
    Account { registrar: "203.0.113.9:5060".to_owned(), domain: None, user, credentials, instance }
}

fn trunks(count: usize) -> Accounts {
    let tenant = TenantId::parse("acme").unwrap();
    (0..count).map(|number| ((tenant.clone(), format!("trunk-{number}")), account(number))).collect()
}

/// A replica that is connected to a proxy.
struct Replica {
    carriers: Carriers,
    now: Timestamp,
    /// The connection over TLS by which the proxy reaches the carrier.
    flow: Option<u64>,
}

impl Replica {
    fn new(replica: u8, live: &[Owner]) -> Self {
        let metrics = Metrics::register(&runtime::Metrics::default());
        let seed = std::cell::Cell::new(3);
        let entropy = Box::new(move || Box::new(Seeded::new(seed.replace(seed.get() + 1))) as Box<dyn Entropy>);
        let us = (owner(replica), "127.0.4.1".to_owned());
        let mut carriers = Carriers::new(us, entropy, (metrics, ToldRegistrations::default()));
        let now = Timestamp::from_millis(1_000_000);
        carriers.came_up(LINK, edge(EDGE), false, live, now);
        Self { carriers, now, flow: None }
    }

    /// Lets a second pass; the carrier accepts each REGISTER. Returns the users, with the time asked for.
    fn pass(&mut self) -> Vec<(String, String)> {
        self.now = self.now + Duration::from_secs(1);
        let mut sent = Vec::new();
        self.carriers.handle_timeout(self.now);
        while let Some(CarrierRequest { number, message, .. }) = self.carriers.poll_request() {
            let user = message.to().unwrap().uri().unwrap().user().unwrap().to_owned();
            sent.push((user, message.header(&HeaderName::Expires).unwrap().to_owned()));
            let contact = message.header(&HeaderName::Contact).unwrap().to_owned() + ";expires=600";
            let mut response = Message::response_to(&message, StatusCode::OK).header(&HeaderName::Contact, contact);
            if let Some(flow) = self.flow {
                response = response.header(&headers::FLOW, flow);
            }
            self.carriers.answered(number, &response.build(), self.now);
        }
        self.carriers.handle_timeout(self.now);
        sent
    }

    /// Lets the time come for the next refresh; the carrier's answer has this way.
    fn refresh(&mut self, way: &str) {
        self.now = self.carriers.next_timeout().expect("a refresh");
        self.carriers.handle_timeout(self.now);
        let request = self.carriers.poll_request().expect("a REGISTER");
        let contact = request.message.header(&HeaderName::Contact).unwrap().to_owned() + ";expires=600";
        let response = Message::response_to(&request.message, StatusCode::OK)
            .header(&HeaderName::Contact, contact)
            .header(&HeaderName::ServiceRoute, way);
        self.carriers.answered(request.number, &response.build(), self.now);
        self.carriers.handle_timeout(self.now);
    }

    fn users(&mut self) -> Vec<String> {
        self.pass().into_iter().map(|(user, _)| user).collect()
    }

    fn rows(&self) -> usize {
        self.carriers.told.rows(&TenantId::parse("acme").unwrap()).len()
    }
}

#[test]
fn each_trunk_is_registered_by_one_replica_and_by_another_when_that_is_gone() {
    let both = [owner(1), owner(2), "sip-cluster-9.17".parse().unwrap()];
    let (mut one, mut two) = (Replica::new(1, &both), Replica::new(2, &both));
    for replica in [&mut one, &mut two] {
        replica.carriers.set_trunks(trunks(40), replica.now);
    }
    let (of_one, of_two) = (one.users(), two.users());
    assert!(!of_one.is_empty() && !of_two.is_empty(), "{of_one:?} {of_two:?}");
    assert_eq!(of_one.len() + of_two.len(), 40);
    assert!(of_one.iter().all(|user| !of_two.contains(user)));
    assert_eq!(one.rows() + two.rows(), 40);
    // Nothing is removed by one that leaves its trunks to another.
    two.carriers.drain(two.now);
    assert_eq!((two.users(), two.carriers.is_over()), (Vec::new(), true));
    one.carriers.saw(LINK, &[owner(1)], one.now);
    let mut taken = one.users();
    taken.sort();
    let mut left = of_two.clone();
    left.sort();
    assert_eq!(taken, left);
    // And back, when it has returned.
    one.carriers.saw(LINK, &both, one.now);
    assert_eq!((one.users(), one.rows()), (Vec::new(), of_one.len()));
}

#[test]
fn a_register_says_whose_account_it_is() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let request = one.carriers.poll_request().expect("a REGISTER");
    assert_eq!(request.message.header(&headers::TENANT), Some("acme"));
}

#[test]
fn what_is_wanted_no_more_is_removed_and_the_last_replica_removes_all() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(3), one.now);
    assert_eq!(one.users().len(), 3);
    one.carriers.set_trunks(trunks(2), one.now);
    assert_eq!(one.pass(), [("user-2".to_owned(), "0".to_owned())]);
    // Another user of a trunk: the former one is removed, the new one registered.
    let mut changed = trunks(2);
    for account in changed.values_mut().take(1) {
        (account.user, account.credentials.user) = ("another".to_owned(), "another".to_owned());
    }
    one.carriers.set_trunks(changed, one.now);
    let mut sent = one.pass();
    sent.sort();
    assert_eq!(sent, [("another".to_owned(), "3600".to_owned()), ("user-0".to_owned(), "0".to_owned())]);
    one.carriers.drain(one.now);
    assert!(!one.carriers.is_over());
    assert!(one.pass().iter().all(|(_, expires)| expires == "0") && one.carriers.is_over());
}

#[test]
fn a_corrected_contact_is_registered_within_seconds_although_nobody_answers_at_the_former_one() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    assert!(one.carriers.poll_request().is_some(), "it gets no answer");
    let mut corrected = trunks(1);
    corrected.values_mut().for_each(|account| account.registrar = "203.0.113.10:5060".to_owned());
    one.carriers.set_trunks(corrected, one.now);
    assert!(one.users().is_empty(), "the former one has its time");
    one.now = one.now + own_registration::END_WITHIN;
    let begun: Vec<String> = (0..2).flat_map(|_| one.users()).collect();
    assert_eq!(begun, ["user-0"]);
}

#[test]
fn a_proxy_that_is_gone_leads_to_another_with_its_own_contact() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    assert_eq!(one.users().len(), 1);
    one.carriers.came_up(ConnectionId(2), edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
    assert_eq!(one.users().len(), 0);
    one.carriers.broke(LINK, one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let request = one.carriers.poll_request().expect("a REGISTER");
    assert_eq!(request.link, ConnectionId(2));
    let contacts: Vec<&str> = request.message.headers(&HeaderName::Contact).collect();
    assert_eq!(contacts, ["<sip:user-0@198.51.100.8:5060>", "<sip:user-0@198.51.100.7:5060>;expires=0"]);
    one.carriers.broke(ConnectionId(2), one.now);
    assert!(one.carriers.poll_request().is_none() && one.carriers.next_timeout().is_none());
}

#[test]
fn there_are_no_more_than_a_replica_bears() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(TRUNKS_MAX + 5), one.now);
    let begun: Vec<usize> = (0..30).map(|_| one.users().len()).collect();
    assert_eq!(begun.iter().sum::<usize>(), TRUNKS_MAX);
    assert!(begun.iter().all(|count| *count < 100), "not all at once: {begun:?}");
}

/// A trunk with this name and account.
fn only(name: &str, account: Account) -> Accounts {
    Accounts::from([((TenantId::parse("acme").unwrap(), name.to_owned()), account)])
}

#[test]
fn a_trunk_with_another_name_keeps_its_registration() {
    let mut replica = Replica::new(1, &[owner(1)]);
    replica.carriers.set_trunks(only("main", account(1)), replica.now);
    assert_eq!(replica.pass().len(), 1);
    replica.carriers.set_trunks(only("carrier", account(1)), replica.now);
    assert_eq!((replica.pass(), replica.rows()), (Vec::new(), 1));
    let row = replica.carriers.told.rows(&TenantId::parse("acme").unwrap()).remove(0);
    assert_eq!(row.trunk, "carrier");
}

#[test]
fn an_account_is_registered_anew_only_when_it_is_removed() {
    let mut replica = Replica::new(1, &[owner(1)]);
    replica.carriers.set_trunks(only("main", account(1)), replica.now);
    assert_eq!(replica.pass().len(), 1);
    let elsewhere = Account { registrar: "carrier.example".to_owned(), ..account(1) };
    replica.carriers.set_trunks(only("main", elsewhere), replica.now);
    let user = || "user-1".to_owned();
    assert_eq!(replica.pass(), [(user(), "0".to_owned())]);
    assert_eq!(replica.pass(), [(user(), "3600".to_owned())]);
}

#[test]
fn a_corrected_contact_does_not_wait_for_the_wrong_one() {
    let mut replica = Replica::new(1, &[owner(1)]);
    let elsewhere = Account { registrar: "192.0.2.66:5060".to_owned(), ..account(1) };
    replica.carriers.set_trunks(only("main", elsewhere), replica.now);
    replica.now = replica.now + Duration::from_secs(1);
    replica.carriers.handle_timeout(replica.now);
    let (dead, began) = (replica.carriers.poll_request().expect("a REGISTER"), replica.now);
    replica.now = replica.now + Duration::from_secs(4);
    replica.carriers.handle_timeout(replica.now);
    let row = |replica: &Replica| replica.carriers.told.rows(&TenantId::parse("acme").unwrap()).remove(0);
    assert_eq!((row(&replica).asked_since_ms, row(&replica).next_try_ms), (Some(began.as_millis()), None));
    replica.carriers.set_trunks(only("main", account(1)), replica.now);
    replica.carriers.handle_timeout(replica.now);
    assert_eq!(replica.pass(), [("user-1".to_owned(), "3600".to_owned())]);
    let told = row(&replica);
    assert_eq!((told.registrar.as_str(), told.state.as_str()), ("203.0.113.9:5060", "registered"));
    assert_eq!((told.asked_since_ms, told.next_try_ms.is_some()), (None, true));
    // The end of the request that was given up is that of nobody.
    replica.carriers.unanswered(dead.number, replica.now);
    assert_eq!((row(&replica).state, replica.rows()), ("registered".to_owned(), 1));
}

#[test]
fn the_way_that_a_carrier_wants_is_stored_again_when_it_changes_or_was_not() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    assert!(one.carriers.poll_route(one.now).is_none(), "there is no registration yet");
    one.users();
    let first = one.carriers.poll_route(one.now).expect("a way");
    assert_eq!((first.trunk.as_str(), first.way.routes.len()), ("trunk-0", 0), "that there is none, too");
    assert!(one.carriers.poll_route(one.now).is_none());
    one.carriers.route_stored(first.number, false, one.now);
    assert!(one.carriers.poll_route(one.now).is_none(), "the store is left alone for a while");
    assert!(one.carriers.poll_route(one.now + STORED_AGAIN).is_some());
    one.carriers.route_stored(first.number, true, one.now + STORED_AGAIN);
    one.refresh("<sip:p1.carrier.example;lr>");
    let way = one.carriers.poll_route(one.now).expect("a way").way;
    assert_eq!(
        (way.routes, way.until),
        (vec!["<sip:p1.carrier.example;lr>".to_owned()], one.now + Duration::from_secs(600))
    );
}

#[test]
fn operators_are_told_the_way_and_why_one_is_not_followed() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    one.users();
    let mut after = |way: &str| {
        one.refresh(way);
        let routes = one.carriers.poll_route(one.now).map(|stored| {
            one.carriers.route_stored(stored.number, true, one.now);
            stored.way.routes
        });
        let row = one.carriers.told.rows(&TenantId::parse("acme").unwrap()).remove(0);
        assert_eq!(routes.unwrap_or_default(), row.service_route);
        (row.service_route.len(), row.service_route_fault)
    };
    assert_eq!(after("<sip:p1.carrier.example;lr>"), (1, None));
    // That edge is ours: a call would come in again.
    let (routes, why) = after(&format!("<sip:{EDGE};lr>, <sip:p1.carrier.example;lr>"));
    assert_eq!((routes, why.as_deref()), (0, Some("it leads back to our own edge")));
    let (routes, why) = after("<sip:p1.carrier.example>");
    assert!(routes == 0 && why.is_some_and(|why| why.contains("loose router")));
    assert_eq!(after("<sip:p2.carrier.example;lr>"), (1, None));
}

#[test]
fn a_way_is_looked_at_only_when_something_has_changed() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(3), one.now);
    one.users();
    assert_eq!(one.carriers.ways_due.len(), 3);
    while let Some(stored) = one.carriers.poll_route(one.now) {
        one.carriers.route_stored(stored.number, true, one.now);
    }
    assert!(one.carriers.ways_due.is_empty());
    // Another name is another record.
    let renamed = trunks(3).into_iter().map(|((tenant, name), account)| ((tenant, format!("my-{name}")), account));
    one.carriers.set_trunks(renamed.collect(), one.now);
    let mut names: Vec<String> = std::iter::from_fn(|| Some(one.carriers.poll_route(one.now)?.trunk)).collect();
    names.sort();
    assert_eq!(names, ["my-trunk-0", "my-trunk-1", "my-trunk-2"]);
}

#[test]
fn trunks_are_registered_again_when_the_connection_closes_by_which_they_are() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let request = one.carriers.poll_request().expect("a REGISTER");
    let response = Message::response_to(&request.message, StatusCode::OK)
        .header(&HeaderName::Expires, 3_600)
        .header(&headers::FLOW, 77)
        .build();
    one.carriers.answered(request.number, &response, one.now);
    one.now = one.now + Duration::from_secs(120);
    one.carriers.flow_closed(LINK, "78", one.now);
    assert_eq!(one.users().len(), 0, "that was another connection");
    one.carriers.flow_closed(LINK, "77", one.now);
    assert_eq!(one.users().len(), 1);
    one.carriers.flow_closed(LINK, "77", one.now + Duration::from_secs(120));
    assert_eq!(one.users().len(), 0, "it is not by that connection any more");
}

#[test]
fn a_proxy_that_drains_is_left_at_once_for_one_that_does_not() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    assert_eq!(one.users().len(), 1);
    one.carriers.proxy_drains(LINK, true, one.now);
    assert_eq!(one.users().len(), 0, "there is no other one");
    let registers_by = |one: &mut Replica| {
        one.now = one.now + Duration::from_secs(1);
        one.carriers.handle_timeout(one.now);
        let request = one.carriers.poll_request()?;
        let contact = request.message.header(&HeaderName::Contact)?.to_owned();
        let ok = Message::response_to(&request.message, StatusCode::OK).header(&HeaderName::Expires, 600).build();
        one.carriers.answered(request.number, &ok, one.now);
        Some((request.link, contact))
    };
    let (two, three) = (ConnectionId(2), ConnectionId(3));
    one.carriers.came_up(two, edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
    assert_eq!(registers_by(&mut one), Some((two, "<sip:user-0@198.51.100.8:5060>".to_owned())));
    one.carriers.broke(LINK, one.now);
    one.carriers.came_up(three, edge("198.51.100.7:5060"), false, &[owner(1)], one.now);
    assert_eq!(registers_by(&mut one), None, "it stays where it is");
    one.carriers.proxy_drains(two, true, one.now);
    assert_eq!(registers_by(&mut one), Some((three, "<sip:user-0@198.51.100.7:5060>".to_owned())));
}

/// The registrar's answer to a REGISTER.
fn answer(request: &CarrierRequest, status: StatusCode) -> Message {
    let answer = Message::response_to(&request.message, status);
    let answer = if status == StatusCode::UNAUTHORIZED {
        let challenge = r#"Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth""#;
        answer.header(&HeaderName::WwwAuthenticate, challenge)
    } else {
        answer.header(&HeaderName::Expires, 600)
    };
    answer.build()
}

#[test]
fn what_a_proxy_that_drains_still_brings_is_no_answer_to_the_next_request() {
    let two = ConnectionId(2);
    for late in [Some(StatusCode::OK), Some(StatusCode::UNAUTHORIZED), None] {
        let mut one = Replica::new(1, &[owner(1)]);
        one.carriers.came_up(two, edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
        one.carriers.set_trunks(trunks(1), one.now);
        let next = |one: &mut Replica| {
            one.now = one.now + Duration::from_secs(1);
            one.carriers.handle_timeout(one.now);
            one.carriers.poll_request().expect("a REGISTER")
        };
        let first = next(&mut one);
        one.carriers.proxy_drains(LINK, true, one.now);
        let second = next(&mut one);
        assert_eq!((first.link, second.link), (LINK, two));
        match late {
            Some(status) => one.carriers.answered(first.number, &answer(&first, status), one.now),
            None => one.carriers.unanswered(first.number, one.now),
        }
        assert!(one.carriers.poll_request().is_none(), "{late:?} is not about it");
        one.carriers.answered(second.number, &answer(&second, StatusCode::UNAUTHORIZED), one.now);
        let third = one.carriers.poll_request().expect("one with credentials");
        let contacts: Vec<&str> = third.message.headers(&HeaderName::Contact).collect();
        assert_eq!(contacts, ["<sip:user-0@198.51.100.8:5060>", "<sip:user-0@198.51.100.7:5060>;expires=0"]);
        one.carriers.answered(third.number, &answer(&third, StatusCode::OK), one.now);
        one.carriers.handle_timeout(one.now);
        let row = one.carriers.told.rows(&TenantId::parse("acme").unwrap()).remove(0);
        assert_eq!((row.state.as_str(), row.problem), ("registered", None), "{late:?}");
    }
}

#[test]
fn an_answer_that_comes_before_the_next_request_is_not_believed_either() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let first = one.carriers.poll_request().expect("a REGISTER");
    let two = ConnectionId(2);
    one.carriers.came_up(two, edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
    one.carriers.proxy_drains(LINK, true, one.now);
    let late = Message::response_to(&first.message, StatusCode::OK)
        .header(&HeaderName::Expires, 600)
        .header(&headers::FLOW, 77)
        .build();
    one.carriers.answered(first.number, &late, one.now);
    assert!(one.carriers.held.values().all(|held| held.flow.is_none()), "it is not by that connection");
    assert_eq!(one.users().len(), 1);
    assert!(one.carriers.asked.is_empty());
}

#[test]
fn a_proxy_that_drains_already_when_it_is_met_is_no_way_where_there_is_another() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.set_trunks(trunks(1), one.now);
    assert_eq!(one.users().len(), 1);
    one.carriers.proxy_drains(LINK, true, one.now);
    one.carriers.came_up(ConnectionId(2), edge("198.51.100.8:5060"), true, &[owner(1)], one.now);
    assert_eq!(one.users().len(), 0, "that one is no better");
    one.carriers.came_up(ConnectionId(3), edge("198.51.100.9:5060"), false, &[owner(1)], one.now);
    assert_eq!((one.users().len(), one.carriers.way), (1, Some(ConnectionId(3))));
}

#[test]
fn trunks_that_lose_one_connection_together_come_back_one_after_the_other() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.flow = Some(77);
    one.carriers.set_trunks(trunks(500), one.now);
    for _ in 0..11 {
        one.pass();
    }
    one.now = one.now + Duration::from_secs(120);
    one.carriers.flow_closed(ConnectionId(2), "77", one.now);
    assert_eq!(one.users().len(), 0, "another proxy numbers its own connections");
    one.carriers.flow_closed(LINK, "77", one.now);
    let begun: Vec<usize> = (0..11).map(|_| one.users().len()).collect();
    assert_eq!(begun.iter().sum::<usize>(), 500);
    assert!(begun.iter().all(|count| *count < 100), "{begun:?}");
}

#[test]
fn what_the_replica_before_has_left_at_another_edge_is_removed() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.came_up(ConnectionId(2), edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
    one.carriers.set_trunks(trunks(1), one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let request = one.carriers.poll_request().expect("a REGISTER");
    let response = Message::response_to(&request.message, StatusCode::OK)
        .header(&HeaderName::Contact, "<sip:user-0@198.51.100.7:5060>;expires=600")
        .header(&HeaderName::Contact, "<sip:user-0@198.51.100.8:5060>;expires=500")
        .build();
    one.carriers.answered(request.number, &response, one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let request = one.carriers.poll_request().expect("a REGISTER");
    let contacts: Vec<&str> = request.message.headers(&HeaderName::Contact).collect();
    assert_eq!(contacts, ["<sip:user-0@198.51.100.7:5060>", "<sip:user-0@198.51.100.8:5060>;expires=0"]);
}

#[test]
fn what_was_left_by_tls_at_a_proxy_that_is_gone_is_removed_too() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.came_up(ConnectionId(2), edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
    one.carriers.broke(ConnectionId(2), one.now);
    one.carriers.set_trunks(trunks(1), one.now);
    let next = |one: &mut Replica| {
        one.now = one.now + Duration::from_secs(1);
        one.carriers.handle_timeout(one.now);
        one.carriers.poll_request().expect("a REGISTER")
    };
    let request = next(&mut one);
    let response = Message::response_to(&request.message, StatusCode::OK)
        .header(&HeaderName::Contact, "<sip:user-0@198.51.100.7:5060>;expires=600")
        .header(&HeaderName::Contact, "<sip:user-0@198.51.100.8:5061;transport=tls>;expires=500")
        .build();
    one.carriers.answered(request.number, &response, one.now);
    let request = next(&mut one);
    let contacts: Vec<&str> = request.message.headers(&HeaderName::Contact).collect();
    let left = "<sip:user-0@198.51.100.8:5061;transport=tls>;expires=0";
    assert_eq!(contacts, ["<sip:user-0@198.51.100.7:5060>", left]);
}

#[test]
fn the_edges_that_are_remembered_are_bounded() {
    let mut one = Replica::new(1, &[owner(1)]);
    for host in 0..2 * EDGES_MAX {
        let host = format!("198.51.100.{host}:5060");
        one.carriers.came_up(ConnectionId(2), edge(&host), false, &[owner(1)], one.now);
        one.carriers.came_up(ConnectionId(2), edge(&host), false, &[owner(1)], one.now);
    }
    assert_eq!(one.carriers.edges.len(), EDGES_MAX);
    assert_eq!(one.carriers.edges.last(), Some(&edge("198.51.100.63:5060")));
}

#[test]
fn a_proxy_that_goes_takes_its_connections_with_it_where_another_has_its_edge() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.flow = Some(77);
    one.carriers.set_trunks(trunks(1), one.now);
    assert_eq!(one.users().len(), 1);
    one.carriers.came_up(ConnectionId(2), edge(EDGE), false, &[owner(1)], one.now);
    one.carriers.proxy_drains(LINK, true, one.now);
    one.now = one.now + Duration::from_secs(120);
    assert_eq!(one.users().len(), 0, "calls go on by its connection");
    one.carriers.broke(LINK, one.now);
    assert_eq!(one.users().len(), 1);
}

#[test]
fn a_way_to_any_address_of_our_edges_leads_back_to_us() {
    let mut one = Replica::new(1, &[owner(1)]);
    let places = ["[2001:db8::8]:5060", "198.51.100.8:5062;transport=tcp"].map(str::to_owned).to_vec();
    let other = EdgeAddresses { places, ..edge("198.51.100.8:5060") };
    one.carriers.came_up(ConnectionId(2), other, false, &[owner(1)], one.now);
    one.carriers.set_trunks(trunks(1), one.now);
    one.users();
    for way in ["<sip:[2001:db8::8]:5060;lr>", "<sip:198.51.100.8:5062;transport=tcp;lr>"] {
        one.refresh(way);
        let row = one.carriers.told.rows(&TenantId::parse("acme").unwrap()).remove(0);
        assert_eq!(row.service_route_fault.as_deref(), Some("it leads back to our own edge"), "{way}");
    }
}

#[test]
fn a_removal_whose_proxy_breaks_goes_on_by_the_next_one_also_at_the_same_edge() {
    for other in ["198.51.100.8:5060", EDGE] {
        let mut one = Replica::new(1, &[owner(1)]);
        one.carriers.set_trunks(trunks(1), one.now);
        assert_eq!(one.users().len(), 1);
        one.carriers.came_up(ConnectionId(2), edge(other), false, &[owner(1)], one.now);
        one.carriers.set_trunks(Accounts::new(), one.now);
        let removal = one.carriers.poll_request().expect("a removal");
        assert_eq!((removal.link, removal.message.header(&HeaderName::Expires)), (LINK, Some("0")));
        one.carriers.broke(LINK, one.now);
        // The end of the request that has gone with the proxy says nothing.
        one.carriers.unanswered(removal.number, one.now);
        one.carriers.handle_timeout(one.now);
        let again = one.carriers.poll_request().expect("the removal once more");
        assert_eq!((again.link, again.message.header(&HeaderName::Expires)), (ConnectionId(2), Some("0")));
        assert_eq!(again.message.header(&HeaderName::Contact), Some("<sip:user-0@198.51.100.7:5060>"));
        // Without a further proxy there is no way.
        one.carriers.broke(ConnectionId(2), one.now);
        one.carriers.handle_timeout(one.now);
        assert!(one.carriers.poll_request().is_none() && one.carriers.held.is_empty(), "{other}");
    }
}

#[test]
fn a_register_that_ends_with_its_proxy_is_no_failure_of_the_carrier() {
    let mut one = Replica::new(1, &[owner(1)]);
    one.carriers.came_up(ConnectionId(2), edge("198.51.100.8:5060"), false, &[owner(1)], one.now);
    one.carriers.set_trunks(trunks(1), one.now);
    one.now = one.now + Duration::from_secs(1);
    one.carriers.handle_timeout(one.now);
    let first = one.carriers.poll_request().expect("a REGISTER");
    one.carriers.broke(LINK, one.now);
    one.carriers.unanswered(first.number, one.now);
    one.carriers.handle_timeout(one.now);
    let row = one.carriers.told.rows(&TenantId::parse("acme").unwrap()).remove(0);
    assert_eq!((row.state.as_str(), row.problem), ("trying", None));
    assert_eq!(one.users(), ["user-0"]);
}

#[test]
fn what_is_left_at_a_proxy_that_is_gone_for_good_is_removed_by_a_registrar_that_has_never_met_it() {
    let left = "sip:user-0@198.51.100.9:5060";
    let contacts =
        |request: &CarrierRequest| request.message.headers(&HeaderName::Contact).map(str::to_owned).collect::<Vec<_>>();
    let removes = ["<sip:user-0@198.51.100.7:5060>".to_owned(), format!("<{left}>;expires=0")];
    let next = |one: &mut Replica| {
        one.now = one.now + Duration::from_secs(1);
        one.carriers.handle_timeout(one.now);
        one.carriers.poll_request().expect("a REGISTER")
    };
    // Where the store answers before the first REGISTER goes out, while it is under way, and after it.
    for read_after in 0..3 {
        let mut one = Replica::new(1, &[owner(1)]);
        one.carriers.set_trunks(trunks(1), one.now);
        let LeftToRead { number, trunk, contact, .. } = one.carriers.poll_left().expect("a trunk");
        assert_eq!((trunk.as_str(), contact.as_str()), ("trunk-0", "203.0.113.9:5060"));
        assert!(one.carriers.poll_left().is_none());
        let read = |one: &mut Replica| one.carriers.left_read(number, Some(left.to_owned()), one.now);
        if read_after == 0 {
            read(&mut one);
            assert_eq!(contacts(&next(&mut one)), removes);
            continue;
        }
        let request = next(&mut one);
        if read_after == 1 {
            read(&mut one);
        }
        let response = Message::response_to(&request.message, StatusCode::OK)
            .header(&HeaderName::Contact, "<sip:user-0@198.51.100.7:5060>;expires=600")
            .header(&HeaderName::Contact, format!("<{left}>;expires=500"))
            .build();
        one.carriers.answered(request.number, &response, one.now);
        if read_after == 2 {
            assert!(one.carriers.poll_route(one.now).is_none(), "what is read is not overwritten before");
            read(&mut one);
        }
        let stored = one.carriers.poll_route(one.now).expect("a way");
        assert_eq!(stored.way.registered_as, "sip:user-0@198.51.100.7:5060");
        assert_eq!(contacts(&next(&mut one)), removes, "{read_after}");
    }
}

#[test]
fn what_was_registered_at_the_present_edge_or_by_another_user_is_not_removed() {
    for known in [None, Some("sip:user-0@198.51.100.7:5061;transport=tls"), Some("sip:former@198.51.100.9:5060")] {
        let mut one = Replica::new(1, &[owner(1)]);
        one.carriers.set_trunks(trunks(1), one.now);
        let number = one.carriers.poll_left().expect("a trunk").number;
        one.carriers.left_read(number, known.map(str::to_owned), one.now);
        one.now = one.now + Duration::from_secs(1);
        one.carriers.handle_timeout(one.now);
        let request = one.carriers.poll_request().expect("a REGISTER");
        assert_eq!(request.message.headers(&HeaderName::Contact).count(), 1, "{known:?}");
    }
}
