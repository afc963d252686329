//! The life of a whole tenant: it is made with somebody who administers it, it is listed, and it ends.

use std::time::Duration;

use contracts::provisioning::{
    AgentRules, FeatureAction, FeatureCode, ObjectKey, ObjectKind, Person, Privilege, Prompt, Secret, SignInRules,
    Tenant, TenantObjects,
};
use infra::{ChangeNote, ObjectChange, ProvisioningStore, Revision, StoreError};
use model::{Entropy, TenantId};

use crate::file::{self, MadePins, ObjectFault, new_password};
use crate::names::name_fault;

/// The name by which somebody signs in who administers a new tenant, where no other is wanted.
pub const ADMINISTRATOR: &str = "administrator";
/// How long a phone rings where nothing else is said, in seconds.
const NO_ANSWER_S: u32 = 15;

/// Rows of a tenant that has ended which are removed at once: other writers wait meanwhile.
const ROWS_AT_ONCE: u32 = 1_000;
/// Pause after them.
const PAUSE: Duration = Duration::from_millis(5);
/// How often a part is tried again while the store does not answer, and the pause before that.
const ATTEMPTS_MAX: u32 = 5;
const AWAY_PAUSE: Duration = Duration::from_secs(1);

/// A new tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantWanted {
    /// Its id.
    pub id: TenantId,
    /// The name shown to people; none: the id.
    pub name: Option<String>,
    /// The realm of its phones; none: the id with `.invalid`.
    pub realm: Option<String>,
    /// Who administers it: a user name.
    pub administrator: String,
}

/// A tenant that was made.
pub struct MadeTenant {
    /// Its revision.
    pub revision: Revision,
    /// The number of its objects.
    pub objects: usize,
    /// The PINs that were made: shown this once, since they are kept as hashes.
    pub pins: MadePins,
}

/// Why a tenant was not made.
#[derive(Debug, thiserror::Error)]
pub enum NoTenantMade {
    /// There is one with that id.
    #[error("there is a tenant {0} already")]
    Present(TenantId),
    /// Its objects would break rules.
    #[error("{}", lines(.0))]
    Faults(Vec<ObjectFault>),
    /// A password could not be hashed.
    #[error("nothing is made")]
    Hash(#[from] identity::password::HashError),
    /// The store refused or failed.
    #[error("the tenant cannot be stored")]
    Store(#[from] StoreError),
}

/// A line for each.
fn lines(faults: &[ObjectFault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The least that a tenant has, and the password of who administers it: it is told once, and kept as a hash.
pub fn minimal(wanted: &TenantWanted, entropy: &mut dyn Entropy) -> (TenantObjects, Secret) {
    let id = wanted.id.as_str();
    let mut objects = TenantObjects::new(Tenant {
        id: id.to_owned(),
        name: wanted.name.clone().unwrap_or_else(|| id.to_owned()),
        realm: wanted.realm.clone().unwrap_or_else(|| format!("{id}.invalid")),
        codecs: ["PCMA", "PCMU", "G722", "opus"].map(str::to_owned).into(),
        hold_music: "music".to_owned(),
        no_answer_s: NO_ANSWER_S,
        wrap_up_s: 0,
        confirmation_prompt: None,
        refusal_prompt: None,
        country_prefix: None,
        national_prefix: None,
        international_prefix: None,
        time_zone: None,
        outgoing_max: None,
        agents: AgentRules::default(),
        location: None,
        require_second_factor: Vec::new(),
        sign_in: SignInRules::default(),
    });
    // It comes with the program.
    objects.prompts = vec![Prompt::of_file("music".to_owned(), "music.wav".to_owned())];
    // Without codes nobody could log in by phone; these are the example's.
    let codes = [
        ("*50", FeatureAction::Login),
        ("*51", FeatureAction::Logout),
        ("*52", FeatureAction::Ready),
        ("*53", FeatureAction::NotReady),
    ];
    objects.feature_codes =
        codes.map(|(code, action)| FeatureCode { code: code.to_owned(), action, ask_pin: false }).into();
    let password = new_password(entropy);
    objects.people = vec![Person {
        user_name: wanted.administrator.clone(),
        first_name: "First".to_owned(),
        last_name: "Administrator".to_owned(),
        password: Some(password.clone()),
        // Whoever has made the tenant knows it.
        change_password: true,
        privileges: vec![Privilege::Administrator],
        ..Person::default()
    }];
    (objects, password)
}

/// Makes a tenant that is not there of its objects, with passwords and PINs in clear hashed and those that are to be generated made.
///
/// # Errors
/// Why it was not made. Only [`StoreError::Unavailable`] leaves that open.
pub async fn make(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    mut objects: TenantObjects,
    note: &ChangeNote,
    entropy: &mut dyn Entropy,
) -> Result<MadeTenant, NoTenantMade> {
    if store.revision(tenant).await?.is_some() {
        return Err(NoTenantMade::Present(tenant.clone()));
    }
    let mut faults = file::object_faults(&objects, |_| true);
    let of_name = |person: &Person| {
        let (id, rule) = (person.user_name.clone(), name_fault(&person.user_name)?);
        Some(ObjectFault { key: ObjectKey { kind: ObjectKind::Person, id }, field: "user_name".to_owned(), rule })
    };
    faults.extend(objects.people.iter().filter_map(of_name));
    if !faults.is_empty() {
        return Err(NoTenantMade::Faults(faults));
    }
    let mut pins = MadePins::new();
    file::make_pins(&mut objects, None, entropy, &mut pins);
    file::fill(&mut objects, None, entropy)?;
    let puts: Vec<ObjectChange> = objects.objects().map(ObjectChange::Put).collect();
    let count = puts.len();
    match store.update(tenant, Revision(0), puts, note).await {
        Ok(revision) => Ok(MadeTenant { revision, objects: count, pins }),
        Err(StoreError::Conflict { .. }) => Err(NoTenantMade::Present(tenant.clone())),
        Err(error) => Err(error.into()),
    }
}

/// Removes what is left of a tenant that has ended, part by part, and says how many rows that were.
///
/// # Errors
/// That of the store, if it does not pass: what is gone is gone, and the same again goes on.
pub async fn remove_rest(store: &dyn ProvisioningStore, tenant: &TenantId) -> Result<u64, StoreError> {
    let (mut all, mut failures) = (0, 0);
    loop {
        match store.remove_ended(tenant, ROWS_AT_ONCE).await {
            Ok(0) => return Ok(all),
            Ok(count) => {
                (all, failures) = (all + count, 0);
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) if error.passes() && failures < ATTEMPTS_MAX => {
                failures += 1;
                tracing::warn!(%tenant, %error, "what is left of a deleted tenant cannot be removed now: tried again");
                tokio::time::sleep(AWAY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;

    fn wanted(id: &str, administrator: &str) -> TenantWanted {
        let (id, administrator) = (TenantId::parse(id).unwrap(), administrator.to_owned());
        TenantWanted { id, name: None, realm: None, administrator }
    }

    #[test]
    fn the_least_that_a_tenant_has_breaks_no_rule_and_has_an_administrator() {
        let (objects, password) = minimal(&wanted("acme", ADMINISTRATOR), &mut Seeded::new(7));
        assert_eq!(file::object_faults(&objects, |_| true), []);
        assert_eq!((objects.tenant.name.as_str(), objects.tenant.realm.as_str()), ("acme", "acme.invalid"));
        assert_eq!(objects.people[0].privileges, [Privilege::Administrator]);
        assert_eq!(objects.people[0].password.as_ref(), Some(&password));
        assert!(password.reveal().len() >= 16, "nobody guesses it");
        assert!(objects.people[0].change_password, "it is good for one sign-in");
        let (_, other) = minimal(&wanted("acme", ADMINISTRATOR), &mut Seeded::new(8));
        assert!(password != other, "each tenant has one of its own");
        // What a file would say of it is the same.
        let file::Exported { yaml, .. } = file::write(&objects);
        let read = file::read(&yaml, |_| Err(std::io::ErrorKind::NotFound.into()));
        assert_eq!(read.unwrap(), objects);
    }

    #[test]
    fn a_user_name_that_none_may_have_is_refused() {
        let (objects, _) = minimal(&wanted("acme", &"x".repeat(300)), &mut Seeded::new(7));
        let faults = file::object_faults(&objects, |_| true);
        assert!(faults.iter().any(|fault| fault.field == "user_name"), "{faults:?}");
    }
}
