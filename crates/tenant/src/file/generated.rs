//! Generated secrets: `password: generated`, `inbound_password: generated` and `pin: generated`.

use std::collections::{BTreeMap, HashMap};

use contracts::provisioning::{DnKind, Secret, TenantObjects};
use identity::password::HashError;
use identity::pin;
use model::Entropy;

use super::pins::{PinHashing, hash_pins, held_pins};

/// The value in a tenant's file for a secret that the first import generates and later imports keep.
pub const GENERATED: &str = "generated";

/// Characters of a password: no two look alike, and with 32 of them each is worth five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Length of a password: 80 bits. An eavesdropper can test guesses offline against a recorded digest.
const PASSWORD_CHARACTERS: usize = 16;
/// Digits of a PIN: it is typed at a phone, and wrong ones are counted.
const PIN_DIGITS: u32 = 6;

/// A phone's password with fewer characters is soon guessed.
pub const PHONE_PASSWORD_LEAST: usize = 8;

/// The numbers of phones whose passwords are that short. One that is left out, or sealed, is not.
pub fn short_passwords(objects: &TenantObjects) -> impl Iterator<Item = &str> {
    objects.dns.iter().filter_map(|dn| {
        let DnKind::Extension { password, .. } = &dn.kind else { return None };
        let length = password.reveal().chars().count();
        (length > 0 && length < PHONE_PASSWORD_LEAST).then_some(dn.number.as_str())
    })
}

/// Whether a secret is to be generated.
pub(super) fn is_generated(secret: &Secret) -> bool {
    secret.reveal() == GENERATED
}

/// PINs that an import has made, by the ids of their agents: they are shown once, and kept as hashes.
pub type MadePins = BTreeMap<String, Secret>;

/// Puts a new PIN, which `made` then has, in the place of each that is to be generated and of which nothing is stored. An import that
/// begins again makes no others.
pub(crate) fn make_pins(
    objects: &mut TenantObjects,
    held: Option<&TenantObjects>,
    entropy: &mut dyn Entropy,
    made: &mut MadePins,
) {
    let held = held_pins(held);
    for agent in objects.people.iter_mut().filter_map(|person| person.agent.as_mut()) {
        if agent.pin.as_ref().is_some_and(is_generated) && !held.contains_key(agent.id.as_str()) {
            let pin = made.entry(agent.id.clone()).or_insert_with(|| new_pin(entropy));
            agent.pin = Some(pin.clone());
        }
    }
}

/// Those of the PINs that the stored tenant has.
pub(crate) fn stored_pins(mut made: MadePins, stored: &TenantObjects) -> MadePins {
    let held = held_pins(Some(stored));
    made.retain(|agent, made| held.get(agent.as_str()).is_some_and(|kept| pin::verify(made.reveal(), kept.reveal())));
    made
}

/// Replaces each placeholder by the stored secret, else by a new one, and passwords and PINs that are kept as hashes by their hashes.
///
/// # Errors
/// When there is no memory for a hash.
pub fn fill(
    objects: &mut TenantObjects,
    held: Option<&TenantObjects>,
    entropy: &mut dyn Entropy,
) -> Result<(), HashError> {
    fill_within(objects, held, entropy, &mut PinHashing::of_all())
}

/// The same; it says how PINs become hashes.
///
/// # Errors
/// As [`fill`].
pub(crate) fn fill_within(
    objects: &mut TenantObjects,
    held: Option<&TenantObjects>,
    entropy: &mut dyn Entropy,
    hashing: &mut PinHashing,
) -> Result<(), HashError> {
    super::access::hash_secrets(objects, held, entropy)?;
    let (mut passwords, mut of_trunks) = (HashMap::new(), HashMap::new());
    let pins = held_pins(held);
    if let Some(held) = held {
        passwords.extend(held.dns.iter().filter_map(|dn| match &dn.kind {
            // One whose password was taken out of the database gets another.
            DnKind::Extension { password, .. } if !password.reveal().is_empty() => Some((dn.number.as_str(), password)),
            _ => None,
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
    hash_pins(objects, &pins, entropy, hashing)
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

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;
    use crate::file;

    /// A tenant with these PINs of its two agents.
    fn read(first: &str, second: &str) -> TenantObjects {
        let text = format!(
            "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {{m: m.wav}}\npeople:\n  \
             - {{user: u1, first_name: A, last_name: B, agent: {{id: \"1\", pin: \"{first}\"}}}}\n  \
             - {{user: u2, first_name: A, last_name: B, agent: {{id: \"2\", pin: \"{second}\"}}}}\n"
        );
        file::read(&text, |_| Ok(String::new())).unwrap()
    }

    #[test]
    fn a_pin_that_is_left_to_us_is_told_once_and_by_the_attempt_that_has_stored_it() {
        let generated = || read(GENERATED, "4711");
        let (mut entropy, mut made) = (Seeded::new(7), MadePins::new());
        let mut first = generated();
        make_pins(&mut first, None, &mut entropy, &mut made);
        let told = made.clone();
        assert_eq!(told.keys().collect::<Vec<_>>(), ["1"]);
        assert_eq!(pin::typed_digits(told["1"].reveal()), Some(6));
        make_pins(&mut generated(), None, &mut entropy, &mut made);
        assert!(made == told, "an attempt more makes no other");
        fill(&mut first, None, &mut entropy).unwrap();
        let kept = held_pins(Some(&first))["1"];
        assert!(pin::verify(told["1"].reveal(), kept.reveal()) && kept != &told["1"]);
        assert!(stored_pins(made.clone(), &first) == told);

        let mut later = MadePins::new();
        let mut again = generated();
        make_pins(&mut again, Some(&first), &mut entropy, &mut later);
        fill(&mut again, Some(&first), &mut entropy).unwrap();
        assert!(later.is_empty() && again == first, "an import later keeps it, and shows nothing");
        let mut others = read("123456", "4711");
        fill(&mut others, None, &mut Seeded::new(9)).unwrap();
        assert!(stored_pins(made, &others).is_empty(), "somebody else has stored another one");
    }
}
