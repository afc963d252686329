//! The states of views.

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{TenantId, Timestamp};

use super::Embedded;
use crate::views::{KeptView, ViewStore};
use crate::{Answer, StoreError, bounds};

impl ViewStore for Embedded {
    fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>> {
        async move {
            let inner = self.lock();
            let kept: Option<&KeptView> = inner.state.find(tenant).and_then(|state| state.views.get(view));
            Ok(kept.cloned())
        }
        .boxed()
    }

    fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()> {
        self.write(move |inner| {
            fits(&kept)?;
            inner.commit(vec![view_put(tenant, view, &kept)])
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
            let stored = inner.state.find(tenant).and_then(|state| state.views.get(view));
            if stored.map(|stored| stored.position.as_str()) != seen {
                return Ok(false);
            }
            inner.commit(vec![view_put(tenant, view, &kept)]).map(|()| true)
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
pub(super) fn view_put(tenant: &TenantId, view: &str, kept: &KeptView) -> Effect {
    Effect::View(v1::ViewPut {
        tenant: tenant.to_string(),
        view: view.to_owned(),
        position: kept.position.clone(),
        state: kept.state.clone(),
    })
}
