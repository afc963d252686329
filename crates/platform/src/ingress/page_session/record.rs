//! A session of our pages, as it is kept: sealed, since it has tokens.

use std::time::Duration;

use bytes::Bytes;
use contracts::provisioning::Privilege;
use contracts::v1;
use model::Timestamp;
use prost::Message as _;
use runtime::installation_key::InstallationKey;
use runtime::sealed;

/// The end of a session is moved after such a part of the time for which it may lie unused.
const MOVED_EACH: u32 = 10;
/// The form of the record that is written.
const VERSION: u32 = 1;

/// What a request says of whoever is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionUse {
    /// The person has done something.
    ByPerson,
    /// The page asks by itself, for as long as it is open.
    ByOpenPage,
}

/// Somebody who is signed in at our pages, in one browser.
#[derive(Clone)]
pub(super) struct PageSession {
    /// The subject of the tokens.
    pub user: String,
    /// What people call the person.
    pub name: String,
    /// The person's privileges.
    pub privileges: Vec<String>,
    /// What the access token opens, blanks between.
    pub scope: String,
    /// The access token.
    pub access_token: String,
    /// Its end.
    pub access_until: Timestamp,
    /// What gives the next one.
    pub refresh_token: String,
    /// The end of the session, however often it is used.
    pub ends_at: Timestamp,
    /// The end if it is not used any more, as of the last time that it was moved.
    pub until: Timestamp,
}

impl PageSession {
    /// The same with that end if it is not used any more, and no later than the end of all.
    #[must_use]
    pub fn lasting_until(self, until: Timestamp) -> Self {
        Self { until: until.min(self.ends_at), ..self }
    }

    /// Whether it ends though a page stays open: the person may see dashboards, and not by a privilege that keeps the session.
    fn ends_while_staying(&self) -> bool {
        let has = |privilege: Privilege| self.privileges.iter().any(|own| own == privilege.as_str());
        has(Privilege::ViewDashboardRestricted) && !has(Privilege::ViewDashboard)
    }

    /// When it ends after such a use. `life` is for how long it may be unused.
    pub fn end_after(&self, used: SessionUse, now: Timestamp, life: Duration) -> Timestamp {
        match used {
            SessionUse::ByOpenPage if self.ends_while_staying() => self.until,
            SessionUse::ByOpenPage | SessionUse::ByPerson => (now + life).min(self.ends_at),
        }
    }

    /// Whether such a use moves its end far enough to be written: by more than a tenth of `life`, so that not every request is a write.
    pub fn is_to_be_moved(&self, used: SessionUse, now: Timestamp, life: Duration) -> bool {
        self.end_after(used, now, life).since(self.until) > life / MOVED_EACH
    }

    /// Sealed for the record of that name; `None` if the machine gives no randomness.
    pub fn seal(&self, key: &InstallationKey, name: &str) -> Option<Bytes> {
        let record = v1::PageSessionRecord {
            version: VERSION,
            user: self.user.clone(),
            name: self.name.clone(),
            privileges: self.privileges.clone(),
            scope: self.scope.clone(),
            access_token: self.access_token.clone(),
            access_until_us: self.access_until.as_micros(),
            refresh_token: self.refresh_token.clone(),
            ends_at_us: self.ends_at.as_micros(),
            until_us: self.until.as_micros(),
        };
        sealed::seal(key, &bound_to(name), record.encode_to_vec()).map(Bytes::from)
    }

    /// What was sealed; `None` for what cannot be read: it signs nobody in.
    pub fn open(key: &InstallationKey, name: &str, sealed: &[u8]) -> Option<Self> {
        let plain = sealed::open(key, &bound_to(name), sealed)?;
        let record = v1::PageSessionRecord::decode(plain.as_slice()).ok()?;
        (record.version == VERSION).then_some(Self {
            user: record.user,
            name: record.name,
            privileges: record.privileges,
            scope: record.scope,
            access_token: record.access_token,
            access_until: Timestamp::from_micros(record.access_until_us),
            refresh_token: record.refresh_token,
            ends_at: Timestamp::from_micros(record.ends_at_us),
            until: Timestamp::from_micros(record.until_us),
        })
    }
}

#[cfg(test)]
impl PageSession {
    /// Ann's, until then.
    pub fn of_test(ends_at: Timestamp) -> Self {
        Self {
            user: "person/ann".to_owned(),
            name: "Ann Adams".to_owned(),
            privileges: vec!["administrator".to_owned()],
            scope: "openid config:read".to_owned(),
            access_token: "access".to_owned(),
            access_until: Timestamp::from_micros(1),
            refresh_token: "refresh".to_owned(),
            ends_at,
            until: ends_at,
        }
    }
}

/// One record's value is of no use as another's.
fn bound_to(name: &str) -> Vec<u8> {
    format!("page session {name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_opened_under_its_own_name_alone() {
        let key = InstallationKey::from_bytes([7; 32]);
        let session = PageSession::of_test(Timestamp::from_micros(2));
        let sealed = session.seal(&key, "one").unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"refresh"), "it is not there in clear");
        let opened = PageSession::open(&key, "one", &sealed).unwrap();
        assert_eq!(
            (opened.refresh_token.as_str(), opened.ends_at, opened.until),
            ("refresh", session.ends_at, session.until)
        );
        assert!(PageSession::open(&key, "other", &sealed).is_none());
        assert!(PageSession::open(&InstallationKey::from_bytes([8; 32]), "one", &sealed).is_none());
    }

    #[test]
    fn whoever_is_at_work_stays_signed_in_and_writes_seldom() {
        let (life, day) = (Duration::from_secs(300), Duration::from_secs(86_400));
        let begun = Timestamp::from_millis(1_700_000_000_000);
        let mut session = PageSession::of_test(begun + day).lasting_until(begun + life);
        let mut moves = 0;
        for second in 1..3_600 {
            let now = begun + Duration::from_secs(second);
            assert!(now < session.until, "it ends after {second} s, while it is used");
            if session.is_to_be_moved(SessionUse::ByOpenPage, now, life) {
                session = session.lasting_until(now + life);
                moves += 1;
            }
        }
        assert!((100..=120).contains(&moves), "{moves} writes in an hour");
        // Its last end stays where it is.
        let near = begun + day - Duration::from_secs(10);
        let session = session.lasting_until(near + life);
        assert_eq!(session.until, session.ends_at);
        assert!(!session.is_to_be_moved(SessionUse::ByPerson, near + Duration::from_secs(9), life));
        let of_before = PageSession { until: Timestamp::ZERO, ..session };
        assert!(
            of_before.is_to_be_moved(SessionUse::ByPerson, begun, life),
            "a record of an earlier build has no such end"
        );
    }

    #[test]
    fn an_open_page_keeps_nobody_signed_in_who_sees_dashboards_by_the_restricted_privilege_alone() {
        let (life, day) = (Duration::from_secs(300), Duration::from_secs(86_400));
        let begun = Timestamp::from_millis(1_700_000_000_000);
        let later = begun + Duration::from_secs(200);
        let of = |privileges: &[&str]| PageSession {
            privileges: privileges.iter().map(|one| (*one).to_owned()).collect(),
            ..PageSession::of_test(begun + day).lasting_until(begun + life)
        };
        let restricted = of(&["agent", "view_dashboard_restricted"]);
        assert!(!restricted.is_to_be_moved(SessionUse::ByOpenPage, later, life));
        assert_eq!(restricted.end_after(SessionUse::ByOpenPage, later, life), begun + life);
        assert!(restricted.is_to_be_moved(SessionUse::ByPerson, later, life), "who comes back to the page goes on");
        for others in [&["view_dashboard"][..], &["view_dashboard_restricted", "view_dashboard"], &["agent"], &[]] {
            assert!(of(others).is_to_be_moved(SessionUse::ByOpenPage, later, life), "{others:?}");
        }
    }
}
