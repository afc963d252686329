//! Applications to rows, and back.

use contracts::provisioning::{Application, ApplicationOptions};
use infra::{Result, StoreError};

use super::{Row, Turn, query};

/// Those of a tenant.
pub(super) const ALL: &str = "SELECT name, document, options FROM application WHERE tenant = ? ORDER BY dbid";
/// The one of a name.
pub(super) const ONE: &str = "SELECT name, document, options FROM application WHERE tenant = ? AND name = ?";

pub(super) fn application(row: &Row) -> Result<Application> {
    let name = row.text("name")?;
    let options = match row.get::<Option<String>>("options")? {
        Some(json) => serde_json::from_str::<ApplicationOptions>(&json).map_err(|_| StoreError::Corrupt {
            what: "table application".to_owned(),
            reason: format!("the options of {name} are none as JSON"),
        })?,
        None => ApplicationOptions::new(),
    };
    Ok(Application { name, document: row.text("document")?, options })
}

pub(super) async fn put_application(db: &mut dyn Turn, tenant: &str, o: &Application) -> Result<()> {
    // Texts under texts can always be written.
    let options = (!o.options.is_empty()).then(|| serde_json::to_string(&o.options).unwrap_or_default());
    let sql = "INSERT INTO application (tenant, name, document, options) VALUES (?, ?, ?, ?)
         ON CONFLICT (tenant, name) DO UPDATE SET name = excluded.name, document = excluded.document,
         options = excluded.options";
    db.run(query(sql).bind(tenant).bind(&o.name).bind(&o.document).bind(&options)).await.map(drop)
}
