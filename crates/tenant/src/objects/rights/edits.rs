//! Which edits of a batch a person may make.

use std::collections::{BTreeMap, HashSet};

use contracts::provisioning::{
    FaultCode, Folder, FolderPermission, FolderRight, Object, ObjectAnnex, ObjectKey, ObjectKind, ObjectPermission,
    Person, Privilege,
};
use infra::{ObjectChange, Revision};

use super::{CallerRights, privileges_of};
use crate::objects::annex_document::ENTRIES;
use crate::objects::indexed::{HeldObject, IndexedTenant};
use crate::objects::ties::TieMark;
use crate::objects::{BrokenRule, ChangeRefusal, EditAction, ObjectEdit, ObjectFault};

/// Whether more than an object is changed by objects of the kind: who may what, which programs act for the tenant, and where calls of the
/// whole tenant come from and go to. No folder gives a right to change them, since whoever may would have every right, or every call. A
/// kind that is added must be named, so that this is thought of.
const fn is_of_whole_tenant(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::Tenant
        | ObjectKind::Client
        | ObjectKind::AccessGroup
        | ObjectKind::Role
        | ObjectKind::Trunk
        | ObjectKind::TrunkGroup
        | ObjectKind::DialRule
        | ObjectKind::Number
        | ObjectKind::FeatureCode
        | ObjectKind::Switch => true,
        ObjectKind::Skill
        | ObjectKind::Prompt
        | ObjectKind::Application
        | ObjectKind::CapacityRule
        | ObjectKind::Dn
        | ObjectKind::Place
        | ObjectKind::Person
        | ObjectKind::AgentLogin
        | ObjectKind::Schedule
        | ObjectKind::AgentGroup
        | ObjectKind::ActionCode
        | ObjectKind::List
        | ObjectKind::BusinessAttribute
        | ObjectKind::PlaceGroup
        | ObjectKind::DnGroup
        | ObjectKind::CallingList
        | ObjectKind::Campaign
        | ObjectKind::CampaignGroup
        | ObjectKind::IvrProfile
        | ObjectKind::StatisticDefinition
        | ObjectKind::Transaction
        | ObjectKind::Folder => false,
    }
}

/// Refuses edits of objects that the person sees and may not edit, and new objects with the name of one that the person does not see.
/// Other edits of such a one are refused as if it were not there, where all edits are looked at.
pub(in crate::objects) fn concealed(
    rights: &CallerRights,
    held: &IndexedTenant,
    edits: &[ObjectEdit],
) -> Result<(), ChangeRefusal> {
    let mut denied = Vec::new();
    for edit in edits {
        let Some(found) = held.found(&edit.key) else { continue };
        if !rights.may_see(found) {
            let is_whole = matches!(edit.action, EditAction::Put(_) | EditAction::PutBack(_));
            if is_whole && edit.expected.unwrap_or_default() == Revision(0) {
                denied.push(fault(&edit.key, "", name_taken()));
            }
            continue;
        }
        let right = match &edit.action {
            EditAction::Delete => FolderRight::Delete,
            EditAction::Merge { fields, .. } if is_of_entries(fields) => FolderRight::Permissions,
            // Who may change its permissions alone is looked at with what changes.
            _ if edit.key.kind == ObjectKind::Folder => FolderRight::Read,
            _ => FolderRight::Change,
        };
        if !rights.may(right, found) {
            denied.push(fault(&edit.key, "", needs(right, found.folder())));
        }
    }
    if denied.is_empty() { Ok(()) } else { Err(ChangeRefusal::NotPermitted(denied)) }
}

/// Refuses changes that the person may not make.
pub(in crate::objects) fn permitted(
    rights: &CallerRights,
    held: &IndexedTenant,
    changes: &[ObjectChange],
) -> Result<(), ChangeRefusal> {
    let mut annexes: BTreeMap<ObjectKey, &ObjectAnnex> = BTreeMap::new();
    let mut objects: BTreeMap<ObjectKey, Option<&Object>> = BTreeMap::new();
    for change in changes {
        match change {
            ObjectChange::Put(object) => {
                objects.insert(object.key(), Some(object));
            }
            ObjectChange::Delete(key) => {
                objects.insert(key.clone(), None);
            }
            ObjectChange::Annex(key, annex) => {
                annexes.insert(key.clone(), annex);
                objects.entry(key.clone()).or_insert_with(|| held.get(key));
            }
        }
    }
    let taken = taken_addresses(rights, held, &objects);
    let mut denied = Vec::new();
    for (key, after) in objects {
        if given_address(held.get(&key), after).is_some_and(|address| taken.contains(&address)) {
            denied.push(fault(&key, "email", address_taken()));
        }
        let before = held.get(&key).map(|object| (object, held.annex(&key)));
        let annex = annexes.get(&key).copied().or_else(|| held.annex(&key));
        let looked = LookedChange { held, key: &key, before, after: after.map(|object| (object, annex)) };
        denied.extend(looked.denied(rights).into_iter().map(|(field, rule)| fault(&key, field, rule)));
    }
    if denied.is_empty() { Ok(()) } else { Err(ChangeRefusal::NotPermitted(denied)) }
}

/// The addresses that changes give to people though somebody has them whose address the person may not change, in lower case. A company's
/// provider names people by them, and signs nobody in by one that two have.
fn taken_addresses(
    rights: &CallerRights,
    held: &IndexedTenant,
    objects: &BTreeMap<ObjectKey, Option<&Object>>,
) -> HashSet<String> {
    if rights.is_administrator() {
        return HashSet::new();
    }
    let given = objects.iter().filter_map(|(key, after)| given_address(held.get(key), *after));
    let given: HashSet<String> = given.collect();
    if given.is_empty() {
        return given;
    }
    let taken = held.behind(ObjectKind::Person, None, "").filter_map(|found| {
        let (Object::Person(person), Some(address)) = (found.object, address_of(Some(found.object))) else {
            return None;
        };
        let is_within_reach = || rights.may(FolderRight::Change, found) && !has_more_than_agents(held, person);
        (given.contains(&address) && !is_within_reach()).then_some(address)
    });
    taken.collect()
}

/// The address that a person gets by a change, in lower case; none if it is the one of before.
fn given_address(before: Option<&Object>, after: Option<&Object>) -> Option<String> {
    address_of(after).filter(|given| address_of(before).as_ref() != Some(given))
}

/// The address for mail of a person, in lower case.
fn address_of(object: Option<&Object>) -> Option<String> {
    match object {
        Some(Object::Person(person)) => person.email.as_deref().map(str::to_ascii_lowercase),
        _ => None,
    }
}

/// An object before and after; none where it is not there.
struct LookedChange<'a> {
    held: &'a IndexedTenant,
    key: &'a ObjectKey,
    before: Option<(&'a Object, Option<&'a ObjectAnnex>)>,
    after: Option<(&'a Object, Option<&'a ObjectAnnex>)>,
}

impl LookedChange<'_> {
    /// The fields and the rules by which the person may not do it.
    fn denied(&self, rights: &CallerRights) -> Vec<(&'static str, BrokenRule)> {
        if is_of_whole_tenant(self.key.kind) && !rights.is_of_whole_tenant() {
            let words =
                format!("a {} concerns the whole tenant: no folder gives a right to change it", self.key.kind.as_str());
            return vec![(
                "",
                BrokenRule::new(FaultCode::NotPermitted, words).naming("right", "").naming("folder", ""),
            )];
        }
        if let Some(rule) = self.of_own_privileges(rights) {
            return vec![("privileges", rule)];
        }
        let is_folder = self.key.kind == ObjectKind::Folder;
        let mut denied: Vec<_> = self.leaves_folder(rights).into_iter().collect();
        denied.extend(self.changes_entries(rights));
        let mut need = |field: &'static str, right: FolderRight, folder: &str| {
            if !rights.in_folder(folder).contains(right) && !rights.keeps_permissions(is_folder, right) {
                denied.push((field, needs(right, folder)));
            }
        };
        match (self.before, self.after) {
            (None, Some((Object::Folder(new), _))) => {
                let parent = Folder::around(&new.path).next().unwrap_or(Folder::ROOT);
                need("", FolderRight::Create, parent);
                if !new.permissions.is_empty() {
                    need("permissions", FolderRight::Permissions, parent);
                    // The right around it may not hold for what is in it and in folders within already.
                    need("permissions", FolderRight::Permissions, &new.path);
                }
            }
            (Some((Object::Folder(before), annex_before)), Some((Object::Folder(after), annex_after))) => {
                if before.permissions != after.permissions {
                    need("permissions", FolderRight::Permissions, &after.path);
                }
                if before.description != after.description || annex_before != annex_after {
                    need("", FolderRight::Change, &after.path);
                }
            }
            // Without its entries more may be open to others.
            (Some((Object::Folder(gone), _)), None) if !gone.permissions.is_empty() => {
                need("permissions", FolderRight::Permissions, &gone.path);
            }
            (None, Some((object, annex))) => need("folder", FolderRight::Create, object.folder(annex)),
            (Some((before, annex_before)), Some((after, annex_after))) => {
                let (from, to) = (before.folder(annex_before), after.folder(annex_after));
                if from != to {
                    need("folder", FolderRight::Create, to);
                }
            }
            (_, None) => {}
        }
        denied.extend(self.beyond_own_folder(rights));
        match self.beyond_own_privileges(rights) {
            Some(beyond) => denied.push(beyond),
            None => denied.extend(self.takes_over(rights)),
        }
        denied
    }

    /// Whoever takes an object out of its folder may delete it there.
    fn leaves_folder(&self, rights: &CallerRights) -> Option<(&'static str, BrokenRule)> {
        let (Some((before, annex_before)), Some((after, annex_after))) = (self.before, self.after) else { return None };
        let from = before.folder(annex_before);
        let is_left = from != after.folder(annex_after);
        let may = rights.may(FolderRight::Delete, as_held(before, annex_before));
        (is_left && !may).then(|| ("folder", needs(FolderRight::Delete, from)))
    }

    /// Whoever changes the entries of an object has the right to that; of a new one, in its folder.
    fn changes_entries(&self, rights: &CallerRights) -> Option<(&'static str, BrokenRule)> {
        let (after, annex_after) = self.after?;
        let is_kept = entries(self.before.and_then(|(_, annex)| annex)) == entries(annex_after);
        let right = FolderRight::Permissions;
        let (folder, may) = match self.before {
            Some((before, annex)) => (before.folder(annex), rights.may(right, as_held(before, annex))),
            None => {
                let folder = after.folder(annex_after);
                (folder, rights.in_folder(folder).contains(right))
            }
        };
        (!is_kept && !may).then(|| (ENTRIES, needs(right, folder)))
    }

    /// An entry that propagates is about the folders within, too: nobody adds, changes or takes away one whose right to change permissions
    /// ends with the folder itself. Of who has no such right there, that is told already.
    fn beyond_own_folder(&self, rights: &CallerRights) -> Option<(&'static str, BrokenRule)> {
        let Some((Object::Folder(before), _)) = self.before else { return None };
        let after = match self.after {
            Some((Object::Folder(after), _)) => after.permissions.as_slice(),
            _ => &[],
        };
        let lacks = |one: &FolderPermission, others: &[FolderPermission]| one.propagate && !others.contains(one);
        let is_within = before.permissions.iter().any(|one| lacks(one, after))
            || after.iter().any(|one| lacks(one, &before.permissions));
        let (right, path) = (FolderRight::Permissions, before.path.as_str());
        let is_beyond = rights.in_folder(path).contains(right)
            && !rights.within_folder(path).contains(right)
            && !rights.keeps_permissions(true, right);
        let words = format!("it needs the right {} in folder {path} and in the folders within it", right.as_str());
        let rule = BrokenRule::new(FaultCode::NotPermitted, words);
        (is_within && is_beyond).then(|| ("permissions", rule.naming("right", right.as_str()).naming("folder", path)))
    }

    /// Nobody but an administrator changes their own privileges, or removes themselves: without the privilege `folder_administrator` more
    /// may be read, as scopes say, and the token still has the scopes.
    fn of_own_privileges(&self, rights: &CallerRights) -> Option<BrokenRule> {
        if rights.is_administrator() || self.key.kind != ObjectKind::Person || self.key.id != rights.user {
            return None;
        }
        let privileges = |side: Option<(&Object, Option<&ObjectAnnex>)>| match side {
            Some((Object::Person(person), _)) => Some(person.privileges.clone()),
            _ => None,
        };
        let is_kept = self.before.is_none() || privileges(self.before) == privileges(self.after);
        let words = "nobody but an administrator changes their own privileges, or removes themselves";
        let rule = BrokenRule::new(FaultCode::NotPermitted, words);
        (!is_kept).then(|| rule.naming("right", Privilege::Administrator.as_str()).naming("folder", ""))
    }

    /// Nobody hands out a privilege that they do not have, nor takes over somebody who has one. An agent's is everybody's to give: the
    /// tokens of an agent are tied to one DN, and who hands out what unties them, a supervisor's privilege or an administrator's, has it
    /// (`identity::scope::is_tied`).
    fn beyond_own_privileges(&self, rights: &CallerRights) -> Option<(&'static str, BrokenRule)> {
        if rights.is_of_whole_tenant() {
            return None;
        }
        let sides = [self.before, self.after].into_iter().flatten();
        let people = sides.filter_map(|(object, _)| match object {
            Object::Person(person) => Some(person),
            _ => None,
        });
        let mut privileges = people.flat_map(|person| privileges_of(self.held, person));
        let is_beyond = |one: &Privilege| *one != Privilege::Agent && !rights.privileges.contains(one);
        let beyond = privileges.find(is_beyond)?;
        let words = format!("only who has the privilege {} may change somebody who has it", beyond.as_str());
        let rule = BrokenRule::new(FaultCode::NotPermitted, words).naming("right", beyond.as_str());
        Some(("privileges", rule.naming("folder", "")))
    }

    /// Nobody but an administrator changes by what somebody signs in who has more than an agent has: they could sign in as that person.
    fn takes_over(&self, rights: &CallerRights) -> Option<(&'static str, BrokenRule)> {
        let (Some((Object::Person(before), _)), Some((Object::Person(after), _))) = (self.before, self.after) else {
            return None;
        };
        let field = changed_sign_in(before, after)?;
        if rights.is_administrator() || !has_more_than_agents(self.held, before) {
            return None;
        }
        let words = "the person has privileges, or is named in permissions: only an administrator may change that";
        let rule = BrokenRule::new(FaultCode::NotPermitted, words);
        Some((field, rule.naming("right", Privilege::Administrator.as_str()).naming("folder", "")))
    }
}

/// Whether an edit changes the entries of an object and nothing else of it.
fn is_of_entries(fields: &[String]) -> bool {
    !fields.is_empty() && fields.iter().all(|field| field == ENTRIES)
}

/// An object as rights look at it, whichever revision has changed it last.
fn as_held<'a>(object: &'a Object, annex: Option<&'a ObjectAnnex>) -> HeldObject<'a> {
    HeldObject { object, annex, revision: Revision::default() }
}

fn entries(annex: Option<&ObjectAnnex>) -> &[ObjectPermission] {
    annex.map(|annex| annex.own_permissions.as_slice()).unwrap_or_default()
}

/// Whether a person has another privilege than an agent's, or is named in permissions of a folder or of an object, an access group or a
/// role.
fn has_more_than_agents(held: &IndexedTenant, person: &Person) -> bool {
    let user = person.user_name.as_str();
    let gives = |object: &Object| matches!(object, Object::Folder(_) | Object::AccessGroup(_) | Object::Role(_));
    let names = |annex: &ObjectAnnex| annex.own_permissions.iter().any(|entry| entry.person.as_deref() == Some(user));
    privileges_of(held, person).iter().any(|one| *one != Privilege::Agent)
        || held
            .holders(&TieMark::refers_to(ObjectKind::Person, user))
            .any(|slot| held.object(slot).is_some_and(gives) || held.annex_at(slot).is_some_and(names))
}

/// The field by which a person signs in that is another one, if one is.
fn changed_sign_in(before: &Person, after: &Person) -> Option<&'static str> {
    let pin = |person: &Person| person.agent.as_ref().and_then(|agent| agent.pin.clone());
    let changed = [
        ("password", before.password != after.password),
        ("second_factor", before.second_factor != after.second_factor),
        ("agent.pin", pin(before) != pin(after)),
        ("email", before.email != after.email),
        ("external_id", before.external_id != after.external_id),
    ];
    changed.into_iter().find_map(|(field, is_other)| is_other.then_some(field))
}

fn fault(key: &ObjectKey, field: &str, rule: BrokenRule) -> ObjectFault {
    ObjectFault { key: key.clone(), field: field.to_owned(), rule }
}

/// A right that a person does not have in a folder.
fn needs(right: FolderRight, folder: &str) -> BrokenRule {
    let words = format!("it needs the right {} in folder {folder}", right.as_str());
    BrokenRule::new(FaultCode::NotPermitted, words).naming("right", right.as_str()).naming("folder", folder)
}

fn address_taken() -> BrokenRule {
    let words = "another person has it, whose address only an administrator may change: by one that two have the company's provider signs \
        neither in";
    BrokenRule::new(FaultCode::NotPermitted, words)
        .naming("right", Privilege::Administrator.as_str())
        .naming("folder", "")
}

fn name_taken() -> BrokenRule {
    let words = "the name is that of an object that you may not see";
    BrokenRule::new(FaultCode::NotPermitted, words).naming("right", FolderRight::Read.as_str()).naming("folder", "")
}
