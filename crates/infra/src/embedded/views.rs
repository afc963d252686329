//! The states of views.

use std::time::Duration;

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{TenantId, Timestamp};

use super::Embedded;
use super::stored_view::StoredView;
use crate::views::{KeptView, ViewStore};
use crate::{Answer, StoreError, bounds};

impl ViewStore for Embedded {
    fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>> {
        async move {
            let (inner, now) = (self.lock(), self.clock.now());
            let stored = inner.state.find(tenant).and_then(|state| state.views.get(view));
            Ok(stored.filter(|stored| stored.is_there(now)).map(|stored| stored.kept.clone()))
        }
        .boxed()
    }

    fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()> {
        self.write(move |inner| {
            fits(&kept)?;
            inner.commit(vec![view_put(tenant, view, &StoredView { kept, ends_at: None })])
        })
        .boxed()
    }

    fn keep_for<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView, within: Duration) -> Answer<'a, ()> {
        self.write(move |inner| {
            fits(&kept)?;
            let ends_at = Some(self.clock.now() + within);
            inner.commit(vec![view_put(tenant, view, &StoredView { kept, ends_at })])
        })
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, ()> {
        self.write(move |inner| {
            if inner.state.find(tenant).is_none_or(|state| !state.views.contains_key(view)) {
                return Ok(());
            }
            let removed = v1::ViewPut {
                tenant: tenant.to_string(),
                view: view.to_owned(),
                ends_us: Some(0),
                ..v1::ViewPut::default()
            };
            inner.commit(vec![Effect::View(removed)])
        })
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        view: &'a str,
        seen: Option<&'a str>,
        kept: KeptView,
    ) -> Answer<'a, bool> {
        self.write(move |inner| {
            fits(&kept)?;
            let now = self.clock.now();
            let stored = inner.state.find(tenant).and_then(|state| state.views.get(view));
            let stored = stored.filter(|stored| stored.is_there(now));
            if stored.map(|stored| stored.kept.position.as_str()) != seen {
                return Ok(false);
            }
            inner.commit(vec![view_put(tenant, view, &StoredView { kept, ends_at: None })]).map(|()| true)
        })
        .boxed()
    }

    fn time<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Timestamp> {
        async move { Ok(self.clock.now()) }.boxed()
    }
}

fn fits(kept: &KeptView) -> crate::Result<()> {
    if kept.state.len() > bounds::VIEW_MAX {
        return Err(StoreError::Full { what: "a view's state", bound: bounds::VIEW_MAX as u64 });
    }
    Ok(())
}

/// The effect of keeping a view.
pub(super) fn view_put(tenant: &TenantId, view: &str, stored: &StoredView) -> Effect {
    Effect::View(v1::ViewPut {
        tenant: tenant.to_string(),
        view: view.to_owned(),
        position: stored.kept.position.clone(),
        state: stored.kept.state.clone(),
        ends_us: stored.ends_at.map(Timestamp::as_micros),
    })
}
