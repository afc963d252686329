//! Agents by their ids, by their login codes and by the DNs of their default places: who logs in is looked for on the thread that answers
//! phones, and a tenant may have hundreds of thousands of people and places.

use std::ops::Bound;

use contracts::provisioning::Object;
use model::SharedSet;

/// The agents of a tenant, by user names. Each entry is of one object alone, so that a change of it leaves those of others as they are,
/// in whatever order they come.
#[derive(Clone, Default)]
pub(super) struct KeyedAgents {
    /// Ids, each with the user names of who has it.
    by_id: SharedSet<(String, String)>,
    /// Login codes of agents' own settings, likewise.
    by_code: SharedSet<(String, String)>,
    /// Default places, each with the ids and user names of who belongs there.
    by_place: SharedSet<(String, String, String)>,
    /// DNs, each with the places that have it.
    places: SharedSet<(String, String)>,
}

impl KeyedAgents {
    /// The user name of the agent of an id.
    pub fn with_id(&self, id: &str) -> Option<&str> {
        first_of(&self.by_id, id)
    }

    /// The user name of the agent who has that login code: of several the first.
    pub fn with_code(&self, code: &str) -> Option<&str> {
        first_of(&self.by_code, code)
    }

    /// The user name of the agent whose default place has the DN: of several the one with the first id.
    pub fn at(&self, dn: &str) -> Option<&str> {
        let first = (dn.to_owned(), String::new());
        let here = self.places.range_from(Bound::Included(&first)).map(|(pair, ())| pair);
        let here = here.take_while(|(at, _)| at == dn).map(|(_, place)| place);
        here.filter_map(|place| self.first_at_place(place)).min().map(|(_, user)| user)
    }

    /// The id and user name of the agent of a place: of several the one with the first id.
    fn first_at_place(&self, place: &str) -> Option<(&str, &str)> {
        let first = (place.to_owned(), String::new(), String::new());
        let ((at, id, user), ()) = self.by_place.range_from(Bound::Included(&first)).next()?;
        (at == place).then_some((id.as_str(), user.as_str()))
    }

    /// Notes an object of that name.
    pub fn note(&mut self, name: &str, object: &Object) {
        match object {
            Object::Person(person) => {
                let Some(agent) = &person.agent else { return };
                self.by_id.insert((agent.id.clone(), name.to_owned()), ());
                self.by_code.insert((agent.login_code.clone(), name.to_owned()), ());
                if let Some(place) = &agent.default_place {
                    self.by_place.insert((place.clone(), agent.id.clone(), name.to_owned()), ());
                }
            }
            Object::Place(place) => {
                for dn in &place.dns {
                    self.places.insert((dn.clone(), name.to_owned()), ());
                }
            }
            _ => {}
        }
    }

    /// Forgets an object that was noted under that name as it is here.
    pub fn forget(&mut self, name: &str, object: &Object) {
        match object {
            Object::Person(person) => {
                let Some(agent) = &person.agent else { return };
                self.by_id.remove(&(agent.id.clone(), name.to_owned()));
                self.by_code.remove(&(agent.login_code.clone(), name.to_owned()));
                if let Some(place) = &agent.default_place {
                    self.by_place.remove(&(place.clone(), agent.id.clone(), name.to_owned()));
                }
            }
            Object::Place(place) => {
                for dn in &place.dns {
                    self.places.remove(&(dn.clone(), name.to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// The first user name under a key.
fn first_of<'a>(pairs: &'a SharedSet<(String, String)>, key: &str) -> Option<&'a str> {
    let first = (key.to_owned(), String::new());
    let ((at, user), ()) = pairs.range_from(Bound::Included(&first)).next()?;
    (at == key).then_some(user.as_str())
}
