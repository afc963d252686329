//! JSON documents of callers to objects: merged into the present one, with every fault by field, and never with a value in a message.

use contracts::provisioning::{DnKind, FaultCode, Object, ObjectAnnex, ObjectKey, ObjectKind, Privilege, Secret};
use serde_json::{Map, Value as Json};

use super::annex_document::{FieldFault, taken};
use super::{BrokenRule, DOCUMENT_BYTES_MAX, EditAction, ObjectFault};
use crate::file::GENERATED;

/// The most paths of fields in one edit.
const FIELDS_MAX: usize = 64;
/// The most fields of a document: more than any kind of object has.
const KEYS_MAX: usize = 64;
/// A text of the frame that is longer says no more than an empty one.
const FRAME_TEXT_MAX: usize = 64;

/// An object, and what it has besides the fields of its kind.
type AnnexedObject = (Object, ObjectAnnex);

/// The object that an edit leads to, with its annex; none if it deletes. The present one may have an annex, too.
pub(super) fn edited(
    key: &ObjectKey,
    action: &EditAction,
    present: Option<(&Object, Option<&ObjectAnnex>)>,
) -> Result<Option<AnnexedObject>, Vec<ObjectFault>> {
    let held = present.map(|(object, _)| object);
    let read = match action {
        EditAction::Delete => return Ok(None),
        EditAction::Put(document) => put(key.kind, document, held, Unknown::Refused),
        EditAction::PutBack(document) => put(key.kind, document, held, Unknown::Ignored),
        EditAction::Merge { document, fields } => merge(key.kind, document, fields, present),
    };
    let named = |(field, rule)| ObjectFault { key: key.clone(), field, rule };
    let (mut object, annex) = read.map_err(|faults| faults.into_iter().map(named).collect::<Vec<_>>())?;
    if object.key() != *key {
        let words = format!("it is not {:?}: an object is never renamed, put a new one and delete this one", key.id);
        let rule = BrokenRule::new(FaultCode::NotRenamed, words).naming("id", key.id.as_str());
        return Err(vec![named((id_field(key.kind).to_owned(), rule))]);
    }
    let sealed = sealed_fields(&mut object, held);
    if !sealed.is_empty() {
        return Err(sealed.into_iter().map(|field| named((field.to_owned(), no_sealed_secret()))).collect());
    }
    complete(&mut object);
    Ok(Some((object, annex)))
}

/// The fields whose secrets are given sealed. Whoever may not read a secret could have it sent elsewhere with its sealed text, as the
/// provider's to another issuer: such texts are taken of the files of whoever has the installation's own.
fn sealed_fields(object: &mut Object, held: Option<&Object>) -> Vec<&'static str> {
    let kept = held.map(Object::secrets).unwrap_or_default();
    let is_kept = |field: &str, secret: &Secret| kept.iter().any(|(of, held)| *of == field && **held == *secret);
    let given = object.readable_secrets().into_iter();
    given.filter(|(field, secret)| secret.is_sealed() && !is_kept(field, secret)).map(|(field, _)| field).collect()
}

fn no_sealed_secret() -> BrokenRule {
    BrokenRule::other("a sealed secret is taken in the file of an import alone: leave it out to keep what is stored")
}

/// What becomes of fields that the object does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refused,
    Ignored,
}

fn put(
    kind: ObjectKind,
    document: &str,
    present: Option<&Object>,
    unknown: Unknown,
) -> Result<AnnexedObject, Vec<FieldFault>> {
    let mut document = parsed(document)?;
    let annex = taken(&mut document)?;
    let mut object = read(kind, &document, unknown)?;
    if let Some(present) = present {
        object.keep_secrets(present, |_| false);
    }
    Ok((object, annex))
}

fn merge(
    kind: ObjectKind,
    document: &str,
    fields: &[String],
    present: Option<(&Object, Option<&ObjectAnnex>)>,
) -> Result<AnnexedObject, Vec<FieldFault>> {
    let Some((present, annex)) = present else {
        let rule = BrokenRule::new(FaultCode::NoObject, "there is no such object whose fields could be changed");
        return Err(vec![(String::new(), rule)]);
    };
    if fields.len() > FIELDS_MAX {
        return Err(vec![(String::new(), too_many(format!("there are more than {FIELDS_MAX} fields"), FIELDS_MAX))]);
    }
    let given = parsed(document)?;
    let unnamed = given.keys().filter(|key| !fields.iter().any(|field| is_at_or_in(field, key)));
    let unnamed: Vec<FieldFault> =
        unnamed.map(|key| (key.clone(), BrokenRule::other("the document has it, the fields do not name it"))).collect();
    if !unnamed.is_empty() {
        return Err(unnamed);
    }
    // Our own document: it is a map. Its secrets come after the merge, by the rule of `put`: another issuer does not get the old one's.
    let shown = present.clone().without_secrets().to_json_with(annex);
    let mut merged = serde_json::from_slice::<Map<String, Json>>(&shown).unwrap_or_default();
    for field in fields {
        let path: Vec<&str> = field.split('.').collect();
        let value = path.split_first().and_then(|(first, rest)| value_at(given.get(*first)?, rest));
        set(&mut merged, &path, value.filter(|value| !value.is_null()).cloned());
    }
    let annex = taken(&mut merged)?;
    let mut object = read(kind, &merged, Unknown::Refused)?;
    object.keep_secrets(present, |secret| fields.iter().any(|field| is_at_or_in(secret, field)));
    let now = object.to_json();
    let now = serde_json::from_slice::<Map<String, Json>>(&now).unwrap_or_default();
    let is_known = |first: &str| now.contains_key(first) || ObjectAnnex::FIELDS.contains(&first);
    let unknown = fields.iter().filter(|field| !is_known(field.split('.').next().unwrap_or_default()));
    let unknown: Vec<FieldFault> = unknown.map(|field| (field.clone(), no_such_field())).collect();
    if unknown.is_empty() { Ok((object, annex)) } else { Err(unknown) }
}

fn no_such_field() -> BrokenRule {
    BrokenRule::new(FaultCode::UnknownField, "there is no such field")
}

fn too_many(words: String, most: usize) -> BrokenRule {
    BrokenRule::new(FaultCode::TooMany, words).naming("most", most.to_string())
}

/// Whether a path begins with a field of the document.
fn is_at_or_in(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn value_at<'a>(value: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, part| value.get(*part))
}

/// Sets the value at a path, or removes it.
fn set(map: &mut Map<String, Json>, path: &[&str], value: Option<Json>) {
    match (path, value) {
        ([], _) => {}
        ([last], Some(value)) => drop(map.insert((*last).to_owned(), value)),
        // `remove` would put the last key into its place.
        ([last], None) => drop(map.shift_remove(*last)),
        ([first, rest @ ..], value) => {
            let inner = map.entry(*first).or_insert(Json::Null);
            if !inner.is_object() {
                *inner = Json::Object(Map::new());
            }
            if let Json::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn parsed(document: &str) -> Result<Map<String, Json>, Vec<FieldFault>> {
    let whole = |rule: BrokenRule| vec![(String::new(), rule)];
    let not_json = |words: String| whole(BrokenRule::new(FaultCode::NotJson, words));
    if document.len() > DOCUMENT_BYTES_MAX {
        let words = format!("its document has more than {DOCUMENT_BYTES_MAX} bytes");
        let rule = BrokenRule::new(FaultCode::TooLarge, words);
        return Err(whole(rule.naming("most", DOCUMENT_BYTES_MAX.to_string())));
    }
    match serde_json::from_str(document) {
        Ok(Json::Object(map)) if map.len() > KEYS_MAX => {
            let words = format!("its document has more than {KEYS_MAX} fields: no object has as many");
            Err(whole(too_many(words, KEYS_MAX)))
        }
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(not_json("its document is not a JSON object".to_owned())),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            Err(not_json(format!("its document is not JSON: line {line}, column {column}")))
        }
    }
}

/// Reads a document.
fn read(kind: ObjectKind, document: &Map<String, Json>, unknown: Unknown) -> Result<Object, Vec<FieldFault>> {
    let mut document = document.clone();
    // A phone without a password keeps the one it has, or gets one.
    let is_phone = kind == ObjectKind::Dn && document.get("type").and_then(Json::as_str) == Some("extension");
    if is_phone && document.get("password").is_none_or(Json::is_null) {
        document.insert("password".to_owned(), Json::from(""));
    }
    let object = from_map(kind, &document).map_err(|rule| vec![(culprit(kind, &document, &rule), said(&rule))])?;
    if unknown == Unknown::Refused {
        let known = serde_json::from_slice(&object.to_json()).unwrap_or_default();
        let mut strangers = Vec::new();
        strange("", &Json::Object(document), &known, &mut strangers);
        if !strangers.is_empty() {
            return Err(strangers.into_iter().map(|field| (field, no_such_field())).collect());
        }
    }
    Ok(object)
}

/// The object, or the fault without its position.
fn from_map(kind: ObjectKind, document: &Map<String, Json>) -> Result<Object, String> {
    let bytes = serde_json::to_vec(document).map_err(|error| error.to_string())?;
    Object::from_json(kind, &bytes).map_err(|error| {
        let told = error.to_string();
        told.rsplit_once(" at line ").map_or_else(|| told.clone(), |(rule, _)| rule.to_owned())
    })
}

/// The field that is to blame: the one that is named as missing, else the first that breaks the rule by itself. Each value is read once, so
/// that a document costs no more for having many fields.
fn culprit(kind: ObjectKind, document: &Map<String, Json>, rule: &str) -> String {
    if let Some(missing) = rule.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return missing.to_owned();
    }
    let mut frame = Map::new();
    let is_to_blame = |frame: &Map<String, Json>, key: &str, value: &Json| {
        let mut part = frame.clone();
        part.insert(key.to_owned(), value.clone());
        from_map(kind, &part).is_err_and(|other| other == rule)
    };
    for (key, value) in frame_keys(kind).iter().filter_map(|key| document.get_key_value(*key)) {
        if is_to_blame(&frame, key, value) {
            return key.clone();
        }
        let is_long = value.as_str().is_some_and(|text| text.len() > FRAME_TEXT_MAX);
        frame.insert(key.clone(), if is_long { Json::from("") } else { value.clone() });
    }
    let mut others = document.iter().filter(|(key, _)| !frame.contains_key(key.as_str()));
    others.find(|(key, value)| is_to_blame(&frame, key, value)).map(|(key, _)| key.clone()).unwrap_or_default()
}

/// The fields without which no other field of that kind is read: what every one has, and then what says which others there are.
const fn frame_keys(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Dn => &["number", "type"],
        ObjectKind::DialRule => &["name", "place", "pattern", "action"],
        ObjectKind::Tenant
        | ObjectKind::Skill
        | ObjectKind::Prompt
        | ObjectKind::Application
        | ObjectKind::Switch
        | ObjectKind::Place
        | ObjectKind::Person
        | ObjectKind::AgentLogin
        | ObjectKind::Number
        | ObjectKind::Trunk
        | ObjectKind::FeatureCode
        | ObjectKind::Schedule
        | ObjectKind::Client
        | ObjectKind::AgentGroup
        | ObjectKind::ActionCode
        | ObjectKind::List
        | ObjectKind::BusinessAttribute
        | ObjectKind::PlaceGroup
        | ObjectKind::CapacityRule
        | ObjectKind::DnGroup
        | ObjectKind::CallingList
        | ObjectKind::Campaign
        | ObjectKind::CampaignGroup
        | ObjectKind::IvrProfile
        | ObjectKind::StatisticDefinition
        | ObjectKind::Transaction
        | ObjectKind::AccessGroup
        | ObjectKind::Role
        | ObjectKind::Folder => &[],
    }
}

/// The rule without the value that broke it, which may be a secret.
fn said(rule: &str) -> BrokenRule {
    if rule.starts_with("missing field") {
        return BrokenRule::needed();
    }
    let Some((_, expected)) = rule.split_once(", expected ") else {
        return BrokenRule::wrong_type("", "it is not of the right kind");
    };
    let words = format!("{expected} is needed");
    if rule.starts_with("unknown variant") {
        let names = expected.strip_prefix("one of ").unwrap_or(expected).replace('`', "").replace(" or ", ", ");
        return BrokenRule::new(FaultCode::OneOf, words).naming("names", names);
    }
    BrokenRule::wrong_type(wanted(expected), words)
}

/// The kind of value that serde expects, as [`FaultCode::WrongType`] names it; empty for what is none of these.
fn wanted(expected: &str) -> &'static str {
    match expected {
        "a boolean" => "flag",
        "a string" => "text",
        "a sequence" => "list",
        "a map" => "map",
        _ if expected.starts_with("struct ") => "map",
        "u16" | "u32" | "u64" => "number",
        _ => "",
    }
}

/// Adds the fields of a document that the object does not have.
fn strange(at: &str, given: &Json, known: &Json, strangers: &mut Vec<String>) {
    match (given, known) {
        (Json::Object(given), Json::Object(known)) => {
            for (key, value) in given {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match known.get(key) {
                    Some(known) => strange(&path, value, known, strangers),
                    None if value.is_null() => {}
                    None => strangers.push(path),
                }
            }
        }
        (Json::Array(given), Json::Array(known)) => {
            for (index, (given, known)) in given.iter().zip(known).enumerate() {
                strange(&format!("{at}[{index}]"), given, known, strangers);
            }
        }
        _ => {}
    }
}

/// Adds what a file means without saying so.
fn complete(object: &mut Object) {
    match object {
        Object::Dn(dn) => {
            if let DnKind::Extension { password, .. } = &mut dn.kind
                && password.reveal().is_empty()
            {
                *password = Secret(GENERATED.to_owned());
            }
        }
        Object::Person(person) if person.agent.is_some() && person.privileges.is_empty() => {
            person.privileges = vec![Privilege::Agent];
        }
        _ => {}
    }
}

/// The field that holds the id.
pub(super) const fn id_field(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Tenant | ObjectKind::Client => "id",
        ObjectKind::Dn | ObjectKind::Number => "number",
        ObjectKind::Person => "user_name",
        ObjectKind::FeatureCode | ObjectKind::ActionCode | ObjectKind::AgentLogin => "code",
        ObjectKind::Folder => "path",
        ObjectKind::Skill
        | ObjectKind::Prompt
        | ObjectKind::Application
        | ObjectKind::Switch
        | ObjectKind::Place
        | ObjectKind::Trunk
        | ObjectKind::Schedule
        | ObjectKind::DialRule
        | ObjectKind::AgentGroup
        | ObjectKind::List
        | ObjectKind::BusinessAttribute
        | ObjectKind::PlaceGroup
        | ObjectKind::CapacityRule
        | ObjectKind::DnGroup
        | ObjectKind::CallingList
        | ObjectKind::Campaign
        | ObjectKind::CampaignGroup
        | ObjectKind::IvrProfile
        | ObjectKind::StatisticDefinition
        | ObjectKind::Transaction
        | ObjectKind::AccessGroup
        | ObjectKind::Role => "name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: ObjectKind, id: &str) -> ObjectKey {
        ObjectKey { kind, id: id.to_owned() }
    }

    fn ann() -> ObjectKey {
        key(ObjectKind::Person, "ann")
    }

    const ANN: &str = r#"{"user_name":"ann","first_name":"Ann","last_name":"Adams","email":"ann@d.example","password":"$argon2id$x"}"#;

    fn stored() -> Object {
        Object::from_json(ObjectKind::Person, ANN.as_bytes()).unwrap()
    }

    fn faults(action: EditAction) -> Vec<(String, String)> {
        let faults = edited(&ann(), &action, Some((&stored(), None))).unwrap_err();
        faults.into_iter().map(|fault| (fault.field, fault.rule.words)).collect()
    }

    #[test]
    fn a_fault_of_a_document_has_the_code_of_its_rule_and_what_is_wanted() {
        let codes = |document: &str, field: &str| {
            let faults = edited(&ann(), &merge(document, &[field]), Some((&stored(), None))).unwrap_err();
            faults.into_iter().map(|fault| (fault.rule.code, fault.rule.values)).collect::<Vec<_>>()
        };
        let wanted = |what: &str| vec![("wanted", what.to_owned())];
        let names = "agent, supervisor, administrator, designer, integrator, folder_administrator".to_owned();
        for (document, field, code, values) in [
            (r#"{"disabled":"x"}"#, "disabled", FaultCode::WrongType, wanted("flag")),
            (r#"{"email":1}"#, "email", FaultCode::WrongType, wanted("text")),
            (r#"{"privileges":1}"#, "privileges", FaultCode::WrongType, wanted("list")),
            (r#"{"privileges":["pilot"]}"#, "privileges", FaultCode::OneOf, vec![("names", names)]),
            (r#"{"last_name":null}"#, "last_name", FaultCode::Needed, Vec::new()),
            (r#"{"pager":"1"}"#, "pager", FaultCode::UnknownField, Vec::new()),
        ] {
            assert_eq!(codes(document, field), [(code, values)], "{document}");
        }
    }

    #[test]
    fn a_sealed_secret_is_taken_of_no_edit_and_one_that_is_stored_so_is_kept() {
        let phone = |password: &str| {
            let document = r#"{"number":"7101","type":"extension","no_answer_s":20,"password":PASSWORD}"#;
            document.replace("PASSWORD", password)
        };
        let (key, sealed) = (key(ObjectKind::Dn, "7101"), r#""sealed:v1:AAAA""#);
        let stored = Object::from_json(ObjectKind::Dn, phone(sealed).as_bytes()).unwrap();
        let put = |password: &str| EditAction::Put(phone(password));
        for present in [None, Some((&stored, None))] {
            let refused = edited(&key, &put(r#""sealed:v1:BBBB""#), present).unwrap_err();
            assert_eq!(refused[0].field, "password");
            assert!(!refused[0].rule.words.contains("BBBB"), "{}", refused[0].rule.words);
            assert!(edited(&key, &put(r#""hush-hush-7101""#), present).is_ok());
        }
        let (kept, _) = edited(&key, &put("null"), Some((&stored, None))).unwrap().unwrap();
        assert!(kept.secrets() == stored.secrets(), "it is kept");
    }

    fn merge(document: &str, fields: &[&str]) -> EditAction {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        EditAction::Merge { document: document.to_owned(), fields }
    }

    fn person(action: &EditAction) -> contracts::provisioning::Person {
        match edited(&ann(), action, Some((&stored(), None))) {
            Ok(Some((Object::Person(person), _))) => *person,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_document_replaces_the_object_and_keeps_the_secrets_that_it_leaves_out() {
        let document = r#"{"user_name":"ann","first_name":"Anna","last_name":"Adams","password":null}"#;
        let person = person(&EditAction::Put(document.to_owned()));
        assert_eq!((person.first_name.as_str(), person.email), ("Anna", None));
        assert_eq!(person.password, Some(Secret("$argon2id$x".to_owned())));
    }

    #[test]
    fn a_merge_changes_the_named_fields_alone_and_removes_those_that_are_null() {
        let renamed = person(&merge(r#"{"first_name":"Anna"}"#, &["first_name"]));
        assert_eq!((renamed.first_name.as_str(), renamed.email.as_deref()), ("Anna", Some("ann@d.example")));
        let removed = person(&merge(r#"{"password":null}"#, &["password", "email"]));
        assert_eq!((removed.password, removed.email), (None, None));
        let agent = r#"{"agent":{"id":"1","login_code":"1","skills":[]}}"#;
        let made = person(&merge(agent, &["agent"]));
        assert_eq!(made.privileges, [Privilege::Agent]);
        let part = person(&merge(agent, &["agent.id", "agent.login_code", "agent.skills"]));
        assert_eq!(part.agent, made.agent);
    }

    #[test]
    fn a_merge_keeps_the_secrets_that_it_does_not_name_but_not_for_another_issuer() {
        let json = r#"{"id":"acme","name":"Acme","realm":"acme.example","codecs":[],"hold_music":"m","no_answer_s":15,"wrap_up_s":0,
            "sign_in":{"upstream":{"name":"Acme","issuer":"https://id.example","client_id":"t","client_secret":"hush"}}}"#;
        let stored = Object::from_json(ObjectKind::Tenant, json.as_bytes()).unwrap();
        let secret = |upstream: &str, fields: &[&str]| {
            let document = format!(r#"{{"sign_in":{{"upstream":{upstream}}}}}"#);
            let action = merge(&document, fields);
            let (object, _) = edited(&stored.key(), &action, Some((&stored, None))).unwrap().unwrap();
            object.secrets().first().map(|(_, secret)| secret.reveal().to_owned())
        };
        let issuer = "sign_in.upstream.issuer";
        let client_secret = "sign_in.upstream.client_secret";
        assert_eq!(secret(r#"{"client_id":"u"}"#, &["sign_in.upstream.client_id"]).as_deref(), Some("hush"));
        assert_eq!(secret(r#"{"issuer":"https://id.example"}"#, &[issuer]).as_deref(), Some("hush"));
        assert_eq!(secret(r#"{"issuer":"https://evil.example"}"#, &[issuer]), None);
        let both = r#"{"issuer":"https://new.example","client_secret":"new"}"#;
        assert_eq!(secret(both, &[issuer, client_secret]).as_deref(), Some("new"));
        assert_eq!(secret(r#"{"client_secret":null}"#, &[client_secret]), None);
    }

    #[test]
    fn every_fault_names_its_field_and_no_value() {
        let said = faults(merge(r#"{"first_nam":"x"}"#, &["first_nam"]));
        assert_eq!(said, [("first_nam".to_owned(), no_such_field().words)]);
        let said = faults(merge(r#"{"first_name":"x","last_name":"y"}"#, &["first_name"]));
        assert_eq!(said[0].0, "last_name");
        let said = faults(EditAction::Put(r#"{"user_name":"ann","first_name":"Ann"}"#.to_owned()));
        assert_eq!(said, [("last_name".to_owned(), "it is needed".to_owned())]);
        let said = faults(merge(r#"{"disabled":"hunter2"}"#, &["disabled"]));
        assert_eq!(said, [("disabled".to_owned(), "a boolean is needed".to_owned())]);
        let said = faults(EditAction::Put(ANN.replace("\"ann\"", "\"eve\"")));
        assert_eq!(said[0].0, "user_name");
        let said = faults(EditAction::Put("{".to_owned()));
        assert!(said[0].1.contains("line 1, column 1"), "{said:?}");
        let nested = r#"{"agent":{"id":"1","login_code":"1","skills":[{"skill":"a","level":1,"lvl":2}],"x":1}}"#;
        let said = faults(merge(nested, &["agent"]));
        let fields: Vec<&str> = said.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["agent.skills[0].lvl", "agent.x"]);
    }

    #[test]
    fn the_field_to_blame_is_named_whatever_its_kind_and_place() {
        for (kind, document) in [
            (ObjectKind::Person, ANN),
            (
                ObjectKind::Trunk,
                r#"{"name":"t","allow":[],"contact":null,"prefix":"+","priority":1,"drain":false,"headers":[]}"#,
            ),
            (
                ObjectKind::Dn,
                r#"{"number":"7101","type":"extension","password":"x","no_answer_s":20,"call_waiting":true,"switch":"s"}"#,
            ),
            (ObjectKind::Dn, r#"{"number":"7200","type":"announcement","prompts":["a"]}"#),
            (ObjectKind::DialRule, r#"{"remove":1,"add":"","name":"r","place":1,"pattern":"0.","action":"translate"}"#),
            (ObjectKind::Application, r#"{"name":"a","document":"d","options":{"s":{"k":"v"}}}"#),
            (ObjectKind::Switch, r#"{"name":"s","default":true,"access_codes":[{"switch":"t","code":"9"}]}"#),
            (ObjectKind::AgentLogin, r#"{"code":"5001","person":"a","wrap_up_s":20,"disabled":true}"#),
            (ObjectKind::AgentGroup, r#"{"name":"g","agents":[],"expression":null,"managers":[]}"#),
            (ObjectKind::List, r#"{"name":"l","sections":{"s":{"k":"v"}}}"#),
            (
                ObjectKind::BusinessAttribute,
                r#"{"name":"a","values":[{"value":"x"}],"default":"x","enforced":true,"attach_default":true}"#,
            ),
            (ObjectKind::PlaceGroup, r#"{"name":"g","places":[]}"#),
            (ObjectKind::DnGroup, r#"{"name":"g","type":"single_ports","members":[{"dn":"1","weight":2}]}"#),
            (
                ObjectKind::CallingList,
                r#"{"name":"l","fields":[{"name":"p","type":"phone"}],"schedule":"s","attempts_max":2,"treatments":[]}"#,
            ),
            (ObjectKind::Campaign, r#"{"name":"c","calling_lists":[{"calling_list":"l"}]}"#),
            (
                ObjectKind::CampaignGroup,
                r#"{"name":"g","campaign":"c","agent_group":"a","mode":"predictive","pacing":"waiting_s","target":5}"#,
            ),
            (
                ObjectKind::IvrProfile,
                r#"{"name":"p","service_type":"scxml","application":"a","policies":{"calls_max":1}}"#,
            ),
            (
                ObjectKind::StatisticDefinition,
                r#"{"name":"s","category":"c","subject":"s","objects":[],"profile":"sliding","window_s":1,"filter":"f"}"#,
            ),
            (ObjectKind::CapacityRule, r#"{"name":"r","media":{"voice":1}}"#),
            (ObjectKind::Transaction, r#"{"name":"t","type":"macro","alias":"a","sections":{"s":{"k":"v"}}}"#),
            (ObjectKind::AccessGroup, r#"{"name":"g","people":["a"],"groups":[]}"#),
            (ObjectKind::Role, r#"{"name":"r","people":[],"groups":["g"],"privileges":["agent"]}"#),
            (ObjectKind::Folder, r#"{"path":"Berlin","description":"x","permissions":[]}"#),
            (ObjectKind::ActionCode, r#"{"code":"1","name":"Lunch","order":1}"#),
            (ObjectKind::Client, r#"{"id":"a","name":"A","secret":null,"grants":[],"redirect_uris":[],"scopes":[]}"#),
        ] {
            let right: Map<String, Json> = serde_json::from_str(document).unwrap();
            assert!(from_map(kind, &right).is_ok(), "{document}");
            for key in right.keys() {
                let mut wrong = right.clone();
                // No field is a fraction.
                wrong.insert(key.clone(), Json::from(-1.5));
                let rule = from_map(kind, &wrong).unwrap_err();
                assert_eq!(culprit(kind, &wrong, &rule), *key, "{kind:?}: {rule}");
            }
        }
    }

    #[test]
    fn a_document_with_more_fields_than_any_object_is_refused_unread() {
        let many: Map<String, Json> = (0..=KEYS_MAX).map(|n| (format!("field {n}"), Json::Null)).collect();
        let said = faults(EditAction::Put(Json::Object(many).to_string()));
        assert_eq!(said.len(), 1);
        assert!(said[0].1.contains("more than 64 fields"), "{said:?}");
        // The kind with the most fields has fewer.
        let trunk = Object::Trunk(Box::default());
        let fields = serde_json::from_slice::<Map<String, Json>>(&trunk.to_json()).unwrap();
        assert!(fields.len() < KEYS_MAX, "{}", fields.len());
    }

    #[test]
    fn a_new_phone_without_a_password_gets_one() {
        let phone = EditAction::Put(r#"{"number":"7101","type":"extension"}"#.to_owned());
        let (made, _) = edited(&key(ObjectKind::Dn, "7101"), &phone, None).unwrap().unwrap();
        assert_eq!(made.secrets(), [("password", &Secret(GENERATED.to_owned()))]);
    }

    #[test]
    fn what_this_release_does_not_know_of_an_old_document_is_ignored() {
        let old = ANN.replace('}', r#","pager":"1"}"#);
        assert_eq!(faults(EditAction::Put(old.clone()))[0].0, "pager");
        assert_eq!(person(&EditAction::PutBack(old)).first_name, "Ann");
    }
}
