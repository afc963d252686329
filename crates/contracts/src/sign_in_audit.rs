//! What is noted of signing in: who, when, from where, by which way, and what came of it. No secret is in it, and no name that is not that
//! of a person or a client of the tenant.

use model::Timestamp;

/// What has happened. The names stay as they are: the table and programs of others have them (docs/sign-in-audit.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignInEvent {
    /// Somebody has signed in.
    SignedIn,
    /// A password, a code, or a client's secret or assertion was wrong, or nobody has that name; or a provider has signed nobody in.
    Refused,
    /// It was not looked at: too many wrong ones came before.
    LockedOut,
    /// A person has another authenticator app, another passkey, or other recovery codes.
    SecondFactorSet,
    /// A person does without a second factor, or has removed a passkey.
    SecondFactorRemoved,
    /// A person has chosen another password.
    PasswordChanged,
    /// A session or a sign-in at a program was ended, by a person or because its person may not sign in so any more.
    SessionEnded,
    /// A refresh token or a code came a second time: its sign-in has ended.
    TokenFamilyReused,
    /// A client got tokens for itself.
    ClientToken,
    /// A client has given a token back.
    Revoked,
    /// Somebody has signed out.
    SignedOut,
    /// The installation has made another key that signs tokens.
    KeyRotated,
    /// An API key was made.
    ApiKeyCreated,
    /// An API key was exchanged for a token.
    ApiKeyUsed,
    /// An API key was revoked.
    ApiKeyRevoked,
    /// A passkey was right but for its counter, which has gone back: there may be a copy of it. Nobody was signed in.
    PasskeyCopied,
}

impl SignInEvent {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::SignedIn,
        Self::Refused,
        Self::LockedOut,
        Self::SecondFactorSet,
        Self::SecondFactorRemoved,
        Self::PasswordChanged,
        Self::SessionEnded,
        Self::TokenFamilyReused,
        Self::ClientToken,
        Self::Revoked,
        Self::SignedOut,
        Self::KeyRotated,
        Self::ApiKeyCreated,
        Self::ApiKeyUsed,
        Self::ApiKeyRevoked,
        Self::PasskeyCopied,
    ];

    /// Its name in tables and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::Refused => "refused",
            Self::LockedOut => "locked_out",
            Self::SecondFactorSet => "second_factor_set",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::PasswordChanged => "password_changed",
            Self::SessionEnded => "session_ended",
            Self::TokenFamilyReused => "token_family_reused",
            Self::ClientToken => "client_token",
            Self::Revoked => "revoked",
            Self::SignedOut => "signed_out",
            Self::KeyRotated => "key_rotated",
            Self::ApiKeyCreated => "api_key_created",
            Self::ApiKeyUsed => "api_key_used",
            Self::ApiKeyRevoked => "api_key_revoked",
            Self::PasskeyCopied => "passkey_copied",
        }
    }

    /// The event of that name; a later release may know others.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

/// By which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignInWay {
    /// A password alone.
    Password,
    /// A first step, which is a password or the tenant's provider, and a code of an authenticator app.
    SecondFactor,
    /// A first step, and a recovery code.
    RecoveryCode,
    /// The tenant's own OpenID Provider.
    Provider,
    /// A device that a person has let in.
    DeviceCode,
    /// A client that the tenant trusts has said who it is.
    JwtBearer,
    /// A client's secret.
    ClientSecret,
    /// An assertion that a client has signed.
    ClientAssertion,
    /// A code of an authorization request.
    AuthorizationCode,
    /// A refresh token.
    RefreshToken,
    /// An access token.
    AccessToken,
    /// All that the person had open.
    Everywhere,
    /// An API key.
    ApiKey,
    /// A passkey alone.
    PasskeyAlone,
    /// A first step, and a passkey.
    Passkey,
}

impl SignInWay {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Password,
        Self::SecondFactor,
        Self::RecoveryCode,
        Self::Provider,
        Self::DeviceCode,
        Self::JwtBearer,
        Self::ClientSecret,
        Self::ClientAssertion,
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::AccessToken,
        Self::Everywhere,
        Self::ApiKey,
        Self::PasskeyAlone,
        Self::Passkey,
    ];

    /// Its name in tables and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second_factor",
            Self::RecoveryCode => "recovery_code",
            Self::Provider => "provider",
            Self::DeviceCode => "device_code",
            Self::JwtBearer => "jwt_bearer",
            Self::ClientSecret => "client_secret",
            Self::ClientAssertion => "client_assertion",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::AccessToken => "access_token",
            Self::Everywhere => "everywhere",
            Self::ApiKey => "api_key",
            Self::PasskeyAlone => "passkey_alone",
            Self::Passkey => "passkey",
        }
    }

    /// The way of that name; a later release may know others.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == name)
    }
}

/// One thing that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRecord {
    /// When; of several, when the last of them.
    pub at: Timestamp,
    /// What.
    pub event: SignInEvent,
    /// By which way.
    pub way: Option<SignInWay>,
    /// Whom it is about: `person/<user name>`, `client/<id>` or `api-key/<id>`. None where nobody of the tenant has the name that was typed.
    pub subject: Option<String>,
    /// Who has done it, where the subject may not have.
    pub by: Option<String>,
    /// The client at which it happened.
    pub client: Option<String>,
    /// The browser's session, or the sign-in at a program (`sid`).
    pub session: Option<String>,
    /// The address that it came from; the network of a site (IPv6). Empty if it is not known.
    pub source: String,
    /// What the browser or program calls itself. Empty if it says nothing.
    pub user_agent: String,
    /// How often, within a minute.
    pub times: u32,
}

impl SignInRecord {
    /// That event, once, of which nothing is known yet.
    pub const fn of(event: SignInEvent) -> Self {
        Self {
            at: Timestamp::ZERO,
            event,
            way: None,
            subject: None,
            by: None,
            client: None,
            session: None,
            source: String::new(),
            user_agent: String::new(),
            times: 1,
        }
    }

    /// By that way.
    #[must_use]
    pub fn by_way(self, way: SignInWay) -> Self {
        Self { way: Some(way), ..self }
    }

    /// About that subject.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// About the person with that user name.
    #[must_use]
    pub fn about_person(self, user: &str) -> Self {
        self.about(format!("person/{user}"))
    }

    /// About the client with that id.
    #[must_use]
    pub fn about_client(self, id: &str) -> Self {
        self.about(format!("client/{id}"))
    }

    /// About the API key with that id.
    #[must_use]
    pub fn about_api_key(self, id: &str) -> Self {
        self.about(format!("api-key/{id}"))
    }

    /// Done by that subject.
    #[must_use]
    pub fn done_by(self, subject: impl Into<String>) -> Self {
        Self { by: Some(subject.into()), ..self }
    }

    /// At that client.
    #[must_use]
    pub fn at_client(self, client: impl Into<String>) -> Self {
        Self { client: Some(client.into()), ..self }
    }

    /// In that session.
    #[must_use]
    pub fn in_session(self, session: impl Into<String>) -> Self {
        Self { session: Some(session.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_events_and_ways_stay() {
        let events = SignInEvent::ALL.map(SignInEvent::as_str).join(" ");
        assert_eq!(
            events,
            "signed_in refused locked_out second_factor_set second_factor_removed password_changed session_ended \
             token_family_reused client_token revoked signed_out key_rotated api_key_created api_key_used \
             api_key_revoked passkey_copied"
        );
        let ways = SignInWay::ALL.map(SignInWay::as_str).join(" ");
        assert_eq!(
            ways,
            "password second_factor recovery_code provider device_code jwt_bearer client_secret client_assertion \
             authorization_code refresh_token access_token everywhere api_key passkey_alone passkey"
        );
        for event in SignInEvent::ALL {
            assert_eq!(SignInEvent::named(event.as_str()), Some(event));
        }
        for way in SignInWay::ALL {
            assert_eq!(SignInWay::named(way.as_str()), Some(way));
        }
        assert_eq!((SignInEvent::named("telepathy"), SignInWay::named("")), (None, None));
    }
}
