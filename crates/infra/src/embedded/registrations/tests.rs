use std::sync::Arc;

use model::plan::Contact;

use super::*;
use crate::{Binding, SystemClock};

fn write(dn: &str, expected: u64) -> RegistrationWrite {
    let (tenant, dn) = (TenantId::parse("acme").unwrap(), Dn::parse(dn).unwrap());
    RegistrationWrite { tenant, dn, expected, bindings: Vec::new(), events: Vec::new() }
}

#[tokio::test]
async fn a_batch_sees_what_it_has_written_before() {
    let stores = Embedded::in_memory(Arc::new(SystemClock::start()));
    let batch = vec![write("7101", 0), write("7102", 0), write("7101", 1), write("7101", 1), write("7103", 5)];
    let written = stores.commit(batch).await.unwrap();
    use RegistrationWritten::{Conflict, Done};
    assert_eq!(written, [Done(1), Done(1), Done(2), Conflict(2), Conflict(0)]);
    let acme = TenantId::parse("acme").unwrap();
    let held = stores.load(&acme, &Dn::parse("7101").unwrap()).await.unwrap();
    assert_eq!(held.version, 2);
}

#[tokio::test]
async fn what_ends_is_found_whenever_it_was_written() {
    let stores = Embedded::in_memory(Arc::new(SystemClock::start()));
    let at = Timestamp::from_millis;
    let until = |dn: &str, version, ends_ms| {
        let contact = Contact::new(format!("sip:{dn}@192.0.2.1"), Vec::new());
        let (refreshed_at, expires_at) = (at(0), at(ends_ms));
        let call_id = "a".to_owned();
        let binding = Binding {
            contact,
            call_id,
            cseq: 1,
            refreshed_at,
            expires_at,
            q: 1_000,
            user_agent: None,
            instance: None,
            reg_id: None,
        };
        RegistrationWrite { bindings: vec![binding], ..write(dn, version) }
    };
    let ending = async |ms, max| {
        let found = stores.ending(at(ms), max).await.unwrap();
        found.into_iter().map(|(_, dn)| dn.as_str().to_owned()).collect::<Vec<_>>()
    };
    stores.commit(vec![until("7101", 0, 10), until("7102", 0, 20)]).await.unwrap();
    assert!(ending(9, 9).await.is_empty());
    assert_eq!(ending(10, 9).await, ["7101"]);
    stores.commit(vec![until("7101", 1, 40), until("7103", 0, 15), until("7104", 0, 16)]).await.unwrap();
    assert_eq!(ending(16, 1).await, ["7103"]);
    assert_eq!(ending(16, 9).await, ["7103", "7104"]);
    stores.commit(vec![write("7103", 1), write("7104", 1)]).await.unwrap();
    assert!(ending(19, 9).await.is_empty());
    assert_eq!(ending(40, 9).await, ["7101", "7102"]);
}
