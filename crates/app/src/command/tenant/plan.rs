//! `trunkline tenant plan|apply`: what a file changes, shown before it does.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::Args;
use contracts::provisioning::{Object, ObjectAnnex, ObjectKey};
use infra::{ChangeWay, ObjectChange};
use runtime::exit::Exit;
use serde_json::{Value, json};
use tenant::import::ImportPlan;
use tenant::objects::{self, FieldDifference};

use super::{InstallationOptions, executor, import, open, read};

/// The longest value that is shown, in characters: an application is a file of its own.
const SHOWN_MAX: usize = 80;

#[derive(Args)]
pub struct Arguments {
    /// The tenant's file
    file: PathBuf,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

/// What happens to an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    New,
    Changed,
    Deleted,
}

/// What happens to an object that is there before and after.
pub(super) const fn mark(is_before: bool, is_after: bool) -> Mark {
    match (is_before, is_after) {
        (false, _) => Mark::New,
        (true, true) => Mark::Changed,
        (true, false) => Mark::Deleted,
    }
}

/// What an import changes in one object.
pub(super) struct PlannedChange {
    key: ObjectKey,
    mark: Mark,
    fields: Vec<FieldDifference>,
    secrets: Vec<&'static str>,
}

/// Shows what an import would change.
pub(super) fn plan(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let objects = read(options, &arguments.file)?;
    let (planned, revision) = planned(options, &objects)?;
    if arguments.json {
        say_line!("{}", as_json(&objects.tenant.id, revision, &planned));
    } else {
        print(&planned);
    }
    Ok(if planned.is_empty() { Exit::Done } else { Exit::Warned })
}

/// Shows what an import changes, and imports.
pub(super) fn apply(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let objects = read(options, &arguments.file)?;
    let (planned, revision) = planned(options, &objects)?;
    if !arguments.json {
        print(&planned);
    }
    let imported = import(options, &objects, ChangeWay::Import)?;
    if arguments.json {
        let mut answer = as_json(&objects.tenant.id, revision, &planned);
        answer["imported"] = imported;
        say_line!("{answer}");
    } else {
        say_line!("{imported}");
    }
    Ok(Exit::Done)
}

/// What an import of the objects would change, and the revision of the tenant.
pub(super) fn planned(
    options: &InstallationOptions,
    objects: &contracts::provisioning::TenantObjects,
) -> anyhow::Result<(Vec<PlannedChange>, u64)> {
    let ImportPlan { at, held: stored, changes } = executor()?.block_on(async {
        let store = open(options).await?;
        anyhow::Ok(tenant::import::plan(&*store, objects).await?)
    })?;
    let held: HashMap<ObjectKey, Object> =
        stored.iter().flat_map(|held| held.objects()).map(|object| (object.key(), object)).collect();
    let annex_held = |key: &ObjectKey| stored.as_ref().and_then(|held| held.annexes.get(key));
    let given: HashMap<ObjectKey, ObjectAnnex> = changes.iter().filter_map(given_annex).collect();
    let put: HashSet<ObjectKey> = changes.iter().filter(|change| is_put(change)).map(ObjectChange::key).collect();
    // An annex beside its object is told with it.
    let is_told = |change: &ObjectChange| !matches!(change, ObjectChange::Annex(key, _) if put.contains(key));
    let one = |change: ObjectChange| {
        let key = change.key();
        let before = held.get(&key);
        let after = match change {
            ObjectChange::Put(object) => Some(object),
            ObjectChange::Annex(..) => before.cloned(),
            ObjectChange::Delete(_) => None,
        };
        let old = before.map(|object| objects::shown(object.clone(), annex_held(&key), &[]));
        let annex = given.get(&key).or_else(|| annex_held(&key));
        let new = after.as_ref().map(|object| objects::shown(object.clone(), annex, &[]));
        PlannedChange {
            mark: mark(before.is_some(), after.is_some()),
            fields: objects::differences(old.as_deref(), new.as_deref()),
            secrets: objects::secret_differences(before, after.as_ref()),
            key,
        }
    };
    Ok((changes.into_iter().filter(is_told).map(one).collect(), at.0))
}

const fn is_put(change: &ObjectChange) -> bool {
    matches!(change, ObjectChange::Put(_))
}

fn given_annex(change: &ObjectChange) -> Option<(ObjectKey, ObjectAnnex)> {
    match change {
        ObjectChange::Annex(key, annex) => Some((key.clone(), annex.clone())),
        _ => None,
    }
}

/// A line for each changed object and field, and the sums.
pub(super) fn print(planned: &[PlannedChange]) {
    for PlannedChange { key, mark, fields, secrets } in planned {
        let named = format!("{} {}", key.kind.as_str(), key.id);
        match mark {
            Mark::New => say_line!("+ {named}"),
            Mark::Deleted => say_line!("- {named}"),
            Mark::Changed => {
                say_line!("~ {named}");
                field_lines(fields).iter().for_each(|line| say_line!("{line}"));
                secrets.iter().for_each(|field| say_line!("    {field}: changed, a secret"));
            }
        }
    }
    let count = |of: Mark| planned.iter().filter(|change| change.mark == of).count();
    say_line!("{} new, {} changed, {} deleted", count(Mark::New), count(Mark::Changed), count(Mark::Deleted));
}

/// A line for each field that differs.
pub(super) fn field_lines(fields: &[FieldDifference]) -> Vec<String> {
    let line = |one: &FieldDifference| format!("    {}: {} -> {}", one.field, short(&one.before), short(&one.after));
    fields.iter().map(line).collect()
}

fn short(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        value => {
            let text = value.to_string();
            if text.chars().count() > SHOWN_MAX { format!("({} bytes)", text.len()) } else { text }
        }
    }
}

fn as_json(tenant: &str, revision: u64, planned: &[PlannedChange]) -> Value {
    let one = |change: &PlannedChange| {
        let action = match change.mark {
            Mark::New => "new",
            Mark::Changed => "changed",
            Mark::Deleted => "deleted",
        };
        let field = |one: &FieldDifference| json!({ "field": one.field, "before": one.before, "after": one.after });
        json!({
            "kind": change.key.kind.as_str(),
            "id": change.key.id,
            "action": action,
            "fields": change.fields.iter().map(field).collect::<Vec<_>>(),
            "secrets": change.secrets,
        })
    };
    json!({ "tenant": tenant, "revision": revision, "changes": planned.iter().map(one).collect::<Vec<_>>() })
}
