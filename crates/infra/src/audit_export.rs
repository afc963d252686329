//! Carries what the tables of the audit have got into the reporting log: one exporter at a time, at least once.

use std::time::Duration;

use contracts::json::rfc3339;
use contracts::reporting::{AUDIT, AUDIT_RECORD};
use contracts::sign_in_audit::SignInEvent;
use model::{Owner, Timestamp, Token};
use serde_json::{Value, json};

use crate::{
    AuditBatch, AuditEntry, Audited, AuditedChange, AuditedDocument, AuditedSignIn, LogRecord, Refused, Result,
    SNAPSHOT_KIND, Stores, bounds, kind_told,
};

/// Rows per turn: so few that writing them as JSON keeps no request of the same thread waiting for long. The store gives fewer of those that
/// have long documents.
const BATCH: u32 = 100;
/// The job that one node has at a time, and for how long without renewing it.
const JOB: &str = "export-audit";
const JOB_FOR: Duration = Duration::from_secs(5);
/// Interval of its renewals while the log takes its time.
const RENEW: Duration = Duration::from_secs(1);

/// The result of a turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuditExported {
    /// Another node exports.
    Elsewhere,
    /// This node has the job.
    Here {
        /// Records that were exported.
        records: usize,
        /// Records that the log will never accept; they were skipped.
        refused: Vec<Refused>,
        /// Whether there may be more: nothing is waited for.
        more: bool,
    },
}

/// One node's export.
#[derive(Debug, Default)]
pub struct AuditExporter {
    /// Places of rows that the log has got, and of which the tables do not know that yet.
    appended: Vec<u64>,
    /// The tenant whose changes the log has got last: those behind it are next.
    after: String,
}

impl AuditExporter {
    /// Exports the first rows that wait, if no other node does.
    ///
    /// The job is renewed for as long as the log takes. A node that has lost it stops at once: what it was about to write may still
    /// arrive, and repeats what its successor writes.
    ///
    /// # Errors
    /// Those of the stores. The next turn begins with the same rows, so a record may be exported twice. What the log has got is not
    /// appended again: nothing is, while the tables cannot be told of it.
    pub async fn turn(&mut self, stores: &Stores, by: &Owner) -> Result<AuditExported> {
        self.tell_sent(stores).await?;
        let Some(token) = stores.leases.take_job(JOB, by, JOB_FOR).await? else { return Ok(AuditExported::Elsewhere) };
        let AuditBatch { entries, last } = stores.audit_outbox.waiting(BATCH, &self.after).await?;
        if entries.is_empty() {
            return Ok(AuditExported::Here { records: 0, refused: Vec::new(), more: false });
        }
        let places: Vec<u64> = entries.iter().map(|entry| entry.place).collect();
        let records = entries.into_iter().map(log_record).collect();
        let Some(refused) = append(stores, by, token, records).await? else { return Ok(AuditExported::Elsewhere) };
        let records = places.len().saturating_sub(refused.len());
        self.appended = places;
        self.after = last.unwrap_or_default();
        if let Err(error) = self.tell_sent(stores).await {
            tracing::debug!(%error, "the tables are told later what the reporting log has got");
        }
        Ok(AuditExported::Here { records, refused, more: true })
    }

    async fn tell_sent(&mut self, stores: &Stores) -> Result<()> {
        if !self.appended.is_empty() {
            stores.audit_outbox.sent(&self.appended).await?;
            self.appended.clear();
        }
        Ok(())
    }
}

/// Appends, and keeps the job during that time; none if it was lost.
async fn append(stores: &Stores, by: &Owner, token: Token, records: Vec<LogRecord>) -> Result<Option<Vec<Refused>>> {
    let mut appending = stores.reporting.append(records);
    loop {
        tokio::select! {
            biased;
            done = &mut appending => return done.map(Some),
            () = tokio::time::sleep(RENEW) => match stores.leases.take_job(JOB, by, JOB_FOR).await {
                Ok(Some(renewed)) if renewed == token => {}
                Ok(_) => return Ok(None),
                // If another node takes it over, it repeats what is written here.
                Err(error) => tracing::debug!(%error, "the job of exporting the audit cannot be renewed"),
            },
        }
    }
}

// === records ===

/// A row as a record: a CloudEvent whose key is the tenant, so that all of a tenant is in order.
fn log_record(entry: AuditEntry) -> LogRecord {
    let AuditEntry { tenant, number, at, what, .. } = entry;
    let ms = at.as_millis();
    // The number alone would name a row; the time tells it from one with the same number in a database that was put back.
    let (id, subject, data) = match what {
        Audited::Change(change) => (format!("change:{number}:{ms}"), subject_of(&tenant, &change), of_change(change)),
        Audited::SignIn(sign_in) => {
            let subject = sign_in.subject.clone().unwrap_or_else(|| format!("tenant/{tenant}"));
            (format!("sign-in:{number}:{ms}"), subject, of_sign_in(sign_in))
        }
    };
    let json = cloud_event(&tenant, &id, &subject, at, &data);
    // Characters may have four bytes.
    let is_too_long = json.len() + tenant.len() > bounds::LOG_RECORD_BYTES_MAX;
    let json = if is_too_long { cloud_event(&tenant, &id, &subject, at, &without_documents(data)) } else { json };
    LogRecord { topic: AUDIT, key: tenant, id, json }
}

fn subject_of(tenant: &str, change: &AuditedChange) -> String {
    let id = if change.id.is_empty() { tenant } else { &change.id };
    format!("{}/{id}", kind_told(&change.kind, &change.id))
}

fn cloud_event(tenant: &str, id: &str, subject: &str, at: Timestamp, data: &Value) -> String {
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": format!("/tenants/{tenant}"),
        "type": AUDIT_RECORD,
        "subject": subject,
        "time": rfc3339(at),
        "datacontenttype": "application/json",
        "data": data,
    });
    event.to_string()
}

fn of_change(change: AuditedChange) -> Value {
    let AuditedChange { revision, by, way, origin, request, kind, id, before, after, secrets_changed } = change;
    let kind = kind_told(&kind, &id);
    let action = match (&before, &after, way.as_str()) {
        (_, AuditedDocument::None, _) => "deleted",
        (AuditedDocument::None, _, "snapshot") if kind == SNAPSHOT_KIND => "created",
        (_, _, "snapshot" | "backup") => "restored",
        (AuditedDocument::None, ..) => "created",
        _ => "changed",
    };
    let is_cut = [&before, &after].into_iter().any(|document| *document == AuditedDocument::TooLong);
    json!({
        "Action": action,
        "Actor": by,
        "Client": origin.client,
        "Session": origin.session,
        "Source": origin.source,
        "UserAgent": null,
        "Way": way,
        "Kind": kind,
        "ObjectID": id,
        "Revision": revision,
        "Before": shown(before),
        "After": shown(after),
        "Cut": is_cut,
        "SecretsChanged": secrets_changed,
        "RequestID": request,
        "Times": 1,
    })
}

/// A document as a part of a record.
fn shown(document: AuditedDocument) -> Value {
    match document {
        AuditedDocument::None | AuditedDocument::TooLong => Value::Null,
        AuditedDocument::Json(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

fn without_documents(mut data: Value) -> Value {
    for (name, value) in [("Before", Value::Null), ("After", Value::Null), ("Cut", Value::Bool(true))] {
        data[name] = value;
    }
    data
}

fn of_sign_in(sign_in: AuditedSignIn) -> Value {
    let AuditedSignIn { event, way, subject, by, origin, user_agent, times } = sign_in;
    let (kind, id) = subject.as_deref().and_then(|subject| subject.split_once('/')).unzip();
    let actor = by.or_else(|| subject.clone().filter(|_| is_of_its_subject(&event)));
    json!({
        "Action": event,
        "Actor": actor,
        "Client": origin.client,
        "Session": origin.session,
        "Source": origin.source,
        "UserAgent": Some(user_agent).filter(|agent| !agent.is_empty()),
        "Way": way,
        "Kind": kind,
        "ObjectID": id,
        "Revision": null,
        "Before": null,
        "After": null,
        "Cut": false,
        "SecretsChanged": false,
        "RequestID": null,
        "Times": times,
    })
}

/// Whether whoever it is about has done it. Of what was refused, or has ended without somebody, nobody is said to have done it.
fn is_of_its_subject(event: &str) -> bool {
    let is_own = |event| {
        matches!(
            event,
            SignInEvent::SignedIn
                | SignInEvent::SecondFactorSet
                | SignInEvent::SecondFactorRemoved
                | SignInEvent::PasswordChanged
                | SignInEvent::ClientToken
                | SignInEvent::Revoked
                | SignInEvent::SignedOut
                | SignInEvent::ApiKeyUsed
        )
    };
    SignInEvent::named(event).is_some_and(is_own)
}

#[cfg(test)]
mod tests;
