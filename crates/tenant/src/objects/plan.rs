//! What a batch makes of a tenant: the objects after it, and every rule that they would break.

use std::collections::{BTreeMap, HashSet};

use contracts::provisioning::{FaultCode, Object, ObjectAnnex, ObjectKey, ObjectKind};
use infra::ObjectChange;

use super::affected::broken;
use super::indexed::IndexedTenant;
use super::rights::{CallerRights, concealed, hidden_references, permitted, without_hidden};
use super::{BrokenRule, ChangeRefusal, ObjectEdit, ObjectFault, StaleObject, document};
use crate::file;
use crate::names::name_fault;

/// The changes of a batch that keeps every rule, of objects that are not as they were. Passwords are still in clear. What it costs depends
/// on the objects of the batch, on those that refer to them, and on what all these refer to, not on the others. Whoever has rights given makes
/// such changes alone as these allow.
pub(super) fn plan(
    held: &IndexedTenant,
    edits: &[ObjectEdit],
    rights: Option<&CallerRights>,
) -> Result<Vec<ObjectChange>, ChangeRefusal> {
    if let Some(rights) = rights {
        concealed(rights, held, edits)?;
    }
    // What the person does not see is not there, in all that is said of edits.
    let is_seen =
        |key: &ObjectKey| rights.is_none_or(|rights| held.found(key).is_none_or(|found| rights.may_see(found)));
    stale(held, edits, is_seen)?;
    let (mut changes, mut faults) = (Vec::with_capacity(edits.len()), Vec::new());
    let mut named = HashSet::new();
    for edit in edits {
        let is_first = named.insert(edit.key.folded());
        match edited(held, edit, is_first, is_seen(&edit.key)) {
            Ok(edited) => changes.extend(edited),
            Err(wrong) => faults.extend(wrong),
        }
    }
    if !faults.is_empty() {
        return Err(ChangeRefusal::Faults(faults));
    }
    if let Some(rights) = rights {
        permitted(rights, held, &changes)?;
    }
    bounded(held, &changes)?;
    match rights {
        None => check(held, &changes)?,
        Some(rights) => {
            let checked = referring(rights, held, &changes).and_then(|()| check(held, &changes));
            checked.map_err(|refusal| without_hidden(rights, held, &changes, refusal))?;
        }
    }
    Ok(changes)
}

/// Refuses new references to objects that are hidden from the person, in the words for those that do not exist.
fn referring(rights: &CallerRights, held: &IndexedTenant, changes: &[ObjectChange]) -> Result<(), ChangeRefusal> {
    let hidden = hidden_references(rights, held, changes);
    if hidden.is_empty() {
        return Ok(());
    }
    let put: HashSet<ObjectKey> = changes.iter().filter_map(put_key).collect();
    let as_seen: Vec<ObjectChange> = changes.iter().cloned().chain(hidden).collect();
    let mut faults = broken(held, &as_seen, &put, 0);
    faults.retain(|fault| put.contains(&fault.key));
    if faults.is_empty() { Ok(()) } else { Err(ChangeRefusal::Faults(faults)) }
}

/// Refuses edits that are meant for another revision of their objects.
fn stale(
    held: &IndexedTenant,
    edits: &[ObjectEdit],
    is_seen: impl Fn(&ObjectKey) -> bool,
) -> Result<(), ChangeRefusal> {
    let stale = edits.iter().filter_map(|edit| {
        let expected = edit.expected?;
        let present = held.spelled(&edit.key).filter(|_| is_seen(&edit.key));
        let present = present.and_then(|object| held.revision_of(&object.key())).unwrap_or_default();
        (present != expected).then(|| StaleObject { key: edit.key.clone(), expected, present })
    });
    let stale: Vec<_> = stale.collect();
    if stale.is_empty() { Ok(()) } else { Err(ChangeRefusal::Stale(stale)) }
}

/// The changes that an edit is, of the object and of its annex; none if it leaves both as they are.
fn edited(
    held: &IndexedTenant,
    edit: &ObjectEdit,
    is_first: bool,
    is_seen: bool,
) -> Result<Vec<ObjectChange>, Vec<ObjectFault>> {
    let fault =
        |field: &str, rule: BrokenRule| vec![ObjectFault { key: edit.key.clone(), field: field.to_owned(), rule }];
    if !is_first {
        return Err(fault("", BrokenRule::new(FaultCode::Twice, "it stands twice in the batch").naming("name", "")));
    }
    let present = held.spelled(&edit.key).filter(|_| is_seen);
    if let Some(written) = present.map(Object::key).filter(|written| *written != edit.key) {
        let words = format!(
            "there is one whose name differs in upper and lower case, or forms of letters, alone: {}",
            written.id
        );
        return Err(fault("", BrokenRule::new(FaultCode::NameTaken, words).naming("id", written.id)));
    }
    let annexed = present.map(|object| (object, held.annex(&edit.key)));
    let Some((object, annex)) = document::edited(&edit.key, &edit.action, annexed)? else {
        return match (edit.key.kind, present) {
            (ObjectKind::Tenant, _) => {
                Err(fault("", BrokenRule::new(FaultCode::NotDeleted, "the tenant itself is not deleted")))
            }
            (_, None) => Err(fault("", BrokenRule::new(FaultCode::NoObject, "there is no such object"))),
            (_, Some(_)) => Ok(vec![ObjectChange::Delete(edit.key.clone())]),
        };
    };
    if let Object::Tenant(tenant) = &object
        && tenant.id != held.tenant().id
    {
        return Err(fault("id", BrokenRule::new(FaultCode::NotChanged, "it cannot be changed")));
    }
    // An object that is there keeps its name, whatever earlier releases took for one.
    if present.is_none()
        && let Some(rule) = name_fault(&edit.key.id)
    {
        return Err(fault(document::id_field(edit.key.kind), rule));
    }
    let is_annex_kept = held.annex(&edit.key).unwrap_or(&ObjectAnnex::default()) == &annex;
    let object = Some(object).filter(|object| Some(object) != present).map(ObjectChange::Put);
    let annex = (!is_annex_kept).then(|| ObjectChange::Annex(edit.key.clone(), annex));
    Ok(object.into_iter().chain(annex).collect())
}

/// What changes do to the number of objects that count as something.
#[derive(Default)]
struct Growth {
    come: usize,
    go: usize,
    last: Option<ObjectKey>,
}

/// Refuses changes by which a section of the tenant's file would have more objects than it may, and more than now; and so with groups that
/// have an expression.
fn bounded(held: &IndexedTenant, changes: &[ObjectChange]) -> Result<(), ChangeRefusal> {
    let mut sections: BTreeMap<&'static str, Growth> = BTreeMap::new();
    for change in changes {
        let (key, after) = match change {
            ObjectChange::Put(object) => (object.key(), Some(object)),
            ObjectChange::Annex(..) => continue,
            ObjectChange::Delete(key) => (key.clone(), None),
        };
        let [before, after] =
            [held.get(&key), after].map(|one| one.into_iter().flat_map(file::counted).collect::<Vec<_>>());
        for section in before.iter().copied().filter(|section| !after.contains(section)) {
            sections.entry(section).or_default().go += 1;
        }
        for section in after.iter().copied().filter(|section| !before.contains(section)) {
            let growth = sections.entry(section).or_default();
            growth.come += 1;
            growth.last = Some(key.clone());
        }
    }
    let full = sections.into_iter().filter_map(|(section, Growth { come, go, last })| {
        let count = (held.count(section) + come).saturating_sub(go);
        let max = file::counted_max(section).filter(|max| come > go && count > *max)?;
        let words = format!("{section}: there would be {count}, a tenant has at most {max}");
        let rule = BrokenRule::new(FaultCode::SectionFull, words).naming("section", section);
        Some(ObjectFault { key: last?, field: String::new(), rule: rule.naming("most", max.to_string()) })
    });
    let full: Vec<ObjectFault> = full.collect();
    if full.is_empty() { Ok(()) } else { Err(ChangeRefusal::Faults(full)) }
}

/// Refuses changes after which a rule would be broken that is kept now, or by one of the changed objects.
fn check(held: &IndexedTenant, changes: &[ObjectChange]) -> Result<(), ChangeRefusal> {
    let put: HashSet<ObjectKey> = changes.iter().filter_map(put_key).collect();
    let faults = broken(held, changes, &put, usize::MAX);
    if faults.is_empty() {
        return Ok(());
    }
    let deletes = changes.iter().any(|change| matches!(change, ObjectChange::Delete(_)));
    let is_referred = deletes && faults.iter().all(|fault| !put.contains(&fault.key));
    Err(if is_referred { ChangeRefusal::Referred(faults) } else { ChangeRefusal::Faults(faults) })
}

fn put_key(change: &ObjectChange) -> Option<ObjectKey> {
    match change {
        ObjectChange::Put(_) | ObjectChange::Annex(..) => Some(change.key()),
        ObjectChange::Delete(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{AgentGroup, Secret, Skill};
    use infra::{HistoryPoint, Revision, VersionedObjects};

    use super::*;
    use crate::objects::EditAction;

    fn read() -> VersionedObjects {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let revisions = objects.objects().map(|object| (object.key(), Revision(3))).collect();
        VersionedObjects { point: HistoryPoint::unstamped(Revision(7)), objects, revisions }
    }

    fn held() -> IndexedTenant {
        IndexedTenant::of(read())
    }

    fn edit(kind: ObjectKind, id: &str, expected: Option<u64>, action: EditAction) -> ObjectEdit {
        ObjectEdit { key: ObjectKey { kind, id: id.to_owned() }, expected: expected.map(Revision), action }
    }

    fn skill(id: &str, expected: Option<u64>) -> ObjectEdit {
        edit(ObjectKind::Skill, id, expected, EditAction::Put(format!(r#"{{"name":"{id}"}}"#)))
    }

    #[test]
    fn an_edit_for_another_revision_of_its_object_is_stale() {
        let held = held();
        for (edit, present) in [(skill("Sales", Some(2)), 3), (skill("Sales", Some(0)), 3), (skill("New", Some(1)), 0)]
        {
            let Err(ChangeRefusal::Stale(stale)) = plan(&held, &[edit], None) else { panic!("it is not stale") };
            assert_eq!(stale[0].present, Revision(present));
        }
        assert!(
            plan(&held, &[skill("Sales", Some(3)), skill("New", Some(0))], None)
                .is_ok_and(|changes| changes.len() == 1)
        );
    }

    #[test]
    fn what_is_referred_to_is_not_deleted_and_who_refers_is_named() {
        let held = held();
        let delete = edit(ObjectKind::Skill, "Sales", None, EditAction::Delete);
        let Err(ChangeRefusal::Referred(faults)) = plan(&held, std::slice::from_ref(&delete), None) else {
            panic!("it is deleted")
        };
        assert!(faults.iter().all(|fault| fault.key.kind == ObjectKind::Person), "{faults:?}");
        assert!(faults[0].to_string().ends_with("agent.skills.Sales: there is no skill Sales"), "{faults:?}");
        let nothing = edit(ObjectKind::Skill, "Patience", None, EditAction::Delete);
        assert!(matches!(plan(&held, &[nothing], None), Err(ChangeRefusal::Faults(_))));
        let itself = edit(ObjectKind::Tenant, "", None, EditAction::Delete);
        assert!(matches!(plan(&held, &[itself], None), Err(ChangeRefusal::Faults(_))));
    }

    #[test]
    fn a_batch_is_checked_as_a_whole_and_names_an_object_once() {
        let held = held();
        let place = r#"{"name":"New","dns":["7999"]}"#;
        let phone =
            edit(ObjectKind::Dn, "7999", Some(0), EditAction::Put(r#"{"number":"7999","type":"extension"}"#.into()));
        let seat = edit(ObjectKind::Place, "New", Some(0), EditAction::Put(place.into()));
        assert!(matches!(plan(&held, std::slice::from_ref(&seat), None), Err(ChangeRefusal::Faults(_))));
        assert!(plan(&held, &[seat.clone(), phone], None).is_ok_and(|changes| changes.len() == 2));
        let Err(ChangeRefusal::Faults(faults)) = plan(&held, &[skill("New", None), skill("NEW", None)], None) else {
            panic!("both are new")
        };
        assert_eq!(faults[0].rule.words, "it stands twice in the batch");
    }

    #[test]
    fn no_section_of_the_file_grows_beyond_its_limit() {
        let held = held();
        let most = file::counted_max("applications").unwrap();
        let application = |number: usize| {
            let document = format!(r#"{{"name":"new{number}","document":"<scxml/>"}}"#);
            edit(ObjectKind::Application, &format!("new{number}"), None, EditAction::Put(document))
        };
        let (present, mut edits) = (held.count("applications"), Vec::new());
        edits.extend((present..most).map(application));
        assert!(present > 0 && plan(&held, &edits, None).is_ok());
        edits.push(application(most));
        let Err(ChangeRefusal::Faults(faults)) = plan(&held, &edits, None) else { panic!("one too many") };
        let words = format!("applications: there would be {}, a tenant has at most {most}", most + 1);
        assert_eq!((faults[0].rule.code, &faults[0].rule.words), (FaultCode::SectionFull, &words));
        assert_eq!(faults[0].key, edits[edits.len() - 1].key);
    }

    #[test]
    fn groups_with_expressions_are_fewer_than_groups() {
        let mut read = read();
        let most = file::counted_max("agent_groups.expression").unwrap();
        let group = |number: usize| AgentGroup {
            name: format!("many{number}"),
            expression: Some("Sales >= 1".to_owned()),
            ..AgentGroup::default()
        };
        let has_expression = |group: &&AgentGroup| group.expression.is_some();
        let present = read.objects.agent_groups.iter().filter(has_expression).count();
        read.objects.agent_groups.extend((present..most).map(group));
        let held = IndexedTenant::of(read);
        let put = |name: &str, expression: &str| {
            let document = format!(r#"{{"name":"{name}","agents":[],"expression":{expression}}}"#);
            edit(ObjectKind::AgentGroup, name, None, EditAction::Put(document))
        };
        assert!(plan(&held, &[put("New", "null")], None).is_ok());
        let another = put("New", r#""Sales >= 2""#);
        let Err(ChangeRefusal::Faults(faults)) = plan(&held, std::slice::from_ref(&another), None) else {
            panic!("too many")
        };
        assert_eq!((faults.len(), faults[0].rule.code, faults[0].key.id.as_str()), (1, FaultCode::SectionFull, "New"));
        let last = format!("many{}", most - 1);
        assert!(plan(&held, &[put(&last, r#""Sales >= 3""#)], None).is_ok(), "it has one already");
        assert!(plan(&held, &[put(&last, "null"), another], None).is_ok());
    }

    #[test]
    fn a_section_that_is_too_large_already_may_shrink_and_change() {
        let mut read = read();
        let many = (0..=file::counted_max("skills").unwrap()).map(|number| Skill { name: format!("many{number}") });
        read.objects.skills.extend(many);
        let held = IndexedTenant::of(read);
        let swap = [skill("New", None), edit(ObjectKind::Skill, "many0", None, EditAction::Delete)];
        assert!(plan(&held, &swap, None).is_ok());
        assert!(matches!(plan(&held, &swap[..1], None), Err(ChangeRefusal::Faults(_))));
    }

    #[test]
    fn a_new_object_has_a_name_that_every_store_tells_from_others_and_an_old_one_keeps_its_own() {
        let mut read = read();
        let old = "Zoe\u{308}";
        read.objects.skills.push(Skill { name: old.to_owned() });
        let held = IndexedTenant::of(read);
        for name in ["Sales\u{200b}", "Ｓａｌｅｓ", "Cafe\u{301}"] {
            let Err(ChangeRefusal::Faults(faults)) = plan(&held, &[skill(name, None)], None) else {
                panic!("{name:?}")
            };
            assert_eq!(faults[0].field, "name", "{faults:?}");
        }
        assert!(plan(&held, &[skill("Café", None)], None).is_ok());
        assert!(plan(&held, &[skill(old, None)], None).is_ok_and(|changes| changes.is_empty()), "it is there");
        assert!(plan(&held, &[edit(ObjectKind::Skill, old, None, EditAction::Delete)], None).is_ok());
        let mut read = self::read();
        read.objects.skills.push(Skill { name: "Οδός".to_owned() });
        let held = IndexedTenant::of(read);
        let Err(ChangeRefusal::Faults(faults)) = plan(&held, &[skill("Οδόσ", None)], None) else {
            panic!("the same name")
        };
        assert!(faults[0].rule.words.ends_with("alone: Οδός"), "{faults:?}");
    }

    #[test]
    fn who_has_a_hash_that_an_earlier_release_took_is_edited_and_nobody_is_given_such_a_one() {
        let costly = |bytes: &str| format!("$argon2id$v=19$m=262144,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA${bytes}");
        let (stored, other) = (costly(&"A".repeat(43)), costly(&format!("{}B{}", "A".repeat(20), "A".repeat(22))));
        let mut read = read();
        let user = read.objects.people[0].user_name.clone();
        read.objects.people[0].password = Some(Secret(stored.clone()));
        let stored_pin = format!("{stored}#4");
        read.objects.people[0].agent.as_mut().unwrap().pin = Some(Secret(stored_pin.clone()));
        let held = IndexedTenant::of(read);
        let merge = |document: String, field: &str| {
            edit(ObjectKind::Person, &user, None, EditAction::Merge { document, fields: vec![field.to_owned()] })
        };
        let disabled = merge(r#"{"disabled":true}"#.to_owned(), "disabled");
        assert!(plan(&held, &[disabled], None).is_ok_and(|changes| changes.len() == 1));
        let given = |hash: &str| merge(format!(r#"{{"password":"{hash}"}}"#), "password");
        assert!(plan(&held, &[given(&stored)], None).is_ok_and(|changes| changes.is_empty()), "it has that one");
        let Err(ChangeRefusal::Faults(faults)) = plan(&held, &[given(&other)], None) else { panic!("a new one") };
        assert_eq!((faults.len(), faults[0].rule.code, faults[0].field.as_str()), (1, FaultCode::Hash, "password"));
        let given = |pin: &str| merge(format!(r#"{{"agent":{{"pin":"{pin}"}}}}"#), "agent.pin");
        assert!(plan(&held, &[given(&stored_pin)], None).is_ok_and(|changes| changes.is_empty()), "it has that one");
        let other = given(&format!("{other}#4"));
        let Err(ChangeRefusal::Faults(faults)) = plan(&held, &[other], None) else { panic!("a new one") };
        assert_eq!((faults.len(), faults[0].rule.code, faults[0].field.as_str()), (1, FaultCode::Hash, "agent.pin"));
    }

    #[test]
    fn a_rule_that_is_broken_already_keeps_nobody_from_changing_something_else() {
        let mut read = read();
        read.objects.places[0].dns = vec!["nothing".to_owned()];
        assert!(plan(&IndexedTenant::of(read), &[skill("New", None)], None).is_ok());
    }
}
