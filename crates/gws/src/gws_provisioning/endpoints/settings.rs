//! Options of the tenant's programs: sections of texts. They stand in a list of the tenant, and those of a person or a group in its own
//! properties.

use axum::body::Bytes;
use axum::response::Response;
use net::http::Query;
use serde_json::{Map, Value, json};

use super::super::configuration_client::{ConfigurationSide, Told, all, change, one};
use super::super::found_object::FoundObject;
use super::super::published::query::PublishedQuery;
use super::super::request::ProvisioningRequest;
use super::super::requesting_person::RequestingPerson;
use crate::sessions::answers::{self, ApiRefusal, read_body};

/// The list of the tenant.
const LIST: &str = "CloudCluster";

/// Texts by section and key.
pub(super) type Sections = Map<String, Value>;

fn wrong(field: &str, rule: &str) -> ApiRefusal {
    ApiRefusal::bad_request(format!("{field}: {rule}"))
}

/// A list of the tenant, if it has it.
pub(super) async fn stored(
    configuration: &dyn ConfigurationSide,
    asker: &RequestingPerson,
    list: &str,
) -> Told<Option<FoundObject>> {
    one(configuration, asker, "list", list).await
}

/// The sections that stand in a member of an object.
pub(super) fn sections_of(object: &FoundObject, member: &str) -> Sections {
    object.document[member].as_object().cloned().unwrap_or_default()
}

/// Later options count more than those before.
pub(super) fn merge(into: &mut Sections, sections: Sections) {
    for (name, values) in sections {
        let section = into.entry(name).or_insert_with(|| json!({}));
        if let (Some(section), Value::Object(values)) = (section.as_object_mut(), values) {
            section.extend(values);
        }
    }
}

/// `GET /options`: those of the tenant, with those of a person and its groups, or of a group.
pub(in crate::gws_provisioning) async fn read(
    request: ProvisioningRequest,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, ApiRefusal> {
    let query = PublishedQuery::of(pairs)?;
    let (configuration, asker) = (request.configuration(), request.reads());
    let list = stored(configuration, &asker, LIST).await?;
    let mut options = list.as_ref().map(|list| sections_of(list, "sections")).unwrap_or_default();
    let meant = (query.number("person_dbid")?, query.number("agent_group_dbid")?);
    match meant {
        (Some(_), Some(_)) => {
            return Err(wrong("agent_group_dbid", "it stands beside person_dbid: one of them is meant"));
        }
        (Some(person), None) => {
            let person = numbered(all(configuration, &asker, "person", "").await?, person, "person_dbid")?;
            let is_in = |group: &FoundObject| {
                group.names("/agents").iter().any(|agent| agent.to_lowercase() == person.id.to_lowercase())
            };
            for group in all(configuration, &asker, "agent_group", "").await?.iter().filter(|group| is_in(group)) {
                merge(&mut options, sections_of(group, "user_properties"));
            }
            merge(&mut options, sections_of(&person, "user_properties"));
        }
        (None, Some(group)) => {
            let group = numbered(all(configuration, &asker, "agent_group", "").await?, group, "agent_group_dbid")?;
            merge(&mut options, sections_of(&group, "user_properties"));
        }
        (None, None) => {}
    }
    let number = list.map(|list| list.number).unwrap_or_default();
    Ok(answers::data(&json!({"options": options, "cmeAppName": LIST, "cmeAppDBID": number.to_string()})))
}

/// The object of a number among those of a kind.
pub(super) fn numbered(objects: Vec<FoundObject>, number: usize, field: &str) -> Result<FoundObject, ApiRefusal> {
    let number = u64::try_from(number).unwrap_or_default();
    let mut same = objects.into_iter().filter(|object| object.number == number);
    match (same.next(), same.next()) {
        (None, _) => Err(ApiRefusal::not_found(format!("{field}: there is no object {number}"))),
        (Some(object), None) => Ok(object),
        (Some(object), Some(other)) => {
            let words = format!("{field}: {} and {} have this number", object.id, other.id);
            Err(ApiRefusal::conflict(words))
        }
    }
}

/// Sections with texts: numbers, and yes and no, are written as texts.
pub(super) fn texts(field: &str, value: &Value) -> Result<Sections, ApiRefusal> {
    let sections = match value {
        Value::Null => return Ok(Sections::new()),
        other => other.as_object().ok_or_else(|| wrong(field, "it is no object of sections"))?,
    };
    let text = |(key, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(wrong(field, &format!("{key:.64} is no text"))),
        };
        Ok((key.clone(), Value::from(text)))
    };
    let section = |(name, values): (&String, &Value)| {
        let values = values.as_object().ok_or_else(|| wrong(field, &format!("the section {name:.64} is no object")))?;
        Ok((name.clone(), values.iter().map(text).collect::<Result<Sections, _>>()?.into()))
    };
    sections.iter().map(section).collect()
}

/// Takes options away: keys of a section, as a list or an object, or the whole section (null).
fn remove(from: &mut Sections, deleted: &Value) {
    for (name, keys) in deleted.as_object().into_iter().flatten() {
        let keys: Option<Vec<&str>> = match keys {
            Value::Array(keys) => Some(keys.iter().filter_map(Value::as_str).collect()),
            Value::Object(keys) => Some(keys.keys().map(String::as_str).collect()),
            _ => None,
        };
        if let (Some(keys), Some(section)) = (keys, from.get_mut(name).and_then(Value::as_object_mut)) {
            section.retain(|key, _| !keys.contains(&key.as_str()));
            if !section.is_empty() {
                continue;
            }
        }
        from.remove(name);
    }
}

/// Writes a list of the tenant, as it was read before if it was there.
pub(super) async fn write(
    request: &ProvisioningRequest,
    (name, before): (&str, Option<&FoundObject>),
    sections: Sections,
) -> Told<()> {
    let put = json!({
        "kind": "list", "id": name, "expectedRevision": before.map(|list| list.revision).unwrap_or_default(),
        "put": {"name": name, "sections": sections},
    });
    change(request.configuration(), &request.changes()?, &[put]).await.map(|_| ())
}

/// `POST /options`: these and no others.
pub(in crate::gws_provisioning) async fn replace(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let options = texts("options", &body["data"]["options"])?;
    let list = stored(request.configuration(), &request.changes()?, LIST).await?;
    write(&request, (LIST, list.as_ref()), options).await?;
    Ok(answers::done())
}

/// `POST /settings`: some options are added and changed, by section.
pub(in crate::gws_provisioning) async fn set(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let given = texts("data", &body["data"])?;
    if given.is_empty() {
        return Err(wrong("data", "it has no section"));
    }
    let list = stored(request.configuration(), &request.changes()?, LIST).await?;
    let mut options = list.as_ref().map(|list| sections_of(list, "sections")).unwrap_or_default();
    merge(&mut options, given);
    write(&request, (LIST, list.as_ref()), options).await?;
    Ok(answers::done())
}

/// `PUT /options`: some are added, changed and deleted.
pub(in crate::gws_provisioning) async fn update(
    request: ProvisioningRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let body = read_body(&body)?;
    let data = &body["data"];
    let (new, changed) = (texts("newOptions", &data["newOptions"])?, texts("changedOptions", &data["changedOptions"])?);
    let list = stored(request.configuration(), &request.changes()?, LIST).await?;
    let mut options = list.as_ref().map(|list| sections_of(list, "sections")).unwrap_or_default();
    remove(&mut options, &data["deletedOptions"]);
    merge(&mut options, new);
    merge(&mut options, changed);
    write(&request, (LIST, list.as_ref()), options).await?;
    Ok(answers::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_two_objects_have_means_neither() {
        let object = |id: &str, number: u64| FoundObject { id: id.to_owned(), number, ..FoundObject::default() };
        let all = || vec![object("ann", 17), object("bob", 18), object("eve", 17)];
        assert_eq!(numbered(all(), 18, "person_dbid").unwrap().id, "bob");
        for (number, code) in [(17, 409), (19, 404)] {
            assert_eq!(numbered(all(), number, "person_dbid").unwrap_err().body()["status"]["code"], code);
        }
    }

    #[test]
    fn options_are_texts_and_later_ones_count() {
        let mut options = texts("options", &json!({"desk": {"ring": "soft", "calls": 2}})).unwrap();
        merge(&mut options, texts("options", &json!({"desk": {"ring": "loud"}, "more": {"on": true}})).unwrap());
        let wanted = json!({"desk": {"ring": "loud", "calls": "2"}, "more": {"on": "true"}});
        assert_eq!(Value::from(options), wanted);
        assert!(texts("options", &json!({"desk": {"ring": []}})).is_err() && texts("options", &json!(7)).is_err());
    }

    #[test]
    fn options_are_taken_away_by_key_and_by_section() {
        let all = || texts("options", &json!({"desk": {"a": "1", "b": "2"}, "more": {"c": "3"}})).unwrap();
        let left = |deleted: Value| {
            let mut options = all();
            remove(&mut options, &deleted);
            Value::from(options)
        };
        assert_eq!(left(json!({"desk": {"a": "1"}})), json!({"desk": {"b": "2"}, "more": {"c": "3"}}));
        assert_eq!(left(json!({"more": ["c"], "none": ["x"]})), json!({"desk": {"a": "1", "b": "2"}}));
        assert_eq!(left(json!({"desk": null})), json!({"more": {"c": "3"}}));
    }
}
