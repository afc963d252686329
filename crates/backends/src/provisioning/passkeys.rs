//! The passkeys of people. Their table is bound to that of persons: whoever removes a person removes them.

use futures::FutureExt as _;
use infra::{Answer, PasskeyKept, PasskeyRemoved, Passkeys, Result, StoredPasskey};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Tables, number, query, tenant_id};

impl<D: Dialect> Passkeys for Tables<D> {
    fn keep<'a>(&'a self, tenant: &'a TenantId, new: &'a StoredPasskey, at_most: usize) -> Answer<'a, PasskeyKept> {
        async move {
            let mut turn = self.0.writes(tenant).await?;
            let sql = "SELECT id FROM passkey WHERE tenant = ? AND user_name = ? AND handle = ?";
            let held = query(sql).bind(tenant.as_str()).bind(&new.user).bind(&new.handle);
            if turn.rows(held).await?.len() >= at_most {
                return Ok(PasskeyKept::TooMany);
            }
            let sql =
                "INSERT INTO passkey (id, tenant, user_name, handle, public_key, counter, name, created_ms, used_ms)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING";
            let put = query(sql)
                .bind(&new.id)
                .bind(tenant.as_str())
                .bind(&new.user)
                .bind(&new.handle)
                .bind(&new.public_key)
                .bind(new.counter)
                .bind(&new.name)
                .bind(number(new.created.as_millis()));
            let is_new = turn.run(put).await? > 0;
            turn.commit().await?;
            Ok(if is_new { PasskeyKept::Kept } else { PasskeyKept::IdTaken })
        }
        .boxed()
    }

    fn of_person<'a>(&'a self, tenant: &'a TenantId, user: &'a str) -> Answer<'a, Vec<StoredPasskey>> {
        async move {
            let sql = "SELECT id, user_name, handle, public_key, counter, name, created_ms, used_ms
                 FROM passkey WHERE tenant = ? AND user_name = ? ORDER BY created_ms, id";
            let mut turn = self.0.reads().await?;
            turn.rows(query(sql).bind(tenant.as_str()).bind(user)).await?.iter().map(passkey).collect()
        }
        .boxed()
    }

    fn find_passkey<'a>(&'a self, id: &'a str) -> Answer<'a, Option<(TenantId, StoredPasskey)>> {
        async move {
            let sql = "SELECT id, tenant, user_name, handle, public_key, counter, name, created_ms, used_ms
                 FROM passkey WHERE id = ?";
            let rows = self.0.reads().await?.rows(query(sql).bind(id)).await?;
            rows.first().map(|row| Ok((tenant_id(&row.text("tenant")?)?, passkey(row)?))).transpose()
        }
        .boxed()
    }

    fn note_use<'a>(&'a self, tenant: &'a TenantId, id: &'a str, counter: u32, at: Timestamp) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql = "UPDATE passkey SET counter = ?, used_ms = ? WHERE tenant = ? AND id = ? AND counter < ?";
            let note = query(sql)
                .bind(counter)
                .bind(number(at.as_millis()))
                .bind(tenant.as_str())
                .bind(id)
                // One that does not count stays at 0.
                .bind(counter.max(1));
            let is_noted = turn.run(note).await? > 0;
            turn.commit().await?;
            Ok(is_noted)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, user: &'a str, id: &'a str) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql = "DELETE FROM passkey WHERE tenant = ? AND user_name = ? AND id = ?";
            let is_removed = turn.run(query(sql).bind(tenant.as_str()).bind(user).bind(id)).await? > 0;
            turn.commit().await?;
            Ok(is_removed)
        }
        .boxed()
    }

    fn remove_but_last<'a>(&'a self, tenant: &'a TenantId, user: &'a str, id: &'a str) -> Answer<'a, PasskeyRemoved> {
        async move {
            // One after the other, as they are kept.
            let mut turn = self.0.writes(tenant).await?;
            let sql = "SELECT id, handle FROM passkey WHERE tenant = ? AND user_name = ?";
            let rows = turn.rows(query(sql).bind(tenant.as_str()).bind(user)).await?;
            let held = rows.iter().map(|row| Ok((row.text("id")?, row.text("handle")?))).collect::<Result<Vec<_>>>()?;
            let Some((_, handle)) = held.iter().find(|(own, _)| own == id) else { return Ok(PasskeyRemoved::Missing) };
            if held.iter().filter(|(_, other)| other == handle).count() < 2 {
                return Ok(PasskeyRemoved::Last);
            }
            let sql = "DELETE FROM passkey WHERE tenant = ? AND user_name = ? AND id = ?";
            turn.run(query(sql).bind(tenant.as_str()).bind(user).bind(id)).await?;
            turn.commit().await?;
            Ok(PasskeyRemoved::Removed)
        }
        .boxed()
    }

    fn remove_others<'a>(&'a self, tenant: &'a TenantId, user: &'a str, handle: Option<&'a str>) -> Answer<'a, u64> {
        async move {
            let mut turn = self.0.appends().await?;
            // No handle is empty.
            let sql = "DELETE FROM passkey WHERE tenant = ? AND user_name = ? AND handle <> ?";
            let remove = query(sql).bind(tenant.as_str()).bind(user).bind(handle.unwrap_or_default());
            let count = turn.run(remove).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }
}

fn passkey(row: &Row) -> Result<StoredPasskey> {
    let time = |column| -> Result<Timestamp> {
        Ok(Timestamp::from_millis(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()))
    };
    Ok(StoredPasskey {
        id: row.text("id")?,
        user: row.text("user_name")?,
        handle: row.text("handle")?,
        public_key: row.text("public_key")?,
        counter: row.get("counter")?,
        name: row.text("name")?,
        created: time("created_ms")?,
        last_used: Some(time("used_ms")?).filter(|used| *used > Timestamp::ZERO),
    })
}
