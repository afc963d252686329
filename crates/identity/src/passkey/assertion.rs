//! A passkey that is shown (section 7.2).

use sha2::{Digest as _, Sha256};

use super::authenticator_data::AuthenticatorData;
use super::public_key::PasskeyKey;
use super::{AskedPasskey, PasskeyFault, client_data};

/// What the browser calls it.
const TYPE: &str = "webauthn.get";

/// What a browser gives when a passkey was shown.
#[derive(Clone, Copy, Debug)]
pub struct ShownPasskey<'a> {
    /// `clientDataJSON`
    pub client_data: &'a [u8],
    /// `authenticatorData`
    pub authenticator_data: &'a [u8],
    /// `signature`
    pub signature: &'a [u8],
}

/// What is known of the passkey that it says it is.
#[derive(Clone, Copy, Debug)]
pub struct KnownPasskey<'a> {
    /// Its public half, as COSE writes it.
    pub public_key: &'a [u8],
    /// How often it had signed when it was shown last.
    pub counter: u32,
}

/// What was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvedPasskey {
    /// How often it has signed by now, to be kept.
    pub counter: u32,
}

impl ShownPasskey<'_> {
    /// Whether it is that passkey, shown to us, now.
    ///
    /// # Errors
    /// What is wrong with it; [`PasskeyFault::CounterBack`] for nothing but the counter.
    pub fn check(&self, known: &KnownPasskey<'_>, asked: &AskedPasskey<'_>) -> Result<ProvedPasskey, PasskeyFault> {
        client_data::check(self.client_data, TYPE, asked)?;
        let data = AuthenticatorData::read(self.authenticator_data)?;
        asked.check_authenticator(&data)?;
        let client_digest = <[u8; 32]>::from(Sha256::digest(self.client_data));
        let signed = [self.authenticator_data, &client_digest].concat();
        if !PasskeyKey::from_cose(known.public_key)?.has_signed(&signed, self.signature) {
            return Err(PasskeyFault::Signature);
        }
        // Authenticators that do not count always say 0 (section 6.1.1).
        let counts = data.counter != 0 || known.counter != 0;
        if counts && data.counter <= known.counter {
            return Err(PasskeyFault::CounterBack);
        }
        Ok(ProvedPasskey { counter: data.counter })
    }
}
