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
    inner.state.add_events(&tenant, None, &facts, room, &mut effects)?;
    let size = Size { state, ..Size::default() };
    size.refusal().filter(|_| room != Room::Ends).map_or(Ok(effects), Err)
}

#[cfg(test)]
mod tests;
