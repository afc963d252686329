//! The contacts of desktops: a table of what people keep, bound to that of persons, and one of what the people of a tenant share.
//!
//! As with the other records, two requests at the very same time may each take the last place that is left.

use std::borrow::Cow;

use futures::FutureExt as _;
use infra::{
    Answer, ArchivedPart, ContactAdded, ContactChanged, ContactOwner, ContactRecords, ContactWords, KeptContact,
    PartTaker, Result, SearchTerm, SharedContacts,
};
use model::{TenantId, Timestamp};

use super::super::{Dialect, Row, Statement, Tables, Turn, number, query};

impl<D: Dialect> ContactRecords for Tables<D> {
    fn contacts<'a>(&'a self, tenant: &'a TenantId, owner: &'a ContactOwner) -> Answer<'a, Vec<KeptContact>> {
        async move { all_of(&mut *self.0.reads().await?, tenant, owner).await }.boxed()
    }

    fn shared_contacts<'a>(
        &'a self,
        tenant: &'a TenantId,
        terms: &'a [SearchTerm],
        at_most: usize,
    ) -> Answer<'a, SharedContacts> {
        async move {
            let mut turn = self.0.reads().await?;
            let (fits, patterns) = condition(terms);
            let searched = |sql: String| {
                let statement = Statement { sql: Cow::Owned(sql), fields: Vec::new() }.bind(tenant.as_str());
                patterns.iter().fold(statement, |statement, pattern| statement.bind(pattern))
            };
            let sql = format!("SELECT count(*) AS held FROM shared_contact WHERE tenant = ?{fits}");
            let total = held_in(&turn.rows(searched(sql)).await?)?;
            let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
            let rows = turn.rows(searched(first_of(&fits)).bind(at_most)).await?;
            Ok(SharedContacts { first: rows.iter().map(contact_of).collect::<Result<_>>()?, total })
        }
        .boxed()
    }

    fn contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        id: &'a str,
    ) -> Answer<'a, Option<KeptContact>> {
        async move { find(&mut *self.0.reads().await?, tenant, owner, id).await }.boxed()
    }

    fn add_contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        contact: &'a KeptContact,
    ) -> Answer<'a, ContactAdded> {
        async move {
            let mut turn = self.0.appends().await?;
            if find(&mut *turn, tenant, owner, &contact.id).await?.is_some() {
                return Ok(ContactAdded::Kept);
            }
            if count(&mut *turn, tenant, owner).await? >= owner.most() {
                return Ok(ContactAdded::TooMany);
            }
            put(&mut *turn, tenant, owner, contact).await?;
            turn.commit().await?;
            Ok(ContactAdded::Kept)
        }
        .boxed()
    }

    fn change_contact<'a>(
        &'a self,
        tenant: &'a TenantId,
        owner: &'a ContactOwner,
        expected: Timestamp,
        contact: &'a KeptContact,
    ) -> Answer<'a, ContactChanged> {
        async move {
            let mut turn = self.0.appends().await?;
            if turn.run(change_of(tenant, owner, expected, contact)).await? > 0 {
                turn.commit().await?;
                return Ok(ContactChanged::Kept);
            }
            Ok(match find(&mut *turn, tenant, owner, &contact.id).await? {
                None => ContactChanged::NotThere,
                // Who has had no answer asks once more.
                Some(held) if held == *contact => ContactChanged::Kept,
                Some(_) => ContactChanged::ChangedSince,
            })
        }
        .boxed()
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

/// Gives every contact of a tenant to `take`, those of one owner at a time in memory.
pub(in crate::provisioning) async fn archive(
    db: &mut dyn Turn,
    tenant: &TenantId,
    take: &mut PartTaker<'_>,
) -> Result<()> {
    let sql = "SELECT DISTINCT user_name FROM person_contact WHERE tenant = ? ORDER BY user_name";
    let mut owners = vec![ContactOwner::Tenant];
    for row in db.rows(query(sql).bind(tenant.as_str())).await? {
        owners.push(ContactOwner::Person(row.text("user_name")?));
    }
    for owner in owners {
        for contact in all_of(db, tenant, &owner).await? {
            take(ArchivedPart::Contact(owner.clone(), contact))?;
        }
    }
    Ok(())
}

/// All of an owner, by id.
async fn all_of(db: &mut dyn Turn, tenant: &TenantId, owner: &ContactOwner) -> Result<Vec<KeptContact>> {
    let statement = of_owner(
        owner,
        tenant,
        "SELECT id, changed_ms, document FROM person_contact WHERE tenant = ? AND user_name = ? ORDER BY id",
        "SELECT id, changed_ms, document FROM shared_contact WHERE tenant = ? ORDER BY id",
    );
    db.rows(statement).await?.iter().map(contact_of).collect()
}

async fn find(db: &mut dyn Turn, tenant: &TenantId, owner: &ContactOwner, id: &str) -> Result<Option<KeptContact>> {
    let statement = of_owner(
        owner,
        tenant,
        "SELECT id, changed_ms, document FROM person_contact WHERE tenant = ? AND user_name = ? AND id = ?",
        "SELECT id, changed_ms, document FROM shared_contact WHERE tenant = ? AND id = ?",
    );
    db.rows(statement.bind(id)).await?.first().map(contact_of).transpose()
}

async fn count(db: &mut dyn Turn, tenant: &TenantId, owner: &ContactOwner) -> Result<usize> {
    let statement = of_owner(
        owner,
        tenant,
        "SELECT count(*) AS held FROM person_contact WHERE tenant = ? AND user_name = ?",
        "SELECT count(*) AS held FROM shared_contact WHERE tenant = ?",
    );
    held_in(&db.rows(statement).await?)
}

fn held_in(rows: &[Row]) -> Result<usize> {
    let held = rows.first().map(|row| row.get::<i64>("held")).transpose()?.unwrap_or_default();
    Ok(usize::try_from(held).unwrap_or_default())
}

/// The first shared contacts by name that fit.
fn first_of(fits: &str) -> String {
    format!("SELECT id, changed_ms, document FROM shared_contact WHERE tenant = ?{fits} ORDER BY by_name LIMIT ?")
}

/// That one of the terms fits a shared contact: each of its words is there in one of its spellings. With what is compared.
fn condition(terms: &[SearchTerm]) -> (String, Vec<String>) {
    const IS_THERE: &str = " OR coalesce(searched, lower(document)) LIKE ? ESCAPE '!'";
    if terms.is_empty() {
        return (String::new(), Vec::new());
    }
    let mut fits = String::new();
    for term in terms {
        let words: Vec<_> =
            term.words.iter().map(|spelt| format!(" AND (1 = 0{})", IS_THERE.repeat(spelt.len()))).collect();
        fits.push_str(&format!(" OR (1 = 1{})", words.concat()));
    }
    let escaped = |word: &String| format!("%{}%", word.replace('!', "!!").replace('%', "!%").replace('_', "!_"));
    let patterns = terms.iter().flat_map(|term| term.words.iter().flatten()).map(escaped).collect();
    (format!(" AND (1 = 0{fits})"), patterns)
}

/// Writes a contact, unless the owner has one with its id.
pub(in crate::provisioning) async fn put(
    db: &mut dyn Turn,
    tenant: &TenantId,
    owner: &ContactOwner,
    contact: &KeptContact,
) -> Result<()> {
    let statement = of_owner(
        owner,
        tenant,
        "INSERT INTO person_contact (tenant, user_name, id, changed_ms, document) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (tenant, user_name, id) DO NOTHING",
        "INSERT INTO shared_contact (tenant, id, changed_ms, document, by_name, searched) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, id) DO NOTHING",
    );
    let row = statement.bind(&contact.id).bind(number(contact.at.as_millis())).bind(&contact.document);
    let row = match owner {
        ContactOwner::Person(_) => row,
        ContactOwner::Tenant => with_words(row, contact),
    };
    db.run(row).await.map(drop)
}

fn change_of(tenant: &TenantId, owner: &ContactOwner, expected: Timestamp, contact: &KeptContact) -> Statement {
    let sql = match owner {
        ContactOwner::Person(_) => {
            "UPDATE person_contact SET changed_ms = ?, document = ?
                 WHERE tenant = ? AND user_name = ? AND id = ? AND changed_ms = ?"
        }
        ContactOwner::Tenant => {
            "UPDATE shared_contact SET changed_ms = ?, document = ?, by_name = ?, searched = ?
                 WHERE tenant = ? AND id = ? AND changed_ms = ?"
        }
    };
    let change = query(sql).bind(number(contact.at.as_millis())).bind(&contact.document);
    let change = match owner {
        ContactOwner::Person(user) => change.bind(tenant.as_str()).bind(user),
        ContactOwner::Tenant => with_words(change, contact).bind(tenant.as_str()),
    };
    change.bind(&contact.id).bind(number(expected.as_millis()))
}

/// With by what a contact is sorted and found.
fn with_words(statement: Statement, contact: &KeptContact) -> Statement {
    let ContactWords { by_name, searched } = contact.words();
    statement.bind(by_name).bind(searched)
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

#[cfg(test)]
mod tests {
    use infra::TargetSearch;

    use super::*;
    use crate::sqlite::SqliteProvisioning;

    #[tokio::test]
    async fn a_page_of_shared_contacts_is_read_by_an_index_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let mut turn = store.0.reads().await.unwrap();
        for terms in [Vec::new(), TargetSearch::terms_of("ann").unwrap()] {
            let (fits, patterns) = condition(&terms);
            let sql = Cow::Owned(format!("EXPLAIN QUERY PLAN {}", first_of(&fits)));
            let asked = Statement { sql, fields: Vec::new() }.bind("acme");
            let asked = patterns.iter().fold(asked, |asked, pattern| asked.bind(pattern)).bind(9_i64);
            let rows = turn.rows(asked).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.text("detail").unwrap()).collect();
            assert!(plan.iter().any(|step| step.contains("shared_contact_by_name (tenant=?)")), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }

    #[test]
    fn a_search_compares_each_word_in_each_of_its_spellings() {
        assert_eq!(condition(&[]), (String::new(), Vec::new()));
        let (sql, patterns) = condition(&TargetSearch::terms_of("müller 50%, a_b!").unwrap());
        assert_eq!(patterns, ["%muller%", "%mueller%", "%50!%%", "%a!_b!!%"]);
        assert_eq!(sql.matches('?').count(), patterns.len());
        assert_eq!([sql.matches('(').count(), sql.matches(" OR (1 = 1").count()], [sql.matches(')').count(), 2]);
    }
}
