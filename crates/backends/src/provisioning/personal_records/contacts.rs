//! The contacts of desktops: a table of what people keep, bound to that of persons, and one of what the people of a tenant share.
//!
//! As with the other records, two requests at the very same time may each take the last place that is left.

use futures::FutureExt as _;
use infra::{Answer, ContactAdded, ContactOwner, ContactRecords, KeptContact, Result};
use model::{TenantId, Timestamp};

use super::super::{Dialect, Row, Statement, Tables, number, query};

impl<D: Dialect> ContactRecords for Tables<D> {
    fn contacts<'a>(&'a self, tenant: &'a TenantId, owner: &'a ContactOwner) -> Answer<'a, Vec<KeptContact>> {
        async move {
            let statement = of_owner(
                owner,
                tenant,
                "SELECT id, changed_ms, document FROM person_contact WHERE tenant = ? AND user_name = ? ORDER BY id",
                "SELECT id, changed_ms, document FROM shared_contact WHERE tenant = ? ORDER BY id",
            );
            let rows = self.0.reads().await?.rows(statement).await?;
            rows.iter().map(contact_of).collect()
        }
        .boxed()
    }

    fn add_contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        contact: &'a KeptContact,
    ) -> Answer<'a, ContactAdded> {
        async move {
            let mut turn = self.0.appends().await?;
            let ids = of_owner(
                owner,
                tenant,
                "SELECT id FROM person_contact WHERE tenant = ? AND user_name = ?",
                "SELECT id FROM shared_contact WHERE tenant = ?",
            );
            let rows = turn.rows(ids).await?;
            let held = rows.iter().map(|row| row.text("id")).collect::<Result<Vec<_>>>()?;
            if held.contains(&contact.id) {
                return Ok(ContactAdded::Kept);
            }
            if held.len() >= owner.most() {
                return Ok(ContactAdded::TooMany);
            }
            let put = of_owner(
                owner,
                tenant,
                "INSERT INTO person_contact (tenant, user_name, id, changed_ms, document) VALUES (?, ?, ?, ?, ?)
                     ON CONFLICT (tenant, user_name, id) DO NOTHING",
                "INSERT INTO shared_contact (tenant, id, changed_ms, document) VALUES (?, ?, ?, ?)
                     ON CONFLICT (tenant, id) DO NOTHING",
            );
            turn.run(put.bind(&contact.id).bind(number(contact.at.as_millis())).bind(&contact.document)).await?;
            turn.commit().await?;
            Ok(ContactAdded::Kept)
        }
        .boxed()
    }

    fn change_contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        contact: &'a KeptContact,
    ) -> Answer<'a, bool> {
        let (at, document) = (number(contact.at.as_millis()), &contact.document);
        let change = match owner {
            ContactOwner::Person(user) => query(
                "UPDATE person_contact SET changed_ms = ?, document = ? WHERE tenant = ? AND user_name = ? AND id = ?",
            )
            .bind(at)
            .bind(document)
            .bind(tenant.as_str())
            .bind(user),
            ContactOwner::Tenant => {
                query("UPDATE shared_contact SET changed_ms = ?, document = ? WHERE tenant = ? AND id = ?")
                    .bind(at)
                    .bind(document)
                    .bind(tenant.as_str())
            }
        };
        async move { Ok(self.appended(change.bind(&contact.id)).await? > 0) }.boxed()
    }

    fn remove_contact<'a>(&'a self, tenant: &'a TenantId, owner: &'a ContactOwner, id: &'a str) -> Answer<'a, bool> {
        let remove = of_owner(
            owner,
            tenant,
            "DELETE FROM person_contact WHERE tenant = ? AND user_name = ? AND id = ?",
            "DELETE FROM shared_contact WHERE tenant = ? AND id = ?",
        );
        async move { Ok(self.appended(remove.bind(id)).await? > 0) }.boxed()
    }
}

/// The statement for the table of that owner, with whose it is.
fn of_owner(owner: &ContactOwner, tenant: &TenantId, of_person: &'static str, shared: &'static str) -> Statement {
    match owner {
        ContactOwner::Person(user) => query(of_person).bind(tenant.as_str()).bind(user),
        ContactOwner::Tenant => query(shared).bind(tenant.as_str()),
    }
}

fn contact_of(row: &Row) -> Result<KeptContact> {
    let at = Timestamp::from_millis(u64::try_from(row.get::<i64>("changed_ms")?).unwrap_or_default());
    Ok(KeptContact { id: row.text("id")?, at, document: row.text("document")? })
}
