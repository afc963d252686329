//! What happened to objects, in pages.

use infra::{HistoryEntry, HistoryPage, ProvisioningStore, Revision, StoreError};
use model::TenantId;

use super::PAGE_MAX;

/// Entries that are read at once: with applications among them each may have a megabyte.
const AT_ONCE: usize = 20;
/// The most bytes of documents in a page, or one larger entry: what a reader by gRPC accepts is 4 MiB.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A page of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPart {
    /// The entries, the latest first.
    pub entries: Vec<HistoryEntry>,
    /// The number of the last one, if there may be more behind it.
    pub last: Option<u64>,
    /// With the last page: the highest revision of which entries were removed for their age; 0 if none were.
    pub pruned: Revision,
}

/// Reads a page; its limit is at most [`PAGE_MAX`], which 0 means.
///
/// # Errors
/// Errors of the store.
pub async fn history(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    asked: &HistoryPage,
) -> Result<HistoryPart, StoreError> {
    let limit = usize::try_from(asked.limit).unwrap_or(PAGE_MAX);
    let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
    let (mut part, mut bytes) = (HistoryPart::default(), 0);
    loop {
        let wanted = (limit - part.entries.len()).min(AT_ONCE);
        let page = HistoryPage {
            below: part.last.or(asked.below),
            limit: u32::try_from(wanted).unwrap_or(u32::MAX),
            ..asked.clone()
        };
        let read = store.history(tenant, &page).await?;
        let is_end = read.len() < wanted;
        for entry in read {
            bytes += [&entry.before, &entry.after].into_iter().flatten().map(String::len).sum::<usize>();
            if bytes > PAGE_BYTES_MAX && !part.entries.is_empty() {
                return Ok(part);
            }
            part.last = Some(entry.number);
            part.entries.push(entry);
        }
        if is_end {
            part.last = None;
            part.pruned = store.pruned_revision(tenant).await?;
            return Ok(part);
        }
        if part.entries.len() >= limit {
            return Ok(part);
        }
    }
}
