//! A passkey that was made (section 7.1).

use minicbor::Decoder;

use super::authenticator_data::AuthenticatorData;
use super::public_key::PasskeyKey;
use super::{AskedPasskey, PasskeyFault, client_data};

/// What the browser calls it.
const TYPE: &str = "webauthn.create";
/// Entries of an attestation object (section 6.5.4).
const ENTRIES: u64 = 3;
/// The longest attestation object, in bytes: a statement may carry certificates, each of one or two thousand.
const BYTES_MAX: usize = 16_384;

/// What a browser gives when a passkey was made.
#[derive(Clone, Copy, Debug)]
pub struct MadePasskey<'a> {
    /// `clientDataJSON`
    pub client_data: &'a [u8],
    /// `attestationObject`
    pub attestation: &'a [u8],
}

/// What is to be kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its id.
    pub id: Vec<u8>,
    /// Its public half, as COSE writes it.
    pub public_key: Vec<u8>,
    /// How often it has signed; 0 if it does not count.
    pub counter: u32,
}

impl MadePasskey<'_> {
    /// What is to be kept, if it was made for us, now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, asked: &AskedPasskey<'_>) -> Result<NewPasskey, PasskeyFault> {
        client_data::check(self.client_data, TYPE, asked)?;
        let data = authenticator_data(self.attestation).ok_or(PasskeyFault::Attestation)?;
        let data = AuthenticatorData::read(data)?;
        asked.check_authenticator(&data)?;
        let made = data.made.as_ref().ok_or(PasskeyFault::Attestation)?;
        if !PasskeyKey::from_cose(made.public_key)?.is_usable() {
            return Err(PasskeyFault::UnusableKey);
        }
        Ok(NewPasskey { id: made.id.to_vec(), public_key: made.public_key.to_vec(), counter: data.counter })
    }
}

/// The authenticator's data in an attestation object. Whatever the statement attests is not looked at: nothing rests on it, since any
/// authenticator will do. It is not always `none`, though we ask for no other: a browser may pass on as it is what an authenticator says of
/// itself alone (section 5.1.3, self attestation).
fn authenticator_data(object: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(object);
    if object.len() > BYTES_MAX || decoder.map().ok()? != Some(ENTRIES) {
        return None;
    }
    let (mut has_format, mut has_statement, mut data) = (false, false, None);
    for _ in 0..ENTRIES {
        match decoder.str().ok()? {
            "fmt" => has_format = decoder.str().is_ok(),
            "attStmt" => {
                has_statement = decoder.probe().map().is_ok();
                decoder.skip().ok()?;
            }
            "authData" => data = Some(decoder.bytes().ok()?),
            _ => return None,
        }
    }
    data.filter(|_| has_format && has_statement && decoder.position() == object.len())
}
