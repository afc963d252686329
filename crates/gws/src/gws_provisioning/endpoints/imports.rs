//! How far an import is, and which there were.

use axum::response::Response;
use contracts::json::rfc3339;
use infra::{ImportPage, PeopleImport};
use net::http::Query;
use serde_json::{Value, json};

use super::super::import_history::{ImportStanding, UNKNOWN};
use super::super::published::query::PublishedQuery;
use super::super::records::ImportProgress;
use super::super::request::ProvisioningRequest;
use crate::sessions::answers::{self, ApiRefusal};

/// The most imports of a page, and how many where nothing is said.
const PAGE_MAX: usize = 100;
const PAGE: usize = 20;
/// Who is meant, by user name.
const ADMIN_NAME: &str = "adminName";

/// `GET /import-users/check-status`: how far the last import of whoever asks is; with `adminName` that of somebody else.
pub(in crate::gws_provisioning) async fn status(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    let person = &request.sign_in().person;
    let (tenant, own) = (&person.tenant, person.user.as_str());
    let meant = query.text(ADMIN_NAME).filter(|name| !name.is_empty()).unwrap_or(own);
    let is_own = meant.eq_ignore_ascii_case(own);
    let here = if is_own { request.session.shown(|kept| kept.import.clone()).await } else { None };
    // The record of a session has no room for much that is wrong, and of a table whose replica is gone the end may have been noted.
    let is_whole = |import: &ImportProgress| {
        let is_known = !import.failed.is_empty() || import.succeeded == import.total;
        import.is_under_way || (is_known && !import.is_unknown)
    };
    if let Some(import) = here.as_ref().filter(|import| is_whole(import)) {
        return Ok(answers::data(&told(import, own)));
    }
    let now = request.imports().now();
    let noted = request.imports().last_of(tenant, meant).await;
    let noted = match (noted, here) {
        // Nobody takes it any more, which the session knows at once.
        (Ok(Some(noted)), Some(here)) if here.is_unknown && noted.request == here.request && noted.end.is_none() => {
            here
        }
        (Ok(Some(noted)), _) => progress(&noted, is_own, ImportStanding::of(&noted, now)),
        (_, Some(here)) => here,
        (Ok(None), None) => ImportProgress::default(),
        (Err(refusal), None) => return Err(refusal),
    };
    Ok(answers::data(&told(&noted, meant)))
}

/// `GET /import-users/history`: the imports of the tenant, the latest first; with `adminName` those of one person.
pub(in crate::gws_provisioning) async fn history(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let limit = query.number("limit")?.unwrap_or(PAGE).min(PAGE_MAX);
    let page = ImportPage {
        user: query.text(ADMIN_NAME).filter(|name| !name.is_empty()).map(str::to_owned),
        offset: number(query.number("offset")?.unwrap_or_default()),
        limit: number(limit),
        ..ImportPage::default()
    };
    let (person, now) = (&request.sign_in().person, request.imports().now());
    let imports = request.imports().page(&person.tenant, page).await?;
    let shown = |import: &PeopleImport| shown(import, &person.user, ImportStanding::of(import, now));
    Ok(answers::data(&json!({ "imports": imports.iter().map(shown).collect::<Vec<_>>() })))
}

/// An import as one of a session is told. What is wrong names what stood in the table, and that is for who has sent it.
fn progress(import: &PeopleImport, is_own: bool, standing: ImportStanding) -> ImportProgress {
    let faults = import.end.as_ref().map(|end| end.faults.clone()).unwrap_or_default();
    let failed = match standing {
        ImportStanding::Unknown => Vec::new(),
        _ if is_own || faults.is_empty() => faults,
        _ => vec![format!("{} faults: whoever has sent the table sees them", faults.len())],
    };
    ImportProgress {
        is_under_way: standing == ImportStanding::UnderWay,
        total: import.lines,
        succeeded: import.end.as_ref().map(|end| end.taken).unwrap_or_default(),
        failed,
        is_unknown: standing == ImportStanding::Unknown,
        request: import.request.clone(),
    }
}

/// How an import stands that a session knows; none where there was none.
fn standing(progress: &ImportProgress) -> Option<ImportStanding> {
    if *progress == ImportProgress::default() {
        return None;
    }
    Some(match progress {
        ImportProgress { is_under_way: true, .. } => ImportStanding::UnderWay,
        ImportProgress { is_unknown: true, .. } => ImportStanding::Unknown,
        // What is wrong may have had no room.
        ImportProgress { failed, succeeded, total, .. } if failed.is_empty() && succeeded == total => {
            ImportStanding::Taken
        }
        _ => ImportStanding::Refused,
    })
}

/// What is wrong with a table, or that nobody knows whether it was taken.
fn words(progress: &ImportProgress) -> Vec<String> {
    if progress.is_unknown { vec![UNKNOWN.to_owned()] } else { progress.failed.clone() }
}

fn told(progress: &ImportProgress, user: &str) -> Value {
    let active: Vec<&str> = progress.is_under_way.then_some(user).into_iter().collect();
    let request = Some(progress.request.as_str()).filter(|request| !request.is_empty());
    json!({
        "activeImporters": active, "adminName": user, "operation": "import", "failed": words(progress),
        "succeedCount": progress.succeeded, "totalCount": progress.total, "stopped": !progress.is_under_way,
        "stopRequested": false, "state": standing(progress).map(ImportStanding::as_str), "requestId": request,
    })
}

/// An import of the history, as somebody is shown it.
fn shown(import: &PeopleImport, asks: &str, standing: ImportStanding) -> Value {
    let progress = progress(import, import.user.eq_ignore_ascii_case(asks), standing);
    let ended = import.end.as_ref().filter(|_| !progress.is_unknown);
    json!({
        "id": import.id, "requestId": import.request, "adminName": import.user, "client": import.client,
        "fileName": import.file_name,
        "begunAt": rfc3339(import.begun_at), "endedAt": import.end.as_ref().map(|end| rfc3339(end.at)),
        "state": standing.as_str(), "totalCount": import.lines, "succeedCount": progress.succeeded,
        "failedCount": ended.map(|end| end.faults.len()).unwrap_or_default(), "failed": words(&progress),
    })
}

#[cfg(test)]
mod tests {
    use infra::ImportEnd;
    use model::Timestamp;

    use super::*;

    const BEGUN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn import(faults: &[&str]) -> PeopleImport {
        let faults = faults.iter().map(|fault| (*fault).to_owned()).collect::<Vec<_>>();
        PeopleImport {
            id: "one".to_owned(),
            request: "june".to_owned(),
            user: "ada".to_owned(),
            client: Some("crm".to_owned()),
            file_name: "people.csv".to_owned(),
            begun_at: BEGUN,
            lines: 3,
            end: Some(ImportEnd { at: BEGUN, taken: if faults.is_empty() { 3 } else { 0 }, faults, is_unknown: false }),
        }
    }

    #[test]
    fn of_a_table_that_may_have_been_taken_it_is_said_how_to_send_it_again() {
        let mut import = import(&[UNKNOWN]);
        import.end.as_mut().unwrap().is_unknown = true;
        let shown = shown(&import, "ben", ImportStanding::of(&import, BEGUN));
        assert_eq!((&shown["state"], &shown["requestId"]), (&json!("unknown"), &json!("june")));
        assert_eq!((&shown["failedCount"], &shown["failed"]), (&json!(0), &json!([UNKNOWN])));
        let here =
            ImportProgress { total: 3, is_unknown: true, request: "june".to_owned(), ..ImportProgress::default() };
        let told = told(&here, "ada");
        assert_eq!((&told["state"], &told["requestId"]), (&json!("unknown"), &json!("june")));
        assert_eq!((&told["stopped"], &told["failed"]), (&json!(true), &json!([UNKNOWN])));
    }

    #[test]
    fn an_import_says_how_far_it_is() {
        let under_way = ImportProgress { is_under_way: true, total: 3, ..ImportProgress::default() };
        let told_of = told(&under_way, "ada");
        assert_eq!((&told_of["activeImporters"], &told_of["stopped"]), (&json!(["ada"]), &json!(false)));
        let none = told(&ImportProgress::default(), "ada");
        assert_eq!((&told_of["state"], &none["state"]), (&json!("underWay"), &Value::Null));
        assert_eq!(none["activeImporters"], json!([]));
    }

    #[test]
    fn what_is_wrong_with_a_table_is_shown_to_who_has_sent_it_alone() {
        let faulty = import(&["line 2: there is no skill Patience", "line 3: no"]);
        let [own, other] = ["Ada", "ben"].map(|asks| shown(&faulty, asks, ImportStanding::Refused));
        assert_eq!((&own["failed"][0], &own["failedCount"]), (&json!("line 2: there is no skill Patience"), &json!(2)));
        assert_eq!((&other["failedCount"], &other["state"]), (&json!(2), &json!("refused")));
        assert!(!other.to_string().contains("Patience"), "{other}");
        let taken = shown(&import(&[]), "ben", ImportStanding::Taken);
        assert_eq!((&taken["succeedCount"], &taken["failed"]), (&json!(3), &json!([])));
        let lost = PeopleImport { end: None, ..import(&[]) };
        let lost = shown(&lost, "ben", ImportStanding::Unknown);
        assert_eq!((&lost["endedAt"], &lost["failed"][0]), (&Value::Null, &json!(UNKNOWN)));
    }
}
