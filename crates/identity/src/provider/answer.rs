//! What a provider sends the browser back with (RFC 6749 section 4.1.2): whether it is the answer to this sign-in, and from this provider.

use model::Timestamp;

/// The longest code, in bytes.
pub const CODE_BYTES_MAX: usize = 4_096;

/// The parameters of the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProviderAnswer<'a> {
    /// `state`
    pub state: Option<&'a str>,
    /// `iss`
    pub iss: Option<&'a str>,
    /// `code`
    pub code: Option<&'a str>,
    /// `error`
    pub error: Option<&'a str>,
}

/// The sign-in that has begun, as the browser keeps it sealed.
#[derive(Clone, Copy, Debug)]
pub struct BegunAtProvider<'a> {
    /// The `state` that was sent.
    pub state: &'a str,
    /// The issuer to which the browser was sent.
    pub issuer: &'a str,
    /// Until when it may come back.
    pub until: Timestamp,
}

/// Why an answer signs nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It took too long.
    #[error("it took too long")]
    Late,
    /// It is the answer to another sign-in, perhaps of another browser.
    #[error("state is not that of this sign-in")]
    State,
    /// It comes from another provider (RFC 9207 section 2.4), or does not say from which though this one says it always.
    #[error("iss is not the provider that was asked")]
    Issuer,
    /// The provider lets the person not in.
    #[error("the provider has refused")]
    Refused,
    /// There is no code.
    #[error("there is no code")]
    NoCode,
}

impl<'a> ProviderAnswer<'a> {
    /// The code, if it is the answer to that sign-in. `says_iss`: the provider's description says that its answers name it.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn code_for(
        &self,
        begun: &BegunAtProvider<'_>,
        says_iss: bool,
        now: Timestamp,
    ) -> Result<&'a str, AnswerFault> {
        if now >= begun.until {
            return Err(AnswerFault::Late);
        }
        if self.state != Some(begun.state) {
            return Err(AnswerFault::State);
        }
        let is_its = match self.iss {
            Some(iss) => iss == begun.issuer,
            None => !says_iss,
        };
        if !is_its {
            return Err(AnswerFault::Issuer);
        }
        if self.error.is_some() {
            return Err(AnswerFault::Refused);
        }
        self.code.filter(|code| code.len() <= CODE_BYTES_MAX).ok_or(AnswerFault::NoCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example";

    #[test]
    fn an_answer_of_another_sign_in_or_provider_is_none() {
        let end = Timestamp::from_millis(1_000);
        let begun = BegunAtProvider { state: "s", issuer: ISSUER, until: end };
        let good = ProviderAnswer { state: Some("s"), iss: Some(ISSUER), code: Some("c"), error: None };
        let early = Timestamp::from_millis(999);
        assert_eq!(good.code_for(&begun, true, early), Ok("c"));
        assert_eq!(good.code_for(&begun, true, end), Err(AnswerFault::Late));
        for (answer, says_iss, fault) in [
            (ProviderAnswer { state: Some("t"), ..good }, false, AnswerFault::State),
            (ProviderAnswer { state: None, ..good }, false, AnswerFault::State),
            (ProviderAnswer { iss: Some("https://evil.example"), ..good }, false, AnswerFault::Issuer),
            (ProviderAnswer { iss: None, ..good }, true, AnswerFault::Issuer),
            (ProviderAnswer { error: Some("access_denied"), ..good }, true, AnswerFault::Refused),
            (ProviderAnswer { code: None, ..good }, true, AnswerFault::NoCode),
        ] {
            assert_eq!(answer.code_for(&begun, says_iss, early), Err(fault), "{answer:?}");
        }
        assert_eq!(ProviderAnswer { iss: None, ..good }.code_for(&begun, false, early), Ok("c"));
    }
}
