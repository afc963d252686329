//! A tenant's configuration documents, and which of them have changed: a reader of changes costs what has changed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::ConfigVersion;
use crate::configuration::{Document, Extent, Reading};

/// Kind and id.
type DocumentKey = (String, String);
/// The revision that wrote a document, and its body; none if it was deleted since the last whole state.
type WrittenDocument = (u64, Option<Bytes>);

/// The configuration's documents.
#[derive(Default)]
pub(super) struct ConfigState {
    pub(super) version: ConfigVersion,
    documents: BTreeMap<DocumentKey, WrittenDocument>,
    /// The revision of the last whole state. Its documents are not among the changed ones, although some may be later than others.
    whole_at: u64,
    /// Documents by the later revisions that wrote them.
    changed: BTreeSet<(u64, DocumentKey)>,
    /// Whether it was withdrawn.
    is_withdrawn: bool,
}

impl ConfigState {
    /// A version begins; its documents follow.
    pub(super) fn begin(&mut self, version: ConfigVersion, whole: bool) {
        if whole {
            *self = Self { whole_at: version.revision, ..Self::default() };
        }
        self.version = version;
        self.is_withdrawn = version.generation == 0;
    }

    pub(super) const fn is_withdrawn(&self) -> bool {
        self.is_withdrawn
    }

    /// Writes a document, or notes that it is deleted.
    pub(super) fn put(&mut self, key: DocumentKey, (revision, body): WrittenDocument) {
        if revision > self.whole_at {
            self.changed.insert((revision, key.clone()));
        }
        let Some((before, _)) = self.documents.insert(key.clone(), (revision, body)) else { return };
        if before != revision {
            self.changed.remove(&(before, key));
        }
    }

    /// All documents, those that were deleted too.
    pub(super) fn documents(&self) -> impl Iterator<Item = (&DocumentKey, &WrittenDocument)> {
        self.documents.iter()
    }

    /// The changes after a version of this generation, else everything.
    pub(super) fn reading(&self, after: Option<ConfigVersion>) -> Reading {
        let since = after.filter(|a| a.generation == self.version.generation && a.revision <= self.version.revision);
        let documents = match since {
            None => self.documents().filter(|(_, (_, body))| body.is_some()).map(document).collect(),
            Some(since) if since.revision >= self.whole_at => self.changed_after(since.revision),
            Some(since) => self.documents().filter(|(_, (at, _))| *at > since.revision).map(document).collect(),
        };
        let extent = if since.is_some() { Extent::Changes } else { Extent::Whole };
        Reading { version: self.version, extent, documents }
    }

    /// In the order of their keys.
    fn changed_after(&self, revision: u64) -> Vec<Document> {
        let first = (revision.saturating_add(1), DocumentKey::default());
        let mut keys: Vec<&DocumentKey> = self.changed.range(first..).map(|(_, key)| key).collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.documents.get_key_value(key).map(document)).collect()
    }
}

fn document(((kind, id), (revision, body)): (&DocumentKey, &WrittenDocument)) -> Document {
    Document { kind: kind.clone(), id: id.clone(), revision: *revision, body: body.clone() }
}

#[cfg(test)]
mod tests;
