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
    let taken = shares.taken.lock().unwrap();
    assert!(taken.all == 0 && taken.of_tenants.is_empty() && taken.of_callers.is_empty());
}

#[test]
fn all_places_may_be_taken() {
    let shares = Shares::new(CAPACITY);
    let _held = all_for(&shares, &ShareHolder::Role);
    assert_eq!(shares.take(taker("acme", "one")).err(), Some(NoCapacity::All));
}
