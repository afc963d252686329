//! Somebody whose password was right, or whom a provider has named, and whose second factor is still to come. The next form carries it, bound to the browser by its token
//! and to all that was right: with another password or second factor by then, it is none of ours.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::provisioning::{Person, Secret};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use identity::secret::Digest;
use model::{TenantId, Timestamp};

use super::super::Auth;
use super::super::answers::Trouble;
use super::super::page::second_factor::ShownTexts;
use super::super::people;
use super::super::proofs::sign_in_address;
use super::super::request::source::RequestSource;

/// How long the second factor may take.
const LIFE: Duration = Duration::from_secs(300);
/// What its forms are called.
const FORM: &str = "half signed in";

/// Who has shown the password, or comes from a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HalfSignedIn {
    /// The tenant.
    pub tenant: TenantId,
    /// The person's user name.
    pub user: String,
    /// What the provider is called that has said who it is; none if the password was shown.
    pub provider: Option<String>,
    /// Until when the second factor is waited for, in seconds since 1970.
    until_s: u64,
}

impl HalfSignedIn {
    /// Somebody who has shown the password now, or whom that provider has named.
    pub fn begin(tenant: &TenantId, person: &Person, provider: Option<String>, now: Timestamp) -> Self {
        Self { tenant: tenant.clone(), user: person.user_name.clone(), provider, until_s: (now + LIFE).as_secs() }
    }

    /// What was shown first.
    pub const fn way(&self) -> SignInWay {
        if self.provider.is_some() { SignInWay::Provider } else { SignInWay::Password }
    }

    /// Lets them go on from an address of the tenant's people alone: what is behind this, a second factor that is set up or another
    /// password, would shut the person out even where no session begins.
    ///
    /// # Errors
    /// [`Trouble::Elsewhere`] from another address.
    pub async fn comes_from_there(&self, auth: &Auth, source: &RequestSource) -> Result<(), Trouble> {
        let refused = SignInRecord::of(SignInEvent::Refused).by_way(self.way()).about_person(&self.user);
        sign_in_address::check(auth, &self.tenant, source, refused).await
    }

    /// As a field of the form.
    pub fn text(&self) -> String {
        let (tenant, user) = (URL_SAFE_NO_PAD.encode(self.tenant.as_str()), URL_SAFE_NO_PAD.encode(&self.user));
        let provider = self.provider.as_ref().map(|name| format!(".{}", URL_SAFE_NO_PAD.encode(name)));
        format!("{tenant}.{user}.{}{}", self.until_s, provider.unwrap_or_default())
    }

    /// Reads such a field while there is time. It may be anybody's: only the form's token says that it is one of ours.
    pub fn read(text: &str, now: Timestamp) -> Option<Self> {
        let mut parts = text.splitn(4, '.');
        let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let (tenant, user) = (TenantId::parse(&decoded(parts.next()?)?).ok()?, decoded(parts.next()?)?);
        let until_s = parts.next()?.parse().ok()?;
        let provider = match parts.next() {
            Some(name) => Some(decoded(name)?),
            None => None,
        };
        (now.as_secs() < until_s).then_some(Self { tenant, user, provider, until_s })
    }

    /// The name of the forms of that person on a page: with the secret of an app, and what a passkey would be, of the one at which one of
    /// them is set up; with the challenge for a passkey alone, of the one that asks for it.
    pub fn form(&self, person: &Person, of: ShownTexts<'_>) -> String {
        let second_factor = person.second_factor.as_ref().map_or("", Secret::reveal);
        let (half, credential, of) = (self.text(), people::credential(person).text(), of.text());
        let all = [half.as_str(), credential.as_str(), second_factor, of.as_str()].join("\0");
        format!("{FORM}/{}", Digest::of(&all).text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn ann() -> Person {
        let password = Some(Secret("$argon2id$x".to_owned()));
        Person { user_name: "ann.b".to_owned(), password, ..Person::default() }
    }

    fn begun() -> HalfSignedIn {
        HalfSignedIn::begin(&TenantId::parse("acme").unwrap(), &ann(), None, at(0))
    }

    #[test]
    fn it_is_read_for_five_minutes() {
        let text = begun().text();
        assert_eq!(HalfSignedIn::read(&text, at(299)), Some(begun()));
        assert_eq!(HalfSignedIn::read(&text, at(300)), None);
        let named = HalfSignedIn { provider: Some("Acme ID".to_owned()), ..begun() };
        assert_eq!(HalfSignedIn::read(&named.text(), at(0)), Some(named));
        for bad in ["", "..", "YWNtZQ.YW5u", "YWNtZQ.YW5u.x", "!.YW5u.9999999999", ".YW5u.9999999999"] {
            assert_eq!(HalfSignedIn::read(bad, at(0)), None, "{bad}");
        }
    }

    #[test]
    fn its_form_is_another_one_when_anything_of_it_is_another() {
        let (none, of) = (ShownTexts::default(), |secret, challenge| ShownTexts { secret, challenge, handle: "" });
        let form = begun().form(&ann(), none);
        let later = HalfSignedIn { until_s: begun().until_s + 1, ..begun() };
        let password = Person { password: Some(Secret("$argon2id$y".to_owned())), ..ann() };
        let enrolled = Person { second_factor: Some(Secret("sealed:AAAA".to_owned())), ..ann() };
        for other in [
            later.form(&ann(), none),
            begun().form(&password, none),
            begun().form(&enrolled, none),
            begun().form(&ann(), of("SECRET", "")),
        ] {
            assert_ne!(other, form);
        }
        assert_ne!(begun().form(&ann(), of("SECRET", "")), begun().form(&ann(), of("", "SECRET")));
    }
}
