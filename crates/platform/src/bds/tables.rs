//! What is in the files: the columns of each table, and the rows of an object. There is no column for a secret.

use contracts::provisioning::{Dn, DnKind, Number, Object, ObjectKind, Person, Place, Privilege};

/// A table; each is a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InventoryTable {
    People,
    Skills,
    PersonSkills,
    Places,
    Dns,
    Numbers,
    Queues,
}

/// The kinds of objects that have rows.
pub(super) const KINDS: [ObjectKind; 5] =
    [ObjectKind::Skill, ObjectKind::Dn, ObjectKind::Place, ObjectKind::Person, ObjectKind::Number];

impl InventoryTable {
    pub const ALL: [Self; 7] =
        [Self::People, Self::Skills, Self::PersonSkills, Self::Places, Self::Dns, Self::Numbers, Self::Queues];

    /// Its name, and that of its file without `.csv`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Skills => "skills",
            Self::PersonSkills => "person_skills",
            Self::Places => "places",
            Self::Dns => "dns",
            Self::Numbers => "numbers",
            Self::Queues => "queues",
        }
    }

    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::People => &[
                "user_name",
                "first_name",
                "last_name",
                "email",
                "disabled",
                "privileges",
                "agent_id",
                "default_place",
                "wrap_up_s",
            ],
            Self::Skills => &["name"],
            Self::PersonSkills => &["user_name", "agent_id", "skill", "level"],
            Self::Places => &["name", "dns"],
            Self::Dns => &["number", "type"],
            Self::Numbers => &["number", "name", "dn", "schedule", "closed_dn"],
            Self::Queues => &["number", "type", "application", "default_dn", "service_level_s", "short_abandon_s"],
        }
    }
}

/// A row, with its table.
pub(super) type TableRow = (InventoryTable, Vec<String>);

/// The rows of an object.
pub(super) fn rows(object: &Object) -> Vec<TableRow> {
    match object {
        Object::Skill(skill) => vec![(InventoryTable::Skills, vec![skill.name.clone()])],
        Object::Place(place) => vec![(InventoryTable::Places, of_place(place))],
        Object::Number(number) => vec![(InventoryTable::Numbers, of_number(number))],
        Object::Person(person) => of_person(person),
        Object::Dn(dn) => of_dn(dn),
        Object::Tenant(_)
        | Object::Prompt(_)
        | Object::Application(_)
        | Object::Trunk(_)
        | Object::FeatureCode(_)
        | Object::Schedule(_)
        | Object::DialRule(_)
        | Object::Client(_)
        | Object::AgentGroup(_)
        | Object::ActionCode(_)
        | Object::List(_)
        | Object::BusinessAttribute(_)
        | Object::PlaceGroup(_) => Vec::new(),
    }
}

fn of_place(place: &Place) -> Vec<String> {
    vec![place.name.clone(), place.dns.join(" ")]
}

fn of_number(number: &Number) -> Vec<String> {
    vec![
        number.number.clone(),
        number.name.clone(),
        number.dn.clone(),
        number.schedule.clone().unwrap_or_default(),
        number.closed_dn.clone().unwrap_or_default(),
    ]
}

fn of_person(person: &Person) -> Vec<TableRow> {
    let agent = person.agent.as_ref();
    let agent_id = agent.map_or("", |agent| agent.id.as_str());
    let privileges: Vec<&str> = person.privileges.iter().copied().map(Privilege::as_str).collect();
    let wrap_up = agent.and_then(|agent| agent.wrap_up_s);
    let row = vec![
        person.user_name.clone(),
        person.first_name.clone(),
        person.last_name.clone(),
        person.email.clone().unwrap_or_default(),
        person.disabled.to_string(),
        privileges.join(" "),
        agent_id.to_owned(),
        agent.and_then(|agent| agent.default_place.clone()).unwrap_or_default(),
        wrap_up.map(|seconds| seconds.to_string()).unwrap_or_default(),
    ];
    let skills = agent.map(|agent| agent.skills.as_slice()).unwrap_or_default().iter().map(|has| {
        let row = vec![person.user_name.clone(), agent_id.to_owned(), has.skill.clone(), has.level.to_string()];
        (InventoryTable::PersonSkills, row)
    });
    std::iter::once((InventoryTable::People, row)).chain(skills).collect()
}

fn of_dn(dn: &Dn) -> Vec<TableRow> {
    let kind = match dn.kind {
        DnKind::Extension { .. } => "extension",
        DnKind::RoutePoint { .. } => "route_point",
        DnKind::VirtualQueue => "virtual_queue",
        DnKind::Echo => "echo",
        DnKind::Announcement { .. } => "announcement",
    };
    let mut rows = vec![(InventoryTable::Dns, vec![dn.number.clone(), kind.to_owned()])];
    let of_queue = match &dn.kind {
        DnKind::RoutePoint { application, default_dn, service_level_s, short_abandon_s, .. } => [
            application.clone(),
            default_dn.clone().unwrap_or_default(),
            service_level_s.to_string(),
            short_abandon_s.to_string(),
        ],
        DnKind::VirtualQueue => Default::default(),
        DnKind::Extension { .. } | DnKind::Echo | DnKind::Announcement { .. } => return rows,
    };
    let row = [dn.number.clone(), kind.to_owned()].into_iter().chain(of_queue).collect();
    rows.push((InventoryTable::Queues, row));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ObjectKind, json: &serde_json::Value) -> Vec<TableRow> {
        rows(&Object::from_json(kind, json.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn a_person_has_a_row_and_one_for_each_skill_and_shows_no_secret() {
        let person = serde_json::json!({
            "user_name": "ada", "first_name": "Ada", "last_name": "L", "password": "$argon2id$hidden", "privileges": ["agent"],
            "agent": { "id": "1001", "login_code": "77", "pin": "4711", "default_place": "seat-1", "wrap_up_s": 5,
                "skills": [{ "skill": "sales", "level": 7 }, { "skill": "english", "level": 2 }] },
        });
        let rows = read(ObjectKind::Person, &person);
        assert_eq!(rows[0].1, ["ada", "Ada", "L", "", "false", "agent", "1001", "seat-1", "5"]);
        assert_eq!(rows[1], (InventoryTable::PersonSkills, ["ada", "1001", "sales", "7"].map(str::to_owned).to_vec()));
        assert_eq!(rows.len(), 3);
        let shown = format!("{rows:?}");
        assert!(!shown.contains("hidden") && !shown.contains("4711"), "{shown}");
    }

    #[test]
    fn a_route_point_is_a_dn_and_a_queue_and_a_phone_is_a_dn_alone() {
        let point =
            serde_json::json!({ "number": "9000", "type": "route_point", "application": "sales", "default_dn": null });
        let rows = read(ObjectKind::Dn, &point);
        assert_eq!(rows[0].1, ["9000", "route_point"]);
        assert_eq!(rows[1].1, ["9000", "route_point", "sales", "", "20", "5"]);
        let phone =
            serde_json::json!({ "number": "7101", "type": "extension", "password": "hidden", "no_answer_s": null });
        let rows = read(ObjectKind::Dn, &phone);
        assert_eq!((rows.len(), rows[0].1.join(" ")), (1, "7101 extension".to_owned()));
    }

    #[test]
    fn each_row_has_the_columns_of_its_table() {
        let queue = serde_json::json!({ "number": "sales", "type": "virtual_queue" });
        let number = serde_json::json!({ "number": "+15550100", "name": "sales", "dn": "9000" });
        let place = serde_json::json!({ "name": "seat-1", "dns": ["7101", "7102"] });
        let of = [(ObjectKind::Dn, queue), (ObjectKind::Number, number), (ObjectKind::Place, place)];
        for (table, row) in of.iter().flat_map(|(kind, json)| read(*kind, json)) {
            assert_eq!(row.len(), table.columns().len(), "{table:?}");
        }
    }
}
