//! Registrations of phones.

use std::collections::HashSet;
use std::ops::Bound;

use contracts::v1::effect::Effect;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{Dn, TenantId, Timestamp};

use super::tenant::registration_put;
use super::{Embedded, Inner};
use crate::registrations::{Registration, RegistrationWrite, RegistrationWritten, Registrations};
use crate::{Answer, Refusal, Result, Room, Size, bounds};

impl Registrations for Embedded {
    fn load<'a>(&'a self, tenant: &'a TenantId, dn: &'a Dn) -> Answer<'a, Registration> {
        async move {
            let inner = self.lock();
            let found = inner.state.find(tenant).and_then(|state| state.registrations.get(dn));
            Ok(found.cloned().unwrap_or_default())
        }
        .boxed()
    }

    fn load_all<'a>(&'a self, of: &'a [(TenantId, Dn)]) -> BoxFuture<'a, Vec<Result<Registration>>> {
        async move {
            let inner = self.lock();
            let one = |(tenant, dn): &(TenantId, Dn)| {
                let found = inner.state.find(tenant).and_then(|state| state.registrations.get(dn));
                Ok(found.cloned().unwrap_or_default())
            };
            of.iter().map(one).collect()
        }
        .boxed()
    }

    fn commit(&self, batch: Vec<RegistrationWrite>) -> Answer<'_, Vec<RegistrationWritten>> {
        self.write(move |inner| {
            let mut answers = Vec::with_capacity(batch.len());
            // Journalled in one piece. A second write of the same DN sees the first, which is applied before it.
            let (mut effects, mut touched, mut added) = (Vec::new(), HashSet::new(), 0);
            for write in batch {
                if !touched.insert((write.tenant.clone(), write.dn.clone())) {
                    inner.commit_or_go_on(std::mem::take(&mut effects))?;
                    added = 0;
                }
                let registrations = &inner.state.tenant(&write.tenant).registrations;
                let is_new = !registrations.contains_key(&write.dn);
                if is_new && registrations.len() + added >= bounds::RECORDS_MAX {
                    let (what, bound) = ("the registrations", bounds::RECORDS_MAX as u64);
                    answers.push(RegistrationWritten::Refused(Refusal::NoRoom { what, bound }));
                    continue;
                }
                let (version, events) = registrations.get(&write.dn).map_or((0, 0), |r| (r.version, r.events));
                if version != write.expected {
                    answers.push(RegistrationWritten::Conflict(version));
                    continue;
                }
                match effects_of(inner, write, version + 1, events) {
                    Ok(of_write) => {
                        effects.extend(of_write);
                        added += usize::from(is_new);
                        answers.push(RegistrationWritten::Done(version + 1));
                    }
                    Err(refusal) => answers.push(RegistrationWritten::Refused(refusal)),
                }
            }
            inner.commit_or_go_on(effects)?;
            Ok(answers)
        })
        .boxed()
    }

    fn ending(&self, now: Timestamp, max: usize) -> Answer<'_, Vec<(TenantId, Dn)>> {
        async move {
            let mut inner = self.lock();
            let mut ending = Vec::new();
            for (tenant, state) in &mut inner.state.tenants {
                let of_tenant = state.ending(now, max - ending.len());
                ending.extend(of_tenant.into_iter().map(|dn| (tenant.clone(), dn)));
            }
            Ok(ending)
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a Dn>,
        max: usize,
    ) -> Answer<'a, Vec<(Dn, Registration)>> {
        async move {
            let inner = self.lock();
            let Some(state) = inner.state.find(tenant) else { return Ok(Vec::new()) };
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let range = state.registrations.range::<Dn, _>((from, Bound::Unbounded));
            Ok(range.take(max).map(|(dn, registration)| (dn.clone(), registration.clone())).collect())
        }
        .boxed()
    }
}

/// The effects of a write, if there is room for it; `events` is the number of facts published about the DN before.
fn effects_of(
    inner: &mut Inner,
    write: RegistrationWrite,
    version: u64,
    events: u64,
) -> std::result::Result<Vec<Effect>, Refusal> {
    let room = write.room();
    let RegistrationWrite { tenant, dn, bindings, events: facts, .. } = write;
    let put = registration_put(&tenant, &dn, Registration { version, events: events + facts.len() as u64, bindings });
    let state = put.encoded_len();
    let mut effects = vec![put];
    inner.state.add_events(&tenant, &facts, room, &mut effects)?;
    let size = Size { state, ..Size::default() };
    size.refusal().filter(|_| room != Room::Ends).map_or(Ok(effects), Err)
}

#[cfg(test)]
mod tests {
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
            let contact = Contact { uri: format!("sip:{dn}@192.0.2.1"), path: Vec::new() };
            let (refreshed_at, expires_at) = (at(0), at(ends_ms));
            let call_id = "a".to_owned();
            let binding = Binding { contact, call_id, cseq: 1, refreshed_at, expires_at, q: 1_000, user_agent: None };
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
}
