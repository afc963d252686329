//! Lists of objects, in pages of a stable order.

use std::cmp::Ordering;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use infra::{Revision, VersionedObjects};
use serde_json::Value as Json;

use super::plan::revision_of;

/// The most objects in a page.
pub const PAGE_MAX: usize = 500;
/// The most bytes of documents in a page, or one larger document: what a reader by gRPC accepts is 4 MiB.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The kinds; none means all.
    pub kinds: Vec<ObjectKind>,
    /// What must hold for each object: a field and its value. `id` is what the id begins with, `name` is in one of its names, `skill` is one
    /// of a person's skills; any other is a path as `agent.default_place`, whose value, or one of whose values, is that; of `type` there
    /// may be several, with commas between them.
    pub filter: Vec<(String, String)>,
    /// The fields to show; none means all.
    pub fields: Vec<String>,
    /// The most objects, up to [`PAGE_MAX`]; 0 means that.
    pub size: usize,
    /// The object after which the page begins.
    pub after: Option<ObjectKey>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPage {
    /// The objects in the order of kinds and ids.
    pub objects: Vec<ListedObject>,
    /// The last object, if there are more behind it.
    pub last: Option<ObjectKey>,
    /// The tenant's revision.
    pub revision: Revision,
}

/// An object in a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The object.
    pub key: ObjectKey,
    /// Its revision.
    pub revision: Revision,
    /// Its document, without secrets.
    pub json: String,
}

/// The page that is asked for.
pub fn list(held: &VersionedObjects, asked: &Listing) -> ListedPage {
    let is_asked = |object: &Object| asked.kinds.is_empty() || asked.kinds.contains(&object.key().kind);
    let is_behind =
        |object: &Object| asked.after.as_ref().is_none_or(|after| order(&object.key(), after) == Ordering::Greater);
    let mut found: Vec<Object> = held
        .objects
        .objects()
        .filter(|object| is_asked(object) && is_behind(object) && matches(object, &asked.filter))
        .collect();
    found.sort_by(|one, two| order(&one.key(), &two.key()));
    let size = if asked.size == 0 { PAGE_MAX } else { asked.size.min(PAGE_MAX) };
    let all = found.len();
    let (mut objects, mut bytes) = (Vec::new(), 0);
    for object in found.into_iter().take(size) {
        let key = object.key();
        let json = super::shown(object, &asked.fields);
        bytes += json.len();
        if bytes > PAGE_BYTES_MAX && !objects.is_empty() {
            break;
        }
        objects.push(ListedObject { revision: revision_of(held, &key), key, json });
    }
    let last = objects.last().filter(|_| objects.len() < all).map(|object| object.key.clone());
    ListedPage { objects, last, revision: held.revision }
}

/// The kinds in their order, and ids without regard to case.
fn order(one: &ObjectKey, two: &ObjectKey) -> Ordering {
    let by_name = || one.id.to_lowercase().cmp(&two.id.to_lowercase());
    one.kind.cmp(&two.kind).then_with(by_name).then_with(|| one.id.cmp(&two.id))
}

fn matches(object: &Object, filter: &[(String, String)]) -> bool {
    if filter.is_empty() {
        return true;
    }
    let document = object.clone().without_secrets().to_json();
    let document: Json = serde_json::from_slice(&document).unwrap_or_default();
    filter.iter().all(|(field, value)| match field.as_str() {
        "id" => object.key().id.to_lowercase().starts_with(&value.to_lowercase()),
        "name" => names(object).iter().any(|name| name.to_lowercase().contains(&value.to_lowercase())),
        "skill" => skills(object).any(|skill| skill.eq_ignore_ascii_case(value)),
        "type" => value.split(',').any(|one| document.get("type").is_some_and(|found| is_value(found, one))),
        path => {
            let found = path.split('.').try_fold(&document, |value, part| value.get(part));
            found.is_some_and(|found| is_value(found, value))
        }
    })
}

/// The names by which people look for an object.
fn names(object: &Object) -> Vec<String> {
    match object {
        Object::Person(person) => vec![
            format!("{} {}", person.first_name, person.last_name),
            format!("{} {}", person.last_name, person.first_name),
            person.user_name.clone(),
        ],
        Object::Tenant(tenant) => vec![tenant.name.clone()],
        Object::Number(number) => vec![number.name.clone(), number.number.clone()],
        Object::Client(client) => vec![client.name.clone(), client.id.clone()],
        other => vec![other.key().id],
    }
}

fn skills(object: &Object) -> impl Iterator<Item = &str> {
    let agent = match object {
        Object::Person(person) => person.agent.as_ref(),
        _ => None,
    };
    agent.into_iter().flat_map(|agent| agent.skills.iter().map(|level| level.skill.as_str()))
}

/// Whether a value of a document, or one of a list, is written so.
fn is_value(found: &Json, text: &str) -> bool {
    match found {
        Json::String(found) => found == text,
        Json::Bool(found) => text == if *found { "true" } else { "false" },
        Json::Number(found) => found.to_string() == text,
        Json::Array(items) => items.iter().any(|item| is_value(item, text)),
        Json::Null => text.is_empty(),
        Json::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> VersionedObjects {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let revisions = objects.objects().map(|object| (object.key(), Revision(3))).collect();
        VersionedObjects { revision: Revision(7), objects, revisions }
    }

    fn found(kind: ObjectKind, filter: &[(&str, &str)]) -> Vec<String> {
        let filter = filter.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
        let page = list(&held(), &Listing { kinds: vec![kind], filter, ..Listing::default() });
        page.objects.into_iter().map(|object| object.key.id).collect()
    }

    #[test]
    fn filters_are_joined() {
        assert_eq!(found(ObjectKind::Person, &[("name", "ADLER, ")]), [""; 0]);
        assert_eq!(found(ObjectKind::Person, &[("name", "ada adl")]), ["ada.adler"]);
        assert_eq!(found(ObjectKind::Person, &[("id", "ADA."), ("skill", "sales")]), ["ada.adler"]);
        assert_eq!(found(ObjectKind::Person, &[("id", "ada."), ("disabled", "true")]), [""; 0]);
        assert_eq!(found(ObjectKind::Person, &[("agent.default_place", "P7101")]), ["ada.adler"]);
        assert_eq!(found(ObjectKind::Dn, &[("type", "echo")]).len(), 1);
        let queues = found(ObjectKind::Dn, &[("type", "route_point,virtual_queue")]);
        let each = |kind| found(ObjectKind::Dn, &[("type", kind)]).len();
        assert!(!queues.is_empty() && queues.len() == each("route_point") + each("virtual_queue"), "{queues:?}");
        assert!(found(ObjectKind::Person, &[("privileges", "agent")]).len() > 10);
        assert_eq!(found(ObjectKind::Dn, &[("password", "generated")]), [""; 0], "a secret cannot be guessed");
    }

    #[test]
    fn pages_together_are_the_whole_in_one_order() {
        let held = held();
        let whole = list(&held, &Listing::default());
        assert!(whole.last.is_none() && whole.objects.len() == held.objects.objects().count());
        assert!(whole.objects.is_sorted_by(|one, two| order(&one.key, &two.key) == Ordering::Less));
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = list(&held, &Listing { size: 7, after, ..Listing::default() });
            assert!(page.objects.len() <= 7);
            read.extend(page.objects);
            after = page.last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, whole.objects);
    }
}
