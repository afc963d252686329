//! What is known of who calls, where a trunk verifies that.

use model::UserData;
use sip::stir::{Attestation, StirRefusal, VerifiedIdentity, Verstat};

/// What is known of who calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerVerdict {
    /// Whether the number is right.
    pub verstat: Verstat,
    /// If it is: how sure the signer is of who calls.
    pub attest: Option<Attestation>,
    /// If it is: whose call it is to the signer.
    pub origid: Option<String>,
}

impl CallerVerdict {
    pub(super) fn of(outcome: &Result<VerifiedIdentity, StirRefusal>) -> Self {
        match outcome {
            Ok(verified) => {
                Self { verstat: Verstat::Passed, attest: Some(verified.attest), origid: Some(verified.origid.clone()) }
            }
            Err(refusal) => Self { verstat: refusal.verstat(), attest: None, origid: None },
        }
    }

    /// As applications and desktops see it, with the call.
    pub fn user_data(&self) -> UserData {
        let mut data = UserData::new();
        data.set("verstat", self.verstat.as_str());
        if let Some(attest) = self.attest {
            data.set("attest", attest.as_str());
        }
        if let Some(origid) = &self.origid {
            data.set("origid", origid.as_str());
        }
        data
    }
}
