//! PINs of agents: in a file in clear or as hashes, and kept as hashes alone.

use std::collections::HashMap;
use std::thread;

use contracts::provisioning::{FaultCode, Secret, TenantObjects};
use identity::password::{HashError, SALT_BYTES};
use identity::pin;
use model::Entropy;

use super::BrokenRule;
use super::salt::new_salt;

/// The longest PIN that a phone may be asked for; media collects at most this number of digits at once.
pub(super) const DIGITS_MAX: u8 = 16;

/// PINs of a stored tenant, by the ids of their agents.
pub(super) type HeldPins<'a> = HashMap<&'a str, &'a Secret>;

pub(super) fn held_pins(held: Option<&TenantObjects>) -> HeldPins<'_> {
    let people = held.into_iter().flat_map(|held| &held.people);
    let pins = people.filter_map(|person| {
        let agent = person.agent.as_ref()?;
        Some((agent.id.as_str(), agent.pin.as_ref()?))
    });
    pins.collect()
}

// === hashes ===

/// How PINs in clear become hashes, and which have become one: a change that begins again, because others have changed the tenant, hashes
/// none of them anew.
pub(crate) struct PinHashing {
    kept_max: usize,
    makes_hashes: bool,
    known: HashMap<String, HashedPin>,
}

/// What a PIN in clear was replaced by.
struct HashedPin {
    clear: Secret,
    held: Option<Secret>,
    kept: Secret,
}

impl PinHashing {
    /// Hashes each.
    pub fn of_all() -> Self {
        Self::but_for(usize::MAX)
    }

    /// Hashes each; but those that a release before has stored in clear, and that stay the same, are left as they are if they are more than
    /// `kept_max`: whoever changes something else of many agents waits for no hash of each.
    pub fn but_for(kept_max: usize) -> Self {
        Self { kept_max, makes_hashes: true, known: HashMap::new() }
    }

    /// Makes no hash, for who asks what would change and stores nothing: a PIN that is another one stays in clear.
    pub fn of_none() -> Self {
        Self { makes_hashes: false, ..Self::but_for(0) }
    }

    /// What this PIN of an agent has become before, if nobody has changed the stored one meanwhile.
    fn known(&self, agent: &str, clear: &Secret, held: Option<&Secret>) -> Option<&Secret> {
        let known = self.known.get(agent)?;
        (known.clear == *clear && known.held.as_ref() == held).then_some(&known.kept)
    }
}

/// A PIN in clear that is to be kept as a hash.
struct ClearPin<'a> {
    agent: &'a str,
    given: Secret,
    pin: &'a mut Secret,
    held: Option<&'a Secret>,
    salt: [u8; SALT_BYTES],
}

impl ClearPin<'_> {
    /// Whether it is stored in clear itself, as releases before have done it, and stays the same.
    fn is_kept(&self) -> bool {
        self.held == Some(&self.given)
    }

    /// The stored hash where it is of that PIN, so that the same file changes nothing; else a new one, where hashes are made.
    fn hash(&mut self, makes_hashes: bool) -> Result<(), HashError> {
        match self.held.filter(|held| pin::verify(self.given.reveal(), held.reveal())) {
            Some(held) => *self.pin = held.clone(),
            None if makes_hashes => *self.pin = Secret(pin::hash(self.given.reveal(), self.salt)?),
            None => {}
        }
        Ok(())
    }
}

/// Replaces PINs in clear by their hashes.
///
/// # Errors
/// When there is no memory for a hash: then there is nothing to store.
pub(super) fn hash_pins(
    objects: &mut TenantObjects,
    held: &HeldPins<'_>,
    entropy: &mut dyn Entropy,
    hashing: &mut PinHashing,
) -> Result<(), HashError> {
    let mut clear: Vec<ClearPin<'_>> = Vec::new();
    for agent in objects.people.iter_mut().filter_map(|person| person.agent.as_mut()) {
        let held = held.get(agent.id.as_str()).copied();
        let Some(pin) = agent.pin.as_mut().filter(|pin| is_clear(pin)) else { continue };
        match hashing.known(&agent.id, pin, held) {
            Some(kept) => *pin = kept.clone(),
            None => clear.push(ClearPin { agent: &agent.id, given: pin.clone(), pin, held, salt: new_salt(entropy) }),
        }
    }
    if clear.iter().filter(|pin| pin.is_kept()).count() > hashing.kept_max {
        clear.retain(|pin| !pin.is_kept());
    }
    hash_all(&mut clear, hashing.makes_hashes)?;
    for ClearPin { agent, given, pin, held, .. } in clear {
        let hashed = HashedPin { clear: given, held: held.cloned(), kept: pin.clone() };
        hashing.known.insert(agent.to_owned(), hashed);
    }
    Ok(())
}

/// Whether it can be hashed: one that is sealed could not be opened, and stays as it is.
fn is_clear(pin: &Secret) -> bool {
    !pin.reveal().is_empty() && !pin.is_meant_as_hash() && !pin.is_sealed()
}

/// On half of the processors, so that calls have the others: each hash takes one for some 20 ms, and a tenant may have thousands of agents.
fn hash_all(clear: &mut [ClearPin<'_>], makes_hashes: bool) -> Result<(), HashError> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let share = clear.len().div_ceil((processors / 2).max(1)).max(1);
    thread::scope(|scope| {
        let shares = clear.chunks_mut(share).map(|pins| {
            let work = move || pins.iter_mut().try_for_each(|pin| pin.hash(makes_hashes));
            thread::Builder::new().spawn_scoped(scope, work).map_err(|_| HashError)
        });
        let begun: Vec<_> = shares.collect();
        begun.into_iter().try_for_each(|thread| thread?.join().unwrap_or(Err(HashError)))
    })
}

// === rules ===

fn no_hash() -> BrokenRule {
    let words = "it begins as an Argon2 hash but is none of a PIN as an export writes it: Argon2id in PHC form with v=19 and \
                 m=19456,t=2,p=1, and # with the number of digits behind it";
    BrokenRule::new(FaultCode::Hash, words)
}

/// What is wrong with a PIN that is given or stored as a hash.
pub(super) fn hash_fault(pin: &Secret) -> Option<BrokenRule> {
    let is_wrong = pin.is_meant_as_hash() && !pin::is_stored_hash(pin.reveal());
    is_wrong.then(no_hash)
}

/// What is wrong with a PIN that is given anew as a hash, and that an earlier release took: it has not the cost of ours.
pub(super) fn costly_hash_fault(pin: &Secret) -> Option<BrokenRule> {
    let is_costly = pin::is_stored_hash(pin.reveal()) && !pin::is_hash(pin.reveal());
    is_costly.then(no_hash)
}

/// Whether an agent can type it when a phone asks for it.
pub(super) fn can_be_typed(pin: &Secret) -> bool {
    let digits = if pin.is_meant_as_hash() { pin::digits(pin.reveal()) } else { pin::typed_digits(pin.reveal()) };
    digits.is_some_and(|digits| digits <= DIGITS_MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::entropy::Seeded;

    use super::*;
    use crate::file;

    /// A tenant whose login asks for PINs, with these agents and their PINs.
    fn text(pins: &[(&str, &str)]) -> String {
        let mut text = "tenant: x\nname: x\nrealm: x\nhold_music: m\nprompts: {m: m.wav}\nfeature_codes:\n  \
                        - {code: \"*50\", action: login, ask_pin: true}\npeople:\n"
            .to_owned();
        for (id, pin) in pins {
            text.push_str(&format!(
                "  - {{user: u{id}, first_name: A, last_name: B, agent: {{id: \"{id}\", pin: \"{pin}\"}}}}\n"
            ));
        }
        text
    }

    fn read(pins: &[(&str, &str)]) -> Result<TenantObjects, file::Faults> {
        file::read(&text(pins), |_| Ok(String::new()))
    }

    fn filled(pins: &[(&str, &str)], held: Option<&TenantObjects>, seed: u64) -> TenantObjects {
        let mut objects = read(pins).unwrap();
        file::fill(&mut objects, held, &mut Seeded::new(seed)).unwrap();
        objects
    }

    fn kept<'a>(objects: &'a TenantObjects, agent: &str) -> &'a str {
        held_pins(Some(objects)).get(agent).map(|pin| pin.reveal()).unwrap()
    }

    #[test]
    fn a_pin_is_kept_as_a_hash_and_the_same_one_again_changes_nothing() {
        let first = filled(&[("1", "4711"), ("2", "123456")], None, 7);
        assert!(kept(&first, "1").starts_with("$argon2id$") && kept(&first, "2").ends_with("#6"));
        let again = filled(&[("1", "4711"), ("2", "123456")], Some(&first), 8);
        assert_eq!(again, first, "in clear");
        let other = filled(&[("1", "4711"), ("2", "123457")], Some(&first), 9);
        assert_eq!(kept(&other, "1"), kept(&first, "1"));
        assert!(pin::verify("123457", kept(&other, "2")) && !pin::verify("123456", kept(&other, "2")));
        // What was exported comes back, here and in another installation.
        let written = file::write(&first).yaml;
        let exported = file::read(&written, |_| Ok(String::new())).unwrap();
        assert_eq!(exported, first);
        for held in [Some(&first), None] {
            let mut imported = exported.clone();
            file::fill(&mut imported, held, &mut Seeded::new(10)).unwrap();
            assert_eq!(imported, first);
        }
    }

    #[test]
    fn a_pin_that_a_release_before_has_stored_in_clear_is_hashed_by_the_next_import() {
        let mut held = read(&[("1", "4711"), ("2", "815")]).unwrap();
        for pins in [[("1", "4711"), ("2", "815")], [("1", "generated"), ("2", "generated")]] {
            let after = filled(&pins, Some(&held), 7);
            assert!(pin::verify("4711", kept(&after, "1")) && pin::verify("815", kept(&after, "2")), "{pins:?}");
        }
        // Who changes something else of many agents waits for no hash of each, but for those of new PINs.
        let mut edited = read(&[("1", "4711"), ("2", "816")]).unwrap();
        file::fill_within(&mut edited, Some(&held), &mut Seeded::new(7), &mut PinHashing::but_for(0)).unwrap();
        assert!(kept(&edited, "1") == "4711" && pin::verify("816", kept(&edited, "2")));
        // One that cannot be opened stays.
        let sealed = Secret::of_sealed("AAAA");
        for objects in [&mut held, &mut edited] {
            for agent in objects.people.iter_mut().filter_map(|person| person.agent.as_mut()) {
                agent.pin = Some(sealed.clone());
            }
        }
        file::fill(&mut edited, Some(&held), &mut Seeded::new(7)).unwrap();
        assert_eq!(edited, held);
    }

    #[test]
    fn what_begins_again_hashes_no_pin_twice_but_where_the_stored_one_has_changed() {
        let mut hashing = PinHashing::of_all();
        let mut attempt = |held: Option<&TenantObjects>, seed: u64| {
            let mut objects = read(&[("1", "4711"), ("2", "815")]).unwrap();
            file::fill_within(&mut objects, held, &mut Seeded::new(seed), &mut hashing).unwrap();
            objects
        };
        let first = attempt(None, 7);
        assert_eq!(attempt(None, 8), first, "a second hash has another salt");
        let others = filled(&[("1", "1234")], None, 9);
        let third = attempt(Some(&others), 10);
        assert!(kept(&third, "1") != kept(&first, "1") && pin::verify("4711", kept(&third, "1")));
        assert_eq!(kept(&third, "2"), kept(&first, "2"));
    }

    #[test]
    fn who_stores_nothing_makes_no_hash_and_learns_which_pins_are_others() {
        let tried = |held: &TenantObjects| {
            let mut objects = read(&[("1", "4711"), ("2", "815")]).unwrap();
            file::fill_within(&mut objects, Some(held), &mut Seeded::new(8), &mut PinHashing::of_none()).unwrap();
            objects
        };
        let hashed = filled(&[("1", "4711"), ("2", "816")], None, 7);
        let after = tried(&hashed);
        assert_eq!(kept(&after, "1"), kept(&hashed, "1"));
        assert_eq!(kept(&after, "2"), "815", "another one");
        let in_clear = read(&[("1", "4711"), ("2", "815")]).unwrap();
        assert_eq!(tried(&in_clear), in_clear);
    }

    #[test]
    fn a_hash_is_judged_and_one_that_no_phone_can_ask_for_is_refused_where_it_is_asked_for() {
        let kept = |pin: &str| pin::hash(pin, [7; SALT_BYTES]).unwrap();
        let told = |pin: &str| {
            let mut documents = file::Documents(|_: &Path| Ok(String::new()));
            let faults = file::examine(&text(&[("1", pin)]), &mut documents).faults;
            faults.into_iter().map(|fault| (fault.key, fault.rule.code)).collect::<Vec<_>>()
        };
        let fault = |code: FaultCode| ("people.u1.agent.pin".to_owned(), code);
        assert!(told(&kept("4711")).is_empty());
        assert_eq!(told(&kept("47a1")), [fault(FaultCode::PinDigits)]);
        assert_eq!(told(&kept("12345678901234567")), [fault(FaultCode::PinDigits)]);
        for (ours, theirs) in [("m=19456", "m=4000000"), ("m=19456", "m=262144"), ("t=2", "t=16")] {
            let costly = kept("4711").replace(ours, theirs);
            assert_eq!(told(&costly), [fault(FaultCode::Hash)], "{theirs}");
            // A snapshot may have what an earlier release took.
            assert_eq!(read(&[("1", &costly)]).is_ok(), theirs != "m=4000000", "{theirs}");
        }
    }
}
