//! What auth has noted of signing in, as callers ask for it and read it.

use contracts::provisioning::{ObjectKey, ObjectKind};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use contracts::v1;
use infra::{AuditPage, AuditPart, SignInPlace};
use model::{TenantId, Timestamp};
use tonic::Status;

use super::persons::PAGES_READ_MAX;
use super::refusals::unread;
use super::{ID_BYTES_MAX, ObjectServer};
use crate::objects::{CallerRights, IndexedTenant, PAGE_MAX};

/// What the subjects of people begin with.
const PERSON: &str = "person/";

impl ObjectServer {
    /// A page of what is noted, without what is about people whom who asks does not see.
    pub(super) async fn sign_ins_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        asked: AuditPage,
    ) -> Result<AuditPart, Status> {
        let read = |page: AuditPage| async move { self.sign_in_audit.noted(tenant, &page).await.map_err(unread) };
        let Some(user) = person else { return read(asked).await };
        let most = usize::try_from(asked.limit).unwrap_or(PAGE_MAX);
        let (mut page, mut seen) = (asked, AuditPart::default());
        for _ in 0..PAGES_READ_MAX {
            page.limit = u32::try_from(most.saturating_sub(seen.records.len())).unwrap_or(u32::MAX);
            let part = read(page.clone()).await?;
            let records = part.records;
            let sees = move |held: &IndexedTenant, rights: &CallerRights| -> Vec<(SignInPlace, SignInRecord)> {
                records.into_iter().filter(|(_, record)| !is_of_hidden(held, rights, record)).collect()
            };
            seen.records.extend(self.look_as(tenant, user.clone(), sees).await?);
            seen.last = part.last;
            if part.last.is_none() || seen.records.len() >= most {
                break;
            }
            page.behind = part.last;
        }
        Ok(seen)
    }
}

/// Whether a record is about somebody whom a person does not see. Who is gone, or was never there, is hidden by no folder.
fn is_of_hidden(held: &IndexedTenant, rights: &CallerRights, record: &SignInRecord) -> bool {
    let user = record.subject.as_deref().and_then(|subject| subject.strip_prefix(PERSON));
    let key = user.map(|user| ObjectKey { kind: ObjectKind::Person, id: user.to_owned() });
    key.and_then(|key| held.found(&key)).is_some_and(|found| !rights.may_see(found))
}

/// The page that a request asks for.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn page(asked: v1::SignInAuditRequest) -> Result<AuditPage, Status> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let person = given(asked.person);
    if person.as_ref().is_some_and(|person| person.len() > ID_BYTES_MAX) {
        return Err(Status::invalid_argument(format!("person: it has more than {ID_BYTES_MAX} bytes")));
    }
    let event = given(asked.event).map(|name| {
        let names = || SignInEvent::ALL.map(SignInEvent::as_str).join(", ");
        SignInEvent::named(&name).ok_or_else(|| Status::invalid_argument(format!("event: it is none of {}", names())))
    });
    let behind = given(asked.page_token).map(|token| token.parse::<SignInPlace>());
    let page_max = u32::try_from(PAGE_MAX).unwrap_or(u32::MAX);
    Ok(AuditPage {
        subject: person.as_deref().map(about_person),
        event: event.transpose()?,
        since: Some(Timestamp::from_millis(asked.since_ms)),
        until: Some(asked.until_ms).filter(|ms| *ms > 0).map(Timestamp::from_millis),
        behind: behind.transpose().map_err(|_| Status::invalid_argument("page_token: it is none of ours"))?,
        limit: if asked.page_size == 0 { page_max } else { asked.page_size.min(page_max) },
    })
}

/// The subject of what is about a person.
pub(super) fn about_person(user_name: &str) -> String {
    format!("{PERSON}{user_name}")
}

/// The person that a page is about; none if it is about everybody.
pub(super) fn asked_person(page: &AuditPage) -> Option<ObjectKey> {
    let id = page.subject.as_deref()?.strip_prefix(PERSON)?;
    Some(ObjectKey { kind: ObjectKind::Person, id: id.to_owned() })
}

/// The person that a page is about whose stored spelling has to be known: an embedded store compares letters beyond ASCII as they are.
pub(super) fn to_be_spelled(page: &AuditPage) -> Option<ObjectKey> {
    let id = page.subject.as_deref()?.strip_prefix(PERSON).filter(|name| !name.is_ascii())?;
    Some(ObjectKey { kind: ObjectKind::Person, id: id.to_owned() })
}

/// The answer with a page.
pub(super) fn answer(part: AuditPart) -> v1::SignInAuditResponse {
    v1::SignInAuditResponse {
        entries: part.records.into_iter().map(|(_, record)| entry(record)).collect(),
        next_page_token: part.last.map(|last| last.to_string()).unwrap_or_default(),
    }
}

fn entry(record: SignInRecord) -> v1::SignInAuditEntry {
    v1::SignInAuditEntry {
        at_ms: record.at.as_millis(),
        event: record.event.as_str().to_owned(),
        way: record.way.map_or("", SignInWay::as_str).to_owned(),
        subject: record.subject.unwrap_or_default(),
        by: record.by.unwrap_or_default(),
        client: record.client.unwrap_or_default(),
        session: record.session.unwrap_or_default(),
        source: record.source,
        user_agent: record.user_agent,
        times: record.times,
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_hiding_tenant::hiding_tenant;
    use super::*;

    #[test]
    fn who_sees_the_others_is_told_nothing_of_somebody_whom_a_folder_hides() {
        let held = hiding_tenant();
        let told = |user: &str, subject: Option<&str>| {
            let record =
                SignInRecord { subject: subject.map(str::to_owned), ..SignInRecord::of(SignInEvent::SignedIn) };
            !is_of_hidden(&held, &CallerRights::of(&held, user), &record)
        };
        for user in ["dora", "rita"] {
            assert!(!told(user, Some("person/lea")) && !told(user, Some("person/LEA")), "{user}");
            for subject in [Some("person/root"), Some("person/gone"), Some("client/lea"), None] {
                assert!(told(user, subject), "{user}: {subject:?}");
            }
        }
        assert!(told("root", Some("person/lea")));
    }

    #[test]
    fn a_page_is_of_a_bounded_size_and_of_what_is_asked_for() {
        let asked = v1::SignInAuditRequest {
            person: "ann".to_owned(),
            event: "refused".to_owned(),
            since_ms: 5,
            page_token: "7.1".to_owned(),
            page_size: 10_000,
            ..v1::SignInAuditRequest::default()
        };
        let read = page(asked).unwrap();
        let expected = AuditPage {
            subject: Some("person/ann".to_owned()),
            event: Some(SignInEvent::Refused),
            since: Some(Timestamp::from_millis(5)),
            until: None,
            behind: Some(SignInPlace { at_ms: 7, number: 1 }),
            limit: 500,
        };
        assert_eq!(read, expected);
        assert_eq!(page(v1::SignInAuditRequest::default()).unwrap().limit, 500);
    }

    #[test]
    fn names_beyond_ascii_are_spelled_as_they_are_stored() {
        let spelled = |person: &str| {
            let asked = v1::SignInAuditRequest { person: person.to_owned(), ..v1::SignInAuditRequest::default() };
            to_be_spelled(&page(asked).unwrap()).map(|key| key.id)
        };
        assert_eq!(spelled("J\u{d6}RG").as_deref(), Some("J\u{d6}RG"));
        assert_eq!((spelled("ann"), spelled("")), (None, None));
    }

    #[test]
    fn what_is_wrong_with_a_request_is_named() {
        let bare = v1::SignInAuditRequest::default;
        for (asked, field) in [
            (v1::SignInAuditRequest { person: "x".repeat(ID_BYTES_MAX + 1), ..bare() }, "person: "),
            (v1::SignInAuditRequest { event: "telepathy".to_owned(), ..bare() }, "event: "),
            (v1::SignInAuditRequest { page_token: "x".to_owned(), ..bare() }, "page_token: "),
        ] {
            let refused = page(asked).unwrap_err();
            assert!(refused.message().starts_with(field), "{refused}");
        }
    }
}
