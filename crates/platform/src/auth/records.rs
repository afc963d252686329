//! The records of auth: what is kept in the store, and how it is read again.

use std::time::Duration;

use contracts::v1;
use identity::grant::code::Code;
use identity::grant::device::{Allowance, DeviceDecision, DeviceGrant};
use identity::grant::refresh::{Family, Superseded};
use identity::lockout::{Attempts, SourceAttempts};
use identity::pkce::Challenge;
use identity::secret::Digest;
use model::Timestamp;

/// The form of the records that are written.
const VERSION: u32 = 1;

/// Somebody who is signed in, in one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrowserSession {
    /// Names it to others than the browser.
    pub id: String,
    /// The person's user name.
    pub user: String,
    /// The digest of the hash of the person's password then: with another one, it ends.
    pub credential: Digest,
    /// When the password was shown, or as the provider says it.
    pub authenticated_at: Timestamp,
    /// When it began here: at a provider the person may have signed in long before.
    pub begun_at: Timestamp,
    /// Whether a second factor was shown too.
    pub by_two_factors: bool,
    /// What the provider is called that has said who it is; none if the password or a passkey was shown.
    pub provider: Option<String>,
    /// Whether a passkey was shown, alone or as the second factor.
    pub by_passkey: bool,
    /// When it ends.
    pub until: Timestamp,
}

impl BrowserSession {
    /// Whether something else than a password, with or without a code, has said who it is.
    pub const fn is_by_provider_or_passkey(&self) -> bool {
        self.provider.is_some() || self.by_passkey
    }
}

/// What a spent code gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    /// The person's user name.
    pub user: String,
    /// The sign-in.
    pub sign_in: String,
}

/// A code that a device shows for people to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserCode {
    /// The digest of the device's own code.
    pub device: Digest,
}

/// What is kept as one message.
pub(super) trait StoredRecord: Sized {
    /// The message.
    type Message: prost::Message + Default;

    /// As a message.
    fn to_message(&self) -> Self::Message;

    /// From a message; `None` if it lacks something, or is of a form that is not known yet.
    fn from_message(message: Self::Message) -> Option<Self>;
}

const fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl StoredRecord for BrowserSession {
    type Message = v1::SignInSessionRecord;

    fn to_message(&self) -> Self::Message {
        v1::SignInSessionRecord {
            version: VERSION,
            id: self.id.clone(),
            user: self.user.clone(),
            authenticated_at_us: self.authenticated_at.as_micros(),
            until_us: self.until.as_micros(),
            credential: self.credential.as_bytes().to_vec().into(),
            second_factor: self.by_two_factors,
            provider: self.provider.clone(),
            passkey: self.by_passkey,
            begun_at_us: self.begun_at.as_micros(),
        }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        let credential = Digest::from_bytes(&message.credential)?;
        // Records of before do not say when they began.
        let begun_at = if message.begun_at_us == 0 { message.authenticated_at_us } else { message.begun_at_us };
        (message.version == VERSION).then_some(Self {
            id: message.id,
            user: message.user,
            credential,
            authenticated_at: at(message.authenticated_at_us),
            begun_at: at(begun_at),
            by_two_factors: message.second_factor,
            provider: message.provider,
            by_passkey: message.passkey,
            until: at(message.until_us),
        })
    }
}

impl StoredRecord for Spent {
    type Message = v1::SignInSpentRecord;

    fn to_message(&self) -> Self::Message {
        v1::SignInSpentRecord { version: VERSION, user: self.user.clone(), sign_in: self.sign_in.clone() }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        (message.version == VERSION).then_some(Self { user: message.user, sign_in: message.sign_in })
    }
}

impl StoredRecord for Code {
    type Message = v1::SignInCodeRecord;

    fn to_message(&self) -> Self::Message {
        v1::SignInCodeRecord {
            version: VERSION,
            client: self.client.clone(),
            redirect_uri: self.redirect_uri.clone(),
            names_redirect_uri: self.names_redirect_uri,
            challenge: self
                .challenge
                .as_ref()
                .map(|challenge| challenge.as_bytes().to_vec().into())
                .unwrap_or_default(),
            user: self.user.clone(),
            scope: self.scope.clone(),
            nonce: self.nonce.clone(),
            authenticated_at_us: self.authenticated_at.as_micros(),
            session: self.session.clone(),
            sign_in: self.sign_in.clone(),
            until_us: self.until.as_micros(),
            credential: self.credential.as_bytes().to_vec().into(),
            second_factor: self.by_two_factors,
            by_provider: self.by_provider_or_passkey,
        }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        let challenge = match message.challenge.as_ref() {
            [] => None,
            // One that cannot be read must not count as none.
            bytes => Some(Challenge::from_bytes(bytes)?),
        };
        let credential = Digest::from_bytes(&message.credential)?;
        (message.version == VERSION).then_some(Self {
            client: message.client,
            redirect_uri: message.redirect_uri,
            names_redirect_uri: message.names_redirect_uri,
            challenge,
            user: message.user,
            credential,
            scope: message.scope,
            nonce: message.nonce,
            authenticated_at: at(message.authenticated_at_us),
            by_two_factors: message.second_factor,
            by_provider_or_passkey: message.by_provider,
            session: message.session,
            sign_in: message.sign_in,
            until: at(message.until_us),
        })
    }
}

impl StoredRecord for Family {
    type Message = v1::SignInFamilyRecord;

    fn to_message(&self) -> Self::Message {
        let superseded = self.superseded.iter().map(|old| v1::SignInSupersededRecord {
            digest: old.digest.as_bytes().to_vec().into(),
            at_us: old.at.as_micros(),
        });
        v1::SignInFamilyRecord {
            version: VERSION,
            client: self.client.clone(),
            user: self.user.clone(),
            scope: self.scope.clone(),
            sign_in: self.sign_in.clone(),
            session: self.session.clone(),
            authenticated_at_us: self.authenticated_at.as_micros(),
            ends_at_us: self.ends_at.as_micros(),
            current: self.current.as_bytes().to_vec().into(),
            until_us: self.until.as_micros(),
            superseded: superseded.collect(),
            credential: self.credential.as_bytes().to_vec().into(),
            second_factor: self.by_two_factors,
            by_provider: self.by_provider_or_passkey,
            audience: self.audience.clone(),
        }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        let superseded = message
            .superseded
            .into_iter()
            .map(|old| Some(Superseded { digest: Digest::from_bytes(&old.digest)?, at: at(old.at_us) }));
        let (superseded, current) = (superseded.collect::<Option<Vec<_>>>()?, Digest::from_bytes(&message.current)?);
        let credential = Digest::from_bytes(&message.credential)?;
        (message.version == VERSION).then_some(Self {
            client: message.client,
            user: message.user,
            credential,
            scope: message.scope,
            sign_in: message.sign_in,
            session: message.session,
            authenticated_at: at(message.authenticated_at_us),
            by_two_factors: message.second_factor,
            by_provider_or_passkey: message.by_provider,
            audience: message.audience,
            ends_at: at(message.ends_at_us),
            current,
            until: at(message.until_us),
            superseded,
        })
    }
}

impl StoredRecord for DeviceGrant {
    type Message = v1::SignInDeviceRecord;

    fn to_message(&self) -> Self::Message {
        let allowance = match &self.decision {
            DeviceDecision::Allowed(allowance) => Some(v1::SignInAllowanceRecord {
                user: allowance.user.clone(),
                credential: allowance.credential.as_bytes().to_vec().into(),
                scope: allowance.scope.clone(),
                authenticated_at_us: allowance.authenticated_at.as_micros(),
                sign_in: allowance.sign_in.clone(),
                second_factor: allowance.by_two_factors,
                by_provider: allowance.by_provider_or_passkey,
                session: allowance.session.clone().unwrap_or_default(),
            }),
            DeviceDecision::Pending | DeviceDecision::Denied => None,
        };
        v1::SignInDeviceRecord {
            version: VERSION,
            client: self.client.clone(),
            scope: self.scope.clone(),
            interval_us: u64::try_from(self.interval.as_micros()).unwrap_or(u64::MAX),
            asked_at_us: self.asked_at.map(Timestamp::as_micros),
            until_us: self.until.as_micros(),
            denied: self.decision == DeviceDecision::Denied,
            allowance,
        }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        let decision = match message.allowance {
            Some(allowance) if !message.denied => DeviceDecision::Allowed(Allowance {
                user: allowance.user,
                credential: Digest::from_bytes(&allowance.credential)?,
                scope: allowance.scope,
                authenticated_at: at(allowance.authenticated_at_us),
                by_two_factors: allowance.second_factor,
                by_provider_or_passkey: allowance.by_provider,
                session: Some(allowance.session).filter(|session| !session.is_empty()),
                sign_in: allowance.sign_in,
            }),
            None if !message.denied => DeviceDecision::Pending,
            _ => DeviceDecision::Denied,
        };
        (message.version == VERSION).then_some(Self {
            client: message.client,
            scope: message.scope,
            decision,
            interval: Duration::from_micros(message.interval_us),
            asked_at: message.asked_at_us.map(at),
            until: at(message.until_us),
        })
    }
}

impl StoredRecord for UserCode {
    type Message = v1::SignInUserCodeRecord;

    fn to_message(&self) -> Self::Message {
        v1::SignInUserCodeRecord { version: VERSION, device: self.device.as_bytes().to_vec().into() }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        let device = Digest::from_bytes(&message.device)?;
        (message.version == VERSION).then_some(Self { device })
    }
}

impl StoredRecord for Attempts {
    type Message = v1::SignInAttemptsRecord;

    fn to_message(&self) -> Self::Message {
        v1::SignInAttemptsRecord { version: VERSION, failures: self.failures, at_us: self.last.as_micros() }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        (message.version == VERSION).then_some(Self { failures: message.failures, last: at(message.at_us) })
    }
}

impl StoredRecord for SourceAttempts {
    type Message = v1::SignInAttemptsRecord;

    fn to_message(&self) -> Self::Message {
        v1::SignInAttemptsRecord { version: VERSION, failures: self.failures, at_us: self.since.as_micros() }
    }

    fn from_message(message: Self::Message) -> Option<Self> {
        (message.version == VERSION).then_some(Self { failures: message.failures, since: at(message.at_us) })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn comes_back<R: StoredRecord + PartialEq + Debug>(record: R) {
        assert_eq!(R::from_message(record.to_message()), Some(record));
    }

    fn code() -> Code {
        Code {
            client: "app".to_owned(),
            redirect_uri: "https://app.example/cb".to_owned(),
            names_redirect_uri: true,
            challenge: Challenge::from_bytes(&[7; 32]),
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            scope: "openid".to_owned(),
            nonce: Some("n".to_owned()),
            authenticated_at: at(1),
            by_two_factors: true,
            by_provider_or_passkey: true,
            session: "s".to_owned(),
            sign_in: "i".to_owned(),
            until: at(2),
        }
    }

    fn session() -> BrowserSession {
        BrowserSession {
            id: "s".into(),
            user: "ann".into(),
            credential: Digest::of("hash"),
            authenticated_at: at(3),
            begun_at: at(5),
            by_two_factors: true,
            provider: Some("Acme ID".into()),
            by_passkey: true,
            until: at(6),
        }
    }

    #[test]
    fn a_session_of_before_began_when_its_person_was_authenticated() {
        let before = v1::SignInSessionRecord { begun_at_us: 0, ..session().to_message() };
        assert_eq!(BrowserSession::from_message(before), Some(BrowserSession { begun_at: at(3), ..session() }));
    }

    #[test]
    fn what_is_kept_comes_back() {
        comes_back(session());
        comes_back(Spent { user: "ann".into(), sign_in: "i".into() });
        comes_back(code());
        comes_back(Code { challenge: None, nonce: None, ..code() });
        comes_back(UserCode { device: Digest::of("device") });
        let allowance = Allowance {
            user: "ann".into(),
            credential: Digest::of("hash"),
            scope: "calls:read".into(),
            authenticated_at: at(1),
            by_two_factors: true,
            by_provider_or_passkey: true,
            session: Some("s".into()),
            sign_in: "i".into(),
        };
        let by_a_build_before = Allowance { session: None, ..allowance.clone() };
        let allowed = [allowance, by_a_build_before].map(DeviceDecision::Allowed);
        for decision in [DeviceDecision::Pending, DeviceDecision::Denied].into_iter().chain(allowed) {
            comes_back(DeviceGrant { decision, asked_at: Some(at(7)), ..DeviceGrant::new("board", Some("x"), at(6)) });
        }
        comes_back(Attempts { failures: 7, last: at(8) });
        comes_back(SourceAttempts { failures: 7, since: at(8) });
        comes_back(Family {
            client: "app".into(),
            user: "ann".into(),
            credential: Digest::of("hash"),
            scope: "openid calls:read".into(),
            sign_in: "i".into(),
            session: Some("s".into()),
            authenticated_at: at(1),
            by_two_factors: true,
            by_provider_or_passkey: true,
            audience: "acme/app".into(),
            ends_at: at(9),
            current: Digest::of("now"),
            until: at(5),
            superseded: vec![Superseded { digest: Digest::of("before"), at: at(4) }],
        });
    }

    #[test]
    fn a_challenge_that_cannot_be_read_is_not_taken_for_none() {
        let broken = v1::SignInCodeRecord { challenge: vec![7; 31].into(), ..code().to_message() };
        assert_eq!(Code::from_message(broken), None);
        assert_eq!(Code::from_message(v1::SignInCodeRecord { version: 2, ..code().to_message() }), None);
    }
}
