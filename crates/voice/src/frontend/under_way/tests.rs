use tokio::sync::oneshot;

use super::*;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

#[tokio::test]
async fn what_was_begun_is_done_although_nobody_waits_for_it() {
    let under_way = UnderWay::default();
    let (answer, owner_answers) = oneshot::channel::<()>();
    let (done, is_done) = oneshot::channel();
    let work = async move {
        let _ = owner_answers.await;
        let _ = done.send(());
    };
    let tenant = acme();
    let mut client = Box::pin(under_way.to_the_end(&tenant, work));
    assert!(futures::poll!(&mut client).is_pending());
    drop(client);
    answer.send(()).unwrap();
    is_done.await.expect("the work ends after its client has hung up");
}

#[tokio::test]
async fn a_tenant_takes_no_other_tenants_places() {
    let under_way = UnderWay::default();
    let held: Vec<Place> = (0..REQUESTS_OF_TENANT_MAX).map(|_| under_way.take(&acme()).unwrap()).collect();
    assert!(under_way.take(&acme()).is_err_and(|problem| problem.status == 503));
    let other = TenantId::parse("globex").unwrap();
    assert_eq!(under_way.to_the_end(&other, async { 7 }).await, Ok(7));
    drop(held);
    assert!(under_way.counts().is_empty());
}

#[test]
fn four_greedy_tenants_leave_places_to_a_fifth() {
    let under_way = UnderWay::default();
    let mut held: Vec<Place> = Vec::new();
    for _ in 0..REQUESTS_OF_TENANT_MAX {
        for number in 0..4 {
            held.extend(under_way.take(&TenantId::parse(&format!("greedy-{number}")).unwrap()));
        }
    }
    assert!(held.len() < REQUESTS_MAX);
    for _ in 0..REQUESTS_MAX / 16 {
        held.push(under_way.take(&acme()).unwrap());
    }
}

#[tokio::test]
async fn a_panic_costs_its_own_request() {
    let under_way = UnderWay::default();
    let failed: Result<(), Problem> = under_way.to_the_end(&acme(), async { panic!("a test") }).await;
    assert_eq!(failed, Err(Problem::internal()));
    assert!(under_way.counts().is_empty(), "its place is free again");
}
