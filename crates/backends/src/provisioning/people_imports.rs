//! What is noted of tables of people that were taken. The table is bound to that of tenants; writers of a tenant's configuration are not
//! waited for.

use futures::FutureExt as _;
use infra::bounds::PEOPLE_IMPORTS_MAX;
use infra::{Answer, ImportEnd, ImportPage, PeopleImport, PeopleImports, Result, StoreError};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Tables, Turn, number, query, tenant_standing};

/// Statements name their columns, here too.
macro_rules! imports {
    ($filter:literal) => {
        concat!(
            "SELECT id, user_name, client, file_name, begun_ms, lines, ended_ms, taken, faults, request, is_unknown
             FROM people_import WHERE tenant = ? AND ",
            $filter,
            "begun_ms >= ? ORDER BY begun_ms DESC, id DESC LIMIT ? OFFSET ?"
        )
    };
}

impl<D: Dialect> PeopleImports for Tables<D> {
    fn import_begins<'a>(&'a self, tenant: &'a TenantId, import: &'a PeopleImport) -> Answer<'a, ()> {
        async move {
            let mut turn = self.0.appends().await?;
            if tenant_standing::life(&mut *turn, tenant).await?.is_none() {
                return Err(StoreError::Invalid(format!("there is no tenant {tenant}")));
            }
            let sql = "INSERT INTO people_import
                 (tenant, id, user_name, client, file_name, begun_ms, lines, ended_ms, taken, faults, request, is_unknown)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let put = query(sql).bind(tenant.as_str()).bind(&import.id).bind(&import.user).bind(&import.client);
            let put = put.bind(&import.file_name).bind(number(import.begun_at.as_millis())).bind(import.lines);
            let (ended_ms, taken, faults, is_unknown) = match &import.end {
                Some(end) => (number(end.at.as_millis()), end.taken, text_of(&end.faults), end.is_unknown),
                None => (0, 0, text_of(&[]), false),
            };
            let put = put.bind(ended_ms).bind(taken).bind(faults).bind(&import.request);
            turn.run(put.bind(u32::from(is_unknown))).await?;
            remove_earliest(&mut *turn, tenant).await?;
            turn.commit().await
        }
        .boxed()
    }

    fn import_ends<'a>(&'a self, tenant: &'a TenantId, id: &'a str, end: &'a ImportEnd) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql = "UPDATE people_import SET ended_ms = ?, taken = ?, faults = ?, is_unknown = ?
                 WHERE tenant = ? AND id = ?";
            let put = query(sql).bind(number(end.at.as_millis())).bind(end.taken).bind(text_of(&end.faults));
            let put = put.bind(u32::from(end.is_unknown));
            let count = turn.run(put.bind(tenant.as_str()).bind(id)).await?;
            turn.commit().await?;
            Ok(count > 0)
        }
        .boxed()
    }

    fn imports<'a>(&'a self, tenant: &'a TenantId, page: &'a ImportPage) -> Answer<'a, Vec<PeopleImport>> {
        async move {
            let asked = match &page.user {
                None => query(imports!("")).bind(tenant.as_str()),
                Some(user) => query(imports!("user_name = ? AND ")).bind(tenant.as_str()).bind(user),
            };
            let asked = asked.bind(number(page.since.as_millis())).bind(i64::from(page.limit));
            let rows = self.0.reads().await?.rows(asked.bind(i64::from(page.offset))).await?;
            rows.iter().map(import_of).collect()
        }
        .boxed()
    }

    fn forget_imports_before(&self, before: Timestamp) -> Answer<'_, u64> {
        async move {
            let mut turn = self.0.appends().await?;
            let forget = query("DELETE FROM people_import WHERE begun_ms < ?").bind(number(before.as_millis()));
            let count = turn.run(forget).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }
}

async fn remove_earliest(db: &mut dyn Turn, tenant: &TenantId) -> Result<()> {
    let sql = "DELETE FROM people_import WHERE tenant = ? AND id IN
         (SELECT id FROM people_import WHERE tenant = ? ORDER BY begun_ms DESC, id DESC LIMIT ? OFFSET ?)";
    let most = i64::try_from(PEOPLE_IMPORTS_MAX).unwrap_or(i64::MAX);
    db.run(query(sql).bind(tenant.as_str()).bind(tenant.as_str()).bind(most).bind(most)).await.map(drop)
}

fn text_of(faults: &[String]) -> String {
    serde_json::Value::from(faults.to_vec()).to_string()
}

fn import_of(row: &Row) -> Result<PeopleImport> {
    let time = |column| -> Result<Timestamp> {
        Ok(Timestamp::from_millis(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()))
    };
    let ended_at = time("ended_ms")?;
    // What a later release has written otherwise is told as nothing.
    let faults = serde_json::from_str(&row.text("faults")?).unwrap_or_default();
    let is_unknown = row.get::<i64>("is_unknown")? != 0;
    let end = ImportEnd { at: ended_at, taken: row.get("taken")?, faults, is_unknown };
    Ok(PeopleImport {
        id: row.text("id")?,
        request: row.text("request")?,
        user: row.text("user_name")?,
        client: row.get("client")?,
        file_name: row.text("file_name")?,
        begun_at: time("begun_ms")?,
        lines: row.get("lines")?,
        end: Some(end).filter(|end| end.at > Timestamp::ZERO),
    })
}
