//! Reads one tenant's objects from config in pages: an answer is bounded, but a tenant's objects may be hundreds of megabytes
//! together.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use contracts::configuration::{Changes, Listed};
use contracts::provisioning::ObjectKind;

use super::tenant_config::is_up_to;
use super::{beside, escaped};
use crate::http::{CallError, Client};

/// The most pages of one tenant: more than the documents of all the applications that a file may name.
const PAGES_MAX: usize = 1_024;
/// How often reading is restarted because the tenant was published anew in between, or another replica answered.
const BEGINNINGS_MAX: usize = 3;
/// Pages up to this number of bytes are parsed without a thread of their own.
const PARSED_AT_ONCE: usize = 64 << 10;
/// A replica may be silent for this part of a page's deadline before another one is asked.
const SILENT_PART: u32 = 3;
/// How often what changed while pages were read is read behind them.
const CATCH_UPS_MAX: usize = 8;

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

    /// The changes after this version; without one, all objects. Nothing has changed for a replica that is behind it.
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
        let silent_max = self.deadline / SILENT_PART;
        let call = self.client.get(&path).idempotent().silent_max(silent_max).deadline(self.deadline);
        let answer = call.send().await?;
        if answer.body.len() <= PARSED_AT_ONCE {
            return answer.json();
        }
        beside(move || answer.json()).await?
    }
}

/// All pages as one. What changes while they are read is read behind them, so that a large tenant is read although it always changes.
pub(super) async fn all_pages(pages: &impl Pages, tenant: &str, version: Option<&str>) -> Result<Changes, CallError> {
    for _ in 0..BEGINNINGS_MAX {
        let Some(mut read) = read_pages(pages, tenant, version).await? else { continue };
        for _ in 0..CATCH_UPS_MAX {
            if read.oldest == read.all.version {
                return Ok(not_before(version, read.all));
            }
            match read_pages(pages, tenant, Some(&read.oldest)).await? {
                Some(later) if !later.all.whole => read.add(later),
                // Config cannot tell what has changed since: everything is read again.
                _ => break,
            }
        }
    }
    Err(CallError::Shape("the objects change faster than they are read".to_owned()))
}

/// What was read, unless the reader has a later version already: one replica of config may be behind the others, or cut off from the cache.
fn not_before(held: Option<&str>, read: Changes) -> Changes {
    match held.filter(|held| !is_up_to(&read.version, held)) {
        Some(held) => {
            let (version, objects, gone) = (held.to_owned(), Vec::new(), Vec::new());
            Changes { version, whole: false, objects, gone, next: None }
        }
        None => read,
    }
}

/// What was read in pages.
struct PagesRead {
    all: Changes,
    /// The oldest version of a page: replicas of config may have different ones.
    oldest: String,
}

impl PagesRead {
    /// Adds what has changed since.
    fn add(&mut self, later: Self) {
        let name = |listed: &Listed| (listed.kind, listed.id.clone());
        let gone: HashSet<(ObjectKind, String)> = later.all.gone.iter().map(name).collect();
        if !gone.is_empty() {
            self.all.objects.retain(|listed| !gone.contains(&name(listed)));
        }
        // A reader takes what is gone away first, and of an object read twice the second one.
        self.all.gone.extend(later.all.gone);
        self.all.objects.extend(later.all.objects);
        (self.all.version, self.oldest) = (later.all.version, later.oldest);
    }
}

/// Reads all pages; `None` if they do not belong together.
async fn read_pages(pages: &impl Pages, tenant: &str, version: Option<&str>) -> Result<Option<PagesRead>, CallError> {
    let mut all = pages.page(tenant, version, "").await?;
    let mut oldest = all.version.clone();
    for _ in 1..PAGES_MAX {
        let Some(from) = all.next.take() else { return Ok(Some(PagesRead { all, oldest })) };
        let page = pages.page(tenant, version, &from).await?;
        if page.whole != all.whole || generation(&page.version) != generation(&all.version) {
            return Ok(None);
        }
        if is_up_to(&page.version, &all.version) {
            all.version = page.version;
        } else if !is_up_to(&page.version, &oldest) {
            oldest = page.version;
        }
        all.objects.extend(page.objects);
        all.gone.extend(page.gone);
        all.next = page.next;
    }
    Err(CallError::Shape(format!("there are more than {PAGES_MAX} pages of objects")))
}

fn generation(version: &str) -> Option<&str> {
    version.split_once('-').map(|(generation, _)| generation)
}

#[cfg(test)]
mod tests;
