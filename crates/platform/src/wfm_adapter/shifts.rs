//! `PUT /wfm/v1/{tenant}/shifts`: the plan of some days, as workforce management has it. It goes to tenant (tenant-12) with the caller's own
//! token, so that tenant decides what the caller may, and says what is wrong with which line.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::put;
use axum::{Json, Router};
use contracts::v1;
use contracts::v1::schedules_client::SchedulesClient;
use model::TenantId;
use net::grpc::Channel;
use net::http::{Caller, Problem, Query};
use runtime::RoleContext;
use runtime::scope::CONFIG_WRITE;
use serde::{Deserialize, Serialize};
use tonic::{Code, Request, Status};

use super::{CONFIGURATION, CONFIGURATION_PORT};
use crate::shift_table;

/// What is between the names of people whose shifts are replaced.
const BETWEEN_NAMES: char = ',';

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let within = shift_table::IMPORT_WITHIN;
    let channel = net::grpc::channel_answering_within(ctx, CONFIGURATION, CONFIGURATION_PORT, within)?;
    let tables = SchedulesClient::new(channel);
    Ok(Router::new().route("/wfm/v1/{tenant}/shifts", put(replace)).with_state(tables))
}

/// Which days a table is about, and how it is taken.
#[derive(Deserialize)]
struct ShiftsQuery {
    /// The first day.
    from: String,
    /// The day behind the last one.
    to: String,
    /// The time zone of both; without it that of the tenant.
    #[serde(default)]
    zone: String,
    /// User names of those whose shifts are replaced, with commas between them; without it everybody.
    #[serde(default)]
    people: String,
    #[serde(default)]
    format: TableFormat,
    /// It is checked, and nothing is changed.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TableFormat {
    #[default]
    Json,
    Csv,
}

impl TableFormat {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// What came of a table. With a fault nothing has changed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ShiftsTaken {
    shifts: u32,
    added: u64,
    changed: u64,
    removed: u64,
    unchanged: u64,
    faults: Vec<ShownFault>,
    /// The number of faults behind the first 1,000.
    more_faults: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct ShownFault {
    line: u32,
    field: String,
    rule: String,
}

async fn replace(
    State(mut tables): State<SchedulesClient<Channel>>,
    Path(tenant): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    Query(asked): Query<ShiftsQuery>,
    body: Bytes,
) -> Result<Response, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(CONFIG_WRITE)?;
    let token = token_of(&headers).ok_or_else(|| Problem::unauthorized("no token"))?;
    let request = net::grpc::for_tenant(Request::new(asked.with_table(&body)?), &tenant);
    let request = net::grpc::on_behalf(request, token).map_err(|status| refused(&status))?;
    let answer = tables.import_shifts(request).await.map_err(|status| refused(&status))?;
    Ok(answered(answer.into_inner()))
}

impl ShiftsQuery {
    fn with_table(self, body: &[u8]) -> Result<v1::ImportShiftsRequest, Problem> {
        let table = std::str::from_utf8(body).map_err(|_| Problem::bad_request("the table is not UTF-8"))?;
        let people = self.people.split(BETWEEN_NAMES).map(str::trim).filter(|name| !name.is_empty());
        Ok(v1::ImportShiftsRequest {
            table: table.to_owned(),
            format: self.format.as_str().to_owned(),
            from: self.from,
            to: self.to,
            zone: self.zone,
            people: people.map(str::to_owned).collect(),
            validate_only: self.dry_run,
        })
    }
}

fn token_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.split_once(' ').map(|(_, token)| token.trim())
}

/// 200, or 422 with the faults.
fn answered(answer: v1::ImportShiftsResponse) -> Response {
    let one = |v1::ShiftFault { line, field, rule }: v1::ShiftFault| ShownFault { line, field, rule };
    let taken = ShiftsTaken {
        shifts: answer.shifts,
        added: answer.added,
        changed: answer.changed,
        removed: answer.removed,
        unchanged: answer.unchanged,
        faults: answer.faults.into_iter().map(one).collect(),
        more_faults: answer.more_faults,
    };
    let status = if taken.faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(taken)).into_response()
}

fn refused(status: &Status) -> Problem {
    let words = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument => Problem::bad_request(words),
        Code::PermissionDenied => Problem::forbidden(words),
        Code::Unauthenticated => Problem::unauthorized(words),
        Code::NotFound => Problem::not_found(words),
        Code::FailedPrecondition | Code::Aborted => Problem::conflict(words),
        Code::ResourceExhausted => Problem::too_many(words),
        _ => {
            tracing::warn!(%status, "tenant does not take a table of shifts");
            Problem::unavailable("whether the shifts were taken is not known: the same table sent again counts once")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(people: &str) -> ShiftsQuery {
        let text = |text: &str| text.to_owned();
        ShiftsQuery {
            from: text("2026-03-23"),
            to: text("2026-03-30"),
            zone: String::new(),
            people: text(people),
            format: TableFormat::Csv,
            dry_run: true,
        }
    }

    #[test]
    fn a_table_goes_on_as_it_came_with_the_names_of_those_whom_it_is_about() {
        let asked = query("ada, bob,").with_table("shift,person\nä".as_bytes()).unwrap();
        assert_eq!((asked.table.as_str(), asked.format.as_str()), ("shift,person\nä", "csv"));
        assert_eq!(asked.people, ["ada", "bob"]);
        assert!(asked.validate_only);
        assert!(query("").with_table("".as_bytes()).unwrap().people.is_empty());
        assert_eq!(query("").with_table(&[0xff]).unwrap_err().status_code(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn faults_are_an_answer_of_their_own() {
        let fault = v1::ShiftFault { line: 3, field: "begin".to_owned(), rule: "wrong".to_owned() };
        let faulty = v1::ImportShiftsResponse { faults: vec![fault], ..Default::default() };
        assert_eq!(answered(faulty).status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answered(v1::ImportShiftsResponse::default()).status(), StatusCode::OK);
    }

    #[test]
    fn a_refusal_says_who_is_to_blame() {
        let code = |code| refused(&Status::new(code, "why")).status_code();
        assert_eq!(code(Code::InvalidArgument), StatusCode::BAD_REQUEST);
        assert_eq!(code(Code::PermissionDenied), StatusCode::FORBIDDEN);
        assert_eq!(code(Code::Unavailable), StatusCode::SERVICE_UNAVAILABLE);
    }
}
