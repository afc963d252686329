//! A passkey that was made (section 7.1).

use minicbor::Decoder;

use super::authenticator_data::AuthenticatorData;
use super::public_key::PasskeyKey;
use super::{AskedPasskey, PasskeyFault, client_data};

/// What the browser calls it.
const TYPE: &str = "webauthn.create";
/// Entries of an attestation object (section 6.5.4).
const ENTRIES: u64 = 3;

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
    /// Whether the authenticator knew who has made it.
    pub user_verified: bool,
}

impl MadePasskey<'_> {
    /// What is to be kept, if it was made for us, now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, asked: &AskedPasskey<'_>) -> Result<NewPasskey, PasskeyFault> {
        client_data::check(self.client_data, TYPE, asked)?;
        let data = AuthenticatorData::read(authenticator_data(self.attestation)?)?;
        asked.check_authenticator(&data)?;
        let made = data.made.as_ref().ok_or(PasskeyFault::Attestation)?;
        PasskeyKey::from_cose(made.public_key)?;
        Ok(NewPasskey {
            id: made.id.to_vec(),
            public_key: made.public_key.to_vec(),
            counter: data.counter,
            user_verified: data.is_user_verified(),
        })
    }
}

/// The authenticator's data in an attestation object that attests nothing (section 8.7).
fn authenticator_data(object: &[u8]) -> Result<&[u8], PasskeyFault> {
    let (format, statement, data) = parts(object).ok_or(PasskeyFault::Attestation)?;
    if format != "none" || statement != Some(0) {
        return Err(PasskeyFault::AttestationFormat);
    }
    Ok(data)
}

/// The format, the number of entries of the statement, and the authenticator's data.
fn parts(object: &[u8]) -> Option<(&str, Option<u64>, &[u8])> {
    let mut decoder = Decoder::new(object);
    if decoder.map().ok()? != Some(ENTRIES) {
        return None;
    }
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..ENTRIES {
        match decoder.str().ok()? {
            "fmt" => format = Some(decoder.str().ok()?),
            "attStmt" => {
                statement = Some(decoder.probe().map().ok()?);
                decoder.skip().ok()?;
            }
            "authData" => data = Some(decoder.bytes().ok()?),
            _ => return None,
        }
    }
    (decoder.position() == object.len()).then_some((format?, statement?, data?))
}
