//! `GET` and `POST …/people.csv`: people as a table (RFC 4180), out and in.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use contracts::v1;
use net::http::{Problem, Query};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::SetupRefusal;
use super::provisioning::{Provisioning, SetupCaller};

/// How a table is imported.
#[derive(Deserialize)]
pub(super) struct ImportQuery {
    /// It is checked, and nothing is changed.
    #[serde(default)]
    dry_run: bool,
}

/// What came of a table. With a fault nothing has changed.
#[derive(Serialize, JsonSchema)]
pub(super) struct TableTaken {
    /// The number of people in it.
    rows: u32,
    /// The number of people who were not as they are now, or would be.
    changed: u32,
    /// At most 1,000.
    faults: Vec<ShownTableFault>,
}

/// A fault of a table.
#[derive(Serialize, JsonSchema)]
struct ShownTableFault {
    /// The line, from 1; 0 for a person who is not in the table but would break a rule with it.
    line: u32,
    /// The column; empty for the line as a whole.
    column: String,
    /// The rule, for a human reader.
    rule: String,
}

pub(super) async fn import(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Query(query): Query<ImportQuery>,
    body: Bytes,
) -> Result<Json<TableTaken>, SetupRefusal> {
    let table = String::from_utf8(body.into()).map_err(|_| Problem::bad_request("the table is not UTF-8"))?;
    let asked = v1::ImportPeopleRequest { table, validate_only: query.dry_run };
    let answer = provisioning.client().import_people(asker.asks(asked)?).await?.into_inner();
    let one =
        |fault: v1::PeopleTableFault| ShownTableFault { line: fault.line, column: fault.column, rule: fault.rule };
    let faults = answer.faults.into_iter().map(one).collect();
    Ok(Json(TableTaken { rows: answer.rows, changed: answer.changed, faults }))
}

pub(super) async fn export(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
) -> Result<Response, SetupRefusal> {
    let asked = v1::ExportPeopleRequest {};
    let table = provisioning.client().export_people(asker.asks(asked)?).await?.into_inner().table;
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"people.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, table).into_response())
}
