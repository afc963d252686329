//! PINs of the demo's agents. The tenant holds their hashes alone, so they are kept beside it, each with its hash: of an agent who has
//! another one by now nothing is told.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use contracts::provisioning::{Agent, TenantObjects};
use runtime::data_dir;
use tenant::file::{GENERATED, MadePins};

/// The PINs, in the data directory.
const FILE: &str = "demo-pins.json";

/// PINs with their hashes, by the ids of their agents.
pub struct DemoPins(BTreeMap<String, (String, String)>);

impl DemoPins {
    /// Those of this data directory.
    pub fn of(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let held = serde_json::from_slice(&bytes);
                held.map(Self).with_context(|| format!("{}: remove it to go on without it", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self(BTreeMap::new())),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Keeps PINs that the tenant has now.
    pub fn keep(mut self, data_dir: &Path, pins: &MadePins, stored: &TenantObjects) -> anyhow::Result<()> {
        for agent in stored.people.iter().filter_map(|person| person.agent.as_ref()) {
            if let (Some(pin), Some(hash)) = (pins.get(&agent.id), &agent.pin) {
                self.0.insert(agent.id.clone(), (pin.reveal().to_owned(), hash.reveal().to_owned()));
            }
        }
        data_dir::write_whole(&data_dir.join(FILE), &serde_json::to_vec_pretty(&self.0)?)?;
        Ok(())
    }

    /// The agent's PIN, if it is known still.
    pub fn of_agent(&self, agent: &Agent) -> Option<&str> {
        let (pin, hash) = self.0.get(&agent.id)?;
        (agent.pin.as_ref()?.reveal() == hash).then_some(pin.as_str())
    }
}

/// The PINs that stand in clear: a release before has stored them so that they can be read, and the next import hashes them.
pub fn in_clear(objects: &TenantObjects) -> MadePins {
    let agents = objects.people.iter().filter_map(|person| person.agent.as_ref());
    let pins = agents.filter_map(|agent| Some((agent.id.clone(), agent.pin.clone()?)));
    pins.filter(|(_, pin)| !pin.is_meant_as_hash() && !pin.is_sealed() && pin.reveal() != GENERATED).collect()
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::Secret;

    use super::*;

    #[test]
    fn the_pins_of_a_data_directory_are_told_until_they_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut objects = crate::demo::example().unwrap();
        assert!(in_clear(&objects).is_empty(), "they are still to be made");
        let set = |objects: &mut TenantObjects, pin: &str| {
            let agent = objects.people.iter_mut().find_map(|person| person.agent.as_mut()).unwrap();
            agent.pin = Some(Secret(pin.to_owned()));
            agent.clone()
        };
        let first = set(&mut objects, "4711");
        let pins = in_clear(&objects);
        assert_eq!(pins.keys().collect::<Vec<_>>(), [&first.id]);
        let hashed = set(&mut objects, "$argon2id$one#4");
        assert!(in_clear(&objects).is_empty());
        DemoPins::of(folder.path()).unwrap().keep(folder.path(), &pins, &objects).unwrap();
        let kept = DemoPins::of(folder.path()).unwrap();
        assert_eq!(kept.of_agent(&hashed), Some("4711"));
        assert_eq!(kept.of_agent(&set(&mut objects, "$argon2id$other#4")), None);
    }
}
