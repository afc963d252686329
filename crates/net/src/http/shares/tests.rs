use super::*;

const CAPACITY: Capacity = Capacity { all: 100 };

fn taker(tenant: &str, name: &str) -> ShareHolder {
    ShareHolder::Caller { tenant: Some(TenantId::parse(tenant).unwrap()), name: name.to_owned() }
}

/// As many places as it gets, 1,000 at most.
fn all_for(shares: &Shares, taker: &ShareHolder) -> Vec<Place> {
    (0..1_000).map_while(|_| shares.take(taker.clone()).ok()).collect()
}

#[test]
fn a_caller_alone_has_half_a_tenant_three_quarters_and_who_comes_new_finds_some() {
    let shares = Shares::new(CAPACITY);
    let greedy = all_for(&shares, &taker("acme", "greedy"));
    assert_eq!(greedy.len(), 50);
    let colleagues: Vec<Vec<Place>> =
        ["one", "two", "three"].iter().map(|name| all_for(&shares, &taker("acme", name))).collect();
    assert_eq!(50 + colleagues.iter().map(Vec::len).sum::<usize>(), 75, "the tenant has its share");
    let mut others = Vec::new();
    for tenant in ["globex", "initech", "umbrella"] {
        let held: Vec<Place> = (0..5).filter_map(|n| shares.take(taker(tenant, &format!("c{n}"))).ok()).collect();
        assert_eq!(held.len(), 5, "{tenant}");
        others.push(held);
    }
    assert_eq!(all_for(&shares, &ShareHolder::Role).len(), 10, "a role has no share");
    drop((greedy, colleagues));
    assert_eq!(shares.take(taker("acme", "one")).map(drop), Ok(()), "what was given back is free again");
}

#[test]
fn what_is_given_back_leaves_nothing() {
    let shares = Shares::new(CAPACITY);
    drop(all_for(&shares, &taker("acme", "one")));
    drop(all_for(&shares, &stranger("2001:db8::1")));
    let taken = shares.taken.lock().unwrap();
    assert!(taken.all == 0 && taken.of_tenants.is_empty() && taken.of_callers.is_empty());
    assert!(taken.strangers == 0 && taken.of_blocks.is_empty() && taken.of_networks.is_empty());
}

fn stranger(address: &str) -> ShareHolder {
    ShareHolder::of(None, Some(address.parse().unwrap()))
}

/// The places that callers without a token get who come one after the other from those addresses, 20 times each.
fn all_for_each(shares: &Shares, addresses: &[String]) -> Vec<Place> {
    let rounds = (0..20).flat_map(|_| addresses);
    rounds.filter_map(|address| shares.take(stranger(address)).ok()).collect()
}

#[test]
fn whoever_has_many_addresses_of_ipv6_keeps_nobody_out() {
    let shares = Shares::new(CAPACITY);
    let of_host: Vec<String> = (1..=200).map(|n| format!("2001:db8:0:1::{n:x}")).collect();
    let host = all_for_each(&shares, &of_host);
    assert_eq!(host.len(), 34, "a host has half of its network's share");
    let of_site: Vec<String> = (2..=200).map(|n| format!("2001:db8:0:{n:x}::1")).collect();
    let site = all_for_each(&shares, &of_site);
    assert_eq!(host.len() + site.len(), 50, "as a single caller");
    let another = all_for(&shares, &stranger("192.0.2.1"));
    assert!(another.len() >= 5, "{}", another.len());
}

#[test]
fn callers_without_a_token_leave_places_to_those_with_one() {
    let shares = Shares::new(CAPACITY);
    let everywhere: Vec<String> = (1..=200).map(|n| format!("192.0.2.{n}")).collect();
    let held = all_for_each(&shares, &everywhere);
    assert_eq!(held.len(), 75);
    assert_eq!(all_for(&shares, &taker("acme", "one")).len(), 13);
}

#[test]
fn all_places_may_be_taken() {
    let shares = Shares::new(CAPACITY);
    let _held = all_for(&shares, &ShareHolder::Role);
    assert_eq!(shares.take(taker("acme", "one")).err(), Some(NoCapacity::All));
}
