use std::sync::Arc;

use super::*;
use crate::conformance::fixtures::{create, event, owner, save, tenant, write};
use crate::{Change, Refusal, SystemClock};

/// Gives a tenant this number of bytes of facts that are not exported.
fn full(stores: &Embedded, tenant: &TenantId, bytes: usize) {
    stores.lock().state.tenant(tenant).events.bytes = bytes;
}

#[tokio::test]
async fn what_begins_is_refused_and_what_goes_on_or_ends_never() {
    let stores = Embedded::in_memory(Arc::new(SystemClock::start()));
    let (acme, other, me) = (tenant("acme"), tenant("other"), owner("node-1.5"));
    let with_fact = |of: &TenantId, call, change| CallWrite {
        events: vec![event(of, call, 1, 1)],
        ..write(of, call, &me, 1, change)
    };
    CallLedger::commit(&stores, vec![write(&acme, 1, &me, 1, create("x"))]).await.unwrap();
    for (next, bytes) in [(2, bounds::STREAM_BYTES_HARD), (3, 2 * bounds::STREAM_BYTES_HARD)] {
        full(&stores, &acme, bytes);
        let batch = vec![
            with_fact(&acme, next, create("begins")),
            with_fact(&acme, 1, save("goes on")),
            with_fact(&other, next, create("of another tenant")),
            write(&acme, 1, &me, 1, save("without a fact")),
        ];
        let written = CallLedger::commit(&stores, batch).await.unwrap();
        let done: Vec<bool> = written.iter().map(|written| matches!(written, Written::Done { .. })).collect();
        assert_eq!(done, [false, true, true, true], "{written:?}");
        assert!(matches!(&written[0], Written::Refused(Refusal::NoRoom { what: "the event stream", .. })));
        let ends = CallLedger::commit(&stores, vec![with_fact(&other, next, Change::End)]).await.unwrap();
        assert!(matches!(ends[..], [Written::Done { .. }]), "{ends:?}");
    }
    let ends = CallLedger::commit(&stores, vec![with_fact(&acme, 1, Change::End)]).await.unwrap();
    assert!(matches!(ends[..], [Written::Done { .. }]), "{ends:?}");
}
