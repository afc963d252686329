//! Generated secrets: `password: generated`, `inbound_password: generated` and `pin: generated`.

use std::collections::HashMap;

use contracts::provisioning::{DnKind, Secret, TenantObjects};
use identity::password::HashError;
use model::Entropy;

/// The value in a tenant's file for a secret that the first import generates and later imports keep.
pub const GENERATED: &str = "generated";

/// Characters of a password: no two look alike, and with 32 of them each is worth five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Length of a password: 80 bits. An eavesdropper can test guesses offline against a recorded digest.
const PASSWORD_CHARACTERS: usize = 16;
/// Digits of a PIN: it is typed at a phone, and wrong ones are counted.
const PIN_DIGITS: u32 = 6;

/// Whether a secret is to be generated.
pub(super) fn is_generated(secret: &Secret) -> bool {
    secret.reveal() == GENERATED
}

/// Replaces each placeholder by the stored secret, else by a new one, and passwords that are kept as hashes by their hashes.
///
/// # Errors
/// When there is no memory for a hash.
pub fn fill(
    objects: &mut TenantObjects,
    held: Option<&TenantObjects>,
    entropy: &mut dyn Entropy,
) -> Result<(), HashError> {
    super::access::hash_secrets(objects, held, entropy)?;
    let (mut passwords, mut pins, mut of_trunks) = (HashMap::new(), HashMap::new(), HashMap::new());
    if let Some(held) = held {
        passwords.extend(held.dns.iter().filter_map(|dn| match &dn.kind {
            // One whose password was taken out of the database gets another.
            DnKind::Extension { password, .. } if !password.reveal().is_empty() => Some((dn.number.as_str(), password)),
            _ => None,
        }));
        pins.extend(held.people.iter().filter_map(|person| {
            let agent = person.agent.as_ref()?;
            Some((agent.id.as_str(), agent.pin.as_ref()?))
        }));
        of_trunks.extend(
            held.trunks.iter().filter_map(|trunk| Some((trunk.name.as_str(), trunk.inbound_password.as_ref()?))),
        );
    }
    for dn in &mut objects.dns {
        if let DnKind::Extension { password, .. } = &mut dn.kind
            && is_generated(password)
        {
            *password = passwords.get(dn.number.as_str()).map_or_else(|| new_password(entropy), |held| (*held).clone());
        }
    }
    for trunk in &mut objects.trunks {
        if trunk.inbound_password.as_ref().is_some_and(is_generated) {
            let held = of_trunks.get(trunk.name.as_str()).map(|password| (*password).clone());
            trunk.inbound_password = Some(held.unwrap_or_else(|| new_password(entropy)));
        }
    }
    for agent in objects.people.iter_mut().filter_map(|person| person.agent.as_mut()) {
        if agent.pin.as_ref().is_some_and(is_generated) {
            let held = pins.get(agent.id.as_str()).map(|pin| (*pin).clone());
            agent.pin = Some(held.unwrap_or_else(|| new_pin(entropy)));
        }
    }
    Ok(())
}

/// A password that nobody guesses, to be typed once.
pub(crate) fn new_password(entropy: &mut dyn Entropy) -> Secret {
    let character = |_| {
        let at = usize::try_from(entropy.below(ALPHABET.len() as u64)).unwrap_or_default();
        char::from(ALPHABET[at % ALPHABET.len()])
    };
    Secret((0..PASSWORD_CHARACTERS).map(character).collect())
}

fn new_pin(entropy: &mut dyn Entropy) -> Secret {
    Secret(format!("{:0width$}", entropy.below(10_u64.pow(PIN_DIGITS)), width = PIN_DIGITS as usize))
}
