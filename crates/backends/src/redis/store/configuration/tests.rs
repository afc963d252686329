use super::*;

fn document(id: &str, revision: u64, bytes: usize) -> Document {
    let body = Some(Bytes::from(vec![b'x'; bytes]));
    Document { kind: "skill".to_owned(), id: id.to_owned(), revision, body }
}

/// The lengths of all batches.
fn batches(mut rest: &[Document]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while !rest.is_empty() {
        lengths.push(batch_length(rest));
        rest = &rest[batch_length(rest)..];
    }
    lengths
}

#[test]
fn a_batch_has_an_end_by_documents_and_by_bytes() {
    let small = vec![document("a", 1, 10); 2 * BATCH_DOCUMENTS + 1];
    assert_eq!(batches(&small), [BATCH_DOCUMENTS, BATCH_DOCUMENTS, 1]);
    let large = vec![document("a", 1, BATCH_BYTES / 2); 7];
    assert_eq!(batches(&large), [2, 2, 2, 1]);
    let larger_than_a_batch = vec![document("a", 1, 2 * BATCH_BYTES); 2];
    assert_eq!(batches(&larger_than_a_batch), [1, 1]);
}

#[test]
fn pages_and_changes_make_one_version_or_nothing() {
    let version = ConfigVersion { generation: 1, revision: 3 };
    let (a, b, b_before) = (document("a", 1, 1), document("b", 3, 2), document("b", 2, 1));
    // A page may come twice, and with a document as it was before and after a change.
    let read = vec![b_before.clone(), a.clone(), b.clone(), a.clone()];
    assert_eq!(complete(read, version, 2), Some(vec![a.clone(), b.clone()]));
    assert_eq!(complete(vec![a.clone(), b.clone()], version, 3), None, "a page was passed over");
    let before = ConfigVersion { generation: 1, revision: 2 };
    assert_eq!(complete(vec![a, b], before, 2), None, "the last change was lost");
}
