use model::{Dn, TenantId};

use super::*;
use crate::seal::Seal;

fn source(n: u32) -> IpAddr {
    IpAddr::from(n.to_be_bytes())
}

fn phone(n: u32) -> PhoneMark {
    let (tenant, dn) = (TenantId::parse("acme").unwrap(), Dn::parse(&(7_000 + n).to_string()).unwrap());
    PhoneMark::of(&tenant, &dn, &Seal::new(&[9; 32]))
}

#[test]
fn seals_are_verified_within_a_budget_of_each_source_and_of_all() {
    let mut allowance = Allowance::new();
    let now = Timestamp::from_millis(1_000_000);
    let of_one = (0..10_000).filter(|_| allowance.may_check(source(1), now)).count();
    assert_eq!(of_one, CHECKS_PER_S as usize);
    let of_all = (2..50_000).filter(|n| allowance.may_check(source(*n), now)).count();
    assert_eq!(of_all, CHECKS_OF_ALL_PER_S as usize - of_one);
    assert!(allowance.may_check(source(1), now + Duration::from_millis(100)));
}

#[test]
fn strangers_make_nobody_be_forgotten_who_has_proven_something() {
    let mut allowance = Allowance::new();
    let now = Timestamp::from_millis(1_000_000);
    let flow = |n: u32| Flow::Udp { listener: 0, remote: (source(n), 5060).into() };
    allowance.proved(flow(1), None, phone(1), now);
    for n in 2..200_000 {
        allowance.may_check(source(n), now);
        assert!(!allowance.of_flow(flow(n), 10, now));
    }
    assert!(allowance.sources.len() <= SOURCES_MAX);
    assert!(allowance.of_flow(flow(1), 10, now));
    assert!(!allowance.of_flow(flow(1), 10, now + FLOW_PROVEN_FOR + Duration::from_secs(1)), "lately, not once");
}

#[test]
fn calls_for_help_are_few_of_each_phone_and_of_all() {
    let mut allowance = Allowance::new();
    let now = Timestamp::from_millis(1_000_000);
    let flow = |n: u32| Flow::Udp { listener: 0, remote: (source(n), 5060).into() };
    (1..=100).for_each(|n| allowance.proved(flow(n), None, phone(n), now));
    (201..=220).for_each(|n| allowance.proved(flow(n), None, phone(1), now));
    let flows_of_one = std::iter::once(1).chain(201..=220);
    let of_one = flows_of_one.filter(|n| allowance.may_call_for_help(flow(*n), None, false, now)).count();
    assert_eq!(of_one, FOR_HELP_OF_PHONE_PER_S as usize, "by however many flows");
    let of_others = (2..=100).filter(|n| allowance.may_call_for_help(flow(*n), None, false, now)).count();
    assert_eq!(of_others, FOR_HELP_PER_S as usize - of_one);
    assert!(allowance.may_call_for_help(flow(2), None, true, now), "it was counted when it was challenged");
    assert!(!allowance.may_call_for_help(flow(2), None, true, now), "once");
    let later = now + Duration::from_secs(1);
    assert!(!allowance.may_call_for_help(flow(101), None, false, later), "who has proved nothing");
    allowance.proved_trunk(flow(102), later);
    assert!(allowance.is_trunks(flow(102), later) && !allowance.is_trunks(flow(1), later));
    assert!(!allowance.may_call_for_help(flow(102), None, false, later), "who calls by a trunk reaches no such number");
}

#[test]
fn a_response_without_a_branch_of_ours_is_not_read() {
    assert!(may_be_known(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKtk0000000100000000000000ff\r\n"));
    assert!(!may_be_known(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-another\r\n"));
    assert!(may_be_known(b"BYE sip:a@b SIP/2.0\r\n"), "what a request shows is read");
}
