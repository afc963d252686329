use super::*;

fn body(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("{value}") };
    map
}

fn told(error: &ScimError) -> (String, String) {
    let document = error.document();
    let part = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    (part("scimType"), part("detail"))
}

#[test]
fn a_new_user_of_okta_becomes_a_person() {
    let okta = body(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ann@d.example",
        "name": { "givenName": "Ann", "familyName": "Adams" },
        "emails": [{ "primary": true, "value": "ann@d.example", "type": "work" }],
        "displayName": "Ann Adams",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": true,
    }));
    let document = UserDraft::new(&okta).unwrap().document();
    assert_eq!(
        document,
        json!({ "user_name": "ann@d.example", "first_name": "Ann", "last_name": "Adams", "email": "ann@d.example",
            "disabled": false, "external_id": "00ujl29u0le5T6Aj10h7", "password": "1mz050nq" })
    );
}

#[test]
fn a_new_user_of_entra_becomes_a_person() {
    let entra = body(json!({
        "userName": "ann@d.example",
        "active": "True",
        "name": { "formatted": "Ann Adams", "familyName": "Adams", "givenName": "Ann" },
        "emails": [{ "type": "other", "value": "o@d.example" }, { "type": "work", "value": "w@d.example" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "Sales" },
        "meta": { "resourceType": "User" },
    }));
    let document = UserDraft::new(&entra).unwrap().document();
    assert_eq!((&document["email"], &document["disabled"]), (&json!("w@d.example"), &json!(false)));
    assert!(document.get("password").is_none());
}

#[test]
fn names_of_attributes_have_no_case() {
    let given =
        body(json!({ "USERNAME": "ann", "Name": { "GIVENNAME": "Ann", "familyname": "Adams" }, "ACTIVE": false }));
    let document = UserDraft::new(&given).unwrap().document();
    assert_eq!((&document["first_name"], &document["disabled"]), (&json!("Ann"), &json!(true)));
}

#[test]
fn what_is_needed_or_faulty_is_named() {
    for (given, detail) in [
        (json!({ "name": { "givenName": "Ann", "familyName": "Adams" } }), "userName: it is needed"),
        (json!({ "userName": "ann", "name": { "givenName": "Ann" } }), "name.familyName: it is needed"),
        (json!({ "userName": "ann", "name": { "givenName": "", "familyName": "A" } }), "name.givenName: it is needed"),
        (json!({ "userName": 7 }), "userName: a text is needed"),
        (json!({ "userName": "ann", "active": "yes" }), "active: true or false is needed"),
        (json!({ "userName": "ann", "emails": ["a@b.c"] }), "emails: objects with a value are needed"),
        (json!({ "userName": "ann", "name": "Ann" }), "name: an object is needed"),
    ] {
        let error = UserDraft::new(&body(given)).unwrap_err();
        assert_eq!(told(&error), ("invalidValue".to_owned(), detail.to_owned()));
    }
}

#[test]
fn a_put_replaces_what_scim_sees_and_enables_nobody_by_silence() {
    let disabled = ScimPerson { disabled: true, ..ann() };
    let put = |value| UserDraft::of(&disabled).replaced(&body(value));
    let same =
        put(json!({ "userName": "ANN@d.example", "name": { "givenName": "Ann", "familyName": "Adams" } })).unwrap();
    assert_eq!(Value::Object(same.changes_of(&disabled)), json!({ "email": null }));
    let renamed = put(json!({ "userName": "eve", "name": { "givenName": "Ann", "familyName": "Adams" } })).unwrap_err();
    assert_eq!(told(&renamed).0, "mutability");
    let without = put(json!({ "userName": "ann@d.example" })).unwrap_err();
    assert_eq!(told(&without), ("invalidValue".to_owned(), "name.givenName: it is needed".to_owned()));
    let enabled = put(json!({
        "active": true,
        "name": { "givenName": "Ann", "familyName": "Adams" },
        "emails": [{ "value": "ann@d.example" }],
    }));
    assert_eq!(Value::Object(enabled.unwrap().changes_of(&disabled)), json!({ "disabled": false }));
}

#[test]
fn of_several_addresses_the_primary_one_counts_then_that_for_work_then_the_first() {
    let chosen = |emails: Value| {
        let mut draft = UserDraft::of(&ann());
        draft.set(&path("emails").unwrap(), &emails, Manner::Replace).unwrap();
        draft.email
    };
    let home = json!({ "value": "h", "type": "home" });
    let work = json!({ "value": "w", "type": "Work" });
    let first = json!({ "value": "p", "type": "other", "primary": true });
    assert_eq!(chosen(json!([home, work, first])).as_deref(), Some("p"));
    assert_eq!(chosen(json!([home, work])).as_deref(), Some("w"));
    assert_eq!(chosen(json!([home])).as_deref(), Some("h"));
    assert_eq!(chosen(json!(home)).as_deref(), Some("h"));
    assert_eq!((chosen(json!([])), chosen(json!([{ "value": "" }]))), (None, None));
}

#[test]
fn an_added_address_of_another_type_does_not_take_the_place_of_the_one_for_work() {
    let mut draft = UserDraft::of(&ann());
    draft.set(&path("emails").unwrap(), &json!([{ "value": "h", "type": "home" }]), Manner::Add).unwrap();
    assert_eq!(draft.email.as_deref(), Some("ann@d.example"));
    draft.set(&path("emails").unwrap(), &json!([{ "value": "w", "type": "work" }]), Manner::Add).unwrap();
    assert_eq!(draft.email.as_deref(), Some("w"));
    draft.email = None;
    draft.set(&path("emails").unwrap(), &json!([{ "value": "h", "type": "home" }]), Manner::Add).unwrap();
    assert_eq!(draft.email.as_deref(), Some("h"));
}

#[test]
fn a_put_takes_a_password_away_by_null_alone() {
    let put = |password: Option<Value>| {
        let mut given =
            body(json!({ "userName": ann().user_name, "name": { "givenName": "Ann", "familyName": "Adams" } }));
        given.extend(password.map(|password| ("password".to_owned(), password)));
        UserDraft::of(&ann()).replaced(&given).map(|draft| draft.changes_of(&ann()))
    };
    assert_eq!(put(None).unwrap().get("password"), None);
    assert_eq!(put(Some(Value::Null)).unwrap().get("password"), Some(&Value::Null));
    assert_eq!(put(Some(json!(""))).unwrap().get("password"), None);
    assert!(put(Some(json!(7))).is_err());
}

#[test]
fn an_empty_password_says_nothing_and_the_rest_of_the_request_holds() {
    let leaver = body(json!({
        "userName": "ann@d.example",
        "name": { "givenName": "Ann", "familyName": "Adams" },
        "emails": [{ "value": "ann@d.example" }],
        "active": false,
        "password": "",
    }));
    let put = UserDraft::of(&ann()).replaced(&leaver).unwrap();
    assert_eq!(Value::Object(put.changes_of(&ann())), json!({ "disabled": true }));
    let document = UserDraft::new(&leaver).unwrap().document();
    assert_eq!((document.get("password"), &document["disabled"]), (None, &json!(true)));
    let mut draft = UserDraft::of(&ann());
    draft.set(&path("password").unwrap(), &json!(""), Manner::Replace).unwrap();
    assert!(draft.changes_of(&ann()).is_empty());
}

#[test]
fn a_password_is_in_no_debug_output() {
    let mut draft = UserDraft::of(&ann());
    draft.set(&path("password").unwrap(), &json!("correct horse"), Manner::Replace).unwrap();
    assert!(!format!("{draft:?}").contains("horse"));
}
