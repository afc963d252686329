//! People who are deleted or disabled: what they have open ends soon, also what nobody shows meanwhile. So nothing of it goes on once
//! somebody is enabled again, nor for a later person of the same name. A person without a password has nothing else by which this could be
//! told.
//!
//! It follows the history of the tenants (own-08), which knows of changes by whatever way. How far it has come is kept beside the sign-ins:
//! where those are lost, that is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use contracts::provisioning::ObjectKind;
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use identity::login_name;
use infra::{HistoryEntry, HistoryPage, Revision, SignInKey, SignInKind, StoreError};
use model::{TenantId, Timestamp};
use serde::Deserialize;
use tokio::time::Instant;

use super::super::Auth;
use super::super::records::BrowserSession;
use super::{SignInStore, parsed};

/// How often it is looked which tenants have changed.
const LOOKED_EACH: Duration = Duration::from_secs(1);
/// How often it is logged that a store does not answer.
const SAID_EACH: Duration = Duration::from_secs(60);
/// Entries of a history that are read at first, and then.
const FIRST_PAGES: [u32; 2] = [1, 20];
/// Further ones that are read at once.
const ENTRIES_AT_ONCE: u32 = 500;
/// People of one tenant who end in one round: those of the others do not wait for long.
const PEOPLE_AT_ONCE: usize = 200;
/// How long it is kept how far a history was followed: longer than any sign-in that could go on.
const KEPT: Duration = Duration::from_secs(390 * 86_400);
/// Under which name. Those of sign-ins and tokens, which are revoked under theirs, are longer.
const FOLLOWED: &str = "people";

/// How far the history of a tenant was followed by this process.
struct FollowedHistory {
    revision: Revision,
    number: u64,
    /// Whether that number is kept in the store.
    is_noted: bool,
    /// Who has yet to end, each with what was signed in until then: at most those who were there.
    left: Vec<(String, Timestamp)>,
}

/// A person as an entry of the history shows it, as far as this is about it.
#[derive(Deserialize)]
struct NotedPerson {
    user_name: String,
    #[serde(default)]
    disabled: bool,
}

impl NotedPerson {
    fn read(document: &str) -> Option<Self> {
        serde_json::from_str(document).ok()
    }
}

/// Who may not go on by changes.
#[derive(Default)]
struct EndedPeople {
    by_changes: Vec<(String, Revision, Timestamp)>,
    /// Who was put, by revision and folded name: how each is spelled.
    put: HashMap<(u64, String), String>,
}

impl EndedPeople {
    /// Takes a change; later ones come first.
    fn take(&mut self, entry: &HistoryEntry) {
        if let Some(user) = ended(entry) {
            self.by_changes.push((user, entry.revision, entry.note.at));
        } else if let Some(put) = entry.after.as_deref().and_then(NotedPerson::read).filter(|put| !put.disabled) {
            self.put.insert((entry.revision.0, login_name::folded(&put.user_name)), put.user_name);
        }
    }

    /// Those who have to end, each with the latest time. A person whose name an import spells with other capitals is put and deleted at one
    /// revision, and goes on.
    fn all(self) -> HashMap<String, Timestamp> {
        let mut all = HashMap::new();
        for (user, revision, at) in self.by_changes {
            let spelled = self.put.get(&(revision.0, login_name::folded(&user)));
            if spelled.is_none_or(|spelled| *spelled == user) {
                all.entry(user).or_insert(at);
            }
        }
        all
    }
}

/// Who may not go on after a change: a person who is gone, or is disabled and was not before.
fn ended(entry: &HistoryEntry) -> Option<String> {
    let before = NotedPerson::read(entry.before.as_deref()?)?;
    let after = entry.after.as_deref().and_then(NotedPerson::read);
    after.is_none_or(|after| after.disabled && !before.disabled).then_some(before.user_name)
}

/// Ends what people have open who are deleted or disabled, until the role ends.
pub(in crate::auth) async fn run(auth: Arc<Auth>) -> Result<()> {
    let mut followed: HashMap<TenantId, FollowedHistory> = HashMap::new();
    let mut said_at: Option<Instant> = None;
    loop {
        if let Err(error) = look(&auth, &mut followed).await
            && said_at.is_none_or(|at| at.elapsed() >= SAID_EACH)
        {
            said_at = Some(Instant::now());
            tracing::warn!(%error, "it cannot be seen now who was deleted or disabled: what such people have open ends later");
        }
        let left: usize = followed.values().map(|history| history.left.len()).sum();
        auth.metrics.people_to_end.set(i64::try_from(left).unwrap_or(i64::MAX));
        tokio::select! {
            () = auth.ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(LOOKED_EACH) => {}
        }
    }
}

/// Looks at the tenants that have changed. Whichever cannot be looked at now is looked at again, and keeps none of the others waiting.
async fn look(auth: &Auth, followed: &mut HashMap<TenantId, FollowedHistory>) -> Result<(), StoreError> {
    let tenants = auth.ctx.stores.provisioning.tenants().await?;
    let there: HashSet<&TenantId> = tenants.iter().map(|(tenant, _)| tenant).collect();
    followed.retain(|tenant, _| there.contains(tenant));
    let mut looked = Ok(());
    for (tenant, revision) in &tenants {
        if let Err(error) = follow(auth, tenant, *revision, followed).await {
            looked = Err(error);
        }
    }
    looked
}

/// Ends what has to end by a tenant's changes since it was looked at last; without a beginning, as of a tenant that is new here, there are
/// none. Where many have to end, some do so now, and the others the next time.
async fn follow(
    auth: &Auth,
    tenant: &TenantId,
    revision: Revision,
    followed: &mut HashMap<TenantId, FollowedHistory>,
) -> Result<(), StoreError> {
    // What is signed in while the database is asked is signed in before the change, too.
    let now = auth.now();
    let known = followed.get(tenant).map(|known| (known.revision, known.number));
    if known.is_none_or(|(read, _)| read != revision) {
        let since = match known {
            Some((_, number)) => Some(number),
            None => auth.store.followed_people(tenant).await?,
        };
        let (number, changed) = changed_since(auth, tenant, since).await?;
        // As of tenants that have ended: by the clock that sign-ins have too, whatever that of the change says; of what has come while this
        // process was not there, that is believed.
        let until = |at: Timestamp| if known.is_some() { now } else { at.min(now) };
        let none = FollowedHistory { revision, number, is_noted: false, left: Vec::new() };
        let history = followed.entry(tenant.clone()).or_insert(none);
        history.is_noted &= since == Some(number);
        history.left.extend(changed.all().into_iter().map(|(user, at)| (user, until(at))));
        (history.revision, history.number) = (revision, number);
    }
    let Some(history) = followed.get_mut(tenant) else { return Ok(()) };
    for _ in 0..PEOPLE_AT_ONCE {
        let Some((user, until)) = history.left.last() else { break };
        end_person(auth, tenant, user, *until).await?;
        history.left.pop();
    }
    // Only when all have ended: a process that is ended before begins them anew.
    if history.left.is_empty() && !history.is_noted {
        auth.store.note_followed_people(tenant, history.number, now).await?;
        history.is_noted = true;
    }
    Ok(())
}

/// The number of the latest entry about people, and who may not go on by those since that number.
async fn changed_since(auth: &Auth, tenant: &TenantId, since: Option<u64>) -> Result<(u64, EndedPeople), StoreError> {
    let mut page = HistoryPage { kind: Some(ObjectKind::Person), id: None, below: None, limit: 0 };
    let (mut latest, mut changed) = (None, EndedPeople::default());
    // Most changes are of something else, or of few people.
    for limit in FIRST_PAGES.into_iter().chain(std::iter::repeat(ENTRIES_AT_ONCE)) {
        page.limit = limit;
        let entries = auth.ctx.stores.provisioning.history(tenant, &page).await?;
        latest = latest.or_else(|| entries.first().map(|entry| entry.number));
        let Some(since) = since else { break };
        for entry in entries.iter().take_while(|entry| entry.number > since) {
            changed.take(entry);
        }
        match entries.last() {
            Some(last) if last.number > since && entries.len() == limit as usize => page.below = Some(last.number),
            _ => break,
        }
    }
    Ok((latest.unwrap_or_default(), changed))
}

async fn end_person(auth: &Auth, tenant: &TenantId, user: &str, until: Timestamp) -> Result<(), StoreError> {
    // Before: who signs in by what was remembered would begin what is not ended here.
    auth.people.forget(tenant, user);
    let open = auth.store.open_of(tenant, user).await?;
    let record = || SignInRecord::of(SignInEvent::SessionEnded).about_person(user);
    let sessions = open.sessions.iter().filter(|session| session.begun_at <= until);
    let families = open.families.iter().filter(|family| family.begun_at() <= until);
    let noted: Vec<SignInRecord> = sessions
        .map(|session| record().in_session(&session.id))
        .chain(families.map(|family| record().at_client(&family.client).in_session(&family.sign_in)))
        .collect();
    if noted.is_empty() {
        return Ok(());
    }
    auth.store.end_until(tenant, user, until, auth.now()).await?;
    tracing::info!(%tenant, user, sign_ins = noted.len(), "somebody was deleted or disabled: what was open has ended");
    for record in noted {
        auth.note_of_tenant(tenant, record);
    }
    Ok(())
}

impl SignInStore {
    /// Ends what a person has open that was signed in until then.
    async fn end_until(
        &self,
        tenant: &TenantId,
        user: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.end_where(tenant, user, now, |family| family.begun_at() <= until).await?;
        for (key, value) in self.owned(tenant, user).await? {
            let session = (key.kind == SignInKind::Session).then(|| parsed::<BrowserSession>(&value)).flatten();
            if session.is_some_and(|session| session.begun_at <= until) {
                self.records.remove(tenant, &key).await?;
            }
        }
        Ok(())
    }

    /// How far the history of a tenant's people was followed, by whichever process; none if that is not known.
    async fn followed_people(&self, tenant: &TenantId) -> Result<Option<u64>, StoreError> {
        let value = self.records.read(tenant, &SignInKey::new(SignInKind::Revoked, FOLLOWED)).await?;
        Ok(value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok()))
    }

    async fn note_followed_people(&self, tenant: &TenantId, number: u64, now: Timestamp) -> Result<(), StoreError> {
        let key = SignInKey::new(SignInKind::Revoked, FOLLOWED);
        self.records.put(tenant, &key, None, Bytes::from(number.to_string()), now + KEPT).await
    }
}

#[cfg(test)]
mod tests {
    use identity::secret::Digest;
    use infra::conformance::SetClock;
    use infra::{ChangeNote, ChangeOrigin, ChangeWay, Clock as _};

    use super::*;

    fn entry(revision: u64, before: Option<&str>, after: Option<&str>) -> HistoryEntry {
        let note = ChangeNote {
            by: "user/root".to_owned(),
            way: ChangeWay::Import,
            origin: ChangeOrigin::default(),
            at: Timestamp::from_millis(1),
            request: None,
        };
        let key = contracts::provisioning::ObjectKey { kind: ObjectKind::Person, id: "ANN".to_owned() };
        let [before, after] = [before, after].map(|document| document.map(str::to_owned));
        HistoryEntry { number: 1, revision: Revision(revision), note, key, before, after, secrets_changed: false }
    }

    fn ended_by(before: Option<&str>, after: Option<&str>) -> Option<String> {
        ended(&entry(1, before, after))
    }

    #[test]
    fn who_is_gone_or_newly_disabled_may_not_go_on_and_nobody_else() {
        let enabled = r#"{"user_name":"Ann","first_name":"Ann","disabled":false}"#;
        let (short, disabled) = (r#"{"user_name":"Ann"}"#, r#"{"user_name":"Ann","disabled":true}"#);
        for (before, after) in [(enabled, None), (enabled, Some(disabled)), (short, Some(disabled)), (disabled, None)] {
            assert_eq!(ended_by(Some(before), after).as_deref(), Some("Ann"), "{before} {after:?}");
        }
        for (before, after) in [(None, enabled), (None, disabled), (Some(short), enabled), (Some(disabled), enabled)] {
            assert_eq!(ended_by(before, Some(after)), None, "{before:?} {after}");
        }
    }

    #[test]
    fn who_is_spelled_with_other_capitals_goes_on() {
        let (ann, other) = (r#"{"user_name":"ann"}"#, r#"{"user_name":"Ann"}"#);
        let disabled = r#"{"user_name":"Ann","disabled":true}"#;
        let [put, gone] = [entry(7, None, Some(other)), entry(7, Some(ann), None)];
        for (changes, is_ended) in [
            (vec![gone.clone(), put.clone()], false),
            (vec![put, gone.clone()], false),
            // Spelled anew and disabled at once.
            (vec![gone.clone(), entry(7, None, Some(disabled))], true),
            // Another person, who is made later, or in the place of the first one.
            (vec![entry(8, None, Some(other)), gone.clone()], true),
            (vec![entry(7, None, Some(ann)), gone.clone()], true),
            // Gone later.
            (vec![entry(8, Some(ann), None), entry(7, None, Some(other))], true),
            (vec![gone], true),
        ] {
            let mut people = EndedPeople::default();
            for change in &changes {
                people.take(change);
            }
            let ended: Vec<String> = people.all().into_keys().collect();
            assert_eq!(ended, if is_ended { vec!["ann"] } else { Vec::new() }, "{changes:?}");
        }
    }

    #[tokio::test]
    async fn what_was_signed_in_until_then_ends_and_nothing_later() {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = SignInStore::in_memory(clock.clone());
        let (acme, start) = (TenantId::parse("acme").unwrap(), clock.now());
        for (id, later) in [("first", 0), ("second", 10)] {
            let at = start + Duration::from_secs(later);
            let session = BrowserSession {
                id: id.to_owned(),
                user: "ann".to_owned(),
                credential: Digest::of(""),
                // The provider knows them since long before.
                authenticated_at: start - Duration::from_secs(3_600),
                begun_at: at,
                by_two_factors: false,
                provider: Some("Acme ID".to_owned()),
                by_passkey: false,
                until: at + Duration::from_secs(3_600),
            };
            store.begin_session(&acme, Digest::of(id), &session, start).await.unwrap();
        }
        store.end_until(&acme, "ann", start, start).await.unwrap();
        let left = store.open_of(&acme, "ann").await.unwrap().sessions;
        assert_eq!(left.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), ["second"]);
    }

    #[tokio::test]
    async fn another_process_goes_on_where_the_one_before_has_come_to() {
        let start = Timestamp::from_millis(1_700_000_000_000);
        let (store, acme) = (SignInStore::in_memory(SetClock::at(start)), TenantId::parse("acme").unwrap());
        assert_eq!(store.followed_people(&acme).await.unwrap(), None);
        for number in [7, 12] {
            store.note_followed_people(&acme, number, start).await.unwrap();
            assert_eq!(store.followed_people(&acme).await.unwrap(), Some(number));
        }
    }
}
