//! Reads one tenant's objects from config in pages: an answer is bounded, but a tenant's objects may be hundreds of megabytes
//! together.

use std::future::Future;
use std::time::Duration;

use contracts::configuration::Changes;
use contracts::provisioning::ObjectKind;

use super::escaped;
use crate::http::{CallError, Client};

/// The most pages of one tenant: more than the documents of all the applications that a file may name.
const PAGES_MAX: usize = 1_024;
/// How often reading is restarted because config accepted a change in between, or another replica answered.
const BEGINNINGS_MAX: usize = 3;

/// Reads a tenant's objects of some kinds. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    kinds: &'static [ObjectKind],
    deadline: Duration,
}

impl Objects {
    /// Reads objects of these kinds, with `deadline` for each page.
    pub const fn new(client: Client, kinds: &'static [ObjectKind], deadline: Duration) -> Self {
        Self { client, kinds, deadline }
    }

    /// The changes after this version; without one, all objects.
    ///
    /// # Errors
    /// When config does not answer or its answer has another shape.
    pub async fn after(&self, tenant: &str, version: Option<&str>) -> Result<Changes, CallError> {
        all_pages(self, tenant, version).await
    }
}

/// The source of pages.
pub(super) trait Pages: Sync {
    /// The page that begins after the object `from`.
    fn page(
        &self,
        tenant: &str,
        version: Option<&str>,
        from: &str,
    ) -> impl Future<Output = Result<Changes, CallError>> + Send;
}

impl Pages for Objects {
    async fn page(&self, tenant: &str, version: Option<&str>, from: &str) -> Result<Changes, CallError> {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        let (tenant, from, kinds) = (escaped(tenant), escaped(from), kinds.join(","));
        let mut path = format!("/tenants/{tenant}/objects?kinds={kinds}&from={from}");
        if let Some(version) = version {
            path.push_str(&format!("&after={}", escaped(version)));
        }
        self.client.get(&path).idempotent().deadline(self.deadline).fetch().await
    }
}

/// All pages as one, all of the same version.
pub(super) async fn all_pages(pages: &impl Pages, tenant: &str, version: Option<&str>) -> Result<Changes, CallError> {
    for _ in 0..BEGINNINGS_MAX {
        if let Some(all) = of_one_version(pages, tenant, version).await? {
            return Ok(all);
        }
    }
    Err(CallError::Shape("the objects change faster than they are read".to_owned()))
}

async fn of_one_version(pages: &impl Pages, tenant: &str, version: Option<&str>) -> Result<Option<Changes>, CallError> {
    let mut all = pages.page(tenant, version, "").await?;
    for _ in 1..PAGES_MAX {
        let Some(from) = all.next.take() else { return Ok(Some(all)) };
        let page = pages.page(tenant, version, &from).await?;
        if page.version != all.version || page.whole != all.whole {
            return Ok(None);
        }
        all.objects.extend(page.objects);
        all.gone.extend(page.gone);
        all.next = page.next;
    }
    Err(CallError::Shape(format!("there are more than {PAGES_MAX} pages of objects")))
}

#[cfg(test)]
mod tests;
