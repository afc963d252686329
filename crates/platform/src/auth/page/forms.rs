//! Forms are bound to the browser that they were sent to: by a nonce in a cookie, which auth alone makes and which is soon too old, and by
//! a token in the form that belongs to the nonce.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;

/// How long a form may lie open in a browser, at most; a page that is shown in the second half of it begins anew.
const LIFE: Duration = Duration::from_secs(3_600);
/// Name the uses of the installation's key.
const NONCE_CONTEXT: &str = "trunkline auth: nonce of forms";
const FORM_CONTEXT: &str = "trunkline auth: form";

/// Makes and recognises forms.
pub(in crate::auth) struct Forms {
    key: hmac::Key,
}

/// What goes out with a form.
pub(in crate::auth) struct IssuedForm {
    /// The cookie's value.
    pub nonce: String,
    /// The form's token.
    pub token: String,
}

impl Forms {
    /// Forms under the installation's key.
    pub fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// What goes out with that form to a browser that shows that cookie. Pages in several tabs have the same nonce.
    pub fn issue(
        &self,
        form: &str,
        cookie: Option<&str>,
        random: impl FnOnce() -> String,
        now: Timestamp,
    ) -> IssuedForm {
        // One that somebody else has put into the browser is not taken over.
        let kept = cookie.filter(|nonce| self.age(nonce, now).is_some_and(|age| age < LIFE / 2));
        let nonce = kept.map_or_else(|| self.nonce(&random(), now), str::to_owned);
        IssuedForm { token: self.mac(&[FORM_CONTEXT, form, &nonce]), nonce }
    }

    /// Whether that form was sent to the browser that shows that cookie, and not too long ago.
    pub fn accepts(&self, form: &str, cookie: Option<&str>, token: &str, now: Timestamp) -> bool {
        let nonce = cookie.filter(|nonce| self.age(nonce, now).is_some_and(|age| age < LIFE));
        nonce.is_some_and(|nonce| self.is_mac(&[FORM_CONTEXT, form, nonce], token))
    }

    fn nonce(&self, random: &str, now: Timestamp) -> String {
        let said = format!("{}.{random}", now.as_secs());
        let mac = self.mac(&[NONCE_CONTEXT, &said]);
        format!("{said}.{mac}")
    }

    /// How old a nonce is that was made here; none for any other text.
    fn age(&self, nonce: &str, now: Timestamp) -> Option<Duration> {
        let (said, mac) = nonce.rsplit_once('.')?;
        if !self.is_mac(&[NONCE_CONTEXT, said], mac) {
            return None;
        }
        let made = said.split_once('.')?.0.parse().ok()?;
        Some(now.since(Timestamp::ZERO + Duration::from_secs(made)))
    }

    fn mac(&self, parts: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, parts.join("\0").as_bytes()))
    }

    fn is_mac(&self, parts: &[&str], mac: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(mac) else { return false };
        hmac::verify(&self.key, parts.join("\0").as_bytes(), &tag).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn issued(cookie: Option<&str>, now: Timestamp) -> IssuedForm {
        Forms::new(&[7; 32]).issue("sign-in", cookie, || "random".to_owned(), now)
    }

    #[test]
    fn a_form_is_good_in_its_browser_for_its_time() {
        let (forms, form) = (Forms::new(&[7; 32]), issued(None, at(0)));
        let accepts = |form: &IssuedForm, name: &str, now| forms.accepts(name, Some(&form.nonce), &form.token, now);
        assert!(accepts(&form, "sign-in", at(0)) && accepts(&form, "sign-in", at(3_599)));
        assert!(!accepts(&form, "sign-in", at(3_600)) && !accepts(&form, "device", at(0)));
        assert!(!forms.accepts("sign-in", None, &form.token, at(0)));
        assert!(!forms.accepts("sign-in", Some(&form.nonce), "", at(0)));
        let tab = issued(Some(&form.nonce), at(1_799));
        assert!(tab.nonce == form.nonce && tab.token == form.token, "the form of before stays good");
        let later = issued(Some(&form.nonce), at(1_800));
        assert!(later.nonce != form.nonce && !forms.accepts("sign-in", Some(&later.nonce), &form.token, at(1_800)));
    }

    #[test]
    fn a_cookie_of_somebody_else_makes_no_form() {
        let forms = Forms::new(&[7; 32]);
        for planted in ["planted", "", "1700000000.random", "1700000000.random.AAAA", "1700000000.random."] {
            let form = issued(Some(planted), at(0));
            assert_ne!(form.nonce, planted);
            assert!(!forms.accepts("sign-in", Some(planted), &form.token, at(0)), "{planted}");
            let signed = forms.mac(&[FORM_CONTEXT, "sign-in", planted]);
            assert!(!forms.accepts("sign-in", Some(planted), &signed, at(0)), "{planted}");
        }
        let other = Forms::new(&[8; 32]).issue("sign-in", None, || "random".to_owned(), at(0));
        assert!(!forms.accepts("sign-in", Some(&other.nonce), &other.token, at(0)));
    }
}
