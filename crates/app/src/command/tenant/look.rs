//! `trunkline tenant list|show|history`: the objects of a tenant, and what happened to them.

use clap::Args;
use contracts::provisioning::{ObjectKey, ObjectKind};
use infra::{HistoryEntry, HistoryPage, Revision, kind_told};
use runtime::exit::{Exit, ExitError};
use serde_json::{Value, json};
use tenant::objects::{self, IndexedTenant, Listing};

use super::plan::{Mark, field_lines, mark};
use super::{
    InstallationOptions, NamedObject, executor, is_known, kind, no_tenant, object_id, open, refused, tenant_id, tenants,
};

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  trunkline tenant list
  trunkline tenant list --json | jq -r .tenant
  trunkline tenant list --ended
  trunkline tenant list acme
  trunkline tenant list acme --kind person --where skill=Sales --where disabled=false
  trunkline tenant list acme --kind person --where name=adler --field user_name --field agent.id --json

Without an id it lists the tenants: id, name, revision, people, DNs. --ended lists those that were deleted and whose history
is kept; `trunkline tenant history ID` shows it while no other tenant has that id.

--where: `id` is what the id begins with, `name` is in one of the names, `skill` is a person's skill, `email` a person's
address; any other is the path of a field, as agent.default_place, whose value, or one of whose values, is that. All must hold.";

#[derive(Args)]
pub struct ListArguments {
    /// The tenant whose objects are listed, by its id; without it the tenants
    tenant: Option<String>,
    /// Only objects of this kind; may be repeated
    #[arg(long = "kind", value_name = "KIND", value_parser = kind, requires = "tenant")]
    kinds: Vec<ObjectKind>,
    /// Only objects of which this holds; may be repeated
    #[arg(long = "where", value_name = "FIELD=VALUE", requires = "tenant")]
    filter: Vec<String>,
    /// With --json: only these fields, as agent.skills; may be repeated
    #[arg(long = "field", value_name = "FIELD", requires = "tenant")]
    fields: Vec<String>,
    /// A JSON document a line: of objects kind, id, revision and object
    #[arg(long)]
    json: bool,
    /// The tenants that were deleted
    #[arg(long, conflicts_with = "tenant")]
    ended: bool,
}

#[derive(Args)]
pub struct ShowArguments {
    #[command(flatten)]
    object: NamedObject,
    /// As it was at this revision
    #[arg(long, value_name = "REVISION")]
    revision: Option<u64>,
}

#[derive(Args)]
pub struct HistoryArguments {
    /// The tenant's id
    tenant: String,
    /// Only objects of this kind
    #[arg(value_parser = kind)]
    kind: Option<ObjectKind>,
    /// Only the object with this id; `-` for the tenant itself
    id: Option<String>,
    /// The most changes
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// A JSON document a line
    #[arg(long)]
    json: bool,
}

pub(super) fn list(options: &InstallationOptions, arguments: &ListArguments) -> anyhow::Result<()> {
    let Some(tenant) = &arguments.tenant else {
        let list = if arguments.ended { tenants::list_ended } else { tenants::list };
        return list(options, arguments.json);
    };
    let tenant = tenant_id(tenant)?;
    let mut asked = Listing {
        kinds: arguments.kinds.clone(),
        filter: arguments.filter.iter().map(|text| condition(text)).collect::<Result<_, _>>()?,
        fields: arguments.fields.clone(),
        ..Listing::default()
    };
    let held = executor()?.block_on(async {
        let store = open(options).await?;
        anyhow::Ok(store.versioned(&tenant).await?)
    })?;
    let held = held.ok_or_else(|| no_tenant(&tenant))?;
    let held = IndexedTenant::of(held);
    loop {
        let page = objects::list(&held, &asked);
        for object in page.objects {
            let (kind, id, revision) = (object.key.kind.as_str(), &object.key.id, object.revision.0);
            if arguments.json {
                let document = document(object.key.kind, &object.json)?;
                say_line!("{}", json!({ "kind": kind, "id": id, "revision": revision, "object": document }));
            } else {
                say_line!("{kind:<12} {id:<40} {revision:>8}");
            }
        }
        if page.last.is_none() {
            return Ok(());
        }
        asked.after = page.last;
    }
}

fn condition(text: &str) -> Result<(String, String), ExitError> {
    let parts = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) =
        parts.ok_or_else(|| ExitError::new(Exit::Usage, format!("--where {text}: it is not FIELD=VALUE")))?;
    Ok((field.to_owned(), value.to_owned()))
}

/// The document of an object. The password of a phone is null, as those of people are: an empty text would say that it has none.
fn document(kind: ObjectKind, text: &str) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(text)?;
    if let Some(password) = document.get_mut("password")
        && kind == ObjectKind::Dn
        && password.as_str() == Some("")
    {
        *password = Value::Null;
    }
    Ok(document)
}

pub(super) fn show(options: &InstallationOptions, arguments: &ShowArguments) -> anyhow::Result<()> {
    let (tenant, key) = (arguments.object.tenant()?, arguments.object.key()?);
    let shown = executor()?.block_on(async {
        let store = open(options).await?;
        if !is_known(&*store, &tenant).await? {
            return Err(anyhow::Error::from(no_tenant(&tenant)));
        }
        match arguments.revision {
            Some(at) => objects::document_at(&*store, &tenant, &key, Revision(at)).await.map_err(refused),
            None => {
                let missing = || ExitError::new(Exit::Unknown, format!("there is no {}", named(&key)));
                let found = store.find_annexed(&tenant, &key).await?.ok_or_else(missing)?;
                Ok(objects::shown(found.object, Some(&found.annex), &[]))
            }
        }
    })?;
    say_line!("{}", serde_json::to_string_pretty(&document(key.kind, &shown)?)?);
    Ok(())
}

fn named(key: &ObjectKey) -> String {
    format!("{} {}", kind_told(key.kind.as_str(), &key.id), key.id)
}

pub(super) fn history(options: &InstallationOptions, arguments: &HistoryArguments) -> anyhow::Result<()> {
    let tenant = tenant_id(&arguments.tenant)?;
    let mut page = HistoryPage {
        kind: arguments.kind,
        id: arguments.id.as_deref().map(object_id),
        below: None,
        limit: arguments.limit,
    };
    executor()?.block_on(async {
        let store = open(options).await?;
        if !is_known(&*store, &tenant).await? {
            return Err(anyhow::Error::from(no_tenant(&tenant)));
        }
        while page.limit > 0 {
            let part = objects::history(&*store, &tenant, &page).await?;
            page.limit = page.limit.saturating_sub(u32::try_from(part.entries.len()).unwrap_or(u32::MAX));
            for entry in &part.entries {
                if arguments.json {
                    say_line!("{}", as_json(entry)?);
                } else {
                    print(entry);
                }
            }
            let Some(last) = part.last else {
                if part.pruned.0 > 0 && !arguments.json {
                    say_line!("What happened up to revision {} was removed for its age.", part.pruned.0);
                }
                break;
            };
            page.below = Some(last);
        }
        Ok(())
    })
}

fn print(entry: &HistoryEntry) {
    let (before, after) = (entry.before.as_deref(), entry.after.as_deref());
    let at = contracts::json::rfc3339(entry.note.at);
    let sign = match mark(before.is_some(), after.is_some()) {
        Mark::New => '+',
        Mark::Changed => '~',
        Mark::Deleted => '-',
    };
    let from = entry.note.origin.source.as_ref().map(|source| format!(", from {source}")).unwrap_or_default();
    let (by, way) = (&entry.note.by, &entry.note.way);
    say_line!("{at}  {:>6}  {sign} {}  by {by} ({way}{from})", entry.revision.0, named(&entry.key));
    if before.is_some() && after.is_some() {
        field_lines(&objects::differences(before, after)).iter().for_each(|line| say_line!("{line}"));
        if entry.secrets_changed {
            say_line!("    secrets: changed");
        }
    }
}

fn as_json(entry: &HistoryEntry) -> anyhow::Result<Value> {
    let document = |text: &Option<String>| text.as_deref().map(|text| document(entry.key.kind, text)).transpose();
    Ok(json!({
        "kind": kind_told(entry.key.kind.as_str(), &entry.key.id),
        "id": entry.key.id,
        "revision": entry.revision.0,
        "changed_ms": entry.note.at.as_millis(),
        "changed_by": entry.note.by,
        "way": entry.note.way.to_string(),
        "client": entry.note.origin.client,
        "session": entry.note.origin.session,
        "source": entry.note.origin.source,
        "request_id": entry.note.request,
        "before": document(&entry.before)?,
        "after": document(&entry.after)?,
        "secrets_changed": entry.secrets_changed,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_shown_with_its_password_hidden_and_not_empty() {
        let phone = r#"{"number":"7301","type":"extension","password":"","no_answer_s":null}"#;
        assert_eq!(document(ObjectKind::Dn, phone).unwrap()["password"], Value::Null);
        let echo = document(ObjectKind::Dn, r#"{"number":"7302","type":"echo"}"#).unwrap();
        assert_eq!(echo.get("password"), None);
    }
}
