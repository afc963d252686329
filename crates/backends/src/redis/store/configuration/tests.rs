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

/// How many documents each page asks for, if all are of that size.
fn pages(bytes_each: usize) -> Vec<usize> {
    std::iter::successors(Some(FIRST_PAGE), |count| Some(next_page(*count, count * bytes_each))).take(7).collect()
}

#[test]
fn a_page_has_as_many_documents_as_one_script_may_read() {
    assert_eq!(pages(500), [64, 128, 256, 512, 1_000, 1_000, 1_000]);
    assert_eq!(pages(PAGE_BYTES / 100), [64, 100, 100, 100, 100, 100, 100]);
    assert_eq!(pages(PAGE_BYTES / 8), [64, 8, 8, 8, 8, 8, 8]);
    assert_eq!(pages(2 * PAGE_BYTES), [64, 1, 1, 1, 1, 1, 1]);
    // Redis gives none of a page whose documents are elsewhere in its table, and large ones come behind small ones.
    assert_eq!((next_page(1_000, 0), next_page(1, 0), next_page(1_000, 100 * PAGE_BYTES)), (1_000, 2, 10));
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
