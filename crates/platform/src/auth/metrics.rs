//! Metrics of auth.

use identity::client::GrantType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterBy, Label};

runtime::metrics! {
    /// The metrics of auth.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Passwords of people that were shown, at the page or by a program, by outcome.
        pub(super) sign_ins: CounterBy<SignInOutcome> = "auth_sign_ins";
        /// Sign-ins that came back from a tenant's OpenID Provider, by outcome.
        pub(super) provider_sign_ins: CounterBy<ProviderOutcome> = "auth_provider_sign_ins";
        /// Programs that were told that a sign-in has ended, by outcome.
        pub(super) logouts_told: CounterBy<LogoutOutcome> = "auth_backchannel_logouts";
        /// Ends of sign-ins that no program is told of: too many had ended at a time.
        pub(super) logouts_dropped: Counter = "auth_backchannel_logouts_dropped";
        /// Codes of a second factor that were shown after the password, by outcome.
        pub(super) second_factors: CounterBy<CodeOutcome> = "auth_second_factors";
        /// Passkeys that were shown, alone or after the password, by outcome.
        pub(super) passkeys: CounterBy<PasskeyOutcome> = "auth_passkeys";
        /// Access tokens that were issued, by grant.
        pub(super) tokens: CounterBy<Grant> = "auth_tokens_issued";
        /// Codes and refresh tokens that were shown again after their time; each has ended its sign-in.
        pub(super) reuses: Counter = "auth_tokens_reused";
        /// Passwords and secrets whose hashes were computed.
        pub(super) hashes: Counter = "auth_hashes_computed";
        /// Requests that were refused because too many hashes were being computed.
        pub(super) hashes_refused: Counter = "auth_hashes_refused";
        /// Attempts to look after the keys that sign tokens that failed: one a minute until the folder of keys can be written.
        pub(super) key_failures: Counter = "auth_key_failures";
        /// Things that happened at signing in and were not noted: too many waited, or the database has refused them.
        pub(super) audit_unwritten: Counter = "auth_audit_unwritten";
        /// People who were deleted or disabled, and whose sign-ins have yet to end: they are refused already.
        pub(super) people_to_end: Gauge = "auth_people_to_end";
        /// Revocations that could not be written for the other roles yet: those go on believing the tokens.
        pub(super) revocations_unwritten: Gauge = "auth_revocations_unwritten";
    }
}

/// What came of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignInOutcome {
    /// It was right.
    Right,
    /// It was wrong, or nobody has that name.
    Wrong,
    /// It was right, and its person is disabled.
    Disabled,
    /// It was not looked at: too many wrong ones came before.
    LockedOut,
}

impl Label for SignInOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Right, Self::Wrong, Self::Disabled, Self::LockedOut];

    fn text(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Disabled => "disabled",
            Self::LockedOut => "locked_out",
        }
    }
}

/// What came of telling a program that a sign-in has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogoutOutcome {
    /// It has taken it.
    Taken,
    /// It has refused it.
    Refused,
    /// It was not reached, however often it was tried.
    Unreached,
}

impl Label for LogoutOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Taken, Self::Refused, Self::Unreached];

    fn text(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Unreached => "unreached",
        }
    }
}

/// What came of a sign-in at a tenant's OpenID Provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProviderOutcome {
    /// It has said who it is.
    Right,
    /// Nobody of the tenant is whom it names, or the person is disabled.
    Unknown,
    /// It has refused, or what came is not an answer of it.
    Refused,
    /// It does not answer.
    Away,
}

impl Label for ProviderOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Right, Self::Unknown, Self::Refused, Self::Away];

    fn text(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
            Self::Away => "away",
        }
    }
}

/// What came of a code of a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeOutcome {
    /// It was the one that the app showed.
    Right,
    /// It was a recovery code.
    Recovery,
    /// It was wrong, or was shown before.
    Wrong,
    /// It was not looked at: too many wrong ones came before.
    LockedOut,
}

impl Label for CodeOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Right, Self::Recovery, Self::Wrong, Self::LockedOut];

    fn text(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Recovery => "recovery",
            Self::Wrong => "wrong",
            Self::LockedOut => "locked_out",
        }
    }
}

/// What came of a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasskeyOutcome {
    /// It was right.
    Right,
    /// It was not that of the person, not made for us, or its answer had come before; or the person may not sign in by it.
    Wrong,
    /// It was right but for its counter, which has gone back.
    Copied,
    /// It was not looked at: too many wrong ones came before.
    LockedOut,
}

impl Label for PasskeyOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Right, Self::Wrong, Self::Copied, Self::LockedOut];

    fn text(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Copied => "copied",
            Self::LockedOut => "locked_out",
        }
    }
}

/// By what a token was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant(pub(super) GrantType);

impl Label for Grant {
    const NAME: &'static str = "grant";
    const ALL: &'static [Self] = &[
        Self(GrantType::AuthorizationCode),
        Self(GrantType::RefreshToken),
        Self(GrantType::ClientCredentials),
        Self(GrantType::Password),
        Self(GrantType::DeviceCode),
        Self(GrantType::TokenExchange),
        Self(GrantType::JwtBearer),
    ];

    fn text(self) -> &'static str {
        match self.0 {
            // Their names on the wire are those of a registry.
            GrantType::DeviceCode => "device_code",
            GrantType::TokenExchange => "token_exchange",
            GrantType::JwtBearer => "jwt_bearer",
            other => other.as_str(),
        }
    }
}
