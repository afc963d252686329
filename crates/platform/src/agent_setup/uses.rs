//! `GET …/uses/{kind}/{id}`: what refers to an object, and which applications name it.

use axum::Json;
use axum::extract::{Path, State};
use contracts::v1;
use schemars::JsonSchema;
use serde::Serialize;

use super::answers::{SetupRefusal, id_in_path, id_of_path};
use super::provisioning::{Provisioning, SetupCaller};

/// A reference to the object.
#[derive(Serialize, JsonSchema)]
struct ShownUse {
    /// The object that refers.
    kind: String,
    id: String,
    /// The field of its document, as `agent.skills.Sales`; of a name in an application's document the element, as `dialog:play prompts`.
    field: String,
    /// No rule knows it: the document of an application names it. It refuses no deletion.
    is_named: bool,
}

/// What refers to an object.
#[derive(Serialize, JsonSchema)]
pub(super) struct UsesShown {
    /// At most 1,000.
    items: Vec<ShownUse>,
}

pub(super) async fn show(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Path((_, kind, id)): Path<(String, String, String)>,
) -> Result<Json<UsesShown>, SetupRefusal> {
    let id = id_of_path(&kind, id);
    let asked = v1::ObjectUsesRequest { kind, id };
    let answer = provisioning.client().uses(asker.asks(asked)?).await?.into_inner();
    let one = |of: v1::ObjectUse| ShownUse {
        id: id_in_path(&of.kind, &of.id),
        kind: of.kind,
        field: of.field,
        is_named: of.is_named,
    };
    Ok(Json(UsesShown { items: answer.uses.into_iter().map(one).collect() }))
}
