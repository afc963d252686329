//! Lists of objects, in pages of a stable order.

use std::cmp::Ordering;

use contracts::provisioning::{Object, ObjectKey, ObjectKind, folded_name};
use infra::Revision;
use serde_json::Value as Json;

use super::indexed::{HeldObject, IndexedTenant};

/// The most objects in a page.
pub const PAGE_MAX: usize = 500;
/// The most bytes of documents in a page, or one larger document: what a reader by gRPC accepts is 4 MiB.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The kinds; none means all.
    pub kinds: Vec<ObjectKind>,
    /// What must hold for each object: a field and its value. `id` is what the id begins with, `name` is in one of its names, `skill` is
    /// one of a person's skills, `email` is that of a person, all without regard to case; any other is a path as `agent.default_place` or,
    /// of a DN, `type`, whose value, or one of whose values, is that; of `type` there may be several, with commas between them. With
    /// `name`, those of a kind come first of which a name begins with it.
    pub filter: Vec<(String, String)>,
    /// The fields to show; none means all.
    pub fields: Vec<String>,
    /// The most objects, up to [`PAGE_MAX`]; 0 means that.
    pub size: usize,
    /// The end of the page before.
    pub after: Option<PageEnd>,
}

/// The last object of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageEnd {
    /// The object.
    pub key: ObjectKey,
    /// Whether none of its names begins with the name that is looked for.
    pub is_behind_names: bool,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPage {
    /// The objects in the order of kinds and ids.
    pub objects: Vec<ListedObject>,
    /// The last object, if there are more behind it.
    pub last: Option<PageEnd>,
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

/// The page that is asked for. It reads on from the page before, and no further than its own end.
pub fn list(held: &IndexedTenant, asked: &Listing) -> ListedPage {
    list_seen(held, asked, |_| true)
}

/// The same of those objects alone that `may_see` says are there.
pub fn list_seen(held: &IndexedTenant, asked: &Listing, may_see: impl Fn(HeldObject<'_>) -> bool) -> ListedPage {
    let filter = ObjectFilter::of(&asked.filter);
    let size = if asked.size == 0 { PAGE_MAX } else { asked.size.min(PAGE_MAX) };
    let mut page = ListedPage { objects: Vec::new(), last: None, revision: held.revision() };
    let (mut bytes, mut end) = (0, None);
    for part in parts(asked, &filter) {
        for found in held.behind(part.kind, part.after.as_ref(), filter.id.as_deref().unwrap_or_default()) {
            let HeldObject { object, annex, revision } = found;
            if !may_see(found) || !filter.takes(found, part.is_behind_names) {
                continue;
            }
            if page.objects.len() >= size || bytes >= PAGE_BYTES_MAX {
                page.last = end;
                return page;
            }
            let json = super::shown(object.clone(), annex, &asked.fields);
            bytes += json.len();
            if bytes > PAGE_BYTES_MAX && !page.objects.is_empty() {
                page.last = end;
                return page;
            }
            let key = object.key();
            end = Some(PageEnd { key: key.clone(), is_behind_names: part.is_behind_names });
            page.objects.push(ListedObject { key, revision, json });
        }
    }
    page
}

/// Objects of a kind that stand together in a list.
struct ListPart {
    kind: ObjectKind,
    is_behind_names: bool,
    /// Where it begins.
    after: Option<ObjectKey>,
}

/// The parts of a list from the end of the page before.
fn parts(asked: &Listing, filter: &ObjectFilter<'_>) -> Vec<ListPart> {
    let kinds = ObjectKind::ALL.into_iter().filter(|kind| asked.kinds.is_empty() || asked.kinds.contains(kind));
    let orders: &[bool] = if filter.name.is_some() { &[false, true] } else { &[false] };
    let all = kinds.flat_map(|kind| orders.iter().map(move |is_behind_names| (kind, *is_behind_names)));
    let part = |(kind, is_behind_names): (ObjectKind, bool)| {
        let Some(PageEnd { key, is_behind_names: of_end }) = &asked.after else {
            return Some(ListPart { kind, is_behind_names, after: None });
        };
        let after = match (kind, is_behind_names).cmp(&(key.kind, *of_end)) {
            Ordering::Less => return None,
            Ordering::Equal => Some(key.clone()),
            Ordering::Greater => None,
        };
        Some(ListPart { kind, is_behind_names, after })
    };
    all.filter_map(part).collect()
}

/// What must hold for each object.
struct ObjectFilter<'a> {
    id: Option<String>,
    name: Option<String>,
    skill: Option<String>,
    /// Paths and their values.
    paths: Vec<(&'a str, &'a str)>,
}

impl<'a> ObjectFilter<'a> {
    fn of(asked: &'a [(String, String)]) -> Self {
        let mut filter = Self { id: None, name: None, skill: None, paths: Vec::new() };
        for (field, value) in asked {
            match field.as_str() {
                "id" => filter.id = Some(folded_name(value)),
                "name" => filter.name = Some(folded_name(value)),
                "skill" => filter.skill = Some(folded_name(value)),
                path => filter.paths.push((path, value.as_str())),
            }
        }
        filter
    }

    /// Whether an object whose name begins as it must is in the part of those of which a name begins with the name that is looked for, or
    /// in the one behind it. The document is read last: it costs the most.
    fn takes(&self, found: HeldObject<'_>, is_behind_names: bool) -> bool {
        let object = found.object;
        if self.skill.as_ref().is_some_and(|wanted| !skills(object).any(|skill| folded_name(skill) == *wanted)) {
            return false;
        }
        if let Some(wanted) = &self.name {
            let names: Vec<String> = names(object).iter().map(|name| folded_name(name)).collect();
            let begins = names.iter().any(|name| name.starts_with(wanted));
            if begins == is_behind_names || !names.iter().any(|name| name.contains(wanted)) {
                return false;
            }
        }
        self.paths.iter().all(|(path, value)| match (object, *path) {
            // Lists of one type are asked for often.
            (Object::Dn(dn), "type") => value.split(',').any(|one| dn.kind.as_str() == one),
            // Provisioning programs look for one of all people.
            (Object::Person(person), "external_id") => person.external_id.as_deref().unwrap_or_default() == *value,
            (Object::Person(person), "email") => is_email(person.email.as_deref(), value),
            _ => true,
        }) && self.fits_document(found)
    }

    fn fits_document(&self, HeldObject { object, annex, .. }: HeldObject<'_>) -> bool {
        let is_compared = |path: &str| matches!((object, path), (Object::Dn(_), "type") | (Object::Person(_), "email"));
        let mut paths = self.paths.iter().filter(|(path, _)| !is_compared(path));
        let Some(first) = paths.next() else { return true };
        let document: Json =
            serde_json::from_slice(&object.clone().without_secrets().to_json_with(annex)).unwrap_or_default();
        std::iter::once(first).chain(paths).all(|(path, value)| {
            let found = path.split('.').try_fold(&document, |found, part| found.get(part));
            found.is_some_and(|found| is_value(found, value))
        })
    }
}

/// Whether it is somebody's address, as it is compared at a sign-in; an empty text is that of nobody.
fn is_email(email: Option<&str>, wanted: &str) -> bool {
    let email = email.unwrap_or_default();
    email == wanted || email.to_lowercase() == wanted.to_lowercase()
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
        Object::ActionCode(reason) => vec![reason.name.clone(), reason.code.clone()],
        Object::AgentLogin(login) => std::iter::once(login.code.clone()).chain(login.person.clone()).collect(),
        // One name each, which is the key. A kind that is added must be named, so that its other names are thought of.
        Object::Skill(_)
        | Object::Prompt(_)
        | Object::Application(_)
        | Object::CapacityRule(_)
        | Object::Switch(_)
        | Object::Dn(_)
        | Object::Place(_)
        | Object::Trunk(_)
        | Object::FeatureCode(_)
        | Object::Schedule(_)
        | Object::DialRule(_)
        | Object::AgentGroup(_)
        | Object::List(_)
        | Object::BusinessAttribute(_)
        | Object::PlaceGroup(_)
        | Object::DnGroup(_)
        | Object::TrunkGroup(_)
        | Object::CallingList(_)
        | Object::Campaign(_)
        | Object::CampaignGroup(_)
        | Object::IvrProfile(_)
        | Object::StatisticDefinition(_)
        | Object::Transaction(_)
        | Object::AccessGroup(_)
        | Object::Role(_)
        | Object::Folder(_) => vec![object.key().id],
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
    use infra::{HistoryPoint, VersionedObjects};

    use super::*;

    fn held() -> IndexedTenant {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let revisions = objects.objects().map(|object| (object.key(), Revision(3))).collect();
        IndexedTenant::of(VersionedObjects { point: HistoryPoint::unstamped(Revision(7)), objects, revisions })
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
    fn people_are_found_by_their_address_in_any_case() {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let mut objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        objects.people[0].email = Some("Zoë@d.example".to_owned());
        objects.people[1].email = Some("z@d.example".to_owned());
        let (first, count) = (objects.people[0].user_name.clone(), objects.people.len());
        let revisions = std::collections::HashMap::new();
        let held =
            IndexedTenant::of(VersionedObjects { point: HistoryPoint::unstamped(Revision(7)), objects, revisions });
        let found = |kind: ObjectKind, address: &str| -> Vec<String> {
            let filter = vec![("email".to_owned(), address.to_owned())];
            let page = list(&held, &Listing { kinds: vec![kind], filter, ..Listing::default() });
            page.objects.into_iter().map(|object| object.key.id).collect()
        };
        for wanted in ["Zoë@d.example", "ZOË@D.EXAMPLE", "zoë@d.example"] {
            assert_eq!(found(ObjectKind::Person, wanted), std::slice::from_ref(&first), "{wanted}");
        }
        assert_eq!(found(ObjectKind::Person, "zo@d.example"), [""; 0]);
        assert_eq!(found(ObjectKind::Person, "").len(), count - 2);
        assert_eq!(found(ObjectKind::Place, "z@d.example"), [""; 0], "others have none");
    }

    #[test]
    fn an_id_that_begins_so_is_found_on_every_page() {
        let held = held();
        let of = |person: &contracts::provisioning::Person| person.user_name.to_lowercase().starts_with('a');
        let mut wanted: Vec<String> =
            held.people().filter(|person| of(person)).map(|person| person.user_name.clone()).collect();
        wanted.sort();
        let filter = vec![("id".to_owned(), "A".to_owned())];
        let asked = Listing { kinds: vec![ObjectKind::Person], filter, size: 1, ..Listing::default() };
        let key = |id: &str| ObjectKey { kind: ObjectKind::Person, id: id.to_owned() };
        // One that stands before all of them is no hindrance.
        for begin in [None, Some(PageEnd { key: key("0"), is_behind_names: false })] {
            let (mut read, mut after) = (Vec::new(), begin);
            loop {
                let page = list(&held, &Listing { after, ..asked.clone() });
                read.extend(page.objects.into_iter().map(|object| object.key.id));
                after = page.last;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(read, wanted);
        }
        assert!(!wanted.is_empty() && wanted.len() < held.people().count());
    }

    #[test]
    fn pages_together_are_the_whole_in_one_order() {
        let held = held();
        let whole = list(&held, &Listing::default());
        assert!(whole.last.is_none() && whole.objects.len() > 50, "{}", whole.objects.len());
        let order = |one: &ListedObject| (one.key.kind, folded_name(&one.key.id), one.key.id.clone());
        assert!(whole.objects.is_sorted_by_key(order));
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

    #[test]
    fn types_of_dns_are_those_of_their_documents() {
        for HeldObject { object, .. } in held().behind(ObjectKind::Dn, None, "") {
            let document: Json = serde_json::from_slice(&object.to_json()).unwrap();
            let Object::Dn(dn) = object else { panic!("{object:?}") };
            assert_eq!(document["type"], dn.kind.as_str());
            assert!(contracts::provisioning::DnKind::NAMES.contains(&dn.kind.as_str()));
        }
    }

    #[test]
    fn names_that_begin_so_come_first_and_pages_keep_that_order() {
        let mut read = VersionedObjects {
            point: HistoryPoint::unstamped(Revision(1)),
            objects: crate::file::gathered(held().tenant().clone(), []),
            revisions: std::collections::HashMap::new(),
        };
        let names = ["Presales", "Sales", "aftersales", "sales 2", "Support"];
        read.objects.skills =
            names.map(|name| contracts::provisioning::Skill { name: name.to_owned() }).into_iter().collect();
        let held = IndexedTenant::of(read);
        let filter = vec![("name".to_owned(), "SALES".to_owned())];
        let asked = Listing { kinds: vec![ObjectKind::Skill], filter, size: 1, ..Listing::default() };
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = list(&held, &Listing { after, ..asked.clone() });
            found.extend(page.objects.into_iter().map(|object| object.key.id));
            after = page.last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, ["Sales", "sales 2", "aftersales", "Presales"]);
    }
}
