//! `GET` and `POST …/people.csv`: people as a table (RFC 4180), out and in.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::FaultCode;
use contracts::v1;
use net::http::Query;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::{SetupRefusal, is_nothing, told_values};
use super::changes::ShownChange;
use super::provisioning::{Provisioning, SetupCaller};

/// How a table is imported.
#[derive(Deserialize)]
pub(super) struct ImportQuery {
    /// It is checked, and nothing is changed.
    #[serde(default)]
    dry_run: bool,
    /// As in a batch of edits.
    #[serde(default)]
    request_id: String,
    /// `checked` of the answer to a dry run of the same table.
    #[serde(default)]
    checked: String,
}

/// What came of a table. With a fault nothing has changed.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct TableTaken {
    /// The number of people in it.
    rows: u32,
    /// The number of people who were not as they are now, or would be.
    changed: u32,
    /// At most 1,000.
    faults: Vec<ShownTableFault>,
    /// The number of further faults. Left out if there are none.
    #[serde(skip_serializing_if = "is_nothing")]
    more_faults: u32,
    /// The first 1,000 of the people who change.
    changes: Vec<ShownChange>,
    /// Names what was looked at; empty with a fault.
    checked: String,
    /// Whether nothing was done: it is the answer to an earlier import of the same `request_id`. Left out if it is not.
    #[serde(skip_serializing_if = "is_nothing")]
    repeated: bool,
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
    /// Which rule it is, for programs.
    code: FaultCode,
    /// What the rule names, by the names that belong to the code.
    values: BTreeMap<String, String>,
}

pub(super) async fn import(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
    Query(query): Query<ImportQuery>,
    body: Bytes,
) -> Result<Json<TableTaken>, SetupRefusal> {
    let table = match text(&body) {
        Ok(table) => table,
        Err(fault) => {
            return Ok(Json(TableTaken { faults: vec![fault], ..TableTaken::default() }));
        }
    };
    let ImportQuery { dry_run: validate_only, request_id, checked } = query;
    let asked = v1::ImportPeopleRequest { table, validate_only, request_id, with_documents: true, checked };
    let answer = provisioning.tables().import_people(asker.asks(asked)?).await?.into_inner();
    let one = |fault: v1::PeopleTableFault| ShownTableFault {
        code: FaultCode::named(&fault.code),
        values: told_values(&fault.values),
        line: fault.line,
        column: fault.column,
        rule: fault.rule,
    };
    Ok(Json(TableTaken {
        rows: answer.rows,
        changed: answer.changed,
        faults: answer.faults.into_iter().map(one).collect(),
        more_faults: answer.more_faults,
        changes: answer.objects.into_iter().map(ShownChange::of).collect(),
        checked: answer.checked,
        repeated: answer.repeated_request,
    }))
}

/// A table as text. Spreadsheets also save in the encoding of their machine, in which names would be read wrongly.
fn text(body: &[u8]) -> Result<String, ShownTableFault> {
    std::str::from_utf8(body).map(str::to_owned).map_err(|wrong| {
        let before = body.iter().take(wrong.valid_up_to()).filter(|byte| **byte == b'\n').count();
        ShownTableFault {
            line: u32::try_from(before + 1).unwrap_or(u32::MAX),
            column: String::new(),
            rule: "it is not UTF-8: save the table as \"CSV UTF-8\"".to_owned(),
            code: FaultCode::NotUtf8,
            values: BTreeMap::new(),
        }
    })
}

pub(super) async fn export(
    State(provisioning): State<Provisioning>,
    asker: SetupCaller,
) -> Result<Response, SetupRefusal> {
    let asked = v1::ExportPeopleRequest {};
    let table = provisioning.tables().export_people(asker.asks(asked)?).await?.into_inner().table;
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"people.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, table).into_response())
}

/// A head alone costs as much as a table, and has none of the limits of one: whoever wants it asks for the table.
pub(super) async fn no_head() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,POST")]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_another_encoding_is_told_with_its_line() {
        // As Windows-1252 has it.
        let fault = text(b"user_name,last_name\nann,Archer\njoe,M\xfcller\n").unwrap_err();
        assert_eq!((fault.line, fault.column.as_str()), (3, ""));
        assert!(fault.rule.contains("UTF-8"), "{}", fault.rule);
        assert_eq!(text("\u{feff}user_name\nM\u{fc}ller\n".as_bytes()).ok().unwrap_or_default().lines().count(), 2);
    }
}
