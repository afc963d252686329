//! Contacts by the paths of a desktop, and among the targets that it finds.

use super::*;

const INES: &str = r#"{"data": {"name": "Ines Iversen", "numbers": [{"type": "mobile", "number": "+49 30 123456"}]}}"#;

#[tokio::test]
async fn a_contact_is_added_found_changed_and_removed() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    let ask = async |method: Method, path: &str, body: &str| served.with_body(method, path, &cookie, body).await;
    let (status, added) = ask(Method::POST, "/contacts", INES).await;
    assert_eq!((status, &added["data"]["name"]), (200, &json!("Ines Iversen")));
    assert_eq!(added["data"]["numbers"], json!([{"type": "mobile", "number": "+4930123456"}]));
    assert_eq!(added["data"]["isShared"], false);
    let path = format!("/contacts/{}", added["data"]["id"].as_str().unwrap());
    let (_, listed) = ask(Method::GET, "/contacts?searchTerm=iversen", "").await;
    assert_eq!((&listed["data"]["totalMatches"], &listed["data"]["mayShare"]), (&json!(1), &json!(false)));
    assert_eq!(listed["data"]["contacts"][0], added["data"]);

    let (_, found) = ask(Method::GET, "/targets?searchTerm=ines&types=agent,custom-contact", "").await;
    let target = &found["data"]["targets"][0];
    assert_eq!((&target["type"], &target["number"]), (&json!("custom-contact"), &json!("+4930123456")), "{found}");
    let of_target = format!("/targets/custom-contact/{}", target["id"].as_str().unwrap());
    assert_eq!(ask(Method::GET, &of_target, "").await.1["data"]["targets"][0], *target);
    let (_, agents) = ask(Method::GET, "/targets?searchTerm=ines&types=agent", "").await;
    assert!(agents["data"]["targets"].as_array().unwrap().iter().all(|target| target["type"] == "agent"), "{agents}");

    let (status, changed) = ask(Method::PUT, &path, r#"{"data": {"name": "Ines Ibsen"}}"#).await;
    assert_eq!(
        (status, &changed["data"]["name"], &changed["data"]["id"]),
        (200, &json!("Ines Ibsen"), &added["data"]["id"])
    );
    assert_eq!(ask(Method::GET, &path, "").await.1["data"]["numbers"], json!([]));
    assert_eq!(ask(Method::DELETE, &path, "").await.0, 200);
    for (method, body) in [(Method::GET, ""), (Method::PUT, INES), (Method::DELETE, "")] {
        assert_eq!(ask(method, &path, body).await.0, 404);
    }
}

#[tokio::test]
async fn a_contact_that_was_changed_since_stays_as_it_is() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    let ask = async |method: Method, path: &str, body: &str| served.with_body(method, path, &cookie, body).await;
    let (_, added) = ask(Method::POST, "/contacts", INES).await;
    let path = format!("/contacts/{}", added["data"]["id"].as_str().unwrap());
    let change = |name: &str| json!({"data": {"name": name, "changedAt": added["data"]["changedAt"]}}).to_string();
    let (status, first) = ask(Method::PUT, &path, &change("Ines Ibsen")).await;
    assert_eq!(status, 200, "{first}");
    let times = [&added, &first].map(|answer| answer["data"]["changedAt"].as_u64().unwrap());
    assert!(times[0] < times[1], "the time tells the two apart, also where the clock stands: {times:?}");
    let (status, second) = ask(Method::PUT, &path, &change("Ines Ihle")).await;
    let message = second["status"]["message"].as_str().unwrap();
    assert!(status == 409 && message.starts_with("changedAt: "), "{status} {message}");
    assert_eq!(ask(Method::GET, &path, "").await.1["data"], first["data"]);
    let (status, unsaid) = ask(Method::PUT, &path, INES).await;
    assert_eq!((status, &unsaid["data"]["name"]), (200, &json!("Ines Iversen")), "without a time as it stands");
}

#[tokio::test]
async fn what_is_shared_is_kept_by_who_looks_after_others() {
    const SHARED: &str = r#"{"data": {"name": "Taxi", "isShared": true}}"#;
    let served = served();
    let agent = served.session_of("workspace:use").await;
    assert_eq!(served.with_body(Method::POST, "/contacts", &agent, SHARED).await.0, 403);
    let supervisor = served.session_of("workspace:use agents:supervise").await;
    let (status, added) = served.with_body(Method::POST, "/contacts", &supervisor, SHARED).await;
    assert_eq!((status, &added["data"]["isShared"]), (200, &json!(true)));
    let path = format!("/contacts/{}", added["data"]["id"].as_str().unwrap());
    let (_, seen) = served.with_body(Method::GET, &path, &agent, "").await;
    assert_eq!(seen["data"]["name"], "Taxi");
    assert_eq!(served.with_body(Method::PUT, &path, &agent, SHARED).await.0, 403);
    assert_eq!(served.with_body(Method::DELETE, &path, &agent, "").await.0, 403);
    let own = r#"{"data": {"name": "Taxi", "isShared": false}}"#;
    assert_eq!(served.with_body(Method::PUT, &path, &supervisor, own).await.0, 400);
    assert_eq!(served.with_body(Method::DELETE, &path, &supervisor, "").await.0, 200);
}

#[tokio::test]
async fn a_contact_that_cannot_be_is_refused_by_its_field() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    for (body, field) in [
        ("", "data"),
        (r#"{"data": {}}"#, "name"),
        (r#"{"data": {"name": "Ines", "numbers": [{"number": "call me"}]}}"#, "numbers"),
        (r#"{"data": {"name": "Ines", "emailAddress": "ines"}}"#, "emailAddress"),
    ] {
        let (status, refused) = served.with_body(Method::POST, "/contacts", &cookie, body).await;
        let message = refused["status"]["message"].as_str().unwrap();
        assert!(status == 400 && message.starts_with(&format!("{field}: ")), "{body}: {status} {message}");
    }
    assert_eq!(served.with_body(Method::GET, "/contacts?limit=201", &cookie, "").await.0, 400);
    assert_eq!(served.with_body(Method::GET, "/contacts/a%2Fb", &cookie, "").await.0, 404);
    assert!(served.roles.contacts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn others_are_found_while_contacts_cannot_be_read() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    *served.roles.is_without_settings.lock().unwrap() = true;
    let (status, found) = served.with_body(Method::GET, "/targets?searchTerm=bob", &cookie, "").await;
    assert_eq!((status, &found["data"]["withoutContacts"]), (200, &json!(true)), "{found}");
    assert_eq!(found["data"]["targets"][0]["userName"], "bob");
    assert_eq!(served.with_body(Method::GET, "/contacts", &cookie, "").await.0, 503);
}
