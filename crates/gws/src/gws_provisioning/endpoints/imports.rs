//! How far an import is, and which there were.

use axum::response::Response;
use contracts::json::rfc3339;
use infra::{ImportPage, PeopleImport};
use net::http::Query;
use serde_json::{Value, json};

use super::super::import_history::ImportStanding;
use super::super::published::query::PublishedQuery;
use super::super::records::ImportProgress;
use super::super::request::ProvisioningRequest;
use crate::sessions::answers::{self, ApiRefusal};

/// The most imports of a page, and how many where nothing is said.
const PAGE_MAX: usize = 100;
const PAGE: usize = 20;
/// Who is meant, by user name.
const ADMIN_NAME: &str = "adminName";
/// What is told of an import whose end nobody has noted.
const UNKNOWN: &str = "it is not known whether all of it was taken or nothing: send it again, which does no harm";

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
    // The record of a session has no room for much that is wrong.
    let is_whole =
        |import: &ImportProgress| import.is_under_way || !import.failed.is_empty() || import.succeeded == import.total;
    if let Some(import) = here.as_ref().filter(|import| is_whole(import)) {
        return Ok(answers::data(&told(import.clone(), own)));
    }
    let now = request.imports().now();
    let noted = request.imports().last_of(tenant, meant).await;
    let noted = match (noted, here) {
        (Ok(Some(noted)), _) => progress(&noted, is_own, ImportStanding::of(&noted, now)),
        (_, Some(here)) => here,
        (Ok(None), None) => ImportProgress::default(),
        (Err(refusal), None) => return Err(refusal),
    };
    Ok(answers::data(&told(noted, meant)))
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
        ImportStanding::Unknown => vec![UNKNOWN.to_owned()],
        _ if is_own || faults.is_empty() => faults,
        _ => vec![format!("{} faults: whoever has sent the table sees them", faults.len())],
    };
    ImportProgress {
        is_under_way: standing == ImportStanding::UnderWay,
        total: import.lines,
        succeeded: import.end.as_ref().map(|end| end.taken).unwrap_or_default(),
        failed,
    }
}

fn told(progress: ImportProgress, user: &str) -> Value {
    let active: Vec<&str> = progress.is_under_way.then_some(user).into_iter().collect();
    json!({
        "activeImporters": active, "adminName": user, "operation": "import", "failed": progress.failed,
        "succeedCount": progress.succeeded, "totalCount": progress.total, "stopped": !progress.is_under_way,
        "stopRequested": false,
    })
}

/// An import of the history, as somebody is shown it.
fn shown(import: &PeopleImport, asks: &str, standing: ImportStanding) -> Value {
    let ImportProgress { succeeded, failed, .. } = progress(import, import.user.eq_ignore_ascii_case(asks), standing);
    json!({
        "id": import.id, "adminName": import.user, "client": import.client, "fileName": import.file_name,
        "begunAt": rfc3339(import.begun_at), "endedAt": import.end.as_ref().map(|end| rfc3339(end.at)),
        "state": standing.as_str(), "totalCount": import.lines, "succeedCount": succeeded,
        "failedCount": import.end.as_ref().map(|end| end.faults.len()).unwrap_or_default(), "failed": failed,
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
            user: "ada".to_owned(),
            client: Some("crm".to_owned()),
            file_name: "people.csv".to_owned(),
            begun_at: BEGUN,
            lines: 3,
            end: Some(ImportEnd { at: BEGUN, taken: if faults.is_empty() { 3 } else { 0 }, faults }),
        }
    }

    #[test]
    fn an_import_says_how_far_it_is() {
        let under_way = ImportProgress { is_under_way: true, total: 3, ..ImportProgress::default() };
        let told_of = told(under_way, "ada");
        assert_eq!((&told_of["activeImporters"], &told_of["stopped"]), (&json!(["ada"]), &json!(false)));
        assert_eq!(told(ImportProgress::default(), "ada")["activeImporters"], json!([]));
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
