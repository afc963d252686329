//! `POST …/changes` and `POST …/restore`: objects put, changed in part, deleted or put back, all or none.

use axum::Json;
use axum::extract::State;
use contracts::v1;
use contracts::v1::change_object::Action;
use net::http::JsonBody;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answers::{SetupRefusal, document, id_in_path, id_of_path, is_nothing};
use super::provisioning::{Provisioning, SetupCaller};

/// A batch of edits.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangesWanted {
    /// Names the batch: sent again within a day it changes nothing and gets the first answer; another batch of that name is refused.
    #[serde(default)]
    request_id: String,
    /// The batch is checked, and nothing is changed.
    #[serde(default)]
    dry_run: bool,
    /// At most 500; each object once.
    edits: Vec<EditWanted>,
}

/// The edit of one object.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EditWanted {
    kind: String,
    /// `-` for the tenant itself.
    id: String,
    action: ActionWanted,
    /// The revision of the object that the edit is meant for; 0: it must not exist; absent: whatever it is.
    #[serde(default)]
    expected_revision: Option<u64>,
    /// The document. Secrets that it leaves out are kept.
    #[serde(default)]
    object: Option<Value>,
    /// Of a merge: paths as `agent.skills`, which become those of the document; the document's own fields without it.
    #[serde(default)]
    fields: Vec<String>,
}

/// What an edit does.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ActionWanted {
    /// The object becomes the document.
    Put,
    /// Some fields of the object become those of the document.
    Merge,
    /// The object is deleted.
    Delete,
}

/// An object that is put back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreWanted {
    kind: String,
    id: String,
    /// As it was at this revision.
    revision: u64,
    /// As in a change.
    #[serde(default)]
    expected_revision: Option<u64>,
    /// As of a batch.
    #[serde(default)]
    request_id: String,
}

/// What a batch has led to, or would lead to.
#[derive(Serialize, JsonSchema)]
pub(super) struct ChangesDone {
    /// The revision of the tenant after it.
    revision: u64,
    /// The objects that change.
    changes: Vec<ShownChange>,
    /// Whether nothing was done: it is the answer to an earlier batch of the same `request_id`. Left out if it is not.
    #[serde(skip_serializing_if = "is_nothing")]
    repeated: bool,
}

/// An object that changes. Documents have no secrets; behind the first MiB of them both are null.
#[derive(Serialize, JsonSchema)]
pub(super) struct ShownChange {
    kind: String,
    id: String,
    /// Its revision; 0 if it is gone.
    revision: u64,
    /// As it was; null if it was not there.
    #[schemars(with = "Option<Map<String, Value>>")]
    before: Option<Value>,
    /// As it is; null if it is deleted.
    #[schemars(with = "Option<Map<String, Value>>")]
    after: Option<Value>,
}

impl ShownChange {
    pub fn of(object: v1::ChangedObject) -> Self {
        Self {
            id: id_in_path(&object.kind, &object.id),
            revision: object.revision,
            before: document(&object.before),
            after: document(&object.after),
            kind: object.kind,
        }
    }
}

fn done(answer: v1::ChangeObjectsResponse) -> ChangesDone {
    let changed = answer.objects.into_iter().filter(|object| object.changed).map(ShownChange::of);
    ChangesDone { revision: answer.revision, changes: changed.collect(), repeated: answer.repeated_request }
}

fn change(edit: EditWanted) -> Result<v1::ChangeObject, SetupRefusal> {
    let EditWanted { kind, id, action, expected_revision, object, fields } = edit;
    let action = match (action, object) {
        (ActionWanted::Delete, _) => Action::Delete(v1::DeleteObject {}),
        (_, None) => return Err(SetupRefusal::fault(&kind, &id, "", "the edit has no object")),
        (ActionWanted::Put, Some(object)) => {
            Action::Put(v1::PutObject { json: object.to_string(), fields: Vec::new() })
        }
        (ActionWanted::Merge, Some(object)) => {
            let own = || object.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
            let fields: Vec<String> = if fields.is_empty() { own() } else { fields };
            if fields.is_empty() {
                return Err(SetupRefusal::fault(&kind, &id, "", "the edit names no field"));
            }
            Action::Put(v1::PutObject { json: object.to_string(), fields })
        }
    };
    let id = id_of_path(&kind, id);
    Ok(v1::ChangeObject { kind, id, expected_revision, action: Some(action) })
}

pub(super) async fn carry_out(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    JsonBody(wanted): JsonBody<ChangesWanted>,
) -> Result<Json<ChangesDone>, SetupRefusal> {
    let asked = v1::ChangeObjectsRequest {
        changes: wanted.edits.into_iter().map(change).collect::<Result<_, _>>()?,
        request_id: wanted.request_id,
        validate_only: wanted.dry_run,
        with_documents: true,
    };
    let answer = provisioning.client().change(asker.asks(asked)?).await?;
    Ok(Json(done(answer.into_inner())))
}

pub(super) async fn restore(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    JsonBody(wanted): JsonBody<RestoreWanted>,
) -> Result<Json<ChangesDone>, SetupRefusal> {
    let asked = v1::RestoreObjectRequest {
        id: id_of_path(&wanted.kind, wanted.id),
        kind: wanted.kind,
        revision: wanted.revision,
        expected_revision: wanted.expected_revision,
        with_documents: true,
        request_id: wanted.request_id,
    };
    let answer = provisioning.client().restore(asker.asks(asked)?).await?;
    Ok(Json(done(answer.into_inner())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(edit: Value) -> Result<v1::ChangeObject, SetupRefusal> {
        change(serde_json::from_value(edit).unwrap())
    }

    fn put_of(change: v1::ChangeObject) -> v1::PutObject {
        match change.action {
            Some(Action::Put(put)) => put,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_merge_without_fields_is_about_those_of_its_document() {
        let merge = |fields: Value| {
            let object = json!({"first_name": "Ann", "agent": {"skills": []}});
            read(json!({"kind": "person", "id": "ann", "action": "merge", "object": object, "fields": fields}))
        };
        assert_eq!(put_of(merge(json!([])).unwrap()).fields, ["first_name", "agent"]);
        assert_eq!(put_of(merge(json!(["agent.skills"])).unwrap()).fields, ["agent.skills"]);
        let whole = json!({"kind": "tenant", "id": "-", "action": "put", "object": {"name": "x"}});
        let whole = read(whole).unwrap();
        assert_eq!((whole.id.as_str(), put_of(whole.clone()).fields.len()), ("", 0));
    }

    #[test]
    fn an_edit_without_what_it_needs_is_refused() {
        for edit in [
            json!({"kind": "skill", "id": "x", "action": "put"}),
            json!({"kind": "skill", "id": "x", "action": "merge", "object": {}}),
        ] {
            assert!(read(edit).is_err());
        }
        let deleted = read(json!({"kind": "skill", "id": "x", "action": "delete", "expected_revision": 7})).unwrap();
        assert_eq!(deleted.expected_revision, Some(7));
    }
}
