//! Records of signing in.
//!
//! If the disk is full they go on in memory: it signs nobody out, and who makes room there can sign in.

use bytes::Bytes;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{TenantId, Timestamp};

use super::Embedded;
use super::sign_in_table::{SignIn, SignInTable};
use crate::sign_ins::{SignInKey, SignIns, accepted};
use crate::{Answer, Result};

impl Embedded {
    /// Lets `decide` look at what is not over, and does what it says.
    async fn sign_in<T>(
        &self,
        tenant: &TenantId,
        decide: impl FnOnce(&SignInTable, Timestamp) -> Result<(Option<Effect>, T)>,
    ) -> Result<T> {
        self.write(move |inner| {
            let now = inner.clock.now();
            // A look makes no tenant: strangers may name any.
            let mut none = SignInTable::default();
            let table = inner.state.tenants.get_mut(tenant).map_or(&mut none, |state| &mut state.sign_ins);
            table.expire(now);
            let (effect, answer) = decide(table, now)?;
            inner.commit_or_go_on(effect.into_iter().collect())?;
            Ok(answer)
        })
        .await
    }
}

/// Whether there is room for a write; one that is over when it comes needs none.
fn room(table: &SignInTable, key: &SignInKey, held: &SignIn, now: Timestamp) -> Result<()> {
    if held.until > now { table.room(key, held.owner.as_deref(), now) } else { Ok(()) }
}

impl SignIns for Embedded {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        owner: Option<&'a str>,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, ()> {
        self.sign_in(tenant, move |table, now| {
            accepted(key, owner, &value, until.since(now))?;
            let held = SignIn { owner: owner.map(str::to_owned), value, until };
            room(table, key, &held, now)?;
            Ok((table.put(tenant, key, held, now), ()))
        })
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool> {
        self.sign_in(tenant, move |table, now| {
            accepted(key, None, &value, until.since(now))?;
            if table.live(key, now).is_some() {
                return Ok((None, false));
            }
            let held = SignIn { owner: None, value, until };
            room(table, key, &held, now)?;
            Ok((table.put(tenant, key, held, now), true))
        })
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, Option<Bytes>> {
        async move {
            let now = self.clock.now();
            let inner = self.lock();
            let held = inner.state.find(tenant).and_then(|state| state.sign_ins.live(key, now));
            Ok(held.map(|held| held.value.clone()))
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        seen: &'a Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool> {
        self.sign_in(tenant, move |table, now| {
            accepted(key, None, &value, until.since(now))?;
            let Some(before) = table.live(key, now).filter(|held| held.value == *seen) else {
                return Ok((None, false));
            };
            let held = SignIn { owner: before.owner.clone(), value, until };
            Ok((table.put(tenant, key, held, now), true))
        })
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, ()> {
        self.sign_in(tenant, move |table, _| Ok((table.removal(tenant, key), ()))).boxed()
    }

    fn owned<'a>(&'a self, tenant: &'a TenantId, owner: &'a str) -> Answer<'a, Vec<(SignInKey, Bytes)>> {
        async move {
            let now = self.clock.now();
            let inner = self.lock();
            Ok(inner.state.find(tenant).map(|state| state.sign_ins.owned(owner, now)).unwrap_or_default())
        }
        .boxed()
    }
}
