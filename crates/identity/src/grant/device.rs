//! Device codes (RFC 8628): a device without a keyboard shows a short code, a person who is signed in elsewhere enters it and says whether
//! the device may, and the device asks until that is said.

use std::time::Duration;

use model::Timestamp;

use crate::secret::Digest;

/// How long a person has to enter the code.
pub const LIFE: Duration = Duration::from_secs(600);
/// How long it is known after that, so that its device hears what has become of it.
pub const KEPT: Duration = Duration::from_secs(600);
/// How often a device may ask.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// By so much longer it has to wait each time that it asks too soon (RFC 8628 section 3.5).
pub const SLOWER_BY: Duration = Duration::from_secs(5);
/// The longest that it has to wait.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// The letters of a code that people enter: no vowels, and so no words (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many a code has: some 34 bits, with few guesses and ten minutes.
const CODE_LETTERS: u32 = 8;

/// A device that asks for tokens, as it is kept; its key is the digest of its own code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceGrant {
    /// The client.
    pub client: String,
    /// The requested scope; none asks for all.
    pub scope: Option<String>,
    /// What a person has said.
    pub decision: DeviceDecision,
    /// How often it may ask now.
    pub interval: Duration,
    /// When it has asked last.
    pub asked_at: Option<Timestamp>,
    /// Until when a person may enter its code, and until when it gives tokens.
    pub until: Timestamp,
}

/// What a person has said about a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceDecision {
    /// Nothing yet.
    Pending,
    /// It may.
    Allowed(Allowance),
    /// It may not.
    Denied,
}

/// Who has allowed it what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The person: the user name.
    pub user: String,
    /// The digest of the hash of the person's password at the sign-in.
    pub credential: Digest,
    /// The granted scope, blanks between.
    pub scope: String,
    /// When the person showed the password.
    pub authenticated_at: Timestamp,
    /// Whether the person showed a second factor too.
    pub by_two_factors: bool,
    /// Whether a provider or a passkey has said who the person is, in the place of the password.
    pub by_provider_or_passkey: bool,
    /// The browser's session by which it was said; none is known of what a build before has kept.
    pub session: Option<String>,
    /// The id of the sign-in: `sid` of all tokens that come of it.
    pub sign_in: String,
}

/// What a device hears that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Nobody has said anything yet: to be kept so (`authorization_pending`).
    Pending(DeviceGrant),
    /// It asks too often: to be kept so (`slow_down`).
    SlowDown(DeviceGrant),
    /// It may.
    Allowed(Allowance),
    /// It may not (`access_denied`).
    Denied,
    /// It is too late (`expired_token`).
    Expired,
    /// The code was given to another client.
    OtherClient,
}

impl DeviceGrant {
    /// One of which nobody has said anything yet.
    pub fn new(client: &str, scope: Option<&str>, now: Timestamp) -> Self {
        Self {
            client: client.to_owned(),
            scope: scope.map(str::to_owned),
            decision: DeviceDecision::Pending,
            interval: INTERVAL,
            asked_at: None,
            until: now + LIFE,
        }
    }

    /// When the device has begun to ask.
    pub fn begun_at(&self) -> Timestamp {
        self.until - LIFE
    }

    /// The device asks.
    pub fn ask(&self, client: &str, now: Timestamp) -> DeviceAnswer {
        if self.client != client {
            return DeviceAnswer::OtherClient;
        }
        if now >= self.until {
            return DeviceAnswer::Expired;
        }
        match &self.decision {
            DeviceDecision::Allowed(allowance) => return DeviceAnswer::Allowed(allowance.clone()),
            DeviceDecision::Denied => return DeviceAnswer::Denied,
            DeviceDecision::Pending => {}
        }
        let asked = Self { asked_at: Some(now), ..self.clone() };
        if self.asked_at.is_some_and(|at| now.since(at) < self.interval) {
            let interval = (self.interval + SLOWER_BY).min(INTERVAL_MAX);
            return DeviceAnswer::SlowDown(Self { interval, ..asked });
        }
        DeviceAnswer::Pending(asked)
    }

    /// Whether a person may still say whether it may: once, and in time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.decision == DeviceDecision::Pending && now < self.until
    }
}

/// A code for people to enter, as it is shown: two groups of four letters.
pub fn user_code(random: u64) -> String {
    let mut left = random;
    let mut code = String::with_capacity(9);
    for at in 0..CODE_LETTERS {
        if at == CODE_LETTERS / 2 {
            code.push('-');
        }
        // 20 to the power of 8 is small beside 2 to the power of 64, so that all codes are about as likely.
        let letter = usize::try_from(left % 20).ok().and_then(|letter| LETTERS.get(letter));
        code.push(letter.map_or('B', |letter| char::from(*letter)));
        left /= 20;
    }
    code
}

/// The code that somebody has entered, as [`user_code`] writes it: case and what is no letter do not matter. `None` if it is no code.
pub fn read_user_code(entered: &str) -> Option<String> {
    let letters: String = entered.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let is_code = letters.len() == CODE_LETTERS as usize && letters.bytes().all(|letter| LETTERS.contains(&letter));
    let (front, back) = letters.split_at_checked(CODE_LETTERS as usize / 2).filter(|_| is_code)?;
    Some(format!("{front}-{back}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn allowance() -> Allowance {
        Allowance {
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            scope: "calls:read".to_owned(),
            authenticated_at: at(0),
            by_two_factors: false,
            by_provider_or_passkey: false,
            session: Some("s".to_owned()),
            sign_in: "i".to_owned(),
        }
    }

    fn pending(answer: DeviceAnswer) -> DeviceGrant {
        match answer {
            DeviceAnswer::Pending(grant) => grant,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_device_waits_until_a_person_has_said_whether_it_may() {
        let grant = DeviceGrant::new("board", None, at(0));
        assert!(grant.is_open(at(1)) && !grant.is_open(at(600)));
        let asked = pending(grant.ask("board", at(1)));
        let asked = pending(asked.ask("board", at(6)));
        assert_eq!(asked.ask("other", at(11)), DeviceAnswer::OtherClient);
        let allowed = DeviceGrant { decision: DeviceDecision::Allowed(allowance()), ..asked.clone() };
        assert_eq!(allowed.ask("board", at(7)), DeviceAnswer::Allowed(allowance()));
        assert!(!allowed.is_open(at(8)), "once");
        assert_eq!(allowed.ask("board", at(600)), DeviceAnswer::Expired);
        let denied = DeviceGrant { decision: DeviceDecision::Denied, ..asked };
        assert_eq!(denied.ask("board", at(11)), DeviceAnswer::Denied);
    }

    #[test]
    fn a_device_that_asks_too_often_waits_longer() {
        let mut grant = pending(DeviceGrant::new("board", None, at(0)).ask("board", at(1)));
        for interval in [10, 15, 20] {
            let DeviceAnswer::SlowDown(slower) = grant.ask("board", at(2)) else { panic!("{interval}") };
            assert_eq!(slower.interval, Duration::from_secs(interval));
            grant = slower;
        }
        assert!(matches!(grant.ask("board", at(21)), DeviceAnswer::SlowDown(_)));
        assert_eq!(pending(grant.ask("board", at(22))).interval, Duration::from_secs(20), "it stays slower");
        for _ in 0..20 {
            let DeviceAnswer::SlowDown(slower) = grant.ask("board", at(3)) else { panic!() };
            grant = slower;
        }
        assert_eq!(grant.interval, INTERVAL_MAX);
    }

    proptest! {
        #[test]
        fn a_code_is_read_however_it_is_typed(random: u64) {
            let code = user_code(random);
            prop_assert_eq!(code.len(), 9);
            prop_assert_eq!(read_user_code(&code), Some(code.clone()));
            let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
            prop_assert_eq!(read_user_code(&typed), Some(code.clone()));
            prop_assert_eq!(read_user_code(&code[..8]), None);
        }

        /// Often eight letters of which one is none of a code.
        #[test]
        fn what_is_no_code_is_none(typed in "[B-DF-H]{3,5}[- ]?[B-DF-H]{3,4}[A-Z0-9ü]?|.{0,12}") {
            let letters: String = typed.to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
            let is_code = letters.len() == 8 && letters.chars().all(|letter| "BCDFGHJKLMNPQRSTVWXZ".contains(letter));
            let expected = is_code.then(|| format!("{}-{}", &letters[..4], &letters[4..]));
            prop_assert_eq!(read_user_code(&typed), expected);
        }
    }
}
