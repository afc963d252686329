//! The texts of requests: one with the character 0 is refused before anything is looked for. PostgreSQL has no such text and SQLite has, so
//! that beyond this point the same request would be answered otherwise by each.
//!
//! Every message is taken apart whole: one that gets a further text does not compile until it is said here what is done with it.

use contracts::v1;
use contracts::v1::change_object::Action;
use tonic::Status;

/// What is wrong with such a text.
const RULE: &str = "it has the character 0, which no text here may have";

/// A request whose texts the store may see.
pub(super) trait RequestTexts {
    /// The field of the first text with the character 0.
    fn field_with_nul(&self) -> Option<String>;
}

/// Refuses a request with such a text.
///
/// # Errors
/// INVALID_ARGUMENT, with the field and the rule.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn expect_texts(message: &impl RequestTexts) -> Result<(), Status> {
    match message.field_with_nul() {
        Some(field) => Err(Status::invalid_argument(format!("{field}: {RULE}"))),
        None => Ok(()),
    }
}

fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// The first of these texts, and then of these lists of texts.
fn first_with_nul(texts: &[(&str, &str)], lists: &[(&str, &[String])]) -> Option<String> {
    if let Some((field, _)) = texts.iter().find(|(_, text)| has_nul(text)) {
        return Some((*field).to_owned());
    }
    lists.iter().find_map(|(field, list)| {
        let at = list.iter().position(|text| has_nul(text))?;
        Some(format!("{field}[{at}]"))
    })
}

/// For each message: its texts, its lists of texts, and what is none of both or is looked at elsewhere.
macro_rules! request_texts {
    ($($message:ident: [$($text:ident),*], [$($list:ident),*], [$($other:ident),*];)+) => {$(
        impl RequestTexts for v1::$message {
            fn field_with_nul(&self) -> Option<String> {
                let Self { $($text,)* $($list,)* $($other: _,)* } = self;
                let texts: &[(&str, &str)] = &[$((stringify!($text), $text.as_str())),*];
                let lists: &[(&str, &[String])] = &[$((stringify!($list), $list.as_slice())),*];
                first_with_nul(texts, lists)
            }
        }
    )+};
}

request_texts! {
    GetObjectRequest: [kind, id], [fields], [];
    // A filter is compared in memory: with such a text it finds nothing.
    ListObjectsRequest: [page_token], [kinds, fields], [filter, page_size];
    ObjectHistoryRequest: [kind, id, page_token], [], [page_size];
    RestoreObjectRequest: [kind, id, request_id], [], [revision, expected_revision, with_documents];
    ObjectUsesRequest: [kind, id], [], [];
    // The faults of a table are told by line and column.
    ImportPeopleRequest: [request_id, checked], [], [table, validate_only, with_documents];
    ExportPeopleRequest: [], [], [];
    SignInAuditRequest: [person, event, page_token], [], [since_ms, until_ms, page_size];
    CreateApiKeyRequest: [name, client, request_id], [scopes], [ends_ms];
    ApiKeysRequest: [], [], [];
    RevokeApiKeyRequest: [id], [], [];
    CreateSnapshotRequest: [name, request_id], [], [];
    ListSnapshotsRequest: [], [], [];
    DeleteSnapshotRequest: [name, request_id], [], [];
    RestoreSnapshotRequest: [name, request_id], [], [validate_only, expected_revision, with_documents];
    // The faults of a table are told by line and field.
    ImportShiftsRequest: [format, from, to, zone], [people], [table, validate_only];
    ReadShiftsRequest: [], [people], [from_ms, to_ms];
    KeepPromptAudioRequest: [], [], [wav];
    PromptAudioRequest: [sha256], [], [];
    ReadObjectsRequest: [id], [kinds], [];
    FollowRequest: [id_prefix], [kinds, types], [after_revision, history];
    ReplacePasswordRequest: [user, seen, password], [], [];
}

// === those with messages or optional texts in them ===

impl RequestTexts for v1::ReplaceSecondFactorRequest {
    fn field_with_nul(&self) -> Option<String> {
        let Self { user, seen, second_factor } = self;
        let (seen, second_factor) = (seen.as_deref().unwrap_or_default(), second_factor.as_deref().unwrap_or_default());
        first_with_nul(&[("user", user.as_str()), ("seen", seen), ("second_factor", second_factor)], &[])
    }
}

impl RequestTexts for v1::ChangeObjectsRequest {
    fn field_with_nul(&self) -> Option<String> {
        let Self { changes, request_id, validate_only: _, with_documents: _ } = self;
        first_with_nul(&[("request_id", request_id.as_str())], &[]).or_else(|| {
            let mut each = changes.iter().enumerate();
            each.find_map(|(index, change)| change.field_with_nul().map(|field| format!("changes[{index}].{field}")))
        })
    }
}

impl RequestTexts for v1::ChangeObject {
    fn field_with_nul(&self) -> Option<String> {
        let Self { kind, id, expected_revision: _, action } = self;
        first_with_nul(&[("kind", kind.as_str()), ("id", id.as_str())], &[]).or_else(|| match action {
            // A document is read first: its faults name the fields in it.
            Some(Action::Put(v1::PutObject { json: _, fields })) => {
                first_with_nul(&[], &[("put.fields", fields.as_slice())])
            }
            Some(Action::Delete(v1::DeleteObject {})) | None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const NUL: &str = "a\0b";

    fn refused(message: &impl RequestTexts) -> String {
        let status = expect_texts(message).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let (field, rule) = status.message().split_once(": ").unwrap();
        assert_eq!(rule, RULE);
        field.to_owned()
    }

    #[test]
    fn a_text_with_the_character_0_is_refused_by_its_field() {
        let history = v1::ObjectHistoryRequest { id: NUL.to_owned(), ..Default::default() };
        assert_eq!(refused(&history), "id");
        let sign_ins = v1::SignInAuditRequest { person: NUL.to_owned(), ..Default::default() };
        assert_eq!(refused(&sign_ins), "person");
        assert_eq!(refused(&v1::RevokeApiKeyRequest { id: "\0".to_owned() }), "id");
        let key = v1::CreateApiKeyRequest { client: NUL.to_owned(), ..Default::default() };
        assert_eq!(refused(&key), "client");
        let scopes = vec!["config:read".to_owned(), NUL.to_owned()];
        assert_eq!(refused(&v1::CreateApiKeyRequest { scopes, ..Default::default() }), "scopes[1]");
        let read = v1::ReadObjectsRequest { kinds: vec!["person".to_owned()], id: NUL.to_owned() };
        assert_eq!(refused(&read), "id");
        let factor = v1::ReplaceSecondFactorRequest { second_factor: Some(NUL.to_owned()), ..Default::default() };
        assert_eq!(refused(&factor), "second_factor");
    }

    #[test]
    fn an_edit_is_named_by_its_place_and_its_document_is_left_to_whoever_reads_it() {
        let change = |id: &str, json: &str, fields: &[&str]| v1::ChangeObject {
            kind: "skill".to_owned(),
            id: id.to_owned(),
            expected_revision: None,
            action: Some(Action::Put(v1::PutObject {
                json: json.to_owned(),
                fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            })),
        };
        let batch = |changes: Vec<v1::ChangeObject>| v1::ChangeObjectsRequest { changes, ..Default::default() };
        let right = || change("Sales", "{}", &[]);
        assert_eq!(refused(&batch(vec![right(), change(NUL, "{}", &[])])), "changes[1].id");
        assert_eq!(refused(&batch(vec![change("Sales", "{}", &["name", NUL])])), "changes[0].put.fields[1]");
        assert!(expect_texts(&batch(vec![right(), change("Sales", NUL, &[])])).is_ok());
        let named = v1::ChangeObjectsRequest { request_id: NUL.to_owned(), ..batch(vec![right()]) };
        assert_eq!(refused(&named), "request_id");
    }

    #[test]
    fn every_other_text_passes() {
        let odd = "\u{1}\r\n\u{202e}\u{1f600}\\0\\u0000".to_owned();
        let asked = v1::GetObjectRequest { kind: odd.clone(), id: odd.clone(), fields: vec![odd] };
        assert!(expect_texts(&asked).is_ok());
        assert!(expect_texts(&v1::ApiKeysRequest {}).is_ok());
        let filter = [("name".to_owned(), NUL.to_owned())].into();
        assert!(expect_texts(&v1::ListObjectsRequest { filter, ..Default::default() }).is_ok());
    }
}
