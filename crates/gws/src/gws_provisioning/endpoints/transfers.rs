//! People as tables, out and in.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use net::http::Query;
use serde_json::{Value, json};

use super::super::people;
use super::super::published::query::PublishedQuery;
use super::super::published::user_query::{BY_NAME, UserQuery};
use super::super::published::{multipart, table};
use super::super::records::{ExportJob, ImportProgress};
use super::super::request::ProvisioningRequest;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The most exports of a session that can be fetched, and people that they name: they stand in its record.
const EXPORTS_MAX: usize = 4;
const PEOPLE_MAX: usize = 1_000;
/// The most columns of an export, and bytes of the name of one, or of the file.
const FIELDS_MAX: usize = 40;
const NAME_BYTES_MAX: usize = 64;
/// By which parameters of lists an export is bounded, and the most bytes of them.
const FILTERS: [&str; 7] = ["filterName", "filterParameters", "roles", "skills", "userEnabled", "sortBy", "order"];
const FILTER_BYTES_MAX: usize = 512;
/// The part of the form that has the table.
const FILE: &str = "csvfile";
/// The name by which a table that is sent again counts once.
const REQUEST_ID: &str = "requestId";

// === out ===

/// `POST /export-users`: a table that can be fetched from now on.
pub(in crate::gws_provisioning) async fn export(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let job = read_export(&read_body(&body)?)?;
    let id = request
        .session
        .change(|kept| {
            kept.last_export += 1;
            let id = kept.last_export.to_string();
            kept.exports.push(ExportJob { id: id.clone(), ..job });
            while kept.exports.len() > EXPORTS_MAX || named(&kept.exports) > PEOPLE_MAX {
                kept.exports.remove(0);
            }
            id
        })
        .await?;
    Ok(answers::data(&json!({ "id": id })))
}

fn named(exports: &[ExportJob]) -> usize {
    exports.iter().map(|job| job.people.len()).sum()
}

fn read_export(body: &Value) -> Result<ExportJob, ApiRefusal> {
    let wanted = if body["data"].is_object() { &body["data"] } else { body };
    let wrong = |field: &str, rule: &str| ApiRefusal::bad_request(format!("{field}: {rule}"));
    let list = |name: &str| wanted[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let field = |value: &Value| {
        let name = value.as_str().filter(|name| name.len() <= NAME_BYTES_MAX).map(str::to_owned);
        name.ok_or_else(|| wrong("fields", "a column has a name of at most 64 bytes"))
    };
    let person = |value: &Value| {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).and_then(|id| u32::try_from(id).ok());
        number.ok_or_else(|| wrong("personDBIDs", "it is no list of numbers"))
    };
    if list("fields").len() > FIELDS_MAX {
        return Err(wrong("fields", &format!("there are more than {FIELDS_MAX}")));
    }
    if list("personDBIDs").len() > PEOPLE_MAX {
        return Err(wrong("personDBIDs", &format!("there are more than {PEOPLE_MAX}: leave them out for everybody")));
    }
    let file_name = wanted["fileName"].as_str().unwrap_or("people.csv");
    if file_name.len() > NAME_BYTES_MAX || !file_name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
        return Err(wrong("fileName", "it has at most 64 bytes of ASCII, without spaces and quotation marks"));
    }
    Ok(ExportJob {
        id: String::new(),
        file_name: file_name.to_owned(),
        fields: list("fields").iter().map(field).collect::<Result<_, _>>()?,
        people: list("personDBIDs").iter().map(person).collect::<Result<_, _>>()?,
        query: read_filter(wanted)?,
    })
}

/// Which people, by the parameters of lists: `filterParameters` is an object of them, or the part of a name.
fn read_filter(wanted: &Value) -> Result<Vec<(String, String)>, ApiRefusal> {
    let wrong = |rule: &str| ApiRefusal::bad_request(format!("filterParameters: {rule}"));
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|list| list.join(",")),
        _ => None,
    };
    let mut query = Vec::new();
    match &wanted["filterParameters"] {
        Value::Null => {}
        Value::String(part) if part.trim().is_empty() => {}
        Value::String(part) => {
            let name = wanted["filterName"].as_str().unwrap_or(BY_NAME);
            query.push(("filterName".to_owned(), name.to_owned()));
            query.push(("filterParameters".to_owned(), part.clone()));
        }
        Value::Object(filters) => {
            for (name, value) in filters.iter().filter(|(_, value)| !value.is_null()) {
                let known = FILTERS.contains(&name.as_str()).then(|| text(value)).flatten();
                let rule = || wrong(&format!("{name:.64} is none of {}, or no text", FILTERS.join(", ")));
                query.push((name.clone(), known.ok_or_else(rule)?));
            }
        }
        _ => return Err(wrong("it is no object of parameters")),
    }
    if query.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > FILTER_BYTES_MAX {
        return Err(wrong(&format!("they have more than {FILTER_BYTES_MAX} bytes")));
    }
    // What cannot be read is told at once.
    UserQuery::read(&PublishedQuery::of(query.clone())?)?;
    Ok(query)
}

/// Which export is meant, and whether its table is to be fetched.
#[derive(Debug, PartialEq, Eq)]
struct MeantExport {
    id: String,
    is_download: bool,
}

impl MeantExport {
    fn read(query: &PublishedQuery) -> Result<Self, ApiRefusal> {
        let id = query.text("id").ok_or_else(|| ApiRefusal::bad_request("id: it is missing"))?.to_owned();
        Ok(Self { id, is_download: query.flag("download")?.unwrap_or_default() })
    }
}

/// `GET /export-users?id=`: how far an export is; with `download=true` its table, as people are now.
pub(in crate::gws_provisioning) async fn exported(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let meant = MeantExport::read(&PublishedQuery::of(pairs)?)?;
    let found = request.session.shown(|kept| kept.exports.iter().find(|job| job.id == meant.id).cloned()).await;
    let unknown = || ApiRefusal::not_found(format!("id: there is no export {:.64}", meant.id));
    let job = found.ok_or_else(unknown)?;
    if !meant.is_download {
        return Ok(answers::data(&json!({"id": job.id, "progress": 100})));
    }
    let table = people::export(request.configuration(), &request.reads(), &job).await?;
    let mut response = (StatusCode::OK, table).into_response();
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv;charset=UTF-8"));
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", job.file_name)) {
        head.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

// === in ===

/// A table that was sent.
#[derive(Debug, PartialEq, Eq)]
struct SentTable {
    text: String,
    /// Empty where none is named.
    file_name: String,
}

/// The table of a form, or bare.
fn read_table(headers: &HeaderMap, body: &[u8]) -> Result<SentTable, ApiRefusal> {
    let wrong = |rule: &str| ApiRefusal::bad_request(format!("{FILE}: {rule}"));
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (file_name, content) = match multipart::boundary(content_type) {
        Some(boundary) => {
            let part = multipart::part(body, boundary, FILE).ok_or_else(|| wrong("there is no such part"))?;
            (part.file_name, part.content)
        }
        None if content_type.to_ascii_lowercase().starts_with("text/csv") => (String::new(), body),
        None => return Err(wrong("it comes as a part of multipart/form-data")),
    };
    let table = std::str::from_utf8(content).map_err(|_| wrong("it is no text in UTF-8: tables are CSV here"))?;
    if table.trim().is_empty() {
        return Err(wrong("the table is empty"));
    }
    Ok(SentTable { text: table.to_owned(), file_name })
}

/// The name of the request that a program has given, if it has. Names are compared as they are written.
fn read_request_id(query: &PublishedQuery) -> Result<Option<String>, ApiRefusal> {
    let Some(given) = query.text(REQUEST_ID) else { return Ok(None) };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if given.len() > NAME_BYTES_MAX || !given.bytes().all(is_allowed) {
        let rule = format!("{REQUEST_ID}: it has at most {NAME_BYTES_MAX} letters, digits, -, _ and .");
        return Err(ApiRefusal::bad_request(rule));
    }
    Ok(Some(given.to_owned()))
}

/// `POST /import-users/csv`: takes a table of people, all of it or nothing, and once by one `requestId`. How far it is, `check-status`
/// tells; it is noted.
pub(in crate::gws_provisioning) async fn import(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let asker = request.changes()?;
    let given = read_request_id(&PublishedQuery::of(pairs)?)?;
    let SentTable { text, file_name } = read_table(&headers, &body)?;
    let id = request.session.parts.secret();
    let names = (id.clone(), given.unwrap_or(id));
    let note = request.imports().of(request.sign_in(), names, &file_name, table::lines(&text));
    request.session.begin_import(text, asker, note).await?;
    Ok(answers::begun())
}

/// `POST /import-users/validate-csv`: looks at a table, and changes nothing.
pub(in crate::gws_provisioning) async fn validate(
    request: ProvisioningRequest,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let asker = request.changes()?;
    let SentTable { text, .. } = read_table(&headers, &body)?;
    let taken = people::import(request.configuration(), &asker, text, "", true).await?;
    let failed = table::faults(&taken);
    Ok(answers::data(&json!({"totalCount": taken["rows"], "isValid": failed.is_empty(), "failed": failed})))
}

/// `DELETE /import-users/csv`: a table that is being taken is taken to its end.
pub(in crate::gws_provisioning) async fn stop_import(request: ProvisioningRequest) -> Result<Response, ApiRefusal> {
    let is_under_way = |import: &ImportProgress| import.is_under_way;
    if request.session.shown(|kept| kept.import.as_ref().is_some_and(is_under_way)).await {
        return Err(ApiRefusal::conflict("the table is taken whole or not at all: it cannot be stopped"));
    }
    Ok(answers::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_names_columns_and_people_within_bounds() {
        let body =
            json!({"fields": ["userName"], "fileName": "p.csv", "personDBIDs": ["17", 18], "filterParameters": {}});
        let job = read_export(&body).unwrap();
        assert_eq!(
            (job.fields, job.people, job.file_name.as_str()),
            (vec!["userName".to_owned()], vec![17, 18], "p.csv")
        );
        assert_eq!(read_export(&Value::Null).unwrap().people, Vec::<u32>::new());
        let pairs = |filter: Value| read_export(&json!({"filterParameters": filter})).unwrap().query;
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let filtered = pairs(json!({"skills": ["French", "German"], "userEnabled": true, "roles": null}));
        assert_eq!(filtered, [pair("skills", "French,German"), pair("userEnabled", "true")]);
        assert_eq!(pairs(json!("Ann")), [pair("filterName", BY_NAME), pair("filterParameters", "Ann")]);
        assert!(pairs(json!({})).is_empty());
        for (field, value) in [
            ("fields", json!(vec!["x"; FIELDS_MAX + 1])),
            ("filterParameters", json!({"shoeSize": 47})),
            ("filterParameters", json!({"skills": {}})),
            ("filterParameters", json!({"skills": "x".repeat(FILTER_BYTES_MAX)})),
            ("personDBIDs", json!(["ann"])),
            ("personDBIDs", json!(vec![1; PEOPLE_MAX + 1])),
            ("fileName", json!("a\"b")),
        ] {
            let refused = read_export(&json!({ field: value })).unwrap_err().body();
            assert!(refused["status"]["message"].as_str().unwrap().starts_with(field), "{refused}");
        }
    }

    #[test]
    fn which_export_is_meant_is_said_and_what_is_wrong_with_it_in_the_envelope() {
        let read = |pairs: &[(&str, &str)]| {
            let owned = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            MeantExport::read(&PublishedQuery::of(owned.collect()).unwrap())
        };
        assert_eq!(read(&[("id", "7")]).unwrap(), MeantExport { id: "7".to_owned(), is_download: false });
        assert!(read(&[("id", "7"), ("download", "true")]).unwrap().is_download);
        let wrong: [(&[(&str, &str)], &str); 3] = [
            (&[("download", "true")], "id: "),
            (&[("id", "")], "id: "),
            (&[("id", "7"), ("download", "1")], "download: "),
        ];
        for (pairs, named) in wrong {
            let refused = read(pairs).unwrap_err().body();
            assert_eq!(refused["status"]["code"], 400, "{pairs:?}");
            assert!(refused["status"]["message"].as_str().unwrap().starts_with(named), "{refused}");
        }
    }

    #[test]
    fn a_program_names_its_request_within_bounds_or_not_at_all() {
        let read = |given: &str| {
            read_request_id(&PublishedQuery::of(vec![(REQUEST_ID.to_owned(), given.to_owned())]).unwrap())
        };
        assert_eq!(read_request_id(&PublishedQuery::of(Vec::new()).unwrap()).unwrap(), None);
        assert_eq!((read("").unwrap(), read("June-1.a_b").unwrap().as_deref()), (None, Some("June-1.a_b")));
        for wrong in ["a b", "ä", "a\nb", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(read(wrong).unwrap_err().status(), StatusCode::BAD_REQUEST, "{wrong:?}");
        }
    }

    #[test]
    fn a_table_comes_as_a_part_of_a_form_or_bare() {
        let headers =
            |kind: &'static str| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        let form = b"--x\r\ncontent-disposition: form-data; name=\"csvfile\"; filename=\"p.csv\"\r\n\r\nuser_name\nann\r\n--x--\r\n";
        let sent = |file_name: &str| SentTable { text: "user_name\nann".to_owned(), file_name: file_name.to_owned() };
        assert_eq!(read_table(&headers("multipart/form-data; boundary=x"), form).unwrap(), sent("p.csv"));
        assert_eq!(read_table(&headers("text/csv"), b"user_name\nann").unwrap(), sent(""));
        for (kind, body) in [
            ("multipart/form-data; boundary=y", &form[..]),
            ("application/json", b"{}"),
            ("text/csv", b" \n"),
            ("text/csv", b"\xff"),
        ] {
            assert_eq!(read_table(&headers(kind), body).unwrap_err().body()["status"]["code"], 400, "{kind}");
        }
    }
}
