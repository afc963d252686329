//! What callers are told of batches and of the history.

use std::collections::HashMap;

use contracts::provisioning::ObjectKey;
use contracts::v1;
use infra::{HistoryEntry, Revision, kind_told};

use crate::objects::{BatchOutcome, ChangedDocuments};

/// The most bytes of documents in the answer to a batch: what a reader by gRPC accepts is 4 MiB.
const DOCUMENTS_BYTES_MAX: usize = 1 << 20;

/// The answer to a batch.
pub(super) fn answer(outcome: BatchOutcome) -> v1::ChangeObjectsResponse {
    let mut documents: HashMap<ObjectKey, ChangedDocuments> =
        outcome.documents.into_iter().map(|documents| (documents.key.clone(), documents)).collect();
    let mut bytes = 0;
    let one = |(key, revision): (ObjectKey, Option<Revision>)| {
        let documents = documents.remove(&key);
        let changed = documents.is_some();
        let (before, after) = documents.map_or((None, None), |documents| (documents.before, documents.after));
        bytes += [&before, &after].into_iter().flatten().map(String::len).sum::<usize>();
        let told = |document: Option<String>| document.filter(|_| bytes <= DOCUMENTS_BYTES_MAX).unwrap_or_default();
        v1::ChangedObject {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
            revision: revision.unwrap_or_default().0,
            before: told(before),
            after: told(after),
            changed,
        }
    };
    v1::ChangeObjectsResponse {
        revision: outcome.revision.0,
        objects: outcome.objects.into_iter().map(one).collect(),
        changed: u32::try_from(outcome.changed).unwrap_or(u32::MAX),
        repeated_request: outcome.is_repeated,
    }
}

/// Objects that all change, as they were and as they are at that revision of the tenant, or would be (0).
pub(super) fn changed_objects(
    documents: Vec<ChangedDocuments>,
    at: u64,
    with_documents: bool,
) -> Vec<v1::ChangedObject> {
    let mut bytes = 0;
    let one = |ChangedDocuments { key, before, after }: ChangedDocuments| {
        bytes += [&before, &after].into_iter().flatten().map(String::len).sum::<usize>();
        let is_told = with_documents && bytes <= DOCUMENTS_BYTES_MAX;
        let told = |document: Option<String>| document.filter(|_| is_told).unwrap_or_default();
        v1::ChangedObject {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
            revision: if after.is_some() { at } else { 0 },
            before: told(before),
            after: told(after),
            changed: with_documents,
        }
    };
    documents.into_iter().map(one).collect()
}

/// An entry as it travels.
pub(super) fn history_entry(entry: HistoryEntry) -> v1::ObjectHistoryEntry {
    v1::ObjectHistoryEntry {
        kind: kind_told(entry.key.kind.as_str(), &entry.key.id).to_owned(),
        id: entry.key.id,
        revision: entry.revision.0,
        changed_ms: entry.note.at.as_millis(),
        changed_by: entry.note.by,
        way: entry.note.way.to_string(),
        before: entry.before.unwrap_or_default(),
        after: entry.after.unwrap_or_default(),
        secrets_changed: entry.secrets_changed,
        request_id: entry.note.request.unwrap_or_default(),
        number: entry.number,
        client: entry.note.origin.client.unwrap_or_default(),
        session: entry.note.origin.session.unwrap_or_default(),
        source: entry.note.origin.source.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::ObjectKind;

    use super::*;

    #[test]
    fn documents_are_told_as_far_as_they_were_asked_for_and_have_room() {
        let one = |id: &str, after: Option<String>| ChangedDocuments {
            key: ObjectKey { kind: ObjectKind::Skill, id: id.to_owned() },
            before: Some("{}".to_owned()),
            after,
        };
        let all =
            || vec![one("a", None), one("b", Some("x".repeat(DOCUMENTS_BYTES_MAX))), one("c", Some("{}".to_owned()))];
        let told = changed_objects(all(), 7, true);
        let shown: Vec<_> = told.iter().map(|one| (one.revision, one.before.is_empty(), one.changed)).collect();
        assert_eq!(shown, [(0, false, true), (7, true, true), (7, true, true)]);
        assert!(changed_objects(all(), 0, false).iter().all(|one| one.revision == 0 && one.before.is_empty()));
    }
}
